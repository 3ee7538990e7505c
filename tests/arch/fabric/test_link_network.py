"""The fabric at the level of packets, on its own."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch.fabric.configuration import FabricConfig
from simcore import Deadlock
from tests.arch.fabric.naive_links import NaiveLinks
from tests.arch.fabric.traffic import (
    Reader,
    Stream,
    Traffic,
    fabric,
    interconnect_of,
    loads,
    run_traffic,
    topologies,
)
from tests.benches import ENGINES


@given(loads())
@settings(deadline=None, max_examples=150)
def test_any_traffic_takes_the_time_that_it_takes_on_the_naive_twin(
    case: tuple[FabricConfig, int, Traffic],
) -> None:
    """Nothing lost, doubled or overtaken, too: both insist on the order of each reader's pixels."""
    config, cores, traffic = case
    if traffic:
        interconnect = interconnect_of(config, cores, traffic)
        times, outcome = run_traffic(config, traffic, interconnect)
        twin = NaiveLinks(config, traffic, interconnect)
        assert times == twin.run()
        spent = {f"link[{s},{t}]": twin.links[i].spent for i, (s, t) in enumerate(interconnect.links)}
        spent |= twin.routers
        accounts = {a.path.removeprefix("fabric."): a.ticks for a in outcome.accounts}
        for path, cycles in spent.items():
            ticks = accounts[path]
            assert cycles["busy"] == ticks.get("busy:transfer", 0) + ticks.get("busy:forward", 0)
            assert cycles["blocked"] == ticks.get("blocked-output:packet", 0)


@given(loads(), st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_neither_order_of_processes_nor_engine_changes_anything(
    case: tuple[FabricConfig, int, Traffic], shuffle: int
) -> None:
    config, cores, traffic = case
    if traffic:
        interconnect = interconnect_of(config, cores, traffic)
        times, outcome = run_traffic(config, traffic, interconnect, record=True)
        for engine in ENGINES:
            again, other = run_traffic(config, traffic, interconnect, engine=engine, shuffle=shuffle)
            assert (again, other.accounts, other.energy) == (times, outcome.accounts, outcome.energy)


@given(topologies(), st.integers(1, 5), st.integers(0, 5), st.integers(1, 9), st.data())
@settings(deadline=None)
def test_a_packet_alone_takes_what_its_routers_links_and_flits_take(
    chosen: tuple[dict[str, Any], int], latency: int, router: int, flits: int, data: st.DataObject
) -> None:
    topology, cores = chosen
    config = fabric(topology, latency_cycles=latency, router_cycles=router, width_bits=1)
    node = st.integers(0, config.topology.size(cores) - 1)
    source, target = sorted(data.draw(st.lists(node, min_size=2, max_size=2, unique=True)))
    traffic = [Stream(source, (Reader(target, 1, 0),), (7,), bits=flits)]
    interconnect = interconnect_of(config, cores, traffic)
    ((times,),), _ = run_traffic(config, traffic, interconnect)
    links, routers = interconnect.length((source, target)), interconnect.routers_on((source, target))
    assert routers == links - 1 - len(interconnect.joints)
    assert times.landed == [7 + links * latency + routers * router + flits - 1]
    assert times.landed[0] == 7 + config.zero_load_cycles(links, routers, flits)


@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 4), st.integers(1, 6))
@settings(deadline=None)
def test_slots_bound_how_fast_a_link_can_send(queue: int, latency: int, router: int, flits: int) -> None:
    """A slot is taken until the tail has left, and a cycle more until that is known."""
    config = fabric(
        {"kind": "chain"}, width_bits=1, queue_packets=queue, latency_cycles=latency, router_cycles=router
    )
    traffic = [Stream(0, (Reader(1, 99, 0),), (0,) * 20, bits=flits)]
    ((times,),), _ = run_traffic(config, traffic, interconnect_of(config, 2, traffic))
    starts: list[int] = []
    for number in range(20):
        free = starts[-1] + flits if starts else 0
        slot = starts[number - queue] + latency + router + flits + 1 if number >= queue else 0
        starts.append(max(free, slot))
    assert times.landed == [start + config.zero_load_cycles(3, 2, flits) for start in starts]


FORK = {"kind": "edge-list", "edges": [(0, 1), (1, 2), (1, 3)]}


def test_two_streams_take_turns_on_the_link_that_they_share() -> None:
    """Packets of 3 flits, a flit a cycle: headers of both are there after 4 cycles, and one of them waits."""
    edges = {"kind": "edge-list", "edges": [(0, 2), (1, 2), (2, 3)]}
    config = fabric(edges, width_bits=1, router_cycles=1, latency_cycles=1)
    traffic = [Stream(node, (Reader(3, 9, 0),), (0, 0, 0), bits=3) for node in (0, 1)]
    ((first,), (second,)), outcome = run_traffic(config, traffic, interconnect_of(config, 4, traffic))
    alone = 4 + 3 + 2
    assert first.landed == [alone, alone + 6, alone + 12]
    assert second.landed == [alone + 3, alone + 9, alone + 15]
    shared = next(a for a in outcome.accounts if a.path == "fabric.link[router[2],router[3]]")
    assert shared.ticks == {"wait-input:packet": 4, "busy:transfer": 18, "finished": 2}


