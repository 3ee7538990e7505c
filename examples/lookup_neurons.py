"""How long neurons of tables take, where time and energy go, and what clusters and shared RNAs change.

    python examples/lookup_neurons.py [PICTURE.png]      # a minute

A trained network runs on RAPIDNN with values: how long each neuron takes follows from how often codes meet in
it. Beside each layer's neurons is the time that is expected where nothing is known of them. Where time
and energy go is that of larger networks without values.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

import imcsim
from arch import Rapidnn, RapidnnConfig
from arch.machines.rapidnn.neuron_times import Phases
from traces.figure_style import BUSY_COLOURS, CATEGORY_COLOURS, FAINT, MARGIN, new_figure, save_figure, style
from workloads import Activation, Network, lower, networks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NETWORK = "digits-cnn"
SIZES = (4, 8, 16, 32, 64)
SHARED = (1, 2, 4, 8, 16)
IMAGES = 20
BLOCKS = ("mnist-mlp", "mnist-mlp, sigmoid", "cifar10-cnn", "vgg16")

#: What an RNA does, one behind the other, and the parts of the table that spend the energy.
PHASES = {
    "counting": BUSY_COLOURS[1],
    "adding": BUSY_COLOURS[0],
    "activating": BUSY_COLOURS[3],
    "encoding": BUSY_COLOURS[2],
    "loading": CATEGORY_COLOURS["blocked-output"],
}
PARTS = {
    "counter": ("counting", BUSY_COLOURS[1]),
    "crossbar": ("adding", BUSY_COLOURS[0]),
    "cam": ("both memories", BUSY_COLOURS[2]),
    "buffer": ("buses", CATEGORY_COLOURS["wait-resource"]),
}
GRID = "#E4E7EB"


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


@dataclass(frozen=True)
class Shares:
    """Where time and energy of an image go, by block; each adds up to 1."""

    time: Mapping[str, float]
    energy: Mapping[str, float]


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
    """Return the costs of as many clusters of weights as of inputs, with buses that hold nothing up."""
    return {
        n: cost([f"clusters.weights={n}", f"clusters.inputs={n}", "broadcast.codes_per_cycle=16"], images)
        for n in sizes
    }


def by_sharing(shared: tuple[int, ...] = SHARED, images: int = IMAGES) -> dict[int, Cost]:
    """Return the costs of so many neurons on each RNA, one copy of each layer."""
    return {n: cost([f"sharing={n}", "replication=none"], images) for n in shared}


def network_called(name: str) -> Network:
    """Return a network; "NAME, sigmoid" has sigmoids in place of its ReLUs."""
    known, comma, function = name.partition(", ")
    network = networks[known]()
    if not comma:
        return network
    layers = [
        replace(each, function=function) if isinstance(each, Activation) else each
        for each in network.layers.values()
    ]
    return Network(name, layers)


def by_block(names: Sequence[str] = BLOCKS) -> dict[str, Shares]:
    """Return where RNAs spend their time and an image its energy."""
    found = {}
    for name in names:
        network = network_called(name)
        placed = Rapidnn(RapidnnConfig()).map(lower(network))
        time = np.zeros(len(Phases._fields))
        for stage in placed.stages:
            place = placed.places[stage.name]
            time += stage.steps * place.neurons * np.array(place.phases)
        parts = imcsim.run(network, "rapidnn", values="off", record=False).summary["energy_j"]["by_component"]
        found[name] = Shares(
            dict(zip(Phases._fields, (time / time.sum()).tolist(), strict=True)),
            {part: parts[part] / sum(parts.values()) for part in PARTS},
        )
    return found


def table(clusters: dict[int, Cost], sharing: dict[int, Cost]) -> str:
    """Return a row for each machine."""
    rows = [f"{'':<12} {'interval':>9} {'slowest neuron':>15} {'energy [uJ]':>12} {'accuracy':>9}"]
    for what, costs in (("w = u =", clusters), ("an RNA for", sharing)):
        rows += [
            f"{what + ' ' + str(n):<13} {c.interval:>8g} {c.slowest:>15} {c.energy:>12.3f} {c.accuracy:>9.1%}"
            for n, c in costs.items()
        ]
    return "\n".join(rows)


def block_table(blocks: Mapping[str, Shares]) -> str:
    """Return a row for each network: shares of time, then of energy."""
    phases, parts = list(PHASES), list(PARTS)
    rows = [f"{'share of':<20}" + "".join(f" {name:>10}" for name in phases + parts)]
    for name, shares in blocks.items():
        told = [shares.time[phase] for phase in phases] + [shares.energy[part] for part in parts]
        rows.append(f"{name:<20}" + "".join(f" {share:>10.1%}" for share in told))
    return "\n".join(rows)


def draw(
    neurons: dict[str, dict[str, list[int]]],
    clusters: dict[int, Cost],
    sharing: dict[int, Cost],
    blocks: Mapping[str, Shares],
) -> Figure:
    """Return a figure: neurons by their time, what clusters and sharing cost, and blocks."""
    width, height = 10.0, 5.9
    with style():
        figure = new_figure(width, height)
        figure.text(MARGIN / width, 1 - 0.3 / height, "Neurons of tables on RAPIDNN", size=12, weight="bold")
        told = f"above: {NETWORK}, {IMAGES} images with values  ·  below: without values  ·  16 bit"
        figure.text(MARGIN / width, 1 - 0.52 / height, told, color=FAINT)
        _draw_neurons(figure, neurons)
        _draw_costs(
            figure,
            0.53,
            clusters,
            "More clusters, less counting",
            "clusters of weights = of inputs; fast buses",
        )
        _draw_costs(figure, 0.795, sharing, "Shared RNAs take turns", "neurons of an RNA")
        times = {name: [(shares.time[phase]) for phase in PHASES] for name, shares in blocks.items()}
        _draw_shares(figure, 0.15, "Time of RNAs", times, list(PHASES), list(PHASES.values()))
        energies = {name: [shares.energy[part] for part in PARTS] for name, shares in blocks.items()}
        labels, colours = zip(*PARTS.values(), strict=True)
        _draw_shares(figure, 0.59, "Energy of an image", energies, labels, colours, named=False)
    return figure


def _draw_neurons(figure: Figure, neurons: dict[str, dict[str, list[int]]]) -> None:
    """Draw a strip for each layer: its neurons by their cycles, and what was expected."""
    averages, top, each = expected(), 0.83, 0.37 / len(neurons)
    first = min(min(times["cycles"]) for times in neurons.values())
    last = max(max(times["cycles"]) for times in neurons.values())
    for number, (name, times) in enumerate(neurons.items()):
        axes = figure.add_axes((0.07, top - (number + 1) * each, 0.38, each * 0.86))
        cycles, count = np.array(times["cycles"]), np.array(times["neurons"])
        share = 100 * count / count.sum()
        axes.bar(cycles, share, width=1.0, color=BUSY_COLOURS[0])
        axes.axvline(
            averages[name], color=CATEGORY_COLOURS["wait-resource"], linewidth=1.2, linestyle=(0, (2, 1.5))
        )
        axes.set_xlim(first - 6, last + 8)
        axes.set_ylim(0, 1.25 * share.max())
        axes.set_yticks([round(share.max())], [f"{share.max():.0f} %"], size=7)
        axes.text(0.01, 0.72, name, transform=axes.transAxes, weight="bold")
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        if number < len(neurons) - 1:
            axes.set_xticklabels([])
        else:
            axes.set_xlabel("cycles of a neuron; dashed: expected without values")
        if not number:
            axes.set_title("Most neurons are done before they are expected to be", loc="left", size=8.5)


def _draw_costs(figure: Figure, left: float, costs: dict[int, Cost], title: str, below: str) -> None:
    """Draw strips, one above the other, of what machines cost."""
    strips = (
        ("cycles\nan image", [c.interval for c in costs.values()], _short),
        ("µJ\nan image", [c.energy for c in costs.values()], "{:.2f}".format),
        ("classes\nright", [c.accuracy for c in costs.values()], "{:.0%}".format),
    )
    for number, (label, values, form) in enumerate(strips):
        axes = figure.add_axes((left, 0.83 - 0.125 * (number + 1), 0.185, 0.103))
        axes.bar(range(len(values)), values, width=0.66, color=BUSY_COLOURS[(0, 2, 5)[number]])
        for place, value in enumerate(values):
            axes.annotate(
                form(value), (place, value), (0, 1.5), textcoords="offset points", ha="center", size=6
            )
        axes.set_ylim(0, 1.28 * max(values))
        axes.set_yticks([])
        axes.set_ylabel(label, size=7)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="x", length=0)
        axes.set_xticks(
            range(len(costs)), map(str, costs) if number == len(strips) - 1 else [""] * len(costs)
        )
        if number == len(strips) - 1:
            axes.set_xlabel(below, size=7)
        if not number:
            axes.set_title(title, loc="left", size=8.5)


def _short(cycles: float) -> str:
    return f"{cycles:.0f}" if cycles < 1e4 else f"{cycles / 1e3:.0f}k"


def _draw_shares(
    figure: Figure,
    left: float,
    title: str,
    shares: Mapping[str, Sequence[float]],
    labels: Sequence[str],
    colours: Sequence[str],
    *,
    named: bool = True,
) -> None:
    """Draw a bar for each network, made of its blocks."""
    axes = figure.add_axes((left, 0.13, 0.385, 0.19))
    for row, values in enumerate(shares.values()):
        start = 0.0
        for value, colour in zip(values, colours, strict=True):
            axes.barh(row, value, left=start, height=0.7, color=colour)
            if value > 0.05:
                ink = "white" if colour in (BUSY_COLOURS[0], BUSY_COLOURS[2]) else "black"
                axes.text(start + value / 2, row, f"{value:.0%}", ha="center", va="center", size=7, color=ink)
            start += value
    axes.set_yticks(range(len(shares)), shares if named else [""] * len(shares))
    axes.set_xticks(np.linspace(0, 1, 5), [f"{share:.0%}" for share in np.linspace(0, 1, 5)])
    axes.set_xlim(0, 1)
    axes.set_ylim(len(shares) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_title(title, loc="left", size=8.5)
    handles = [
        axes.barh(0, 0, color=colour, label=label) for label, colour in zip(labels, colours, strict=True)
    ]
    axes.legend(
        handles=handles,
        frameon=False,
        ncols=len(handles),
        loc="upper left",
        bbox_to_anchor=(-0.01, -0.13),
        handlelength=0.9,
        handleheight=0.9,
        columnspacing=1.2,
        fontsize=7.5,
    )


def main() -> None:
    """Print the tables, and draw them if asked to."""
    clusters, sharing, blocks = by_clusters(), by_sharing(), by_block()
    print(table(clusters, sharing))
    print()
    print(block_table(blocks))
    if sys.argv[1:]:
        save_figure(draw(run([])["neuron_cycles"], clusters, sharing, blocks), sys.argv[1])


if __name__ == "__main__":
    main()
