"""What parts cost where the paper of BasisN says nothing: defaults of other simulators, each with its source.

A source that gives power and the time of an action gives its energy here.
"""

from __future__ import annotations

from arch.cost import Cost

_PIMSYN = "configuration of PIMSYN (Li et al., DATE 2024)"
_ISAAC = "table of ISAAC-CE (Shafiee et al., ISCA 2016)"

#: 0.30 mW for a read of 100 ns.
CELL_READ = Cost(0.30 * 100 / (128 * 128) * 1e3, "fJ", f"128 x 128 RRAM, 0.30 mW for 100 ns; {_PIMSYN}")
#: 3.9 uW for 3 ns.
ROW_DRIVE = Cost(3.9e-3 * 3, "pJ", f"DAC of 1 bit, 3.9 uW for 3 ns; {_PIMSYN}")
#: 0.7 mW at 4 bits and 2 mW at 8, both for 1 ns; a line between them.
CONVERSION = Cost(
    0.7 + (2.0 - 0.7) / 4, "pJ", f"5 bit, between 0.7 pJ at 4 and 2 pJ at 8 bit, assumed linear; {_PIMSYN}"
)
#: 0.1 mW for 4 ns.
SHIFT_ADD = Cost(0.1 * 4, "pJ", f"shift-and-add, 0.1 mW for 4 ns; {_PIMSYN}")
WRITE_PULSE = Cost(5.0, "pJ", "1 to 10 pJ assumed")

#: 8 arrays of 128 x 128 in 0.0002 mm2, 8 converters in 0.0096 mm2.
ARRAY_AREA = Cost(0.0002 / 8, "mm2", _ISAAC)
ADC_AREA = Cost(0.0096 / 8, "mm2", f"8 bit; {_ISAAC}, as a stand-in")

#: Mean of incremental pulses with a verifying read behind each.
PULSES = Cost(8.5, "pulse", "mean of incremental pulses, NeuRRAM (Wan et al., Nature 2022), recalled")
PULSE = Cost(50, "ns", "write pulse of DNN+NeuroSim V2.1")
VERIFY = Cost(10, "ns", "read pulse of DNN+NeuroSim V1.3")
