"""What there is to choose about how pixels get from core to core."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from arch.cost import ROUTER_AREA, ROUTER_BIT
from arch.fabric.flit_config import LONGEST, FlitConfig, FlitRouterConfig, check_lanes
from arch.fabric.interconnect import Interconnect
from arch.fabric.link_costs import RouterConfig
from arch.fabric.placement_config import PlacementConfig
from arch.fabric.topology import Topology, fabrics
from simcore import MOST_CYCLES, Config, ConfigError, param, part


class FabricConfig(Config):
    """Topology, speed and fidelity. Length of links and energy of a bit on them are those of `core.links`."""

    fidelity: Literal["ideal", "link", "flit"] = param(
        "ideal",
        unit="one of",
        doc="ideal: each pixel as if nothing else was under way; link: packets reserve links, wait in finite "
        "queues and push back; flit: their flits go through buffers and allocators of every router",
    )
    latency_cycles: int = param(
        1,
        ge=0,
        le=MOST_CYCLES,
        unit="cycle",
        doc="of a link, and from stage to stage within a core; assumed; link and flit need at least 1",
    )
    router_cycles: int | None = param(
        None,
        ge=0,
        le=MOST_CYCLES,
        unit="cycle",
        doc="a header takes through a router, pipelined; null: 1, assumed, or with flit the sum of its "
        "stages, which a number must be then, too",
    )
    flit: FlitRouterConfig = param(FlitRouterConfig(), unit="", doc="routers with fidelity=flit")
    width_bits: int | None = param(
        None, ge=1, unit="bit", doc="of a link, which takes a flit a cycle; null: a pixel is one flit"
    )
    queue_packets: int = param(
        4,
        ge=1,
        le=2**20,
        unit="packet",
        doc="slots of each queue: one a lane at a link's end, with link, and one a stage in front of its "
        "links; assumed",
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
        if self.timed and not self.latency_cycles:
            raise ValueError(
                f"has fidelity={self.fidelity} with latency_cycles 0, but a link takes at least a cycle; set "
                "latency_cycles to 1 or more, or fidelity to ideal"
            )
        if self.fidelity == "flit":
            self._check_stages()
        return self

    def _check_stages(self) -> None:
        """Raise ValueError unless routers and links can be those of a flit network."""
        if self.latency_cycles > LONGEST:
            raise ValueError(
                f"has fidelity=flit with latency_cycles {self.latency_cycles}, but its links take up to "
                f"{LONGEST} cycles; set latency_cycles to {LONGEST} or less, or fidelity to link"
            )
        stages = self.flit.router_cycles
        if self.router_cycles not in (None, stages):
            raise ValueError(
                f"has fidelity=flit with router_cycles {self.router_cycles}, but the stages in flit take a "
                f"header {stages} cycles; set router_cycles to {stages} or null, or other delays of stages"
            )

    @property
    def timed(self) -> bool:
        """Whether pixels can hold each other up."""
        return self.fidelity != "ideal"

    def flits(self, bits: int) -> int:
        """Return the flits of a packet of so many bits."""
        return 1 if self.width_bits is None else max(1, -(-bits // self.width_bits))

    def zero_load_cycles(self, links: int, routers: int, flits: int) -> int:
        """Return the cycles in which a packet that nobody holds up passes so many links and routers."""
        alone = links * self.latency_cycles + routers * self.header_cycles + flits - 1
        if self.fidelity != "flit":
            return alone
        return alone + int(self.flit.credit_wait_cycles(self.latency_cycles, routers, flits))

    @property
    def header_cycles(self) -> int:
        """Cycles that a header takes through a router."""
        if self.router_cycles is not None:
            return self.router_cycles
        return self.flit.router_cycles if self.fidelity == "flit" else 1

    @property
    def router_costs(self) -> RouterConfig:
        """Energy and area of a router."""
        return RouterConfig(bit_energy_pj=self.router_bit_energy_pj, area_mm2=self.router_area_mm2)

    @property
    def flit_config(self) -> FlitConfig:
        """Routers and links of a flit network; streams keep to a channel, as readers count on their order."""
        return FlitConfig(
            **dict(self.flit), vc_choice="stream", escape=self.escape, link_delay=self.latency_cycles
        )

    def check(self, interconnect: Interconnect) -> None:
        """Raise ConfigError if this fidelity cannot simulate an interconnect."""
        if self.fidelity != "flit":
            return
        if interconnect.joints:
            raise ConfigError(
                f"fabric.fidelity=flit needs a buffer at the end of each link, but at "
                f"{interconnect.joints[0]} of {self.topology.kind} wires only meet; set it to link, or "
                "fabric.topology.kind to one with routers, as mesh or ring"
            )
        check_lanes(self.flit.vcs, interconnect.lanes, "fabric.flit.", "fabric.")
