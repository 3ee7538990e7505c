"""Who waited, for what, and for whom: each wait of each unit by the unit whose act ended it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from imcsim.neighbours import Neighbours
from imcsim.run_record import RunRecord
from imcsim.stall_stacks import ExactTimes
from simcore.activity import NOBODY, Activity, category

_WAITS = ("wait-input", "blocked-output", "wait-resource")


@dataclass(frozen=True)
class Wait:
    """How long a unit waited in one state for acts of another one.

    by : whose acts ended these waits; None where time alone did. Where that was not recorded, all who might
        have, with " + " between them; None where nobody is known
    cycles : of the reference clock; of a unit and a state they sum to what its account says
    """

    path: str
    state: str
    by: str | None
    cycles: float


def waits_of(run: RunRecord, times: ExactTimes) -> tuple[Wait, ...]:
    """Return who waited for whom, the longest first."""
    activity = run.activity
    known = set() if activity is None or activity.finisher == NOBODY else set(activity.units)
    found = [] if activity is None or not known else list(_recorded(activity, times))
    neighbours = Neighbours(run)
    for unit, spent in zip(run.units, times.spent, strict=True):
        if unit.path in known:
            continue
        for state, ticks in spent.items():
            if category(state) in _WAITS:
                by = " + ".join(neighbours.others(unit.path, state)) or None
                found.append(Wait(unit.path, state, by, times.cycles(ticks)))
    return tuple(sorted(found, key=lambda wait: (-wait.cycles, wait.path, wait.state, wait.by or "")))


def _recorded(activity: Activity, times: ExactTimes) -> Iterator[Wait]:
    """Yield the waits of all units that were recorded."""
    waits = np.array([category(state) in _WAITS for state in activity.states], bool)
    rows = np.flatnonzero(waits[activity.state])
    states, causes = len(activity.states), len(activity.units) + 1
    key = activity.unit[rows].astype(np.int64) * states + activity.state[rows]
    key = key * causes + (activity.cause[rows] - NOBODY)
    kinds, at = np.unique(key, return_inverse=True)
    ticks = np.bincount(at, weights=activity.duration[rows], minlength=len(kinds)).astype(np.int64)
    for kind, waited in zip(kinds.tolist(), ticks.tolist(), strict=True):
        rest, cause = divmod(kind, causes)
        unit, state = divmod(rest, states)
        by = None if cause + NOBODY == NOBODY else activity.units[cause + NOBODY]
        yield Wait(activity.units[unit], activity.states[state], by, times.cycles(waited))
