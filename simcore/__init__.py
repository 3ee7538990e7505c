"""Floor 1: time, components and accounts. Knows no neural network and no hardware.

`Simulation` builds a tree of `Component`s on an engine, runs it and settles its accounts; components meet at
ports that channels join. Numba kernels live in `simcore.kernels`, each beside its numpy twin, and are
imported only where used.
"""

from simcore.accounting import Account
from simcore.activity import CATEGORIES, Activity, category
from simcore.clocks import MOST_CYCLES, Clock, clock
from simcore.component import Component, Process, component_part, components, process
from simcore.config import Config, InvalidConfigError, ParameterInfo, PartConfig, Problem, param, part
from simcore.energy import SHARED, AreaReport, EnergyReport
from simcore.errors import (
    BrokenLawError,
    ConfigError,
    Deadlock,
    FileError,
    MappingError,
    ModelError,
    SimError,
    UnknownNameError,
    WatchdogError,
    WiringError,
    WorkloadError,
)
from simcore.live import LiveBottleneck
from simcore.operation import Counter, Operation
from simcore.ports import BufferIn, In, Out, Shared
from simcore.registry import Registry
from simcore.simulation import Limits, Outcome, Progress, Simulation

__all__ = [
    "CATEGORIES",
    "MOST_CYCLES",
    "SHARED",
    "Account",
    "Activity",
    "AreaReport",
    "BrokenLawError",
    "BufferIn",
    "Clock",
    "Component",
    "Config",
    "ConfigError",
    "Counter",
    "Deadlock",
    "EnergyReport",
    "FileError",
    "In",
    "InvalidConfigError",
    "Limits",
    "LiveBottleneck",
    "MappingError",
    "ModelError",
    "Operation",
    "Out",
    "Outcome",
    "ParameterInfo",
    "PartConfig",
    "Problem",
    "Process",
    "Progress",
    "Registry",
    "Shared",
    "SimError",
    "Simulation",
    "UnknownNameError",
    "WatchdogError",
    "WiringError",
    "WorkloadError",
    "category",
    "clock",
    "component_part",
    "components",
    "param",
    "part",
    "process",
]
