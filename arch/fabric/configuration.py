"""What there is to choose about how pixels get from core to core."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from arch.cost import ROUTER_AREA, ROUTER_BIT
from arch.fabric.placement_config import PlacementConfig
from arch.fabric.topology import Topology, fabrics
from simcore import MOST_CYCLES, Config, param, part


class FabricConfig(Config):
    """Topology, speed and fidelity. Length of links and energy of a bit on them are those of `core.links`."""

    fidelity: Literal["ideal", "link"] = param(
        "ideal",
        unit="one of",
        doc="ideal: each pixel as if nothing else was under way; link: packets reserve links, wait in finite "
        "queues and push back",
    )
    latency_cycles: int = param(
        1,
        ge=0,
        le=MOST_CYCLES,
        unit="cycle",
        doc="of a link, and from stage to stage within a core; assumed; link needs at least 1",
    )
    router_cycles: int = param(
        1, ge=0, le=MOST_CYCLES, unit="cycle", doc="a header takes through a router, pipelined; assumed"
    )
    width_bits: int | None = param(
        None, ge=1, unit="bit", doc="of a link, which takes a flit a cycle; null: a pixel is one flit"
    )
    queue_packets: int = param(
        4,
        ge=1,
        unit="packet",
        doc="slots of each queue: one a lane at a link's end, one a stage in front of its links; assumed",
    )
    escape: bool = param(
        True, unit="", doc="whether links that depend on each other in circles get lanes, so that none closes"
    )
    router_bit_energy_pj: float = param(
        ROUTER_BIT.value, ge=0, unit="pJ", doc=f"energy of a bit through a router; {ROUTER_BIT.source}"
    )
    router_area_mm2: float = param(
        ROUTER_AREA.value, ge=0, unit="mm2", doc=f"area of a router; {ROUTER_AREA.source}"
    )
    topology: Topology = part("all-to-all", lookup=fabrics.__getitem__, doc="channels between cores")
    placement: PlacementConfig = param(PlacementConfig(), unit="", doc="layers on cores of the topology")
    search_seconds: float = param(10.0, gt=0, unit="s", doc="that a search for a placement may take")

    @model_validator(mode="after")
    def _registered(self) -> Self:
        if self.fidelity == "link" and not self.latency_cycles:
            raise ValueError(
                "has fidelity=link with latency_cycles 0, but a link takes at least a cycle; set "
                "latency_cycles to 1 or more, or fidelity to ideal"
            )
        return self

    @property
    def timed(self) -> bool:
        """Whether pixels can hold each other up."""
        return self.fidelity != "ideal"

    def flits(self, bits: int) -> int:
        """Return the flits of a packet of so many bits."""
        return 1 if self.width_bits is None else max(1, -(-bits // self.width_bits))

    def zero_load_cycles(self, links: int, routers: int, flits: int) -> int:
        """Return the cycles in which a packet that nobody holds up passes so many links and routers."""
        return links * self.latency_cycles + routers * self.router_cycles + flits - 1
