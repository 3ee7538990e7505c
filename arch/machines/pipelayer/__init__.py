"""PipeLayer: main memory whose arrays compute, a layer pipeline image by image.

Source: Song et al., HPCA 2017.
"""

from arch.machines.pipelayer.arrays import SpikeCounter, SpikingArrays
from arch.machines.pipelayer.configuration import PipeLayerConfig
from arch.machines.pipelayer.machine import PipeLayer
from arch.machines.pipelayer.plan import PipeLayerMap

__all__ = ["PipeLayer", "PipeLayerConfig", "PipeLayerMap", "SpikeCounter", "SpikingArrays"]
