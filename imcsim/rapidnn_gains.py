"""What is published of RAPIDNN over ISAAC and PipeLayer, in each of the ways in which it may be meant.

The abstract has four factors, of speed and of energy, and says neither how many chips each machine had nor
whether times are those of one image or of many. So machines are run as compared by default, each on as many
whole chips as a network needs, and each factor is shown in every reading; none is a gate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import exp, fsum, log
from typing import Any

from imcsim.comparison_figures import Figures, figures_of
from imcsim.simulate import run
from imcsim.targets import Target

#: The six applications of the paper, whose datasets are told and whose layers are recalled.
APPLICATIONS = ("mnist-mlp", "isolet-mlp", "har-mlp", "cifar10-cnn", "cifar100-cnn", "vgg16")

#: By id and machine: published factors of speed and of energy.
_RIVALS = {"R1": ("isaac", 48.1, 68.4), "R2": ("pipelayer", 10.9, 49.5)}

#: By id: how a factor may be meant, and how often a machine does the work for what is counted.
SPEEDS: Mapping[str, tuple[str, Callable[[Figures], float]]] = {
    "chip": ("images a second and chip", lambda f: f.throughput_per_s / f.chips),
    "area": ("images a second and mm2", lambda f: f.throughput_per_s / f.area_mm2),
    "power": ("images a second and W", lambda f: f.throughput_per_s / f.power_w),
    "latency": ("time of an image alone", lambda f: 1 / f.latency_s),
    "throughput": ("images a second, chips as needed", lambda f: f.throughput_per_s),
}


def published_gains(own: Mapping[str, Mapping[str, Any]]) -> Iterator[Target]:
    """Yield both factors over both machines, geometric means over applications.

    own : summaries of RAPIDNN's runs, by application
    """
    figures = {name: figures_of(summary) for name, summary in own.items()}
    for id, (rival, speed, energy) in _RIVALS.items():
        others = {name: figures_of(summary_of(name, rival)) for name in own}

        def mean(rate: Callable[[Figures], float], others: Mapping[str, Figures] = others) -> float:
            gains = [log(rate(figures[name]) / rate(other)) for name, other in others.items()]
            return exp(fsum(gains) / len(gains))

        for reading, (what, rate) in SPEEDS.items():
            told = f"speed over {rival}'s: {what}"
            yield Target(f"{id}.{reading}", told, speed, mean(rate), "report", "read, in the abstract")
        told = f"energy of an image in a stream, {rival}'s over its own"
        simulated = mean(lambda f: 1 / f.energy_j)
        yield Target(f"{id}.energy", told, energy, simulated, "report", "read, in the abstract")


def summary_of(name: str, machine: str) -> Mapping[str, Any]:
    """Return the summary of two images on a machine, so that there is an interval."""
    return run(name, machine, images=2, values="off", record=False).summary
