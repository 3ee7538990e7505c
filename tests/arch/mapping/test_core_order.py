"""Orders of least reach, beside all orders there are; relays where edges must be shorter."""

from __future__ import annotations

from itertools import permutations

import networkx
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from arch import (
    LayerGraph,
    ParallelPrism,
    graph_of_edges,
    is_embedding,
    order_of_least_reach,
    order_within,
    with_relays,
)
from simcore import MappingError

SECONDS = 60.0


@st.composite
def graphs(draw: st.DrawFn, cores: int = 6) -> LayerGraph:
    """Draw a graph whose edges all lead from lower letters to higher ones."""
    letters = "abcdefghijkl"[: draw(st.integers(2, cores))]
    pairs = [(a, b) for a in letters for b in letters if a < b]
    return graph_of_edges(draw(st.lists(st.sampled_from(pairs), min_size=1, unique=True)))


def reach_of(graph: LayerGraph, order: tuple[str, ...]) -> int | None:
    """Return the longest edge of an order; None if an edge leads backward."""
    lengths = [order.index(reader) - order.index(source) for source, reader in graph.edges]
    return max(lengths) if min(lengths) > 0 else None


@given(graphs())
@settings(deadline=None)
def test_no_order_has_a_shorter_longest_edge(graph: LayerGraph) -> None:
    found = order_of_least_reach(graph, SECONDS)
    reaches = [reach_of(graph, order) for order in permutations(graph.cores)]
    assert found.reach == min(reach for reach in reaches if reach is not None)
    assert sorted(found.cores) == sorted(graph.cores)
    assert found.streams == graph.streams


@given(graphs(cores=10))
@settings(deadline=None)
def test_there_is_an_order_within_every_reach_from_the_least_on(graph: LayerGraph) -> None:
    least = order_of_least_reach(graph, SECONDS).reach
    assert least <= graph.reach
    for reach in range(graph.reach + 1):
        found = order_within(graph, reach, SECONDS)
        assert (found is not None) == (reach >= least)
        assert found is None or found.reach <= reach


@given(graphs(cores=10), st.integers(1, 4))
@settings(deadline=None, max_examples=300)
def test_relays_make_every_edge_a_channel_of_a_prism_and_no_pixel_is_lost(
    graph: LayerGraph, reach: int
) -> None:
    ordered = order_of_least_reach(graph, SECONDS)
    try:
        relayed = with_relays(ordered, reach)
    except MappingError:
        assume(False)
    assert relayed.reach <= reach
    at = {core: place for place, core in enumerate(relayed.cores)}
    assert is_embedding(relayed, ParallelPrism(k=reach).graph(len(at)), at)
    assert [core for core in relayed.cores if not core.startswith("relay[")] == list(ordered.cores)
    for stream in graph.streams:
        hops = networkx.DiGraph(
            (s.source, reader) for s in relayed.streams if s.name == stream.name for reader in s.readers
        )
        assert all(networkx.has_path(hops, stream.source, reader) for reader in stream.readers)
        ends = {node for node in hops if hops.out_degree(node) == 0}
        assert ends <= set(stream.readers)  # no relay that nobody reads
        assert all(degree == 1 for node, degree in hops.in_degree() if node != stream.source)


@given(graphs(cores=10))
@settings(deadline=None)
def test_a_graph_within_reach_takes_no_relays(graph: LayerGraph) -> None:
    ordered = order_of_least_reach(graph, SECONDS)
    relayed = with_relays(ordered, ordered.reach)
    assert relayed.cores == ordered.cores
    assert set(relayed.edges) == set(ordered.edges)


def test_a_long_skip_is_passed_on_every_k_cores() -> None:
    """Two streams side by side: at k = 2 a relay lies between any two layers that the skip passes by."""
    around = graph_of_edges([("x", "a"), ("a", "b"), ("b", "c"), ("c", "d"), ("x", "d")])
    assert order_of_least_reach(around, SECONDS).reach == 4
    assert with_relays(around, 2).cores == ("x", "a", "relay[x,1]", "b", "relay[x,2]", "c", "d")
    assert with_relays(around, 3).cores == ("x", "a", "b", "relay[x,1]", "c", "d")


def test_too_many_streams_side_by_side_are_refused_with_the_k_that_needs_no_relays() -> None:
    graph = graph_of_edges([("x", "a"), ("a", "b"), ("x", "b")])
    with pytest.raises(MappingError) as refused:
        with_relays(graph, 1)
    assert str(refused.value) == (
        "channels to the next 1 cores cannot carry all streams past a, not even with relays; "
        "set fabric.topology.k to 2, which needs none"
    )


def test_a_search_that_takes_too_long_is_given_up() -> None:
    with pytest.raises(MappingError, match=r"no order of 3 cores was found within 0 s, .* raise fabric"):
        order_of_least_reach(graph_of_edges([("a", "b"), ("b", "c")]), seconds=0.0)
