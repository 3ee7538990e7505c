"""Scales that a quantised file brings: of activations where they are quantised, of weights and biases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from workloads.onnx_import.constants import Constant, Scale
from workloads.onnx_import.operators import translates
from workloads.onnx_import.translation import Operator, Translation, Value
from workloads.onnx_import.views import UnmappableError, View
from workloads.scales import Quantization

#: Bits of the integers that activations may be, and what makes them unsigned.
_INTEGERS = {
    "uint8": (8, 0),
    "int8": (8, 128),
    "uint16": (16, 0),
    "int16": (16, 2**15),
    "uint4": (4, 0),
    "int4": (4, 8),
}


@translates("QuantizeLinear")
def quantise(t: Translation, node: Operator) -> Sequence[Value]:
    """Leave a tensor what it is; its scale is taken over."""
    view, kind = t.view(node), node.get("output_dtype", 0)
    without_zero = TensorProto.DataType.Name(kind).lower() if kind else "uint8"
    give_scale(t, view, tensor_scale(t, node, 1, 2, without_zero))
    return [view]


@translates("DequantizeLinear")
def dequantise(t: Translation, node: Operator) -> Sequence[Value]:
    """Pass on integers that are computed; give the real numbers of constant ones."""
    value = t.value(node, 0)
    if not isinstance(value, Constant):
        view = t.made(value)
        known = t.tensor_scales.get(view.layer)
        # without a zero point its integers are of the kind that they were made
        signed = known is not None and known.zero == 2 ** (known.bits - 1)
        without_zero = None if known is None else f"{'' if signed else 'u'}int{known.bits}"
        give_scale(t, view, tensor_scale(t, node, 1, 2, without_zero))
        return [view]
    if node.get("block_size", 0):
        raise UnmappableError(
            "its scales change within a channel (block_size)", "use a scale for each channel"
        )
    steps, zero = t.constant(node, 1), t.constant(node, 2)
    if steps is None:
        raise UnmappableError("it has no scale", "give it one")
    axis = node.get("axis", 1)
    return [dequantised(value, steps, zero, axis + len(value.shape) if axis < 0 else axis)]


def dequantised(integers: Constant, scale: Constant, zero: Constant | None, axis: int) -> Constant:
    """Return (integers - zero) * scale, which remembers its scale; vectors lie along `axis`."""
    scales = scale.array().astype(np.float32)
    zeros = np.zeros(scales.shape, np.int64) if zero is None else zero.array().astype(np.int64)
    if zero is not None and str(zero.array().dtype) == "uint8":  # the same steps around the middle
        shifted = (zeros == 128).all()
        known = Scale(scales, np.where(shifted, 0, zeros), axis if scales.size > 1 else None)
    else:
        known = Scale(scales, zeros, axis if scales.size > 1 else None)
    if known.axis is None:
        known = Scale(scales.reshape(()), known.zero.reshape(-1)[:1].reshape(()), None)

    def along(vector: NDArray[Any]) -> NDArray[Any]:
        if vector.size == 1:
            return vector.reshape(())
        return vector.reshape([-1 if place == axis else 1 for place in range(len(integers.shape))])

    def load() -> NDArray[Any]:
        steps = integers.array().astype(np.int64) - along(zeros)
        # in double precision, from which the integers can be had again
        return np.asarray(steps * along(scales).astype(np.float64))

    return Constant(integers.shape, load, known)


def tensor_scale(
    t: Translation, node: Operator, scale_place: int, zero_place: int, without_zero: str | None = None
) -> Quantization:
    """Return how the codes of a whole tensor stand for real numbers, in unsigned ones.

    without_zero : kind of integers where no zero point tells it, None if nothing does
    raises : UnmappableError for scales that differ within it, and for integers that no machine has
    """
    scale, zero = t.constant(node, scale_place), t.constant(node, zero_place)
    if scale is None or scale.size != 1:
        raise UnmappableError("it scales each channel of an activation", "use one scale for a whole tensor")
    kind = without_zero if zero is None else str(zero.array().dtype)
    if kind is None:
        raise UnmappableError("nothing tells the kind of its integers", "give it a zero point")
    if kind not in _INTEGERS:
        raise UnmappableError(f"it makes codes of {kind}", "use 8 or 16 bit")
    bits, shift = _INTEGERS[kind]
    offset = 0 if zero is None else int(zero.array().reshape(-1)[0])
    step = float(np.float32(scale.array().reshape(-1)[0]))
    if not np.isfinite(step) or step <= 0.0:
        raise UnmappableError(f"its scale is {step}", "use a positive one")
    return Quantization(step, offset + shift, bits)


def give_scale(t: Translation, view: View, scale: Quantization) -> None:
    """Take over the scale of a tensor.

    raises : UnmappableError if it has another one already
    """
    known = t.tensor_scales.setdefault(view.layer, scale)
    if known != scale:
        raise UnmappableError(
            f"it takes a scale of {scale.scale:.6g} and zero point {scale.zero} for a tensor that has "
            f"{known.scale:.6g} and {known.zero}",
            "use one scale and zero point for each tensor, wherever it is read",
        )
