"""Where combining basis vectors takes "below 1 %" of reprogramming, in cycles and energy-delay product.

    python examples/basisn_study.py [PICTURE.png]      # some minutes

`basisn` is set beside `reprogrammed` over the time of writing a cell, the vectors that a kernel slice
combines, the number of crossbars and the images of a batch; all else is as by default, with vectors packed:
64 crossbars of 128 x 128, 8 of 128 vectors, 510 cycles a cell, batches of one image. Cycles are those of the
machines' closed forms, and so is energy over batches; both are held to runs of one network before anything is
printed. Energy, and the slots of vectors drawn at random, are of runs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import imcsim
from arch.machines.basisn import BasisN, BasisNConfig
from arch.machines.basisn.closed_forms import basisn_cycles, packed_slots
from arch.machines.reprogrammed import Reprogrammed, ReprogrammedConfig, ReprogrammedMap
from traces.figure_style import (
    BUSY_COLOURS,
    CATEGORY_COLOURS,
    FAINT,
    MARGIN,
    new_figure,
    save_figure,
    style,
    text_width,
)
from workloads import LoweredNetwork, lower, networks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NETWORKS = ("resnet34", "densenet121", "resnet34-cifar100", "densenet121-cifar100")
CELL_CYCLES = (30, 60, 100, 200, 510, 1_000, 3_000, 10_000)
NONZEROS = (2, 4, 8, 16, 32, 128)
RANDOM = (4, 8, 16)
CROSSBARS = (8, 16, 32, 64, 128, 256, 512, 1024, 2048)
BATCHES = (1, 2, 4, 8, 16, 32, 64)
USUAL_CELL, USUAL_NONZEROS, USUAL_CROSSBARS = 510, 8, 64
CLAIM = 0.01
COLOURS = dict(
    zip(
        NETWORKS,
        (BUSY_COLOURS[0], BUSY_COLOURS[2], CATEGORY_COLOURS["blocked-output"], "#B23A7C"),
        strict=True,
    )
)


@dataclass(frozen=True)
class Cost:
    """What an image takes in a steady stream."""

    cycles: float
    joules: float

    def over(self, other: Cost) -> tuple[float, float]:
        """Return cycles and energy-delay product over another's."""
        cycles = self.cycles / other.cycles
        return cycles, cycles * self.joules / other.joules


@dataclass(frozen=True)
class Question:
    """One column of the picture.

    lines : by network, and whether vectors are drawn at random; (x, cycles, energy-delay product) each
    """

    title: str
    unit: str
    lines: Mapping[tuple[str, bool], Sequence[tuple[int, float, float]]]


@cache
def network(name: str) -> LoweredNetwork:
    """Return a network as machines map it."""
    return lower(networks[name]())


@cache
def summary(name: str, machine: str, *settings: str) -> Mapping[str, Any]:
    """Return the summary of a run of one image."""
    return imcsim.run(name, machine, images=1, values="off", settings=settings, record=False).summary


def combined(
    name: str, nonzeros: int = USUAL_NONZEROS, crossbars: int = USUAL_CROSSBARS, *, random: bool = False
) -> Cost:
    """Return what `basisn` takes; packed vectors in closed form, but for their energy."""
    drawn = "random" if random else "packed"
    run = summary(name, "basisn", f"coefficients.drawn={drawn}", f"coefficients.nonzeros={nonzeros}")
    joules = run["energy_j"]["total"]  # whatever the number of crossbars
    if random:
        return Cost(run["cycles"], joules)
    config = BasisNConfig.parse({"crossbars": crossbars, "coefficients": {"nonzeros": nonzeros}})
    layers = [layer.counts for layer in BasisN(config).map(network(name)).layers.values()]
    slots = [packed_slots(each.kernels, nonzeros, config.vectors, config.capacity) for each in layers]
    bits = config.coefficient_bits, config.activation_bits
    return Cost(basisn_cycles(zip(layers, slots, strict=True), crossbars, *bits), joules)


