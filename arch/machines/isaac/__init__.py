"""ISAAC: tiles of bit-serial in-situ multiply-accumulate units.

Source: Shafiee et al., ISCA 2016.
"""

from arch.machines.isaac.arrays import IsaacADC, IsaacArrays
from arch.machines.isaac.budgets import Budgets
from arch.machines.isaac.configuration import IsaacConfig

__all__ = ["Budgets", "IsaacADC", "IsaacArrays", "IsaacConfig"]
