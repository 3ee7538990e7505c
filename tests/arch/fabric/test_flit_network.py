"""Flit networks: latency at zero load, nothing lost, order of streams, credits, and rings that deadlock."""

from __future__ import annotations

import re
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch import EdgeList, Topology, fabrics
from arch.fabric.arrivals import Arrivals
from arch.fabric.flit_config import FlitConfig
from arch.fabric.flit_network import FlitNetwork, IdealNetwork
from arch.fabric.interconnect import Interconnect
from simcore import ConfigError, Deadlock

NEVER = 10**9
TWO_WAYS = sorted(set(fabrics) - {"edge-list", "5pp"})


def interconnect_of(topology: Topology, cores: int, *, escape: bool = True) -> Interconnect:
    """Return all ways there are."""
    nodes = range(topology.size(cores))
    pairs = [(a, b) for a, b in product(nodes, nodes) if topology.kind != "5pp" or a <= b]
    return Interconnect(topology, cores, pairs, escape=escape)


def ways_in_use(interconnect: Interconnect) -> list[tuple[int, int]]:
    """Return number and links of each way that has links."""
    return [(n, len(way)) for n, way in enumerate(interconnect.ways.values()) if way]


@st.composite
def topologies(draw: st.DrawFn) -> Topology:
    """A registered graph that goes both ways, or channels both ways between random nodes."""
    kind = draw(st.sampled_from([*TWO_WAYS, "edge-list"]))
    if kind != "edge-list":
        return fabrics[kind](kind=kind)
    line = [(core, core + 1) for core in range(5)]
    extra = draw(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=8))
    both = [(a, b) for one, other in (*line, *extra) for a, b in ((one, other), (other, one)) if a != b]
    return EdgeList(kind=kind, edges=tuple(both))


@st.composite
def configs(draw: st.DrawFn) -> FlitConfig:
    return FlitConfig(
        vcs=draw(st.integers(2, 5)),
        vc_buffer_flits=draw(st.integers(1, 6)),
        vc_choice=draw(st.sampled_from(["any", "stream"])),
        routing_delay=draw(st.integers(0, 2)),
        vc_alloc_delay=draw(st.integers(1, 2)),
        switch_alloc_delay=draw(st.integers(1, 2)),
        switch_traversal_delay=draw(st.integers(0, 2)),
        link_delay=draw(st.integers(1, 3)),
        credit_delay=draw(st.integers(0, 2)),
    )


@pytest.mark.parametrize("network", [FlitNetwork, IdealNetwork])
@pytest.mark.parametrize("kind", [*TWO_WAYS, "5pp"])
def test_a_packet_alone_takes_its_zero_load_latency_on_every_way(
    kind: str, network: type[FlitNetwork | IdealNetwork]
) -> None:
    """Flits take the joint of a bus for a router."""
    interconnect = interconnect_of(fabrics[kind](kind=kind), 9)
    config = FlitConfig(vcs=2, link_delay=2)
    joints = len(interconnect.joints) if network is IdealNetwork else 0
    fabric = network(interconnect, config)
    for way, links in ways_in_use(interconnect):
        flits = 1 + way % 5
        fabric.offer(way, flits, fabric.now, way)
        name, created, arrived = fabric.advance(NEVER, pause=True)
        assert name == [way]
        assert arrived - created == [config.zero_load_cycles(links, links - 1 - joints, flits)]


@settings(deadline=None)
@given(config=configs(), routers=st.integers(0, 4), flits=st.integers(1, 40))
def test_a_packet_alone_waits_for_credits_where_channels_have_little_room(
    config: FlitConfig, routers: int, flits: int
) -> None:
    kind, reader = ("chain", routers - 1) if routers else ("all-to-all", 1)
    interconnect = Interconnect(fabrics[kind](kind=kind), 4, [(0, reader)])
    network = FlitNetwork(interconnect, config)
    network.offer(0, flits, 0, 0)
    _, _, arrived = network.advance(NEVER)
    assert arrived == [config.zero_load_cycles(routers + 1, routers, flits)]


def test_a_flit_takes_five_cycles_a_router_and_two_more() -> None:
    assert [FlitConfig().zero_load_cycles(n + 1, n, 1) for n in (1, 2, 14)] == [7, 12, 72]


@settings(deadline=None)
@given(st.data(), topologies(), configs())
def test_nothing_is_lost_doubled_or_overtaken_and_credits_are_conserved(
    data: st.DataObject, topology: Topology, config: FlitConfig
) -> None:
    interconnect = interconnect_of(topology, 6)
    network = FlitNetwork(interconnect, config)
    way = st.sampled_from([way for way, _ in ways_in_use(interconnect)])
    packets = data.draw(st.lists(st.tuples(st.integers(0, 30), way, st.integers(1, 5)), max_size=60))
    packets.sort(key=lambda packet: packet[0])
    if packets:
        cycles, ways, flits = map(np.array, zip(*packets, strict=True))
        network.offer(ways, flits, cycles, np.arange(len(packets)))
    arrivals = []
    for until in (*range(1, 40, 3), NEVER):
        arrivals.append(network.advance(until))
        network.check()
    out = Arrivals(*map(np.concatenate, zip(*arrivals, strict=True)))
    assert sorted(out.name) == list(range(len(packets)))
    assert (network.packets, network.flits) == (0, 0)
    carried = sum(flits * len(list(interconnect.ways.values())[way]) for _, way, flits in packets)
    assert network.counts.carried.sum() == carried
    for _, number, length in packets:
        assert config.vc_choice == "any" or in_order(out, packets, number), length
    links = dict(ways_in_use(interconnect))
    for name, created, arrived in zip(*out, strict=True):
        _, number, length = packets[name]
        assert arrived - created >= config.zero_load_cycles(links[number], links[number] - 1, length)


