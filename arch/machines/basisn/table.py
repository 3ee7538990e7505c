"""What the parts of BasisN cost: each constant with its unit and source.

Nothing is published of BasisN's own parts but that they add little. What reads crossbars costs as in
`arch.resistive_costs`; the rest are stand-ins of other machines, or assumed.
"""

from __future__ import annotations

from arch.cost import BUFFER_BYTE, Cost
from arch.machines.isaac.table import IMA, TILE

_ISAAC = "ISAAC's, as a stand-in (Shafiee et al., ISCA 2016)"

#: Joining a column to a converter, or letting it go.
SWITCH = Cost(1.0, "fJ", "a gate of some transistors, assumed")

COEFFICIENT_BIT = Cost(BUFFER_BYTE.value / 8, "pJ", BUFFER_BYTE.source)

ARRAY_AREA = Cost(IMA["crossbar"].instance.mm2, "mm2", _ISAAC)
ROW_AREA = Cost(IMA["dac"].instance.mm2, "mm2", _ISAAC)
#: Of 8 bits, whatever bits are asked for.
ADC_AREA = Cost(IMA["adc"].instance.mm2, "mm2", f"of 8 bits; {_ISAAC}")
SHIFT_ADD_AREA = Cost(IMA["shift-add"].instance.mm2, "mm2", _ISAAC)
#: 64 KiB in 0.083 mm2.
MEMORY_AREA = Cost(TILE["edram"].instance.mm2, "mm2", f"of a KiB of eDRAM; {_ISAAC}")
#: Of all parts of an array with its converters.
SWITCH_SHARE = Cost(0.05, "", "assumed, as the paper calls its hardware negligible")
