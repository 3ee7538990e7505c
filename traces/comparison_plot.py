"""A picture of machines side by side: a panel for each figure, bars for each workload, on log axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import TYPE_CHECKING

from simcore.errors import SimError
from simcore.units import format_si
from traces.figure_style import FAINT, INK, MARGIN, new_figure, style, text_width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Neighbours differ in hue and lightness, so any colour vision tells them apart.
COLOURS = ("#2F6DA8", "#F0A04B", "#1F8A78", "#CFB7E8", "#7A5C3E", "#7CC4DE", "#B23A7C", "#A9CF8A")
GRID = "#E4E8EC"
_LEAST_WIDTH, _SLOT = 8.0, 0.42  # [inch], of the figure and of a bar
_LEFT, _RIGHT, _PANEL, _GAP, _HEAD, _FOOT = 0.75, 0.15, 1.3, 0.42, 1.15, 0.4  # [inch]
_BARS = 0.86  # of a group's width
_NUMBERS = 6.0  # [point]


@dataclass(frozen=True)
class ComparedPanel:
    """One figure of all machines.

    unit : of values
    values : of each machine, one for each workload; None where there is none
    """

    title: str
    unit: str
    values: tuple[tuple[float | None, ...], ...]


def plot_comparison(
    panels: Sequence[ComparedPanel], workloads: Sequence[str], machines: Sequence[str], *, below: str = ""
) -> Figure:
    """Draw figures of machines as groups of bars, a number over each bar that has room for it.

    below : the line under the title
    raises : SimError if matplotlib is missing, or there are more machines than colours
    """
    if len(machines) > len(COLOURS):
        raise SimError(
            f"a picture tells up to {len(COLOURS)} machines apart, got {len(machines)}; compare fewer of them"
        )
    width = max(_LEAST_WIDTH, _LEFT + _RIGHT + _SLOT / _BARS * len(machines) * len(workloads))
    height = _HEAD + len(panels) * _PANEL + (len(panels) - 1) * _GAP + _FOOT
    slot = (width - _LEFT - _RIGHT) / len(workloads) * _BARS / len(machines)
    with style():
        figure = new_figure(width, height)
        figure.text(MARGIN / width, 1 - 0.3 / height, machines_title(machines), size=12, weight="bold")
        figure.text(MARGIN / width, 1 - 0.5 / height, below, size=8, color=FAINT)
        for place, panel in enumerate(panels):
            bottom = height - _HEAD - (place + 1) * _PANEL - place * _GAP
            axes = figure.add_axes(
                (_LEFT / width, bottom / height, (width - _LEFT - _RIGHT) / width, _PANEL / height)
            )
            _draw(axes, panel, slot)
            axes.set_xticks(
                range(len(workloads)), workloads if panel is panels[-1] else [""] * len(workloads)
            )
            axes.set_xlim(-0.5, len(workloads) - 0.5)
        missing = any(None in values for panel in panels for values in panel.values)
        draw_legend(figure, machines, "×  does not fit" if missing else "")
    return figure


def machines_title(machines: Sequence[str]) -> str:
    """Return the machines in one phrase."""
    *others, last = machines
    return f"{', '.join(others)} and {last}" if others else last


def _draw(axes: Axes, panel: ComparedPanel, slot: float) -> None:
    """Draw one panel, whose bars are so wide [inch]."""
    axes.spines[["top", "right", "left"]].set_visible(False)
    unit, quotient, each = panel.unit.partition("/")
    title = panel.title + (f", in each {each}" if quotient else "")
    axes.set_title(title, loc="left", size=8.5, color=INK, weight="bold", pad=4)
    known = [value for values in panel.values for value in values if value]
    low = 10.0 ** (floor(log10(min(known))) - (0 if log10(min(known)) % 1 > 0.15 else 1)) if known else 1.0
    high = max(known, default=10.0) * (max(known, default=10.0) / low) ** 0.13  # room for numbers
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    decades = range(round(log10(low)), floor(log10(high)) + 1)
    step = ceil(len(decades) / 6)
    ticks = [10.0**power for power in decades[::step]]
    axes.set_yticks(ticks, [short(tick, unit, 1) for tick in ticks])
    axes.minorticks_off()
    axes.tick_params(length=0)
    axes.grid(axis="y", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    share = _BARS / len(panel.values)
    for machine, values in enumerate(panel.values):
        for workload, value in enumerate(values):
            x = workload - _BARS / 2 + (machine + 0.5) * share
            if not value:
                axes.text(
                    x, 0.03, "×", size=8, color=FAINT, ha="center", transform=axes.get_xaxis_transform()
                )
                continue
            axes.bar(x, value - low, share * 0.94, bottom=low, color=COLOURS[machine])
            number = short(value, unit, 3).removesuffix("OPS")  # as the axis says
            if text_width(number, _NUMBERS) < slot:
                axes.annotate(
                    number, (x, value), (0, 1.5), textcoords="offset points", ha="center", size=_NUMBERS
                )


def short(value: float, unit: str, digits: int) -> str:
    """Return a number with its prefix, the shortest way."""
    return format_si(value, unit, digits).replace(" u", " µ")


def draw_legend(figure: Figure, machines: Sequence[str], note: str) -> None:
    """Name the colours, in a line under the title, and write a note behind."""
    from matplotlib.patches import Rectangle

    width, height = figure.get_size_inches()
    x, y = MARGIN, height - 0.74
    for name, colour in zip(machines, COLOURS, strict=False):
        corner, size = (x / width, y / height), (0.13 / width, 0.11 / height)
        figure.add_artist(Rectangle(corner, *size, facecolor=colour, linewidth=0))
        figure.text((x + 0.19) / width, (y + 0.005) / height, name, size=8)
        x += 0.19 + text_width(name, 8) + 0.25
    figure.text(x / width, (y + 0.005) / height, note, size=8, color=FAINT)
