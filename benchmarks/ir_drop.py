"""How far the closed forms of IR drop hold: against the solved network, by array size and wire resistance.

    python -m benchmarks.ir_drop docs/images/ir_drop.png

prints the table of docs/devices.md and draws its picture. Errors are effective values (root mean square) over
the bitlines and 8 random input vectors of bits; cells hold random levels of 2 bits. Half a minute.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from arch import IRDropConfig
from arch.arrays.ir_drop import attenuate, droop, solve_network, wire_load
from traces.figure_style import BUSY_COLOURS, CATEGORY_COLOURS, FAINT, MARGIN, new_figure, save_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZES = (16, 32, 64, 128)
WIRES = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3)
INPUTS = 8
SIZE_COLOURS = ("#7CC4DE", "#1F8A78", "#2F6DA8", "#3B3F8C")
FULL = 3 << 16  # g_max, fine enough that rounding does not show

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Errors:
    """What `size` x `size` cells lose to wires of `wire` [a cell's resistance], and how well it is foreseen.

    drop : of the ideal sums
    model, worst : error of 1 / (1 + load) and the largest one, of the solved sums
    line : the same of 1 - load
    gated_drop, gated : drop, and error of v / (1 + droop * v), where idle rows are cut off
    """

    size: int
    wire: float
    drop: float
    model: float
    worst: float
    line: float
    gated_drop: float
    gated: float

    def row(self) -> str:
        """Return a row of the table."""
        shares = (self.drop, self.model, self.worst, self.line, self.gated_drop, self.gated)
        return (
            f"| {self.size} | {self.wire:g} | "
            + " | ".join(f"{100 * share:.2g} %" for share in shares)
            + " |"
        )


def measure(size: int, wire: float) -> Errors:
    """Compare the closed forms with the solved network on one random array."""
    random = np.random.default_rng(size)
    cells = random.integers(0, 4, (size, size)) << 16
    volts = (random.random((INPUTS, size)) < 0.5).astype(np.float64)
    g, ideal = cells / FULL, volts @ cells

    wires = IRDropConfig(wordline=wire, bitline=wire)
    solved = solve_network(g, volts, wire, wire) * FULL
    model = volts @ attenuate(cells, wires, FULL) - solved
    line = volts @ (cells * (1 - wire_load(cells, wires, FULL))) - solved

    gated = IRDropConfig(wordline=wire, bitline=wire, gated=True)
    cut = FULL * np.concatenate([solve_network(g * v[:, None], v[None], wire, wire) for v in volts])
    sums = volts @ attenuate(cells, gated, FULL)
    sums = sums / (1 + droop(size, gated, FULL) * sums)
    return Errors(
        size,
        wire,
        drop=_effective(ideal - solved) / _effective(ideal),
        model=_effective(model) / _effective(solved),
        worst=float(abs(model).max()) / _effective(solved),
        line=_effective(line) / _effective(solved),
        gated_drop=_effective(ideal - cut) / _effective(ideal),
        gated=_effective(sums - cut) / _effective(cut),
    )


def _effective(values: Reals) -> float:
    return float(np.sqrt(np.mean(values**2)))


def table(measured: list[Errors]) -> str:
    """Return the table of docs/devices.md."""
    head = (
        "| cells | wire | drop | error | worst sum | error of 1 - load | drop, gated | error, gated |",
        "|---|---|---|---|---|---|---|---|",
    )
    return "\n".join([*head, *(errors.row() for errors in measured)])


def draw(measured: list[Errors]) -> Figure:
    """Draw errors over wire resistance for each size, and over the drop, where all sizes meet."""
    width, height, top = 10.0, 4.3, 0.95
    with style():
        figure = new_figure(width, height)
        bottom, tall = 0.55 / height, (height - top - 0.55) / height
        by_wire = figure.add_axes((0.065, bottom, 0.385, tall))
        by_drop = figure.add_axes((0.555, bottom, 0.385, tall))
        for axes, name in (
            (by_wire, "resistance of a stretch of wire, over a cell's (shaded: 1 to 3 Ω)"),
            (by_drop, "drop"),
        ):
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.set_xlabel(name)
            axes.grid(color="#E4E7EB", linewidth=0.5)
            axes.set_axisbelow(True)
            axes.spines[["top", "right"]].set_visible(False)
            axes.yaxis.set_major_formatter(_percent)
            axes.set_ylim(1e-5, 2)
        by_drop.xaxis.set_major_formatter(_percent)
        by_wire.xaxis.set_major_formatter(lambda value, place: f"{value:g}")
        _draw_by_wire(by_wire, measured)
        _draw_by_drop(by_drop, measured)
        figure.text(
            MARGIN / width,
            1 - 0.3 / height,
            "IR drop: closed forms against the solved network",
            size=12,
            weight="bold",
        )
        figure.text(
            MARGIN / width,
            1 - 0.5 / height,
            "Effective values over all bitlines and 8 random inputs of bits  ·  random cells of 2 bits",
            color=FAINT,
        )
    return figure


def _draw_by_wire(axes: Axes, measured: list[Errors]) -> None:
    """Draw drop and error of the model for each size of array."""
    for name, resistance in (("PCM, 40 kΩ", 40e3), ("RRAM, 6 kΩ", 6e3)):
        axes.axvspan(1 / resistance, 3 / resistance, color="#F5F3EE")
        axes.text(3**0.5 / resistance, 1.1, name, ha="center", color=FAINT, size=7)
    for size, colour in zip(SIZES, SIZE_COLOURS, strict=True):
        own = [errors for errors in measured if errors.size == size]
        wires = [errors.wire for errors in own]
        axes.plot(wires, [errors.drop for errors in own], "--", color=colour, linewidth=1)
        axes.plot(wires, [errors.model for errors in own], "o-", color=colour, linewidth=1.5, markersize=3.5)
        axes.annotate(
            f"{size} x {size}",
            (wires[-1], own[-1].model),
            (6, -2.5),
            textcoords="offset points",
            color=colour,
        )
    axes.set_title("drop (dashed), and error of 1 / (1 + load) by size of array", loc="left", size=8)


def _draw_by_drop(axes: Axes, measured: list[Errors]) -> None:
    """Draw the errors of all forms over what the wires take."""
    forms = (
        ("drop", "line", "o-", CATEGORY_COLOURS["blocked-output"], "1 - load", (0.26, 0.45), "right"),
        (
            "gated_drop",
            "gated",
            "o",
            CATEGORY_COLOURS["wait-resource"],
            "v / (1 + droop v),\nidle rows cut off",
            (0.0011, 0.0025),
            "left",
        ),
        ("drop", "model", "o-", BUSY_COLOURS[0], "1 / (1 + load)", (0.13, 0.0003), "left"),
    )
    for across, up, marks, colour, label, place, side in forms:
        points = sorted((getattr(errors, across), getattr(errors, up)) for errors in measured)
        axes.plot(*zip(*points, strict=True), marks, color=colour, linewidth=1.2, markersize=3.5)
        axes.text(*place, label, color=colour, ha=side)
    axes.set_title("errors over the drop, all sizes and wires", loc="left", size=8)


def _percent(value: float, place: float) -> str:
    return f"{100 * value:g} %"


def main() -> None:
    """Measure, print the table, and draw the picture if a file is named."""
    measured = [measure(size, wire) for size in SIZES for wire in WIRES]
    print(table(measured))
    if len(sys.argv) > 1:
        save_figure(draw(measured), sys.argv[1])


if __name__ == "__main__":
    main()
