"""When packets pass links and routers: noted packet by packet, charged to their units many at a time."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from simcore import Component, Operation
from simcore.channel import Endpoint, Waits
from simcore.commands import Engine, Park, Wake

Ints = NDArray[np.int64]

#: Packets that are noted before those that have set out are charged.
_KEPT = 1 << 16


class Bookings:
    """Packets that were given their times on routes, and the units that are busy then.

    tick : units of the mesh's time in one tick
    """

    def __init__(self, engine: Engine, tick: int) -> None:
        self._engine, self._tick = engine, tick
        self._times: list[ReservedTime] = []
        # Of all routes, one behind the other: which unit is busy, from when and for how long.
        self._units, self._offsets, self._durations = array("q"), array("q"), array("q")
        self._firsts, self._lengths = array("q"), array("q")
        self._routes, self._starts = array("q"), array("q")
        self._ahead: tuple[Ints, Ints, Ints] = (_NONE, _NONE, _NONE)  # units, begins, ends [tick]
        self._charged = -1  # up to which tick all is charged

    def add(self, owner: Component, operation: Operation) -> ReservedTime:
        """Return the account of one more unit."""
        time = ReservedTime(owner, operation, self, len(self._times))
        self._times.append(time)
        return time

    def route(self, busy: Iterable[tuple[ReservedTime, int, int]]) -> int:
        """Return the number of a new route; its units, and from when and for how long each is busy."""
        self._firsts.append(len(self._units))
        for time, offset, duration in busy:
            self._units.append(time.number)
            self._offsets.append(offset)
            self._durations.append(duration)
        self._lengths.append(len(self._units) - self._firsts[-1])
        return len(self._firsts) - 1

    def note(self, route: int, start: int) -> None:
        """Note a packet that sets out on a route at a time, now or later."""
        self._starts.append(start)
        self._routes.append(route)
        if len(self._routes) == _KEPT:
            self.charge()

    def charge(self) -> None:
        """Charge what begins before now; nothing can come in between any more."""
        now = self._engine.now
        if self._charged == now and not self._routes:
            return
        self._charged = now
        units, begins, ends = self._all()
        over = begins < now
        self._ahead = units[~over], begins[~over], ends[~over]
        self._routes, self._starts = array("q"), array("q")
        units, begins, ends = units[over], begins[over], ends[over]
        order = np.argsort(units, kind="stable")
        units, begins, ends = units[order], begins[order], ends[order]
        bounds = [0, *(np.flatnonzero(np.diff(units)) + 1).tolist(), len(units)]
        for first, last in zip(bounds, bounds[1:], strict=False):
            if first < last:
                self._times[units[first]].charge(begins[first:last], ends[first:last])

    def ahead(self, number: int) -> tuple[Ints, Ints]:
        """Return when one unit will be busy, as far as that is not charged: begins and ends [tick]."""
        units, begins, ends = self._all()
        own = units == number
        return np.sort(begins[own]), np.sort(ends[own])

    def _all(self) -> tuple[Ints, Ints, Ints]:
        """Return units, begins and ends of all that is not charged; packets one after the other."""
        if not self._routes:
            return self._ahead
        routes, starts = _ints(self._routes), _ints(self._starts)
        lengths = _ints(self._lengths)[routes]
        steps = np.repeat(_ints(self._firsts)[routes] - np.cumsum(lengths) + lengths, lengths)
        steps += np.arange(len(steps))
        begins = np.repeat(starts, lengths) + _ints(self._offsets)[steps]
        ends = begins + _ints(self._durations)[steps]
        columns = _ints(self._units)[steps], begins // self._tick, ends // self._tick
        units, begins, ends = (np.concatenate(both) for both in zip(self._ahead, columns, strict=True))
        return units, begins, ends


class ReservedTime(Endpoint):
    """Account of a unit whose process is parked for good, as others reserve its time, ahead and in any order.

    Times that overlap, as packets through a router, or that follow at once are one.

    number : among the units of its bookings
    """

    __slots__ = ("_bookings", "_hold_from", "_waits", "_wake", "number")

    def __init__(self, owner: Component, operation: Operation, bookings: Bookings, number: int) -> None:
        super().__init__(owner.simulation.engine, owner.path)
        self.number = number
        self._bookings = bookings
        self._hold_from = operation.hold_from
        self._waits = Waits()
        self._wake: Wake | None = None
        owner.account(self, "wait-input:packet", self._waits)

    def open(self) -> Park:
        """Park the running process for good."""
        self._wake = self.engine.active
        return self.park(self._wake, self._waits)

    def charge(self, begins: Ints, ends: Ints) -> None:
        """Charge times from some ticks to others, in any order, behind those that were charged before."""
        wake = self._wake
        assert wake is not None
        order = np.argsort(begins, kind="stable")
        begins, ends = begins[order], np.maximum.accumulate(ends[order])
        apart = np.flatnonzero(begins[1:] > ends[:-1])
        starts = begins[np.concatenate((_FIRST, apart + 1))].tolist()
        stops = ends[np.concatenate((apart, _LAST))].tolist()
        for start, stop in zip(starts, stops, strict=True):
            if start > wake.since:
                self._waits.end(wake, start)
                wake.waiting = True
                wake.since = start
            if stop > wake.since:
                self._hold_from(wake.since, stop - wake.since)
                wake.since = stop

    def parked(self) -> list[tuple[Wake, Waits]]:
        """Return the process if nothing passes now."""
        if self._wake is None:
            return []
        self._bookings.charge()
        return [(self._wake, self._waits)] if self._wake.since <= self.engine.now else []

    def standing(self, now: int) -> tuple[int, ...]:
        """Return what is reserved from now on."""
        begins, ends = self._bookings.ahead(self.number)
        return *(begins - now).tolist(), *(ends - now).tolist()


_NONE = np.zeros(0, np.int64)
#: Places of the first and the last of a row.
_FIRST, _LAST = np.array([0]), np.array([-1])


def _ints(numbers: array[int]) -> Ints:
    return np.frombuffer(numbers, np.int64)
