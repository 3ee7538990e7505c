"""Links and routers of a mesh: units whose time others reserve, packet by packet."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from simcore import Component, Counter, Operation, Process, process
from simcore.channel import Endpoint, Waits
from simcore.commands import Park, Wake

#: Reservations that a unit keeps before it charges those that are over.
_KEPT = 256


class ReservedTime(Endpoint):
    """Account of a unit whose process is parked for good, as others reserve its time, ahead and in any order.

    Times that overlap, as packets through a router, or that follow at once are one.
    """

    __slots__ = ("_hold_from", "_taken", "_waits", "_wake")

    def __init__(self, owner: Component, operation: Operation) -> None:
        super().__init__(owner.simulation.engine, owner.path)
        self._hold_from = operation.hold_from
        self._taken: list[tuple[int, int]] = []
        self._waits = Waits()
        self._wake: Wake | None = None
        owner.account(self, "wait-input:packet", self._waits)

    def open(self) -> Park:
        """Park the running process for good."""
        self._wake = self.engine.active
        return self.park(self._wake, self._waits)

    def take(self, start: int, end: int) -> None:
        """Reserve the time from one tick, now or later, to another."""
        taken = self._taken
        if taken and taken[-1][0] <= start <= taken[-1][1]:
            if end > taken[-1][1]:
                taken[-1] = taken[-1][0], end
            return
        taken.append((start, end))
        if len(taken) > _KEPT:
            self._charge()

    def _charge(self) -> None:
        """Charge what began before now; nothing can come in between any more."""
        now, wake = self.engine.now, self._wake
        assert wake is not None
        self._taken.sort()
        over = bisect_left(self._taken, (now, 0))
        begun = until = wake.since
        for start, end in self._taken[:over]:
            if start > until:
                if until > begun:
                    self._hold_from(begun, until - begun)
                wake.since = until
                self._waits.end(wake, start)
                wake.waiting = True
                begun = until = start
            until = max(until, end)
        if until > begun:
            self._hold_from(begun, until - begun)
        wake.since = until
        del self._taken[:over]

    def parked(self) -> list[tuple[Wake, Waits]]:
        """Return the process if nothing passes now."""
        if self._wake is None:
            return []
        self._charge()
        return [(self._wake, self._waits)] if self._wake.since <= self.engine.now else []

    def standing(self, now: int) -> tuple[int, ...]:
        """Return what is reserved from now on."""
        return tuple(tick - now for taken in sorted(self._taken) for tick in taken)


class MeshLink(Component):
    """A link from tile to router, from router to router, back to a tile, or from chip to chip.

    starts, ends : of reserved times that are not over yet, in units of the mesh
    """

    family = "link"

    transfer = Operation(doc="time in which some packet passes")
    flits = Counter("flit", unit="flit", doc="that passed")

    def build(self) -> None:
        """Open the account."""
        self.time = ReservedTime(self, self.transfer)
        self.starts: list[int] = []
        self.ends: list[int] = []

    @process
    def serve(self) -> Process:
        """Be there: the mesh says when packets pass."""
        yield self.time.open()

    def free_from(self, start: int, duration: int) -> int:
        """Return when a packet can begin to pass, at a time or as soon as possible behind it."""
        starts, ends = self.starts, self.ends
        place = bisect_right(ends, start)
        while place < len(starts) and starts[place] < start + duration:
            start = ends[place]
            place += 1
        return start

    def take(self, start: int, end: int, now: int) -> None:
        """Reserve a time that is free; with those that it joins it is one."""
        starts, ends = self.starts, self.ends
        if not ends or ends[-1] < start:
            starts.append(start)
            ends.append(end)
        elif ends[-1] == start:
            ends[-1] = end
        else:
            place = bisect_left(starts, start)
            behind = place > 0 and ends[place - 1] == start
            before = starts[place] == end
            if before and behind:
                del starts[place], ends[place - 1]
            elif before:
                starts[place] = start
            elif behind:
                ends[place - 1] = end
            else:
                starts.insert(place, start)
                ends.insert(place, end)
        if ends[0] <= now:
            over = bisect_right(ends, now)
            del starts[:over], ends[:over]


class HyperTransportLink(MeshLink):
    """A link from chip to chip, one of several; a direction of its own."""

    size = Counter("byte", unit="byte", doc="that passed")


class MeshRouter(Component):
    """A router: any number of packets pass at once, each by another of its links.

    pj : energy of a flit [pJ]
    """

    family = "router"

    forward = Operation(doc="time in which some packet leaves")

    pj: float = 0.0

    def build(self) -> None:
        """Open the account."""
        self.time = ReservedTime(self, self.forward)
        self.links: list[MeshLink] = []

    @process
    def route(self) -> Process:
        """Be there: the mesh says when packets leave."""
        yield self.time.open()

    def actions(self) -> dict[str, int]:
        """Add flits, once for each link that they leave by."""
        return {**super().actions(), "flit": sum(link.flits.count for link in self.links)}

    def action_energy(self) -> dict[str, float]:
        """Return the energy of a flit [J]."""
        return {"flit": self.pj * 1e-12}
