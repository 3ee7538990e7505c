"""What every topology is: a directed graph of channels between cores, with one fixed way from core to core.

Cores are numbered in the order in which a placement fills them; the nodes of a graph are these numbers, and
names where a router stands. A placement puts a layer on each, whatever arrays that layer has. Nothing here
takes time: static graphs, routes and their lengths.

Ways from one core make a tree: whatever way passes a vertex comes to it as the way to that vertex does. What
many read goes along the tree of their ways, forks where they part, and takes no channel twice.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from math import cos, isqrt, pi, sin
from typing import Any, ClassVar, TypeAlias

from simcore import MappingError, PartConfig, Registry

Vertex: TypeAlias = int | str
Channel: TypeAlias = tuple[Vertex, Vertex]
Point: TypeAlias = tuple[float, float]


class Topology(PartConfig):
    """Base of all topologies; a configuration that can draw its graph for any number of cores.

    joints : vertices where wires only meet, without the time, energy and area of a router
    """

    joints: ClassVar[frozenset[Vertex]] = frozenset()

    @property
    def routed(self) -> bool:
        """Whether every core has a router, through which what it sends and reads goes, too."""
        return True

    def size(self, cores: int) -> int:
        """Return the cores of the smallest such graph with at least so many; for its size, it is the same."""
        return cores

    @abstractmethod
    def channels(self, cores: int) -> Iterator[Channel]:
        """Yield every channel of the graph for so many cores, once for each direction."""

    @abstractmethod
    def route(self, cores: int, source: int, target: int) -> list[Vertex]:
        """Return the vertices on the way from one core to another, both included.

        raises : MappingError if there is no way
        """

    def transposed(self, cores: int, core: int) -> int:
        """Return the core with row and column exchanged, in a square of cores row by row.

        raises : MappingError if so many cores make no square
        """
        side = self.side(cores)
        return core % side * side + core // side

    def side(self, cores: int) -> int:
        """Return the cores along a side of the square they make, or raise MappingError if they make none."""
        size = self.size(cores)
        side = isqrt(size)
        if side * side != size:
            raise MappingError(
                f"transpose needs a square of nodes, but {self.kind} has {size}; "
                f"take {side * side} or {(side + 1) ** 2}"
            )
        return side

    def graph(self, cores: int) -> Any:
        """Return the graph for so many cores, a networkx.DiGraph."""
        import networkx  # takes long to import

        graph = networkx.DiGraph()
        graph.add_nodes_from(range(self.size(cores)))
        graph.add_edges_from(self.channels(cores))
        return graph

    def layout(self, cores: int) -> dict[Vertex, Point]:
        """Return where each vertex is drawn, to the right and down, neighbours a distance of about 1 apart.

        Around a circle, unless a topology has a better place for them.
        """
        return circle(list(self.graph(cores)))

    def no_way(self, source: int, target: int) -> MappingError:
        """Return the error for cores that no channels connect in this direction."""
        return MappingError(
            f"fabric.topology.kind={self.kind} has no way from node {source} to node {target}; "
            "add channels, or choose another topology"
        )


#: Topologies that users may name, by kind.
fabrics: Registry[type[Topology]] = Registry("fabric")


def tree_of(ways: Iterable[Sequence[Vertex]]) -> dict[Vertex, Vertex]:
    """Return the multicast tree of ways from one core: the vertex in front of each but the core.

    raises : MappingError if two channels lead to one vertex
    """
    before: dict[Vertex, Vertex] = {}
    for way in ways:
        for tail, head in pairwise(way):
            if before.setdefault(head, tail) != tail or head == way[0]:
                raise MappingError(
                    f"ways from node {way[0]} reach {head} by two channels, or come back to it; a topology's "
                    "route() must lead past a vertex as it leads to it"
                )
    return before


def both_ways(source: Vertex, target: Vertex) -> tuple[Channel, Channel]:
    """Return the two channels of a bidirectional link."""
    return (source, target), (target, source)


def straight(start: int, end: int) -> Iterator[int]:
    """Yield the places behind `start` on the straight way to `end`."""
    step = 1 if end > start else -1
    yield from range(start + step, end + step, step) if end != start else ()


def around(start: int, end: int, length: int) -> Iterator[int]:
    """Yield the places behind `start` on the shorter way around a ring to `end`, forward in doubt."""
    forward = (end - start) % length
    step, count = (1, forward) if 2 * forward <= length else (-1, length - forward)
    yield from ((start + step * i) % length for i in range(1, count + 1))


def circle(vertices: Sequence[Vertex]) -> dict[Vertex, Point]:
    """Return vertices around a circle with the first on top, clockwise."""
    radius = max(1.0, len(vertices) / (2 * pi))
    angles = {vertex: 2 * pi * i / len(vertices) for i, vertex in enumerate(vertices)}
    return {vertex: (radius * sin(angle), -radius * cos(angle)) for vertex, angle in angles.items()}


def snake(core: int, columns: int) -> tuple[int, int]:
    """Return row and column of a core in a grid whose odd rows are filled backward."""
    row, place = divmod(core, columns)
    return row, columns - 1 - place if row % 2 else place


def snaking(cores: int) -> dict[Vertex, Point]:
    """Return a line of cores, folded into a square."""
    columns = isqrt(cores - 1) + 1
    rows_and_columns = (snake(core, columns) for core in range(cores))
    return {core: (float(x), float(y)) for core, (y, x) in enumerate(rows_and_columns)}
