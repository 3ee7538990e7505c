"""Wormhole networks: the kernel equals its specification in every field of the state, cycle by cycle."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simcore.kernels.wormhole import advance, advance_to_news, enqueue
from simcore.kernels.wormhole_reference import (
    COMES_OUT,
    STUCK,
    advance_reference,
    advance_to_news_reference,
    enqueue_reference,
)
from simcore.kernels.wormhole_state import NOTHING, NOW, Shape, make_counts, make_shape, make_state

Packet = tuple[int, int, int]  # way, flits, cycle


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    """A few routers with a terminal each and channels between some, and ways between all they connect."""
    routers = draw(st.integers(1, 4))
    pairs = [(a, b) for a in range(routers) for b in range(routers) if a != b]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    vcs, cycles = draw(st.integers(1, 3)), st.integers(1, 3)
    ends = [(NOTHING, r) for r in range(routers)] + [(r, NOTHING) for r in range(routers)] + edges
    links = [(a, b, draw(cycles) + (a != NOTHING), 1 + draw(cycles)) for a, b in ends]
    graph = networkx.DiGraph()
    graph.add_nodes_from(range(routers))
    graph.add_edges_from(edges)
    ways = []
    for source, routes in sorted(networkx.all_pairs_shortest_path(graph)):
        for target, route in sorted(routes.items()):
            first = draw(st.integers(0, vcs - 1))
            through = [ends.index(edge) for edge in pairwise(route)]
            steps = [source, *through, routers + target]
            ways.append([(link, first, draw(st.integers(1, vcs - first))) for link in steps])
    return make_shape(
        links,
        ways,
        routers=routers,
        vcs=vcs,
        depth=draw(st.integers(1, 3)),
        routing=draw(st.integers(0, 2)),
        allocation=draw(st.integers(1, 2)),
    )


def packets_of(shape: Shape) -> st.SearchStrategy[list[Packet]]:
    way, flits, cycle = st.integers(0, len(shape.way) - 1), st.integers(1, 4), st.integers(0, 20)
    return st.lists(st.tuples(way, flits, cycle), max_size=30).map(
        lambda packets: sorted(packets, key=lambda packet: packet[2])
    )


def run(shape: Shape, packets: list[Packet], step: Any, put: Any, pause: bool) -> list[Any]:
    """Return the whole state and all counts at every stop."""
    state, counts = make_state(shape, len(packets) + 1), make_counts(shape)
    for number, (way, flits, cycle) in enumerate(packets):
        state.packet[number] = (way, flits, 0, NOTHING, cycle, NOTHING, NOTHING, number)
    put(shape, state, np.arange(len(packets)))
    stops = []
    while True:
        why = step(shape, state, counts, 400, pause)
        state.lists[:] = 0  # what the kernel leaves lying about
        stops.append((why, *(array.tobytes() for array in (*state, *counts))))
        if why == STUCK or state.clock[NOW] >= 400:
            return stops


@settings(deadline=None)  # the kernel's first call compiles it
@given(data=st.data(), shape=shapes(), pause=st.booleans())
def test_the_kernel_equals_its_specification(data: st.DataObject, shape: Shape, pause: bool) -> None:
    packets = data.draw(packets_of(shape))
    twin = run(shape, packets, advance_reference, enqueue_reference, pause)
    assert run(shape, packets, advance, enqueue, pause) == twin


@settings(deadline=None)
@given(data=st.data(), shape=shapes(), watch=st.booleans())
def test_news_are_packets_that_come_out_in_the_next_cycle(
    data: st.DataObject, shape: Shape, watch: bool
) -> None:
    packets = data.draw(packets_of(shape))

    def to_news(step: Any) -> Any:
        return lambda shape, state, counts, until, watch: step(shape, state, counts, 0, until, watch)

    twin = run(shape, packets, to_news(advance_to_news_reference), enqueue_reference, watch)
    assert run(shape, packets, to_news(advance_to_news), enqueue, watch) == twin
    state, counts, arrivals = make_state(shape, len(packets) + 1), make_counts(shape), []
    for number, (way, flits, cycle) in enumerate(packets):
        state.packet[number] = (way, flits, 0, NOTHING, cycle, NOTHING, NOTHING, number)
    enqueue(shape, state, np.arange(len(packets)))
    while state.clock[NOW] < 400:
        why = advance_to_news(shape, state, counts, 0, 400, watch)
        if why == STUCK:
            return
        if why == COMES_OUT:
            arrivals.append(state.clock[NOW])
    assert arrivals == sorted({cycle for cycle in state.packet.arrived[: len(packets)] if cycle > 0})


@pytest.mark.parametrize("routing", [0, 1, 3])
@pytest.mark.parametrize("flits", [1, 5])
def test_a_packet_alone_takes_each_stage_once(routing: int, flits: int) -> None:
    links = [(NOTHING, 0, 1, 3), (0, 1, 3, 3), (1, NOTHING, 3, 3)]
    way = [(0, 0, 2), (1, 0, 2), (2, 0, 2)]
    shape = make_shape(links, [way], routers=2, vcs=2, depth=8, routing=routing, allocation=1)
    state, counts = make_state(shape, 1), make_counts(shape)
    state.packet[0] = (0, flits, 0, NOTHING, 7, NOTHING, NOTHING, 0)
    enqueue(shape, state, np.arange(1))
    advance(shape, state, counts, 1000, True)
    assert state.packet.arrived[0] - 7 == 2 + 2 * (routing + 1 + 3) + flits - 1
    assert counts.carried.tolist() == [flits] * 3
