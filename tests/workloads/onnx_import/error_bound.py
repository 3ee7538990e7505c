"""How far a network in integers may be from the same network in real numbers.

Each node adds what it rounds, at most one step of its output where a range's end rounds too, to what the
errors of its inputs become on their way through it. No assumption but that the images are those of the
calibration, so that no tensor leaves its range.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from workloads import (
    AddEmbeddingNode,
    AddNode,
    AffineNode,
    AvgPoolNode,
    ClassTokenNode,
    ConcatNode,
    EmbeddingNode,
    LayerNormNode,
    MatrixNode,
    MaxPoolNode,
    MixNode,
    MulNode,
    Network,
    Node,
    QuantizedAffine,
    QuantizedLayerNorm,
    QuantizedMatrix,
    QuantizedNetwork,
    ScoresNode,
    SelectNode,
    SoftmaxNode,
    TableNode,
    Window,
)
from workloads.float_reference import apply_function, float_tensors

Float = NDArray[Any]


def error_bound(network: Network, quantized: QuantizedNetwork, images: Float) -> Float:
    """Return the largest error (N, C, H, W) that each output can have; `images` set the scales."""
    lowered = quantized.lowered
    values = dict(float_tensors(lowered, network.load_parameters(), images))
    codes = quantized.input_quantization.quantize(images)
    errors = {
        lowered.input: np.abs(quantized.input_quantization.dequantize(codes) - images).astype(np.float64)
    }
    for node in lowered.nodes:
        operands = [(np.abs(values[source]), errors[source]) for source in node.inputs]
        step = 0.0 if isinstance(node, MaxPoolNode | SelectNode) else quantized.tensors[node.name].scale
        carried = _carried(node, quantized, [values[source] for source in node.inputs], operands)
        errors[node.name] = carried + step
    return errors[lowered.output]


def _carried(
    node: Node, quantized: QuantizedNetwork, values: list[Float], operands: list[tuple[Float, Float]]
) -> Float:
    """Return what the errors of a node's inputs become; `operands` are magnitudes and errors."""
    integers, (x, error) = quantized.nodes[node.name], operands[0]
    step, source_step = quantized.tensors[node.name].scale, quantized.tensors[node.inputs[0]].scale
    match node:
        case MatrixNode():
            assert isinstance(integers, QuantizedMatrix)
            weight_steps = integers.multiplier.astype(np.float64) * step / source_step
            weights = np.abs(integers.weights) * weight_steps.reshape(node.groups, 1, -1)
            through = _products(node, error, weights)
            rounding = np.broadcast_to(weight_steps.reshape(node.groups, 1, -1) / 2, weights.shape)
            bias = weight_steps.reshape(-1, 1, 1) * source_step / 2
            return np.asarray(through + _products(node, x, rounding) + bias)
        case MaxPoolNode():
            return np.asarray(_windows(node.window, error).max(axis=(-2, -1)))
        case AvgPoolNode():
            return np.asarray(_windows(node.window, error).sum(axis=(-2, -1)) / node.counts)
        case SelectNode():
            for axis, places in enumerate((node.channels, node.rows, node.columns), start=1):
                if places is not None:
                    index = np.array(places)
                    inside = (index >= 0).reshape([-1 if at == axis else 1 for at in range(4)])
                    error = error.take(index, axis) * inside
            return error
        case AddNode():
            return np.asarray(np.sum([error for _, error in operands], axis=0))
        case MulNode():
            (a, of_a), (b, of_b) = operands
            return np.asarray(a * of_b + b * of_a + of_a * of_b)
        case ConcatNode():
            return np.concatenate([error for _, error in operands], axis=1)
        case AffineNode():
            assert isinstance(integers, QuantizedAffine)
            factor = np.abs(integers.multiplier.astype(np.float64)) * step / source_step
            return np.asarray(factor.reshape(-1, 1, 1) * error)
        case TableNode():
            return _steepest(lambda t: apply_function(node, t), values[0], error) * error
        case SoftmaxNode():  # both the exponential and the sum may be off by a factor of exp(error)
            by_group = (len(x), node.groups, -1, *x.shape[2:])
            scores, worst = values[0].reshape(by_group), error.reshape(by_group).max(axis=2, keepdims=True)
            sees = np.arange(scores.shape[2])[:, None, None] < node.visible.reshape(x.shape[2:])
            shares = np.where(sees, np.exp(scores - scores.max(axis=2, keepdims=True)), 0.0)
            bound = shares / shares.sum(axis=2, keepdims=True) * np.expm1(2 * worst)
            return np.asarray(bound.reshape(x.shape))
        case ScoresNode() | MixNode():
            (a, of_a), (b, of_b) = operands
            pairs = _attended(node, a, of_b) + _attended(node, of_a, b) + _attended(node, of_a, of_b)
            return np.asarray(pairs * abs(node.factor if isinstance(node, ScoresNode) else 1.0))
        case LayerNormNode():  # a deviation is off by twice the error at most, their root mean square by one
            assert isinstance(integers, QuantizedLayerNorm)
            worst = error.max(axis=1, keepdims=True)
            deviations = values[0] - values[0].mean(axis=1, keepdims=True)
            spread = np.sqrt(np.mean(deviations**2, axis=1, keepdims=True) + node.eps)
            normal = np.abs(deviations) / spread
            gain = np.abs(integers.gain.astype(np.float64)).reshape(-1, 1, 1) * step
            return np.asarray(gain * worst * (2 + normal) / np.maximum(spread - worst, 1e-30))
        case EmbeddingNode():
            return np.zeros((len(x), *node.shape))
        case AddEmbeddingNode():
            return error
        case ClassTokenNode():
            behind = error.reshape(*error.shape[:2], -1, 1)
            return np.pad(behind, ((0, 0), (0, 0), (node.tokens, 0), (0, 0)))
    raise TypeError(f"no bound for {type(node).__name__}")


