"""ONNX files in: bounded and checked before they are believed, with large tensors left where they are.

A file may be hostile. Its size, its nodes, its nesting and the elements of each tensor are bounded before
anything is allocated for them, and data beside it must lie in its folder, without links.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import onnx
from onnx import (
    FunctionProto,
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    TypeProto,
    ValueInfoProto,
)

from simcore.errors import FileError, WorkloadError
from simcore.files import open_regular
from workloads.limits import MOST_ALONG_AN_AXIS, MOST_ELEMENTS
from workloads.onnx_import.constants import Constant
from workloads.onnx_import.tensors import constant_of, holds_constant, tensors_of

#: What protobuf can hold at most.
MOST_BYTES = 2**31 - 1

#: Nodes that a graph may have, functions written out.
MOST_NODES = 2**16

#: Functions that may call each other in a row.
MOST_NESTING = 64

#: Elements up to which a constant is shown to shape inference, which may need its values.
SHOWN_ELEMENTS = 2**10

#: The first version of the operators whose broadcasting is as it is today.
OLDEST_OPSET = 7


@dataclass(frozen=True, eq=False)
class GraphInput:
    """What a graph takes.

    shape : with a batch of one image
    batch : as the file has it, None where it is open
    """

    name: str
    shape: tuple[int, ...]
    batch: int | None


@dataclass(frozen=True, eq=False)
class OnnxGraph:
    """A checked graph.

    nodes : in an order in which each comes after what it reads, but for those that only hold a constant
    shapes : of tensors, as far as shape inference tells; for a batch of one image
    outputs : names of those of real numbers
    dropped : names of the outputs of other types
    integers : names of the input and the outputs that the file has as integers
    """

    nodes: tuple[NodeProto, ...]
    constants: Mapping[str, Constant]
    input: GraphInput
    outputs: tuple[str, ...]
    dropped: tuple[str, ...]
    shapes: Mapping[str, tuple[int, ...]]
    opset: int
    integers: frozenset[str]


_REAL = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)
_WHOLE = (TensorProto.INT32, TensorProto.INT64)
_QUANTISED = (TensorProto.UINT8, TensorProto.INT8, TensorProto.UINT16, TensorProto.INT16)


def read_graph(path: str | Path) -> OnnxGraph:
    """Read, check and complete the graph in a file.

    raises : FileError for a file that is not intact; WorkloadError for a graph that no machine could take
    """
    model = _parsed(path)
    _check_bounds(model, path)
    folder = Path(os.path.realpath(path)).parent
    held = {name: constant_of(tensor, folder, path) for name, tensor in tensors_of(model.graph)}
    _checked(path)
    if model.functions:
        model = _written_out(model, path)
        held = {name: constant_of(tensor, folder, path) for name, tensor in tensors_of(model.graph)}
    opset = max((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), default=0)
    if opset < OLDEST_OPSET:
        raise WorkloadError(
            f"{path} uses version {opset} of the operators, {OLDEST_OPSET} or later is needed; export it "
            "anew, or convert it with onnx.version_converter"
        )
    graph_input = _only_input(model.graph, held, path)
    inferred = _inferred(model, held, graph_input, path)
    names = [each.name for each in model.graph.output]
    real = [each.name for each in model.graph.output if _holds_numbers(each.type)]
    return OnnxGraph(
        nodes=tuple(node for node in model.graph.node if not holds_constant(node)),
        constants=held,
        input=graph_input,
        outputs=tuple(real),
        dropped=tuple(name for name in names if name not in real),
        shapes=inferred,
        opset=opset,
        integers=frozenset(
            each.name
            for each in (*model.graph.input, *model.graph.output)
            if each.type.tensor_type.elem_type in (*_QUANTISED, *_WHOLE)
        ),
    )


def _holds_numbers(kind: TypeProto) -> bool:
    """Whether a type is a tensor of numbers, or the same as a map for each image, as scikit-learn has it."""
    tensor, maps = kind.tensor_type, kind.sequence_type.elem_type.map_type
    return tensor.elem_type in (*_REAL, *_QUANTISED) or maps.value_type.tensor_type.elem_type in _REAL


def _parsed(path: str | Path) -> ModelProto:
    with open_regular(path, "an .onnx file") as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > MOST_BYTES:
            raise FileError(
                f"{path} has {size} bytes, at most {MOST_BYTES} are allowed; save its tensors as external "
                "data"
            )
        content = stream.read()
    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:  # protobuf's decoder has errors of several kinds
        raise _broken(path, error) from None
    if not model.graph.node:
        raise FileError(f"{path} holds no graph of ONNX operators; export the network anew")
    if not all(isinstance(name, str) for name in _names(model)):  # protobuf gives bytes that are no UTF-8
        raise FileError(f"{path} is no intact ONNX file: a name in it is no text; export it anew")
    return model


def _names(model: ModelProto) -> Iterator[Any]:
    """Yield whatever is called something."""
    yield from (each.domain for each in model.opset_import)
    graph = model.graph
    for named in (*graph.initializer, *graph.input, *graph.output, *graph.value_info):
        yield named.name
    for tensor in graph.initializer:
        yield from (text for entry in tensor.external_data for text in (entry.key, entry.value))
    for holder in (graph, *model.functions):
        yield holder.name
        for node in holder.node:
            yield from (node.name, node.op_type, node.domain, node.overload, *node.input, *node.output)
            yield from (attribute.name for attribute in node.attribute)


def _broken(path: str | Path, error: Exception) -> FileError:
    return FileError(f"{path} is no intact ONNX file: {_first_line(error)}; export it anew")


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".")[:300] if lines else type(error).__name__


def _check_bounds(model: ModelProto, path: str | Path) -> None:
    """Refuse what is too large to look at, before the checker looks at it."""
    if _expanded_nodes(model) > MOST_NODES:
        raise FileError(
            f"{path} has more than {MOST_NODES} nodes, or functions in more than {MOST_NESTING} levels; cut "
            "it into parts"
        )
    for node in _every_node([*model.graph.node, *(node for each in model.functions for node in each.node)]):
        parts = [each.i for each in node.attribute if each.name == "num_outputs"]
        if node.op_type == "Split" and parts not in ([], [len(node.output)]):  # onnx 1.23 ends the process
            raise FileError(
                f"{path}: {node.name} (Split) has {len(node.output)} outputs, but num_outputs is {parts[0]}; "
                "export it anew"
            )
    if model.graph.sparse_initializer:
        raise WorkloadError(f"{path} holds sparse tensors; store them as dense ones")


def _every_node(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    """Yield nodes, and those of the graphs inside them."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from _every_node(graph.node)


