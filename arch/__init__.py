"""Floor 3: hardware. Components, the mapping of networks onto them, and the machines they make up.

Importing this package registers the built-in components and machines; kernels load when a machine computes
values. The registry of machines is `arch.machine.machines`: `arch.machines` is the package of those built in.
"""

from arch.activation_memory import ActivationMemory, ActivationMemoryConfig
from arch.arrays.device import DeviceModel, check_device, device_part, devices
from arch.arrays.device_config import DeviceConfig, PCMConfig, RRAMConfig
from arch.arrays.ir_drop import IRDropConfig
from arch.arrays.readout import Readout, ReadoutConfig
from arch.attention_config import AttentionConfig, AttentionUnitConfig, TokenWritingConfig
from arch.attention_unit import AttentionUnit
from arch.cam import CAM, CAMConfig, Entry, Key, Match, PriorityEncoder, PriorityEncoderConfig, WritableCAM
from arch.converters import ADC, ADCConfig, ColumnADC, SharedADC, SharedADCConfig
from arch.core import Core, CoreConfig
from arch.crossbar import AnalogCrossbar, AnalogCrossbarConfig
from arch.digital_unit import DigitalUnit, DigitalUnitConfig
from arch.fabric.edge_list import EdgeList
from arch.fabric.graphs import AllToAll, Bus, Chain, HTree, Hypercube, ParallelPrism, Ring
from arch.fabric.grids import ConcentratedMesh, Mesh, Torus
from arch.fabric.placement_config import PlacementConfig
from arch.fabric.topology import Topology, fabrics
from arch.host import Sink, Source, SourceConfig
from arch.job_core import (
    JobCore,
    JobCoreConfig,
    StreamedMemory,
    StreamedMemoryConfig,
    StreamerConfig,
    StreamIn,
    StreamOut,
)
from arch.links import Links, LinksConfig
from arch.machine import (
    ArrayReport,
    CacheTraffic,
    ImageStream,
    Machine,
    MachineRun,
    MapRow,
    NetworkMap,
    NeuronTimes,
    PredictedInterval,
    Preset,
    ProgrammingReport,
    RunOptions,
    SharedMap,
    Values,
    register_machine,
)
from arch.machines.basisn import BasisN, BasisNConfig
from arch.machines.dataflow import Dataflow, DataflowConfig
from arch.machines.isaac import Isaac, IsaacADC, IsaacArrays, IsaacConfig
from arch.machines.pipelayer import PipeLayer, PipeLayerConfig, SpikeCounter, SpikingArrays
from arch.machines.rapidnn import Rapidnn, RapidnnConfig
from arch.machines.reprogrammed import Reprogrammed, ReprogrammedConfig, RewritableArrays
from arch.mapping.balance import Balance, BalanceConfig, Load, at_interval, within_budget
from arch.mapping.core_order import order_of_least_reach, order_within, with_relays
from arch.mapping.embedding import embed, is_embedding
from arch.mapping.layer_graph import LayerGraph, Stream, graph_of_edges, graph_of_stages
from arch.mapping.placement import Placement, place_in_order, place_layers
from arch.numbers import KnownNetwork, Numbers
from arch.request_queue import (
    PriorityQueue,
    PriorityQueueConfig,
    QueueConfig,
    RequestArrivals,
    RequestQueue,
    RoundRobinQueue,
    ShortestFirstQueue,
)
from arch.requests import Arrivals, ClosedArrivals, Head, LoadReport, RequestTimes, TimedArrivals
from arch.resistive_parts import SweepingADC
from arch.tokens import Image, Pixel, Sums, Token, Window

__all__ = [
    "ADC",
    "CAM",
    "ADCConfig",
    "ActivationMemory",
    "ActivationMemoryConfig",
    "AllToAll",
    "AnalogCrossbar",
    "AnalogCrossbarConfig",
    "ArrayReport",
    "Arrivals",
    "AttentionConfig",
    "AttentionUnit",
    "AttentionUnitConfig",
    "Balance",
    "BalanceConfig",
    "Bus",
    "CAMConfig",
    "CacheTraffic",
    "Chain",
    "ClosedArrivals",
    "ColumnADC",
    "ConcentratedMesh",
    "Core",
    "CoreConfig",
    "Dataflow",
    "DataflowConfig",
    "DeviceConfig",
    "DeviceModel",
    "DigitalUnit",
    "DigitalUnitConfig",
    "EdgeList",
    "Entry",
    "HTree",
    "Head",
    "Hypercube",
    "IRDropConfig",
    "Image",
    "ImageStream",
    "Isaac",
    "IsaacADC",
    "IsaacArrays",
    "IsaacConfig",
    "JobCore",
    "JobCoreConfig",
    "Key",
    "KnownNetwork",
    "LayerGraph",
    "Links",
    "LinksConfig",
    "Load",
    "LoadReport",
    "Machine",
    "MachineRun",
    "MapRow",
    "Match",
    "Mesh",
    "NetworkMap",
    "NeuronTimes",
    "Numbers",
    "PCMConfig",
    "ParallelPrism",
    "PipeLayer",
    "PipeLayerConfig",
    "Pixel",
    "Placement",
    "PlacementConfig",
    "PredictedInterval",
    "Preset",
    "PriorityEncoder",
    "PriorityEncoderConfig",
    "PriorityQueue",
    "PriorityQueueConfig",
    "ProgrammingReport",
    "QueueConfig",
    "RRAMConfig",
    "Rapidnn",
    "RapidnnConfig",
    "Readout",
    "ReadoutConfig",
    "Reprogrammed",
    "ReprogrammedConfig",
    "RequestArrivals",
    "RequestQueue",
    "RequestTimes",
    "RewritableArrays",
    "Ring",
    "RoundRobinQueue",
    "RunOptions",
    "SharedADC",
    "SharedADCConfig",
    "SharedMap",
    "ShortestFirstQueue",
    "Sink",
    "Source",
    "SourceConfig",
    "SpikeCounter",
    "SpikingArrays",
    "Stream",
    "StreamIn",
    "StreamOut",
    "StreamedMemory",
    "StreamedMemoryConfig",
    "StreamerConfig",
    "Sums",
    "SweepingADC",
    "TimedArrivals",
    "Token",
    "TokenWritingConfig",
    "Topology",
    "Torus",
    "Values",
    "Window",
    "WritableCAM",
    "at_interval",
    "check_device",
    "device_part",
    "devices",
    "embed",
    "fabrics",
    "graph_of_edges",
    "graph_of_stages",
    "is_embedding",
    "order_of_least_reach",
    "order_within",
    "place_in_order",
    "place_layers",
    "register_machine",
    "with_relays",
    "within_budget",
]
