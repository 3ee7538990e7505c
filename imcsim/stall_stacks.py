"""Stall stacks: where the time of units goes, each tick of each unit to one cause, none left over.

Everything here is exact: accounts are taken back to whole ticks before they are added up, so that the states
of a unit sum to the makespan, and those of a layer or a core to the makespan times its units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum, inf
from typing import TypeVar

import numpy as np

from imcsim.metrics import whole
from imcsim.run_networks import layers_in_order
from imcsim.run_record import RunRecord, UnitTimes
from simcore.activity import CATEGORIES, category
from simcore.energy import SHARED, PartCost
from simcore.errors import FileError
from traces.unit_paths import home, natural_key

#: What units of a fabric are.
FABRIC = ("link", "router")
#: What reports call the categories.
WORDS = {
    "busy": "busy",
    "programming": "programming weights",
    "wait-input": "waiting for input",
    "blocked-output": "blocked by output",
    "wait-resource": "waiting for a resource",
    "finished": "finished",
}
WORKING = ("busy", "programming")


@dataclass(frozen=True)
class UnitStack:
    """How one unit spent the run.

    group : the core, tile or lane that it is part of
    cycles : of the reference clock, by state; they sum to the makespan
    busy_share, programming_share : of the makespan, in operations, and writing cells
    """

    path: str
    family: str
    layer: str | None
    group: str
    cycles: Mapping[str, float]
    busy_share: float
    programming_share: float


@dataclass(frozen=True)
class LayerStack:
    """How the units of one layer spent the run; `shared` is whatever serves several.

    cycles : by category; they sum to the makespan times `units`
    busy_share, programming_share : of all of these
    energy_j : None where it is not known of what
    """

    layer: str
    units: int
    cycles: Mapping[str, float]
    busy_share: float
    programming_share: float
    energy_j: float | None


@dataclass(frozen=True)
class GroupStack:
    """How the units of one core, tile or lane spent the run; as `LayerStack`."""

    group: str
    units: int
    cycles: Mapping[str, float]
    busy_share: float
    programming_share: float
    energy_j: float | None


@dataclass(frozen=True)
class Cause:
    """One use of time, or reason to be idle: the units of a core that are in states of one category.

    family : that has the most of it, None if all is of one
    cycles : of the reference clock
    share : of the time of all units
    """

    category: str
    where: str
    family: str | None
    cycles: float
    share: float


@dataclass(frozen=True, eq=False)
class ExactTimes:
    """Accounts in whole ticks.

    ticks_per_cycle : of the reference clock
    makespan : [tick]
    spent : of each unit by state, in the order of `RunRecord.units`
    """

    ticks_per_cycle: int
    makespan: int
    spent: tuple[Mapping[str, int], ...]

    def cycles(self, ticks: float) -> float:
        """Return a time in cycles of the reference clock."""
        return whole(ticks / self.ticks_per_cycle)

    def share(self, ticks: float, units: int = 1) -> float:
        """Return a time as a share of what so many units had."""
        return ticks / (self.makespan * units) if self.makespan and units else 0.0


def exact_times(run: RunRecord) -> ExactTimes:
    """Return the accounts of a run in whole ticks.

    raises : FileError if the states of a unit do not sum to the makespan, as in a file that was changed
    """
    per_cycle = run.summary["ticks_per_cycle"]
    makespan = run.summary["cycles"] * per_cycle
    spent = []
    for unit in run.units:
        ticks = {state: round(time * per_cycle) for state, time in unit.cycles.items()}
        if (total := sum(ticks.values())) != makespan:
            raise FileError(
                f"the states of {unit.path} sum to {whole(total / per_cycle):,} cycles, but the run had "
                f"{run.summary['cycles']:,}; run anew"
            )
        spent.append(ticks)
    return ExactTimes(per_cycle, makespan, tuple(spent))


def unit_stacks(run: RunRecord, times: ExactTimes) -> tuple[UnitStack, ...]:
    """Return how each unit spent the run, states in the order of their categories."""
    return tuple(
        UnitStack(
            unit.path,
            unit.family,
            unit.layer,
            home(unit.path),
            {state: times.cycles(spent[state]) for state in sorted(spent, key=_order)},
            *_work_shares(times, by_category([spent]), 1),
        )
        for unit, spent in zip(run.units, times.spent, strict=True)
    )


def working(spent: Mapping[str, int]) -> int:
    """Return the ticks in which a unit worked: held operations, or wrote cells."""
    return sum(ticks for state, ticks in spent.items() if category(state) in WORKING)


def layer_stacks(run: RunRecord, times: ExactTimes) -> tuple[LayerStack, ...]:
    """Return how the units of each layer spent the run: what several share, then layers as data go."""
    energy = joules_by(run, lambda part: part.layer or SHARED)
    numbers = {name: number for number, name in enumerate((SHARED, *layers_in_order(run)))}
    stacks = _stacks(run, times, lambda unit: unit.layer or SHARED, energy, numbers)
    return tuple(LayerStack(name, *stack) for name, stack in stacks.items())


def group_stacks(run: RunRecord, times: ExactTimes) -> tuple[GroupStack, ...]:
    """Return how the units of each core, tile or lane spent the run, in the order in which they began."""
    energy = joules_by(run, lambda part: home(part.path) if part.path else SHARED)
    began = _began(run)
    first: dict[str, int] = {}
    for unit in run.units:
        name, start = home(unit.path), began.get(unit.path, times.makespan)
        first[name] = min(start, first.get(name, start))
    stacks = _stacks(run, times, lambda unit: home(unit.path), energy, first)
    return tuple(GroupStack(name, *stack) for name, stack in stacks.items())


Key = TypeVar("Key")


def joules_by(run: RunRecord, key: Callable[[PartCost], Key]) -> dict[Key, float]:
    """Return the energy of all parts that have a key in common [J]; parts that spent none are left out."""
    found: dict[Key, list[float]] = {}
    for part in run.parts:
        if joules := part.energy(run.summary["time_s"]):
            found.setdefault(key(part), []).append(joules)
    return {name: fsum(values) for name, values in found.items()}


def causes(units: Sequence[UnitTimes]) -> tuple[Cause, ...]:
    """Return what units did, by category and core, the largest first; their shares sum to 1.

    Links and routers between cores are left out: an idle link is no lost work.
    """
    spent: dict[tuple[str, str], dict[str, float]] = {}
    for unit in units:
        if unit.family in FABRIC:
            continue
        for state, time in unit.cycles.items():
            families = spent.setdefault((category(state), home(unit.path)), {})
            families[unit.family] = families.get(unit.family, 0) + time
    total = sum(time for families in spent.values() for time in families.values())
    found = [
        Cause(
            kind,
            where,
            max(families, key=lambda name: families[name]) if len(families) > 1 else None,
            sum(families.values()),
            sum(families.values()) / total,
        )
        for (kind, where), families in spent.items()
    ]
    return tuple(sorted(found, key=lambda cause: (-cause.cycles, cause.category, natural_key(cause.where))))


def category_shares(found: Sequence[Cause]) -> dict[str, float]:
    """Return the share of all units' time by category, in fixed order; they sum to 1."""
    sums = {kind: fsum(cause.share for cause in found if cause.category == kind) for kind in CATEGORIES}
    return {kind: share for kind, share in sums.items() if share}


