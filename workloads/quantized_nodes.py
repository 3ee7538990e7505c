"""The integers of each kind of node, and what it computes with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.nodes import LoweredNetwork
from workloads.scales import Quantization


@dataclass(frozen=True, eq=False, kw_only=True)
class QuantizedNode:
    """What every quantised node has: the smallest and the largest code it may give."""

    low: int
    high: int


@dataclass(frozen=True, eq=False, kw_only=True)
class QuantizedMatrix(QuantizedNode):
    """acc = sum((x - input_zero) * weight) + bias, then requantised by its column's multiplier.

    weights : (groups, rows, cols of one group) int16, or int32 where they are combinations of a basis; rows
        by position of the window first, by channel second
    bias : (cols,) int64
    multiplier : (cols,) float32
    """

    weights: NDArray[np.signedinteger[Any]]
    bias: NDArray[np.int64]
    multiplier: NDArray[np.float32]
    input_zero: int
    output_zero: int


@dataclass(frozen=True, eq=False, kw_only=True)
class QuantizedMaxPool(QuantizedNode):
    """Largest code of each window; the input's quantisation stays."""


@dataclass(frozen=True, eq=False, kw_only=True)
class QuantizedSelect(QuantizedNode):
    """Codes as they are, `zero` where nothing is picked; the input's quantisation stays."""

    zero: int


@dataclass(frozen=True, eq=False, kw_only=True)
class QuantizedAvgPool(QuantizedNode):
    """acc = sum(x - input_zero), requantised by the multiplier (height, width) float32 of its position."""

    multiplier: NDArray[np.float32]
    input_zero: int
    output_zero: int


@dataclass(frozen=True, eq=False, kw_only=True)
class QuantizedJoin(QuantizedNode):
    """Sum or concatenation: operand i is float32(x - input_zeros[i]) * multipliers[i], both (operands,).

    A sum adds up its operands from first to last in float32 before it rounds; a concatenation rounds each.
    """

    multipliers: NDArray[np.float32]
    input_zeros: NDArray[np.int64]
    output_zero: int


@dataclass(frozen=True, eq=False, kw_only=True)
class QuantizedProduct(QuantizedNode):
    """float32((a - input_zeros[0]) * (b - input_zeros[1])) * multiplier, then rounded."""

    multiplier: np.float32
    input_zeros: tuple[int, int]
    output_zero: int


@dataclass(frozen=True, eq=False, kw_only=True)
class QuantizedAffine(QuantizedNode):
    """float32(x - input_zero) * multiplier + offset in float32, both (channels,), then rounded."""

    multiplier: NDArray[np.float32]
    offset: NDArray[np.float32]
    input_zero: int
    output_zero: int


@dataclass(frozen=True, eq=False, kw_only=True)
class QuantizedTable(QuantizedNode):
    """The output's code for each of the input's codes, (2**bits,) int32."""

    table: NDArray[np.int32]


@dataclass(frozen=True, eq=False, kw_only=True)
class QuantizedSoftmax(QuantizedNode):
    """table[largest - x] of a pixel's channels, as shares of their sum, rounded to codes of 1 / scale.

    table : (2**bits,) int64, exp(-difference * input scale) in steps of 2**-30, for a difference of codes
    steps : codes from 0 to a share of 1
    """

    table: NDArray[np.int64]
    steps: float
    output_zero: int


@dataclass(frozen=True, eq=False)
class QuantizedNetwork:
    """A lowered network with integers for every node.

    tensors : quantisation of the input and of every node's output, by name
    nodes : integer arrays of every node, by name
    """

    lowered: LoweredNetwork
    weight_bits: int
    activation_bits: int
    tensors: Mapping[str, Quantization]
    nodes: Mapping[str, QuantizedNode]

    @property
    def input_quantization(self) -> Quantization:
        """How images become codes."""
        return self.tensors[self.lowered.input]

    @property
    def output_quantization(self) -> Quantization:
        """How the output's codes become real numbers."""
        return self.tensors[self.lowered.output]
