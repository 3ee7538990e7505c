"""The trades of a pipelined dataflow accelerator: memory against latency, and cores against both.

    python -m examples.frontiers_study picture.png

prints a table for each question and draws the picture of docs/study.md. A minute or two. Networks are
ResNet-32 on CIFAR's images and ResNet-18 and ResNet-50 on ImageNet's, the questions those of Dazzi et al.
(Front. Comput. Neurosci. 2021); copies of layers are the fewest for each interval.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import imcsim
from traces.figure_style import BUSY_COLOURS, CATEGORY_COLOURS, FAINT, MARGIN, new_figure, save_figure, style
from workloads import networks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STEP_CYCLES = 130
IMAGES = 3
#: Intervals [step] of balanced networks, slowest first.
LADDERS: dict[str, Sequence[int]] = {
    "resnet32-ibm": (1024, 512, 256, 128, 64),
    "resnet18": (12544, 3136, 784, 196, 49),
    "resnet50": (12544, 3136, 784, 196, 49),
}
RULES = ("minimum", "lines:K", "lines:K+1", "lines:K+3", "full")
PORTS = (1, 2, 4, 8, 16, 32, 64)
COLOURS = {
    "resnet32-ibm": BUSY_COLOURS[1],
    "resnet18": BUSY_COLOURS[2],
    "resnet50": CATEGORY_COLOURS["wait-resource"],
}
SHADES = ("#9BB7D4", "#6F97C1", "#4778AD", "#2A5B93", "#123E73")


@dataclass(frozen=True)
class Point:
    """One machine and how it did.

    cores : arrays in all
    memory : of all input buffers [KiB]
    interval : at which images follow [cycle]
    latency : of the first image [us]
    """

    cores: int
    memory: float
    interval: float
    latency: float


def balanced(network: str, interval: int) -> list[tuple[str, object]]:
    """Return the settings of a machine for an interval [step], with an input that keeps it busy."""
    pixels = prod(networks[network]().input_shape[1:])
    return [
        ("detail", "group"),
        ("balance.strategy", "interval"),
        ("balance.interval", interval),
        ("input_pixels_per_cycle", -(-pixels // (interval * STEP_CYCLES))),
    ]


def measured(network: str, settings: list[tuple[str, object]]) -> Point:
    """Return how a machine does on a few images."""
    placed = imcsim.map_workload(network, "dataflow", settings=settings)
    summary = imcsim.run(
        network, "dataflow", images=IMAGES, values="off", settings=settings, record=False
    ).summary
    return Point(
        sum(row.arrays for row in placed.rows),
        sum(size or 0 for row in placed.rows for _, _, size in row.buffers) / 1024,
        summary["initiation_interval_cycles"],
        summary["latency_s"]["first"] * 1e6,
    )


def layer_after_layer(network: str) -> Point:
    """Return the other way, in closed form: one layer at a time, all of each map kept."""
    placed = imcsim.map_workload(network, "dataflow", settings=["buffers.rule=full"])
    steps = sum(row.steps for row in placed.rows if row.arrays)
    memory = sum(size or 0 for row in placed.rows for _, _, size in row.buffers) / 1024
    cycles = steps * STEP_CYCLES
    return Point(sum(row.arrays for row in placed.rows), memory, cycles, cycles / 1e3)


def memory_against_latency(network: str, intervals: Sequence[int]) -> dict[int, list[Point]]:
    """Return a point for each buffer rule, by interval."""
    return {
        interval: [
            measured(network, [*balanced(network, interval), ("buffers.rule", rule)]) for rule in RULES
        ]
        for interval in intervals
    }


def ladders(rungs: dict[str, Sequence[int]]) -> dict[str, list[Point]]:
    """Return a point for each interval, by network."""
    return {
        network: [measured(network, balanced(network, interval)) for interval in intervals]
        for network, intervals in rungs.items()
    }


def ports(network: str, interval: int, widths: Sequence[int]) -> dict[str, list[Point]]:
    """Return a point for each width of the memories' ports, by what they read."""
    return {
        window: [
            measured(
                network,
                [
                    *balanced(network, interval),
                    ("core.memory.window", window),
                    ("core.memory.port_bytes", width),
                ],
            )
            for width in widths
        ]
        for window in ("new-columns", "whole-window")
    }


def table(title: str, rows: dict[Any, list[Point]]) -> str:
    """Return points as a table, one a row."""
    lines = [f"{title:<34}{'cores':>8}{'KiB':>9}{'interval':>11}{'latency':>12}"]
    for name, points in rows.items():
        lines += [
            f"{name!s:<34}{p.cores:>8,}{p.memory:>9.1f}{p.interval:>11,.0f}{p.latency:>9.1f} us"
            for p in points
        ]
    return "\n".join(lines)


