"""RAPIDNN: networks as tables, whose entries are counted, added and searched for in memory.

Source: Imani et al., RAPIDNN, 2018 (arXiv 1806.05794v4). Nearly all of its hardware is recalled, not read.
"""

from arch.machines.rapidnn.configuration import RapidnnConfig
from arch.machines.rapidnn.machine import Rapidnn
from arch.machines.rapidnn.plan import RapidnnMap

__all__ = ["Rapidnn", "RapidnnConfig", "RapidnnMap"]
