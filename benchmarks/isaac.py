"""What VGG-16 costs on `isaac`, on as many chips as it takes: 80 416 arrays, an IMA's as one process.

Times are wall seconds of the events alone, of machines built anew; memory is that of a process of its own.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from arch import Machine, RunOptions
from arch.machine import machines
from benchmarks.compare import Bench, benches
from benchmarks.imagenet import GIBIBYTE, peak
from workloads import LoweredNetwork, lower, networks

NAME = "vgg16"


@cache
def _network(workload: str) -> LoweredNetwork:
    return lower(networks[workload]())


def simulated(name: str, workload: str = NAME, /, **settings: Any) -> float:
    """Return how long the events of one image take on a machine [s]."""
    preset = machines[name]
    machine: Machine = preset.machine(preset.machine.Config.parse(settings))
    return machine.simulate(machine.map(_network(workload)), 1, None, RunOptions()).outcome.wall_s


for _bench in (
    Bench(
        "isaac-vgg16",
        "VGG-16 on five chips of `isaac`, each IMA a process, values off, against `dataflow`, every crossbar "
        "a process",
        "cost",
        10,
        lambda: (simulated("isaac", detail="group"), simulated("dataflow", detail="array")),
        rounds=3,
    ),
    Bench(
        "isaac-vgg16-memory",
        "VGG-16 on five chips of `isaac`, each IMA a process, values off: peak memory against 2 GiB",
        "cost",
        1,
        lambda: (peak(name=NAME, arch="isaac", values="off"), 2 * GIBIBYTE),
        rounds=1,
        warm_up=False,
        unit="MiB",
    ),
):
    benches.register(_bench.name)(_bench)
