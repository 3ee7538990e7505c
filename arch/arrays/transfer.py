"""What a converter makes of a column sum: code = floor(sum / LSB + 1/2), kept in range; code x LSB goes on.

Decision levels lie half an LSB below each code's own sum, and a sum on one counts as above it: halves round
up, towards plus infinity. LSB is a whole number, at least 1, so everything stays in integers; a finer one
would tell no more sums apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore import ConfigError

Ints = NDArray[Any]

#: Widest step of a converter: codes times steps stay exact in double precision, with bits to spare.
WIDEST_LSB = 2**32


@dataclass(frozen=True, eq=False)
class Transfer:
    """One converter's, or that of each bitline of an array.

    bits : 1 to 16, or 2 to 16 for signed codes
    signed : codes -2**(bits - 1) .. 2**(bits - 1) - 1 instead of 0 .. 2**bits - 1
    lsb : step, one for all bitlines, or (bitlines,) int64
    """

    bits: int
    signed: bool = False
    lsb: int | NDArray[np.int64] = 1

    def __post_init__(self) -> None:
        if not 1 + self.signed <= self.bits <= 16:
            kind = "signed" if self.signed else "unsigned"
            raise ConfigError(f"adc bits must be in [{1 + self.signed}, 16] bit if {kind}, got {self.bits}")
        if not np.all(np.greater_equal(self.lsb, 1) & np.less_equal(self.lsb, WIDEST_LSB)):
            raise ConfigError(
                f"adc lsb must be a whole number in [1, {WIDEST_LSB}], got {np.min(self.lsb)} to "
                f"{np.max(self.lsb)}; take a narrower range or more bits"
            )

    @classmethod
    def of_range(cls, bits: int, largest: int | Ints, *, signed: bool = False) -> Transfer:
        """Return the converter with the smallest LSB that reaches `largest` [level], one or (bitlines,).

        A full range is the largest sum that an array can have, a fixed one any number, a calibrated one what
        data showed, for all bitlines or for each.
        raises : ConfigError for an empty range
        """
        if not np.all(np.greater_equal(largest, 1)):
            raise ConfigError(
                f"adc range must reach at least 1 level, got {np.min(largest)}; leave it full, or calibrate "
                "on data that is not all zero"
            )
        steps = max(2 ** (bits - signed) - 1, 1)  # wrong bits are told of below
        lsb = -(-np.asarray(largest, np.int64) // steps)
        return cls(bits, signed, int(lsb) if lsb.ndim == 0 else lsb)

    @property
    def low(self) -> int:
        """Smallest code."""
        return -int(2 ** (self.bits - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        """Largest code."""
        return int(2 ** (self.bits - self.signed) - 1)

    def convert(self, sums: Ints) -> tuple[NDArray[np.int64], int]:
        """Return what sums (..., bitlines) are taken for, in levels, and how many were out of range."""
        codes = (sums.astype(np.int64) + np.asarray(self.lsb) // 2) // self.lsb
        kept = np.clip(codes, self.low, self.high)
        return kept * self.lsb, int(np.count_nonzero(codes != kept))

    def is_exact(self, levels: Ints, largest_input: int) -> NDArray[np.bool_]:
        """Return for each bitline whether no inputs can make its conversion clip or round.

        levels : (rows, bitlines) of the rows that are on at once
        largest_input : of a phase; every row may carry any whole number up to it

        Both are needed and enough: the sum of the positive levels at the largest input is the largest sum,
        likewise the smallest, and all sums are multiples of LSB if and only if every level is.
        """
        lsb = np.asarray(self.lsb)
        below, above = sum_range(levels, largest_input)
        fits = (above <= self.high * lsb) & (below >= self.low * lsb)
        if (lsb == 1).all():
            return np.asarray(fits)
        return np.asarray(fits & (np.gcd.reduce(levels.astype(np.int64), axis=0) % lsb == 0))


def sum_range(levels: Ints, largest_input: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the smallest and the largest sum of each bitline, (bitlines,), of levels (rows, bitlines)."""
    total = levels.sum(axis=0, dtype=np.int64) * largest_input
    if levels.dtype == np.uint8:
        return np.zeros_like(total), total
    above = np.maximum(levels, 0).sum(axis=0, dtype=np.int64) * largest_input
    return total - above, above


def bits_for(largest: int, *, signed: bool = False) -> int:
    """Return the bits that tell all sums up to `largest` apart.

    For R rows, v bits of a DAC and w of a cell this is ISAAC's law: log2(R) + v + w, less 1 if v or w is 1.
    """
    return largest.bit_length() + signed
