"""Joins of pixels: sums, products and concatenations of one pixel of each operand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from arch.mapping.stages import Join
from arch.pointwise_values import Codes
from simcore.kernels.requantize import join_operand, multiply_operands, scale_operand
from workloads import AddNode, ConcatNode, QuantizedJoin, QuantizedNetwork, QuantizedProduct


def join_work(
    node: Join, network: QuantizedNetwork, operands: Sequence[Codes], output: Codes
) -> Callable[[int], None]:
    """Return the work of a join, given a pixel's number.

    operands, output : registers (rows, channels), pixel k in row k mod rows of each; a sum or a product may
        write to one of those that it reads
    """
    q = network.nodes[node.name]
    if isinstance(q, QuantizedProduct):
        return _product(q, operands, output)
    assert isinstance(q, QuantizedJoin)
    if isinstance(node, ConcatNode):
        return _concatenation(q, operands, output)
    assert isinstance(node, AddNode)
    return _sum(q, operands, output)


def _concatenation(q: QuantizedJoin, operands: Sequence[Codes], output: Codes) -> Callable[[int], None]:
    widths = [codes.shape[1] for codes in operands]
    firsts = np.cumsum([0, *widths[:-1]]).tolist()
    alone = [np.zeros(width, np.float32) for width in widths]
    zeros, multipliers = q.input_zeros.tolist(), q.multipliers.tolist()
    parts = list(zip(alone, operands, zeros, multipliers, firsts, strict=True))
    ends, rows = (q.output_zero, q.low, q.high), len(output)

    def concatenate(pixel: int) -> None:
        row = pixel % rows
        for nothing, codes, zero, multiplier, first in parts:
            join_operand(nothing, codes, row, zero, multiplier, *ends, output, first)

    return concatenate


def _sum(q: QuantizedJoin, operands: Sequence[Codes], output: Codes) -> Callable[[int], None]:
    *others, last = zip(operands, q.input_zeros.tolist(), q.multipliers.tolist(), strict=True)
    ends, rows = (q.output_zero, q.low, q.high), len(output)
    scaled = np.zeros(output.shape[1], np.float32)

    def add(pixel: int) -> None:
        row = pixel % rows
        first = True
        for codes, zero, multiplier in others:
            scale_operand(codes, row, zero, multiplier, first, scaled)
            first = False
        codes, zero, multiplier = last
        join_operand(scaled, codes, row, zero, multiplier, *ends, output, 0)

    return add


def _product(q: QuantizedProduct, operands: Sequence[Codes], output: Codes) -> Callable[[int], None]:
    one, other = operands
    (one_zero, other_zero), multiplier = q.input_zeros, float(q.multiplier)
    ends, rows = (q.output_zero, q.low, q.high), len(output)
    return lambda pixel: multiply_operands(
        one, other, pixel % rows, one_zero, other_zero, multiplier, *ends, output
    )
