"""Connections: which channel joins which ports, and who waits for whom at either end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from simcore.accounting import Part
from simcore.arbiter import Arbiter, Merge, Rule
from simcore.buffer_channel import BufferChannel
from simcore.carried import CarriedBuffer, CarriedEnd, Entry
from simcore.channel import Channel, DelayedChannel, Endpoint, Handshake, Waits
from simcore.commands import Engine
from simcore.errors import WiringError
from simcore.fan import Gather, Multicast
from simcore.ports import BufferIn, In, Out, Port, Shared
from simcore.turns import Collect, Deal


class PortedPart(Part, Protocol):
    """A component as wiring sees it."""

    ports: list[Port]


@dataclass(frozen=True)
class End:
    """One end of a connection: the wait that may be charged there, and whose move would end it."""

    owner: Part
    state: str
    waits: Waits
    endpoint: Endpoint
    peers: tuple[Part, ...]

    def record(self) -> None:
        """Have each wait here noted, and who ended it."""
        self.endpoint.watch(self.waits, self.owner.units, [peer.units for peer in self.peers])
        self.waits.record()

    def slow_peers(self) -> tuple[Part, ...]:
        """Return the components at the other side that have yet to move."""
        if isinstance(self.endpoint, Multicast):
            return tuple(p for p, full in zip(self.peers, self.endpoint.full(), strict=True) if full)
        if isinstance(self.endpoint, CarriedEnd) and not self.endpoint.lacks_slot:
            return ()
        if isinstance(self.endpoint, CarriedBuffer) and self.endpoint.under_way:
            return ()
        return self.peers


@dataclass(frozen=True)
class ChannelReport:
    """What one channel carried in a run.

    sources, target : paths of the ports that it joins
    slots : of tokens that may be under way or waiting; None is unbounded
    latency : from put to take [tick]
    tokens : handed over
    peak : most that it held at the end of any tick, None where that is not watched
    """

    sources: tuple[str, ...]
    target: str
    slots: int | None
    latency: int
    tokens: int
    peak: int | None


@dataclass(frozen=True)
class Connection:
    """A channel from one port, or from several, to one port."""

    sources: tuple[Port, ...]
    target: Port
    channel: Any

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"{' + '.join(s.path for s in self.sources)} -> {self.target.path}"

    def described(self) -> ChannelReport:
        """Return what it carried so far."""
        channel = self.channel
        return ChannelReport(
            tuple(source.path for source in self.sources),
            self.target.path,
            channel.capacity,
            getattr(channel, "latency", 0),
            channel.sent,
            getattr(channel, "peak", None),
        )


class Wiring:
    """All connections of one simulation. Writing ends are bound once everything is connected (`seal`)."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.connections: list[Connection] = []
        self.ends: list[End] = []
        self._fans: dict[int, tuple[Port, list[tuple[Any, Part]]]] = {}

    def connect(self, source: Any, target: Any, depth: int | None, latency: int) -> None:
        """Join an Out and an In; see `Component.connect`."""
        channel = self._channel(source, target, depth, latency)
        self._add([source], [channel], target, channel)

    def carry(self, source: Any, target: Any, depth: int | None, entry: Entry, reader: int) -> CarriedEnd:
        """Join an Out and a BufferIn over a network; see `Component.carry`."""
        _check([source], target, depth, 0)
        name = f"{source.path} -> {target.path}"
        if not isinstance(target, BufferIn) or depth == 0:
            raise WiringError(f"{name} goes over a network, so it needs a BufferIn with at least one slot")
        assert target.owner is not None
        if target.owner.clock.ticks % source.owner.clock.ticks:
            raise WiringError(
                f"{name} goes over a network between two clocks; use one clock for both ends, or one for the "
                "reader that takes a whole number of the sender's cycles"
            )
        buffer = CarriedBuffer(self.engine, name, depth, entry, reader)
        self._add([source], [buffer.end], target, buffer)
        return buffer.end

    def account(self, owner: Part, state: str, waits: Waits, endpoint: Endpoint) -> None:
        """Note a wait at an endpoint that no port leads to; see `Component.account`."""
        self.ends.append(End(owner, state, waits, endpoint, ()))

    def deal(self, source: Any, groups: Sequence[Sequence[Any]], depth: int | None, latency: int) -> None:
        """Join an Out to groups of Ins that take turns; see `Component.deal`."""
        _check_turns("deal", [source], [target for group in groups for target in group])
        if not groups or not all(groups):
            raise WiringError(f"{source.path} deals to nobody in some turn; give each group at least one In")
        if id(source) in self._fans:
            raise _is_dealt(source)
        sides: list[Any] = []
        for group in groups:
            channels = [self._channel(source, target, depth, latency) for target in group]
            for target, channel in zip(group, channels, strict=True):
                self._bind_reader([source], target, channel)
            side = channels[0]
            if len(channels) > 1:
                side = Multicast(self.engine, f"{source.path} -> side {len(sides)}", channels)
            self._note_writer(source, side, [target.owner for target in group])
            sides.append(side)
        self._note_sender(source, Deal(self.engine, f"{source.path} -> in turn", sides), source.owner)

    def collect(self, groups: Sequence[Sequence[Any]], target: Any, depth: int, latency: int) -> None:
        """Join groups of Outs that take turns and one In; see `Component.collect`."""
        _check_turns("collect", [source for group in groups for source in group], [target])
        if not groups or not all(groups):
            raise WiringError(
                f"{target.path} collects from nobody in some turn; give each group at least one Out"
            )
        channels = []
        for group in groups:
            if len(group) > 1:
                channel = self._gather(group, target, depth, latency)
                ends = channel.ends
            else:
                channel = self._channel(group[0], target, depth, latency)
                ends = [channel]
            self._note_reader(group, target, channel)
            for source, end in zip(group, ends, strict=True):
                self._note_sender(source, end, target.owner)
            channels.append(channel)
        target.bind(Collect(self.engine, f"{target.path} in turn", channels))

    def _channel(self, source: Any, target: Any, depth: int | None, latency: int) -> Any:
        """Return a channel of the kind that two ports need."""
        _check([source], target, depth, latency)
        name = f"{source.path} -> {target.path}"
        ticks = latency * source.owner.clock.ticks
        periods = (target.owner.clock.ticks, source.owner.clock.ticks)
        if isinstance(target, BufferIn) and depth != 0:
            return BufferChannel(self.engine, name, depth, ticks, *periods)
        if depth is None:
            raise WiringError(f"{name} needs a depth; only a BufferIn may be unbounded")
        plain = ticks == 0 and periods[0] == periods[1]
        if depth == 0:
            if isinstance(target, BufferIn) or not plain:
                raise WiringError(f"{name} needs a depth of at least 1, as it has a latency or a memory")
            return Handshake(self.engine, name)
        if plain:
            return Channel(self.engine, name, depth)
        return DelayedChannel(self.engine, name, depth, ticks, *periods)

    def gather(self, sources: Sequence[Any], target: Any, depth: int, latency: int) -> None:
        """Join several Outs that each make a part and one In; see `Component.gather`."""
        channel = self._gather(sources, target, depth, latency)
        self._add(sources, channel.ends, target, channel)

    def _gather(self, sources: Sequence[Any], target: Any, depth: int, latency: int) -> Gather:
        period = self._check_many("gather", sources, target, depth, latency)
        names = [f"{s.path} -> {target.path}" for s in sources]
        name = f"{' + '.join(s.path for s in sources)} -> {target.path}"
        return Gather(self.engine, name, names, depth, latency * period)

    def merge(self, sources: Sequence[Any], target: Any, depth: int, latency: int, rule: Rule) -> None:
        """Join several Outs and one In that takes from one at a time; see `Component.merge`."""
        period = self._check_many("merge", sources, target, depth, latency)
        names = [f"{s.path} -> {target.path}" for s in sources]
        name = f"{' | '.join(s.path for s in sources)} -> {target.path}"
        channel = Merge(self.engine, name, names, depth, latency * period, period, rule)
        self._add(sources, channel.ends, target, channel)

    def share(self, requesters: Sequence[Any], path: str, name: str, capacity: int, rule: Rule) -> None:
        """Join Shared ports to one resource; see `Component.share`."""
        for port in requesters:
            if not isinstance(port, Shared):
                raise WiringError(f"{path} is shared by Shared ports, got {_called(port)}")
            if port.channel is not None:
                raise WiringError(f"{port.path} takes part in {port.channel.arbiter.name} already")
        if not requesters:
            raise WiringError(f"{path} is shared by nobody; name the ports that use it")
        if len({port.owner.clock.ticks for port in requesters}) > 1:
            raise WiringError(f"{path} is shared by components on different clocks; give each clock its own")
        if capacity < 1:
            raise WiringError(f"{path} needs a capacity of at least 1, got {capacity}")
        arbiter = Arbiter(self.engine, path, [port.path for port in requesters], capacity, rule)
        for port, end in zip(requesters, arbiter.ends, strict=True):
            port.bind(end)
            self.ends.append(End(port.owner, f"wait-resource:{name}", end.waits, end, ()))

    def seal(self, components: Iterable[PortedPart]) -> None:
        """Bind every sending port to its channel, or to all of them at once.

        raises : WiringError naming all ports of `components` that nobody connected
        """
        for source, ends in self._fans.values():
            end = ends[0][0]
            if len(ends) > 1:
                end = Multicast(self.engine, f"{source.path} -> all", [end for end, _ in ends])
            source.bind(end)
            if not isinstance(end, Deal):  # whose sides have been noted one by one
                self._note_writer(source, end, [peer for _, peer in ends])
        loose = self.loose_ports(components)
        if loose:
            names = ", ".join(port.path for port in loose)
            raise WiringError(f"not connected: {names}; connect them where their components are added")

    def loose_ports(self, components: Iterable[PortedPart]) -> list[Port]:
        """Return the ports of `components` that nobody has connected so far, but for those of composites."""
        ports = (port for component in components if component.units for port in component.ports)
        return [port for port in ports if port.channel is None and id(port) not in self._fans]

    def _check_many(self, verb: str, sources: Sequence[Any], target: Any, depth: int, latency: int) -> int:
        """Check what goes for several sources, and return the period that all clocks agree on."""
        _check(sources, target, depth, latency)
        if isinstance(target, BufferIn) or not sources:
            raise WiringError(
                f"{verb} joins one or more Outs and an In, got {len(sources)} into {target.path}"
            )
        if depth < 1:
            raise WiringError(f"{target.path} needs a depth of at least 1, got {depth}")
        periods = {port.owner.clock.ticks for port in (*sources, target)}
        if len(periods) > 1:
            raise WiringError(
                f"{target.path} would {verb} tokens of another clock; let them cross one by one before"
            )
        return int(periods.pop())

    def _add(self, sources: Sequence[Port], ends: Sequence[Any], target: Port, channel: Any) -> None:
        """Note a connection: the reader is bound now, writers once all their connections are known."""
        assert target.owner is not None
        for source, end in zip(sources, ends, strict=True):
            self._note_sender(source, end, target.owner)
        self._bind_reader(sources, target, channel)

    def _bind_reader(self, sources: Sequence[Port], target: Port, channel: Any) -> None:
        """Note a connection of one channel, and who waits where to read it."""
        self._note_reader(sources, target, channel)
        target.bind(channel)

    def _note_sender(self, source: Port, end: Any, peer: Part) -> None:
        """Note one of the ends that a port sends to."""
        ends = self._fans.setdefault(id(source), (source, []))[1]
        if ends and isinstance(ends[0][0], Deal):  # which nothing is ever added to
            raise _is_dealt(source)
        ends.append((end, peer))

    def _note_reader(self, sources: Sequence[Port], target: Port, channel: Any) -> None:
        self.connections.append(Connection(tuple(sources), target, channel))
        assert target.owner is not None
        peers = tuple(s.owner for s in sources if s.owner is not None)
        self.ends.append(End(target.owner, f"wait-input:{target.name}", channel.reader_waits, channel, peers))

    def _note_writer(self, source: Port, end: Any, peers: Sequence[Part]) -> None:
        assert source.owner is not None
        state = f"blocked-output:{source.name}"
        self.ends.append(End(source.owner, state, end.writer_waits, end, tuple(peers)))


