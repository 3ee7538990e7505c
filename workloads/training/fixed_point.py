"""Sixteen bits with a binary point: what training computes in, with integers only.

A code c of a tensor with f fraction bits stands for c / 2**f. Codes are symmetric, as one array holds what is
positive and another what is negative. Products are summed exactly; what is stored is rounded half to even and
kept within 16 bits.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]

#: Largest code; the smallest is its negative.
LARGEST_CODE = 2**15 - 1

#: Fraction bits of a tensor at most: a code that stands for 1 must exist, for the wordline of biases.
MOST_FRACTION = 14


def stored(sums: Codes, shift: int) -> Codes:
    """Return int64 `sums` / 2**shift as 16 bit codes: rounded half to even, then kept in range.

    shift : bits to drop; negative ones are added
    """
    if shift <= 0:
        return kept(sums << -shift)
    return kept(divided(sums, 1 << shift))


def kept(codes: Codes) -> Codes:
    """Return codes kept within 16 bits."""
    return np.asarray(np.clip(codes, -LARGEST_CODE, LARGEST_CODE))


def divided(numerator: Codes, denominator: int) -> Codes:
    """Return numerator / denominator, rounded half to even; the denominator is positive."""
    down, rest = np.divmod(numerator, denominator)
    up = (2 * rest > denominator) | ((2 * rest == denominator) & (down & 1 == 1))
    return np.asarray(down + up, np.int64)


def fraction_for(largest: float, headroom_bits: int) -> int:
    """Return the most fraction bits with which `largest`, and 2**headroom_bits times it, is still in range.

    largest : magnitude, not negative; zero needs no bits before the point
    """
    _, exponent = math.frexp(largest)  # largest < 2**exponent
    return min(15 - exponent - headroom_bits, MOST_FRACTION) if largest else MOST_FRACTION


def codes_of(values: NDArray[Any], fraction: int) -> Codes:
    """Return the codes nearest to real `values`, halves to even; out of range it is an end code."""
    steps = np.rint(np.asarray(values, np.float64) * 2.0**fraction)
    return np.clip(steps, -LARGEST_CODE, LARGEST_CODE).astype(np.int64)


def reals_of(codes: Codes, fraction: int) -> NDArray[np.float64]:
    """Return the numbers that `codes` stand for."""
    return np.asarray(codes * 2.0**-fraction, np.float64)
