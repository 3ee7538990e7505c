"""Links and routers of a mesh: units whose time others reserve, packet by packet."""

from __future__ import annotations

from arch.machines.isaac.bookings import ReservedTime
from simcore import Component, Counter, Operation, Process, process


class MeshUnit(Component):
    """What packets pass without a stop, at times that the mesh gives them.

    time : its account
    """

    time: ReservedTime

    @process
    def serve(self) -> Process:
        """Be there: the mesh says when packets pass."""
        yield self.time.open()

    def actions(self) -> dict[str, int]:
        """Return what passed; times that follow at once are one, so how many there are says nothing."""
        return {counter.name: counter.count for counter in self.counters}


class MeshLink(MeshUnit):
    """A link from tile to router, from router to router, back to a tile, or from chip to chip."""

    family = "link"

    transfer = Operation(
        doc="time in which some packet passes", set_by=("mesh.link_bits", "mesh.link_ghz", "activation_bits")
    )
    flits = Counter("flit", unit="flit", doc="that passed")


class HyperTransportLink(MeshLink):
    """A link from chip to chip, one of several; a direction of its own."""

    transfer = Operation(
        doc="time in which some packet passes", set_by=("hypertransport.gb_per_s", "activation_bits")
    )
    size = Counter("byte", unit="byte", doc="that passed")


class MeshRouter(MeshUnit):
    """A router: any number of packets pass at once, each by another of its links.

    pj : energy of a flit [pJ]
    """

    family = "router"

    forward = Operation(
        doc="time in which some packet leaves", set_by=("mesh.link_bits", "mesh.link_ghz", "activation_bits")
    )

    pj: float = 0.0

    def build(self) -> None:
        """Start without links."""
        self.links: list[MeshLink] = []

    def actions(self) -> dict[str, int]:
        """Return flits, once for each link that they leave by."""
        return {"flit": sum(link.flits.count for link in self.links)}

    def action_energy(self) -> dict[str, float]:
        """Return the energy of a flit [J]."""
        return {"flit": self.pj * 1e-12}
