"""Topologies without a plane: the parallel prism, and lines, rings, cubes, trees, stars and a bus.

Source of the prism: 5 Parallel Prism (Dazzi et al., arXiv 1906.03474, and IEEE TC 70(6):922, 2021), whose
exact edge list was not at hand. B(k) stands for it: cores in a line, each with a channel to the next k, so
that every layer graph that has an order with edges no longer than k finds a channel for each edge.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

from arch.fabric.topology import (
    Channel,
    Point,
    Topology,
    Vertex,
    around,
    both_ways,
    circle,
    fabrics,
    snaking,
    straight,
)
from simcore import param


@fabrics.register("5pp")
class ParallelPrism(Topology):
    """Channels from each core to the next k in a line: B(k), which stands for 5 Parallel Prism at k = 5."""

    k: int = param(5, ge=1, unit="channel", doc="that leave a core, to the next so many; assumed")

    @property
    def routed(self) -> bool:
        """Channels are ports of the cores."""
        return False

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

    def layout(self, cores: int) -> dict[Vertex, Point]:
        """Return the line, as a snake."""
        return snaking(cores)


@fabrics.register("all-to-all")
class AllToAll(Topology):
    """A channel between any two cores."""

    @property
    def routed(self) -> bool:
        """Channels are ports of the cores."""
        return False

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

    def layout(self, cores: int) -> dict[Vertex, Point]:
        """Return the line, as a snake."""
        return snaking(cores)


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

    def layout(self, cores: int) -> dict[Vertex, Point]:
        """Return a square in which one half of the dimensions goes to the right and the other down."""
        half = -(-self.dimensions(cores) // 2)
        corners = {place: _corner(place) for place in range(self.size(cores))}
        return {
            place: (float(_place(corner % (1 << half))), float(_place(corner >> half)))
            for place, corner in corners.items()
        }


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

    @property
    def routed(self) -> bool:
        """The switches are all routers there are."""
        return False

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

    def layout(self, cores: int) -> dict[Vertex, Point]:
        """Return the H of Hs: each switch in the middle of the leaves below it."""
        places: dict[Vertex, Point] = {}
        for level in range(self.levels(cores) + 1):
            for index in range(self.size(cores) >> level):
                first, last = (_leaf(leaf) for leaf in (index << level, ((index + 1) << level) - 1))
                places[_switch(level, index)] = (first[0] + last[0]) / 2, (first[1] + last[1]) / 2
        return places


def _switch(level: int, index: int) -> Vertex:
    """Return a vertex of the tree; on level 0 that is a core."""
    return f"switch[{level},{index}]" if level else index


def _leaf(index: int) -> tuple[int, int]:
    """Return where a leaf is: bits 0, 2, ... of its number lead to the right, bits 1, 3, ... down."""
    bits = range(index.bit_length())
    return (
        sum((index >> bit & 1) << bit // 2 for bit in bits if bit % 2 == 0),
        sum((index >> bit & 1) << bit // 2 for bit in bits if bit % 2),
    )


@fabrics.register("bus")
class Bus(Topology):
    """One medium for all cores: an arbiter lets one after the other send on it, and all hear it.

    The medium is the channel from `bus[in]`, where the arbiter stands, to `bus[out]`, where all cores listen:
    wires meet there, without a router. A multicast crosses the medium once.
    """

    joints: ClassVar[frozenset[Vertex]] = frozenset({"bus[out]"})

    @property
    def routed(self) -> bool:
        """The arbiter is all there is."""
        return False

    def channels(self, cores: int) -> Iterator[Channel]:
        """Yield the medium, and the wires of each core to and from it."""
        yield "bus[in]", "bus[out]"
        for core in range(cores):
            yield core, "bus[in]"
            yield "bus[out]", core

    def route(self, cores: int, source: int, target: int) -> list[Vertex]:
        """Return the way across the medium."""
        return [source, "bus[in]", "bus[out]", target] if source != target else [source]

    def layout(self, cores: int) -> dict[Vertex, Point]:
        """Return a circle of cores around the medium."""
        places = circle(range(cores))
        half = max(0.4, -0.15 * places[0][1])
        return places | {"bus[in]": (-half, 0.0), "bus[out]": (half, 0.0)}
