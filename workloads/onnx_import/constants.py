"""Tensors of a file that are known before a run: read, or worked out, when somebody asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from workloads.onnx_import.views import UnmappableError

#: Elements that a constant may have; those of the largest layers that exist fit.
MOST_NUMBERS = 2**28

#: Elements up to which a constant that was worked out is kept.
KEPT_ELEMENTS = 2**16


@dataclass(eq=False)
class Scale:
    """How a constant of integers was quantised.

    scale, zero : () or (places of `axis`,); what an integer stands for is (integer - zero) * scale
    axis : along which they differ, None if they do not
    """

    scale: NDArray[np.float32]
    zero: NDArray[np.int64]
    axis: int | None


class Constant:
    """A tensor that no input changes.

    shape : as the file has it
    scale : of integers that it was dequantised from, None for others
    in_memory : whether loading it reads no file
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        load: Callable[[], NDArray[Any]],
        scale: Scale | None = None,
        *,
        in_memory: bool = True,
    ) -> None:
        self.shape = shape
        self.scale = scale
        self.in_memory = in_memory
        self._load = load
        self._kept: NDArray[Any] | None = None

    @classmethod
    def of(cls, array: NDArray[Any]) -> Constant:
        """Return a constant that is there already."""
        return cls(array.shape, lambda: array)

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    def array(self) -> NDArray[Any]:
        """Return its values."""
        if self._kept is not None:
            return self._kept
        array = self._load()
        if self.size <= KEPT_ELEMENTS:
            self._kept = array
        return array

    def numbers(self) -> NDArray[np.float64]:
        """Return its values in double precision."""
        return self.array().astype(np.float64)

    def scalar(self) -> float | None:
        """Return its one value, None if it has several."""
        return float(self.array().reshape(-1)[0]) if self.size == 1 else None

    @property
    def is_finite(self) -> bool:
        """Whether it holds neither nan nor infinity; data beside the file is looked at when it is read."""
        if self._kept is None and not self.in_memory:
            return True
        array = self.array()
        once = array[tuple(slice(1) if step == 0 else slice(None) for step in array.strides)]
        return not once.size or bool(np.isfinite(once.min()) and np.isfinite(once.max()))

    def whole_numbers(self) -> list[int]:
        """Return its values as a list of integers."""
        return [int(value) for value in self.array().reshape(-1)]


#: What is worked out: each gives as many elements as its inputs have together, or as they broadcast to.
_PLAIN = frozenset(
    """
    Abs Add And BitShift Cast CastLike Ceil Clip Concat Div Equal Erf Exp Flatten Floor Gather GatherElements
    Greater GreaterOrEqual Identity Less LessOrEqual Log Max Min Mod Mul Neg Not Or Pow QuantizeLinear
    Reciprocal ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum Relu Reshape Round Shape Sigmoid Sign Size
    Slice Split Sqrt Squeeze Sub Sum Tanh Transpose Trilu Unsqueeze Where
    """.split()  # noqa: SIM905  -- a list would take fifty lines
)


def fold(node: NodeProto, inputs: Mapping[str, Constant], opset: int) -> list[Constant]:
    """Return the outputs of a node whose inputs are all known, for each of its outputs.

    raises : UnmappableError for operators that are not worked out, and for results that are too large
    """
    if node.op_type == "ConstantOfShape":
        return [_filled(node, inputs[node.input[0]])]
    if node.op_type in ("Expand", "Range", "Tile"):
        _check_size(node, _growth(node, [inputs[name] for name in node.input]))
    elif node.op_type not in _PLAIN:
        raise UnmappableError(
            "it computes on constants only, with an operator that is not worked out",
            "fold constants before exporting, for instance with onnx-simplifier",
        )
    else:
        _check_size(node, _largest(inputs.values()))
    results = _evaluated(node, {name: constant.array() for name, constant in inputs.items()}, opset)
    folded = [Constant.of(np.asarray(result)) for result in results]
    for constant in folded:
        constant.scale = _moved_scale(node, inputs)
    return folded


def _moved_scale(node: NodeProto, inputs: Mapping[str, Constant]) -> Scale | None:
    """Return the scale of a constant that a node only moves about; None where it has none any more."""
    scale = inputs[node.input[0]].scale if node.input and node.input[0] else None
    if scale is None or node.op_type not in ("Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"):
        return None
    if scale.axis is None or node.op_type == "Identity":
        return scale
    if node.op_type != "Transpose":
        return None
    order = list(reversed(range(len(inputs[node.input[0]].shape))))
    for each in node.attribute:
        if each.name == "perm":
            order = list(each.ints)
    return replace(scale, axis=order.index(scale.axis))


def _evaluated(node: NodeProto, inputs: Mapping[str, NDArray[Any]], opset: int) -> list[Any]:
    """Return what the onnx package's reference makes of a node."""
    takes = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in inputs]
    gives = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in node.output]
    graph = helper.make_graph([node], "constant", takes, gives)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    try:
        with np.errstate(all="ignore"):  # infinities are looked at where they are used
            return list(ReferenceEvaluator(model).run(None, dict(inputs)))
    except Exception as error:  # whatever its operators raise
        raise UnmappableError(
            f"its constants cannot be worked out ({error})", "fold constants before exporting"
        ) from None


def _filled(node: NodeProto, shape: Constant) -> Constant:
    """Return a constant of one value, which takes no memory however large it is."""
    sizes = tuple(shape.whole_numbers())
    if min(sizes, default=0) < 0:
        raise UnmappableError(f"it makes a constant of shape {sizes}", "use sizes from 0 up")
    _check_size(node, prod(sizes))
    value = np.float32(0.0)
    for given in (each.t for each in node.attribute if each.name == "value"):
        if tuple(given.dims) != (1,) or given.data_location == TensorProto.EXTERNAL:
            raise UnmappableError("its value is not one number", "give it one")
        value = numpy_helper.to_array(given)[0]
    return Constant(sizes, lambda: np.broadcast_to(value, sizes))


def _growth(node: NodeProto, inputs: list[Constant]) -> int:
    """Return how many elements an operator gives whose result may be larger than what it reads."""
    if node.op_type == "Range":
        start, limit, delta = (float(each.array().reshape(-1)[0]) for each in inputs)
        return max(0, int(np.ceil((limit - start) / delta))) if delta else MOST_NUMBERS + 1
    sizes = [max(abs(size), 1) for size in inputs[1].whole_numbers()]
    return int(prod(sizes) * (inputs[0].size if node.op_type == "Tile" else 1))


def _largest(inputs: Iterable[Constant]) -> int:
    """Return how many elements all inputs have together, or as many as they broadcast to if that is more."""
    shapes = [constant.shape for constant in inputs]
    together = sum(prod(shape) for shape in shapes)
    try:
        return max(together, prod(np.broadcast_shapes(*shapes)))
    except ValueError:  # they are not broadcast
        return together


def _check_size(node: NodeProto, elements: int) -> None:
    if elements > MOST_NUMBERS:
        raise UnmappableError(
            f"it makes a constant of {elements} elements, at most {MOST_NUMBERS} are allowed",
            "store less",
        )
