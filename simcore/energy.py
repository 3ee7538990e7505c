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
class EnergyReport:
    """Energy of one run [J]; both splits sum to the total.

    actions : how often each action was done, by component path
    static_w : power that is drawn all the time [W]; its energy is in the total
    """

    total: float
    by_component: dict[str, float]
    by_layer: dict[str, float]
    actions: dict[str, dict[str, int]]
    static_w: float = 0.0


def energy_report(parts: Sequence[CostedPart], seconds: float) -> EnergyReport:
    """Return the energy that `parts` spent in a run of so many seconds.

    Each component adds actions x energy per action + static power x time to its family and to its layer.
    """
    by_component: dict[str, list[float]] = {}
    by_layer: dict[str, list[float]] = {}
    actions, static = {}, []
    for component in sorted(parts, key=lambda c: c.path):
        counts = component.actions()
        costs = component.action_energy()
        static.append(component.static_power())
        joules = fsum([*(counts.get(n, 0) * costs[n] for n in sorted(costs)), static[-1] * seconds])
        if any(counts.values()):
            actions[component.path] = dict(sorted(counts.items()))
        if joules:
            by_component.setdefault(component.family, []).append(joules)
            by_layer.setdefault(component.layer or SHARED, []).append(joules)
    families = {name: fsum(values) for name, values in sorted(by_component.items())}
    return EnergyReport(
        fsum(families.values()),
        families,
        {name: fsum(values) for name, values in sorted(by_layer.items())},
        actions,
        fsum(static),
    )


@dataclass(frozen=True)
class AreaReport:
    """Area of a machine [mm2]."""

    total: float
    by_component: dict[str, float]


def area_report(parts: Sequence[CostedPart]) -> AreaReport:
    """Return the area of `parts`, split by family."""
    areas: dict[str, list[float]] = {}
    for component in sorted(parts, key=lambda c: c.path):
        if area := component.area():
            areas.setdefault(component.family, []).append(area)
    families = {name: fsum(values) for name, values in sorted(areas.items())}
    return AreaReport(fsum(families.values()), families)
