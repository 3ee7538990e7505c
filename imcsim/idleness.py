"""Where a machine's time goes: the shares of all units' time by cause, and the largest reasons to be idle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imcsim.run_record import UnitTimes
from simcore.activity import CATEGORIES, category
from traces.unit_paths import group_depth, group_name

_WORDS = {
    "busy": "busy",
    "programming": "programming weights",
    "wait-input": "waiting for input",
    "blocked-output": "blocked by output",
    "wait-resource": "waiting for a resource",
    "finished": "finished",
}

_TAKEN = ("busy", "blocked-output")


@dataclass(frozen=True)
class Cause:
    """One reason for idle units: `where` is a part such as a core, `share` is of all units' time."""

    where: str
    why: str
    share: float


def of_fabric(units: Sequence[UnitTimes]) -> tuple[list[UnitTimes], list[UnitTimes]]:
    """Return the links and routers between cores, and all other units: an idle link is no lost work."""
    fabric = [unit for unit in units if unit.family in ("link", "router")]
    return fabric, [unit for unit in units if unit not in fabric]


def busiest_link(fabric: Sequence[UnitTimes]) -> tuple[str, dict[str, float]]:
    """Return the link that is least often free, by name, and the shares of its time by cause."""

    def taken(link: UnitTimes) -> float:
        return sum(cycles for state, cycles in link.cycles.items() if category(state) in _TAKEN)

    link = max((unit for unit in fabric if unit.family == "link"), key=taken)
    return link.path, time_shares([link])


def time_shares(units: Sequence[UnitTimes]) -> dict[str, float]:
    """Return the share of all units' time by cause, in plain words and fixed order; they sum to 1."""
    spent = dict.fromkeys(CATEGORIES, 0.0)
    for unit in units:
        for state, cycles in unit.cycles.items():
            spent[category(state)] += cycles
    total = sum(spent.values())
    return {_WORDS[name]: cycles / total for name, cycles in spent.items() if cycles}


def top_causes(units: Sequence[UnitTimes], count: int = 4) -> list[Cause]:
    """Return the largest reasons to be idle, each with the family of units that has the most of it."""
    depth = group_depth([unit.path for unit in units])
    spent: dict[tuple[str, str], dict[str, float]] = {}
    for unit in units:
        for state, cycles in unit.cycles.items():
            if category(state) not in ("busy", "programming"):
                details = spent.setdefault((group_name(unit.path, depth), category(state)), {})
                details[unit.family] = details.get(unit.family, 0.0) + cycles
    total = sum(cycles for unit in units for cycles in unit.cycles.values())
    largest = sorted(spent.items(), key=lambda item: (-sum(item[1].values()), item[0]))[:count]
    return [
        Cause(
            where,
            _WORDS[kind]
            + (f", mostly its {max(details, key=lambda d: details[d])}" if len(details) > 1 else ""),
            sum(details.values()) / total,
        )
        for (where, kind), details in largest
    ]
