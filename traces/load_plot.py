"""A picture of what a network takes: latency over load, and accepted over offered traffic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from traces.figure_style import BUSY_COLOURS, FAINT, INK, MARGIN, new_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MEAN, SLOWEST, ACCEPTED, REFUSED = BUSY_COLOURS[0], BUSY_COLOURS[1], BUSY_COLOURS[2], "#F7EFE4"
_WIDTH, _HEIGHT = 8.0, 3.6  # of the figure [inch]
_LEFT, _BOTTOM, _PANEL, _GAP, _HEAD = 0.62, 0.55, 3.2, 0.72, 0.75  # [inch]
_CLIP = 6  # latencies above so many times that at zero load leave the picture


@dataclass(frozen=True)
class LoadPoint:
    """What was measured at one load; latencies [cycle] are None where it is not stable."""

    load: float
    mean: float | None
    p99: float | None
    accepted: float
    stable: bool


def plot_load_latency(
    points: Sequence[LoadPoint], *, zero_load: float, title: str = "", below: str = ""
) -> Figure:
    """Draw latency and accepted traffic over offered load.

    zero_load : latency without contention [cycle]
    title, below : what was measured, and the line under it
    raises : SimError if matplotlib is missing
    """
    points = sorted(points, key=lambda point: point.load)
    with style():
        figure = new_figure(_WIDTH, _HEIGHT)
        figure.text(MARGIN / _WIDTH, 1 - 0.3 / _HEIGHT, title, size=12, weight="bold")
        figure.text(MARGIN / _WIDTH, 1 - 0.5 / _HEIGHT, below, size=8, color=FAINT)
        panels = []
        for left in (_LEFT, _LEFT + _PANEL + _GAP):
            high = (_HEIGHT - _BOTTOM - _HEAD) / _HEIGHT
            axes = figure.add_axes((left / _WIDTH, _BOTTOM / _HEIGHT, _PANEL / _WIDTH, high))
            axes.spines[["top", "right"]].set_visible(False)
            axes.set_xlabel("offered  [flit a node and cycle]")
            panels.append(axes)
        widest = 1.08 * points[-1].load
        for axes in panels:
            axes.set_xlim(0, widest)
            _shade_unstable(axes, points, widest)
        _draw_latency(panels[0], points, zero_load)
        _draw_accepted(panels[1], points, widest)
    return figure


def _shade_unstable(axes: Axes, points: Sequence[LoadPoint], widest: float) -> None:
    """Shade loads behind the last one that was stable."""
    stable = list(takewhile(lambda point: point.stable, points))
    if len(stable) == len(points):
        return
    edge = points[len(stable)].load
    start = (edge + stable[-1].load) / 2 if stable else 0
    axes.axvspan(start, widest, color=REFUSED, linewidth=0, zorder=0)
    axes.text((start + widest) / 2, 0.03, "unstable", transform=axes.get_xaxis_transform(), ha="center",
              size=7, color=FAINT)  # fmt: skip


def _draw_latency(axes: Axes, points: Sequence[LoadPoint], zero_load: float) -> None:
    known = [point for point in points if point.mean is not None and point.p99 is not None]
    loads = [point.load for point in known]
    means = [point.mean or 0.0 for point in known]
    slowest = [point.p99 or 0.0 for point in known]
    axes.set_ylabel("packet latency  [cycle]")
    axes.set_ylim(0, min(1.12 * max([*slowest, zero_load]), _CLIP * zero_load))
    axes.axhline(zero_load, color=FAINT, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    axes.annotate(
        f"zero load: {zero_load:.4g}", (1, zero_load), xycoords=("axes fraction", "data"), xytext=(-2, -4),
        textcoords="offset points", ha="right", va="top", size=7, color=FAINT,
    )  # fmt: skip
    for values, colour, label in ((slowest, SLOWEST, "99 of 100 within"), (means, MEAN, "mean")):
        axes.plot(loads, values, color=colour, linewidth=1.4, marker="o", markersize=3, zorder=3)
        if values:
            axes.annotate(
                label, (loads[0], values[0]), xytext=(0, 5), textcoords="offset points", size=7, color=INK
            )


def _draw_accepted(axes: Axes, points: Sequence[LoadPoint], widest: float) -> None:
    axes.set_ylabel("accepted  [flit a node and cycle]")
    axes.set_ylim(0, widest)
    axes.plot([0, widest], [0, widest], color=FAINT, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    loads, accepted = [point.load for point in points], [point.accepted for point in points]
    axes.plot(loads, accepted, color=ACCEPTED, linewidth=1.4, marker="o", markersize=3, zorder=3)
    axes.annotate(
        "all that is offered", (0.55 * widest, 0.55 * widest), xytext=(-6, 4), textcoords="offset points",
        ha="right", size=7, color=FAINT,
    )  # fmt: skip
