"""Floor 3: hardware. Components, the mapping of networks onto them, and the machines they make up.

Importing this package registers the built-in components and machines; kernels load when a machine computes
values. The registry of machines is `arch.machine.machines`: `arch.machines` is the package of those built in.
"""

from arch.activation_memory import ActivationMemory, ActivationMemoryConfig
from arch.cam import CAM, CAMConfig, Entry, Key, Match, PriorityEncoder, PriorityEncoderConfig, WritableCAM
from arch.converters import ADC, ADCConfig, ColumnADC, SharedADC, SharedADCConfig
from arch.core import Core, CoreConfig
from arch.crossbar import AnalogCrossbar, AnalogCrossbarConfig
from arch.device import DeviceModel, check_device, device_part, devices
from arch.device_config import DeviceConfig, PCMConfig, RRAMConfig
from arch.digital_unit import DigitalUnit, DigitalUnitConfig
from arch.host import Sink, Source, SourceConfig
from arch.ir_drop import IRDropConfig
from arch.links import Links, LinksConfig
from arch.machine import (
    ArrayReport,
    Machine,
    MachineRun,
    MapRow,
    NetworkMap,
    PredictedInterval,
    Preset,
    RunOptions,
    Values,
    register_machine,
)
from arch.machines.dataflow import Dataflow, DataflowConfig
from arch.mapping.balance import Balance, BalanceConfig, Load, at_interval, within_budget
from arch.readout import Readout, ReadoutConfig
from arch.tokens import Pixel, Sums, Token, Window

__all__ = [
    "ADC",
    "CAM",
    "ADCConfig",
    "ActivationMemory",
    "ActivationMemoryConfig",
    "AnalogCrossbar",
    "AnalogCrossbarConfig",
    "ArrayReport",
    "Balance",
    "BalanceConfig",
    "CAMConfig",
    "ColumnADC",
    "Core",
    "CoreConfig",
    "Dataflow",
    "DataflowConfig",
    "DeviceConfig",
    "DeviceModel",
    "DigitalUnit",
    "DigitalUnitConfig",
    "Entry",
    "IRDropConfig",
    "Key",
    "Links",
    "LinksConfig",
    "Load",
    "Machine",
    "MachineRun",
    "MapRow",
    "Match",
    "NetworkMap",
    "PCMConfig",
    "Pixel",
    "PredictedInterval",
    "Preset",
    "PriorityEncoder",
    "PriorityEncoderConfig",
    "RRAMConfig",
    "Readout",
    "ReadoutConfig",
    "RunOptions",
    "SharedADC",
    "SharedADCConfig",
    "Sink",
    "Source",
    "SourceConfig",
    "Sums",
    "Token",
    "Values",
    "Window",
    "WritableCAM",
    "at_interval",
    "check_device",
    "device_part",
    "devices",
    "register_machine",
    "within_budget",
]
