"""How sums of any reference become codes, and in which numbers they are exact."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def requantize(scaled: NDArray[np.float32], zero: int, low: int, high: int) -> NDArray[np.int32]:
    """Return clip(round_half_even(scaled) + zero, low, high) of float32 values as int32."""
    return np.clip(np.rint(scaled) + np.float32(zero), low, high).astype(np.int32)


def exact_type(largest: int) -> type[np.number[Any]]:
    """Return the fastest number type whose sums of products up to `largest` are exact in any order.

    Floats hold all integers up to 2**24, or 2**53, and their products are fast.
    """
    return np.float32 if largest < 2**24 else np.float64 if largest < 2**53 else np.int64
