"""Parts that take no time: what others do on them is counted and paid for here."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from simcore import Component


class Meter(Component):
    """A part that takes no time of its own: others tell how often it acts, it says what that costs.

    counted : tells the actions so far
    action, pj : their name, and the energy of one [pJ]
    watts, mm2 : that it draws all the time, and its area
    """

    counted: Callable[[], int] = staticmethod(lambda: 0)
    action: str = ""
    pj: float = 0.0
    watts: float = 0.0
    mm2: float = 0.0

    def charge(self, action: str, pj: float) -> None:
        """Say what an action is called and costs."""
        self.action, self.pj = action, pj

    def actions(self) -> dict[str, int]:
        """Return how often it acted."""
        return {self.action: self.counted()} if self.action else {}

    def action_energy(self) -> dict[str, float]:
        """Return the energy of an action [J]."""
        return {self.action: self.pj * 1e-12}

    def static_power(self) -> float:
        """Return the power drawn all the time [W]."""
        return self.watts

    def area(self) -> float:
        """Return its area [mm2]."""
        return self.mm2


@cache
def meter_of(family: str) -> type[Meter]:
    """Return meters that reports add up as a family."""
    return type("Meter", (Meter,), {"family": family, "__doc__": Meter.__doc__})
