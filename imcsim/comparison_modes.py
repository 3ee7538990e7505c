"""What hardware machines get when they are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from arch.machine import Machine
from simcore import UnknownNameError
from simcore.registry import near_miss


@dataclass(frozen=True)
class Mode:
    """How much of each machine there is.

    doc : the same in words
    one_chip : whether each has a single chip; else as many as its configuration says, by default those it
        needs
    equal_area : whether each has as many copies of all that, whole ones, as take no more area than the
        largest one has; images are dealt out to copies
    """

    doc: str
    one_chip: bool = False
    equal_area: bool = False

    def sized(self, machine: Machine) -> Machine:
        """Return the machine with as many chips as it has in this mode."""
        return machine.on_one_chip() if self.one_chip else machine

    def copies(self, areas: Mapping[str, float]) -> dict[str, int]:
        """Return how many copies each machine has; those without area, of which any number fits, one.

        areas : of one copy of each machine that runs a workload [mm2]
        """
        if not self.equal_area:
            return dict.fromkeys(areas, 1)
        largest = max(areas.values(), default=0.0)
        return {name: int(largest / area) if area else 1 for name, area in areas.items()}


#: Modes by name; more kinds of equality are more of them.
MODES: Mapping[str, Mode] = {
    "per-network": Mode("each machine has as many whole chips as the network needs"),
    "equal-chip": Mode("each machine has one chip", one_chip=True),
    "equal-area": Mode(
        "each machine has as many copies of what the network needs as fit the area of the largest",
        equal_area=True,
    ),
}


def mode_called(name: str) -> Mode:
    """Return a mode; UnknownNameError tells the nearest spelling."""
    if name not in MODES:
        raise UnknownNameError(f"there is no mode {name!r}; {near_miss(name, list(MODES))}")
    return MODES[name]
