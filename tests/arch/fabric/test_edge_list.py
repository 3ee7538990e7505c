"""Channels as a user gave them."""

from __future__ import annotations

from itertools import pairwise

import networkx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arch import EdgeList
from simcore import ConfigError, MappingError

EDGES = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=30)


@given(EDGES)
def test_a_list_is_taken_exactly_if_it_connects_all_nodes_up_to_the_highest(
    edges: list[tuple[int, int]],
) -> None:
    graph = networkx.Graph(edges)
    graph.add_nodes_from(range(max(max(edge) for edge in edges) + 1))
    if networkx.is_connected(graph):
        assert set(EdgeList(edges=tuple(edges)).graph(1).edges) == set(edges)
    else:
        with pytest.raises(ConfigError, match=r"connect only some nodes with each other: \{0"):
            EdgeList(edges=tuple(edges))


@given(EDGES)
def test_routes_are_shortest_paths_through_the_lowest_numbers(edges: list[tuple[int, int]]) -> None:
    highest = max(max(edge) for edge in edges)
    topology = EdgeList(edges=(*edges, *((node, node + 1) for node in range(highest))))
    graph = topology.graph(1)
    for source, reached in networkx.all_pairs_shortest_path_length(graph):
        for target in range(topology.cores):
            if target in reached:
                route = topology.route(1, source, target)
                assert all(graph.has_edge(*channel) for channel in pairwise(route))
                assert len(route) - 1 == reached[target]
                assert route == topology.route(1, source, target)
            else:
                with pytest.raises(MappingError, match="has no way from node"):
                    topology.route(1, source, target)


def test_the_lower_of_two_equal_ways_is_taken() -> None:
    assert EdgeList(edges=((0, 2), (2, 3), (0, 1), (1, 3))).route(4, 0, 3) == [0, 1, 3]


def test_parts_that_are_not_connected_are_named() -> None:
    with pytest.raises(ConfigError) as refused:
        EdgeList(edges=((0, 1), (2, 3), (3, 5), (1, 6)))
    assert str(refused.value) == (
        "EdgeList is inconsistent: has edges that connect only some nodes with each other: "
        "{0-1, 6}, {2-3, 5}, {4}; add edges between these, and number nodes from 0 on without gaps"
    )


def test_an_empty_list_and_too_few_nodes_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"has no edges; give a list such as \[\[0, 1\], \[1, 2\]\]"):
        EdgeList()
    with pytest.raises(
        MappingError, match="connects 3 nodes, but 5 layers need one each; add channels to 2 more"
    ):
        EdgeList(edges=((0, 1), (1, 2))).size(5)
