"""What links and routers of a timed fabric cost, whatever decides on the time of what they carry."""

from __future__ import annotations

from collections.abc import Sequence

from arch.links import LinksConfig
from simcore import Component, Counter, PartConfig, param


class RouterConfig(PartConfig):
    """Cost of a router."""

    bit_energy_pj: float = param(0.0, ge=0, unit="pJ", doc="energy of a bit through it")
    area_mm2: float = param(0.0, ge=0, unit="mm2", doc="area of the router")


class FabricLink(Component):
    """A link between cores and routers.

    inside : whether it only leads from a core to its own router or back, which has no length
    """

    Config = LinksConfig
    family = "link"
    config: LinksConfig

    bits = Counter("bit sent", unit="bit", doc="of pixels, without what fills the last flit")

    inside: bool = False

    def action_energy(self) -> dict[str, float]:
        """Return the energy of a bit over its length [J]."""
        length = 0.0 if self.inside else self.config.length_mm
        return {"bit sent": self.config.bit_energy_pj_per_mm * length * 1e-12}


class FabricRouter(Component):
    """A router between links.

    links : that leave it
    """

    Config = RouterConfig
    family = "router"
    config: RouterConfig

    links: Sequence[FabricLink] = ()

    def actions(self) -> dict[str, int]:
        """Add bits, once for each link that they leave by."""
        return {**super().actions(), "bit routed": sum(link.bits.count for link in self.links)}

    def action_energy(self) -> dict[str, float]:
        """Return the energy of a bit [J]."""
        return {"bit routed": self.config.bit_energy_pj * 1e-12}

    def area(self) -> float:
        """Return the area of the router [mm2]."""
        return self.config.area_mm2
