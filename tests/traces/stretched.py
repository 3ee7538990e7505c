"""Activities told stretch by stretch, sinks that remember, and totals to compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from simcore.activity import NOBODY, Activity
from traces import AggregateRows

#: How many intervals there are of a unit and a state, and how long they are in all.
Totals = dict[tuple[int, str], tuple[int, int]]


def some(activity: Activity, rows: Any) -> Activity:
    """Return the activity with some of its rows."""
    columns: dict[str, Any] = {name: column[rows] for name, column in activity.columns().items()}
    return replace(activity, **columns)


def stretches_of(activity: Activity, moments: Sequence[int]) -> list[Activity]:
    """Return what a run tells that does so at some ticks: of each stretch all that ended since the last."""
    told, past = [], -1
    end = activity.start + activity.duration
    for moment in [*sorted(m for m in moments if m < activity.makespan), activity.makespan]:
        told.append(replace(some(activity, (end > past) & (end <= moment)), makespan=moment))
        past = moment
    return [replace(some(activity, slice(0)), makespan=0), *told]


def totals(activity: Activity) -> Totals:
    """Return the totals of all intervals, added one by one."""
    found: Totals = {}
    columns = (column.tolist() for column in (activity.unit, activity.state, activity.duration))
    for unit, state, ticks in zip(*columns, strict=True):
        count, sum_ticks = found.get((unit, activity.states[state]), (0, 0))
        found[unit, activity.states[state]] = count + 1, sum_ticks + ticks
    return found


def totals_of_rows(rows: AggregateRows, states: Sequence[str]) -> Totals:
    """Return the totals of what was added up."""
    found: Totals = {}
    columns = (column.tolist() for column in (rows.unit, rows.state, rows.count, rows.ticks))
    for unit, state, count, ticks in zip(*columns, strict=True):
        counts, sum_ticks = found.get((unit, states[state]), (0, 0))
        found[unit, states[state]] = counts + count, sum_ticks + ticks
    return found


def both(one: Totals, other: Totals) -> Totals:
    """Return the sum of two totals."""
    return {
        key: (
            one.get(key, (0, 0))[0] + other.get(key, (0, 0))[0],
            one.get(key, (0, 0))[1] + other.get(key, (0, 0))[1],
        )
        for key in one.keys() | other.keys()
    }


@dataclass
class RememberingSink:
    """A sink with a file in mind, in which each row takes so many bytes, and a group of rows some more."""

    row: int = 10
    group: int = 100
    stretches: list[Activity] = field(default_factory=list)
    rows: AggregateRows | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    state: str = "open"

    def add(self, stretch: Activity) -> None:
        self.stretches.append(stretch)

    def size(self) -> int:
        return sum(self.group + self.row * len(stretch) for stretch in self.stretches if len(stretch))

    def most(self, rows: int) -> int:
        return self.group + 3 * self.row * rows  # a bound that is far from tight

    def summarise(self, rows: AggregateRows, about: Mapping[str, Any]) -> None:
        self.rows, self.about = rows, about

    def close(self, interrupted: bool = False) -> None:
        self.state = "interrupted" if interrupted else "closed"

    def abandon(self) -> None:
        self.state = "abandoned"


@st.composite
def moments(draw: st.DrawFn) -> list[int]:
    """Ticks at which a run tells what is over."""
    return draw(st.lists(st.integers(0, 60), max_size=6))


def long_activity(rows: int, units: int, seed: int, most: int = 1000) -> Activity:
    """Return intervals of random lengths, one behind the other in each unit, about as many in each."""
    random = np.random.default_rng(seed)
    unit = np.sort(random.integers(0, units, rows)).astype(np.int32)
    duration = random.integers(1, most, rows)
    behind = np.cumsum(duration)
    first = np.flatnonzero(np.diff(unit, prepend=-1))
    since = np.repeat(behind[first] - duration[first], np.diff(np.append(first, rows)))
    start = behind - duration - since
    states = ("busy:mvm", "wait-input:x", "blocked-output:y")
    return Activity(
        units=tuple(f"core[{index}].serve" for index in range(units)),
        states=states,
        unit=unit,
        state=random.integers(0, len(states), rows).astype(np.int16),
        start=start,
        duration=duration,
        cause=np.where(random.random(rows) < 0.5, NOBODY, random.integers(0, units, rows)).astype(np.int32),
        lag=random.integers(0, 9, rows),
        makespan=int((start + duration).max(initial=0)),
        ticks_per_cycle=1,
        clock_hz=1e9,
    )
