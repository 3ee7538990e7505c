"""Write-verify of cells while a machine runs: how many pulses they take, and how long those written together.

With `spread: fixed` each cell takes the mean, of which fractions are kept. With `geometric` a pulse succeeds
with probability p = 1 / `pulses`, so that a cell takes n pulses with probability p (1 - p)^(n - 1), and is
given up after m = `most_pulses`. Cells that are written together wait for the slowest of them, so rows take
the sum of the largest of each, and cells that are all written at once the largest of all.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import ceil
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from arch.resistive_costs import PULSE, VERIFY
from arch.resistive_parts import PulsesConfig
from simcore import MOST_CYCLES, param
from simcore.noise import words_reference

#: Of the stream that pulses are drawn from.
Key = NDArray[np.uint64] | np.uint64


class WriteConfig(PulsesConfig):
    """Write-verify, while the run goes on."""

    pulse_cycles: int = param(
        int(PULSE.value), ge=1, le=MOST_CYCLES, unit="cycle", doc=f"of one pulse; {PULSE.source} at 1 GHz"
    )
    verify_cycles: int = param(
        int(VERIFY.value), ge=0, le=MOST_CYCLES, unit="cycle", doc=f"of the read behind it; {VERIFY.source}"
    )
    parallel: Literal["cell", "row", "crossbar"] = param(
        "cell",
        unit="one of",
        doc="cells of a crossbar that take pulses together; crossbars of a set always do; assumed",
    )
    spread: Literal["fixed", "geometric"] = param(
        "fixed",
        unit="one of",
        doc="fixed: every cell takes the mean; geometric: a pulse succeeds with probability 1/pulses, and "
        "cells that are written together wait for the slowest",
    )
    most_pulses: int = param(
        64, ge=1, le=4096, unit="pulse", doc="after which a cell is given up, with spread geometric; assumed"
    )
    endurance_writes: int = param(
        10_000_000,
        ge=1,
        unit="op",
        doc="times that a cell can be written, each with all its pulses; 10^6 to 10^9, assumed",
    )

    @property
    def mean_pulses(self) -> Fraction:
        """Pulses that a cell takes on average, exactly."""
        return Fraction(str(self.pulses))

    @property
    def step_cycles(self) -> int:
        """Cycles of a pulse and the read behind it."""
        return self.pulse_cycles + self.verify_cycles


@dataclass
class Writes:
    """What was written so far: crossbars and cells, each as often as it was; pulses, and cells given up."""

    crossbars: int = 0
    cells: int = 0
    pulses: Fraction = Fraction(0)
    failed: int = 0

    def __add__(self, other: Writes) -> Writes:
        return Writes(
            self.crossbars + other.crossbars,
            self.cells + other.cells,
            self.pulses + other.pulses,
            self.failed + other.failed,
        )


def one_by_one(write: WriteConfig, rows: int, cols: int) -> int:
    """Return how many cells, or rows, or whole crossbars, of rows x cols cells are written in turn."""
    return {"cell": rows * cols, "row": rows, "crossbar": 1}[write.parallel]


def mean_write_cycles(write: WriteConfig, rows: int, cols: int) -> int:
    """Return the cycles of writing rows x cols cells that all take the mean of pulses, rounded up."""
    return ceil(one_by_one(write, rows, cols) * write.mean_pulses * write.step_cycles)


def write_cells(write: WriteConfig, rows: int, cols: int, key: Key) -> tuple[int, Writes]:
    """Write rows x cols cells of one crossbar; return the cycles, and what it took.

    key : of the stream that pulses are drawn from, where they are
    """
    cells = rows * cols
    if write.spread == "fixed":
        return mean_write_cycles(write, rows, cols), Writes(1, cells, cells * write.mean_pulses)
    pulses, failed = drawn_pulses(write, key, cells)
    by_row = pulses.reshape(rows, cols)
    in_turn = {"cell": by_row, "row": by_row.max(axis=1), "crossbar": by_row.max()}[write.parallel]
    return (
        int(in_turn.sum()) * write.step_cycles,
        Writes(1, cells, Fraction(int(pulses.sum())), int(failed.sum())),
    )


def pulse_energy(write: PulsesConfig, cell_read_fj: float) -> dict[str, float]:
    """Return the energy of a pulse, and of reading a cell behind it [J].

    cell_read_fj : of the latter [fJ]
    """
    return {"pulse": write.write_pj * 1e-12, "verify": cell_read_fj * 1e-15}


def drawn_pulses(write: WriteConfig, key: Key, cells: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the pulses that each of so many cells takes, and whether it is given up behind the last one.

    key : of the stream they are drawn from
    """
    beyond = _chances_beyond(write.mean_pulses, write.most_pulses)
    words = words_reference(key, np.arange(cells))
    unfinished = len(beyond) - np.searchsorted(beyond, words, side="right")  # pulses that did not do
    return np.minimum(unfinished + 1, write.most_pulses), unfinished == write.most_pulses


@cache
def _chances_beyond(mean: Fraction, most: int) -> NDArray[np.uint64]:
    """Return the chance that n pulses are too few, in 2^-64, for n = `most` down to 1; in whole numbers."""
    fails = 1 - 1 / mean
    chances, chance = [], 1 << 64
    for _ in range(most):
        chance = chance * fails.numerator // fails.denominator
        chances.append(chance)
    return np.array(chances[::-1], np.uint64)


def chance_of_failure(write: WriteConfig) -> float:
    """Return the chance that a cell is given up: (1 - p)^m."""
    if write.spread == "fixed":
        return 0.0
    return float((1 - 1 / write.mean_pulses) ** write.most_pulses)


def expected_pulses(write: WriteConfig) -> float:
    """Return the pulses of a cell on average: those given up take fewer, (1 - (1 - p)^m) / p."""
    return float(write.mean_pulses) * (1 - chance_of_failure(write))


def expected_slowest(write: WriteConfig, cells: int) -> float:
    """Return the pulses of the slowest of so many cells: the sum over n < m of 1 - (1 - (1 - p)^n)^cells."""
    if write.spread == "fixed":
        return float(write.mean_pulses)
    beyond = float(1 - 1 / write.mean_pulses) ** np.arange(write.most_pulses)
    return float((1 - (1 - beyond) ** cells).sum())


def expected_cycles(write: WriteConfig, rows: int, cols: int) -> int:
    """Return the cycles of writing rows x cols cells as they are to be expected, rounded up.

    Exact if all cells take the mean.
    """
    if write.spread == "fixed":
        return mean_write_cycles(write, rows, cols)
    pulses = {
        "cell": lambda: rows * cols * expected_pulses(write),
        "row": lambda: rows * expected_slowest(write, cols),
        "crossbar": lambda: expected_slowest(write, rows * cols),
    }[write.parallel]()
    return ceil(pulses * write.step_cycles)
