"""The critical path in figures: who and what is on it, how much of it each holds, and the slack of others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from imcsim.evidence import Crossing, PathEvidence
from imcsim.run_record import RunRecord, UnitTimes
from imcsim.stall_stacks import WORKING, ExactTimes
from simcore.activity import NOBODY, Activity, category
from simcore.energy import SHARED
from traces.critical_path import CriticalPath, slack

#: Longest stretch of steps whose repetitions are folded, and steps that are told at most.
_LONGEST, _MOST_STEPS = 64, 1000


@dataclass(frozen=True)
class PathShare:
    """How much of the critical path one unit, layer, family of units, or state of theirs holds.

    by : what `name` is: unit, layer, family or state
    """

    by: str
    name: str
    cycles: float
    share: float


@dataclass(frozen=True)
class UnitSlack:
    """By how much all that a unit did could have been later without the run ending later, at least."""

    path: str
    cycles: float


@dataclass(frozen=True)
class PathStep:
    """One stretch of the critical path: what a unit did from a cycle on.

    times : how often it comes, with the steps behind it that come as often, in a row that repeats
    """

    unit: str
    state: str
    start: float
    cycles: float
    times: int = 1


@dataclass(frozen=True)
class CriticalPathShares:
    """The chain of activities that set the makespan.

    cycles : of all its steps, the makespan
    steps : that it has
    shares : the largest first, those of units first, then of layers, families and states
    slack : of each unit that did something, the least first
    path : its steps in order, what repeats in a row once; of a long one the last ones
    """

    cycles: float
    steps: int
    shares: tuple[PathShare, ...]
    slack: tuple[UnitSlack, ...]
    path: tuple[PathStep, ...]


def path_evidence(activity: Activity, path: CriticalPath) -> PathEvidence:
    """Return what the critical path consists of, by unit, and the waits that it goes past."""
    held: dict[str, dict[str, int]] = {}
    for unit, state, ticks in _ticks_held(activity, path):
        held.setdefault(unit, {})[state] = ticks
    return PathEvidence(held, tuple(_crossings(activity, path)))


def shares_of_path(
    run: RunRecord, times: ExactTimes, activity: Activity, path: CriticalPath
) -> CriticalPathShares:
    """Return the critical path as an explanation tells it."""
    units = {unit.path: unit for unit in run.units}
    sums: dict[tuple[str, str], int] = {}
    for unit, state, ticks in _ticks_held(activity, path):
        for key in zip(_BY, _names(units[unit], state), strict=True):
            sums[key] = sums.get(key, 0) + ticks
    order = sorted(sums, key=lambda key: (_BY.index(key[0]), -sums[key], key[1]))
    return CriticalPathShares(
        times.cycles(activity.makespan),
        len(path.start),
        tuple(PathShare(*key, times.cycles(sums[key]), times.share(sums[key])) for key in order),
        tuple(_slack(activity, times)),
        tuple(_folded(activity, times, path)),
    )


_BY = ("unit", "layer", "family", "state")


def _names(unit: UnitTimes, state: str) -> tuple[str, str, str, str]:
    return unit.path, unit.layer or SHARED, unit.family, state


def _ticks_held(activity: Activity, path: CriticalPath) -> Iterator[tuple[str, str, int]]:
    """Yield how long each unit is on the path in each state."""
    states = len(path.states)
    kind, at = np.unique(path.unit.astype(np.int64) * states + path.state, return_inverse=True)
    ticks = np.bincount(at, weights=path.duration, minlength=len(kind)).astype(np.int64)
    for number, held in zip(kind.tolist(), ticks.tolist(), strict=True):
        yield activity.units[number // states], path.states[number % states], held


def _crossings(activity: Activity, path: CriticalPath) -> Iterator[Crossing]:
    """Yield the waits that the path goes past, in order."""
    works = [category(state) in WORKING for state in activity.states]
    before = NOBODY
    for row in path.rows.tolist():
        by = int(activity.cause[row])
        if by != NOBODY:
            state = int(activity.state[before])
            holding = before != NOBODY and activity.unit[before] == by and works[state]
            yield Crossing(
                activity.units[activity.unit[row]],
                activity.states[activity.state[row]],
                int(activity.duration[row]),
                activity.units[by],
                activity.states[state] if holding else None,
            )
        before = row


def _slack(activity: Activity, times: ExactTimes) -> Iterator[UnitSlack]:
    """Yield the least slack of all operations of each unit, the least first."""
    works = np.array([category(state) in WORKING for state in activity.states], bool)
    rows = np.flatnonzero(works[activity.state])
    least = np.full(len(activity.units), activity.makespan + 1, np.int64)
    np.minimum.at(least, activity.unit[rows], slack(activity)[rows])
    for unit in np.argsort(least, kind="stable").tolist():
        if least[unit] <= activity.makespan:
            yield UnitSlack(activity.units[unit], times.cycles(int(least[unit])))


def _folded(activity: Activity, times: ExactTimes, path: CriticalPath) -> Iterator[PathStep]:
    """Yield the steps of the path in order, stretches that repeat in a row once; at most so many."""
    steps = list(zip(path.unit.tolist(), path.state.tolist(), path.duration.tolist(), strict=True))
    starts = path.start.tolist()
    place = told = 0
    while place < len(steps) and told < _MOST_STEPS:
        length = next(
            (
                n
                for n in range(1, min(_LONGEST, (len(steps) - place) // 2) + 1)
                if steps[place : place + n] == steps[place + n : place + 2 * n]
            ),
            1,
        )
        stretch, again = steps[place : place + length], 1
        while steps[place + again * length : place + (again + 1) * length] == stretch:
            again += 1
        for start, (unit, state, ticks) in zip(starts[place : place + length], stretch, strict=True):
            yield PathStep(
                activity.units[unit], path.states[state], times.cycles(start), times.cycles(ticks), again
            )
        told += length
        place += again * length
