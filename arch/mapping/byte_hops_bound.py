"""How few byte-hops any placement of a layer graph has: a bound to hold the found ones to.

Each stream alone. Its tree has a channel into every vertex but the sender: where every vertex is a core, at
least as many channels as readers; where there are switches, at least as many as the smallest part of any
core's tree of ways that reaches so many cores.

Streams together, where every vertex is a core. A stream without a channel to spare passes nobody but its
readers. So each core that sends or reads it has another of its cores on a neighbouring node: a reader the one
that the pixels come from, the sender one that they go to. Where a core's neighbours, N at most, cannot cover
all its streams in this way, some have a channel more. N neighbours cover at most the sum of what each of the
N best covers by itself, where of cores that cover the same streams, or fewer of them, one is enough; so those
that are left have at least the bytes of all its streams less that sum.

A stream may be short of a neighbour at several cores, and still need one more channel only; its bytes are
split evenly between these, so that the sum over cores counts none of them twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from fractions import Fraction
from math import ceil

from arch.fabric.topology import Topology, Vertex, tree_of
from arch.mapping.layer_graph import LayerGraph, Stream
from simcore import MappingError


def least_byte_hops(graph: LayerGraph, topology: Topology) -> int:
    """Return bytes a step on all channels together that no placement goes below."""
    cores = len(graph.cores)
    switched = any(isinstance(end, str) for channel in topology.channels(cores) for end in channel)
    most_readers = max((len(stream.readers) for stream in graph.streams), default=0)
    channels = _least_channels(topology, cores, most_readers) if switched else range(most_readers + 1)
    alone = sum(stream.pixel_bytes * channels[len(stream.readers)] for stream in graph.streams)
    return alone if switched else alone + _together(graph, _most_neighbours(topology, cores))


def _together(graph: LayerGraph, neighbours: int) -> int:
    """Return the bytes of channels that streams need because a core has so many neighbours only."""
    touching: dict[str, list[Stream]] = {core: [] for core in graph.cores}
    for stream in graph.streams:
        for core in (stream.source, *stream.readers):
            touching[core].append(stream)
    whole = {stream: Fraction(stream.pixel_bytes) for stream in graph.streams}
    short = [core for core in graph.cores if _uncovered(core, touching[core], whole, neighbours) > 0]
    at = {stream: sum(core in (stream.source, *stream.readers) for core in short) for stream in graph.streams}
    shares = {stream: weight / max(at[stream], 1) for stream, weight in whole.items()}
    left = (_uncovered(core, touching[core], shares, neighbours) for core in short)
    return ceil(sum(weight for weight in left if weight > 0))


def _uncovered(
    core: str, streams: list[Stream], weights: dict[Stream, Fraction], neighbours: int
) -> Fraction:
    """Return the weight of a core's streams that no so many others cover, at least."""
    covers: dict[str, frozenset[Stream]] = {}
    for stream in streams:
        for other in dict.fromkeys((stream.source, *stream.readers)):
            if other != core:
                covers[other] = covers.get(other, frozenset()) | {stream}
    useful = {cover for cover in covers.values() if not any(cover < more for more in covers.values())}
    best = sorted((sum(weights[stream] for stream in cover) for cover in useful), reverse=True)
    return sum((weights[stream] for stream in streams), Fraction(0)) - sum(best[:neighbours])


def _most_neighbours(topology: Topology, cores: int) -> int:
    """Return the nodes that have a channel to or from one node, at most."""
    neighbours: dict[Vertex, set[Vertex]] = {}
    for tail, head in topology.channels(cores):
        if tail != head:
            neighbours.setdefault(tail, set()).add(head)
            neighbours.setdefault(head, set()).add(tail)
    return max(map(len, neighbours.values()), default=0)


def _least_channels(topology: Topology, cores: int, readers: int) -> list[int]:
    """Return the channels to 0, 1, ... so many readers, at least, wherever they and the sender are."""
    nodes = range(topology.size(cores))
    all_channels = sum(1 for _ in topology.channels(cores))
    least = [0] + [all_channels] * readers
    for source in nodes:
        tree = tree_of(_ways(topology, cores, source, nodes))
        parts: dict[Vertex, list[int]] = {}  # channels below a vertex, by the cores that they reach
        for vertex, before in reversed(tree.items()):  # whatever is behind a vertex comes after it
            own = parts.get(vertex, [0] + [all_channels] * readers)
            if isinstance(vertex, int):
                own = [0, *own[:-1]]
            behind = [0, *(channels + 1 for channels in own[1:])]
            parts[before] = _both(parts.get(before, [0] + [all_channels] * readers), behind)
        least = [min(pair) for pair in zip(least, parts.get(source, least), strict=True)]
    return least


def _ways(topology: Topology, cores: int, source: int, targets: Iterable[int]) -> Iterator[list[Vertex]]:
    """Yield the ways from a node to all that there is a way to."""
    for target in targets:
        with suppress(MappingError):
            yield topology.route(cores, source, target)


def _both(one: list[int], other: list[int]) -> list[int]:
    """Return the least sum of channels, by cores that two parts of a tree reach together."""
    return [min(one[i] + other[n - i] for i in range(n + 1)) for n in range(len(one))]
