"""What intervals add up to, exactly, by unit and state in bins of time, where they are too many to keep.

Intervals are taken stretch by stretch, in any order, and the memory for them does not grow with their number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simcore.activity import NOBODY, Activity

#: Most bins, and most bins times pairs of a unit and a state, unless told otherwise.
MOST_BINS, CELLS = 256, 1 << 18
LEAST_BINS = 2


@dataclass(frozen=True, eq=False)
class AggregateRows:
    """What intervals add up to: a row for each unit, state and bin in which there are any, in this order.

    unit, state : (n,) int32, int16 indices, as in `Activity`
    start : (n,) int64, where the bin begins [tick]
    ticks : (n,) int64, how long the unit was in the state within the bin
    count : (n,) int64, intervals that begin within the bin
    """

    unit: NDArray[np.int32]
    state: NDArray[np.int16]
    start: NDArray[np.int64]
    ticks: NDArray[np.int64]
    count: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start)

    def laid_out(self) -> AggregateRows:
        """Return the rows with time in them, one behind the other within each bin, by unit and start.

        start : (n,) int64, from when on the unit may be drawn in the state
        """
        order = np.lexsort((self.state, self.start, self.unit))
        order = order[self.ticks[order] > 0]
        unit, start, ticks = self.unit[order], self.start[order], self.ticks[order]
        behind = np.cumsum(ticks) - ticks
        opens = np.ones(len(order), bool)
        opens[1:] = (unit[1:] != unit[:-1]) | (start[1:] != start[:-1])
        since = np.flatnonzero(opens)[np.cumsum(opens) - 1]
        return AggregateRows(
            unit, self.state[order], start + behind - behind[since], ticks, self.count[order]
        )


class Aggregate:
    """Adds intervals up in a fixed number of bins of time from tick 0 on, at most.

    Bins become twice as wide when an interval ends behind the last one, and half as many when there are more
    pairs of a unit and a state than room for them. Either way two and two are added, so that nothing is lost.

    bin_ticks : width of a bin
    bins : how many there are
    """

    def __init__(self, units: int, ticks_per_cycle: int, cells: int = CELLS) -> None:
        """Begin with bins of a cycle.

        units : how many there are
        cells : most pairs of a unit and a state times bins; no less than `LEAST_BINS` for each pair
        """
        self.bin_ticks = ticks_per_cycle
        self.bins = MOST_BINS
        self._cells = cells
        self._row = np.full(
            (units, 0), -1, np.int32
        )  # of each unit and state in those below, -1 where it has none
        self._unit, self._state = np.zeros(0, np.int32), np.zeros(0, np.int16)
        self._ticks, self._count = np.zeros((0, self.bins), np.int64), np.zeros((0, self.bins), np.int64)

    def add(self, activity: Activity) -> None:
        """Add intervals, of the same units and with the same numbers of states as those before."""
        if not len(activity):
            return
        start, stop = activity.start, activity.start + activity.duration
        row = self._rows_of(activity)
        while max(int(stop.max()), int(start.max()) + 1) > self.bins * self.bin_ticks:
            self._ticks, self._count = (
                np.concatenate((_paired(cells), np.zeros_like(cells)[:, self.bins // 2 :]), axis=1)
                for cells in (self._ticks, self._count)
            )
            self.bin_ticks *= 2
        first = start // self.bin_ticks
        last = np.maximum(first, (stop - 1) // self.bin_ticks)
        ticks, count = self._ticks.reshape(-1), self._count.reshape(-1)
        cell = row * self.bins + first
        np.add.at(count, cell, 1)
        np.add.at(ticks, cell, np.minimum(stop, (first + 1) * self.bin_ticks) - start)
        over = np.flatnonzero(last > first)
        if len(over):
            row, first, last = row[over], first[over], last[over]
            np.add.at(ticks, row * self.bins + last, stop[over] - last * self.bin_ticks)
            between = np.zeros_like(self._ticks)
            np.add.at(between, (row, first + 1), self.bin_ticks)
            np.add.at(between, (row, last), -self.bin_ticks)
            self._ticks += np.cumsum(between, axis=1)

    @property
    def count(self) -> int:
        """How many intervals it adds up."""
        return int(self._count.sum())

    def rows(self) -> AggregateRows:
        """Return what all add up to."""
        order = np.lexsort((self._state, self._unit))
        ticks, count = self._ticks[order], self._count[order]
        pair, place = np.nonzero((ticks != 0) | (count != 0))
        return AggregateRows(
            self._unit[order][pair],
            self._state[order][pair],
            place * self.bin_ticks,
            ticks[pair, place],
            count[pair, place],
        )

    def drawn(self, like: Activity) -> Activity:
        """Return an activity that can be drawn in place of all intervals, with equal times in each bin.

        Within a bin each unit is in its states one behind the other, from where the bin begins.

        like : one of the run's stretches, the last one for the run's makespan
        """
        rows = self.rows().laid_out()
        return Activity(
            units=like.units,
            states=like.states,
            unit=rows.unit,
            state=rows.state,
            start=rows.start,
            duration=rows.ticks,
            cause=np.full(len(rows), NOBODY, np.int32),
            lag=np.zeros(len(rows), np.int64),
            makespan=like.makespan,
            ticks_per_cycle=like.ticks_per_cycle,
            clock_hz=like.clock_hz,
            finisher=like.finisher,
        )

    def _rows_of(self, activity: Activity) -> NDArray[np.int64]:
        """Return in which row each interval is added, a new one for each new pair of a unit and a state."""
        shape = len(activity.units), len(activity.states)
        if self._row.shape != shape:
            known = self._row
            self._row = np.full(shape, -1, np.int32)
            self._row[:, : known.shape[1]] = known
        unit, state = activity.unit, activity.state
        row = self._row[unit, state].astype(np.int64)
        if (row < 0).any():
            new = np.unique(unit[row < 0].astype(np.int64) * shape[1] + state[row < 0])
            self._unit = np.concatenate((self._unit, (new // shape[1]).astype(np.int32)))
            self._state = np.concatenate((self._state, (new % shape[1]).astype(np.int16)))
            self._row.reshape(-1)[new] = np.arange(len(self._ticks), len(self._unit))
            self._make_room(len(new))
            row = self._row[unit, state].astype(np.int64)
        return row

    def _make_room(self, more: int) -> None:
        """Add empty rows, with bins half as many if need be."""
        while (len(self._ticks) + more) * self.bins > self._cells and self.bins > LEAST_BINS:
            self._ticks, self._count = _paired(self._ticks), _paired(self._count)
            self.bins //= 2
            self.bin_ticks *= 2
        empty = np.zeros((more, self.bins), np.int64)
        self._ticks, self._count = (np.concatenate((cells, empty)) for cells in (self._ticks, self._count))


def _paired(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return neighbouring bins added, two and two."""
    return np.asarray(cells[:, ::2] + cells[:, 1::2])
