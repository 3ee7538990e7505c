"""Layers on the cores of a topology, the ways of their pixels, and how much each channel carries.

Layers lie on core after core: in the order of the pipeline (snake), or in the one whose longest edge is
shortest (topological, which first searches a list of channels that a user gave for a channel for every edge);
or on any cores, as annealing finds from there on. A prism takes relays where an edge is too long. Every
stream goes along a multicast tree, the union of the fixed ways to all its readers, and each channel of the
tree carries it once. One pixel a step; nothing here takes time or waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from arch.fabric.edge_list import EdgeList
from arch.fabric.graphs import ParallelPrism
from arch.fabric.placement_config import PlacementConfig
from arch.fabric.topology import Channel, Topology, Vertex, tree_of
from arch.mapping.annealing import annealed
from arch.mapping.byte_hops_bound import least_byte_hops
from arch.mapping.core_order import order_of_least_reach, with_relays
from arch.mapping.embedding import embed
from arch.mapping.layer_graph import LayerGraph, Stream


@dataclass(frozen=True, eq=False)
class Placement:
    """A layer graph on a topology.

    at : node of each core of the graph
    ways : nodes from sender to reader, of every edge
    relays : cores of the graph that only pass pixels on
    """

    graph: LayerGraph
    topology: Topology
    at: Mapping[str, int]
    ways: Mapping[tuple[str, str], list[Vertex]]
    relays: int

    @property
    def size(self) -> int:
        """Cores that the topology has."""
        return self.topology.size(len(self.graph.cores))

    @cached_property
    def loads(self) -> dict[Channel, tuple[Stream, ...]]:
        """Streams on each channel that carries any."""
        loads: dict[Channel, tuple[Stream, ...]] = {}
        for stream in self.graph.streams:
            for channel in self.tree(stream):
                loads[channel] = (*loads.get(channel, ()), stream)
        return loads

    def tree(self, stream: Stream) -> list[Channel]:
        """Return the channels that a stream takes to all its readers, each once."""
        tree = tree_of(self.ways[stream.source, reader] for reader in stream.readers)
        return [(tail, head) for head, tail in tree.items()]

    def way(self, stream: str, reader: str) -> list[Vertex]:
        """Return the nodes on a stream's way to one of its readers, over all relays."""
        senders = {core: s.source for s in self.graph.streams if s.name == stream for core in s.readers}
        way: list[Vertex] = [self.at[reader]]
        while reader in senders:
            sender = senders[reader]
            way = [*self.ways[sender, reader][:-1], *way]
            reader = sender
        return way

    @property
    def longest_way(self) -> int:
        """Channels on the longest way from a sender to a reader."""
        return max((len(way) - 1 for way in self.ways.values()), default=0)

    @property
    def most_streams(self) -> int:
        """Streams on the channel that carries most of them."""
        return max(map(len, self.loads.values()), default=0)

    @property
    def most_bytes(self) -> int:
        """Bytes a step on the channel that carries most of them."""
        return max((sum(s.pixel_bytes for s in streams) for streams in self.loads.values()), default=0)

    @property
    def byte_hops(self) -> int:
        """Bytes a step on all channels together."""
        return sum(stream.pixel_bytes for streams in self.loads.values() for stream in streams)

    @cached_property
    def least_byte_hops(self) -> int:
        """Bytes a step on all channels together that no placement of these cores goes below."""
        return least_byte_hops(self.graph, self.topology)


def place_layers(
    graph: LayerGraph,
    topology: Topology,
    seconds: float,
    config: PlacementConfig | None = None,
) -> Placement:
    """Place a layer graph on a topology.

    seconds : that a search may take
    config : None takes the default
    raises : MappingError if the topology is too small, has no way for an edge, or a search takes too long
    """
    config = config or PlacementConfig()
    if config.strategy == "snake":
        return _along(graph, topology)
    placement = _in_least_reach(graph, topology, seconds)
    if config.strategy == "topological":
        return placement
    widest = max((stream.pixel_bytes for stream in placement.graph.streams), default=0)
    at = annealed(
        placement.graph,
        topology,
        placement.at,
        moves=config.moves,
        seed=config.seed,
        least=(placement.least_byte_hops, widest),
    )
    return _placement(placement.graph, topology, at, placement.relays)


def _in_least_reach(graph: LayerGraph, topology: Topology, seconds: float) -> Placement:
    """Place a graph in the order whose longest edge is shortest, or with a given channel for every edge."""
    ordered = order_of_least_reach(graph, seconds)
    if isinstance(topology, EdgeList):
        at = embed(ordered, topology.graph(len(ordered.cores)), seconds)
        if at is not None:
            return _placement(ordered, topology, at, relays=0)
    return _along(ordered, topology)


def _along(graph: LayerGraph, topology: Topology) -> Placement:
    """Place core after core of a graph in its order, with relays where a prism has no channel for an edge."""
    if isinstance(topology, ParallelPrism) and graph.reach > topology.k:
        relayed = with_relays(graph, topology.k)
        return place_in_order(relayed, topology, len(relayed.cores) - len(graph.cores))
    return place_in_order(graph, topology)


def place_in_order(graph: LayerGraph, topology: Topology, relays: int = 0) -> Placement:
    """Place core after core of a graph, in its order; so many of them are relays.

    raises : MappingError if the topology is too small, has no way for an edge, or ways that make no tree
    """
    return _placement(graph, topology, {core: node for node, core in enumerate(graph.cores)}, relays)


def _placement(graph: LayerGraph, topology: Topology, at: Mapping[str, int], relays: int) -> Placement:
    cores = topology.size(len(graph.cores))
    ways = {(source, reader): topology.route(cores, at[source], at[reader]) for source, reader in graph.edges}
    placement = Placement(graph, topology, at, ways, relays)
    for stream in graph.streams:
        placement.tree(stream)  # refuses ways that make none
    return placement
