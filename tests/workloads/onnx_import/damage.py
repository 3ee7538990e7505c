"""Models that went wrong: valid ones with some of their parts changed, and their bytes changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from tests.workloads.onnx_import.operator_cases import CASES

NUMBERS = [0, 1, -1, 2, 3, 4, 5, 7, 2**31, 2**62, -(2**63)]
REALS = [0.0, -1.0, 0.5, 1e38, 1e-40, float("nan"), float("inf"), float("-inf")]
WORDS = ["nearest", "linear", "floor", "align_corners", "SAME_UPPER", "reflect", "wrap", "nonsense", ""]
ATTRIBUTES = (
    *("alpha", "axes", "axis", "auto_pad", "beta", "bias", "ceil_mode", "count_include_pad", "dilations"),
    *("epsilon", "group", "keepdims", "kernel_shape", "mode", "nearest_mode", "num_outputs", "pads", "perm"),
    *("scales", "size", "split", "starts", "ends", "storage_order", "strides", "to", "transA", "transB"),
    *("coordinate_transformation_mode", "allowzero", "gamma", "value", "approximate", "training_mode"),
)
KINDS = (
    *("Conv", "Gemm", "MatMul", "BatchNormalization", "MaxPool", "AveragePool", "Concat", "Split", "Slice"),
    *("Reshape", "Transpose", "Pad", "Resize", "Softmax", "Gather", "Expand", "Tile", "Add", "Mul", "Clip"),
    *(
        "Squeeze",
        "Unsqueeze",
        "ReduceMean",
        "ReduceMax",
        "LRN",
        "PRelu",
        "Pow",
        "Where",
        "Sum",
        "Min",
        "Flatten",
    ),
    *("Cast", "Shape", "Range", "ConstantOfShape", "QuantizeLinear", "DequantizeLinear", "GlobalAveragePool"),
    *(
        "Normalizer",
        "Scaler",
        "LinearClassifier",
        "LogSoftmax",
        "LeakyRelu",
        "Upsample",
        "Identity",
        "Dropout",
    ),
)


def _value_like(draw: Callable[[Any], Any], value: Any) -> Any:
    """Draw a value of an attribute's type."""
    match value:
        case float():
            return draw(st.sampled_from(REALS))
        case int():
            return draw(st.sampled_from(NUMBERS))
        case bytes():
            return draw(st.sampled_from(WORDS))
        case [*_]:
            changed = [*value, draw(st.sampled_from(NUMBERS))][draw(st.integers(0, 1)) :]
            changed[draw(st.integers(0, len(changed) - 1))] = draw(st.sampled_from(NUMBERS))
            return [type(value[0])(each) for each in changed] if value else changed
    return draw(
        st.one_of(st.sampled_from([*NUMBERS, *REALS, *WORDS]), st.lists(st.sampled_from(NUMBERS), min_size=1))
    )


def _change_attribute(draw: Callable[[Any], Any], node: NodeProto) -> None:
    present = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    name = draw(st.sampled_from([*present] * 4 + [*ATTRIBUTES]))
    value = _value_like(draw, present.get(name))
    for attribute in [each for each in node.attribute if each.name == name]:
        node.attribute.remove(attribute)
    node.attribute.append(helper.make_attribute(name, value))


def _change_node(draw: Callable[[Any], Any], made: ModelProto) -> None:
    node = draw(st.sampled_from(list(made.graph.node)))
    tensors = [each.name for each in made.graph.initializer] + [made.graph.input[0].name, ""]
    tensors += [name for each in made.graph.node for name in each.output]
    match draw(st.integers(0, 9)):
        case 0:
            node.op_type = draw(st.sampled_from(KINDS))
        case 1 if node.input:
            node.input[draw(st.integers(0, len(node.input) - 1))] = draw(st.sampled_from(tensors))
        case 2:
            node.input.append(draw(st.sampled_from(tensors)))
        case 3 if node.input:
            node.input.pop()
        case 4:
            node.domain = draw(st.sampled_from(["", "ai.onnx.ml", "com.microsoft"]))
        case _:
            _change_attribute(draw, node)


def _change_tensor(draw: Callable[[Any], Any], made: ModelProto) -> None:
    tensor = draw(st.sampled_from(list(made.graph.initializer)))
    match draw(st.integers(0, 9)):
        case 0:
            tensor.dims[:] = draw(st.lists(st.sampled_from(NUMBERS), max_size=4))
        case 1:
            tensor.data_type = draw(st.integers(0, 24))
        case 2:
            tensor.raw_data = tensor.raw_data[: draw(st.integers(0, len(tensor.raw_data)))]
        case 3:
            words = len(tensor.raw_data) // 4
            if tensor.data_type == TensorProto.FLOAT and words:
                values = np.frombuffer(tensor.raw_data[: 4 * words], np.float32).copy()
                values[draw(st.integers(0, words - 1))] = draw(st.sampled_from(REALS))
                tensor.raw_data = values.tobytes()
        case 4:
            tensor.name = draw(st.sampled_from(["", "x", "y", "lost"]))
        case _:
            shape = draw(st.lists(st.integers(0, 4), max_size=5))
            real = tensor.data_type == TensorProto.FLOAT
            values = draw(st.lists(st.sampled_from(REALS if real else NUMBERS), min_size=1, max_size=3))
            array = np.resize(np.array(values, np.float32 if real else np.int64), shape)
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def _change_value(draw: Callable[[Any], Any], made: ModelProto) -> None:
    value = draw(st.sampled_from([*made.graph.input, *made.graph.output]))
    kind = value.type.tensor_type
    match draw(st.integers(0, 4)):
        case 0 if kind.shape.dim:
            size = draw(st.sampled_from(list(kind.shape.dim)))
            size.dim_value = draw(st.sampled_from(NUMBERS))
        case 1:
            kind.shape.dim.add().dim_value = draw(st.sampled_from(NUMBERS))
        case 2 if kind.shape.dim:
            kind.shape.dim.pop()
        case 3:
            kind.elem_type = draw(st.integers(0, 24))
        case _:
            kind.ClearField("shape")


@st.composite
def damaged_models(draw: Callable[[Any], Any]) -> ModelProto:
    """Draw a model of one operator with a few of its parts changed."""
    made = CASES[draw(st.sampled_from(sorted(CASES)))].model()
    made.graph.ClearField("value_info")  # so that what is changed need not fit what was inferred before
    for output in made.graph.output:
        for size in output.type.tensor_type.shape.dim:
            size.Clear()
    for _ in range(draw(st.integers(1, 3))):
        match draw(st.integers(0, 9)):
            case 0 | 1 | 2 | 4 if made.graph.initializer:
                _change_tensor(draw, made)
            case 5:
                _change_value(draw, made)
            case 3:
                made.opset_import[0].version = draw(st.integers(0, 30))
            case _:
                _change_node(draw, made)
    return made


@st.composite
def damaged_bytes(draw: Callable[[Any], Any]) -> bytes:
    """Draw the bytes of a model of one operator with a few of them changed, put in or left out."""
    content = bytearray(CASES[draw(st.sampled_from(sorted(CASES)))].model().SerializeToString())
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(content)))
        gone = draw(st.integers(0, 3))
        content[start : start + gone] = draw(st.binary(max_size=4))
    return bytes(content)
