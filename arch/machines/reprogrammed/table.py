"""Times of writing, and area, where the paper of BasisN says nothing: defaults of other simulators.

Reads and pulses cost as in `arch.resistive_costs`, so that BasisN is compared on equal terms.
"""

from __future__ import annotations

from arch.cost import Cost

_ISAAC = "table of ISAAC-CE (Shafiee et al., ISCA 2016)"

#: 8 arrays of 128 x 128 in 0.0002 mm2, 8 converters in 0.0096 mm2.
ARRAY_AREA = Cost(0.0002 / 8, "mm2", _ISAAC)
ADC_AREA = Cost(0.0096 / 8, "mm2", f"8 bit; {_ISAAC}, as a stand-in")

PULSE = Cost(50, "ns", "write pulse of DNN+NeuroSim V2.1")
VERIFY = Cost(10, "ns", "read pulse of DNN+NeuroSim V1.3")
