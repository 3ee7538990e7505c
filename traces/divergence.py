"""Where two recorded runs part: the first moment at which any unit does something else in one of them."""

from __future__ import annotations

from dataclasses import dataclass
from math import lcm

import numpy as np
from numpy.typing import NDArray

from simcore.activity import Activity, category
from traces.timeline import take_units
from traces.unit_paths import natural_key

_WORKING = ("busy", "programming")


@dataclass(frozen=True)
class Event:
    """One interval of a unit, in cycles of its run's reference clock."""

    state: str
    start: float
    cycles: float


@dataclass(frozen=True)
class Divergence:
    """The first event in which two runs differ; all that lies before it is equal.

    cycle : at which they part: where the events begin, or the shorter one ends if they begin alike
    unit : whose events they are
    a, b : its event in each run; None where it does nothing more
    """

    cycle: float
    unit: str
    a: Event | None
    b: Event | None


def first_divergence(a: Activity, b: Activity) -> Divergence | None:
    """Return where the histories of the units that are in both runs part; None if they are equal.

    Of several units that part in the same cycle it is one whose operation lasts otherwise, if there is any,
    then one that does another operation, then one that waits: waits follow from what others do.
    """
    names = sorted(set(a.units) & set(b.units), key=natural_key)
    fine = lcm(a.ticks_per_cycle, b.ticks_per_cycle)
    one, other = _Rows(a, names, fine), _Rows(b, names, fine)
    found = [
        (unit, one.row(unit, place), other.row(unit, place))
        for unit, place in enumerate(_first_unequal(one, other))
        if place is not None
    ]
    if not found:
        return None
    unit, left, right = min(found, key=lambda part: (_parted_at(*part[1:]), _rank(*part[1:]), part[0]))
    return Divergence(
        _whole(_parted_at(left, right), fine),
        names[unit],
        None if left is None else Event(left[0], _whole(left[1], fine), _whole(left[2], fine)),
        None if right is None else Event(right[0], _whole(right[1], fine), _whole(right[2], fine)),
    )


#: State, start and duration, in ticks that are equal in both runs.
_Row = tuple[str, int, int]


class _Rows:
    """The intervals of some units of a run, in ticks of which `fine` are a cycle."""

    def __init__(self, activity: Activity, names: list[str], fine: int) -> None:
        place = {path: index for index, path in enumerate(activity.units)}
        part = take_units(activity, [place[name] for name in names])
        scale = fine // activity.ticks_per_cycle
        self.states = activity.states
        self.unit, self.state = part.unit, part.state
        self.start, self.duration = part.start * scale, part.duration * scale
        self.first = np.searchsorted(part.unit, np.arange(len(names) + 1))

    def row(self, unit: int, place: int) -> _Row | None:
        """Return one interval of a unit, None behind its last one."""
        index = int(self.first[unit]) + place
        if index >= self.first[unit + 1]:
            return None
        return self.states[self.state[index]], int(self.start[index]), int(self.duration[index])


def _first_unequal(one: _Rows, other: _Rows) -> list[int | None]:
    """Return for each unit which of its intervals is the first that differs, None if all are equal."""
    counts = np.minimum(np.diff(one.first), np.diff(other.first))
    unit = np.repeat(np.arange(len(counts)), counts)
    place = np.arange(len(unit)) - np.repeat(np.cumsum(counts) - counts, counts)
    left, right = one.first[unit] + place, other.first[unit] + place
    names = {state: number for number, state in enumerate(sorted({*one.states, *other.states}))}
    unequal = (
        (_numbers(one, names)[left] != _numbers(other, names)[right])
        | (one.start[left] != other.start[right])
        | (one.duration[left] != other.duration[right])
    )
    first: list[int | None] = [
        None if here == there else int(both)
        for here, there, both in zip(np.diff(one.first), np.diff(other.first), counts, strict=True)
    ]
    rows = np.flatnonzero(unequal)
    units, at = np.unique(unit[rows], return_index=True)
    for number, row in zip(units.tolist(), rows[at].tolist(), strict=True):
        first[number] = int(place[row])
    return first


def _numbers(rows: _Rows, names: dict[str, int]) -> NDArray[np.int64]:
    numbers = np.array([names[state] for state in rows.states], np.int64)
    return numbers[rows.state] if len(numbers) else np.zeros(0, np.int64)


def _parted_at(left: _Row | None, right: _Row | None) -> int:
    """Return the tick at which two unequal intervals part."""
    if left is None or right is None:
        (_, start, _) = left or right  # type: ignore[misc]  # one of them is there
        return start
    if left[:2] == right[:2]:
        return left[1] + min(left[2], right[2])
    return min(left[1], right[1])


def _rank(left: _Row | None, right: _Row | None) -> int:
    works = [row is not None and category(row[0]) in _WORKING for row in (left, right)]
    if all(works) and left is not None and right is not None and left[:2] == right[:2]:
        return 0
    return 1 if any(works) else 2


def _whole(ticks: int, per_cycle: int) -> float:
    return ticks // per_cycle if ticks % per_cycle == 0 else ticks / per_cycle
