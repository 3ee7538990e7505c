"""Layers on the nodes of a topology by simulated annealing: from a placement to one with fewer byte-hops.

What is made least: first byte-hops, the bytes a step on all channels together, a multicast counting once on
each channel of its tree; among equals, the bytes a step on the busiest channel. A move puts a core on another
node, mostly beside one that it sends to or reads from, and whoever is there in its place. It is taken or left
by Metropolis' rule: by byte-hops, or by the busiest channel where these stay the same. The temperature falls
geometrically over a budget of moves, so a result depends on seed and budget, not on how fast a machine is.

Source: Kirkpatrick, Gelatt and Vecchi, Science 220:671 (1983).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise

import numpy as np

from arch.fabric.topology import Channel, Topology
from arch.mapping.layer_graph import LayerGraph
from simcore import MappingError
from simcore.noise import stream_key, uniform_below_reference

#: The first temperature, of the mean bytes of a stream, and the last, of the bytes of the smallest.
_HOT, _COLD = 2.0, 0.3
#: One move in so many leads to any node.
_FAR = 8
#: Moves whose random numbers are drawn together.
_BLOCK = 1 << 14


def annealed(
    graph: LayerGraph,
    topology: Topology,
    at: Mapping[str, int],
    *,
    moves: int,
    seed: int,
    least: tuple[int, int] = (0, 0),
) -> dict[str, int]:
    """Return the node of each core in the best placement that was met.

    at : the placement to begin with, which has a way for every edge
    moves : to try
    least : byte-hops and bytes on the busiest channel that no placement goes below, so that none is tried
        once they are reached
    """
    sizes = [stream.pixel_bytes for stream in graph.streams]
    if not sizes:
        return dict(at)
    state = _Assignment(graph, topology, at)
    hot, cold = _HOT * sum(sizes) / len(sizes), _COLD * min(sizes)
    best, best_nodes = state.cost, list(state.node)
    for step, core, partner, node, rise in _draws(moves, seed, len(graph.cores), hot, cold):
        if best <= least:
            break
        places = state.all_nodes if step % _FAR == 0 else state.beside_partner(core, partner)
        if state.move(core, places[node * len(places) >> 32], rise) and state.cost < best:
            best, best_nodes = state.cost, list(state.node)
    return dict(zip(graph.cores, best_nodes, strict=True))


def _draws(
    moves: int, seed: int, cores: int, hot: float, cold: float
) -> Iterator[tuple[int, int, int, int, int]]:
    """Yield the number of each move, its core, 32 bits for a partner and a node, and the most it may cost."""
    for first in range(0, moves, _BLOCK):
        steps = np.arange(first, min(first + _BLOCK, moves))
        core = uniform_below_reference(stream_key(seed, "placement", "core"), steps, cores)
        partner, node, chance = (
            uniform_below_reference(stream_key(seed, "placement", what), steps, 1 << 32)
            for what in ("partner", "node", "chance")
        )
        temperature = hot * (cold / hot) ** (steps / moves)
        # A rise is taken with a chance of exp(-rise / temperature), so if it is no more than this.
        rise = np.floor(-temperature * np.log((chance + 0.5) / (1 << 32))).astype(np.int64)
        yield from zip(*(drawn.tolist() for drawn in (steps, core, partner, node, rise)), strict=True)


class _Assignment:
    """Cores on nodes, what that costs, and what a move makes of it. Cores, streams and channels are numbers.

    node, core : node of each core, and core on each node, -1 if there is none
    trees : channels of each stream
    loads : bytes a step on each channel
    """

    def __init__(self, graph: LayerGraph, topology: Topology, at: Mapping[str, int]) -> None:
        self._topology, self._cores = topology, len(graph.cores)
        self.node = [at[core] for core in graph.cores]
        self.core = [-1] * topology.size(self._cores)
        for core, node in enumerate(self.node):
            self.core[node] = core
        number = {core: i for i, core in enumerate(graph.cores)}
        self._ends = [(number[s.source], [number[reader] for reader in s.readers]) for s in graph.streams]
        self._sizes = [stream.pixel_bytes for stream in graph.streams]
        self._streams: list[list[int]] = [[] for _ in graph.cores]  # that each core sends or reads
        for stream, (source, readers) in enumerate(self._ends):
            for core in (source, *readers):
                self._streams[core].append(stream)
        self._partners: list[list[int]] = [[] for _ in graph.cores]  # to whom it sends, from whom it reads
        for edge in graph.edges:
            sender, reader = (number[core] for core in edge)
            self._partners[sender].append(reader)
            self._partners[reader].append(sender)
        self.all_nodes = range(len(self.core))
        self._beside: dict[int, list[int]] = {}
        self._channels: dict[Channel, int] = {}
        self._ways: dict[tuple[int, int], tuple[int, ...]] = {}
        self.loads: list[int] = []
        self.trees: list[Collection[int]] = [() for _ in self._ends]
        self.byte_hops = self.most = 0
        self._take({stream: self._tree(stream) for stream in range(len(self._ends))})

    @property
    def cost(self) -> tuple[int, int]:
        """What is made least: byte-hops, and bytes a step on the busiest channel."""
        return self.byte_hops, self.most

    def beside_partner(self, core: int, partner: int) -> Sequence[int]:
        """Return the nodes nearest to one of a core's partners, which 32 bits choose; any if it has none."""
        partners = self._partners[core]
        if not partners:
            return self.all_nodes
        node = self.node[partners[partner * len(partners) >> 32]]
        if node not in self._beside:
            near: dict[int, list[int]] = {}
            for other in self.all_nodes:
                near.setdefault(self._distance(node, other), []).append(other)
            self._beside[node] = near[min(near.keys() - {0}, default=0)]
        return self._beside[node]

    def move(self, core: int, node: int, rise: int) -> bool:
        """Put a core on a node and tell so, unless that costs more than `rise` or an edge loses its way."""
        here, other = self.node[core], self.core[node]
        if node == here:
            return False
        self._put(core, node, other, here)
        touched = self._streams[core]
        if other >= 0:
            touched = [*touched, *(stream for stream in self._streams[other] if stream not in touched)]
        taken = self._rerouted(touched, rise)
        if not taken:
            self._put(core, here, other, node)
        return taken

    def _rerouted(self, streams: Iterable[int], rise: int) -> bool:
        """Let streams go to where their cores are now and tell so, unless that costs too much."""
        try:
            trees = {stream: self._tree(stream) for stream in streams}
        except MappingError:  # channels may lead one way only
            return False
        change = sum(self._sizes[s] * (len(tree) - len(self.trees[s])) for s, tree in trees.items())
        if change > rise:
            return False
        before, most = {stream: self.trees[stream] for stream in trees}, self.most
        self._take(trees)
        if change == 0 and self.most - most > rise:
            self._take(before)
            return False
        return True

    def _put(self, core: int, node: int, other: int, other_node: int) -> None:
        """Put a core on a node, and the other one, if there is one, on another."""
        self.node[core], self.core[node] = node, core
        self.core[other_node] = other
        if other >= 0:
            self.node[other] = other_node

    def _take(self, trees: Mapping[int, Collection[int]]) -> None:
        """Let streams go along other trees."""
        for stream, tree in trees.items():
            size = self._sizes[stream]
            for channel in self.trees[stream]:
                self.loads[channel] -= size
            for channel in tree:
                self.loads[channel] += size
            self.byte_hops += size * (len(tree) - len(self.trees[stream]))
            self.trees[stream] = tree
        self.most = max(self.loads, default=0)

    def _tree(self, stream: int) -> Collection[int]:
        """Return the channels that a stream takes, each once."""
        source, readers = self._ends[stream]
        start = self.node[source]
        if len(readers) == 1:
            return self._way(start, self.node[readers[0]])
        return set().union(*(self._way(start, self.node[reader]) for reader in readers))

    def _distance(self, node: int, other: int) -> int:
        """Return the channels between two nodes in the direction that takes fewer; 0 to itself."""
        lengths = []
        for pair in ((node, other), (other, node)):
            with suppress(MappingError):  # channels may lead one way only
                lengths.append(len(self._way(*pair)))
        return min(lengths, default=len(self.all_nodes))

    def _way(self, source: int, target: int) -> tuple[int, ...]:
        """Return the channels on the way from node to node."""
        way = self._ways.get((source, target))
        if way is None:
            route = self._topology.route(self._cores, source, target)
            for channel in pairwise(route):
                if channel not in self._channels:
                    self._channels[channel] = len(self._channels)
                    self.loads.append(0)
            way = self._ways[source, target] = tuple(self._channels[channel] for channel in pairwise(route))
        return way
