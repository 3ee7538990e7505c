"""What reading and writing resistive crossbars costs, the same for all machines that are compared by it.

A source that gives power and the time of an action gives its energy here.
"""

from __future__ import annotations

from itertools import pairwise
from math import exp, log

from arch.cost import BUFFER_AREA, BUFFER_BYTE, COLUMN_FINISH, DIGITAL_AREA, Cost

_PIMSYN = "configuration of PIMSYN (Li et al., DATE 2024)"
_ISAAC = "ISAAC's, as a stand-in (Shafiee et al., ISCA 2016)"

#: 0.30 mW for 128 x 128 cells, whose read takes 100 ns there.
CELL_READ = Cost(0.30 * 100 / (128 * 128) * 1e3, "fJ", f"128 x 128 RRAM, 0.30 mW for 100 ns; {_PIMSYN}")
#: 3.9 uW for 3 ns.
ROW_DRIVE = Cost(3.9 * 3, "fJ", f"DAC of 1 bit, 3.9 uW for 3 ns; {_PIMSYN}")
#: 0.1 mW for 4 ns.
SHIFT_ADD = Cost(0.1 * 4, "pJ", f"shift-and-add, 0.1 mW for 4 ns; {_PIMSYN}")
#: Mean of incremental pulses with a verifying read behind each.
PULSES = Cost(8.5, "pulse", "mean of incremental pulses, NeuRRAM (Wan et al., Nature 2022), recalled")
WRITE_PULSE = Cost(5.0, "pJ", "1 to 10 pJ assumed")
PULSE = Cost(50, "ns", "write pulse of DNN+NeuroSim V2.1")
VERIFY = Cost(10, "ns", "read pulse of DNN+NeuroSim V1.3")
#: Scaling, pooling or adding.
CHANNEL_PASS = COLUMN_FINISH
MAP_BYTE = BUFFER_BYTE
#: Joining a column to a converter, or letting it go.
SWITCH = Cost(1.0, "fJ", "a gate of some transistors, assumed")
COEFFICIENT_BIT = Cost(BUFFER_BYTE.value / 8, "pJ", BUFFER_BYTE.source)

#: 8 arrays of 128 x 128 in 0.0002 mm2.
ARRAY_AREA = Cost(0.0002 / 8, "mm2", _ISAAC)
#: 1024 rows in 0.00017 mm2.
ROW_AREA = Cost(0.00017 / 1024, "mm2", _ISAAC)
#: 8 in 0.0096 mm2, of 8 bits, whatever bits are asked for.
ADC_AREA = Cost(0.0096 / 8, "mm2", f"of 8 bits; {_ISAAC}")
#: 4 in 0.00024 mm2.
SHIFT_ADD_AREA = Cost(0.00024 / 4, "mm2", _ISAAC)
MEMORY_AREA = BUFFER_AREA
UNIT_AREA = DIGITAL_AREA
#: Of all parts of an array with its converters.
SWITCH_SHARE = Cost(0.05, "", "assumed, as the paper of BasisN calls its hardware negligible")

#: Energy of a conversion by its bits [pJ]: 0.7 mW, 2 mW and 2.25 mW for 1 ns. Another one, of 7 bits at 2
#: GS/s, is left out: it is of another kind, which takes more than these of 8.
CONVERSIONS = {4: 0.7, 8: 2.0, 9: 2.25}


def conversion_pj(bits: int) -> float:
    """Return the energy of a conversion of so many bits [pJ].

    Between two known points, and beyond the ends as between the nearest two, each bit multiplies it by the
    same factor: 1.30 between 4 and 8 bits, so 0.91 pJ for 5.
    """
    pairs = list(pairwise(sorted(CONVERSIONS)))
    below, above = next((pair for pair in pairs if bits <= pair[1]), pairs[-1])
    low, high = log(CONVERSIONS[below]), log(CONVERSIONS[above])
    return exp(low + (high - low) * (bits - below) / (above - below))
