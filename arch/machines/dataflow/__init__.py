"""The pipelined dataflow accelerator: layers pinned to cores, pixels streamed through all of them at once.

Source: Dazzi et al., Front. Comput. Neurosci. 15:674154 (2021), with the core of Khaddam-Aljameh et al.
(HERMES) and the firing rule of Kourtis, Dazzi et al. (arXiv 2003.04293).
"""

import arch.machines.dataflow.presets
from arch.machines.dataflow.chip import DataflowChip
from arch.machines.dataflow.configuration import DataflowConfig
from arch.machines.dataflow.machine import Dataflow
from arch.machines.dataflow.plan import DataflowMap

__all__ = ["Dataflow", "DataflowChip", "DataflowConfig", "DataflowMap"]
