"""What writing costs, and area, where the paper of BasisN says nothing: defaults of other simulators.

Reads cost as in `arch.resistive_costs`, so that BasisN is compared with this machine on equal terms.
"""

from __future__ import annotations

from arch.cost import Cost

_ISAAC = "table of ISAAC-CE (Shafiee et al., ISCA 2016)"

WRITE_PULSE = Cost(5.0, "pJ", "1 to 10 pJ assumed")

#: 8 arrays of 128 x 128 in 0.0002 mm2, 8 converters in 0.0096 mm2.
ARRAY_AREA = Cost(0.0002 / 8, "mm2", _ISAAC)
ADC_AREA = Cost(0.0096 / 8, "mm2", f"8 bit; {_ISAAC}, as a stand-in")

#: Mean of incremental pulses with a verifying read behind each.
PULSES = Cost(8.5, "pulse", "mean of incremental pulses, NeuRRAM (Wan et al., Nature 2022), recalled")
PULSE = Cost(50, "ns", "write pulse of DNN+NeuroSim V2.1")
VERIFY = Cost(10, "ns", "read pulse of DNN+NeuroSim V1.3")