def _expanded_nodes(model: ModelProto) -> int:
    """Return how many nodes there are with all functions written out, which may be very many.

    Functions that call themselves, or others too deep, count as too many.
    """
    functions = {(each.domain, each.name, each.overload): each for each in model.functions}
    known: dict[tuple[str, str, str], int] = {}

    def count(nodes: Iterable[NodeProto], depth: int) -> int:
        return sum(size((node.domain, node.op_type, node.overload), depth) for node in nodes)

    def size(key: tuple[str, str, str], depth: int) -> int:
        function: FunctionProto | None = functions.get(key)
        if function is None:
            return 1
        if depth == MOST_NESTING:
            return MOST_NODES + 1
        if key not in known:
            known[key] = count(function.node, depth + 1)
        return known[key]

    return count(model.graph.node, 0)


def _checked(path: str | Path) -> None:
    """Let the onnx package check the file as a whole, shapes and types included."""
    try:
        onnx.checker.check_model(os.fspath(path), full_check=True)
    except Exception as error:  # its errors are of several kinds
        raise _broken(path, error) from None


def _written_out(model: ModelProto, path: str | Path) -> ModelProto:
    """Return the model with its functions' nodes in place of their calls."""
    from onnx import inliner

    try:
        return inliner.inline_local_functions(model)
    except Exception as error:
        raise _broken(path, error) from None


