"""What speaks for and against a unit as the cause of a run's time: its work, its rests, who waits for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from imcsim.run_record import RunRecord, UnitTimes
from imcsim.stall_stacks import WORKING, ExactTimes, working
from simcore.activity import NOBODY, Activity, category

#: A unit that works for this share of the time from its first operation to its last sets a pace.
SATURATED = 0.9
#: Units whose busy time is within this share of one another are alike.
ALIKE = 0.97
# Waits are followed until only so little of them is left to follow, or so many times.
_REST, _MOST_ROUNDS = 0.005, 1000


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


@dataclass(frozen=True)
class Alike:
    """Units that do the same, equally long, as arrays of slow layers; the first is on the path most."""

    works: tuple[Work, ...]

    @property
    def work(self) -> Work:
        """The one that stands for all."""
        return self.works[0]

    @property
    def members(self) -> tuple[str, ...]:
        """Their paths."""
        return tuple(work.unit.path for work in self.works)


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of the units of a run.

    works : of each unit that worked, the one that did most first
    path : None where the critical path is not known
    waited_for : share of all waiting that is for the work of each unit, by its path; None where that is not
        known
    """

    run: RunRecord
    times: ExactTimes
    works: Sequence[Work]
    path: PathEvidence | None
    waited_for: Mapping[str, float] | None

    @cached_property
    def by_path(self) -> Mapping[str, Work]:
        """What units did that worked, by their paths."""
        return {work.unit.path: work for work in self.works}

    @cached_property
    def spent(self) -> Mapping[str, Mapping[str, int]]:
        """The ticks of all units by state, by their paths."""
        paths = (unit.path for unit in self.run.units)
        return dict(zip(paths, self.times.spent, strict=True))

    @cached_property
    def alike(self) -> Sequence[Alike]:
        """Units with those that do the same beside them, those first that worked most.

        Routers are left out: one is busy while any of its links is.
        """
        groups: list[list[Work]] = []
        latest: dict[tuple[str, str], list[Work]] = {}
        for work in self.works:
            if work.unit.family == "router":
                continue
            kind = work.unit.kind, work.operation
            group = latest.get(kind)
            if group is None or work.worked < ALIKE * group[0].worked:
                group = latest[kind] = []
                groups.append(group)
            group.append(work)
        return [Alike(tuple(sorted(group, key=self._by_path_share))) for group in groups]

    def _by_path_share(self, work: Work) -> int:
        """Return a key that sorts units by how long they are on the critical path, the longest first."""
        return -(self.on_path([work.unit.path]) or 0)

    @property
    def most(self) -> Work | None:
        """The unit that worked most, None if none did."""
        return self.alike[0].work if self.alike else None

    @property
    def most_share(self) -> float:
        """The share of the run in which it worked."""
        return 0.0 if self.most is None else self.times.share(self.most.worked)

    def on_path(self, members: Iterable[str]) -> int | None:
        """Return the ticks of units' work on the critical path, None where it is not known."""
        if self.path is None:
            return None
        return sum(
            ticks
            for path in members
            for state, ticks in self.path.held.get(path, {}).items()
            if category(state) in WORKING
        )

    def percent(self, ticks: float) -> str:
        """Return a time as a share of the run, in words."""
        return f"{self.times.share(ticks):.0%}"


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
    waited_for = None if path is None or run.activity is None else _waited_for(run.activity, works)
    return Evidence(run, times, works, path, waited_for)


def _windows(activity: Activity) -> dict[str, int]:
    """Return the ticks from each unit's first operation to the end of its last one."""
    works = np.array([category(state) in WORKING for state in activity.states], bool)
    rows = np.flatnonzero(works[activity.state])
    units, first = np.unique(activity.unit[rows], return_index=True)  # rows of a unit come one behind another
    last = np.append(first[1:], len(rows)) - 1
    end = activity.start[rows[last]] + activity.duration[rows[last]]
    windows = end - activity.start[rows[first]]
    return {activity.units[u]: int(ticks) for u, ticks in zip(units, windows, strict=True)}


def _waited_for(activity: Activity, works: Sequence[Work]) -> dict[str, float]:
    """Return the share of all waiting that is for the work of each unit, by its path.

    A wait is for the unit whose act ended it, as far as that worked; as far as it waited itself, it is for
    those that it waited for, and so on. Of each unit the shares of the whole run stand for those of every
    wait, so the result is near the truth, not exact.
    """
    units = len(activity.units)
    some = np.flatnonzero(activity.cause != NOBODY)
    edges, at = np.unique(
        activity.unit[some].astype(np.int64) * units + activity.cause[some], return_inverse=True
    )
    ticks = np.bincount(at, weights=activity.duration[some], minlength=len(edges))
    waiter, ender = edges // units, edges % units
    waited = np.bincount(waiter, weights=ticks, minlength=units)
    by_path = {work.unit.path: work.worked for work in works}
    worked = np.array([by_path.get(path, 0) for path in activity.units], float)
    total = worked + waited
    works_share = np.divide(worked, total, out=np.ones(units), where=total > 0)
    passed_on = ticks / np.maximum(waited, 1)[waiter]
    found, left = np.zeros(units), np.bincount(ender, weights=ticks, minlength=units)
    everything = left.sum()
    for _ in range(_MOST_ROUNDS):
        found += left * works_share
        left = np.bincount(ender, weights=(left * (1 - works_share))[waiter] * passed_on, minlength=units)
        if left.sum() <= _REST * everything:
            break
    return dict(zip(activity.units, (found / max(everything, 1)).tolist(), strict=True))
