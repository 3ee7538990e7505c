"""Traces within limits: what is not written interval by interval is added up, so that nothing is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.activity import Activity
from simcore.errors import ConfigError
from simcore.units import format_si
from traces.aggregate import CELLS, LEAST_BINS, Aggregate
from traces.sinks import BoundedSink
from traces.unit_paths import match

#: States of a unit, on average, for which there is room in what is added up.
_STATES_A_UNIT = 16
#: Fewer intervals than these are not fitted in behind others.
_FEWEST = 1 << 10


@dataclass(frozen=True)
class TraceLimits:
    """Which intervals a trace holds one by one; all others it adds up, by unit and state in bins of time.

    budget : most that the file may take [byte]; once no more fits, all further ones are added up
    start, stop : window [cycle of the reference clock]; intervals with some time in it are held; None: no end
    units : patterns over instance paths, see `traces.unit_paths.match`
    """

    budget: int | None = None
    start: int = 0
    stop: int | None = None
    units: Sequence[str] = ("*",)


class LimitedSink:
    """Hands to a sink what is within limits, and in the end what all others add up to.

    about : what the file says of its limits, once it is closed
    """

    def __init__(self, sink: BoundedSink, limits: TraceLimits) -> None:
        self._sink, self._limits = sink, limits
        self.about: dict[str, Any] = {}
        self._full = False  # whether the budget is used up
        self._complete = 0  # tick up to which the file holds what it is to hold
        self._size = 0  # of the file, at most [byte]
        self._kept_free = 0  # for what is added up [byte]
        self._added_up: Aggregate | None = None
        self._end: Activity  # the last stretch, but for its intervals

    def add(self, stretch: Activity) -> None:
        """Take one more stretch.

        raises : FileError if the disk refuses; with the first stretch UnknownNameError if a pattern fits no
            unit, and ConfigError if the budget is too small
        """
        stretch = replace(stretch, buffers=())
        if self._added_up is None:
            self._added_up = self._open(stretch)
        end = stretch.start + stretch.duration
        chosen = self._chosen[stretch.unit] & (end > self._start) & (stretch.start < self._stop)
        self._added_up.add(_taken(stretch, ~chosen))
        beyond = self._write(_taken(stretch, chosen))
        self._added_up.add(beyond)
        self._end = _taken(stretch, slice(0))

    def close(self, interrupted: bool = False) -> None:
        """Hand over what was added up, and put the file in its place."""
        added_up = self._added_up
        assert added_up is not None
        self.about = {
            "budget_bytes": self._limits.budget,
            "window_cycles": [self._limits.start, self._limits.stop],
            "unit_patterns": list(self._limits.units),
            "complete_until_tick": self._complete,
            "aggregated": added_up.count,
            "bin_ticks": added_up.bin_ticks,
        }
        self._sink.add(self._end)  # so that states and makespan are those of all intervals
        self._sink.summarise(added_up.rows(), self.about)
        self._sink.close(interrupted)

    def abandon(self) -> None:
        """Leave nothing behind."""
        self._sink.abandon()

    def _open(self, first: Activity) -> Aggregate:
        """Find the chosen units, and return room for what is added up."""
        limits, units, cycle = self._limits, len(first.units), first.ticks_per_cycle
        self._chosen = np.zeros(units, bool)
        self._chosen[match(first.units, limits.units)] = True
        self._start = limits.start * cycle
        self._stop = np.iinfo(np.int64).max if limits.stop is None else limits.stop * cycle
        self._sink.add(_taken(first, slice(0)))
        if limits.budget is None:
            return Aggregate(units, cycle)
        fewest = LEAST_BINS * _STATES_A_UNIT * units
        eighth = limits.budget // 8 * _FEWEST // self._sink.most(_FEWEST)
        cells = max(fewest, min(CELLS, eighth))
        self._size, self._kept_free = self._sink.size(), self._sink.most(cells)
        least = self._size + self._sink.most(fewest) + self._sink.most(_FEWEST)
        if limits.budget < least:
            raise ConfigError(
                f"the budget of a trace of {units} units must be at least {format_si(least, 'B')}, got "
                f"{format_si(limits.budget, 'B')}; grant it more"
            )
        return Aggregate(units, cycle, cells)

    def _write(self, stretch: Activity) -> Activity:
        """Write the stretch, or as much of its beginning as fits; return what does not."""
        while not self._full:
            if self._fits(len(stretch)):
                self._hand_on(stretch)
                return _taken(stretch, slice(0))
            rows = len(stretch) // 2
            while rows >= _FEWEST and not self._fits(rows):
                rows //= 2
            end = stretch.start + stretch.duration
            # All that ends before the first one that has no place: so the file is complete up to there.
            before = end < np.partition(end, rows)[rows]
            if rows < _FEWEST or not before.any():
                self._full = True
                break
            self._hand_on(replace(_taken(stretch, before), makespan=int(end[before].max())))
            stretch = _taken(stretch, ~before)
        return stretch

    def _fits(self, rows: int) -> bool:
        """Whether so many more rows are certain to fit; looks how large the file really is if need be."""
        budget = self._limits.budget
        if budget is None:
            return True
        left = budget - self._kept_free - self._sink.most(rows)
        if self._size > left:
            self._size = self._sink.size()
        return self._size <= left

    def _hand_on(self, stretch: Activity) -> None:
        self._sink.add(stretch)
        self._size += self._sink.most(len(stretch))
        self._complete = stretch.makespan


def _taken(activity: Activity, rows: NDArray[Any] | slice) -> Activity:
    """Return the activity with some of its rows."""
    columns: dict[str, Any] = {name: column[rows] for name, column in activity.columns().items()}
    return replace(activity, **columns)
