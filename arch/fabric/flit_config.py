"""What there is to choose about routers that work flit by flit."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from simcore import Config, ConfigError, param

LONGEST = 1000  # cycles of one stage; the wheel of cycles that flits travel on is as long


class FlitRouterConfig(Config):
    """Sizes and stages of routers with input buffers, virtual channels and credits.

    Stages and buffers are those of a plain router in Dally and Towles (2004), chapter 16.
    """

    vcs: int = param(4, ge=1, le=64, unit="channel", doc="virtual channels of each link")
    vc_buffer_flits: int = param(
        8, ge=1, le=4096, unit="flit", doc="room at a link's end for each virtual channel"
    )
    routing_delay: int = param(
        1, ge=0, le=LONGEST, unit="cycle", doc="to compute a packet's route; 0: looked up ahead"
    )
    vc_alloc_delay: int = param(
        1, ge=1, le=LONGEST, unit="cycle", doc="to allocate a packet its virtual channel"
    )
    switch_alloc_delay: int = param(
        1, ge=1, le=LONGEST, unit="cycle", doc="to allocate a flit the switch; takes bids every cycle"
    )
    switch_traversal_delay: int = param(
        1, ge=0, le=LONGEST, unit="cycle", doc="of a flit from its buffer to its link"
    )
    credit_delay: int = param(1, ge=0, le=LONGEST, unit="cycle", doc="until a credit that is back counts")

    @property
    def router_cycles(self) -> int:
        """Cycles of a head through a router whose allocations it gets at once."""
        return (
            self.routing_delay + self.vc_alloc_delay + self.switch_alloc_delay + self.switch_traversal_delay
        )

    def credit_wait_cycles(self, link_cycles: int, routers: Any, flits: Any) -> Any:
        """Return the cycles for which a lone packet waits for credits, as channels have too little room.

        routers, flits : whole numbers, or arrays of them

        A channel takes as many flits as it has room for in the time from a flit's grant, over the link, until
        the credit for its slot counts; behind a router that takes longer than behind a terminal.
        """
        loop = 1 + 2 * link_cycles + self.credit_delay
        loop = loop + (routers > 0) * (self.switch_alloc_delay + self.switch_traversal_delay)
        return (flits - 1) // self.vc_buffer_flits * np.maximum(loop - self.vc_buffer_flits, 0)


class FlitConfig(FlitRouterConfig):
    """Routers, and the links between them."""

    vc_choice: Literal["any", "stream"] = param(
        "any",
        unit="one of",
        doc="any: whichever of a lane is free, so packets of a stream may overtake one another; stream: "
        "always the same one for the same sender and reader, so they stay in order",
    )
    escape: bool = param(
        True, unit="", doc="whether circles of links are opened by lanes; without, a ring may deadlock"
    )
    link_delay: int = param(1, ge=1, le=LONGEST, unit="cycle", doc="of a flit or credit over a link")

    def zero_load_cycles(self, links: Any, routers: Any, flits: Any) -> Any:
        """Return the cycles from a packet's creation until its tail has arrived, if it is alone.

        links, routers : of its way, links to and from terminals included

        It enters its first link a cycle after it was made. Arguments are whole numbers, or arrays of them.
        """
        alone = routers * self.router_cycles + links * self.link_delay + flits - 1 + 1
        return alone + self.credit_wait_cycles(self.link_delay, routers, flits)


def check_lanes(vcs: int, lanes: int, parts: str = "", links: str = "") -> None:
    """Raise ConfigError if there are fewer virtual channels than lanes.

    parts, links : what comes before the names of parameters of routers, and of all links
    """
    if vcs < lanes:
        raise ConfigError(
            f"{parts}vcs must be >= {lanes} channel here, where links wait for one another in circles and "
            f"packets change lanes to open them, got {vcs}; take {lanes}, or {links}escape=false to see the "
            "deadlock"
        )
