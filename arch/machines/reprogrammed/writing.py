"""Write-verify of a crossbar: how many pulses its cells take, and how long all of them together.

With `spread: fixed` each cell takes the mean, of which fractions are kept. With `geometric` a pulse succeeds
with probability p = 1 / `pulses`, so that a cell takes n pulses with probability p (1 - p)^(n - 1), and is
given up after m = `most_pulses`. Cells that are written together wait for the slowest of them, so rows take
the sum of the largest of each, and a crossbar that is written at once the largest of all.

All cells of a crossbar are written, whether they hold a weight or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from math import ceil

import numpy as np
from numpy.typing import NDArray

from arch.machines.reprogrammed.closed_forms import write_cycles
from arch.machines.reprogrammed.configuration import ReprogrammedConfig, WriteConfig
from arch.mapping.tiling import Block
from simcore.noise import derive, stream_key, words_reference


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


@dataclass(eq=False)
class WriteLedger:
    """Writes crossbars, and keeps the books by layer.

    seed : of the pulses that single cells take
    """

    config: ReprogrammedConfig
    seed: int
    by_layer: dict[str, Writes] = field(default_factory=dict)

    def write(self, layer: str, blocks: Sequence[Block], time: int) -> int:
        """Write tiles of a layer for the n-th time, n = `time` from 0 on, all at once; return the cycles."""
        cycles = 0
        for block in blocks:
            taken, written = self._write(layer, block, time)
            cycles = max(cycles, taken)
            self.by_layer[layer] = self.by_layer.get(layer, Writes()) + written
        return cycles

    def _write(self, layer: str, block: Block, time: int) -> tuple[int, Writes]:
        """Write one crossbar; return the cycles, and what it took."""
        array, write = self.config.array, self.config.write
        cells = array.rows * array.cols
        if write.spread == "fixed":
            return write_cycles(self.config), Writes(1, cells, cells * write.mean_pulses)
        key = derive(stream_key(self.seed, "write", layer, block.row, block.col), time)
        pulses, failed = drawn_pulses(write, key, cells)
        by_row = pulses.reshape(array.rows, array.cols)
        one_by_one = {"cell": by_row, "row": by_row.max(axis=1), "crossbar": by_row.max()}[write.parallel]
        return (
            int(one_by_one.sum()) * write.step_cycles,
            Writes(1, cells, Fraction(int(pulses.sum())), int(failed.sum())),
        )

    @property
    def total(self) -> Writes:
        """What was written of all layers."""
        return sum(self.by_layer.values(), Writes())


def pulse_energy(config: ReprogrammedConfig) -> dict[str, float]:
    """Return the energy of a pulse, and of reading a cell behind it [J]."""
    return {"pulse": config.write.write_pj * 1e-12, "verify": config.array.cell_energy_fj * 1e-15}


def drawn_pulses(
    write: WriteConfig, key: NDArray[np.uint64] | np.uint64, cells: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
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


# -- what is to be expected ----------------------------------------------------------------------------------


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


def expected_write_cycles(config: ReprogrammedConfig) -> int:
    """Return W as it is to be expected of one crossbar, rounded up; exact if all cells take the mean."""
    array, write = config.array, config.write
    if write.spread == "fixed":
        return write_cycles(config)
    pulses = {
        "cell": lambda: array.rows * array.cols * expected_pulses(write),
        "row": lambda: array.rows * expected_slowest(write, array.cols),
        "crossbar": lambda: expected_slowest(write, array.rows * array.cols),
    }[write.parallel]()
    return ceil(pulses * write.step_cycles)
