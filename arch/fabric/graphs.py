"""Topologies without a plane: the parallel prism, and lines, rings, cubes, trees and stars of channels.

Source of the prism: 5 Parallel Prism (Dazzi et al., arXiv 1906.03474, and IEEE TC 70(6):922, 2021), whose
exact edge list was not at hand. B(k) stands for it: cores in a line, each with a channel to the next k, so
that every layer graph that has an order with edges no longer than k finds a channel for each edge.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

from arch.fabric.topology import Channel, Topology, Vertex, around, both_ways, fabrics, straight
from simcore import param


@fabrics.register("5pp")
class ParallelPrism(Topology):
    """Channels from each core to the next k in a line: B(k), which stands for 5 Parallel Prism at k = 5."""

    routed: ClassVar[bool] = False

    k: int = param(5, ge=1, unit="channel", doc="that leave a core, to the next so many; assumed")

    def channels(self, cores: int) -> Iterator[Channel]:
        """Yield k sub-diagonals of the adjacency matrix."""
        for source in range(cores):
            yield from ((source, target) for target in range(source + 1, min(source + self.k + 1, cores)))

    def route(self, cores: int, source: int, target: int) -> list[Vertex]:
        """Return longest hops first, then the rest; nothing goes back."""
        if target < source:
            raise self.no_way(source, target)
        hops = range(source, target, self.k)
        return [*hops, target]


@fabrics.register("all-to-all")
class AllToAll(Topology):
    """A channel between any two cores."""

    routed: ClassVar[bool] = False

    def channels(self, cores: int) -> Iterator[Channel]:
        """Yield all pairs."""
        yield from ((a, b) for a in range(cores) for b in range(cores) if a != b)

    def route(self, cores: int, source: int, target: int) -> list[Vertex]:
        """Return the one hop."""
        return [source, target] if source != target else [source]


@fabrics.register("chain")
class Chain(Topology):
    """A line of cores, with channels both ways between neighbours."""

    def channels(self, cores: int) -> Iterator[Channel]:
        """Yield the links of neighbours."""
        for core in range(cores - 1):
            yield from both_ways(core, core + 1)

    def route(self, cores: int, source: int, target: int) -> list[Vertex]:
        """Return the straight way."""
        return [source, *straight(source, target)]


@fabrics.register("ring")
class Ring(Topology):
    """A closed line of cores, with channels both ways between neighbours."""

    def channels(self, cores: int) -> Iterator[Channel]:
        """Yield the links of neighbours."""
        for core in range(cores if cores > 2 else cores - 1):
            yield from both_ways(core, (core + 1) % cores)

    def route(self, cores: int, source: int, target: int) -> list[Vertex]:
        """Return the shorter way around, forward if both are equal."""
        return [source, *around(source, target, cores)]


@fabrics.register("hypercube")
class Hypercube(Topology):
    """Cores at the corners of a cube of any dimension, along a Gray code, with channels along its edges."""

    first: Literal["lowest", "highest"] = param(
        "lowest", unit="one of", doc="dimension that a route corrects first (e-cube)"
    )

    def dimensions(self, cores: int) -> int:
        """Return the dimensions of the smallest cube."""
        return (cores - 1).bit_length()

    def size(self, cores: int) -> int:
        """Return the corners of the smallest cube."""
        return int(2 ** self.dimensions(cores))

    def channels(self, cores: int) -> Iterator[Channel]:
        """Yield the links of corners that differ in one bit."""
        for core in range(self.size(cores)):
            yield from ((core, _place(_corner(core) ^ 1 << d)) for d in range(self.dimensions(cores)))

    def route(self, cores: int, source: int, target: int) -> list[Vertex]:
        """Return the way that corrects one bit after the other."""
        dimensions = range(self.dimensions(cores))
        corner, differ = _corner(source), _corner(source) ^ _corner(target)
        way: list[Vertex] = [source]
        for dimension in dimensions if self.first == "lowest" else reversed(dimensions):
            if differ >> dimension & 1:
                corner ^= 1 << dimension
                way.append(_place(corner))
        return way


def _corner(place: int) -> int:
    """Return the Gray code of a place."""
    return place ^ place >> 1


def _place(corner: int) -> int:
    """Return the place whose Gray code is `corner`."""
    place = 0
    while corner:
        place ^= corner
        corner >>= 1
    return place


@fabrics.register("h-tree")
class HTree(Topology):
    """Cores at the leaves of a binary tree of switches, laid out as H in H."""

    routed: ClassVar[bool] = False

    def levels(self, cores: int) -> int:
        """Return the levels of switches above the leaves."""
        return (cores - 1).bit_length()

    def size(self, cores: int) -> int:
        """Return the leaves of the smallest tree."""
        return int(2 ** self.levels(cores))

    def channels(self, cores: int) -> Iterator[Channel]:
        """Yield the link of every vertex but the root to the one above it."""
        size = self.size(cores)
        for level in range(self.levels(cores)):
            for index in range(size >> level):
                yield from both_ways(_switch(level, index), _switch(level + 1, index // 2))

    def route(self, cores: int, source: int, target: int) -> list[Vertex]:
        """Return the way up to the first switch above both, and down."""
        top = (source ^ target).bit_length()
        up = [_switch(level, source >> level) for level in range(top + 1)]
        return [*up, *(_switch(level, target >> level) for level in reversed(range(top)))]


def _switch(level: int, index: int) -> Vertex:
    """Return a vertex of the tree; on level 0 that is a core."""
    return f"switch[{level},{index}]" if level else index
