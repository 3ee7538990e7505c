"""The lowered network in floating point: what calibration observes and quantisation is compared with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.activation_functions import activations, apply_clip
from workloads.convolution import convolve
from workloads.folding import folded_affine, folded_matrix
from workloads.network import Parameters
from workloads.nodes import (
    AddNode,
    AffineNode,
    AvgPoolNode,
    ConcatNode,
    LoweredNetwork,
    MatrixNode,
    MaxPoolNode,
    Node,
    TableNode,
)

Float = NDArray[np.float64]


def float_tensors(
    lowered: LoweredNetwork, parameters: Parameters, inputs: NDArray[Any]
) -> Iterator[tuple[str, Float]]:
    """Yield the name and the float64 values (N, C, H, W) of the input and of every node, in order.

    Double precision makes what calibration sees the same on every machine, but for roundings far below those
    of a scale.
    """

    def compute(node: Node, operands: list[Float]) -> Float:
        return apply_clip(_value(node, operands, parameters), node.clip)

    return lowered.evaluate(np.asarray(inputs, dtype=np.float64), compute)


def float_outputs(lowered: LoweredNetwork, parameters: Parameters, inputs: NDArray[Any]) -> Float:
    """Return the network's output (N, C, H, W) for `inputs`; working memory does not grow with the batch."""
    return np.concatenate(
        [
            next(value for name, value in float_tensors(lowered, parameters, part) if name == lowered.output)
            for part in lowered.batches(inputs)
        ]
    )


def _value(node: Node, operands: list[Float], parameters: Parameters) -> Float:
    """Return the node's output before its clipping."""
    x = operands[0]
    match node:
        case MatrixNode():
            weights, bias = folded_matrix(node, parameters)
            return convolve(x, weights, node.window) + bias[:, None, None]
        case MaxPoolNode():
            largest: Float = np.maximum.reduce(list(node.window.taps(x, -np.inf)))
            return largest
        case AvgPoolNode():
            total = np.zeros(x.shape[:1] + node.shape)
            for tap in node.window.taps(x, 0.0):
                total += tap
            return total / node.counts
        case AddNode():
            total = np.zeros_like(x)
            for operand in operands:
                total += operand
            return total
        case ConcatNode():
            return np.concatenate(operands, axis=1)
        case AffineNode():
            factor, offset = folded_affine(node, parameters)
            return x * factor[:, None, None] + offset[:, None, None]
        case TableNode():
            return apply_function(node, x)
    raise TypeError(f"{node.name}: no float reference for {type(node).__name__}")


def apply_function(node: TableNode, x: Float) -> Float:
    """Return the node's function of `x`, before its clipping."""
    function = activations[node.function]
    alpha = function.alpha if node.alpha is None else node.alpha
    return function.evaluate(x, 0.0 if alpha is None else alpha)
