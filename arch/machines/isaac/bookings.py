"""Routes that packets reserve: found by a kernel, noted packet by packet, charged to units many at a time."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from simcore import Component, Operation
from simcore.causes import Act, Units
from simcore.channel import Endpoint, Waits
from simcore.commands import Engine, Park, Wake
from simcore.kernels.reservations_reference import FULL, reserve_reference

Ints = NDArray[np.int64]

#: One beside the other, of the same length.
Columns = tuple[Ints, ...]

#: Packets that are noted before those that have set out are charged.
_KEPT = 1 << 16
#: Packets for which loading the compiled kernel pays.
_MANY = 1_000
#: Reserved times of a link, steps and routes that there is room for at first.
_ROOM = 16

#: A link, the router that it leads from, from when and for how long both are busy.
Step = tuple["ReservedTime", "ReservedTime | None", int, int]


class Bookings:
    """Packets that were given their times on routes, and the units that are busy then.

    tick : units of the mesh's time in one tick
    recording : whether it is noted who asked for each packet, and when
    """

    def __init__(self, engine: Engine, tick: int, *, recording: bool) -> None:
        self._engine, self._tick = engine, tick
        self._recording = recording
        self._times: list[ReservedTime] = []
        # As the kernel wants them, the first `_used` steps and routes; a step's router is beside it.
        self._steps, self._routes = np.zeros((_ROOM, 3), np.int64), np.zeros((_ROOM, 3), np.int64)
        self._routers = np.zeros(_ROOM, np.int64)
        self._used = [0, 0]
        self._noted, self._starts, self._acts = array("q"), array("q"), array("q")
        # Units, begins, ends [tick], and if recorded the units that asked, and when [tick].
        self._ahead: Columns = (_NONE,) * (5 if recording else 3)
        self._charged = (-1, False)  # before which tick all is charged, or all but what may be prolonged

    def add(self, owner: Component, operation: Operation) -> ReservedTime:
        """Return the account of one more unit."""
        time = ReservedTime(owner, operation, self, len(self._times))
        self._times.append(time)
        return time

    def open(self, packets: int) -> None:
        """Make room for what all units reserve, and load the compiled kernel if it pays."""
        self._reserved = np.zeros((len(self._times), 2, _ROOM), np.int64)
        self._held = np.zeros(len(self._times), np.int64)
        self._reserve = reserve_reference
        if packets >= _MANY:
            from simcore.kernels.reservations import reserve

            self._reserve = reserve
            at_once = np.zeros((1, 3), np.int64)
            reserve(self._reserved, self._held, at_once, at_once, 0, 0, 0, 0, 0)  # compiles it

    def route(self, steps: Iterable[Step], arrival: int) -> int:
        """Return the number of a new route."""
        first, number = self._used
        for link, router, offset, duration in steps:
            at = self._used[0]
            if at == len(self._steps):
                self._steps, self._routers = _doubled(self._steps, 0), _doubled(self._routers, 0)
            self._steps[at] = link.number, offset, duration
            self._routers[at] = router.number if router is not None else _NO_ROUTER
            self._used[0] += 1
        if number == len(self._routes):
            self._routes = _doubled(self._routes, 0)
        self._routes[number] = first, self._used[0] - first, arrival
        self._used[1] += 1
        return number

    def reserve(self, first: int, others: int, end: int, ready: int, asked: Act) -> tuple[int, int]:
        """Reserve a route for a packet, and note it; see the kernel's specification.

        asked : number of the unit that asked, and tick as of which it did
        """
        now = self._engine.now * self._tick
        while True:
            route, start = self._reserve(
                self._reserved, self._held, self._steps, self._routes, first, others, end, ready, now
            )
            if route != FULL:
                break
            self._reserved = _doubled(self._reserved, 2)
        if route >= 0:
            self._noted.append(route)
            self._starts.append(start)
            if self._recording:
                self._acts.extend(asked)
            if len(self._noted) == _KEPT:
                self.charge(whole=True)
        return route, start

    def charge(self, whole: bool = False) -> None:
        """Charge what begins before now; nothing can come in between any more.

        whole : leave alone what may still be prolonged, so that it does not matter when this was called
        """
        now = self._engine.now
        if not self._noted and self._charged in ((now, False), (now, whole)):
            return
        self._charged = now, whole
        columns = self._all()
        units, begins, _, *acts = columns
        charged = begins < now
        order = np.lexsort((*reversed(acts), begins, units))
        order = order[charged[order]]
        bounds = [0, *(np.flatnonzero(np.diff(units[order])) + 1).tolist(), len(order)]
        for first, last in pairwise(bounds):
            if first < last:
                own = order[first:last]
                times = (column[own] for column in columns[1:])
                done = self._times[units[own[0]]].charge(now if whole else None, *times)
                charged[own[done:]] = False
        self._ahead = tuple(column[~charged] for column in columns)
        self._noted, self._starts, self._acts = array("q"), array("q"), array("q")

    def ahead(self, number: int) -> tuple[Ints, Ints]:
        """Return when one unit will be busy, as far as that is not charged: begins and ends [tick]."""
        units, begins, ends = self._all()[:3]
        own = units == number
        return np.sort(begins[own]), np.sort(ends[own])

    def _all(self) -> Columns:
        """Return units, begins and ends of all that is not charged, and if recorded who asked, and when."""
        if not self._noted:
            return self._ahead
        firsts, lengths, _ = self._routes[np.frombuffer(self._noted, np.int64)].T
        steps = np.repeat(firsts - np.cumsum(lengths) + lengths, lengths)
        steps += np.arange(len(steps))
        begins = np.repeat(np.frombuffer(self._starts, np.int64), lengths) + self._steps[steps, 1]
        ends = begins + self._steps[steps, 2]
        begins, ends = begins // self._tick, ends // self._tick
        routers = self._routers[steps]
        routed = routers != _NO_ROUTER
        noted = [begins, ends]
        if self._recording:
            noted.extend(np.repeat(np.reshape(self._acts, (-1, 2)), lengths, axis=0).T)
        links = np.concatenate((self._steps[steps, 0], routers[routed]))
        columns = (links, *(np.concatenate((column, column[routed])) for column in noted))
        return tuple(np.concatenate(both) for both in zip(self._ahead, columns, strict=True))


class ReservedTime(Endpoint):
    """Account of a unit whose process is parked for good, as others reserve its time, ahead and in any order.

    Times that overlap, as packets through a router, or that follow at once are one.

    number : among the units of its bookings
    """

    __slots__ = ("_act", "_bookings", "_hold_from", "_waits", "_wake", "number")

    def __init__(self, owner: Component, operation: Operation, bookings: Bookings, number: int) -> None:
        super().__init__(owner.simulation.engine, owner.path)
        self.number = number
        self._bookings = bookings
        self._hold_from = operation.hold_from
        self._waits = Waits()
        self._wake: Wake | None = None
        self._act: Sequence[int] = ()  # unit that asked for what is charged, and when, if recorded
        owner.account(self, "wait-input:packet", self._waits)

    def watch(self, waits: Waits, own: Units, others: Sequence[Units]) -> None:
        """Let who asked for a packet have ended the wait for it."""
        waits.ender = lambda end: (self._act[0], end - self._act[1])

    def open(self) -> Park:
        """Park the running process for good."""
        self._wake = self.engine.active
        return self.park(self._wake, self._waits)

    def charge(self, before: int | None, begins: Ints, ends: Ints, *acts: Ints) -> int:
        """Charge times from some ticks on, rising, to others, behind those that were charged before.

        before : leave the last ones alone if together they do not end before this tick; None: charge all
        acts : if recorded, the units that asked for each, and when [tick]
        returns : how many were charged
        """
        wake = self._wake
        assert wake is not None
        ends = np.maximum.accumulate(ends)
        first = np.concatenate((_FIRST, np.flatnonzero(begins[1:] > ends[:-1]) + 1, [len(begins)]))
        if before is not None and ends[-1] >= before:
            first = first[:-1]
        starts, stops = begins[first[:-1]].tolist(), ends[first[1:] - 1].tolist()
        columns = (column[first[:-1]].tolist() for column in acts)
        for start, stop, *act in zip(starts, stops, *columns, strict=True):
            self._act = act
            if start > wake.since:
                self._waits.end(wake, start)
                wake.waiting = True
                wake.since = start
            if stop > wake.since:
                self._hold_from(wake.since, stop - wake.since)
                wake.since = stop
        return int(first[-1])

    def catch_up(self) -> None:
        """Log what passed and ended before now."""
        if self._wake is not None:
            self._bookings.charge(whole=True)

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
_FIRST = np.zeros(1, np.int64)


#: In place of a router's number, where a link leads from a tile.
_NO_ROUTER = -1


def _doubled(rows: Ints, axis: int) -> Ints:
    """Return the same with as much room again."""
    return np.concatenate((rows, np.zeros_like(rows)), axis)
