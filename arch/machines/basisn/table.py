"""What the parts of BasisN cost: each constant with its unit and source.

Nothing is published of BasisN's own parts but that they add little. Arrays and converters are those of a set
of component powers, for 128 x 128 cells; the rest are stand-ins of other machines, or assumed.
"""

from __future__ import annotations

from itertools import pairwise
from math import exp, log

from arch.cost import BUFFER_BYTE, Cost
from arch.machines.isaac.table import IMA, TILE

_POWERS = "component powers of PIMSYN-NN"
_ISAAC = "ISAAC's, as a stand-in (Shafiee et al., ISCA 2016)"

#: Length of the read that the powers of arrays and drivers are for [ns].
_READ_NS = 100.0

#: 0.30 mW for 128 x 128 cells.
CELL_READ = Cost(0.30 * _READ_NS / (128 * 128) * 1e3, "fJ", f"0.30 mW an array in 100 ns; {_POWERS}")

#: 3.9 uW for an input of one bit.
ROW_DRIVE = Cost(3.9 * _READ_NS, "fJ", f"3.9 uW a driver of 1 bit in 100 ns; {_POWERS}")

#: Energy of a conversion by its bits [pJ]: 0.7 mW, 2 mW and 2.25 mW at 1 GS/s. Another one, of 7 bits at 2
#: GS/s, is left out: it is of another kind, which takes more than these of 8.
CONVERSIONS = {4: 0.7, 8: 2.0, 9: 2.25}

SHIFT_ADD = Cost(IMA["shift-add"].pj, "pJ", _ISAAC)
CHANNEL_PASS = Cost(TILE["sigmoid"].pj, "pJ", f"a value of a function unit; {_ISAAC}")

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


def conversion_pj(bits: int) -> float:
    """Return the energy of a conversion of so many bits [pJ].

    Between two known points, and beyond the ends as between the nearest two, each bit multiplies it by the
    same factor: 1.30 between 4 and 8 bits, so 0.91 pJ for 5.
    """
    pairs = list(pairwise(sorted(CONVERSIONS)))
    below, above = next((pair for pair in pairs if bits <= pair[1]), pairs[-1])
    low, high = log(CONVERSIONS[below]), log(CONVERSIONS[above])
    return exp(low + (high - low) * (bits - below) / (above - below))
