"""The flit network in the loop: the same packets in the same cycles as by itself, and honest books."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch.fabric.configuration import FabricConfig
from arch.fabric.flit_carrier import FlitCarrier
from arch.fabric.flit_entry import Copy
from arch.fabric.flit_network import FlitNetwork
from arch.fabric.interconnect import Interconnect
from simcore import Deadlock
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

Offer = tuple[int, int, int, int, list[int]]  # cycle, stream, token, way, readers


class WatchedCarrier(FlitCarrier):
    """Notes what enters the network."""

    offers: list[Offer] = []  # noqa: RUF012 - of the last run

    def offer(self, copy: Copy, tick: int) -> None:
        self.offers.append((tick, copy.entry.number - 1, copy.token, copy.way, copy.readers))
        super().offer(copy, tick)


def watched(config: FabricConfig, traffic: Traffic, interconnect: Interconnect, **options: Any) -> Any:
    """Return times, outcome, and what entered the network when."""
    WatchedCarrier.offers = []
    times, outcome = run_traffic(config, traffic, interconnect, WatchedCarrier, **options)
    return times, outcome, sorted(WatchedCarrier.offers)


def replayed(
    config: FabricConfig, traffic: Traffic, interconnect: Interconnect, offers: list[Offer]
) -> tuple[FlitNetwork, dict[tuple[int, int, int], int]]:
    """Offer the same to a network alone; return it, and when pixels came out (stream, token, reader)."""
    network = FlitNetwork(interconnect, config.flit_config)
    ways = [way for *_, way, _ in offers]
    flits = [config.flits(traffic[number].bits) for _, number, *_ in offers]
    network.offer(ways, flits, [tick - 1 for tick, *_ in offers], np.arange(len(offers)))
    out = network.advance(10**9)
    landed: dict[tuple[int, int, int], int] = {}
    for name, _, tick in zip(*out, strict=True):
        _, number, token, _, readers = offers[name]
        landed |= {(number, token, reader): int(tick) for reader in readers}
    return network, landed


@given(loads("flit"))
@settings(deadline=None, max_examples=100)
def test_any_traffic_arrives_as_in_the_network_alone(case: tuple[FabricConfig, int, Traffic]) -> None:
    config, cores, traffic = case
    if not traffic:
        return
    interconnect = interconnect_of(config, cores, traffic)
    times, outcome, offers = watched(config, traffic, interconnect)
    network, arrivals = replayed(config, traffic, interconnect, offers)
    for number, stream in enumerate(traffic):
        for reader, found in enumerate(times[number]):
            expected = [arrivals[number, token, reader] for token in range(len(stream.gaps))]
            assert found.landed == expected
    accounts = {a.path.removeprefix("fabric."): a.ticks for a in outcome.accounts}
    for path, cycles in network.usage(outcome.cycles).items():
        ticks = accounts[path]
        assert cycles["busy"] == ticks.get("busy:transfer", 0) + ticks.get("busy:forward", 0)
        assert cycles["blocked"] == ticks.get("blocked-output:packet", 0)
    bits: Counter[str] = Counter()
    ways = list(interconnect.ways.values())
    for _, number, _, way, _ in offers:
        for hop in ways[way]:
            source, target = interconnect.links[hop.link]
            bits[f"fabric.link[{source},{target}]"] += traffic[number].bits
    actions = outcome.energy.actions
    assert bits == {path: counts["bit sent"] for path, counts in actions.items() if "bit sent" in counts}


@given(loads("flit"), st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_neither_order_of_processes_nor_engine_nor_records_change_anything(
    case: tuple[FabricConfig, int, Traffic], shuffle: int
) -> None:
    config, cores, traffic = case
    if traffic:
        interconnect = interconnect_of(config, cores, traffic)
        times, outcome, offers = watched(config, traffic, interconnect, record=True)
        for engine in ENGINES:
            again, other, same = watched(config, traffic, interconnect, engine=engine, shuffle=shuffle)
            assert (again, same) == (times, offers)
            assert (other.accounts, other.energy) == (outcome.accounts, outcome.energy)


@given(topologies(joints=False), st.integers(1, 5), st.integers(1, 9), st.integers(0, 3), st.data())
@settings(deadline=None)
def test_a_packet_alone_takes_what_its_routers_links_and_flits_take(
    chosen: tuple[dict[str, Any], int], latency: int, flits: int, delay: int, data: st.DataObject
) -> None:
    topology, cores = chosen
    routers = {"vcs": 6, "routing_delay": 2, "vc_buffer_flits": 16}
    config = fabric(topology, fidelity="flit", latency_cycles=latency, flit=routers, width_bits=1)
    node = st.integers(0, config.topology.size(cores) - 1)
    source, target = sorted(data.draw(st.lists(node, min_size=2, max_size=2, unique=True)))
    traffic = [Stream(source, (Reader(target, 1, 0),), (7,), bits=flits, delay=delay)]
    interconnect = interconnect_of(config, cores, traffic)
    ((times,),), _, _ = watched(config, traffic, interconnect)
    links, passed = interconnect.length((source, target)), interconnect.routers_on((source, target))
    assert times.landed == [7 + delay + links * latency + passed * 5 + flits - 1]
    assert times.landed[0] == 7 + delay + config.zero_load_cycles(links, passed, flits)


@given(st.integers(1, 4), st.integers(1, 6))
@settings(deadline=None)
def test_places_bound_how_fast_a_stage_can_send(places: int, flits: int) -> None:
    """A place is taken until the tail has left for the network, and a cycle more until that is known.

    Behind that, routers compute the route and allocate a channel once the packet before has left: 2 cycles.
    """
    config = fabric(
        {"kind": "chain"},
        fidelity="flit",
        width_bits=1,
        queue_packets=places,
        flit={"vc_buffer_flits": 64},
    )
    traffic = [Stream(0, (Reader(1, 99, 0),), (0,) * 20, bits=flits)]
    ((times,),), _, _ = watched(config, traffic, interconnect_of(config, 2, traffic))
    starts: list[int] = []
    landed: list[int] = []
    for number in range(20):
        link = starts[-1] + flits if starts else 0
        place = starts[number - places] + flits + 1 if number >= places else 0
        starts.append(max(link, place))
        alone = starts[-1] + config.zero_load_cycles(3, 2, flits)
        landed.append(max(alone, landed[-1] + flits + 2) if landed else alone)
    assert times.landed == landed


def test_copies_of_a_pixel_share_its_place_and_are_packets_of_their_own() -> None:
    """Both readers' packets of 3 flits leave one behind the other, and the next pixel behind these."""
    edges = {"kind": "edge-list", "edges": [(0, 1), (0, 2)]}
    config = fabric(edges, fidelity="flit", width_bits=1, queue_packets=1)
    traffic = [Stream(0, (Reader(1, 9, 0), Reader(2, 9, 0)), (0, 0), bits=3)]
    (times,), outcome, offers = watched(config, traffic, interconnect_of(config, 3, traffic))
    alone = config.zero_load_cycles(3, 2, 3)
    assert [tick for tick, *_ in offers] == [0, 0, 7, 7]
    assert [reader.landed for reader in times] == [[alone, 7 + alone], [3 + alone, 10 + alone]]
    injection = next(a for a in outcome.accounts if a.path == "fabric.link[0,router[0]]")
    assert injection.ticks["busy:transfer"] == 12


