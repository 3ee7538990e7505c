"""The lowered network in floating point: what calibration observes and quantisation is compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.activation_functions import activations
from workloads.convolution import convolve
from workloads.folding import FoldedPart, folded_affine, folded_parts
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
    ShortcutNode,
    TableNode,
)

Float = NDArray[np.floating[Any]]

#: Gives the weights of a matrix node, some columns after the other.
Folding = Callable[[MatrixNode], Iterator[FoldedPart]]


def float_tensors(
    lowered: LoweredNetwork,
    parameters: Parameters,
    inputs: NDArray[Any],
    precision: type[np.floating[Any]] = np.float64,
    folded: Folding | None = None,
) -> Iterator[tuple[str, Float]]:
    """Yield the name and the values (N, C, H, W) of the input and of every node, in order.

    precision : the number type of all values; double makes them the same on every machine, but for roundings
        far below those of a scale
    folded : what gives a matrix node's weights; `folded_parts` unless given
    """
    parts_of = folded or (lambda node: folded_parts(node, parameters, precision))

    def compute(node: Node, operands: list[Float]) -> Float:
        if isinstance(node, MatrixNode):
            value = _products(node, operands[0], parts_of(node))
        else:
            value = _value(node, operands, parameters)
        low, high = node.clip
        return value if low is None and high is None else np.clip(value, low, high, out=value)

    return lowered.evaluate(np.asarray(inputs, dtype=precision), compute)


def float_outputs(lowered: LoweredNetwork, parameters: Parameters, inputs: NDArray[Any]) -> Float:
    """Return the network's output (N, C, H, W) for `inputs`; working memory does not grow with the batch."""
    return np.concatenate(
        [
            next(value for name, value in float_tensors(lowered, parameters, part) if name == lowered.output)
            for part in lowered.batches(inputs)
        ]
    )


def _products(node: MatrixNode, x: Float, parts: Iterator[FoldedPart]) -> Float:
    """Return a matrix node's output before its clipping."""
    products = np.empty((len(x), *node.shape), dtype=x.dtype)
    for part in parts:
        some = convolve(x, part.weights, node.window)
        np.add(some, part.bias[:, None, None].astype(x.dtype), out=products[:, part.out])
    return products


def _value(node: Node, operands: list[Float], parameters: Parameters) -> Float:
    """Return the output of any other node before its clipping."""
    x = operands[0]
    match node:
        case MaxPoolNode():
            largest: Float = np.maximum.reduce(list(node.window.taps(x, -np.inf)))
            return largest
        case ShortcutNode():
            (picked,) = node.window.taps(x, 0.0)
            return np.pad(picked, ((0, 0), (0, node.shape[0] - picked.shape[1]), (0, 0), (0, 0)))
        case AvgPoolNode():
            total = np.zeros(x.shape[:1] + node.shape, dtype=x.dtype)
            for tap in node.window.taps(x, 0.0):
                total += tap
            total /= node.counts
            return total
        case AddNode():
            total = operands[0] + operands[1]
            for operand in operands[2:]:
                total += operand
            return total
        case ConcatNode():
            return np.concatenate(operands, axis=1)
        case AffineNode():
            factor, offset = folded_affine(node, parameters)
            scaled: Float = x * factor[:, None, None].astype(x.dtype)
            scaled += offset[:, None, None].astype(x.dtype)
            return scaled
        case TableNode():
            return apply_function(node, x.astype(np.float64)).astype(x.dtype)
    raise TypeError(f"{node.name}: no float reference for {type(node).__name__}")


def apply_function(node: TableNode, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the node's function of `x`, before its clipping."""
    function = activations[node.function]
    alpha = function.alpha if node.alpha is None else node.alpha
    return function.evaluate(x, 0.0 if alpha is None else alpha)
