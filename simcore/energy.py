"""Energy and area: actions counted in integers become joules once, at the end, in sorted order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum
from typing import Protocol

from simcore.accounting import Part

#: The layer of whatever serves several.
SHARED = "shared"


class CostedPart(Part, Protocol):
    """What is asked of a component about its costs; see `simcore.component.Component`."""

    def actions(self) -> dict[str, int]:
        """Return how often each action was done."""

    def action_energy(self) -> dict[str, float]:
        """Return the energy of one action [J]."""

    def static_power(self) -> float:
        """Return the power drawn all the time [W]."""

    def area(self) -> float:
        """Return the area [mm2]."""


@dataclass(frozen=True)
class PartCost:
    """What one component spent and takes up, without its children.

    dynamic_j : energy of its actions [J]
    static_w : power drawn all the time [W]
    area_mm2 : its area [mm2]
    """

    path: str
    kind: str
    family: str
    layer: str | None
    dynamic_j: float
    static_w: float
    area_mm2: float

    def energy(self, seconds: float) -> float:
        """Return its energy in a run of so many seconds [J]."""
        return self.dynamic_j + self.static_w * seconds


#: How often each component did each action, by path; sorted by path and by action.
ActionCounts = dict[str, dict[str, int]]


def count_actions(parts: Sequence[CostedPart]) -> ActionCounts:
    """Return what every component of a run did; each is asked once, as many derive it from their products."""
    return {part.path: dict(sorted(part.actions().items())) for part in sorted(parts, key=_path)}


def part_costs(parts: Sequence[CostedPart], done: ActionCounts) -> tuple[PartCost, ...]:
    """Return what each component of a run costs, sorted by path: actions x energy per action, power, area."""
    costs = []
    for part in sorted(parts, key=_path):
        counts, each = done[part.path], part.action_energy()
        costs.append(
            PartCost(
                part.path,
                part.kind or type(part).__name__,
                part.family,
                part.layer,
                fsum(counts.get(name, 0) * each[name] for name in sorted(each)),
                part.static_power(),
                part.area(),
            )
        )
    return tuple(costs)


def _path(part: CostedPart) -> str:
    return part.path


@dataclass(frozen=True)
class EnergyReport:
    """Energy of one run [J]; both splits sum to the total.

    actions : how often each action was done, by component path
    static_w : power that is drawn all the time [W]; its energy is in the total
    """

    total: float
    by_component: dict[str, float]
    by_layer: dict[str, float]
    actions: ActionCounts
    static_w: float = 0.0


def energy_report(costs: Sequence[PartCost], done: ActionCounts, seconds: float) -> EnergyReport:
    """Return the energy that components of these costs, which did this, spent in a run of so many seconds."""
    by_component: dict[str, list[float]] = {}
    by_layer: dict[str, list[float]] = {}
    for cost in costs:
        if joules := cost.energy(seconds):
            by_component.setdefault(cost.family, []).append(joules)
            by_layer.setdefault(cost.layer or SHARED, []).append(joules)
    families = {name: fsum(values) for name, values in sorted(by_component.items())}
    return EnergyReport(
        fsum(families.values()),
        families,
        {name: fsum(values) for name, values in sorted(by_layer.items())},
        {path: counts for path, counts in done.items() if any(counts.values())},
        fsum(cost.static_w for cost in costs),
    )


@dataclass(frozen=True)
class AreaReport:
    """Area of a machine [mm2]."""

    total: float
    by_component: dict[str, float]


def area_report(costs: Sequence[PartCost]) -> AreaReport:
    """Return the area of a machine whose components cost this, split by family."""
    areas: dict[str, list[float]] = {}
    for cost in costs:
        if cost.area_mm2:
            areas.setdefault(cost.family, []).append(cost.area_mm2)
    families = {name: fsum(values) for name, values in sorted(areas.items())}
    return AreaReport(fsum(families.values()), families)