def _check(sources: Sequence[Any], target: Any, depth: int | None, latency: int) -> None:
    """Refuse ports that cannot be joined."""
    for source in sources:
        if not isinstance(source, Out) or not isinstance(target, In | BufferIn):
            raise WiringError(
                f"a connection joins an Out to an In, got {_called(source)} and {_called(target)}; "
                "many senders to one In go through merge or gather"
            )
        if not issubclass(source.payload, target.payload):
            raise WiringError(
                f"{source.path} sends {source.payload.__name__}, but {target.path} takes "
                f"{target.payload.__name__}; put a converting component between them"
            )
    if isinstance(target, Port) and target.channel is not None:
        raise WiringError(
            f"{target.path} is connected already ({target.channel.name}); many senders to one In go through "
            "merge or gather"
        )
    if depth is not None and depth < 0:
        raise WiringError(f"{target.path} needs a depth of at least 0, got {depth}")
    if latency < 0:
        raise WiringError(f"{target.path} needs a latency of at least 0 cycles, got {latency}")


def _check_turns(verb: str, sources: Sequence[Any], targets: Sequence[Any]) -> None:
    """Refuse what cannot take turns."""
    for port in (*sources, *targets):
        wanted = Out if any(port is source for source in sources) else In
        if not isinstance(port, wanted):
            raise WiringError(f"{verb} joins Outs to Ins, got {_called(port)} for an {wanted.__name__}")


def _is_dealt(source: Port) -> WiringError:
    return WiringError(
        f"{source.path} deals its tokens in turn, so it takes part in no other connection; send what another "
        "one needs by a port of its own, or add its In to every group"
    )


def _called(port: Any) -> str:
    """Return how messages call what was given for a port."""
    if isinstance(port, Port):
        return f"{type(port).__name__} {port.path}"
    if isinstance(port, Endpoint):
        return f"a port that is connected already ({port.name})"
    return repr(port)