def by_category(spent: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Return the ticks of several units by category, in fixed order; those of no ticks are left out."""
    sums = dict.fromkeys(CATEGORIES, 0)
    for ticks in spent:
        for state, time in ticks.items():
            sums[category(state)] += time
    return {kind: ticks for kind, ticks in sums.items() if ticks}


def _stacks(
    run: RunRecord,
    times: ExactTimes,
    name_of: Callable[[UnitTimes], str],
    energy: Mapping[str, float],
    order: Mapping[str, int],
) -> dict[str, tuple[int, dict[str, float], float, float, float | None]]:
    """Return units, cycles by category, busy and programming share, and energy of all units of one name.

    order : numbers by which names are sorted, those without one last

    A name that has energy but no unit is there, too, so that none is lost.
    """
    members: dict[str, list[int]] = {}
    for number, unit in enumerate(run.units):
        members.setdefault(name_of(unit), []).append(number)
    names = sorted(members.keys() | energy.keys(), key=lambda name: (order.get(name, inf), natural_key(name)))
    stacks: dict[str, tuple[int, dict[str, float], float, float, float | None]] = {}
    for name in names:
        numbers = members.get(name, [])
        spent = by_category(times.spent[n] for n in numbers)
        stacks[name] = (
            len(numbers),
            {kind: times.cycles(ticks) for kind, ticks in spent.items()},
            *_work_shares(times, spent, len(numbers)),
            energy.get(name, 0.0) if run.parts else None,
        )
    return stacks


def _work_shares(times: ExactTimes, spent: Mapping[str, int], units: int) -> tuple[float, float]:
    """Return the shares in which so many units were busy, and wrote cells, of ticks by category."""
    return times.share(spent.get("busy", 0), units), times.share(spent.get("programming", 0), units)


def _began(run: RunRecord) -> dict[str, int]:
    """Return the tick in which each unit worked first, of those that did and were recorded."""
    activity = run.activity
    if activity is None:
        return {}
    works = np.array([category(state) in WORKING for state in activity.states], bool)
    rows = np.flatnonzero(works[activity.state])
    units, at = np.unique(activity.unit[rows], return_index=True)
    starts = activity.start[rows[at]]
    return {activity.units[u]: int(start) for u, start in zip(units, starts, strict=True)}


def _order(state: str) -> tuple[int, str]:
    return CATEGORIES.index(category(state)), state