def tiled(name: str, crossbars: int, batch: int, cell: int) -> ReprogrammedMap:
    """Return a network on crossbars whose cells are written in so many cycles."""
    write = {"pulses": 1, "pulse_cycles": cell, "verify_cycles": 0}
    config = ReprogrammedConfig.parse({"crossbars": crossbars, "batch": batch, "write": write})
    return Reprogrammed(config).map(network(name))


def reprogrammed(name: str, crossbars: int = USUAL_CROSSBARS, batch: int = 1, cell: int = USUAL_CELL) -> Cost:
    """Return what `reprogrammed` takes; images of a batch share what writing costs."""
    placed = tiled(name, crossbars, batch, cell)
    assert placed.interval is not None
    energy = summary(name, "reprogrammed", f"crossbars={crossbars}")["energy_j"]
    writing = energy["by_component"].get("programming", 0.0)
    return Cost(placed.interval.cycles, energy["total"] - writing + writing / batch)


def check(name: str = NETWORKS[2]) -> None:
    """Hold closed forms to runs: crossbars and density of one machine, batches and writing of the other."""
    for setting, expected in (
        ("crossbars=8", combined(name, crossbars=8)),
        ("coefficients.nonzeros=16", combined(name, 16)),
    ):
        found = summary(name, "basisn", "coefficients.drawn=packed", setting)
        assert found["cycles"] == expected.cycles, setting
        assert abs(found["energy_j"]["total"] / expected.joules - 1) < 1e-9, setting
    settings = [f"write.{each}" for each in ("pulses=1", "pulse_cycles=100", "verify_cycles=0")]
    batch = imcsim.run(
        name,
        "reprogrammed",
        images=4,
        values="off",
        settings=["batch=4", "crossbars=8", *settings],
        record=False,
    ).summary
    assert batch["cycles"] == 4 * reprogrammed(name, 8, 4, 100).cycles
    usual = imcsim.run(
        name, "reprogrammed", images=4, values="off", settings=["batch=4"], record=False
    ).summary
    assert abs(usual["energy_j"]["total"] / 4 / reprogrammed(name, batch=4).joules - 1) < 1e-9


def questions(
    names: Sequence[str] = NETWORKS,
    cells: Sequence[int] = CELL_CYCLES,
    nonzeros: Sequence[int] = NONZEROS,
    random: Sequence[int] = RANDOM,
    crossbars: Sequence[int] = CROSSBARS,
    batches: Sequence[int] = BATCHES,
) -> Iterator[Question]:
    """Yield the answers of each column."""
    yield Question(
        "Writing",
        "cycles of writing a cell",
        {(n, False): [(c, *combined(n).over(reprogrammed(n, cell=c))) for c in cells] for n in names},
    )
    lines = {(n, False): [(z, *combined(n, z).over(reprogrammed(n))) for z in nonzeros] for n in names}
    drawn = {
        (n, True): [(z, *combined(n, z, random=True).over(reprogrammed(n))) for z in random] for n in names
    }
    yield Question("Density", "vectors of 128 that a kernel slice combines", lines | drawn)
    yield Question(
        "Crossbars",
        "crossbars of either machine",
        {
            (n, False): [(c, *combined(n, crossbars=c).over(reprogrammed(n, c))) for c in crossbars]
            for n in names
        },
    )
    yield Question(
        "Batch",
        "images on crossbars that are written once",
        {(n, False): [(b, *combined(n).over(reprogrammed(n, batch=b))) for b in batches] for n in names},
    )


def table(found: Sequence[Question]) -> str:
    """Return a row for each network and column: where each figure is below the claim."""
    rows = [f"{'question':<10} {'network':<21} {'vectors':<7} {'cycles below 1 % at':<34} EDP below 1 % at"]
    for question in found:
        for (name, random), line in question.lines.items():
            below = [", ".join(str(each[0]) for each in line if each[f] < CLAIM) or "none" for f in (1, 2)]
            drawn = "random" if random else "packed"
            rows.append(f"{question.title:<10} {name:<21} {drawn:<7} {below[0]:<34} {below[1]}")
    return "\n".join(rows)


