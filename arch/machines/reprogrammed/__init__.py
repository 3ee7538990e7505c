"""Too few crossbars, rewritten with write-verify during the run: what BasisN is compared with.

Source: Eldebiky et al., BasisN, 2024 (arXiv 2407.03738), of which only the abstract could be read.
"""

from arch.machines.reprogrammed.arrays import RewritableArrays
from arch.machines.reprogrammed.configuration import ReprogrammedConfig
from arch.machines.reprogrammed.machine import Reprogrammed
from arch.machines.reprogrammed.plan import ReprogrammedMap

__all__ = ["Reprogrammed", "ReprogrammedConfig", "ReprogrammedMap", "RewritableArrays"]
