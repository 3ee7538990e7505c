"""Cycles of a network on too few crossbars, in closed form: the published block, and what this machine takes.

The published formulas (reconstruction of BasisN's baseline) count for a layer the fewest sets that its tiles
fit in, and for the network the fewest that all tiles fit in:

    compute = sum over layers of P ceil(tiles / N) product
    cycles  = batch compute + ceil(T / N) W           W = R C w of a cell, R w of a row, or w

No order of tiles has both at once in general, so they bound each from below. With `layer` the first is met,
as each layer begins a set of its own, in sum ceil(tiles / N) rounds; with `greedy` the second is, and a layer
that lies across the end of a set is computed once more. They agree where no layer lies in more sets than it
has to. The formulas charge a round for what fits on the crossbars, too; here it is written before the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from arch.cell_writing import mean_write_cycles
from arch.machines.reprogrammed.configuration import ReprogrammedConfig


def write_cycles(config: ReprogrammedConfig) -> int:
    """Return W: the cycles of writing a crossbar whose cells all take the mean of pulses, rounded up."""
    array = config.array
    return mean_write_cycles(config.write, array.rows, array.cols)


def published_compute_cycles(layers: Iterable[tuple[int, int]], crossbars: int, product: int) -> int:
    """Return the cycles of computing one image.

    layers : windows and tiles of each
    product : cycles of one
    """
    return sum(windows * -(-tiles // crossbars) * product for windows, tiles in layers)


def published_rounds(tiles: int, crossbars: int) -> int:
    """Return how often the crossbars are written for a batch."""
    return -(-tiles // crossbars)


def published_cycles(
    layers: Sequence[tuple[int, int]], crossbars: int, product: int, write: int, batch: int = 1
) -> int:
    """Return the cycles of a batch.

    write : W, cycles of writing a crossbar
    """
    rounds = published_rounds(sum(tiles for _, tiles in layers), crossbars)
    return batch * published_compute_cycles(layers, crossbars, product) + rounds * write


def pipelined_cycles(windows: int, *stages: int) -> int:
    """Return the cycles in which so many windows pass stages that take so long each, one behind the other.

    >>> pipelined_cycles(10, 0, 8, 0), pipelined_cycles(10, 3, 8, 2)
    (80, 85)
    """
    return sum(stages) + (windows - 1) * max(stages) if windows else 0


def turns_cycles(turns: Sequence[tuple[int, int]], *, overlap: bool) -> int:
    """Return the cycles of sets that are written and computed on, one behind the other.

    turns : cycles of writing, and of computing, of each
    overlap : a set is written while the one before is computed on

    >>> turns_cycles([(5, 3), (5, 9), (5, 2)], overlap=False)
    29
    >>> turns_cycles([(5, 3), (5, 9), (5, 2)], overlap=True)
    21
    """
    if not overlap:
        return sum(write + compute for write, compute in turns)
    writes = [write for write, _ in turns]
    computes = [compute for _, compute in turns]
    return writes[0] + sum(map(max, computes[:-1], writes[1:])) + computes[-1]
