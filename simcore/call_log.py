"""What every process called at its ports, in order: the raw material of a run's dependency graph.

In a run that is logged a port leads to a thin `LoggedEnd` in front of its channel. It notes each call of the
process that makes it, and refuses what relays and sources do ahead of time, so that they go step by step, in
the same ticks. Other runs have none of it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from simcore.accounting import Unit
from simcore.arbiter import Arbiter, Merge, SharedEnd
from simcore.blueprint import Blueprint
from simcore.carried import CarriedBuffer
from simcore.commands import Engine, Wake
from simcore.operation import Operation
from simcore.ports import Port
from simcore.wiring import Wiring

#: What a process did: it held an operation, called an end, waited for an edge or an event of SimPy;
#: `REST` says of the hold before it that it lasts until the edge.
HOLD, PUT, GET, ARRIVED, FREE, ACQUIRE, RELEASE, EDGE, REST, EVENT = range(10)


class LoggedPart(Protocol):
    """A component as the log sees it."""

    path: str
    ports: list[Port]
    units: list[Unit]


@dataclass(eq=False)
class Calls:
    """What one process did, one entry a call, in order.

    code, ref : what it did, and the number of the operation, end or edge that it did it to
    arg : tokens that it awaits, or below which it frees; ticks between edges
    tick : in which it did so
    """

    code: array[int] = field(default_factory=lambda: array("q"))
    ref: array[int] = field(default_factory=lambda: array("q"))
    arg: array[int] = field(default_factory=lambda: array("q"))
    tick: array[int] = field(default_factory=lambda: array("q"))

    def add(self, code: int, ref: int, arg: int, tick: int) -> None:
        """Note one more."""
        self.code.append(code)
        self.ref.append(ref)
        self.arg.append(arg)
        self.tick.append(tick)


class CallLog:
    """The calls of all processes of one simulation.

    blueprint : of the machine that was simulated
    calls : of each unit, in the order in which they were built
    operations, ends, edges : what calls refer to by number: operations with the path of their component,
        endpoints that ports lead to, and what waits for edges is called, by path and name
    channels : all there are
    waits_apart : units that wait at places that no port leads to, too, of which there are no entries
    turns : of each arbiter and merge, which of its requesters it let go, one after the other
    finish : the unit whose process ended the run, and how many calls it had made by then
    """

    def __init__(
        self,
        engine: Engine,
        parts: Iterable[LoggedPart],
        wiring: Wiring,
        blueprint: Blueprint,
    ) -> None:
        """Log all calls of the processes of some components, whose ports are connected."""
        self._engine = engine
        self.blueprint = blueprint
        self.calls: dict[Unit, Calls] = {}
        self.operations: list[tuple[str, Operation]] = []
        self.ends: list[Any] = []
        self.edges = list(blueprint.edges)
        self._edge_numbers = {edge: number for number, edge in enumerate(self.edges)}
        self.channels = [connection.channel for connection in wiring.connections]
        apart = (end for end in wiring.ends if not end.peers and not isinstance(end.endpoint, SharedEnd))
        self.waits_apart = {unit for end in apart for unit in end.owner.units}
        self.turns: dict[Arbiter | Merge, array[int]] = {}
        self.finish: tuple[Unit, int] | None = None
        for part in parts:
            for unit in part.units:
                self.calls[unit] = Calls()
                for operation in unit.operations:
                    self._follow(unit, operation)
            for port in part.ports:
                if port.channel is not None and part.units:
                    port.bind(self._logged(port.channel))
        for channel in self.channels:
            if isinstance(channel, Merge):
                self._watch(channel)
            if isinstance(channel, CarriedBuffer):
                channel.landings = array("q")
                if channel.stations is not None:
                    channel.stations.came = array("q")

    def _follow(self, unit: Unit, operation: Operation) -> None:
        """Note each hold of an operation."""
        calls, number = self.calls[unit], len(self.operations)
        self.operations.append((unit.component.path, operation))
        operation.tell(lambda tick: calls.add(HOLD, number, 0, tick))

    def _logged(self, endpoint: Any) -> LoggedEnd:
        """Return an end that notes calls, in front of an endpoint."""
        if isinstance(endpoint, SharedEnd):
            self._watch(endpoint.arbiter)
        self.ends.append(endpoint)
        return LoggedEnd(self, len(self.ends) - 1, endpoint)

    def _watch(self, contested: Arbiter | Merge) -> None:
        """Note whom an arbiter or a merge lets go."""
        if contested not in self.turns:
            self.turns[contested] = contested.contest.winners = array("q")

    def note(self, code: int, ref: int, arg: int = 0) -> None:
        """Note a call of the running process."""
        unit = self._engine.active.unit
        if unit is not None:
            self.calls[unit].add(code, ref, arg, self._engine.now)

    def note_edge(self, code: int, path: str, name: str, ticks: int) -> None:
        """Note that the running process waits for an edge, or holds an operation until then."""
        number = self._edge_numbers.setdefault((path, name), len(self.edges))
        if number == len(self.edges):  # of which the component does not tell beforehand
            self.edges.append((path, name))
        self.note(code, number, ticks)

    def note_finish(self, unit: Unit) -> None:
        """Note that the process of a unit has ended the run."""
        self.finish = unit, len(self.calls[unit].code)


class LoggedEnd:
    """Notes each call, and hands it on to the endpoint; whatever else that tells is here, too."""

    def __init__(self, log: CallLog, number: int, endpoint: Any) -> None:
        self._note = log.note
        self._number = number
        self._endpoint = endpoint

    def __getattr__(self, name: str) -> Any:
        return getattr(self._endpoint, name)

    def put(self, token: Any, wake: Wake | None = None) -> Any:
        """See `Channel.put`."""
        self._note(PUT, self._number)
        return self._endpoint.put(token, wake)

    def get(self) -> Any:
        """See `Channel.get`."""
        self._note(GET, self._number)
        return self._endpoint.get()

    def arrived(self, count: int, then: Operation | None = None, cycles: int = 0) -> Any:
        """See `BufferChannel.arrived`."""
        self._note(ARRIVED, self._number, count)
        return self._endpoint.arrived(count, then, cycles)

    def free(self, index: int) -> None:
        """See `BufferChannel.free`."""
        self._note(FREE, self._number, index)
        self._endpoint.free(index)

    def acquire(self, priority: int | None = None) -> Any:
        """See `SharedEnd.acquire`."""
        self._note(ACQUIRE, self._number)
        return self._endpoint.acquire(priority)

    def release(self) -> None:
        """See `SharedEnd.release`."""
        self._note(RELEASE, self._number)
        self._endpoint.release()

    def has_room(self) -> bool:
        """Nothing is handed on ahead."""
        return False

    def put_at(self, token: Any, tick: int) -> bool:
        """Nothing is handed on ahead."""
        return False

    def await_from(self, wake: Wake, tick: int) -> bool:
        """Nothing is taken ahead."""
        return False
