"""Where requests wait, and which is served next: a component of which users derive rules of their own.

A request is one image of one network. It arrives, waits in its network's line, is let in when the queue's
rule says so, and is done when its last output is there. Arrivals, sources and sinks are processes; the queue
has none: it decides once in a tick, when all that happens in it has happened (`simcore.arbiter.Decision`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from arch.parts import chosen
from arch.request_line import Line
from arch.requests import Arrivals, ClosedArrivals, Head, TimedArrivals
from arch.tokens import images_of
from simcore import (
    Component,
    ConfigError,
    ModelError,
    PartConfig,
    Process,
    WiringError,
    components,
    param,
    process,
)
from simcore.arbiter import Decision
from simcore.steady import KEPT, HiddenStateError

if TYPE_CHECKING:
    from arch.host import Sink, Source


class RequestArrivals(Component):
    """Lets requests of one network arrive, at their times or when others are done.

    images : requests of the run
    begun : requests that have arrived or are waited for
    """

    family = "host"

    line: Line
    plan: Arrivals
    images: int = 0
    begun: int = 0

    @process
    def serve(self) -> Process:
        """Wait for each request's time (`wait-resource:schedule`), or event (`wait-resource:completion`)."""
        line, plan, ticks = self.line, self.plan, self.clock.ticks
        for request in images_of(self):
            self.begun = request + 1
            if isinstance(plan, TimedArrivals):
                yield line.calendar.until(plan.cycles[request] * ticks)
            elif request >= plan.in_system:
                yield line.calendar.completed(request - plan.in_system)
            line.arrive()

    def phase(self, items: int) -> tuple[int, ...]:
        """Return how many requests are under way, and where the gaps between them stand."""
        if isinstance(self.plan, ClosedArrivals):
            return (self.begun - items,)
        if self.plan.repeats is None:
            raise HiddenStateError(f"{self.path} has gaps between requests that do not repeat")
        if self.plan.repeats > KEPT:
            raise HiddenStateError(
                f"{self.path} has gaps between requests that repeat only after {self.plan.repeats} of them, "
                f"and no more than {KEPT} are looked through"
            )
        return self.begun - items, self.begun % self.plan.repeats


class QueueConfig(PartConfig):
    """How many requests are served at a time."""

    most_in_service: int | None = param(
        None,
        ge=1,
        unit="request",
        doc="that the machine works on at once; null: as many as its input takes in, so that no rule makes "
        "a network wait for another one",
    )


@components.register("queue")
class RequestQueue(Component):
    """Where requests wait: a line for each network, of whose heads the oldest goes first.

    Derive from it and override `first` for another rule; what it remembers from one decision to the next
    belongs into `phase`, which runs that skip periods ask for.

    lines, arrivals : one for each network
    """

    Config = QueueConfig
    family = "host"
    config: QueueConfig

    def build(self) -> None:
        """Open without any line."""
        self.lines: list[Line] = []
        self.arrivals: list[RequestArrivals] = []
        self.decision = Decision(self.simulation.engine, self._decide)
        self.simulation.laws.append(self._beyond)

    @property
    def now(self) -> int:
        """The present tick."""
        tick: int = self.simulation.engine.now
        return tick

    def admit(self, network: str, work: int, plan: Arrivals, images: int, source: Source, sink: Sink) -> Line:
        """Open the line of one network, whose source then waits for `Line.next` before each image.

        work : steps of arrays that are predicted for an image, of all layers
        images : requests of the run
        source, sink : what feeds the network, and what tells when an image is done
        raises : WiringError if the source has no edge of its clock where the queue's has one
        """
        if self.clock.ticks % source.clock.ticks:
            raise WiringError(
                f"{self.path} lets requests in at edges of its clock, of which {source.path} lacks some; "
                "let both have one clock, or the source one that is a whole number of times as fast"
            )
        line = Line(self, network, work, source, sink)
        self.lines.append(line)
        source.requests = sink.requests = line
        arrivals = line.arrivals = self.add(RequestArrivals, f"arrivals[{network}]", PartConfig())
        self.arrivals.append(arrivals)
        arrivals.line, arrivals.plan, arrivals.images = line, plan, images
        entrance, calendar = line.entrance, line.calendar
        self.account(entrance, "wait-resource:arrival", entrance.arrival)
        self.account(entrance, "wait-resource:service", entrance.service)
        self.account(calendar, "wait-resource:schedule", calendar.schedule)
        self.account(calendar, "wait-resource:completion", calendar.completion)
        self.books += [line.arrived, line.started, line.completed, line.level, line.present]
        self.simulation.laws += [line.little, line.little_of_all, line.in_order]
        return line

    def check(self, networks: Sequence[str]) -> None:
        """Raise ConfigError if the configuration does not fit the networks that are on the machine."""

    def first(self, heads: Sequence[Head]) -> Head:
        """Return which of the requests that could be let in goes first; there is at least one.

        It matters only where requests of several networks wait, as they do under `config.most_in_service`.
        """
        return min(heads, key=lambda head: (head.arrived, head.place))

    def phase(self, items: int) -> tuple[int, ...]:
        """Return nothing: the lines tell all that it knows."""
        return ()

    def _decide(self) -> None:
        most = self.config.most_in_service
        while most is None or sum(line.in_service for line in self.lines) < most:
            heads = [line.head() for line in self.lines if line.may_go]
            if not heads:
                return
            first = self.first(heads)
            if first not in heads:
                raise ModelError(
                    f"{self.path} must let in one of the requests that could be served, got {first!r}; "
                    f"return one of what {type(self).__name__}.first is given"
                )
            self.lines[first.place].start()

    def _beyond(self) -> tuple[str, int, int]:
        """Return that no more requests were served at once than may be, by what sinks say of their ends."""
        starts = sorted(tick for line in self.lines for tick in line.started)
        ends = sorted(tick for line in self.lines for tick in line.sink.completed)
        most = done = 0
        for let_in, start in enumerate(starts, 1):
            while done < len(ends) and ends[done] <= start:
                done += 1
            most = max(most, let_in - done)
        may = most if self.config.most_in_service is None else self.config.most_in_service
        return "requests served at once beyond queue.most_in_service = none", 0, max(0, most - may)

    def begun(self) -> int:
        """Return how many requests have arrived or are waited for, of the network that has most."""
        return max(arrivals.begun for arrivals in self.arrivals)

    def end_after(self, images: int) -> None:
        """Let no more than so many requests arrive for each network, no fewer than have begun."""
        for arrivals in self.arrivals:
            arrivals.images = images