def round_trip(cores: int, pixels: int) -> Traffic:
    """Everybody sends halfway around."""
    return [Stream(n, (Reader((n + cores // 2) % cores, pixels, 0),), (0,) * pixels) for n in range(cores)]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_ring_without_its_escape_deadlocks_and_says_how(engine: Any) -> None:
    traffic = round_trip(4, 30)
    settings: dict[str, Any] = {"fidelity": "flit", "width_bits": 2, "flit": {"vcs": 1, "vc_buffer_flits": 2}}
    closed = fabric({"kind": "ring"}, **settings, escape=False)
    with pytest.raises(Deadlock) as caught:
        watched(closed, traffic, interconnect_of(closed, 4, traffic), engine=engine)
    told, circle = str(caught.value), caught.value.circle
    assert re.match(r"deadlock at cycle \d+: no flit can move, but \d+ packets have not come out\n", told)
    assert "next step: fabric.escape=true, so that packets change lanes" in told
    assert all(re.search(r"  .* waits for .*" + re.escape(there), told) for _, there in pairwise(circle))
    settings["flit"]["vcs"] = 2
    opened = fabric({"kind": "ring"}, **settings)
    times, _, _ = watched(opened, traffic, interconnect_of(opened, 4, traffic), engine=engine)
    assert all(len(reader.landed) == 30 for stream in times for reader in stream)
