"""A picture of machines over a parameter: a row for each figure, a column for each workload, a line each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain, pairwise
from math import ceil, floor, log10
from typing import TYPE_CHECKING

from simcore.errors import SimError
from traces.comparison_plot import COLOURS, GRID, ComparedPanel, draw_legend, machines_title, short
from traces.figure_style import FAINT, INK, MARGIN, new_figure, style, text_width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LEAST_WIDTH, _COLUMN, _ROW = 8.0, 1.75, 1.35  # [inch], of the figure and of a panel
_LEFT, _RIGHT, _ACROSS, _DOWN, _HEAD, _FOOT = 0.75, 0.2, 0.16, 0.4, 1.3, 0.5  # [inch]
_WORKLOAD, _TICK = 8.0, 6.5  # [point]
_NEAREST = 0.12  # of a panel's width, from value to value


def plot_comparison_over(
    panels: Sequence[Sequence[ComparedPanel]],
    workloads: Sequence[str],
    machines: Sequence[str],
    parameter: str,
    values: Sequence[object],
    *,
    below: str = "",
) -> Figure:
    """Draw figures of machines as lines over a parameter.

    panels : for each figure, what it is at each of the values
    below : the line under the title
    raises : SimError if matplotlib is missing, or there are more machines than colours
    """
    if len(machines) > len(COLOURS):
        raise SimError(
            f"a picture tells up to {len(COLOURS)} machines apart, got {len(machines)}; compare fewer of them"
        )
    count = len(workloads)
    names = max(text_width(name, _WORKLOAD, bold=True) for name in workloads) + 0.1
    column = max(_COLUMN, names, (_LEAST_WIDTH - _LEFT - _RIGHT - (count - 1) * _ACROSS) / count)
    width = _LEFT + count * column + (count - 1) * _ACROSS + _RIGHT
    height = _HEAD + len(panels) * _ROW + (len(panels) - 1) * _DOWN + _FOOT
    places, ticks = _places(values)
    with style():
        figure = new_figure(width, height)
        title = f"{machines_title(machines)} over {parameter}"
        figure.text(MARGIN / width, 1 - 0.3 / height, title, size=12, weight="bold")
        figure.text(MARGIN / width, 1 - 0.5 / height, below, size=8, color=FAINT)
        for row, at_values in enumerate(panels):
            bottom = height - _HEAD - (row + 1) * _ROW - row * _DOWN
            known = [value for panel in at_values for value in chain(*panel.values) if value]
            for place, workload in enumerate(workloads):
                left = _LEFT + place * (column + _ACROSS)
                axes = figure.add_axes((left / width, bottom / height, column / width, _ROW / height))
                _draw(
                    axes,
                    [[panel.values[m][place] for panel in at_values] for m in range(len(machines))],
                    places,
                )
                _scale(axes, known, at_values[0].unit if place == 0 else None)
                axes.set_xticks(places, ticks if row == len(panels) - 1 else [""] * len(ticks), size=_TICK)
                if row == 0:
                    axes.annotate(
                        workload,
                        (0, 1),
                        (0, 18),
                        xycoords="axes fraction",
                        textcoords="offset points",
                        size=_WORKLOAD,
                        weight="bold",
                        color=FAINT,
                    )
            _, quotient, each = at_values[0].unit.partition("/")
            figure.text(
                _LEFT / width,
                (bottom + _ROW + 0.06) / height,
                at_values[0].title + (f", in each {each}" if quotient else ""),
                size=8.5,
                color=INK,
                weight="bold",
            )
        figure.text(
            (_LEFT + (width - _LEFT - _RIGHT) / 2) / width, 0.12 / height, parameter, size=8, ha="center"
        )
        missing = any(None in chain(*panel.values) for panel in chain(*panels))
        draw_legend(figure, machines, "no point: does not fit" if missing else "")
    return figure


def _places(values: Sequence[object]) -> tuple[list[float], list[str]]:
    """Return where values stand, and what they are called.

    Positive numbers stand by their size, unless two of them come too near; others one behind the other.
    """
    words = [value if isinstance(value, str) else json.dumps(value) for value in values]
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool) and v > 0]
    if len(numbers) == len(values):
        places = [log10(number) for number in numbers]
        gaps = [after - before for before, after in pairwise(sorted(places))]
        if min(gaps, default=1.0) > _NEAREST * sum(gaps):
            return places, words
    return [float(place) for place in range(len(values))], words


def _draw(axes: Axes, lines: Sequence[Sequence[float | None]], places: Sequence[float]) -> None:
    """Draw a line for each machine, from the left, through the values that it has."""
    order = sorted(range(len(places)), key=lambda at: places[at])
    for machine, line in enumerate(lines):
        points = [(places[at], value) for at in order if (value := line[at])]
        if points:
            axes.plot(*zip(*points, strict=True), "o-", color=COLOURS[machine], linewidth=1.5, markersize=3.5)
    margin = 0.08 * (max(places) - min(places)) or 0.5
    axes.set_xlim(min(places) - margin, max(places) + margin)


def _scale(axes: Axes, known: Sequence[float], unit: str | None) -> None:
    """Give an axis the decades of all values of its row.

    unit : None if the numbers stand beside another panel
    """
    low, high = (floor(log10(min(known))), ceil(log10(max(known)))) if known else (0, 1)
    high = max(high, low + 1)
    axes.set_yscale("log")
    axes.set_ylim(10.0**low, 10.0**high)
    powers = range(low, high + 1, ceil((high - low) / 5))
    ticks = [10.0**power for power in powers]
    words = [short(tick, unit.partition("/")[0], 1) for tick in ticks] if unit else [""] * len(ticks)
    axes.set_yticks(ticks, words)
    axes.minorticks_off()
    axes.tick_params(length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
