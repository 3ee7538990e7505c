"""A picture of what a fabric or a machine takes: latency over load, and what is done over what is offered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from simcore.units import format_si
from traces.figure_style import BUSY_COLOURS, FAINT, INK, MARGIN, new_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MEAN, SLOWEST, ACCEPTED, REFUSED = BUSY_COLOURS[0], BUSY_COLOURS[1], BUSY_COLOURS[2], "#F7EFE4"
MIDDLE = BUSY_COLOURS[3]
_WIDTH, _HEIGHT = 8.0, 3.6  # of the figure [inch]
_LEFT, _BOTTOM, _PANEL, _GAP, _HEAD = 0.62, 0.55, 3.2, 0.72, 0.75  # [inch]
_CLIP = 6  # latencies above so many times that at zero load leave the picture


@dataclass(frozen=True)
class LoadPoint:
    """What was measured at one load; latencies are None where it is not stable, p50 where nobody asks."""

    load: float
    mean: float | None
    p99: float | None
    accepted: float
    stable: bool
    p50: float | None = None


@dataclass(frozen=True)
class LoadWords:
    """What the axes of a picture are called.

    seconds : whether latencies are seconds; else they are cycles
    """

    offered: str
    accepted: str
    latency: str
    seconds: bool = False


FABRIC = LoadWords("offered  [flit a node and cycle]", "accepted  [flit a node and cycle]", "packet latency")
REQUESTS = LoadWords(
    "offered  [share of what it can do]",
    "completed  [share of what it can do]",
    "latency from arrival",
    seconds=True,
)


def plot_load_latency(
    points: Sequence[LoadPoint],
    *,
    zero_load: float,
    title: str = "",
    below: str = "",
    words: LoadWords = FABRIC,
    curve: Sequence[tuple[float, float]] = (),
    curve_name: str = "",
) -> Figure:
    """Draw latency and accepted traffic over offered load.

    zero_load : latency without contention
    curve : load and latency that theory has, drawn dashed and named
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
            axes.set_xlabel(words.offered)
            panels.append(axes)
        widest = 1.08 * points[-1].load
        for axes in panels:
            axes.set_xlim(0, widest)
            _shade_unstable(axes, points, widest)
        _draw_latency(panels[0], points, zero_load, words, curve, curve_name)
        _draw_accepted(panels[1], points, widest, words)
    return figure


def _shade_unstable(axes: Axes, points: Sequence[LoadPoint], widest: float) -> None:
    """Shade loads behind the last one that was stable."""
    stable = list(takewhile(lambda point: point.stable, points))
    if len(stable) == len(points):
        return
    edge = points[len(stable)].load
    start = (edge + stable[-1].load) / 2 if stable else 0
    axes.axvspan(start, widest, color=REFUSED, linewidth=0, zorder=0)
    axes.text((start + widest) / 2, 0.5, "unstable", transform=axes.get_xaxis_transform(), ha="center",
              va="center", rotation=90, size=7, color=FAINT)  # fmt: skip


def _draw_latency(
    axes: Axes,
    points: Sequence[LoadPoint],
    zero_load: float,
    words: LoadWords,
    curve: Sequence[tuple[float, float]],
    curve_name: str,
) -> None:
    scale, unit = _scale(zero_load) if words.seconds else (1.0, "cycle")
    zero_load /= scale
    axes.set_ylabel(f"{words.latency}  [{unit}]")
    slowest = [point.p99 / scale for point in points if point.p99 is not None]
    axes.set_ylim(0, min(1.12 * max([*slowest, zero_load]), _CLIP * zero_load))
    axes.axhline(zero_load, color=FAINT, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    axes.annotate(
        f"zero load: {zero_load:.4g}", (1, zero_load), xycoords=("axes fraction", "data"), xytext=(-2, -4),
        textcoords="offset points", ha="right", va="top", size=7, color=FAINT,
    )  # fmt: skip
    if curve:
        loads, theory = [load for load, _ in curve], [latency / scale for _, latency in curve]
        axes.plot(loads, theory, color=INK, linewidth=0.9, linestyle=(0, (2, 2)), zorder=4, label=curve_name)
    lines = (
        ("p99", SLOWEST, "99 of 100 within"),
        ("mean", MEAN, "mean"),
        ("p50", MIDDLE, "half within"),
    )
    for name, colour, label in lines:
        known = [(p.load, value / scale) for p in points if (value := getattr(p, name)) is not None]
        if not known:
            continue
        axes.plot(*zip(*known, strict=True), color=colour, linewidth=1.4, marker="o", markersize=3, zorder=3,
                  label=label)  # fmt: skip
        if not curve:
            axes.annotate(label, known[0], xytext=(0, 5), textcoords="offset points", size=7, color=INK)
    if curve:  # lines that begin at one point are told apart by a legend
        axes.legend(loc="upper left", fontsize=7, frameon=False)


def _scale(seconds: float) -> tuple[float, str]:
    """Return the unit that a time is written in, in seconds and by name."""
    unit = format_si(seconds, "s").split()[1]
    return {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "ps": 1e-12}[unit], unit


def _draw_accepted(axes: Axes, points: Sequence[LoadPoint], widest: float, words: LoadWords) -> None:
    axes.set_ylabel(words.accepted)
    axes.set_ylim(0, widest)
    axes.plot([0, widest], [0, widest], color=FAINT, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    loads, accepted = [point.load for point in points], [point.accepted for point in points]
    axes.plot(loads, accepted, color=ACCEPTED, linewidth=1.4, marker="o", markersize=3, zorder=3)
    axes.annotate(
        "all that is offered", (0.55 * widest, 0.55 * widest), xytext=(-6, 4), textcoords="offset points",
        ha="right", size=7, color=FAINT,
    )  # fmt: skip
