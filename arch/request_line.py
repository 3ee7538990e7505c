"""The line in which the requests of one network wait, and the two places where processes meet it.

A source waits at the entrance until a request is let in; arrivals wait at the calendar until the next one is
there.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol

from arch.host import Sink, Source
from arch.requests import Head, LoadReport, RequestTimes
from simcore import Component
from simcore.arbiter import Decision
from simcore.causes import BY_TIME, Act, Units
from simcore.channel import Endpoint, Waits
from simcore.commands import DONE, PARK, Park, Ready, Wake
from simcore.component import Builder
from simcore.errors import WorkloadError
from simcore.history import Level, Moments


class LineOwner(Protocol):
    """What lines ask of their queue; see `arch.request_queue.RequestQueue`."""

    simulation: Builder
    path: str
    lines: list[Line]
    decision: Decision

    @property
    def now(self) -> int:
        """The present tick."""


class _Gate(Endpoint):
    """Where one process waits for what befalls its line; the wait is charged to one of several causes."""

    def __init__(self, line: Line, name: str) -> None:
        super().__init__(line.queue.simulation.engine, name)
        self.line = line
        self.waiting: Wake | None = None
        self._waits = Waits()

    def wait(self, waits: Waits, wake: Wake) -> Park:
        """Park a process here, or let what waits here already wait for something else from now on."""
        if self.waiting is not None:
            self._waits.end(wake, self.engine.now)
        self.waiting, self._waits = wake, waits
        return self.park(wake, waits)

    def open(self) -> None:
        """Let the process that waits here go on."""
        wake = self.waiting
        assert wake is not None
        self.waiting = None
        self._waits.end(wake, self.engine.now)
        self.soon(wake)

    def parked(self) -> list[tuple[Wake, Waits]]:
        """Return the process if it waits."""
        return [] if self.waiting is None else [(self.waiting, self._waits)]

    def holders(self) -> list[Wake]:
        """Return the processes whose move would end the wait."""
        units = (unit for part in self.awaited() for unit in part.units)
        return [unit.wake for unit in units if unit.wake is not None and unit.ended is None]

    @abstractmethod
    def awaited(self) -> Sequence[Component]:
        """Return the components whose move would end the wait."""

    def contents(self) -> str:
        """Return who waits and who is served, in words."""
        lines = self.line.queue.lines
        words = (f"{line.waiting} waiting and {line.in_service} served of {line.network}" for line in lines)
        return f"{self.line.queue.path} has {', '.join(words)}"


class _Entrance(_Gate):
    """Where a source waits for its next request."""

    def __init__(self, line: Line) -> None:
        super().__init__(line, f"entrance of {line.network}")
        self.arrival, self.service = Waits(), Waits()

    def watch(self, waits: Waits, own: Units, others: Sequence[Units]) -> None:
        """Let arrivals have ended each wait for a request, and a sink that for being let in."""
        if waits is self.arrival:
            waits.cause = self.line.arrivals.units[0].number, 0
        else:
            waits.ender = self._let_in_by

    def _let_in_by(self, end: int) -> Act:
        """Return the first of the sinks that told now of a request that is done."""
        lines = self.line.queue.lines
        sinks = [line.sink for line in lines if line.completed and line.completed[-1] == end]
        return min(((sink.units[0].number, 0) for sink in sinks), default=BY_TIME)

    def awaited(self) -> Sequence[Component]:
        """Return who lets requests arrive; once one is there, who tells when one is done."""
        if not self.line.waiting:
            return [self.line.arrivals]
        return [line.sink for line in self.line.queue.lines if line.in_service]

    def remedy(self) -> str:
        """Return what would end a circle of waits here, in words."""
        return "let queue.most_in_service be larger, or null" if self.line.waiting else ""

    def standing(self, now: int) -> Sequence[int]:
        """Return who waits, since when requests are there, and how long nothing has come or gone."""
        line = self.line
        lines = (id(self.waiting), line.waiting, line.in_service, line.level.since - now)
        return *lines, *(tick - now for tick in line.arrived[len(line.completed) :])


class _Calendar(_Gate):
    """Where arrivals wait for the time, or the event, at which the next request is there."""

    def __init__(self, line: Line) -> None:
        super().__init__(line, f"arrivals of {line.network}")
        self.schedule, self.completion = Waits(), Waits()

    def until(self, tick: int) -> Ready | Park:
        """Wait for a tick."""
        now, wake = self.engine.now, self.engine.active
        if tick <= now:
            return DONE
        self.park(wake, self.schedule)
        self.schedule.end(wake, tick)  # which is known, so it is charged now
        self.schedule.until = tick
        self.engine.at(tick, wake)
        return PARK

    def completed(self, request: int) -> Ready | Park:
        """Wait until a request is done."""
        if request < len(self.line.completed):
            return DONE
        return self.wait(self.completion, self.engine.active)

    def watch(self, waits: Waits, own: Units, others: Sequence[Units]) -> None:
        """Let the sink have ended each wait for a request that is done, and time the others."""
        if waits is self.completion:
            waits.cause = self.line.sink.units[0].number, 0

    def awaited(self) -> Sequence[Component]:
        """Return who tells when a request is done."""
        return [self.line.sink]

    def standing(self, now: int) -> Sequence[int]:
        """Return who waits."""
        return (id(self.waiting),)


class Line:
    """The requests of one network, in the order in which they arrive.

    arrived, started, completed : tick of each request, as far as that has happened
    level, present : how many wait, and how many wait or are served
    """

    def __init__(self, queue: LineOwner, network: str, work: int, source: Source, sink: Sink) -> None:
        self.queue = queue
        self.network = network
        self.work = work
        self.place = len(queue.lines)
        self.source, self.sink = source, sink
        self.arrivals: Component
        self.arrived, self.started, self.completed = Moments(), Moments(), Moments()
        self.level, self.present = Level(), Level()
        self.entrance, self.calendar = _Entrance(self), _Calendar(self)

    @property
    def waiting(self) -> int:
        """Requests that have arrived and are not let in."""
        return len(self.arrived) - len(self.started)

    @property
    def in_service(self) -> int:
        """Requests that are let in and not done."""
        return len(self.started) - len(self.completed)

    @property
    def may_go(self) -> bool:
        """Whether a request waits, and the source for it."""
        return self.entrance.waiting is not None and self.waiting > 0

    def head(self) -> Head:
        """Return the oldest request that waits."""
        arrived = self.arrived[len(self.started)]
        return Head(self.network, self.place, arrived, self.waiting, self.work)

    def arrive(self) -> None:
        """Note that the next request is there."""
        now = self.queue.now
        self.arrived.append(now)
        self.level.change(1, now)
        self.present.change(1, now)
        entrance = self.entrance
        if entrance.waiting is not None and self.waiting == 1:
            entrance.wait(entrance.service, entrance.waiting)
        self.queue.decision.call()

    def next(self) -> Park:
        """Let the source wait until the next request is let in; in this tick, if nothing is against it."""
        entrance = self.entrance
        self.queue.decision.call()
        return entrance.wait(entrance.service if self.waiting else entrance.arrival, entrance.engine.active)

    def start(self) -> None:
        """Let the oldest request in."""
        now = self.queue.now
        self.started.append(now)
        self.level.change(-1, now)
        self.entrance.open()

    def complete(self) -> None:
        """Note that the oldest request that is served is done.

        raises : WorkloadError if there is none, as outputs that need no pixel are made ahead of their image
        """
        now = self.queue.now
        if len(self.completed) == len(self.started):
            raise WorkloadError(
                f"outputs of {self.network} need none of its pixels, and came before their request; "
                "let all images be there from the start"
            )
        self.completed.append(now)
        self.present.change(-1, now)
        if self.calendar.waiting is not None:
            self.calendar.open()
        self.queue.decision.call()

    def little(self) -> tuple[str, int, int]:
        """Return Little's law in integers: the integral of the line's length, and the sum of the waits."""
        name = f"integral of requests that wait for {self.network} = sum of their waits"
        return name, self.level.area(self.queue.now), sum(self.started) - sum(self.arrived)

    def little_of_all(self) -> tuple[str, int, int]:
        """Return Little's law for all that wait or are served: their integral, and the stays the sink saw."""
        name = f"integral of requests of {self.network} in the system = sum of their stays"
        return name, self.present.area(self.queue.now), sum(self.sink.completed) - sum(self.arrived)

    def in_order(self) -> tuple[str, int, int]:
        """Return how many requests there are, and how many came by all places one behind the other.

        The queue tells when they arrived and were let in, the source when their first pixel was taken, the
        sink when their last output was there.
        """
        places = (self.arrived, self.started, self.source.accepted, self.sink.completed)
        told = sum(a <= s <= taken <= done for a, s, taken, done in zip(*places, strict=False))
        return (
            f"requests of {self.network} = those that arrive, are let in, taken and done",
            len(self.arrived),
            told,
        )

    def report(self) -> LoadReport:
        """Return what became of its requests, once the run is over."""
        now = self.queue.now
        waited, most = self.level.area(now), self.level.most
        times = RequestTimes(self.network, self.arrived, self.started, self.completed, waited, most)
        return LoadReport((times,), self.present.area(now))
