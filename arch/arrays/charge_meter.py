"""A meter of what flows through the cells of a replica: it watches values and changes none.

Charge is linear in what wordlines are driven with and in what cells conduct. So a window costs one addition
for each of its elements, whatever the arrays; what they conduct is asked for once, at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import mul
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arch.mapping.tiling import Block
from simcore.kernels.wordline_drives import add_drives

Ints = NDArray[Any]
Work = Callable[[int], None]


class ChargeMeter:
    """What wordlines of one replica were driven with so far, by element of the window.

    windows : (slots, elements) int16 or int32, code - zero, where window k lies in row k mod slots
    drives : (codes,) int64, what a code drives a wordline with; see `arch.arrays.cell_charge`
    row_conductances : tells what an array's cells conduct on each wordline, (rows,) int64 [2^-8 level], none
        below 0; may be replaced until the run ends, where cells are not what their levels say

    totals : (elements,) int64, drive of each element over all windows
    """

    def __init__(
        self,
        windows: Ints,
        zero: int,
        drives: NDArray[np.int64],
        row_conductances: Callable[[Block], NDArray[np.int64]],
    ) -> None:
        self.totals = np.zeros(windows.shape[1], np.int64)
        self.row_conductances = row_conductances
        self._windows, self._zero, self._drives = windows, zero, drives

    def ahead_of(self, multiply: Work) -> Work:
        """Return the work of a replica's arrays with their window metered first."""
        windows, zero, drives, totals = self._windows, self._zero, self._drives, self.totals
        slots = len(windows)

        def meter_and_multiply(window: int) -> None:
            add_drives(windows, window % slots, zero, drives, totals)
            multiply(window)

        return meter_and_multiply

    def charge(self, blocks: Iterable[Block]) -> int:
        """Return the charge that went through the cells of these arrays [drive x 2^-8 level]."""
        return sum(_dot(self.totals[block.wordlines], self.row_conductances(block)) for block in blocks)


def _dot(drives: NDArray[np.int64], conductances: NDArray[np.int64]) -> int:
    """Return the sum of their products, exactly: in 64 bits if it is sure to fit, which is much faster."""
    if int(drives.max()) * int(conductances.sum()) < 2**63:
        return int(drives @ conductances)
    return sum(map(mul, drives.tolist(), conductances.tolist()))