@components.register("queue-round-robin")
class RoundRobinQueue(RequestQueue):
    """Networks take turns: the next one behind the network that went last, of those with a request."""

    turn: int = 0

    def first(self, heads: Sequence[Head]) -> Head:
        """Return the head of the line whose turn is next."""
        chosen = min(heads, key=lambda head: (head.place - self.turn) % len(self.lines))
        self.turn = (chosen.place + 1) % len(self.lines)
        return chosen

    def phase(self, items: int) -> tuple[int, ...]:
        """Return whose turn it is."""
        return (self.turn,)


class PriorityQueueConfig(QueueConfig):
    """Which networks go before others."""

    priorities: dict[str, int] = param(
        {}, ge=0, le=1000, unit="", doc="of networks, by name: smaller goes first; 0 for those not named"
    )


@components.register("queue-priority")
class PriorityQueue(RequestQueue):
    """The network with the smallest priority number goes first, and of equals the oldest request."""

    Config = PriorityQueueConfig
    config: PriorityQueueConfig

    def check(self, networks: Sequence[str]) -> None:
        """Raise ConfigError for a priority of a network that is not there."""
        for name in sorted(self.config.priorities.keys() - set(networks)):
            raise ConfigError(
                f"queue.priorities names {name!r}, but on the machine are {', '.join(networks)}; name only "
                "what is there"
            )

    def first(self, heads: Sequence[Head]) -> Head:
        """Return the head of the line that goes before the others."""
        priorities = self.config.priorities
        return min(heads, key=lambda head: (priorities.get(head.network, 0), head.arrived, head.place))

    def phase(self, items: int) -> tuple[int, ...]:
        """Return nothing: it remembers nothing."""
        return ()


@components.register("queue-shortest-first")
class ShortestFirstQueue(RequestQueue):
    """The network whose arrays take the fewest steps for an image goes first; of equals the oldest request.

    That is work, not time: how long an image takes also depends on who is beside it. The host's input, which
    is no faster for the one than for the other, does not count.
    """

    def first(self, heads: Sequence[Head]) -> Head:
        """Return the head of the line with the least work."""
        return min(heads, key=lambda head: (head.work, head.arrived, head.place))

    def phase(self, items: int) -> tuple[int, ...]:
        """Return nothing: it remembers nothing."""
        return ()


def queue_on(chip: Component, config: QueueConfig, networks: Sequence[str]) -> RequestQueue:
    """Return the queue in front of a chip, of the kind that a configuration names.

    networks : names of those that are on the chip, also of such as have no requests
    raises : MappingError if that is no queue, ConfigError if it does not fit the networks
    """
    queue = chip.add(chosen(config, RequestQueue), "queue", config)
    queue.check(networks)
    return queue
