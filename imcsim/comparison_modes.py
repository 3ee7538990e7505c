"""What hardware machines get when they are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from arch.machine import Machine
from simcore import UnknownNameError
from simcore.registry import near_miss


@dataclass(frozen=True)
class Mode:
    """How much of each machine there is.

    doc : the same in words
    one_chip : whether each has a single chip; else as many as its configuration says, by default those it
        needs
    equal : figure of which all have as much: each has as many copies of all that, whole ones, as take no more
        of it than the machine that takes most; images are dealt out to copies. None for one copy each
    """

    doc: str
    one_chip: bool = False
    equal: Literal["area_mm2", "power_w"] | None = None

    def sized(self, machine: Machine) -> Machine:
        """Return the machine with as many chips as it has in this mode."""
        return machine.on_one_chip() if self.one_chip else machine


#: Share of the largest amount by which copies may be above it: quotients of equal sums differ in last digits.
_SLACK = 1e-9


def copies_that_fit(amounts: Mapping[str, float]) -> dict[str, int]:
    """Return how many copies of each fit into the largest; one of those that take nothing.

    amounts : what one copy of each machine takes of something
    """
    largest = max(amounts.values(), default=0.0)
    return {name: int(largest / one * (1 + _SLACK)) if one else 1 for name, one in amounts.items()}


#: Modes by name; more kinds of equality are more of them.
MODES: Mapping[str, Mode] = {
    "per-network": Mode("each machine has as many whole chips as the network needs"),
    "equal-chip": Mode("each machine has one chip", one_chip=True),
    "equal-area": Mode(
        "each machine has as many copies of what the network needs as fit the area of the largest",
        equal="area_mm2",
    ),
    "equal-power": Mode(
        "each machine has as many copies of what the network needs as fit the power of the hungriest",
        equal="power_w",
    ),
}


def mode_called(name: str) -> Mode:
    """Return a mode; UnknownNameError tells the nearest spelling."""
    if name not in MODES:
        raise UnknownNameError(f"there is no mode {name!r}; {near_miss(name, list(MODES))}")
    return MODES[name]
