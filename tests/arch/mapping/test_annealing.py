"""Annealed placements and the bound on byte-hops, beside all placements there are."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from arch import (
    EdgeList,
    HTree,
    Hypercube,
    LayerGraph,
    Mesh,
    ParallelPrism,
    Placement,
    PlacementConfig,
    Ring,
    Stream,
    Topology,
    Torus,
    graph_of_edges,
    place_layers,
)
from arch.mapping.annealing import annealed
from arch.mapping.byte_hops_bound import least_byte_hops
from arch.mapping.layer_graph import graph_of_stages
from arch.mapping.stages import stages_of
from simcore import ConfigError, MappingError
from tests.arch.fabric.test_topologies import REGULAR_AND_PRISMS
from tests.arch.mapping.test_core_order import graphs
from workloads import lower, networks

SECONDS = 60.0
ANNEALED = PlacementConfig(strategy="annealed", moves=3000)


@st.composite
def weighed_graphs(draw: st.DrawFn, cores: int) -> LayerGraph:
    """Draw a graph whose streams have different bytes, and some cores send two."""
    graph = draw(graphs(cores=cores))
    streams = []
    for stream in graph.streams:
        size = draw(st.integers(1, 5))
        streams.append(replace(stream, pixel_bytes=size))
        if draw(st.booleans()):
            streams.append(Stream(f"{stream.name}'", stream.source, stream.readers[-1:], 6 - size))
    return replace(graph, streams=tuple(streams))


def placed_at(graph: LayerGraph, topology: Topology, nodes: tuple[int, ...]) -> Placement:
    at = dict(zip(graph.cores, nodes, strict=True))
    size = topology.size(len(at))
    ways = {(source, reader): topology.route(size, at[source], at[reader]) for source, reader in graph.edges}
    return Placement(graph, topology, at, ways, relays=0)


def best_of_all(graph: LayerGraph, topology: Topology) -> tuple[int, int]:
    """Return the least byte-hops, and among these the least bytes on the busiest channel."""
    costs = []
    for nodes in permutations(range(topology.size(len(graph.cores))), len(graph.cores)):
        try:
            placement = placed_at(graph, topology, nodes)
        except MappingError:  # no way
            continue
        costs.append((placement.byte_hops, placement.most_bytes))
    return min(costs)


@pytest.mark.parametrize("topology", [*REGULAR_AND_PRISMS, Ring(), Mesh(rows=2, columns=3)], ids=repr)
@given(graph=weighed_graphs(cores=4))
@settings(deadline=None, max_examples=8)
def test_no_placement_goes_below_the_bound_and_annealing_finds_the_best(
    topology: Topology, graph: LayerGraph
) -> None:
    try:
        placement = place_layers(graph, topology, SECONDS, ANNEALED)
    except MappingError:
        assume(False)  # a short prism that not even relays help
    best = best_of_all(placement.graph, topology)
    assert placement.least_byte_hops <= best[0]
    assert (placement.byte_hops, placement.most_bytes) == best


@given(weighed_graphs(cores=6), st.sampled_from([Ring(), Mesh(rows=2), HTree()]))
@settings(deadline=None, max_examples=15)
def test_nor_do_those_of_more_cores(graph: LayerGraph, topology: Topology) -> None:
    start = place_layers(graph, topology, SECONDS)
    found = place_layers(graph, topology, SECONDS, ANNEALED)
    assert found.least_byte_hops == start.least_byte_hops
    assert found.least_byte_hops <= found.byte_hops <= start.byte_hops


def test_a_bound_counts_channels_that_too_few_neighbours_cost() -> None:
    """b reads a and p and sends to c and d: on a ring one of the three streams is a channel longer."""
    streams = (Stream("a", "a", ("b",), 3), Stream("p", "p", ("b",), 5), Stream("b", "b", ("c", "d"), 7))
    graph = LayerGraph(("a", "p", "b", "c", "d"), streams)
    edges = 3 + 5 + 2 * 7
    assert least_byte_hops(graph, Ring()) == edges + 3 == best_of_all(graph, Ring())[0]
    assert least_byte_hops(graph, Torus()) == edges == best_of_all(graph, Torus())[0]


def test_a_bound_counts_switches_on_the_way() -> None:
    """From leaf to leaf of a tree: two channels to the sibling, three more to the next pair."""
    pair = graph_of_edges([("a", "b")])
    three = graph_of_edges([("a", "b"), ("a", "c")])
    assert least_byte_hops(pair, HTree()) == 2
    assert least_byte_hops(three, HTree()) == 2 + 3 == best_of_all(three, HTree())[0]


def test_resnet32_cannot_lie_better_on_a_ring_than_in_its_order() -> None:
    graph = graph_of_stages(stages_of(lower(networks["resnet32-ibm"]())), 8)
    placement = place_layers(graph, Ring(), SECONDS)
    assert placement.byte_hops == placement.least_byte_hops == 1644


def test_annealing_gives_every_edge_of_resnet32_a_channel_of_a_torus() -> None:
    graph = graph_of_stages(stages_of(lower(networks["resnet32-ibm"]())), 8)
    placement = place_layers(graph, Torus(), SECONDS, PlacementConfig(strategy="annealed"))
    assert placement.byte_hops == placement.least_byte_hops == 1560


@given(weighed_graphs(cores=7), st.integers(0, 3))
@settings(deadline=None, max_examples=20)
def test_a_seed_and_a_budget_decide_on_the_result(graph: LayerGraph, seed: int) -> None:
    start = place_layers(graph, Mesh(), SECONDS)
    found = [annealed(graph, Mesh(), start.at, moves=200, seed=seed) for _ in range(2)]
    assert found[0] == found[1]
    assert len(set(found[0].values())) == len(graph.cores)


def test_another_seed_leads_elsewhere() -> None:
    graph = graph_of_stages(stages_of(lower(networks["resnet18"]())), 8)
    start = place_layers(graph, Mesh(), SECONDS)
    found = [annealed(graph, Mesh(), start.at, moves=2000, seed=seed) for seed in range(2)]
    assert found[0] != found[1]


def test_annealing_keeps_to_ways_that_lead_the_right_way() -> None:
    """On a line of channels in one direction the only placement is the pipeline's."""
    line = EdgeList(edges=tuple((node, node + 1) for node in range(4)))
    graph = graph_of_edges([("a", "b"), ("b", "c"), ("c", "d"), ("a", "c")])
    placement = place_layers(graph, line, SECONDS, ANNEALED)
    assert placement.byte_hops == 4  # c lies behind b, so what a sends to b goes on to c
    assert place_layers(graph, ParallelPrism(), SECONDS, ANNEALED).byte_hops == 4


def test_a_snake_keeps_the_order_of_the_pipeline() -> None:
    late = LayerGraph(("x", "far", "a", "b"), (Stream("x", "x", ("a",), 1), Stream("a", "a", ("b",), 1)))
    snake = place_layers(late, Ring(), SECONDS, PlacementConfig(strategy="snake"))
    assert snake.at == {"x": 0, "far": 1, "a": 2, "b": 3}
    assert place_layers(late, Hypercube(), SECONDS).byte_hops == 2 < snake.byte_hops
    skip = graph_of_edges([("x", "a"), ("a", "b"), ("b", "c"), ("x", "c")])
    relayed = place_layers(skip, ParallelPrism(k=2), SECONDS, PlacementConfig(strategy="snake"))
    assert (relayed.relays, relayed.longest_way) == (1, 1)


def test_bad_budgets_and_strategies_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"moves must be in \[1, 100000000\] move, got 0"):
        PlacementConfig(moves=0)
    with pytest.raises(ConfigError, match="must be one of 'topological', 'snake', 'annealed', got 'best'"):
        PlacementConfig.parse({"strategy": "best"})
