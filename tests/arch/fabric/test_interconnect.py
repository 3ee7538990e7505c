"""Links, routers and lanes of ways."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import networkx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch import EdgeList, ParallelPrism, Topology, fabrics
from arch.fabric.interconnect import Interconnect

TWO_WAYS = sorted(set(fabrics) - {"edge-list", "5pp"})


def every_pair(topology: Topology, cores: int) -> list[tuple[int, int]]:
    nodes = range(topology.size(cores))
    return list(product(nodes, nodes))


def dependencies(interconnect: Interconnect) -> Any:
    """Which (link, lane) waits for which, as a graph."""
    graph = networkx.DiGraph()
    for hops in interconnect.ways.values():
        graph.add_edges_from(pairwise(hops))
    return graph


@given(kind=st.sampled_from(TWO_WAYS), cores=st.integers(2, 30))
@settings(deadline=None)
def test_lanes_leave_no_circle_of_dependencies(kind: str, cores: int) -> None:
    topology = fabrics[kind]()
    interconnect = Interconnect(topology, cores, every_pair(topology, cores))
    assert networkx.is_directed_acyclic_graph(dependencies(interconnect))
    assert interconnect.lanes <= 2


@given(kind=st.sampled_from(TWO_WAYS), cores=st.integers(2, 30), data=st.data())
@settings(deadline=None)
def test_a_multicast_keeps_to_one_lane_of_each_link_of_its_tree(
    kind: str, cores: int, data: st.DataObject
) -> None:
    topology = fabrics[kind]()
    nodes = st.integers(0, topology.size(cores) - 1)
    source = data.draw(nodes)
    interconnect = Interconnect(topology, cores, every_pair(topology, cores))
    readers = data.draw(st.sets(nodes))
    hops = {hop for reader in readers for hop in interconnect.ways[source, reader]}
    assert len({hop.link for hop in hops}) == len(hops)
    assert len({interconnect.links[hop.link][1] for hop in hops}) == len(hops)  # a tree


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20))
@settings(deadline=None)
def test_lanes_open_the_circles_of_any_list_of_channels(extra: list[tuple[int, int]]) -> None:
    line = [(core, core + 1) for core in range(7)]
    both_ways = [(a, b) for one, other in (*line, *extra) for a, b in ((one, other), (other, one)) if a != b]
    topology = EdgeList(edges=tuple(both_ways))
    interconnect = Interconnect(topology, topology.cores, every_pair(topology, topology.cores))
    assert networkx.is_directed_acyclic_graph(dependencies(interconnect))


@pytest.mark.parametrize("kind", TWO_WAYS)
def test_only_rings_and_tori_need_a_second_lane(kind: str) -> None:
    topology = fabrics[kind]()
    interconnect = Interconnect(topology, 25, every_pair(topology, 25))
    assert interconnect.lanes == (2 if kind in ("ring", "torus") else 1)


@pytest.mark.parametrize("kind", ["ring", "torus"])
def test_without_lanes_a_ring_of_dependencies_is_closed(kind: str) -> None:
    topology = fabrics[kind]()
    interconnect = Interconnect(topology, 25, every_pair(topology, 25), escape=False)
    assert interconnect.lanes == 1
    assert not networkx.is_directed_acyclic_graph(dependencies(interconnect))


@given(kind=st.sampled_from(TWO_WAYS), cores=st.integers(2, 30), data=st.data())
@settings(deadline=None)
def test_a_way_follows_the_route_from_terminal_to_terminal(
    kind: str, cores: int, data: st.DataObject
) -> None:
    topology = fabrics[kind]()
    place = st.integers(0, topology.size(cores) - 1)
    source, target = data.draw(place), data.draw(place)
    interconnect = Interconnect(topology, cores, [(source, target)])
    links = [interconnect.links[hop.link] for hop in interconnect.ways[source, target]]
    stops = [source, *(end for _, end in links)]
    assert all(before[1] == after[0] for before, after in pairwise(links))
    assert stops[-1] == target
    channels = len(topology.route(cores, source, target)) - 1
    assert len(links) == channels + (2 if topology.routed else 0)
    assert all(isinstance(stop, str) for stop in stops[1:-1])


def test_a_mesh_has_a_router_for_each_core_and_a_link_each_way_to_it() -> None:
    topology = fabrics["mesh"]()
    interconnect = Interconnect(topology, 9, every_pair(topology, 9))
    assert len(interconnect.routers) == 9
    assert len(interconnect.links) == 2 * 12 + 2 * 9


def test_a_bus_has_an_arbiter_and_a_joint() -> None:
    interconnect = Interconnect(fabrics["bus"](), 3, [(0, 1), (0, 2), (2, 1)])
    assert interconnect.routers == ("bus[in]", "bus[out]")
    assert interconnect.joints == ("bus[out]",)
    assert interconnect.links[1] == ("bus[in]", "bus[out]")
    assert (interconnect.length((0, 1)), interconnect.routers_on((0, 1))) == (3, 1)
    assert interconnect.lanes == 1


def test_nodes_of_a_list_are_routers_or_the_cores_themselves() -> None:
    edges = ((0, 1), (1, 2), (0, 2))
    assert len(Interconnect(EdgeList(edges=edges), 3, [(0, 1), (1, 2), (0, 2)]).routers) == 3
    cores = Interconnect(EdgeList(edges=edges, nodes="core"), 3, [(0, 1), (1, 2), (0, 2)])
    assert (cores.routers, cores.links) == ((), edges)
    passing = Interconnect(EdgeList(edges=edges[:2], nodes="core"), 3, [(0, 2)])
    assert passing.links == ((0, "router[1]"), ("router[1]", 2))


def test_a_core_that_a_way_passes_through_becomes_a_router() -> None:
    topology = ParallelPrism(k=2)
    interconnect = Interconnect(topology, 4, [(0, 3), (0, 1)])
    assert interconnect.links == ((0, "router[2]"), ("router[2]", 3), (0, 1))


def test_links_inside_a_core_lead_to_its_own_router_only() -> None:
    mesh = Interconnect(fabrics["mesh"](), 4, [(0, 1)])
    assert mesh.inside == {(0, "router[0]"), ("router[1]", 1)}
    shared = Interconnect(fabrics["c-mesh"](), 16, [(0, 5), (1, 0)])
    assert not shared.inside
    relayed = Interconnect(ParallelPrism(k=2), 4, [(0, 3), (0, 2)])
    assert relayed.inside == {("router[2]", 2)}