def _attended(node: ScoresNode | MixNode, a: Float, b: Float) -> Float:
    """Return an attention's products of magnitudes (N, C, H, W)."""
    of_a = a.reshape(len(a), node.key_heads, node.heads // node.key_heads, -1, node.tokens)
    of_b = b.reshape(len(b), node.key_heads, -1, node.keys)
    sums = "ngrct,ngcs->ngrst" if isinstance(node, ScoresNode) else "ngrst,ngcs->ngrct"
    return np.asarray(np.einsum(sums, of_a, of_b).reshape(len(a), *node.shape))


def _steepest(function: Callable[[Float], Float], values: Float, error: Float) -> float:
    """Return the steepest slope of a function where its input may be."""
    at = np.linspace((values - error).min(), (values + error).max(), 2**12)
    return float(np.abs(np.diff(function(at)) / np.diff(at)).max())


def _products(node: MatrixNode, maps: Float, weights: Float) -> Float:
    """Return the products of windows of `maps` (N, C, H, W) with weights (groups, rows, columns of one)."""
    windows = _windows(node.window, maps)
    images, channels, height, width = windows.shape[:4]
    rows = windows.reshape(images, node.groups, channels // node.groups, height, width, -1)
    by_group = rows.transpose(0, 3, 4, 1, 5, 2).reshape(images, height, width, node.groups, -1)
    products = np.einsum("nhwgr,grc->nhwgc", by_group, weights).reshape(images, height, width, -1)
    return np.asarray(products.transpose(0, 3, 1, 2))


def _windows(window: Window, maps: Float) -> Float:
    """Return what each output pixel reads, padding as 0, (N, C, height, width, kernel height, width)."""
    top, left, bottom, right = window.padding
    padded = np.pad(maps, ((0, 0), (0, 0), (top, bottom), (left, right)))
    (down, across), (below, beside) = window.stride, window.dilation
    return sliding_window_view(padded, window.span, axis=(2, 3))[:, :, ::down, ::across, ::below, ::beside]
