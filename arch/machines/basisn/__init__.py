"""BasisN: basis vectors written once, and the kernels of all layers as combinations of them.

Source: Eldebiky et al., BasisN, 2024. Nearly all of its hardware is reconstructed, not read.
"""

from arch.machines.basisn.configuration import BasisNConfig
from arch.machines.basisn.machine import BasisN
from arch.machines.basisn.plan import BasisNMap, LoadedBasis

__all__ = ["BasisN", "BasisNConfig", "BasisNMap", "LoadedBasis"]
