"""Operators with weights: convolutions, products with a constant matrix, and norms with fixed statistics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.layers import Affine, BatchNorm, Conv2d, Linear, LocalResponseNorm, Softmax
from workloads.onnx_import.attention import computed_product
from workloads.onnx_import.constants import Constant
from workloads.onnx_import.operators import translates
from workloads.onnx_import.quantised import dequantised, give_scale, tensor_scale
from workloads.onnx_import.translation import Operator, Translation, Value
from workloads.onnx_import.views import (
    CHANNELS,
    COLUMNS,
    ROWS,
    UnmappableError,
    View,
    covers,
    flat_places,
    kinds,
    places,
    whole,
)
from workloads.onnx_import.windows import window_of
from workloads.window import Window

Array = NDArray[Any]

#: What is said, once a file, of weights that no cell holds as they are.
_ANEW = "weights with zero points, or without one scale for each output channel, are quantised anew"
Load = Callable[[], Array]


@translates("Conv")
def plain_convolution(t: Translation, node: Operator) -> Sequence[Value]:
    """Convolve along one or two axes, with any stride, padding, dilation and groups."""
    weight = t.parameter(node, 1)
    bias = t.parameter(node, 2, weight.shape[0]) if node.has_input(2) else None
    return [convolve(t, node, t.view(node), weight, bias)]


@translates("QLinearConv")
def quantised_convolution(t: Translation, node: Operator) -> Sequence[Value]:
    """Convolve with the scales of what is read, of weights and of the result."""
    view = t.view(node, 0)
    give_scale(t, view, tensor_scale(t, node, 1, 2))
    weight = _dequantised(t, node, 3)
    bias = t.constant(node, 8)
    if bias is not None:
        source = tensor_scale(t, node, 1, 2).scale
        bias = _scaled_bias(bias, source, weight)
    result = convolve(t, node, view, weight, bias)
    give_scale(t, result, tensor_scale(t, node, 6, 7))
    return [result]


def convolve(t: Translation, node: Operator, view: View, weight: Constant, bias: Constant | None) -> View:
    """Add a convolution of `view`, whose channels are on axis 1, and return its result."""
    view = t.channels_in_order(node, view, 1)
    kernel, groups = weight.shape[2:], node.get("group", 1)
    if list(node.get("kernel_shape", kernel)) != list(kernel) or weight.shape[1] * groups != view.shape[1]:
        raise UnmappableError(
            f"its weights {weight.shape} do not fit kernels {node.get('kernel_shape', list(kernel))} over "
            f"{view.shape[1]} channels in {groups} groups",
            "export it anew",
        )
    window, axes = window_of(t, node, view, kernel)
    outputs = weight.shape[0]
    layer = Conv2d(
        name=t.name(node.name),
        inputs=(view.layer,),
        out_channels=outputs,
        window=window,
        groups=groups,
        bias=bias is not None,
    )

    def kernels() -> Array:
        array = weight.array()
        if axes == [COLUMNS, ROWS]:
            array = array.swapaxes(2, 3)
        return array.reshape(*array.shape[:2], *window.kernel)

    name = t.add(layer, weight=kernels, **({} if bias is None else {"bias": _flat(bias)}))
    _give_weight_scale(t, node, name, weight, axis=0)
    _, height, width = t.shape(name)
    sizes = {ROWS: height, COLUMNS: width}
    return View(name, ((), whole(CHANNELS, outputs), *(whole(axis, sizes[axis]) for axis in axes)))


@translates("Gemm")
def general_product(t: Translation, node: Operator) -> Sequence[Value]:
    """Alpha * A B + beta * C for constant B and C; of channels or of whole maps."""
    if node.get("transA", 0):
        raise UnmappableError("it transposes what it reads (transA=1)", "transpose it once more before")
    weight, bias = t.parameter(node, 1), t.parameter(node, 2) if node.has_input(2) else None
    outputs_last = not node.get("transB", 0)
    alpha, beta = node.get("alpha", 1.0), node.get("beta", 1.0)
    outputs = weight.shape[1 if outputs_last else 0]

    def matrix() -> Array:
        array = weight.array().T if outputs_last else weight.array()
        return array if alpha == 1.0 else array * np.float32(alpha)

    if bias is not None and bias.size not in (1, outputs):
        raise UnmappableError(f"it adds a constant of shape {bias.shape}", f"give it {outputs} numbers")
    offset = None if bias is None else _spread(bias, outputs, beta)
    result = multiply(t, node, t.view(node), 1, outputs, matrix, offset)
    if alpha == 1.0:
        _give_weight_scale(t, node, result.layer, weight, axis=1 if outputs_last else 0)
    return [result]


@translates("MatMul")
def product(t: Translation, node: Operator) -> Sequence[Value]:
    """Multiply by a constant matrix on either side, or two tensors as attention does."""
    left, right = t.value(node, 0), t.value(node, 1)
    if not isinstance(left, Constant) and not isinstance(right, Constant):
        return [computed_product(t, node)]
    constant_side = 0 if isinstance(left, Constant) else 1
    weight = _matrix_of(t, node, constant_side)
    outputs_last = constant_side == 1
    outputs = weight.shape[1 if outputs_last else 0]
    view = t.view(node, 1 - constant_side)
    if len(view.axes) < 2:
        raise UnmappableError(f"it reads a tensor of shape {view.shape}", "keep the batch axis")
    place = len(view.axes) - (1 if outputs_last else 2)
    one_output = len(t.parameter(node, constant_side).shape) == 1

    def matrix() -> Array:
        array = weight.array().reshape(weight.shape)
        return array.T if outputs_last else array

    result = multiply(t, node, view, place, outputs, matrix, None)
    _give_weight_scale(t, node, result.layer, weight, axis=1 if outputs_last else 0)
    if one_output:
        return [View(result.layer, (*result.axes[:place], *result.axes[place + 1 :]))]
    return [result]


@translates("QLinearMatMul")
def quantised_product(t: Translation, node: Operator) -> Sequence[Value]:
    """Multiply with the scales of what is read, of the constant matrix and of the result."""
    view = t.view(node, 0)
    give_scale(t, view, tensor_scale(t, node, 1, 2))
    weight = _dequantised(t, node, 3)
    if len(weight.shape) != 2:
        raise UnmappableError(f"its weights have shape {weight.shape}", "use a matrix")
    result = multiply(t, node, view, len(view.axes) - 1, weight.shape[1], lambda: weight.array().T, None)
    _give_weight_scale(t, node, result.layer, weight, axis=1)
    give_scale(t, result, tensor_scale(t, node, 6, 7))
    return [result]


def multiply(
    t: Translation, node: Operator, view: View, place: int, outputs: int, matrix: Load, bias: Load | None
) -> View:
    """Multiply what lies along an axis of `view` by a matrix, and return the result.

    place : the axis; all of it with nothing beside it is a fully connected layer, channels alone are one for
        each pixel
    matrix : gives the weights (outputs, places of the axis)
    bias : gives (outputs,)
    """
    view = t.asked_for(view, place)
    axis, beside = view.axes[place], [each for i, each in enumerate(view.axes) if i != place]
    shape = t.shape(view.layer)
    common: dict[str, Any] = {"name": t.name(node.name), "inputs": (view.layer,), "bias": bias is not None}
    biases = {} if bias is None else {"bias": bias}
    if not any(beside):
        order = flat_places(axis, shape)
        name = t.add(
            Linear(**common, out_features=outputs), weight=lambda: _in_order(matrix(), order), **biases
        )
    elif covers(axis, CHANNELS, shape[0]) and not any(CHANNELS in kinds(each) for each in beside):
        order = places(axis)
        layer = Conv2d(**common, out_channels=outputs, window=Window.square(1))
        name = t.add(layer, weight=lambda: _in_order(matrix(), order)[..., None, None], **biases)
    else:
        raise UnmappableError(
            f"it multiplies along axis {place} of its input {view.shape}, which is not the channels of "
            "each pixel",
            "multiply along channels, or along all that an image has",
        )
    return view.with_axis(place, whole(CHANNELS, outputs), name)


@translates("BatchNormalization")
def batch_norm(t: Translation, node: Operator) -> Sequence[Value]:
    """Normalise by fixed statistics."""
    if node.get("training_mode", 0):
        raise UnmappableError("it computes its statistics anew (training_mode=1)", "export in inference mode")
    view = t.with_channels(t.view(node), 1)
    order = places(view.axes[1])
    names = ("weight", "bias", "running_mean", "running_var")
    layer = BatchNorm(name=t.name(node.name), inputs=(view.layer,), eps=node.get("epsilon", 1e-5))
    vectors = {name: t.parameter(node, place, len(order)) for place, name in enumerate(names, start=1)}
    if vectors["running_var"].numbers().min(initial=np.inf) + layer.eps <= 0.0:
        raise UnmappableError("it divides by the root of a variance that is not positive", "train it anew")
    loads = {key: partial(_vector, constant, order) for key, constant in vectors.items()}
    name = t.add(layer, **loads)
    return [view.of(name)]


@translates("LRN")
def local_response_norm(t: Translation, node: Operator) -> Sequence[Value]:
    """Normalise over neighbouring channels."""
    view = t.channels_in_order(node, t.view(node), 1)
    layer = LocalResponseNorm(
        name=t.name(node.name),
        inputs=(view.layer,),
        size=node.get("size", 1),
        alpha=node.get("alpha", 1e-4),
        beta=node.get("beta", 0.75),
        k=node.get("bias", 1.0),
    )
    return [view.of(t.add(layer))]


@translates("LinearClassifier", "LinearRegressor")
def linear_model(t: Translation, node: Operator) -> Sequence[Value]:
    """Give a classifier's scores, or a regressor's values; labels are left out."""
    labels = node.kind == "LinearClassifier"
    coefficients = np.array(node.get("coefficients", []), np.float32)
    intercepts = np.array(node.get("intercepts", []), np.float32)
    outputs = max(len(intercepts), int(node.get("targets", 1)))
    if not outputs or not coefficients.size or coefficients.size % outputs:
        raise UnmappableError("its coefficients do not make a matrix", "export it anew")
    matrix = coefficients.reshape(outputs, -1)
    biases = intercepts if len(intercepts) == outputs else np.zeros(outputs, np.float32)
    view = multiply(t, node, t.view(node), 1, outputs, lambda: matrix, lambda: biases)
    transform = node.get("post_transform", "NONE")
    if transform == "LOGISTIC":
        view = t.activation(node, view, "sigmoid")
    elif transform == "SOFTMAX":
        view = view.of(t.add(Softmax(name=t.name(f"{node.name}-softmax"), inputs=(view.layer,))))
    elif transform != "NONE":
        raise UnmappableError(f"it ends in {transform}", "end it in SOFTMAX, LOGISTIC or NONE")
    return [Constant.of(np.zeros(1, np.int64)), view] if labels else [view]


@translates("Scaler")
def scaler(t: Translation, node: Operator) -> Sequence[Value]:
    """Compute (x - offset) * scale of each feature."""
    view = t.with_channels(t.view(node), 1)
    order, size = places(view.axes[1]), view.shape[1]
    factor = np.broadcast_to(np.array(node.get("scale", [1.0])), size)
    offset = np.broadcast_to(np.array(node.get("offset", [0.0])), size)
    layer = Affine(name=t.name(node.name), inputs=(view.layer,))
    name = t.add(layer, weight=lambda: placed(factor, order), bias=lambda: placed(-offset * factor, order))
    return [view.of(name)]


def _matrix_of(t: Translation, node: Operator, place: int) -> Constant:
    """Return a constant operand as a matrix; axes of one place before it are left out.

    A vector behind what it multiplies is a matrix of one column.
    """
    constant = t.parameter(node, place)
    if place == 1 and len(constant.shape) == 1:
        return Constant((constant.size, 1), lambda: constant.array().reshape(-1, 1))
    if len(constant.shape) < 2 or max(constant.shape[:-2], default=1) > 1:
        raise UnmappableError(f"its weights have shape {constant.shape}", "use one matrix for all pixels")
    shape = constant.shape[-2:]
    return Constant(shape, lambda: constant.array().reshape(shape), constant.scale)


def _flat(constant: Constant) -> Load:
    return lambda: constant.numbers().reshape(-1)


def _spread(constant: Constant, outputs: int, factor: float) -> Load:
    return lambda: np.broadcast_to(constant.numbers().reshape(-1), outputs) * factor


def _in_order(matrix: Array, order: NDArray[np.int64]) -> Array:
    """Return a matrix with the columns where their inputs lie."""
    if (order == np.arange(len(order))).all():
        return matrix
    placed = np.empty_like(matrix)
    placed[:, order] = matrix
    return placed


def _vector(constant: Constant, order: NDArray[np.int64]) -> Array:
    return placed(constant.array().reshape(-1), order)


def placed(vector: Array, order: NDArray[np.int64]) -> Array:
    """Return a vector with its elements at their channels."""
    placed = np.empty_like(vector)
    placed[order] = vector
    return placed


def _dequantised(t: Translation, node: Operator, place: int) -> Constant:
    """Return integer weights followed by their scale and zero point in real numbers."""
    scale, zero = t.parameter(node, place + 1), t.constant(node, place + 2)
    integers = t.parameter(node, place)
    axis = 0 if node.kind == "QLinearConv" else len(integers.shape) - 1
    return dequantised(integers, scale, zero, axis)


def _scaled_bias(bias: Constant, source: float, weight: Constant) -> Constant:
    """Return a bias in steps of input and weights in real numbers."""
    assert weight.scale is not None
    steps = weight.scale.scale.astype(np.float64) * source
    return Constant(bias.shape, lambda: bias.numbers() * steps)


def _give_weight_scale(t: Translation, node: Operator, layer: str, weight: Constant, axis: int) -> None:
    """Take over the scale of weights that were integers, if hardware holds them as they are."""
    given = weight.scale
    if given is None:
        return
    if given.axis not in (None, axis) or given.zero.any():
        if not any(note.startswith(_ANEW) for note in t.notes):
            t.notes.append(f"{_ANEW}, the first of {node.label}")
        return
    t.weight_scales[layer] = np.broadcast_to(given.scale, weight.shape[axis]).astype(np.float32)
