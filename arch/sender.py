"""Sending: one process that hands each finished pixel to every core that reads it."""

from __future__ import annotations

from arch.cost import LINK_BIT, LINK_LENGTH
from arch.tokens import Pixel
from simcore import (
    MOST_CYCLES,
    Component,
    In,
    Operation,
    Out,
    PartConfig,
    Process,
    components,
    param,
    process,
)


class SenderConfig(PartConfig):
    """Speed and cost of a core's output port."""

    pixel_cycles: int = param(
        1,
        ge=0,
        le=MOST_CYCLES,
        unit="cycle",
        doc="time to put one pixel on the links; at most a step by their design, assumed",
    )
    bit_energy_pj_per_mm: float = param(
        LINK_BIT.value, ge=0, unit="pJ/mm", doc=f"energy of a bit on each mm of link; {LINK_BIT.source}"
    )
    link_mm: float = param(LINK_LENGTH.value, ge=0, unit="mm", doc=f"length of a link; {LINK_LENGTH.source}")


@components.register("sender")
class Sender(Component):
    """Output port of a core: a pixel goes to all readers at once, each takes it when it has room.

    pixel_bits, readers : of the tensor it sends, set when the core is built
    """

    Config = SenderConfig
    family = "link"
    config: SenderConfig

    pixel_in = In(Pixel, doc="finished pixels, in order")
    pixel_out = Out(Pixel, doc="the same, to every reader's activation memory")
    send = Operation(doc="putting one pixel on the links")

    pixel_bits: int = 0
    readers: int = 0

    @process
    def serve(self) -> Process:
        """Take a pixel, put it on the links, wait until the last reader has it."""
        cycles = self.config.pixel_cycles
        while True:
            pixel = yield self.pixel_in.get()
            yield self.send.hold(cycles)
            yield self.pixel_out.put(pixel)

    def actions(self) -> dict[str, int]:
        """Add bits sent, one copy to each reader."""
        return {**super().actions(), "bit sent": self.send.count * self.pixel_bits * self.readers}

    def action_energy(self) -> dict[str, float]:
        """Return the energy of a bit over its link [J]."""
        return {"bit sent": self.config.bit_energy_pj_per_mm * self.config.link_mm * 1e-12}
