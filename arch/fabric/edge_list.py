"""A topology that a user gives as a list of channels."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Literal, Self

from pydantic import model_validator

from arch.fabric.topology import Channel, Topology, Vertex, fabrics
from simcore import MappingError, param


@fabrics.register("edge-list")
class EdgeList(Topology):
    """Channels as given, in the directions given; a way is the shortest, through the lowest numbers."""

    edges: tuple[tuple[int, int], ...] = param(
        (),
        ge=0,
        le=2**16 - 1,
        unit="core",
        doc="channels [from, to] of nodes, or the name of a file with one a line",
    )
    nodes: Literal["router", "core"] = param(
        "router",
        unit="one of",
        doc="what has the channels: router: one beside each core; core: they are ports of its own, and a "
        "router is only where ways pass through",
    )

    @model_validator(mode="after")
    def _connected(self) -> Self:
        if not self.edges:
            raise ValueError("has no edges; give a list such as [[0, 1], [1, 2]], or the name of a file")
        parts = self._components()
        if len(parts) > 1:
            names = ", ".join(f"{{{_ranges(part)}}}" for part in parts)
            raise ValueError(
                f"has edges that connect only some nodes with each other: {names}; "
                "add edges between these, and number nodes from 0 on without gaps"
            )
        return self

    @property
    def routed(self) -> bool:
        """Whether channels lead from router to router."""
        return self.nodes == "router"

    @property
    def cores(self) -> int:
        """Cores there are: up to the highest number."""
        return 1 + max(max(edge) for edge in self.edges)

    def size(self, cores: int) -> int:
        """Return the cores there are, or raise MappingError if these are too few."""
        if cores > self.cores:
            raise MappingError(
                f"fabric.topology.edges connects {self.cores} nodes, but {cores} layers need one each; "
                f"add channels to {cores - self.cores} more"
            )
        return self.cores

    def channels(self, cores: int) -> Iterator[Channel]:
        """Yield the channels as given, each once."""
        yield from dict.fromkeys(self.edges)

    def route(self, cores: int, source: int, target: int) -> list[Vertex]:
        """Return the shortest way, found breadth first."""
        came_from = {source: source}
        waiting = deque([source])
        while waiting and target not in came_from:
            core = waiting.popleft()
            for reader in self._readers.get(core, ()):
                if reader not in came_from:
                    came_from[reader] = core
                    waiting.append(reader)
        if target not in came_from:
            raise self.no_way(source, target)
        way = [target]
        while way[-1] != source:
            way.append(came_from[way[-1]])
        return [*reversed(way)]

    @cached_property
    def _readers(self) -> Mapping[int, list[int]]:
        """Ends of the channels that leave each core, in order."""
        readers: dict[int, list[int]] = {}
        for source, target in sorted(set(self.edges)):
            readers.setdefault(source, []).append(target)
        return readers

    def _components(self) -> list[list[int]]:
        """Return the cores that hang together, whatever the directions of channels."""
        neighbours: dict[int, list[int]] = {core: [] for core in range(self.cores)}
        for source, target in self.edges:
            neighbours[source].append(target)
            neighbours[target].append(source)
        parts: list[list[int]] = []
        seen: set[int] = set()
        for first in neighbours:
            if first in seen:
                continue
            part = [first]
            seen.add(first)
            for core in part:  # grows while it is walked
                new = [n for n in dict.fromkeys(neighbours[core]) if n not in seen]
                seen.update(new)
                part += new
            parts.append(sorted(part))
        return parts


def _ranges(numbers: list[int]) -> str:
    """Return sorted numbers in short, as in "0-3, 7"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
