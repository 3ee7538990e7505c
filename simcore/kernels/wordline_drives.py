"""What wordlines are driven with, added up over all windows of a run."""

from __future__ import annotations

from typing import Any

from numpy import int64
from numpy.typing import NDArray

from simcore.kernels.compiling import compiled

Ints = NDArray[Any]


def add_drives_reference(windows: Ints, slot: int, zero: int, drives: Ints, totals: Ints) -> None:
    """Add the drive of every element of a window to its total.

    windows : (slots, elements) int16 or int32, code - zero
    zero : code of real zero
    drives : (codes,) int64, what a code drives its wordline with in one product
    totals : (elements,) int64, added to
    """
    totals += drives[windows[slot].astype(int64) + zero]


@compiled
def add_drives(windows: Ints, slot: int, zero: int, drives: Ints, totals: Ints) -> None:
    """Compiled twin of `add_drives_reference`."""
    window = windows[slot]
    for element in range(len(window)):
        totals[element] += drives[int64(window[element]) + zero]
