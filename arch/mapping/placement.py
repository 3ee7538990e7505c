"""Layers on the cores of a topology, the ways of their pixels, and how much each channel carries.

Layers lie in the order whose longest edge is shortest, on core after core. A prism takes relays where an edge
is too long; a list of channels that a user gave is first searched for a channel for every edge. Every stream
goes along a multicast tree, the union of the fixed ways to all its readers, and each channel of the tree
carries it once. One pixel a step; nothing here takes time or waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from arch.fabric.edge_list import EdgeList
from arch.fabric.graphs import ParallelPrism
from arch.fabric.topology import Channel, Topology, Vertex
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
            ways = (self.ways[stream.source, reader] for reader in stream.readers)
            tree = dict.fromkeys(channel for way in ways for channel in pairwise(way))
            for channel in tree:
                loads[channel] = (*loads.get(channel, ()), stream)
        return loads

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


def place_layers(graph: LayerGraph, topology: Topology, seconds: float) -> Placement:
    """Place a layer graph on a topology.

    seconds : that a search may take
    raises : MappingError if the topology is too small, has no way for an edge, or a search takes too long
    """
    ordered = order_of_least_reach(graph, seconds)
    if isinstance(topology, ParallelPrism) and ordered.reach > topology.k:
        relayed = with_relays(ordered, topology.k)
        return place_in_order(relayed, topology, len(relayed.cores) - len(ordered.cores))
    if isinstance(topology, EdgeList):
        at = embed(ordered, topology.graph(len(ordered.cores)), seconds)
        if at is not None:
            return _placement(ordered, topology, at, relays=0)
    return place_in_order(ordered, topology)


def place_in_order(graph: LayerGraph, topology: Topology, relays: int = 0) -> Placement:
    """Place core after core of a graph, in its order; so many of them are relays.

    raises : MappingError if the topology is too small, or has no way for an edge
    """
    return _placement(graph, topology, {core: node for node, core in enumerate(graph.cores)}, relays)


def _placement(graph: LayerGraph, topology: Topology, at: Mapping[str, int], relays: int) -> Placement:
    cores = topology.size(len(graph.cores))
    ways = {(source, reader): topology.route(cores, at[source], at[reader]) for source, reader in graph.edges}
    return Placement(graph, topology, at, ways, relays)
