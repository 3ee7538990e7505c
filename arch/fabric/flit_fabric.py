"""A flit-level network among components: terminals with ports, and a process that lets its cycles pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import simpy

from arch.fabric.flit_config import FlitConfig
from arch.fabric.flit_network import FlitNetwork
from arch.fabric.interconnect import Interconnect
from simcore import Component, In, Operation, Out, PartConfig, Process, process


@dataclass(frozen=True)
class FlitPacket:
    """What goes from one core to another as flits that stay together.

    reader : node that it is for
    content : whatever it carries
    """

    reader: int
    flits: int
    content: Any = None


class FlitTerminal(Component):
    """Where a core meets the network: packets in are queued at the source, packets out are handed on.

    Timing: a packet takes a cycle a flit into the queue in front of its link, and is sent from there on from
    the cycle after it came. It is handed on in the cycle in which its tail arrives.
    Left out: the size of that queue, and of the memory in which packets wait for a reader that is late.
    """

    family = "link"

    packet_in = In(FlitPacket, doc="packets to send, in order")
    packet_out = Out(FlitPacket, doc="packets for this node, in the order of their tails")
    write = Operation(process="send", unit="packet", doc="into the queue in front of the link")

    def attach(self, fabric: FlitFabric, node: int) -> None:
        """Join the network as a node."""
        self._fabric, self._node = fabric, node
        self.arrivals = simpy.Store(self.simulation.engine)  # type: ignore[arg-type]

    @process
    def send(self) -> Process:
        """Take a packet, give it to the network, and be busy for as long as its flits take."""
        while True:
            packet = yield self.packet_in.get()
            self._fabric.offer(self._node, packet)
            yield self.write.hold(packet.flits)

    @process
    def receive(self) -> Process:
        """Hand on what arrives."""
        while True:
            packet = yield self.waits_for(self.arrivals.get(), "arrival")
            yield self.packet_out.put(packet)


class FlitFabric(Component):
    """Routers and links, stepped cycle by cycle while packets are under way, and asleep otherwise.

    The order in which terminals offer packets in a cycle means nothing, as long as each offers its own in
    order: the network sees them in the next cycle. Streams stay in order only with `vc_choice=stream`.

    network : the simulated one; its `usage` tells what each link and router did
    """

    family = "link"

    carry = Operation(unit="cycle", doc="packets are under way")

    def lay_out(self, interconnect: Interconnect, config: FlitConfig, nodes: Sequence[int]) -> None:
        """Build the network and a terminal for each of some nodes."""
        self.network = FlitNetwork(interconnect, config)
        self._ways = {pair: number for number, pair in enumerate(interconnect.ways)}
        self._packets: dict[int, FlitPacket] = {}
        self._offered = 0
        self._traffic: simpy.Event | None = None  # that the process waits for
        self.terminals: dict[int, FlitTerminal] = {}
        for node in nodes:
            self.terminals[node] = self.add(FlitTerminal, f"terminal[{node}]", PartConfig())
            self.terminals[node].attach(self, node)

    def offer(self, sender: int, packet: FlitPacket) -> None:
        """Take a packet in this cycle; a terminal calls this."""
        cycle = self.simulation.engine.now // self.clock.ticks
        self.network.offer(self._ways[sender, packet.reader], packet.flits, cycle, self._offered)
        self._packets[self._offered] = packet
        self._offered += 1
        if self._traffic is not None:
            self._traffic.succeed()
            self._traffic = None

    @process
    def step(self) -> Process:
        """Let a cycle of the network pass in each cycle in which packets are under way."""
        engine, ticks = self.simulation.engine, self.clock.ticks
        while True:
            if not self._packets:
                self._traffic = simpy.Event(engine)  # type: ignore[arg-type]
                yield self.waits_for(self._traffic, "traffic")
            yield self.carry.hold(1)
            arrivals = self.network.advance(engine.now // ticks + 1)
            for name in arrivals.name.tolist():
                packet = self._packets.pop(name)
                self.terminals[packet.reader].arrivals.put(packet)
