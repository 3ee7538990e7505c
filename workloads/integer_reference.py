"""The golden reference: a quantised network in exact integers; ideal hardware must equal it bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.convolution import convolve
from workloads.folding import WEIGHTS_AT_ONCE
from workloads.nodes import AddNode, AvgPoolNode, MatrixNode, MaxPoolNode, Node, SelectNode, SoftmaxNode
from workloads.quantization import check_inputs
from workloads.quantized_nodes import (
    QuantizedAffine,
    QuantizedAvgPool,
    QuantizedJoin,
    QuantizedMatrix,
    QuantizedMaxPool,
    QuantizedNetwork,
    QuantizedProduct,
    QuantizedSelect,
    QuantizedSoftmax,
    QuantizedTable,
)
from workloads.requantization import exact_type, requantize
from workloads.token_integers import softmax_codes, token_codes
from workloads.token_nodes import TokenNode

Codes = NDArray[np.int32]


def golden(network: QuantizedNetwork, inputs: NDArray[Any]) -> dict[str, Codes]:
    """Return the codes (N, C, H, W) int32 of the input and of every node, by name.

    inputs : (N, C, H, W) real numbers
    raises : WorkloadError for inputs that do not fit
    """
    check_inputs(network.lowered, inputs)
    parts = [dict(_tensors(network, part)) for part in network.lowered.batches(inputs)]
    return {name: np.concatenate([part[name] for part in parts]) for name in network.lowered.shapes}


def golden_outputs(network: QuantizedNetwork, inputs: NDArray[Any]) -> Codes:
    """Return the codes (N, C, H, W) int32 of the output only; working memory does not grow with the batch."""
    check_inputs(network.lowered, inputs)
    output = network.lowered.output
    return np.concatenate(
        [
            next(codes for name, codes in _tensors(network, part) if name == output)
            for part in network.lowered.batches(inputs)
        ]
    )


def exact_sums(
    codes: NDArray[np.int64], weights: NDArray[np.signedinteger[Any]], node: MatrixNode
) -> NDArray[np.int64]:
    """Return int64 products of `weights` and the windows of `codes` (N, C, H, W), zero points taken off."""
    largest = int(np.abs(codes).max()) * int(np.abs(weights).sum(axis=1, dtype=np.int64).max())
    number = exact_type(largest)
    maps = codes.astype(number)
    groups, rows, cols = weights.shape
    step = max(1, WEIGHTS_AT_ONCE // rows) if groups == 1 else cols
    sums = np.empty((len(codes), *node.shape), dtype=np.int64)
    for start in range(0, cols, step):
        part = weights[..., start : start + step].astype(number)
        sums[:, groups * start : groups * (start + step)] = convolve(maps, part, node.window)
    return sums


def _tensors(network: QuantizedNetwork, inputs: NDArray[Any]) -> Iterator[tuple[str, Codes]]:
    def compute(node: Node, operands: list[Codes]) -> Codes:
        return node_codes(network, node, operands)

    return network.lowered.evaluate(network.input_quantization.quantize(inputs), compute)


def node_codes(network: QuantizedNetwork, node: Node, operands: list[Codes]) -> Codes:
    """Return the codes (N, C, H, W) of a node from those of its inputs."""
    x = operands[0].astype(np.int64)
    quantized = network.nodes[node.name]
    match node, quantized:
        case MatrixNode(), QuantizedMatrix() as q:
            sums = exact_sums(x - q.input_zero, q.weights, node) + q.bias[:, None, None]
            return requantize(
                sums.astype(np.float32) * q.multiplier[:, None, None], q.output_zero, q.low, q.high
            )
        case MaxPoolNode(), QuantizedMaxPool() as q:
            largest: Codes = np.maximum.reduce(list(node.window.taps(operands[0], -1)))
            return np.clip(largest, q.low, q.high)
        case SelectNode(), QuantizedSelect() as q:
            picked = operands[0]
            for axis, places in enumerate((node.channels, node.rows, node.columns), start=1):
                if places is not None:
                    picked = picked.take(places, axis)
                    picked[(slice(None),) * axis + (np.array(places) < 0,)] = q.zero
            return np.asarray(np.clip(picked, q.low, q.high))
        case AvgPoolNode(), QuantizedAvgPool() as q:
            total = np.zeros(x.shape[:1] + node.shape, dtype=np.int64)
            for tap in node.window.taps(x - q.input_zero, 0):
                total += tap
            return requantize(total.astype(np.float32) * q.multiplier, q.output_zero, q.low, q.high)
        case _, QuantizedJoin() as q:
            scaled = [
                (codes - zero).astype(np.float32) * multiplier
                for codes, zero, multiplier in zip(operands, q.input_zeros, q.multipliers, strict=True)
            ]
            if isinstance(node, AddNode):
                joined = scaled[0]
                for operand in scaled[1:]:
                    joined = joined + operand
            else:
                joined = np.concatenate(scaled, axis=1)
            return requantize(joined, q.output_zero, q.low, q.high)
        case _, QuantizedProduct() as q:
            product = (x - q.input_zeros[0]) * (operands[1].astype(np.int64) - q.input_zeros[1])
            return requantize(product.astype(np.float32) * q.multiplier, q.output_zero, q.low, q.high)
        case SoftmaxNode(), QuantizedSoftmax() as q:
            return softmax_codes(node, q, operands[0])
        case _, QuantizedAffine() as q:
            scaled_x = (x - q.input_zero).astype(np.float32) * q.multiplier[:, None, None]
            return requantize(scaled_x + q.offset[:, None, None], q.output_zero, q.low, q.high)
        case _, QuantizedTable() as q:
            return q.table[x]
        case TokenNode(), _:
            return token_codes(node, quantized, operands)
    raise TypeError(f"{node.name}: {type(quantized).__name__} does not fit {type(node).__name__}")