def in_order(out: Arrivals, packets: list[tuple[int, int, int]], way: int) -> bool:
    """Tell whether the packets of one way came out as they went in."""
    return all(a < b for a, b in pairwise(name for name in out.name if packets[name][1] == way))


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_when_the_network_is_looked_at_changes_nothing(seed: int) -> None:
    random = np.random.default_rng(seed)
    interconnect = interconnect_of(fabrics["torus"](kind="torus"), 9)
    cycles = np.sort(random.integers(0, 50, 80))
    ways = random.integers(0, len(interconnect.ways), 80)
    whole, pieces = (FlitNetwork(interconnect, FlitConfig(vcs=2)) for _ in range(2))
    whole.offer(ways, 3, cycles, np.arange(80))
    expected = whole.advance(NEVER)
    names: list[int] = []
    for packet in range(80):  # as a machine would: each packet is offered in the cycle it is made
        while pieces.now <= cycles[packet]:  # what is made in a cycle is seen in the next one
            names += pieces.advance(int(cycles[packet]) + 1, pause=True).name.tolist()
        pieces.offer(ways[packet], 3, cycles[packet], packet)
    names += pieces.advance(NEVER).name.tolist()
    assert names == expected.name.tolist()
    for one, other in zip(whole.counts, pieces.counts, strict=True):
        assert (one == other).all()


def test_every_cycle_of_a_link_and_router_is_busy_blocked_or_idle() -> None:
    random = np.random.default_rng(1)
    interconnect = interconnect_of(fabrics["mesh"](kind="mesh"), 9)
    network = FlitNetwork(interconnect, FlitConfig(vcs=2, vc_buffer_flits=2))
    ways = random.integers(0, 81, 500)
    network.offer(ways, 4, 0, 0)
    cycles = int(network.advance(NEVER).arrived[-1]) + 1
    usage = network.usage(cycles)
    assert len(usage) == 9 + len(interconnect.links)
    assert all(sum(states.values()) == cycles and min(states.values()) >= 0 for states in usage.values())
    assert usage["link[router[4],4]"]["busy"] == 4 * np.bincount(readers(interconnect, ways))[4]
    assert network.counts.held_up.sum() > 0
    assert network.counts.no_credit.sum() > 0


def readers(interconnect: Interconnect, ways: Any) -> Any:
    """Return the reader at the end of each way of some."""
    return np.array([target for _, target in interconnect.ways])[ways]


def full_ring(**settings: object) -> FlitNetwork:
    """Return a ring of four on which every node sends to the one opposite, more than buffers hold."""
    pairs = [(core, (core + 2) % 4) for core in range(4)]
    config = FlitConfig.parse(settings)
    interconnect = Interconnect(fabrics["ring"](kind="ring"), 4, pairs, escape=config.escape)
    network = FlitNetwork(interconnect, config)
    network.offer(np.repeat(range(4), 20), 4, 0, range(80))
    return network


def test_a_ring_without_escape_deadlocks_and_the_circle_is_explained() -> None:
    with pytest.raises(Deadlock) as caught:
        full_ring(vcs=1, vc_buffer_flits=2, escape=False).advance(NEVER)
    text = str(caught.value)
    assert re.match(r"deadlock at cycle \d+: no flit can move, but \d+ packets have not come out\n", text)
    assert text.endswith(
        "next step: escape=true, so that packets change lanes where a circle of links closes"
    )
    around = {name for name in caught.value.circle if re.search(r"link\[router\[\d\],router\[\d\]\]", name)}
    assert len(around) == 4
    for here, there in pairwise([*caught.value.circle, caught.value.circle[0]]):
        assert re.search(re.escape(f"  {here} (") + r".*\) waits for .* " + re.escape(there) + r"\n", text)


@pytest.mark.parametrize("vcs", [2, 3, 4])
def test_a_ring_with_escape_delivers_everything(vcs: int) -> None:
    network = full_ring(vcs=vcs, vc_buffer_flits=1)
    assert len(network.advance(NEVER).name) == 80
    network.check()


def test_fewer_channels_than_lanes_are_refused_with_what_would_do() -> None:
    with pytest.raises(
        ConfigError, match=r"vcs must be >= 2 channel here, .* got 1; take 2, or escape=false"
    ):
        full_ring(vcs=1)


def test_packets_in_any_channel_may_overtake_one_another() -> None:
    """A short packet behind a long one takes another channel and is there first."""
    for choice, names in (("any", [1, 0]), ("stream", [0, 1])):
        interconnect = Interconnect(fabrics["chain"](kind="chain"), 3, [(0, 2), (1, 2)])
        network = FlitNetwork(interconnect, FlitConfig.parse({"vc_choice": choice, "vc_buffer_flits": 64}))
        network.offer([1, 0, 0], [64, 32, 1], [0, 0, 0], [9, 0, 1])
        out = network.advance(NEVER).name.tolist()
        assert [name for name in out if name != 9] == names
