"""What every topology is: a directed graph of channels between cores, with one fixed way from core to core.

Cores are numbered in the order in which a placement fills them; the nodes of a graph are these numbers, and
names where a router stands. A placement puts a layer on each, whatever arrays that layer has. Nothing here
takes time: static graphs, routes and their lengths.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from math import isqrt
from typing import Any, ClassVar, TypeAlias

from simcore import MappingError, PartConfig, Registry

Vertex: TypeAlias = int | str
Channel: TypeAlias = tuple[Vertex, Vertex]


class Topology(PartConfig):
    """Base of all topologies; a configuration that can draw its graph for any number of cores.

    routed : whether every core has a router, through which what it sends and reads goes, too
    """

    routed: ClassVar[bool] = True

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

    def no_way(self, source: int, target: int) -> MappingError:
        """Return the error for cores that no channels connect in this direction."""
        return MappingError(
            f"fabric.topology.kind={self.kind} has no way from node {source} to node {target}; "
            "add channels, or choose another topology"
        )


#: Topologies that users may name, by kind.
fabrics: Registry[type[Topology]] = Registry("fabric")


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
