"""Layers on topologies and loads of channels, beside the sum over all ways; a table of ResNet-32."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch import (
    EdgeList,
    LayerGraph,
    Mesh,
    ParallelPrism,
    Ring,
    Topology,
    graph_of_edges,
    order_of_least_reach,
    place_in_order,
    place_layers,
)
from arch.fabric.topology import Channel
from arch.mapping.layer_graph import graph_of_stages
from arch.mapping.stages import stages_of
from simcore import MappingError
from tests.arch.dataflow_bench import bench, chain
from tests.arch.fabric.test_topologies import REGULAR
from tests.arch.mapping.test_core_order import graphs
from workloads import Window, lower, networks

SECONDS = 60.0


def resnet32() -> LayerGraph:
    return graph_of_stages(stages_of(lower(networks["resnet32-ibm"]())), 8)


@given(graphs(cores=9), st.sampled_from(REGULAR))
@settings(deadline=None)
def test_each_channel_of_a_streams_ways_carries_it_once(graph: LayerGraph, topology: Topology) -> None:
    placement = place_layers(graph, topology, SECONDS)
    nodes = len(graph.cores)
    carried: dict[Channel, set[str]] = {}
    for stream in placement.graph.streams:
        for reader in stream.readers:
            way = topology.route(nodes, placement.at[stream.source], placement.at[reader])
            for channel in pairwise(way):
                carried.setdefault(channel, set()).add(stream.name)
    assert {channel: {s.name for s in streams} for channel, streams in placement.loads.items()} == carried
    assert placement.most_streams == max(map(len, carried.values()))
    assert placement.byte_hops == sum(map(len, carried.values()))  # a byte a stream
    assert placement.longest_way >= 1


@given(graphs(cores=9))
@settings(deadline=None)
def test_on_a_prism_every_edge_has_a_channel_of_its_own(graph: LayerGraph) -> None:
    placement = place_layers(graph, ParallelPrism(k=order_of_least_reach(graph, SECONDS).reach), SECONDS)
    assert (placement.longest_way, placement.most_streams, placement.relays) == (1, 1, 0)
    assert placement.byte_hops == len(graph.edges)


def test_a_prism_halves_what_the_busiest_channel_of_its_rivals_carries() -> None:
    """ResNet-32 has 56 bytes a pixel at most; elsewhere two streams of these meet on a channel."""
    graph = resnet32()
    assert place_layers(graph, ParallelPrism(), SECONDS).most_bytes == 56
    for rival in (Mesh(), Ring()):
        assert place_layers(graph, rival, SECONDS).most_bytes == 2 * 56


def test_a_ring_of_36_carries_what_one_of_34_does() -> None:
    """Nothing goes the long way around."""
    graph = resnet32()
    closed = (*((n, (n + 1) % 36) for n in range(36)), *(((n + 1) % 36, n) for n in range(36)))
    assert place_in_order(graph, EdgeList(edges=closed)).byte_hops == 1644
    assert place_in_order(graph, Ring()).byte_hops == 1644


def test_given_channels_are_used_if_there_is_one_for_every_edge_else_ways_are_longer() -> None:
    block = graph_of_edges([("x", "a"), ("a", "b"), ("x", "b")])
    there = place_layers(block, EdgeList(edges=((2, 0), (0, 3), (2, 3), (1, 2))), SECONDS)
    assert there.at == {"x": 2, "a": 0, "b": 3}
    assert (there.longest_way, there.size) == (1, 4)
    around = place_layers(block, EdgeList(edges=((0, 1), (1, 2))), SECONDS)
    assert (around.longest_way, around.most_streams) == (2, 2)


def test_channels_in_the_wrong_direction_are_refused() -> None:
    with pytest.raises(MappingError, match="edge-list has no way from node 0 to node 1; add channels"):
        place_layers(
            graph_of_edges([("a", "b"), ("b", "c")]),
            EdgeList(kind="edge-list", edges=((1, 0), (1, 2))),
            SECONDS,
        )


def test_a_machine_places_its_layers_on_the_topology_it_is_given() -> None:
    network = chain(*[Window.square(1)] * 3)
    assert bench(network).placed.placement is None
    placement = bench(network, {"fabric": {"topology": {"kind": "5pp", "k": 1}}}).placed.placement
    assert placement is not None
    assert placement.at == {"conv0": 0, "conv1": 1, "conv2": 2}
    snake = {"kind": "mesh", "rows": 3, "columns": 1}
    placement = bench(
        network, {"fabric": {"topology": snake, "placement": {"strategy": "snake"}}}
    ).placed.placement
    assert placement is not None
    assert placement.byte_hops == placement.least_byte_hops
    with pytest.raises(MappingError, match="2 rows of 1 are 2 places, but 3 are needed; set rows to 3"):
        bench(network, {"fabric": {"topology": {"kind": "mesh", "rows": 2, "columns": 1}}})
    with pytest.raises(MappingError, match="connects 2 nodes, but 3 layers need one each"):
        bench(network, {"fabric": {"topology": {"kind": "edge-list", "edges": [[0, 1]]}}})


def test_long_skips_take_relays_on_a_short_prism() -> None:
    graph = graph_of_stages(stages_of(lower(networks["resnet50"]())), 8)
    placement = place_layers(graph, ParallelPrism(k=2), SECONDS)
    assert placement.relays == 12  # one for each of its blocks with an identity
    assert (placement.size, placement.longest_way, placement.most_streams) == (54 + 12, 1, 1)
