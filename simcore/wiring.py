"""Connections: which channel joins which ports, and who waits for whom at either end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from simcore.buffer_channel import BufferChannel
from simcore.channel import Channel, DelayedChannel, Endpoint, Waits
from simcore.component import Component
from simcore.environment import Engine
from simcore.errors import WiringError
from simcore.fan import Gather, Multicast
from simcore.ports import BufferIn, In, Out, Port


@dataclass(frozen=True)
class End:
    """One end of a connection: the wait that may be charged there, and the components whose move would end it."""

    owner: Component
    state: str
    waits: Waits
    endpoint: Endpoint
    peers: tuple[Component, ...]


@dataclass(frozen=True)
class Connection:
    """A channel from one port, or from several that each make a part, to one port."""

    sources: tuple[Port, ...]
    target: Port
    channel: Any

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"{' + '.join(s.path for s in self.sources)} -> {self.target.path}"


class Wiring:
    """All connections of one simulation. Ends are bound to ports once, when everything is connected (`seal`)."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.connections: list[Connection] = []
        self.ends: list[End] = []
        self._fans: dict[int, tuple[Port, list[Connection]]] = {}

    def connect(self, source: Port, target: Port, depth: int | None, latency: int) -> None:
        """Join an Out and an In; see `Component.connect`."""
        self._check([source], target, depth, latency)
        writer, reader = source.owner, target.owner
        assert writer is not None
        assert reader is not None
        name = f"{source.path} -> {target.path}"
        ticks = latency * writer.clock.ticks
        periods = (reader.clock.ticks, writer.clock.ticks)
        channel: Any
        if isinstance(target, BufferIn):
            channel = BufferChannel(self.engine, name, depth, ticks, *periods)
        elif depth is None:
            raise WiringError(f"{name} needs a depth of at least 1; only a BufferIn may be unbounded")
        elif ticks == 0 and periods[0] == periods[1]:
            channel = Channel(self.engine, name, depth)
        else:
            channel = DelayedChannel(self.engine, name, depth, ticks, *periods)
        connection = Connection((source,), target, channel)
        self.connections.append(connection)
        self._fans.setdefault(id(source), (source, []))[1].append(connection)
        self._bind_reader(connection)

    def gather(self, sources: Sequence[Port], target: Port, depth: int, latency: int) -> None:
        """Join several Outs and one In; see `Component.gather`."""
        self._check(sources, target, depth, latency)
        owners = [s.owner for s in sources if s.owner is not None]
        assert target.owner is not None
        if {o.clock.ticks for o in owners} != {target.owner.clock.ticks}:
            raise WiringError(f"{target.path} gathers parts from another clock; let them cross one by one before")
        name = f"{' + '.join(s.path for s in sources)} -> {target.path}"
        channel = Gather(
            self.engine, name, [f"{s.path} -> {target.path}" for s in sources], depth, latency * owners[0].clock.ticks
        )
        connection = Connection(tuple(sources), target, channel)
        self.connections.append(connection)
        for source, end in zip(sources, channel.ends, strict=True):
            self._bind_writer(source, end, (target.owner,))
        self._bind_reader(connection)

    def seal(self) -> None:
        """Bind every sending port to its channel, or to all of them at once.

        raises : WiringError naming all ports that nobody connected
        """
        for source, connections in self._fans.values():
            targets = tuple(c.target.owner for c in connections if c.target.owner is not None)
            if len(connections) == 1:
                self._bind_writer(source, connections[0].channel, targets)
            else:
                fan = Multicast(self.engine, f"{source.path} -> all", [c.channel for c in connections])
                self._bind_writer(source, fan, targets)

    def _check(self, sources: Sequence[Port], target: Port, depth: int | None, latency: int) -> None:
        for source in sources:
            if not isinstance(source, Out) or not isinstance(target, (In, BufferIn)):
                raise WiringError(
                    f"connect joins an Out to an In, got {getattr(source, 'path', source)} to "
                    f"{getattr(target, 'path', target)}; a port takes part in one connection, an Out in several"
                )
            if not issubclass(source.payload, target.payload):
                raise WiringError(
                    f"{source.path} sends {source.payload.__name__}, but {target.path} takes "
                    f"{target.payload.__name__}; put a converting component between them"
                )
        if depth is not None and depth < 1:
            raise WiringError(f"{target.path} needs a depth of at least 1, got {depth}")
        if latency < 0:
            raise WiringError(f"{target.path} needs a latency of at least 0 cycles, got {latency}")

    def _bind_reader(self, connection: Connection) -> None:
        target, channel = connection.target, connection.channel
        target.bind(channel)
        assert target.owner is not None
        peers = tuple(s.owner for s in connection.sources if s.owner is not None)
        self.ends.append(End(target.owner, f"wait-input:{target.name}", channel.reader_waits, channel, peers))

    def _bind_writer(self, source: Port, end: Any, peers: tuple[Component, ...]) -> None:
        source.bind(end)
        assert source.owner is not None
        self.ends.append(End(source.owner, f"blocked-output:{source.name}", end.writer_waits, end, peers))