def _only_input(graph: GraphProto, held: Mapping[str, Constant], path: str | Path) -> GraphInput:
    """Return the one input that is no constant, with a batch of one."""
    inputs: list[ValueInfoProto] = [each for each in graph.input if each.name not in held]
    if len(inputs) != 1:
        names = ", ".join(each.name for each in inputs) or "none"
        raise WorkloadError(
            f"{path} must have exactly one input, got {names}; keep one, make constants of others"
        )
    (given,) = inputs
    kind = given.type.tensor_type
    known = kind.elem_type in (*_REAL, *_QUANTISED, *_WHOLE)
    if not known or not kind.HasField("shape") or len(kind.shape.dim) < 2:
        rank = len(kind.shape.dim) if kind.HasField("shape") else "no"
        raise WorkloadError(
            f"{path}: input {given.name!r} must be numbers with a batch axis and at least one more of "
            f"fixed size, got {TensorProto.DataType.Name(kind.elem_type).lower()} with {rank} axes; export "
            "it so"
        )
    batch, *sizes = kind.shape.dim
    open_axes = [
        f"{place} ({size.dim_param or (size.dim_value if size.HasField('dim_value') else 'unknown')})"
        for place, size in enumerate(sizes, start=1)
        if size.dim_value < 1
    ]
    if open_axes:
        raise WorkloadError(
            f"{path}: input {given.name!r} has no fixed size along axis {', '.join(open_axes)}; export it "
            "with fixed sizes, or set them with onnx.tools.update_model_dims"
        )
    shape = (1, *(size.dim_value for size in sizes))
    if max(shape) > MOST_ALONG_AN_AXIS or prod(shape) > MOST_ELEMENTS:
        raise WorkloadError(
            f"{path}: input {given.name!r} is of shape {shape}, at most {MOST_ALONG_AN_AXIS} places along an "
            f"axis and {MOST_ELEMENTS} elements are allowed; use smaller images"
        )
    return GraphInput(given.name, shape, batch.dim_value or None)


def _completed(model: ModelProto) -> ModelProto:
    """Return a model with the shapes that inference finds.

    It knows no type behind most of scikit-learn's operators, which then is no reason to refuse: the shapes
    that it finds all the same are those of their operands.
    """
    try:
        return onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except onnx.shape_inference.InferenceError as error:
        if "ai.onnx.ml" not in {node.domain for node in model.graph.node} or "have type" not in str(error):
            raise
        return onnx.shape_inference.infer_shapes(model, data_prop=True)


def _inferred(
    model: ModelProto, held: Mapping[str, Constant], graph_input: GraphInput, path: str | Path
) -> dict[str, tuple[int, ...]]:
    """Return the shapes that inference finds for a batch of one image; it sees no large tensor."""
    graph = GraphProto(name="shapes")
    graph.node.extend(
        node
        for node in model.graph.node
        if not holds_constant(node) or held[node.output[0]].size <= SHOWN_ELEMENTS
    )
    kinds = {name: tensor.data_type for name, tensor in tensors_of(model.graph)}
    shown = [tensor for tensor in model.graph.initializer if held[tensor.name].size <= SHOWN_ELEMENTS]
    graph.initializer.extend(tensor for tensor in shown if tensor.data_location != TensorProto.EXTERNAL)
    inside = {tensor.name for tensor in graph.initializer}
    (kind,) = (each.type.tensor_type.elem_type for each in model.graph.input if each.name == graph_input.name)
    graph.input.append(onnx.helper.make_tensor_value_info(graph_input.name, kind, graph_input.shape))
    held_nodes = {node.output[0] for node in graph.node if holds_constant(node)}
    for name, constant in held.items():
        if name not in held_nodes and (name not in inside or model.ir_version < 4):
            graph.input.append(onnx.helper.make_tensor_value_info(name, kinds[name], constant.shape))
    for output in model.graph.output:  # without shapes, which may be those of another batch
        bare = ValueInfoProto(name=output.name, type=output.type)
        if bare.type.HasField("tensor_type"):
            bare.type.tensor_type.ClearField("shape")
        graph.output.append(bare)
    small = ModelProto(ir_version=model.ir_version, graph=graph, opset_import=model.opset_import)
    try:
        found = _completed(small).graph
    except Exception as error:
        raise WorkloadError(
            f"{path}: shapes do not fit for a batch of one image: {_first_line(error)}; export it with an "
            "open batch axis"
        ) from None
    shapes = {}
    for value in (*found.value_info, *found.output):
        sizes = value.type.tensor_type.shape.dim
        if value.type.tensor_type.HasField("shape") and all(size.HasField("dim_value") for size in sizes):
            shapes[value.name] = tuple(size.dim_value for size in sizes)
    return shapes
