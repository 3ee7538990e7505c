"""Whether a topology has a channel for every edge of a layer graph, and for which layer on which core.

With a core for each layer that is a monomorphism (one to one, edges to channels), where layers may share a
core a homomorphism. Both are found, or shown not to be there, by a search that keeps for each layer the cores
still possible and goes on with the layer that has fewest.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from arch.mapping.layer_graph import LayerGraph
from simcore import MappingError


def is_embedding(graph: LayerGraph, host: Any, at: Mapping[str, Any], *, one_to_one: bool = True) -> bool:
    """Tell whether every edge of `graph` is a channel of `host`, a networkx.DiGraph.

    at : vertex of each core
    one_to_one : no two cores may share a vertex
    """
    direct = all(host.has_edge(at[source], at[reader]) for source, reader in graph.edges)
    return direct and not (one_to_one and len({at[core] for core in graph.cores}) < len(graph.cores))


def embed(graph: LayerGraph, host: Any, seconds: float, *, one_to_one: bool = True) -> dict[str, Any] | None:
    """Return a vertex of `host`, a networkx.DiGraph, for each core of `graph`; None if it does not embed.

    one_to_one : no two cores may share a vertex
    raises : MappingError if neither is known after so many seconds
    """
    return _Search(graph, host, seconds, one_to_one).run()


class _Search:
    """Backtracking; a set of vertices is an integer's bits, counted in the order of the host's vertices."""

    def __init__(self, graph: LayerGraph, host: Any, seconds: float, one_to_one: bool) -> None:
        self.seconds, self.one_to_one = seconds, one_to_one
        self.deadline = time.monotonic() + seconds
        self.cores = graph.cores
        self.vertices = list(host)
        number = {vertex: i for i, vertex in enumerate(self.vertices)}
        self.after = [sum(1 << number[v] for v in host.successors(vertex)) for vertex in self.vertices]
        self.before = [sum(1 << number[v] for v in host.predecessors(vertex)) for vertex in self.vertices]
        #: For each core, its neighbours and where they may be once it has its vertex.
        self.neighbours: dict[str, list[tuple[str, list[int]]]] = {core: [] for core in graph.cores}
        for source, reader in graph.edges:
            self.neighbours[source].append((reader, self.after))
            self.neighbours[reader].append((source, self.before))

    def run(self) -> dict[str, Any] | None:
        """Return the vertex of each core."""
        anywhere = (1 << len(self.vertices)) - 1
        found = self._complete(dict.fromkeys(self.cores, anywhere), {})
        return None if found is None else {core: self.vertices[found[core]] for core in self.cores}

    def _complete(self, possible: dict[str, int], at: dict[str, int]) -> dict[str, int] | None:
        """Return `at` with a vertex for each core that has none yet; `possible` are those it may have."""
        if not possible:
            return at
        if time.monotonic() > self.deadline:
            raise MappingError(
                f"no embedding of {len(self.cores)} layers was found within {self.seconds:g} s, nor that "
                "there is none; raise fabric.search_seconds"
            )
        core = min(possible, key=lambda name: possible[name].bit_count())
        vertices = possible[core]
        while vertices:
            vertex = (vertices & -vertices).bit_length() - 1
            vertices &= vertices - 1
            left = self._left(possible, core, vertex)
            if all(left.values()):
                found = self._complete(left, {**at, core: vertex})
                if found is not None:
                    return found
        return None

    def _left(self, possible: dict[str, int], core: str, vertex: int) -> dict[str, int]:
        """Return what is possible for the other cores once `core` is on `vertex`."""
        left = {name: vertices for name, vertices in possible.items() if name != core}
        if self.one_to_one:
            left = {name: vertices & ~(1 << vertex) for name, vertices in left.items()}
        for name, reached in self.neighbours[core]:
            if name in left:
                left[name] &= reached[vertex]
        return left
