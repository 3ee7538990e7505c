"""How long neurons of tables take, and what clusters and shared RNAs change.

    python examples/lookup_neurons.py [PICTURE.png]      # a minute

A trained network runs on RAPIDNN with values: how long each neuron takes follows from how often codes meet in
it. Beside each layer's neurons is the time that is expected where nothing is known of them.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

import imcsim
from arch import Rapidnn, RapidnnConfig
from traces import save_figure
from workloads import lower, networks

NETWORK = "digits-cnn"
SIZES = (4, 8, 16, 32, 64)
SHARED = (1, 2, 4, 8, 16)
IMAGES = 20


@dataclass(frozen=True)
class Cost:
    """What a machine takes.

    interval : cycles from image to image
    energy : of one image [uJ]
    accuracy : share of images with the right class
    slowest : cycles of the slowest neuron
    """

    interval: float
    energy: float
    accuracy: float
    slowest: int


def run(settings: list[str], images: int = IMAGES) -> dict[str, Any]:
    """Return the summary of a run with values."""
    return imcsim.run(NETWORK, "rapidnn", images=images, settings=settings, record=False).summary


def cost(settings: list[str], images: int = IMAGES) -> Cost:
    """Return what a machine costs."""
    summary = run(settings, images)
    energy = summary["energy_j"]["total"] / images * 1e6
    slowest = max(max(layer["cycles"]) for layer in summary["neuron_cycles"].values())
    return Cost(summary["initiation_interval_cycles"], energy, summary["accuracy"], slowest)


def expected() -> dict[str, int]:
    """Return the cycles of a neuron of each layer where all codes are equally likely."""
    placed = Rapidnn(RapidnnConfig()).map(lower(networks[NETWORK]()))
    return {name: place.phases.cycles for name, place in placed.places.items()}


def by_clusters(sizes: tuple[int, ...] = SIZES, images: int = IMAGES) -> dict[int, Cost]:
    """Return the costs of as many clusters of weights as of inputs."""
    return {
        n: cost([f"clusters.weights={n}", f"clusters.inputs={n}", "broadcast.codes_per_cycle=16"], images)
        for n in sizes
    }


def by_sharing(shared: tuple[int, ...] = SHARED, images: int = IMAGES) -> dict[int, Cost]:
    """Return the costs of so many neurons on each RNA, one copy of each layer."""
    return {n: cost([f"sharing={n}", "replication=none"], images) for n in shared}


def table(clusters: dict[int, Cost], sharing: dict[int, Cost]) -> str:
    """Return a row for each machine."""
    rows = [f"{'':<12} {'interval':>9} {'slowest neuron':>15} {'energy [uJ]':>12} {'accuracy':>9}"]
    for what, costs in (("w = u =", clusters), ("an RNA for", sharing)):
        rows += [
            f"{what + ' ' + str(n):<13} {c.interval:>8g} {c.slowest:>15} {c.energy:>12.3f} {c.accuracy:>9.1%}"
            for n, c in costs.items()
        ]
    return "\n".join(rows)


def draw(
    neurons: dict[str, dict[str, list[int]]], clusters: dict[int, Cost], sharing: dict[int, Cost]
) -> Any:
    """Return a figure: neurons by their time, and what clusters and sharing cost."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 3.6), layout="constrained")
    first, second, third = figure.subplots(1, 3, width_ratios=(1.5, 1, 1))
    averages = expected()
    for number, (name, times) in enumerate(neurons.items()):
        cycles, count = np.array(times["cycles"]), np.array(times["neurons"])
        colour = f"C{number}"
        first.bar(cycles, 100 * count / count.sum(), width=2.0, color=colour, alpha=0.8, label=name)
        first.axvline(averages[name], color=colour, ls=":", lw=1.2)
    first.set_xlabel("cycles of a neuron (dotted: expected without values)")
    first.set_ylabel("neurons of the layer [%]")
    first.legend(fontsize=8, frameon=False, title=f"{NETWORK}, 16 bit", title_fontsize=8)
    for axes, costs, what in (
        (second, clusters, "clusters of weights = of inputs"),
        (third, sharing, "neurons of an RNA"),
    ):
        axes.plot(list(costs), [c.interval for c in costs.values()], "o-", color="C0")
        axes.set_xscale("log", base=2)
        axes.set_xticks(list(costs), [str(n) for n in costs])
        axes.set_xlabel(what)
        axes.set_ylabel("cycles from image to image", color="C0")
        axes.set_ylim(0, 1.15 * max(c.interval for c in costs.values()))
        other = axes.twinx()
        other.plot(list(costs), [c.energy for c in costs.values()], "s--", color="C1")
        other.set_ylabel("energy of an image [uJ]", color="C1")
        other.set_ylim(0, 1.15 * max(c.energy for c in costs.values()))
    return figure


def main() -> None:
    """Print the table, and draw it if asked to."""
    clusters, sharing = by_clusters(), by_sharing()
    print(table(clusters, sharing))
    if sys.argv[1:]:
        save_figure(draw(run([])["neuron_cycles"], clusters, sharing), sys.argv[1])


if __name__ == "__main__":
    main()