def draw(
    trade: dict[int, list[Point]],
    sequential: Point,
    climbs: dict[str, list[Point]],
    reads: dict[str, list[Point]],
    widths: Sequence[int] = PORTS,
) -> Figure:
    """Draw memory against latency, cores against throughput and latency, and ports against the interval."""
    width, height = 10.0, 7.0
    with style():
        figure = new_figure(width, height)
        places = [(0.075 + 0.5 * (i % 2), 0.085 + 0.46 * (1 - i // 2), 0.39, 0.31) for i in range(4)]
        memory, speed, delay, port = (figure.add_axes(place) for place in places)
        _draw_trade(memory, trade, sequential)
        for name, points in climbs.items():
            cores = [p.cores for p in points]
            rates = [1e9 / p.interval for p in points]
            _line(speed, cores, rates, COLOURS[name], name)
            _line(delay, cores, [p.latency for p in points], COLOURS[name], name)
        speed.set_title("Copies buy throughput with cores", loc="left", size=8.5)
        speed.set_ylabel("images / s")
        held_up = list(climbs.values())[-1][-1]
        speed.annotate(
            "a max-pool in one digital unit",
            (held_up.cores, 1e9 / held_up.interval),
            (0, 6),
            textcoords="offset points",
            ha="right",
            size=7,
            color=FAINT,
        )
        delay.set_title("They buy latency, too, until the pipeline's depth is left", loc="left", size=8.5)
        delay.set_ylabel("latency of an image [us]")
        for axes in (speed, delay):
            axes.set_xlabel("cores of 256 x 256")
        for (name, points), colour in zip(reads.items(), (BUSY_COLOURS[0], "#F0A04B"), strict=True):
            _line(port, widths, [p.interval for p in points], colour, name)
        port.set_title("Narrow memory ports hold a fast pipeline up", loc="left", size=8.5)
        port.set_xlabel("width of each memory's port [byte]")
        port.set_ylabel("interval [cycle]")
        for axes in (memory, speed, delay, port):
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.grid(color="#E4E7EB", linewidth=0.5)
            axes.set_axisbelow(True)
            axes.spines[["top", "right"]].set_visible(False)
        port.set_xticks(list(widths), [str(w) for w in widths])
        memory.set_xticks([50, 100, 200, 400], ["50", "100", "200", "400"])
        for axes in (port, memory):
            axes.minorticks_off()
        title = "A pipelined dataflow accelerator: what memory and cores buy"
        figure.text(MARGIN / width, 1 - 0.3 / height, title, size=12, weight="bold")
        figure.text(
            MARGIN / width,
            1 - 0.52 / height,
            "ResNet-32 on CIFAR's images above left and below right  ·  simulated, 130 ns a product",
            color=FAINT,
        )
    return figure


def _draw_trade(axes: Axes, trade: dict[int, list[Point]], sequential: Point) -> None:
    for (interval, points), colour in zip(trade.items(), SHADES, strict=False):
        axes.plot([p.memory for p in points], [p.latency for p in points], "o-", color=colour, markersize=3.5)
        last = points[-1]
        axes.annotate(
            f"{interval} steps, {last.cores} cores",
            (last.memory, last.latency),
            (0, 5),
            textcoords="offset points",
            ha="right",
            size=7,
            color=colour,
        )
    axes.plot([sequential.memory], [sequential.latency], "X", color=CATEGORY_COLOURS["wait-resource"])
    axes.annotate(
        "one layer after the other",
        (sequential.memory, sequential.latency),
        (-6, -2.5),
        textcoords="offset points",
        ha="right",
        size=7,
        color=CATEGORY_COLOURS["wait-resource"],
    )
    axes.set_title("A few lines of memory are enough: minimum, K, K+1, K+3, full maps", loc="left", size=8.5)
    axes.set_xlabel("memory of all input buffers [KiB]")
    axes.set_ylabel("latency of an image [us]")


def _line(axes: Axes, across: Sequence[float], up: Sequence[float], colour: str, name: str) -> None:
    axes.plot(across, up, "o-", color=colour, linewidth=1.4, markersize=3.5)
    axes.annotate(name, (across[0], up[0]), (7, -2), textcoords="offset points", size=7.5, color=colour)


def main() -> None:
    """Ask all questions, print the tables, and draw the picture if a file is named."""
    network = "resnet32-ibm"
    trade = memory_against_latency(network, LADDERS[network])
    print(table("memory: interval [step]", trade), end="\n\n", flush=True)
    climbs = ladders(LADDERS)
    print(table("copies", climbs), end="\n\n", flush=True)
    reads = ports(network, LADDERS[network][-1], PORTS)
    print(table(f"ports of {', '.join(map(str, PORTS))} bytes", reads))
    if len(sys.argv) > 1:
        save_figure(draw(trade, layer_after_layer(network), climbs, reads), sys.argv[1])


if __name__ == "__main__":
    main()
