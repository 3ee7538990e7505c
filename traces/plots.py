"""Pictures of a run: who did what when, and how each unit's time is spent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from simcore.activity import Activity
from simcore.errors import SimError
from traces.figure_rows import Rows, blocks_by_group, blocks_by_unit, draw_bars
from traces.figure_style import (
    INK,
    Frame,
    Kinds,
    Legend,
    check_grouping,
    cycles_text,
    describe,
    kinds_of,
    style,
    time_axes,
)
from traces.timeline import bin_edges, busy_fraction, merge_touching, select, take_units
from traces.unit_paths import family

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_ROWS = 600  # more units than this share rows with their neighbours
_MOST_BARS = 40  # more units than this are shown by group
_COLUMN = 5  # [pixel] that a share of time is drawn over
_NARROW = 2.0  # [pixel] of a bar that is no use on its own
_STACKED_BAR = 12  # [pixel] of a row that can hold a stack
_BAND = 60  # [pixel] of rows too flat for that which share one


def plot_timeline(
    activity: Activity,
    *,
    units: str | Sequence[str] = "*",
    start: int = 0,
    stop: int | None = None,
    workload: str = "",
    machine: str = "",
    width: float = 10.0,
) -> Figure:
    """Draw what each unit did: units down in the order work reaches them, time across, states in colour.

    units : patterns over instance paths; `core[conv1]` takes all that belongs to it
    start, stop : window [cycle]
    workload, machine : names for the title
    width : [inch]
    raises : SimError if matplotlib is missing or the window is none, UnknownNameError if no unit fits

    Where a row's intervals are narrower than pixels, each of its columns is a stack of the states' shares of
    that time, work at the bottom; flat rows share a stack with neighbours of the same family.
    """
    ticks = activity.ticks_per_cycle
    part = select(activity, units, start * ticks, None if stop is None else stop * ticks)
    _insist_on_content(part)
    kinds = kinds_of(part, by_operation=True)
    with style():
        rows = Rows(blocks_by_unit(part, _MOST_ROWS), height=8.0, flattest=3, tallest=36)
        total = rows.time(part, bin_edges(0, part.makespan, 1), kinds).sum(axis=(0, 2))
        legend = Legend(kinds, total > 0, width)
        frame = Frame(width, rows.height, left=rows.label_width() + 0.1, right=0.25, top=0.95, legend=legend)
        axes = frame.axes
        axes.set_xlim(start, start + part.makespan / ticks)
        axes.set_ylim(rows.height, 0)
        merged = merge_touching(replace(part, state=kinds.of_state[part.state].astype(np.int16)))
        crowded = _crowded_rows(merged, rows, frame.pixels)
        _draw_intervals(axes, merged, rows, ~crowded, kinds, start)
        below = describe(part)
        if crowded.any():
            edges = bin_edges(0, part.makespan, frame.pixels // _COLUMN)
            _draw_shares(axes, rows, _bands(part, rows, crowded), rows.time(part, edges, kinds), kinds)
            width = np.diff(edges).max() / ticks
            shown = f"{width:,.0f}" if width >= 1 else f"{width:.1g}"
            below += f"  ·  where crowded, heights are shares of {shown} cycles"
        rows.label(axes)
        axes.set_yticks([])
        time_axes(axes, activity.clock_hz)
        frame.title(workload, machine, below)
    return frame.figure


def _insist_on_content(activity: Activity) -> None:
    if activity.makespan == 0 or not activity.units:
        raise SimError(
            f"nothing to draw: {len(activity.units)} units, {activity.makespan} ticks; choose a longer window"
        )


def _crowded_rows(merged: Activity, rows: Rows, pixels: int) -> NDArray[np.bool_]:
    """Tell for each row whether bars would smear: it has several units, or many bars narrower than pixels."""
    narrow = merged.duration * (pixels / merged.makespan) < _NARROW
    bars = np.bincount(merged.unit, minlength=len(merged.units))
    smeared = np.bincount(merged.unit, weights=narrow, minlength=len(merged.units)) > 0.2 * bars
    return np.array([len(units) > 1 or bool(smeared[units[0]]) for units in rows.units])


def _draw_intervals(
    axes: Axes, merged: Activity, rows: Rows, drawn: NDArray[np.bool_], kinds: Kinds, start: int
) -> None:
    """Draw each interval of the rows `drawn` as a bar, on a background that is finished."""
    from matplotlib.collections import PolyCollection

    chosen = [(top, units[0]) for top, units, yes in zip(rows.tops, rows.units, drawn, strict=True) if yes]
    part = take_units(merged, [unit for _, unit in chosen])
    tops = np.array([top for top, _ in chosen], dtype=np.float64)
    x0 = start + np.concatenate([np.zeros(len(tops)), part.start / part.ticks_per_cycle])
    x1 = x0 + np.concatenate([np.full(len(tops), part.makespan), part.duration]) / part.ticks_per_cycle
    y0 = np.concatenate([tops, tops[part.unit]])
    y1 = y0 + rows.bar
    corners = np.stack([np.stack([x0, x1, x1, x0], 1), np.stack([y0, y0, y1, y1], 1)], axis=2)
    kind = np.concatenate([np.full(len(tops), len(kinds.labels) - 1), part.state])
    # Without antialiasing neighbours meet without a seam.
    bars = PolyCollection(
        list(corners),
        facecolors=kinds.colours[kind],
        linewidths=0,
        antialiaseds=False,
        rasterized=len(kind) > 4000,
    )
    axes.add_collection(bars, autolim=False)


def _bands(part: Activity, rows: Rows, crowded: NDArray[np.bool_]) -> list[list[int]]:
    """Return the crowded rows, by index, in bands: flat ones share theirs with neighbours of the family."""
    most = 1 if rows.bar >= _STACKED_BAR else -(-_BAND // rows.pitch)
    bands: list[list[int]] = []
    previous = ("", -1)
    for index in np.flatnonzero(crowded).tolist():
        kin = family(part.units[rows.units[index][0]])
        if previous == (kin, index - 1) and len(bands[-1]) < most:
            bands[-1].append(index)
        else:
            bands.append([index])
        previous = (kin, index)
    return bands


def _draw_shares(
    axes: Axes, rows: Rows, bands: list[list[int]], time: NDArray[np.int64], kinds: Kinds
) -> None:
    """Draw bands of rows in columns, each a stack of the kinds by their share of its time."""
    picture = np.zeros((rows.height, time.shape[2], 4))
    for band in bands:
        top, height = rows.tops[band[0]], rows.pitch * (len(band) - 1) + rows.bar
        below = np.cumsum(time[band].sum(axis=0), axis=0)
        # The middle of each line, from the band's bottom, lies in the kind that reaches above it first.
        middle = 2 * np.arange(height)[::-1, None] + 1
        kind = (below[None] * 2 * height <= middle[:, None] * below[-1]).sum(axis=1)
        picture[top : top + height, :, :3] = kinds.colours[kind]
        picture[top : top + height, :, 3] = 1
    x0, x1 = axes.get_xlim()
    axes.imshow(picture, extent=(x0, x1, rows.height, 0), aspect="auto", interpolation="nearest")


def plot_utilisation(
    activity: Activity,
    *,
    by: Literal["auto", "unit", "group"] = "auto",
    workload: str = "",
    machine: str = "",
    width: float = 8.0,
) -> Figure:
    """Draw how each unit, or group such as a core, spends its time, and how busy the machine is over time.

    by : a bar for each unit, or for each group the mean of its units; auto takes units while they are few
    workload, machine : names for the title
    width : [inch]
    raises : SimError if matplotlib is missing or there is nothing to draw, UnknownNameError for another `by`
    """
    check_grouping(by, ("auto", "unit", "group"))
    _insist_on_content(activity)
    kinds = kinds_of(activity, by_operation=False)
    by_unit = by == "unit" or (by == "auto" and len(activity.units) <= _MOST_BARS)
    with style():
        blocks = blocks_by_unit(activity, _MOST_ROWS) if by_unit else blocks_by_group(activity)
        rows = Rows(blocks, height=8.0, flattest=3, tallest=36)
        spent = rows.time(activity, bin_edges(0, activity.makespan, 1), kinds)[:, :, 0]
        legend = Legend(kinds, spent.sum(axis=0) > 0, width)
        frame = Frame(width, rows.height, left=rows.label_width() + 0.1, right=0.95, top=2.0, legend=legend)
        share = 100 * spent / spent.sum(axis=1, keepdims=True)
        draw_bars(frame.axes, rows, share, kinds.colours)
        rows.write_ends(frame.axes, [f"{busy:.0f} %" for busy in share[:, 0]])
        rows.label(frame.axes)
        frame.axes.set_xlim(0, 100)
        frame.axes.set_xlabel("% of the run")
        _draw_busy_over_time(frame.add_axes(frame.height - 1.5, 0.8), activity, kinds)
        frame.title(workload, machine, describe(activity))
    return frame.figure


def _draw_busy_over_time(axes: Axes, activity: Activity, kinds: Kinds) -> None:
    """Draw the share of all units that is busy, over the run."""
    edges = bin_edges(0, activity.makespan, 200)
    busy = 100 * busy_fraction(activity, edges).mean(axis=0)
    cycles = edges / activity.ticks_per_cycle
    axes.stairs(busy, cycles, fill=True, color=kinds.colours[0], alpha=0.35, linewidth=0)
    axes.stairs(busy, cycles, color=kinds.colours[0], linewidth=0.9, baseline=None)
    mean = float(np.average(busy, weights=np.diff(edges)))
    axes.axhline(mean, color=INK, linewidth=0.6, linestyle=(0, (4, 3)))
    axes.text(1.01, mean, f"mean {mean:.0f} %", transform=axes.get_yaxis_transform(), va="center", size=7)
    axes.set_xlim(cycles[0], cycles[-1])
    axes.set_ylim(0, max(10.0, 1.15 * busy.max()))
    axes.xaxis.set_major_formatter(lambda cycles, _: cycles_text(cycles))
    axes.set_xlabel("time (cycles)", labelpad=1)
    axes.set_ylabel("busy %")
    axes.spines[["right", "top"]].set_visible(False)
