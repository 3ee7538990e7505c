"""The integers of nodes that only networks of tokens have, and what each computes with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workloads.quantized_nodes import QuantizedNode


@dataclass(frozen=True, eq=False, kw_only=True)
class QuantizedAttention(QuantizedNode):
    """acc = sum((a - input_zeros[0]) * (b - input_zeros[1])) over features or keys, then requantised."""

    multiplier: np.float32
    input_zeros: tuple[int, int]
    output_zero: int


@dataclass(frozen=True, eq=False, kw_only=True)
class QuantizedLayerNorm(QuantizedNode):
    """d / sqrt(v + epsilon) in double precision, then * gain + offset in single, then rounded.

    Of the codes x of a pixel's n channels, d = n * x - sum(x) and v = n * sum(x * x) - sum(x) ** 2 are exact.

    epsilon : that of the layer in steps of v, float64
    gain, offset : (channels,) float32, in steps of the output
    """

    epsilon: np.float64
    gain: NDArray[np.float32]
    offset: NDArray[np.float32]
    output_zero: int


@dataclass(frozen=True, eq=False, kw_only=True)
class QuantizedEmbedding(QuantizedNode):
    """The output's codes for each id, (entries, features) int32."""

    table: NDArray[np.int32]


@dataclass(frozen=True, eq=False, kw_only=True)
class QuantizedAddEmbedding(QuantizedNode):
    """float32(x - input_zero) * multiplier + offset in float32, (channels, height, width), then rounded."""

    multiplier: np.float32
    offset: NDArray[np.float32]
    input_zero: int
    output_zero: int


@dataclass(frozen=True, eq=False, kw_only=True)
class QuantizedClassToken(QuantizedNode):
    """Codes of the tokens in front, (channels, tokens) int32; others are requantised by the multiplier."""

    tokens: NDArray[np.int32]
    multiplier: np.float32
    input_zero: int
    output_zero: int
