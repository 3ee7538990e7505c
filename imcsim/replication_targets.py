"""What is known about copies of layers: the cores that networks take at several intervals (the ladder).

A layer of `pixels` output pixels takes ceil(pixels / interval) copies, each of ceil(rows / 256) x ceil(cols /
256) cores; pools and sums take none. The machine must need exactly the derived cores for each interval and,
given that many cores as its budget, find that interval again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from arch.machine import NetworkMap, machines
from imcsim.targets import Target
from workloads import LoweredNetwork, lower, networks
from workloads.zoo.resnet import imagenet_resnet

_DERIVED = "derived from the replication rule and layer tables"

#: Cores of 256 x 256 by interval [step], by network.
_LADDER: Mapping[str, Mapping[int, int]] = {
    "resnet32-ibm": {1024: 43, 512: 54, 256: 76, 128: 131, 64: 241},
    "resnet32": {1024: 60, 512: 71, 256: 93, 128: 156, 64: 282},
    "resnet18": {12_544: 201, 3_136: 204, 784: 252, 196: 501, 49: 1_596},
    "resnet18-256": {16_384: 201, 4_096: 204, 1_024: 252, 256: 501, 64: 1_596},
    "resnet34": {12_544: 371, 3_136: 374, 784: 440, 196: 821, 49: 2_660},
    "resnet50": {12_544: 422, 3_136: 425, 784: 488, 196: 854, 49: 2_660},
    "vgg16": {50_176: 2_121, 3_136: 2_205, 784: 2_562, 196: 4_260, 49: 11_376},
}


def replication_ladder() -> Iterator[Target]:
    """Yield cores for intervals, and intervals for cores."""
    for name, rungs in _LADDER.items():
        network = _network(name)
        for interval, cores in rungs.items():
            placed = _placed(network, {"strategy": "interval", "interval": interval})
            found = sum(row.arrays for row in placed.rows)
            what = f"cores of {name} for an interval of {interval} steps"
            yield Target(f"A7.{name}.{interval}-steps", what, cores, found, "exact", _DERIVED)
        for interval, cores in rungs.items():
            shortest = _placed(network, {"strategy": "budget", "cores": cores}).interval
            assert shortest is not None
            what = f"shortest interval of {name} on {cores} cores [step]"
            yield Target(f"A7.{name}.{cores}-cores", what, interval, shortest.steps, "exact", _DERIVED)


def _network(name: str) -> LoweredNetwork:
    """Return a network of the ladder; ResNet-18 is there for larger images, too."""
    if name == "resnet18-256":
        return lower(imagenet_resnet(name, (2, 2, 2, 2), size=256))
    return lower(networks[name]())


def _placed(network: LoweredNetwork, balance: Mapping[str, Any]) -> NetworkMap:
    preset = machines["dataflow"]
    return preset.machine(preset.machine.Config.parse({"balance": balance})).map(network)
