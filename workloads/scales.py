"""How integer codes stand for real numbers, and the scales that a network may bring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Below it float32 loses digits; what is smaller counts as zero.
SMALLEST_SCALE = float(np.finfo(np.float32).tiny)
LARGEST_SCALE = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Quantization:
    """How a tensor's codes 0 .. 2**bits - 1 stand for real numbers: (code - zero) * scale.

    scale : a float32's value, positive
    zero : the code of real zero
    """

    scale: float
    zero: int
    bits: int

    @property
    def max_code(self) -> int:
        """Largest code."""
        return int(2**self.bits - 1)

    def quantize(self, values: NDArray[Any]) -> NDArray[np.int32]:
        """Return the int32 code nearest to each value, halves to even; out of range it is an end code."""
        steps = np.rint(np.asarray(values, dtype=np.float64) / self.scale) + self.zero
        return np.asarray(np.clip(steps, 0, self.max_code), dtype=np.int32)

    def dequantize(self, codes: NDArray[Any]) -> NDArray[np.float32]:
        """Return the float32 values that `codes` stand for."""
        return (codes - self.zero).astype(np.float32) * np.float32(self.scale)

    @classmethod
    def of_range(cls, low: float, high: float, bits: int) -> Quantization:
        """Return the quantisation that spans [low, high] and holds real zero exactly.

        A range too small for a normal float32 scale, such as that of zeros alone, gets scale 1.
        """
        low, high = min(low, 0.0), max(high, 0.0)
        scale = float(np.float32((high - low) / (2**bits - 1)))
        if scale < SMALLEST_SCALE:
            scale = 1.0
        return cls(scale, int(np.clip(np.rint(-low / scale), 0, 2**bits - 1)), bits)


@dataclass(frozen=True, eq=False)
class GivenScales:
    """Scales that a quantised network was made with; they are used as they are, in place of calibrated ones.

    tensors : quantisation of layers' outputs, by the layer's name; those left out are calibrated
    weights : scale (output channels,) float32 of a matrix's weights, by its name; zero points are 0
    """

    tensors: Mapping[str, Quantization] = field(default_factory=dict)
    weights: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
