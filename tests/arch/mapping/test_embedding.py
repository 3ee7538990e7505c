"""Embeddings, beside networkx's matcher for monomorphisms and all functions for homomorphisms."""

from __future__ import annotations

from itertools import product
from typing import Any

import networkx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch import (
    Hypercube,
    LayerGraph,
    ParallelPrism,
    embed,
    graph_of_edges,
    is_embedding,
    order_of_least_reach,
)
from simcore import MappingError
from tests.arch.mapping.test_core_order import graphs

SECONDS = 60.0


@st.composite
def hosts(draw: st.DrawFn, nodes: int) -> Any:
    """Draw any directed graph without loops."""
    pairs = [(a, b) for a in range(nodes) for b in range(nodes) if a != b]
    host = networkx.DiGraph(draw(st.lists(st.sampled_from(pairs), unique=True)))
    host.add_nodes_from(range(nodes))
    return host


@given(graphs(cores=5), hosts(nodes=6))
@settings(deadline=None, max_examples=300)
def test_a_monomorphism_is_found_exactly_if_networkx_finds_one(graph: LayerGraph, host: Any) -> None:
    found = embed(graph, host, SECONDS)
    matcher = networkx.algorithms.isomorphism.DiGraphMatcher(host, networkx.DiGraph(graph.edges))
    assert (found is not None) == matcher.subgraph_is_monomorphic()
    assert found is None or is_embedding(graph, host, found)


@given(graphs(cores=4), hosts(nodes=4))
@settings(deadline=None, max_examples=200)
def test_a_homomorphism_is_found_exactly_if_one_of_all_functions_is_one(graph: LayerGraph, host: Any) -> None:
    found = embed(graph, host, SECONDS, one_to_one=False)
    functions = (dict(zip(graph.cores, at, strict=True)) for at in product(host, repeat=len(graph.cores)))
    assert (found is not None) == any(is_embedding(graph, host, f, one_to_one=False) for f in functions)
    assert found is None or is_embedding(graph, host, found, one_to_one=False)


@given(graphs(cores=7))
@settings(deadline=None)
def test_a_graph_embeds_in_a_prism_exactly_from_its_least_reach_on(graph: LayerGraph) -> None:
    least = order_of_least_reach(graph, SECONDS).reach
    nodes = len(graph.cores)
    assert embed(graph, ParallelPrism(k=least).graph(nodes), SECONDS) is not None
    if least > 1:
        assert embed(graph, ParallelPrism(k=least - 1).graph(nodes), SECONDS) is None


def test_layers_that_share_a_node_embed_only_as_a_homomorphism() -> None:
    ring = networkx.DiGraph([(0, 1), (1, 0)])
    chain = graph_of_edges([("a", "b"), ("b", "c")])
    assert embed(chain, ring, SECONDS) is None
    assert embed(chain, ring, SECONDS, one_to_one=False) == {"a": 0, "b": 1, "c": 0}


def test_an_odd_circle_does_not_embed_in_a_hypercube() -> None:
    triangle = graph_of_edges([("a", "b"), ("b", "c"), ("a", "c")])
    assert embed(triangle, Hypercube().graph(16), SECONDS, one_to_one=False) is None


def test_a_search_that_takes_too_long_is_given_up() -> None:
    with pytest.raises(MappingError, match=r"no embedding of 2 layers was found within 0 s, .* raise fabric"):
        embed(graph_of_edges([("a", "b")]), ParallelPrism().graph(3), seconds=0.0)
