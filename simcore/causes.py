"""Who ended each wait: the unit whose act it was, and how many ticks before.

Most ends of channels have one unit at the other side, which ended every wait there: nothing is noted while a
run is under way. Where several could have, or where the time from act to end varies, the end tells after each
wait (`Waits.ender`). Of several acts that end a wait in one tick, that of the first unit by path is named, so
that causes depend on the order of processes no more than times do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol

from simcore.activity import NOBODY
from simcore.commands import Engine

#: A unit's number among the recorded ones, in the order of their paths, or NOBODY; and a number of ticks.
Act = tuple[int, int]

#: What time alone ended.
BY_TIME: Act = (NOBODY, 0)


class Numbered(Protocol):
    """A unit of the accounts; see `simcore.accounting.Unit`."""

    number: int


#: Those of one component.
Units = Sequence[Numbered]


class Side:
    """The unit that reads, or writes, at one end of a channel.

    alone : whether its component has no other one, so that it is known from the start
    """

    __slots__ = ("_engine", "_number", "_units", "_waits", "alone")

    def __init__(self, engine: Engine, units: Units, waits: Any) -> None:
        """Note the units of its component, and the waits of that end, of which the unit is the owner."""
        self._engine, self._units, self._waits = engine, units, waits
        self.alone = len(units) == 1
        self._number: int = units[0].number if self.alone else NOBODY

    def number(self) -> int:
        """Return the unit's number; of several units, it is the one that waited here or acts now."""
        if not self.alone:
            owner = self._waits.owner
            unit = self._engine.active.unit if owner is None or owner.unit is None else owner.unit
            if any(unit is other for other in self._units):
                self._number = unit.number
        return self._number


class LastAct:
    """Of acts that a wait needs, the one that takes effect last, in whatever order they are told."""

    __slots__ = ("act", "tick")

    def __init__(self) -> None:
        self.act, self.tick = BY_TIME, -1

    def note(self, act: Act, tick: int) -> None:
        """Tell of an act that takes effect in a tick."""
        if tick > self.tick or (tick == self.tick and _rank(act) < _rank(self.act)):
            self.act, self.tick = act, tick


def _rank(act: Act) -> tuple[bool, int, int]:
    """Return what is smallest for the act that is named of several."""
    unit, lag = act
    return unit == NOBODY, unit, lag


class Puts:
    """Who put each token that a channel holds, where tokens of several units come, or after varying times."""

    __slots__ = ("_acts", "_taken", "side")

    def __init__(self, side: Side) -> None:
        self.side = side
        self._acts: deque[Act] = deque()
        self._taken = BY_TIME

    def put(self, tick: int) -> None:
        """Note a token that the present side puts."""
        self._acts.append((self.side.number(), tick))

    def take(self) -> None:
        """Note that the oldest token is taken."""
        self._taken = self._acts.popleft()

    def before(self, end: int) -> Act:
        """Return who put the token that was taken last, and how long before."""
        unit, tick = self._taken
        return unit, end - tick


class FreedSlot:
    """Who freed a slot, which a writer on another clock has from its next edge on, and when."""

    __slots__ = ("_period", "_side", "_tick")

    def __init__(self, side: Side, period: int) -> None:
        self._side, self._period = side, period
        self._tick = -period

    def note(self, now: int, edge: int) -> None:
        """Note that a slot is free, as of the writer's edge, for which only the first one counts."""
        self._side.number()
        if edge - self._tick >= self._period:
            self._tick = now

    def before(self, end: int) -> Act:
        """Return who freed the slot that is had as of now, and how long before."""
        return self._side.number(), end - self._tick
