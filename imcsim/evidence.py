"""What speaks for and against a unit as the cause of a run's time: its work, its rests, who waits for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from imcsim.run_record import RunRecord, UnitTimes
from imcsim.stall_stacks import WORKING, ExactTimes, working
from simcore.activity import NOBODY, Activity, category


@dataclass(frozen=True)
class Work:
    """What one unit did; all in ticks.

    spent : by state
    worked : held operations, or wrote cells
    window : from its first operation to the end of its last one; without a recording until it had finished
    """

    unit: UnitTimes
    spent: Mapping[str, int]
    worked: int
    window: int

    @property
    def operation(self) -> str:
        """The state in which it worked most."""
        return max((s for s in self.spent if category(s) in WORKING), key=lambda s: (self.spent[s], s))

    @property
    def saturation(self) -> float:
        """The share of its window in which it worked."""
        return self.worked / self.window if self.window else 0.0


@dataclass(frozen=True)
class Crossing:
    """A wait that the critical path goes past: from the unit that waited to the one whose act ended it.

    state, ticks : in which it waited, and how long
    holding : the state in which `by` worked last before its act; None if it did not work
    """

    waiter: str
    state: str
    ticks: int
    by: str
    holding: str | None


@dataclass(frozen=True, eq=False)
class PathEvidence:
    """What the critical path consists of.

    held : ticks of each unit on it, by state
    crossings : where it goes from unit to unit
    """

    held: Mapping[str, Mapping[str, int]]
    crossings: Sequence[Crossing]


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of the units of a run.

    works : of each unit that worked, the one that did most first
    path : None where the critical path is not known
    ended : ticks of others' waiting that acts of each unit ended, by path; None where that is not known
    waited : ticks of waiting of all units that ended by some unit's act
    """

    run: RunRecord
    times: ExactTimes
    works: Sequence[Work]
    path: PathEvidence | None = None
    ended: Mapping[str, int] | None = None
    waited: int = 0
    by_path: Mapping[str, Work] = field(default_factory=dict)


def evidence_of(run: RunRecord, times: ExactTimes, path: PathEvidence | None) -> Evidence:
    """Return what a run tells of its units.

    path : what the critical path consists of, where it is known
    """
    windows = {} if run.activity is None else _windows(run.activity)
    works = []
    for unit, spent in zip(run.units, times.spent, strict=True):
        if worked := working(spent):
            window = windows.get(unit.path, times.makespan - spent.get("finished", 0))
            works.append(Work(unit, spent, worked, window))
    works.sort(key=lambda work: (-work.worked, work.unit.path))
    ended, waited = (None, 0) if path is None or run.activity is None else _ended(run.activity)
    return Evidence(run, times, works, path, ended, waited, {work.unit.path: work for work in works})


def _windows(activity: Activity) -> dict[str, int]:
    """Return the ticks from each unit's first operation to the end of its last one."""
    works = np.array([category(state) in WORKING for state in activity.states], bool)
    rows = np.flatnonzero(works[activity.state])
    units, first = np.unique(activity.unit[rows], return_index=True)  # rows of a unit come one behind another
    last = np.append(first[1:], len(rows)) - 1
    end = activity.start[rows[last]] + activity.duration[rows[last]]
    windows = end - activity.start[rows[first]]
    return {activity.units[u]: int(ticks) for u, ticks in zip(units, windows, strict=True)}


def _ended(activity: Activity) -> tuple[dict[str, int], int]:
    """Return ticks of waiting that acts of each unit ended, by its path, and of all."""
    some = np.flatnonzero(activity.cause != NOBODY)
    ticks = np.bincount(
        activity.cause[some], weights=activity.duration[some], minlength=len(activity.units)
    ).astype(np.int64)
    return dict(zip(activity.units, ticks.tolist(), strict=True)), int(ticks.sum())
