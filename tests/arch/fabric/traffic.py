"""Traffic on a fabric alone: senders that put pixels after gaps, readers that take some cycles for each."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from typing import Any

from hypothesis import strategies as st

from arch import fabrics
from arch.fabric.configuration import FabricConfig
from arch.fabric.interconnect import Interconnect
from arch.fabric.link_network import LinkNetwork
from arch.fabric.network import Network
from arch.links import LinksConfig
from simcore import BufferIn, Component, Operation, Out, Outcome, PartConfig, Process, Simulation, process
from tests.benches import CORE


@dataclass(frozen=True)
class Reader:
    """Where it is, slots of its memory, and cycles for a pixel."""

    node: int
    slots: int
    service: int


@dataclass(frozen=True)
class Stream:
    """A sender: cycles before each of its pixels, bits of one, and cycles from a put until it is sent."""

    node: int
    readers: tuple[Reader, ...]
    gaps: tuple[int, ...]
    bits: int = 8
    delay: int = 0


Traffic = list[Stream]


@dataclass
class Times:
    """Cycles in which pixels came whole to a reader, and in which it began with each."""

    landed: list[int] = field(default_factory=list)
    begun: list[int] = field(default_factory=list)


class Sender(Component):
    """Puts pixels after gaps."""

    pixel_out = Out(int, doc="pixels")
    wait = Operation(doc="the cycles in between")

    stream: Stream

    @process
    def serve(self) -> Process:
        """Wait, put, and so on."""
        for token, gap in enumerate(self.stream.gaps):
            yield self.wait.hold(gap)
            yield self.pixel_out.put(token)


class Memory(Component):
    """Takes pixels one by one."""

    pixel_in = BufferIn(int, doc="pixels")
    work = Operation(doc="the cycles for one")

    service: int
    total: int
    times: Times
    done: Any

    @process
    def serve(self) -> Process:
        """Wait for a pixel, work on it, free its slot."""
        for pixel in range(self.total):
            yield self.pixel_in.arrived(pixel + 1)
            self.times.begun.append(self.simulation.engine.now)
            yield self.work.hold(self.service)
            self.pixel_in.free(pixel + 1)
        self.done()


class FabricBench(Component):
    """Senders and memories on a fabric."""

    def lay_out(
        self, config: FabricConfig, traffic: Traffic, interconnect: Interconnect, kind: type[Network]
    ) -> None:
        """Build and connect everything."""
        self.times = [[Times() for _ in stream.readers] for stream in traffic]
        self.left = sum(len(stream.readers) for stream in traffic)
        self.network = self.add(kind, "fabric", PartConfig())
        self.network.lay_out(config, LinksConfig(), interconnect)
        for i, stream in enumerate(traffic):
            sender = self.add(Sender, f"sender[{i}]", PartConfig())
            sender.stream = stream
            ways = [(stream.node, reader.node) for reader in stream.readers]
            entry = self.network.entry(f"stream{i}", stream.bits, stream.delay, ways)
            ends = []
            for j, reader in enumerate(stream.readers):
                memory = self.add(Memory, f"memory[{i},{j}]", PartConfig())
                memory.service, memory.total = reader.service, len(stream.gaps)
                memory.times, memory.done = self.times[i][j], self.reader_done
                ends.append(self.carry(sender.pixel_out, memory.pixel_in, reader.slots, entry, j))
                ends[-1].buffer.store = self.noted(self.times[i][j])
            entry.connect(ends)

    def noted(self, times: Times) -> Any:
        return lambda token: times.landed.append(self.simulation.engine.now)

    def reader_done(self) -> None:
        self.left -= 1
        if not self.left:
            self.simulation.finish()


def run_traffic(
    config: FabricConfig,
    traffic: Traffic,
    interconnect: Interconnect,
    kind: type[Network] = LinkNetwork,
    **options: Any,
) -> tuple[list[list[Times]], Outcome]:
    """Return when pixels came to each reader of each stream, and the outcome."""
    simulation = Simulation([CORE], **options)
    fabric = simulation.build(FabricBench, PartConfig())
    fabric.lay_out(config, traffic, interconnect, kind)
    outcome = simulation.run()
    return fabric.times, outcome


def interconnect_of(config: FabricConfig, cores: int, traffic: Traffic) -> Interconnect:
    """Return the links that traffic takes on the topology of a fabric."""
    pairs = [(stream.node, reader.node) for stream in traffic for reader in stream.readers]
    return Interconnect(config.topology, cores, pairs, escape=config.escape)


@st.composite
def topologies(draw: st.DrawFn, *, joints: bool = True) -> tuple[dict[str, Any], int]:
    """Draw a topology's settings, and its cores."""
    kind = draw(st.sampled_from([kind for kind in sorted(fabrics) if joints or not fabrics[kind].joints]))
    if kind == "edge-list":
        size = draw(st.integers(2, 6))
        extra = draw(st.lists(st.sampled_from(list(product(range(size), repeat=2))), max_size=6))
        line = [(core, core + 1) for core in range(size - 1)]
        edges = [(a, b) for one, other in (*line, *extra) for a, b in ((one, other), (other, one)) if a != b]
        return {"kind": kind, "edges": edges}, size
    if kind == "5pp":
        return {"kind": kind, "k": draw(st.integers(1, 3))}, draw(st.integers(2, 8))
    return {"kind": kind}, draw(st.integers(2, 9))


def fabric(topology: dict[str, Any], **settings: Any) -> FabricConfig:
    """Return a fabric of packets."""
    return FabricConfig.parse({"fidelity": "link", "topology": topology, **settings})


@st.composite
def loads(draw: st.DrawFn, fidelity: str = "link") -> tuple[FabricConfig, int, Traffic]:
    """Draw a fabric, its cores and traffic on it, from light to such that most of it waits."""
    topology, cores = draw(topologies(joints=fidelity == "link"))
    routers: dict[str, Any] = {"router_cycles": draw(st.integers(0, 3))}
    if fidelity == "flit":  # an edge list may need as many channels as it has lanes
        flit = {"vcs": draw(st.integers(6, 7)), "vc_buffer_flits": draw(st.integers(1, 4))}
        routers = {"flit": {**flit, "routing_delay": draw(st.integers(0, 1))}}
    config = fabric(
        topology,
        fidelity=fidelity,
        latency_cycles=draw(st.integers(1, 4)),
        **routers,
        width_bits=draw(st.none() | st.integers(1, 8)),
        queue_packets=draw(st.integers(1, 3)),
    )
    size = config.topology.size(cores)
    nodes = st.integers(0, size - 1)
    traffic = []
    for _ in range(draw(st.integers(1, 6))):
        source = draw(nodes)
        ahead = [n for n in range(size) if n > source or (n < source and topology["kind"] != "5pp")]
        if not ahead:
            continue
        readers = st.builds(Reader, st.sampled_from(ahead), st.integers(1, 4), st.integers(0, 5))
        traffic.append(
            Stream(
                source,
                tuple(draw(st.lists(readers, min_size=1, max_size=4))),
                tuple(
                    draw(st.lists(st.integers(0, draw(st.sampled_from((1, 4, 30)))), min_size=1, max_size=12))
                ),
                draw(st.integers(1, 12)),
                draw(st.integers(0, 3)),
            )
        )
    return config, cores, traffic