def draw(found: Sequence[Question]) -> Figure:
    """Return a figure with a column for each question: cycles above, energy-delay product below."""
    width, height, column, panel = 11.2, 6.2, 2.35, 2.0
    with style():
        figure = new_figure(width, height)
        title = "Combining basis vectors takes below 1 % where writing is slow and vectors are packed"
        figure.text(MARGIN / width, 1 - 0.3 / height, title, size=12, weight="bold")
        told = (
            "basisn over reprogrammed, an image in a steady stream  ·  unless varied: 64 crossbars of 128 x "
            "128, 8 of 128 vectors, 510 cycles a cell, one image a batch"
        )
        figure.text(MARGIN / width, 1 - 0.53 / height, told, color=FAINT)
        _draw_legend(figure, {name: None for question in found for name, _ in question.lines})
        for place, question in enumerate(found):
            left = 0.65 + place * (column + 0.27)
            for row, figure_of in enumerate(("cycles", "energy-delay product")):
                bottom = 0.5 + (1 - row) * (panel + 0.5)
                axes = figure.add_axes((left / width, bottom / height, column / width, panel / height))
                _draw_panel(axes, question, row + 1)
                axes.set_title(f"{question.title}: {figure_of}", loc="left", size=8.5)
                if place:
                    axes.set_yticklabels([])
                if row:
                    axes.set_xlabel(question.unit)
    return figure


def _draw_legend(figure: Figure, names: Iterable[str]) -> None:
    width, height = figure.get_size_inches()
    x, y = MARGIN / width, 1 - 0.83 / height
    for name in names:
        figure.text(x, y, name, color=COLOURS[name], weight="bold")
        x += (text_width(name, 8, bold=True) + 0.2) / width
    told = "○ vectors at random     ◆ all weights fit, written beforehand     shaded: below 1 %, as published"
    figure.text(x, y, told, color=FAINT)


def _draw_panel(axes: Axes, question: Question, row: int) -> None:
    xs = sorted({each[0] for line in question.lines.values() for each in line})
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.axhspan(1e-6, CLAIM, color="#EAF3EC", linewidth=0)
    axes.axhline(CLAIM, color="#1F8A78", linewidth=0.9)
    for (name, random), line in question.lines.items():
        axes.plot(
            [each[0] for each in line],
            [each[row] for each in line],
            linestyle=":" if random else "-",
            marker="o" if random else ".",
            markersize=4 if random else 5,
            markerfacecolor="white" if random else COLOURS[name],
            color=COLOURS[name],
            linewidth=1.0 if random else 1.5,
        )
        if question.title == "Crossbars":
            fits = [each for each in line if tiled(name, each[0], 1, USUAL_CELL).schedule.resident]
            axes.plot(
                [each[0] for each in fits],
                [each[row] for each in fits],
                "D",
                color=COLOURS[name],
                markersize=4,
            )
    axes.set_ylim(4e-5, 10.0)
    axes.set_yticks([1e-4, 1e-3, 1e-2, 0.1, 1, 10], ["0.01 %", "0.1 %", "1 %", "10 %", "100 %", "1000 %"])
    axes.set_xticks(xs, [f"{x // 1000}k" if x >= 1000 and x % 1000 == 0 else str(x) for x in xs], size=6.5)
    axes.minorticks_off()
    axes.grid(axis="y", color="#E4E7EB", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def main() -> None:
    """Print the table, and draw it if asked to."""
    check()
    found = list(questions())
    print(table(found))
    if sys.argv[1:]:
        save_figure(draw(found), sys.argv[1])


if __name__ == "__main__":
    main()
