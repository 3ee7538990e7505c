"""The links that a core's pixels leave by: what they cost; the time on them is the fabric's."""

from __future__ import annotations

from collections.abc import Callable

from arch.cost import LINK_BIT, LINK_LENGTH
from simcore import Component, PartConfig, components, param


class LinksConfig(PartConfig):
    """Cost and length of a link."""

    bit_energy_pj_per_mm: float = param(
        LINK_BIT.value, ge=0, unit="pJ/mm", doc=f"energy of a bit on each mm of link; {LINK_BIT.source}"
    )
    length_mm: float = param(
        LINK_LENGTH.value, ge=0, unit="mm", doc=f"length of a link; {LINK_LENGTH.source}"
    )


@components.register("links")
class Links(Component):
    """Output links of a core, one to each reader; a timed fabric has links of its own.

    pixel_bits : of the tensor that is sent, set when the core is built
    readers : that no timed fabric leads to
    sent : returns the pixels sent so far
    """

    Config = LinksConfig
    family = "link"
    config: LinksConfig

    pixel_bits: int = 0
    readers: int = 0
    sent: Callable[[], int] = staticmethod(lambda: 0)

    def actions(self) -> dict[str, int]:
        """Add bits sent, one copy to each reader."""
        return {**super().actions(), "bit sent": self.sent() * self.pixel_bits * self.readers}

    def action_energy(self) -> dict[str, float]:
        """Return the energy of a bit over its link [J]."""
        return {"bit sent": self.config.bit_energy_pj_per_mm * self.config.length_mm * 1e-12}
