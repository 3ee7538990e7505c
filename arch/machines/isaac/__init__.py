"""ISAAC: tiles of bit-serial in-situ multiply-accumulate units.

Source: Shafiee et al., ISCA 2016.
"""

from arch.machines.isaac.arrays import IsaacADC, IsaacArrays
from arch.machines.isaac.budgets import Budgets
from arch.machines.isaac.configuration import IsaacConfig
from arch.machines.isaac.machine import Isaac
from arch.machines.isaac.plan import IsaacMap

__all__ = ["Budgets", "Isaac", "IsaacADC", "IsaacArrays", "IsaacConfig", "IsaacMap"]