def test_readers_with_room_share_a_packet_and_late_ones_get_their_own() -> None:
    """Router 1 forks; the slow reader's second copy sets out when it has read the first."""
    config = fabric(FORK, router_cycles=0)
    fast, slow = Reader(2, 9, 0), Reader(3, 1, 20)
    traffic = [Stream(0, (fast, slow), (0, 0))]
    ((quick, late),), outcome = run_traffic(config, traffic, interconnect_of(config, 4, traffic))
    assert quick.landed == [4, 5]
    assert late.landed == [4, 4 + 20 + 4]
    shared = next(a for a in outcome.accounts if a.path == "fabric.link[0,router[0]]")
    assert shared.ticks["busy:transfer"] == 3


@pytest.mark.parametrize("shuffle", range(4))
def test_packets_that_leave_a_router_at_once_are_one_stretch_of_its_time(shuffle: int) -> None:
    traffic = [Stream(0, (Reader(1, 1, 0),), (0,), bits=2), Stream(1, (Reader(0, 1, 0),), (0,), bits=1)]
    config = fabric({"kind": "c-mesh"}, width_bits=1)
    _, outcome = run_traffic(config, traffic, interconnect_of(config, 2, traffic), shuffle=shuffle)
    assert outcome.energy.actions["fabric.router[0]"] == {"forward": 1, "bit routed": 3}


def test_a_full_reader_holds_up_its_own_stream_only() -> None:
    """What nobody has room for does not set out, so it cannot stand in the way of others."""
    edges = {"kind": "edge-list", "edges": [(0, 2), (1, 2), (2, 3), (2, 4)]}
    config = fabric(edges, queue_packets=1)
    traffic = [
        Stream(0, (Reader(3, 1, 1000),), (0,) * 3),
        Stream(1, (Reader(4, 1, 0),), (9,) * 20),
    ]
    (_, (free,)), _ = run_traffic(config, traffic, interconnect_of(config, 5, traffic))
    assert free.landed == [9 * n + 7 for n in range(1, 21)]


def round_trip(cores: int, pixels: int) -> Traffic:
    """Every core sends to the one half way round."""
    far = cores // 2
    return [Stream(n, (Reader((n + far) % cores, pixels, 0),), (0,) * pixels) for n in range(cores)]


@pytest.mark.parametrize(("kind", "cores"), [("ring", 4), ("ring", 7), ("torus", 16)])
def test_a_ring_without_its_escape_deadlocks_and_says_how(kind: str, cores: int) -> None:
    traffic = round_trip(cores, 30)
    closed = fabric({"kind": kind}, queue_packets=1, escape=False)
    interconnect = interconnect_of(closed, cores, traffic)
    with pytest.raises(Deadlock) as caught:
        run_traffic(closed, traffic, interconnect)
    told = str(caught.value)
    ring = [parked.unit.path for parked in caught.value.circle]
    assert interconnect.lanes == 1
    assert all(path.startswith("fabric.link[router[") for path in ring)
    assert "holds 1 of 1 packets: stream" in told
    assert "next step: give packets lanes by which they escape such a circle: fabric.escape=true" in told
    open_ended = fabric({"kind": kind}, queue_packets=1)
    times, _ = run_traffic(open_ended, traffic, interconnect_of(open_ended, cores, traffic))
    assert all(len(reader.landed) == 30 for stream in times for reader in stream)


@given(loads())
@settings(deadline=None, max_examples=40)
def test_flits_and_bits_are_those_of_every_link_of_every_packet(
    case: tuple[FabricConfig, int, Traffic],
) -> None:
    """With room for all pixels of all readers each is one packet along the union of the ways."""
    config, cores, traffic = case
    traffic = [
        Stream(s.node, tuple(Reader(r.node, 99, 0) for r in s.readers), s.gaps, s.bits) for s in traffic
    ]
    config = config.model_copy(update={"queue_packets": 99})
    if traffic:
        interconnect = interconnect_of(config, cores, traffic)
        _, outcome = run_traffic(config, traffic, interconnect)
        flits = 0
        for stream in traffic:
            ways = [interconnect.ways[stream.node, reader.node] for reader in stream.readers]
            tree = {way[: n + 1] for way in ways for n in range(len(way))}
            flits += len(tree) * len(stream.gaps) * config.flits(stream.bits)
        busy = sum(a.ticks.get("busy:transfer", 0) for a in outcome.accounts if a.family == "link")
        assert busy == flits


def test_the_joint_of_a_bus_takes_no_time_energy_or_area() -> None:
    """A pixel for two readers crosses the medium once, and costs only what its arbiter does."""
    config = fabric({"kind": "bus"}, router_cycles=5, router_area_mm2=2.0, router_bit_energy_pj=3.0)
    traffic = [Stream(0, (Reader(1, 9, 0), Reader(2, 9, 0)), (0,), bits=8)]
    (times,), outcome = run_traffic(config, traffic, interconnect_of(config, 3, traffic))
    assert [reader.landed for reader in times] == [[3 + 5], [3 + 5]]
    assert [a.path for a in outcome.accounts if a.family == "router"] == ["fabric.bus[in]"]
    assert outcome.energy.by_component["router"] == pytest.approx(8 * 3e-12)
    assert outcome.area.by_component["router"] == 2.0
