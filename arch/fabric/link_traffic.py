"""Synthetic traffic on links: the `LinkNetwork` of machines, between nodes that only send.

A node makes packets without end and keeps those that find no slot in the queue in front of its links. A
packet is sent in the cycle behind that in which it was made, as flits are. What comes out is taken at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from arch.fabric.arrivals import Arrivals
from arch.fabric.configuration import FabricConfig
from arch.fabric.interconnect import Interconnect
from arch.fabric.link_network import LinkNetwork
from arch.fabric.lone_fabric import LoneFabricConfig
from arch.fabric.traffic_run import TrafficRun
from arch.links import LinksConfig
from simcore import Component, In, Operation, Out, PartConfig, Process, Simulation, clock, process
from simcore.carried import CarriedBuffer
from simcore.causes import BY_TIME, Act


class Made(NamedTuple):
    """A packet that a node makes in a cycle, for one of its readers."""

    packet: int
    reader: int
    cycle: int


class Exit(CarriedBuffer):
    """Where packets from one node for another come out; their numbers are those of all, so they have gaps."""

    took: Callable[[int], None]

    def put_at(self, token: int, tick: int) -> bool:
        """Let a packet set out: there is room for any number."""
        return True

    def land(self, token: int, by: Act = BY_TIME) -> None:
        """Take a packet whose tail is here."""
        self.took(token)


class Node(Component):
    """Sends packets in the order in which it makes them."""

    made_in = In(list, doc="packets of a stretch of time")
    wait = Operation(doc="until a packet is made and sent, which chance decides")

    def attach(self, bench: TrafficBench) -> None:
        """Belong to a bench."""
        self._bench = bench
        self.exits: list[Exit] = []

    @process
    def send(self) -> Process:
        """Send packet after packet, until nobody waits for them any more."""
        bench, engine = self._bench, self.simulation.engine
        while True:
            for made in (yield self.made_in.get()):
                if not bench.over and made.cycle + 1 > engine.now:
                    yield self.wait.hold(made.cycle + 1 - engine.now)
                if not bench.over:
                    bench.sent += 1
                    yield self.exits[made.reader].end.put(made.packet)


class TrafficBench(Component):
    """Nodes on a network, and a process that hands out what they are to send and counts what came out.

    over : whether nobody waits for further packets
    sent, out : packets that were to be sent, and have come out
    cycles : that were watched
    """

    watch = Operation(doc="a stretch of time, as the run is cut up")

    def lay_out(self, config: LoneFabricConfig, interconnect: Interconnect, run: TrafficRun) -> None:
        """Build network and nodes."""
        self.over = False
        self.sent = self.out = self.cycles = 0
        self._run = run
        self._created: list[int] = []
        self._came: list[tuple[int, int]] = []  # packets, and when
        network = self.add(LinkNetwork, "fabric", PartConfig())
        network.lay_out(fabric_config(config), LinksConfig(), interconnect)
        self._places: dict[int, tuple[int, int]] = {}  # node and reader of each way
        ways: list[list[tuple[int, int]]] = [[] for _ in range(config.cores)]
        for number, ((sender, reader), way) in enumerate(interconnect.ways.items()):
            if way:
                self._places[number] = sender, len(ways[sender])
                ways[sender].append((sender, reader))
        self._outs = []
        for number, keys in enumerate(ways):
            node = self.add(Node, f"node[{number}]", PartConfig())
            node.attach(self)
            out = self.port(Out(list, doc="packets of a stretch of time"), f"made_out[{number}]")
            self.connect(out, node.made_in, depth=run.most_stretches)
            self._outs.append(out)
            if not keys:
                continue
            entry = network.entry(f"node{number}", config.packet_flits, 0, keys)
            for index, key in enumerate(keys):
                exit_ = Exit(self.simulation.engine, f"{key[0]} -> {key[1]}", None, entry, index)
                exit_.took = self._took
                node.account(exit_.end, "blocked-output:packet", exit_.end.writer_waits)
                node.exits.append(exit_)
            entry.connect([exit_.end for exit_ in node.exits])

    @process
    def serve(self) -> Process:
        """Hand out the packets of each stretch, let it pass, and tell what came out."""
        for ways, cycles, stop in self._run.stretches():
            made: list[list[Made]] = [[] for _ in self._outs]
            for way, cycle in zip(ways.tolist(), cycles.tolist(), strict=True):
                node, reader = self._places[way]
                made[node].append(Made(len(self._created), reader, cycle))
                self._created.append(cycle)
            for out, packets in zip(self._outs, made, strict=True):
                if packets:
                    yield out.put(packets)
            yield self.watch.hold(stop - self.cycles)
            self.cycles = stop
            names, ticks = np.array(self._came, np.int64).reshape(-1, 2).T
            self._came.clear()
            self._run.take(Arrivals(names, np.array(self._created, np.int64)[names], ticks))
        self.over = True
        self.simulation.expect(self.sent, "packets", lambda: self.out)
        self._finish()

    def _took(self, packet: int) -> None:
        self._came.append((packet, self.simulation.engine.now))
        self.out += 1
        if self.over:
            self._finish()

    def _finish(self) -> None:
        """Finish once nothing is under way; what never comes out is a deadlock, which then is explained."""
        if self.out == self.sent:
            self.simulation.finish()


def fabric_config(config: LoneFabricConfig) -> FabricConfig:
    """Return the fabric as machines have it: routers take the sum of the stages, and a flit is a bit."""
    return FabricConfig(
        fidelity="link",
        topology=config.topology,
        latency_cycles=config.link_delay,
        router_cycles=config.router_cycles,
        width_bits=1,
        queue_packets=config.queue_packets,
        escape=config.escape,
    )


def drive_links(config: LoneFabricConfig, interconnect: Interconnect, run: TrafficRun) -> tuple[int, float]:
    """Let traffic pass over links; return the cycles that were watched, and the seconds it took."""
    simulation = Simulation([clock("fabric", 10**9)])
    bench = simulation.build(TrafficBench, PartConfig())
    bench.lay_out(config, interconnect, run)
    wall_s = simulation.run().wall_s
    return bench.cycles, wall_s
