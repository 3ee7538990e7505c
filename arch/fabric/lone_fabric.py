"""A fabric by itself, with terminals that send packets at random instead of cores."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cached_property
from itertools import product
from typing import Any, Literal, Self

from pydantic import model_validator

from arch.fabric.edge_list import EdgeList
from arch.fabric.flit_config import FlitConfig
from arch.fabric.interconnect import Interconnect
from arch.fabric.topology import Topology, fabrics
from simcore import MappingError, param, part

Pattern = Literal["uniform", "transpose"]

_SIDE = 8  # nodes of a side by default
_SQUARES = ("mesh", "torus")


class LoneFabricConfig(FlitConfig):
    """Graph, routers and packets, and for how long they are watched."""

    fidelity: Literal["ideal", "link", "flit"] = param(
        "flit",
        unit="one of",
        doc="flit: flits, buffers and allocators of every router; link: packets that reserve links, and "
        "queues; ideal: latency only",
    )
    queue_packets: int = param(
        4,
        ge=1,
        le=2**20,
        unit="packet",
        doc="with link: slots of each queue, a lane's at a link's end or a node's",
    )
    topology: Topology = part("mesh", lookup=fabrics.__getitem__, doc="the graph")
    k: int | None = param(None, ge=2, le=16, unit="core", doc="nodes of a side of a mesh or torus; null: 8")
    nodes: int | None = param(
        None, ge=2, le=256, unit="core", doc="all nodes; null: k x k, 64, or those of an edge list"
    )
    packet_flits: int = param(1, ge=1, le=4096, unit="flit", doc="of every packet")
    warmup_cycles: int = param(3000, ge=0, le=10**7, unit="cycle", doc="before the samples; not measured")
    sample_cycles: int = param(3000, ge=1, le=10**7, unit="cycle", doc="of one sample")
    samples: int = param(3, ge=1, le=1000, unit="sample", doc="that follow one another")

    @model_validator(mode="after")
    def _sized(self) -> Self:
        kind = self.topology.kind
        if self.k is not None and kind not in _SQUARES:
            raise ValueError(f"has k, which is for {' and '.join(_SQUARES)}, not for {kind}; set nodes")
        if None not in (self.k, self.nodes) and self.nodes != self.k * self.k:  # type: ignore[operator]
            raise ValueError(f"has k {self.k} and nodes {self.nodes}, but k x k is not that; leave one out")
        return self

    @cached_property
    def cores(self) -> int:
        """Nodes that send and read: all of the smallest graph that has as many as asked for."""
        if self.nodes is None and isinstance(self.topology, EdgeList):
            return self.topology.cores
        side = self.k or _SIDE
        return self.topology.size(self.nodes or side * side)

    def credit_wait_cycles(self, link_cycles: int, routers: Any, flits: Any) -> Any:
        """Return the cycles for which a lone packet waits for credits: none but with flits."""
        return super().credit_wait_cycles(link_cycles, routers, flits) if self.fidelity == "flit" else 0

    def routers_on(self, interconnect: Interconnect, key: Hashable) -> int:
        """Return the routers on a way, for which flits take joints, too."""
        if self.fidelity == "flit":
            return max(0, interconnect.length(key) - 1)
        return interconnect.routers_on(key)

    def pairs(self, pattern: Pattern) -> list[tuple[int, int]]:
        """Return who sends to whom, sender by sender.

        raises : MappingError if the pattern does not fit the graph
        """
        if pattern == "transpose":
            return [(core, self.topology.transposed(self.cores, core)) for core in range(self.cores)]
        return list(product(range(self.cores), range(self.cores)))

    def interconnect(self, pattern: Pattern) -> Interconnect:
        """Return the routers and links that a pattern uses.

        raises : MappingError if there is no way between nodes that are to talk, or none takes any link
        """
        pairs = self.pairs(pattern)
        try:
            interconnect = Interconnect(self.topology, self.cores, pairs, escape=self.escape)
        except MappingError as error:
            raise MappingError(
                f"{error}: {pattern} traffic needs one between any two that talk, as chain, ring, mesh, "
                "torus, hypercube, c-mesh, h-tree and all-to-all have"
            ) from None
        if not interconnect.links:
            raise MappingError(
                f"{pattern} traffic crosses no link of {self.topology.kind} with {self.cores} nodes; "
                "take more"
            )
        return interconnect
