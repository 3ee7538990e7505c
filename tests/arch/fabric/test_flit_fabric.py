"""A flit network among components: the same packets in the same cycles as by itself, on either engine."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch import fabrics
from arch.fabric.flit_config import FlitConfig
from arch.fabric.flit_fabric import FlitFabric, FlitPacket
from arch.fabric.flit_network import FlitNetwork
from arch.fabric.interconnect import Interconnect
from simcore import Component, In, Operation, Out, Outcome, PartConfig, Process, Simulation, process
from simcore.simulation import EngineName
from tests.benches import CORE, ENGINES

NODES = 4
Sent = tuple[int, int, int]  # cycles to wait for before, reader, flits


class Core(Component):
    """Sends packets after given waits, and notes in which cycle others arrive."""

    packet_out = Out(FlitPacket, doc="its own")
    packet_in = In(FlitPacket, doc="those of others")
    think = Operation(process="talk", doc="between packets")

    packets: Sequence[Sent] = ()
    heard: list[tuple[int, int]]  # by all cores: cycle and packet
    total: int

    @process
    def talk(self) -> Process:
        for number, (wait, reader, flits) in enumerate(self.packets):
            yield self.think.hold(wait)
            name = number * NODES + int(self.path[-2])
            yield self.packet_out.put(FlitPacket(reader, flits, name))

    @process
    def listen(self) -> Process:
        while True:
            packet = yield self.packet_in.get()
            self.heard.append((self.simulation.engine.now, packet.content))
            if len(self.heard) == self.total:
                self.simulation.finish()


class WatchedFabric(FlitFabric):
    """Notes what is offered: cycle, way, flits, name."""

    def build(self) -> None:
        self.offers: list[tuple[int, int, int, int]] = []

    def offer(self, sender: int, packet: FlitPacket) -> None:
        way = sender * NODES + packet.reader
        self.offers.append((self.simulation.engine.now, way, packet.flits, packet.content))
        super().offer(sender, packet)


class Chip(Component):
    """Cores on the nodes of a network; done when every packet has been heard."""

    def wire(self, interconnect: Interconnect, config: FlitConfig, traffic: Sequence[Sequence[Sent]]) -> None:
        self.fabric = self.add(WatchedFabric, "fabric", PartConfig())
        self.fabric.lay_out(interconnect, config, range(NODES))
        self.heard: list[tuple[int, int]] = []
        for node, packets in enumerate(traffic):
            core = self.add(Core, f"core[{node}]", PartConfig())
            core.packets, core.heard, core.total = packets, self.heard, sum(map(len, traffic))
            terminal = self.fabric.terminals[node]
            self.connect(core.packet_out, terminal.packet_in, depth=1)
            self.connect(terminal.packet_out, core.packet_in, depth=1)


def interconnect() -> Interconnect:
    return Interconnect(fabrics["ring"](kind="ring"), NODES, product(range(NODES), range(NODES)))


def run_chip(
    traffic: Sequence[Sequence[Sent]], config: FlitConfig, engine: EngineName, shuffle: int | None = None
) -> tuple[Chip, Outcome]:
    simulation = Simulation([CORE], engine=engine, shuffle=shuffle)
    chip = simulation.build(Chip, PartConfig())
    chip.wire(interconnect(), config, traffic)
    simulation.expect(sum(map(len, traffic)), "packets", lambda: len(chip.heard))
    return chip, simulation.run()


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_packets_arrive_as_in_the_network_alone_on_either_engine_and_in_any_order(
    data: st.DataObject,
) -> None:
    sent = st.tuples(st.integers(0, 12), st.integers(0, NODES - 1), st.integers(1, 4))
    traffic = data.draw(st.lists(st.lists(sent, max_size=6), min_size=NODES, max_size=NODES).filter(any))
    config = FlitConfig(vcs=2, vc_buffer_flits=data.draw(st.integers(1, 4)))
    seen = []
    for engine, shuffle in product(ENGINES, (None, 1)):
        chip, _ = run_chip(traffic, config, engine, shuffle)
        chip.fabric.network.check()
        alone = FlitNetwork(interconnect(), config)
        cycles, ways, flits, names = np.array(chip.fabric.offers).T
        alone.offer(ways, flits, cycles, names)
        arrivals = alone.advance(10**6)
        assert sorted(chip.heard) == sorted(
            zip(*(a.tolist() for a in (arrivals.arrived, arrivals.name)), strict=True)
        )
        seen.append(sorted(chip.heard))
    assert all(heard == seen[0] for heard in seen)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_idle_fabric_costs_no_events_and_its_time_is_accounted(engine: EngineName) -> None:
    config = FlitConfig(vcs=2)
    traffic = [[(100_000, 2, 3)], [], [], []]
    chip, outcome = run_chip(traffic, config, engine)
    flight = config.zero_load_cycles(4, 3)
    assert outcome.cycles == 100_000 + flight
    assert outcome.events < 200
    accounts = {account.path: account.ticks for account in outcome.accounts}
    assert accounts["fabric"] == {"busy:carry": flight, "wait-resource:traffic": 100_000}
    assert accounts["fabric.terminal[0].send"]["busy:write"] == 3
    usage = chip.fabric.network.usage(outcome.cycles)
    assert usage["link[0,router[0]]"] == {"busy": 3, "blocked": 0, "idle": outcome.cycles - 3}
    assert all(sum(states.values()) == outcome.cycles for states in usage.values())
