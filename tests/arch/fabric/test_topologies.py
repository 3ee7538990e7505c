"""Graphs and routes of every topology, beside networkx's own graphs and shortest paths."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import networkx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch import (
    AllToAll,
    Bus,
    Chain,
    ConcentratedMesh,
    EdgeList,
    HTree,
    Hypercube,
    Mesh,
    ParallelPrism,
    Ring,
    Topology,
    Torus,
    fabrics,
)
from arch.fabric.topology import tree_of
from simcore import MappingError

REGULAR = [
    AllToAll(),
    Bus(),
    Chain(),
    ConcentratedMesh(),
    ConcentratedMesh(concentration=3, columns=2, first="column"),
    HTree(),
    Hypercube(),
    Hypercube(first="highest"),
    Mesh(),
    Mesh(columns=4),
    Mesh(rows=2),
    Mesh(first="column"),
    Ring(),
    Torus(),
    Torus(columns=3, first="column"),
]
REGULAR_AND_PRISMS = [*REGULAR, ParallelPrism(), ParallelPrism(k=2)]


@pytest.mark.parametrize("topology", REGULAR_AND_PRISMS, ids=repr)
@given(cores=st.integers(1, 20))
@settings(max_examples=15, deadline=None)
def test_every_route_is_a_shortest_path_of_the_graph(topology: Topology, cores: int) -> None:
    graph = topology.graph(cores)
    lengths = dict(networkx.all_pairs_shortest_path_length(graph))
    for source in range(cores):
        for target in range(cores):
            if target not in lengths[source]:
                with pytest.raises(MappingError, match=f"no way from node {source} to node {target}; add"):
                    topology.route(cores, source, target)
                continue
            route = topology.route(cores, source, target)
            assert (route[0], route[-1]) == (source, target)
            assert all(graph.has_edge(*channel) for channel in pairwise(route))
            assert len(route) - 1 == lengths[source][target]


@pytest.mark.parametrize("topology", REGULAR_AND_PRISMS, ids=repr)
@given(cores=st.integers(1, 40))
@settings(max_examples=15, deadline=None)
def test_channels_are_there_once_and_join_enough_cores(topology: Topology, cores: int) -> None:
    channels = list(topology.channels(cores))
    assert len(set(channels)) == len(channels)
    graph = topology.graph(cores)
    assert {node for node in graph if isinstance(node, int)} == set(range(topology.size(cores)))
    assert topology.size(cores) >= cores
    assert set(topology.channels(topology.size(cores))) == set(channels)
    assert networkx.is_weakly_connected(graph)
    if not isinstance(topology, (ParallelPrism, Bus)):
        assert graph.number_of_edges() == graph.to_undirected(reciprocal=True).number_of_edges() * 2


@pytest.mark.parametrize("topology", REGULAR_AND_PRISMS, ids=repr)
@given(cores=st.integers(1, 40), data=st.data())
@settings(max_examples=15, deadline=None)
def test_ways_from_a_core_reach_every_vertex_by_one_channel(
    topology: Topology, cores: int, data: st.DataObject
) -> None:
    source = data.draw(st.integers(0, topology.size(cores) - 1))
    reached = networkx.descendants(topology.graph(cores), source) & set(range(topology.size(cores)))
    tree = tree_of(topology.route(cores, source, target) for target in reached)
    assert reached <= set(tree)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30), st.integers(0, 9))
@settings(deadline=None)
def test_so_do_those_of_any_list_of_channels(extra: list[tuple[int, int]], source: int) -> None:
    topology = EdgeList(edges=(*extra, *((node, node + 1) for node in range(9))))
    reached = networkx.descendants(topology.graph(1), source)
    assert set(tree_of(topology.route(1, source, target) for target in reached)) == reached


def test_ways_that_make_no_tree_are_refused() -> None:
    with pytest.raises(MappingError, match="ways from node 0 reach 3 by two channels"):
        tree_of([[0, 1, 3], [0, 2, 3, 4]])
    with pytest.raises(MappingError, match="come back to it"):
        tree_of([[0, 1, 0, 2]])


@pytest.mark.parametrize("topology", REGULAR_AND_PRISMS, ids=repr)
@given(cores=st.integers(1, 40))
@settings(max_examples=15, deadline=None)
def test_every_vertex_is_drawn_at_a_place_of_its_own(topology: Topology, cores: int) -> None:
    places = topology.layout(cores)
    assert set(places) == set(topology.graph(cores))
    points = sorted(places.values())
    assert all(abs(x - u) + abs(y - v) > 0.2 for (x, y), (u, v) in pairwise(points))


@pytest.mark.parametrize(
    ("topology", "cores", "twin"),
    [
        (AllToAll(), 7, networkx.complete_graph(7)),
        (Chain(), 7, networkx.path_graph(7)),
        (Ring(), 7, networkx.cycle_graph(7)),
        (Hypercube(), 13, networkx.hypercube_graph(4)),
        (Mesh(columns=4), 12, networkx.grid_2d_graph(3, 4)),
        (Torus(columns=4), 12, networkx.grid_2d_graph(3, 4, periodic=True)),
        (HTree(), 8, networkx.balanced_tree(2, 3)),
        (
            ConcentratedMesh(concentration=2),
            18,
            networkx.corona_product(networkx.grid_2d_graph(3, 3), networkx.empty_graph(2)),
        ),
    ],
)
def test_graphs_are_those_of_networkx(topology: Topology, cores: int, twin: Any) -> None:
    assert networkx.is_isomorphic(topology.graph(cores), twin.to_directed())


@given(cores=st.integers(5, 60), k=st.integers(1, 5))
@settings(deadline=None)
def test_a_prism_has_k_channels_from_each_core_but_the_last(cores: int, k: int) -> None:
    graph = ParallelPrism(k=k).graph(cores)
    assert graph.number_of_edges() == k * cores - k * (k + 1) // 2  # B(5): 5 N - 15
    assert max(degree for _, degree in graph.out_degree()) == min(k, cores - 1)
    assert networkx.is_directed_acyclic_graph(graph)


def test_a_mesh_is_filled_as_a_snake() -> None:
    """Core 2 ends the first row of three; core 3 lies below it."""
    graph = Mesh(columns=3).graph(9)
    assert set(graph.successors(2)) == {1, 3}
    assert set(graph.successors(4)) == {1, 3, 5, 7}


def test_a_route_goes_along_its_row_first_unless_told_otherwise() -> None:
    """Core 0 is above core 5, core 3 is below core 2."""
    assert Mesh(columns=3).route(6, 0, 4) == [0, 1, 4]
    assert Mesh(columns=3, first="column").route(6, 0, 4) == [0, 5, 4]


def test_a_hypercube_corrects_the_lowest_dimension_first_unless_told_otherwise() -> None:
    """Along a Gray code cores 0 to 3 are the corners 00, 01, 11, 10."""
    assert Hypercube().route(4, 0, 2) == [0, 1, 2]
    assert Hypercube(first="highest").route(4, 0, 2) == [0, 3, 2]


def test_half_around_a_ring_is_forward() -> None:
    assert Ring().route(4, 1, 3) == [1, 2, 3]
    assert Ring().route(4, 3, 1) == [3, 0, 1]


def test_cores_of_one_router_meet_there() -> None:
    assert ConcentratedMesh().route(8, 1, 3) == [1, "router[0]", 3]
    assert ConcentratedMesh().route(8, 1, 4) == [1, "router[0]", "router[1]", 4]


def test_a_multicast_crosses_a_bus_once() -> None:
    assert Bus().route(4, 1, 3) == [1, "bus[in]", "bus[out]", 3]
    tree = tree_of(Bus().route(4, 1, reader) for reader in (0, 2, 3))
    assert tree == {"bus[in]": 1, "bus[out]": "bus[in]", 0: "bus[out]", 2: "bus[out]", 3: "bus[out]"}


def test_a_mesh_of_given_rows_and_columns_has_room_for_so_many() -> None:
    assert Mesh(rows=8, columns=8).size(54) == 64
    assert Mesh(rows=3).grid(7) == (3, 3)
    with pytest.raises(MappingError) as refused:
        Torus(rows=2, columns=4).size(9)
    assert str(refused.value) == (
        "fabric.topology: 2 rows of 4 are 8 places, but 9 are needed; set rows to 3, or leave it out"
    )
    with pytest.raises(MappingError, match="2 rows of 1 are 2 places, but 3 are needed"):
        ConcentratedMesh(rows=2, columns=1).size(9)


def test_all_kinds_are_registered() -> None:
    assert fabrics.names() == [
        "5pp", "all-to-all", "bus", "c-mesh", "chain", "edge-list", "h-tree", "hypercube", "mesh", "ring",
        "torus",
    ]  # fmt: skip
    assert fabrics["5pp"].parse({"kind": "5pp"}) == ParallelPrism(kind="5pp", k=5)
