"""Energy and area of building blocks, each with its unit and source.

What a paper gives for a whole core is split over the parts here, never added to them. Shares of such a split
are assumptions and say so; they move joules between parts but leave every total where the source puts it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """A published or derived number.

    source : where it is from; "assumed" where nothing is published
    """

    value: float
    unit: str
    source: str

    def share(self, fraction: float, of: str) -> Cost:
        """Return a part of it, as an assumption on how the whole splits."""
        return Cost(self.value * fraction, self.unit, f"{fraction:g} of {of} ({self.source}), split assumed")


#: 131 072 operations at 10.5 TOPS/W; array, converters and digital unit together.
HERMES_MVM = Cost(
    12.483, "nJ", "HERMES core, 10.5 TOPS/W at 130 ns a product (Khaddam-Aljameh et al., JSSC 2022)"
)
#: 1.008 TOPS at 1.59 TOPS/mm2.
HERMES_CORE = Cost(
    0.634, "mm2", "HERMES core, 1.59 TOPS/mm2 at 130 ns a product (Khaddam-Aljameh et al., JSSC 2022)"
)

#: 131 072 operations at 9.76 TOPS/W, and at 2.48 TOPS/W with reads in four phases; the whole chip's.
PCM64_MVM = Cost(13.430, "nJ", "64-core chip, 9.76 TOPS/W (Le Gallo et al., Nature Electronics 2023)")
PCM64_MVM_4_PHASES = Cost(
    52.852, "nJ", "64-core chip, 2.48 TOPS/W in four phases (Le Gallo et al., Nature Electronics 2023)"
)
#: 12 mm x 12 mm.
PCM64_CORE = Cost(2.25, "mm2", "a 64th of a die of 144 mm2 (Le Gallo et al., Nature Electronics 2023)")

ARRAY_SHARE, ADC_SHARE, DIGITAL_SHARE = 0.40, 0.45, 0.15
HERMES_ROWS = HERMES_COLS = 256

#: 256 x 256 unit cells.
CELL_READ = Cost(
    HERMES_MVM.value * ARRAY_SHARE / (HERMES_ROWS * HERMES_COLS) * 1e6,
    "fJ",
    HERMES_MVM.share(ARRAY_SHARE, "a product").source,
)
#: 256 converters, one a bitline.
CONVERSION = Cost(
    HERMES_MVM.value * ADC_SHARE / HERMES_COLS * 1e3, "pJ", HERMES_MVM.share(ADC_SHARE, "a product").source
)
#: 256 columns scaled and clipped.
COLUMN_FINISH = Cost(
    HERMES_MVM.value * DIGITAL_SHARE / HERMES_COLS * 1e3,
    "pJ",
    HERMES_MVM.share(DIGITAL_SHARE, "a product").source,
)
ARRAY_AREA = HERMES_CORE.share(ARRAY_SHARE, "a core")
ADC_AREA = HERMES_CORE.share(ADC_SHARE / HERMES_COLS, "a core")
DIGITAL_AREA = HERMES_CORE.share(DIGITAL_SHARE, "a core")

#: 20.45 pJ for 256 bits; eDRAM of ISAAC's tile, for want of a published number of this core's memory.
BUFFER_BYTE = Cost(
    0.64, "pJ", "eDRAM, 20.45 pJ per 256-bit access (hwcomponents' ISAAC library), as a stand-in"
)
#: 64 KB in 0.083 mm2.
BUFFER_AREA = Cost(0.083 / 64, "mm2", "eDRAM, 0.083 mm2 per 64 KB (Shafiee et al., ISCA 2016), as a stand-in")

LINK_BIT = Cost(0.1, "pJ", "0.1 pJ per bit and mm, assumed")
#: Pitch of cores of 0.634 mm2.
LINK_LENGTH = Cost(0.8, "mm", "pitch of cores of 0.634 mm2, assumed")
#: 42 mW with 8 ports of 32 bits at 1.2 GHz.
ROUTER_BIT = Cost(
    42 / (8 * 32 * 1.2),
    "pJ",
    "router of 42 mW with 8 ports of 32 bit (Shafiee et al., ISCA 2016), all ports busy at 1.2 GHz, assumed, "
    "as a stand-in",
)
ROUTER_AREA = Cost(0.151, "mm2", "router with 8 ports of 32 bit (Shafiee et al., ISCA 2016), as a stand-in")

#: A multiplication and an addition of 8 bit each.
DIGITAL_MAC = Cost(
    0.23, "pJ", "8 bit: product 0.2 pJ, sum 0.03 pJ, at 45 nm (Horowitz, ISSCC 2014), recalled"
)
DIGITAL_MAC_AREA = Cost(
    318e-6, "mm2", "8 bit: product 282 um2, sum 36 um2, at 45 nm (Horowitz, ISSCC 2014), recalled"
)
