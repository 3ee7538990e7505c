"""Heat maps over time: power of the machine and of each core or tile, and how full memories are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simcore.activity import Activity, BufferTrace
from simcore.energy import PartCost
from simcore.errors import SimError
from traces.figure_rows import Rows, blocks_by_name, draw_heat
from traces.figure_style import (
    INK,
    MARGIN,
    PAGE,
    Frame,
    Legend,
    Palette,
    check_width,
    cycles_text,
    describe,
    short_si,
    si_scale,
    style,
    text_width,
    time_axes,
)
from traces.power import PowerSeries, by_family, by_group, peak_power, power_over_time
from traces.stack_plot import of_families
from traces.timeline import bin_edges
from traces.unit_paths import home, natural_key, segments

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_ROWS = 300  # more names than this share rows with their neighbours
_HEIGHT = 6.0  # [inch] of all rows, if there are many
_BINS = 28  # stretches of time for each inch of the figure
_PANEL, _GAP = 1.3, 0.75  # [inch] height of the plot above a map, and of what is between
_NO_LEGEND = Palette((), np.zeros((0, 3)))


def plot_power(
    activity: Activity,
    parts: Sequence[PartCost],
    *,
    workload: str = "",
    machine: str = "",
    width: float = PAGE,
) -> Figure:
    """Draw power over time: above that of the machine by component, below that of each core or tile.

    parts : what each component of the run costs, as `RunRecord.parts`
    workload, machine : names for the title
    width : [inch]
    raises : SimError if matplotlib is missing or there is nothing to draw

    Each stretch of time shows the mean power in it, so that areas are energies; see `traces.power`. Shades
    leave out what is drawn all the time, numbers at the right are means of all.
    """
    if activity.makespan == 0 or not any(part.dynamic_j or part.static_w for part in parts):
        raise SimError("nothing to draw: no part of the run spent any energy; give its parts their costs")
    check_width(width)
    edges = bin_edges(0, activity.makespan, max(1, round(width * _BINS)))
    families = power_over_time(activity, parts, edges, by_family)
    groups = power_over_time(activity, parts, edges, by_group(activity))
    order = _in_order(groups)
    with style():
        names = [groups.names[n] for n in order]
        rows = Rows(blocks_by_name(names, _MOST_ROWS), height=_HEIGHT, flattest=3, tallest=36)
        watts, always = rows.sums(groups.watts[order]), rows.sums(groups.always_w[order])
        ends = [short_si(mean, "W") for mean in np.average(watts, axis=1, weights=np.diff(edges))]
        totals = dict(zip(families.names, families.energy.sum(axis=1).tolist(), strict=True))
        palette, kinds = of_families([totals])
        stacked = np.zeros((len(palette.labels), len(edges) - 1))
        for name, power in zip(families.names, families.watts, strict=True):
            stacked[kinds[name]] += power
        frame = _frame(
            rows, ends, width, _PANEL + _GAP + 0.75, Legend(palette, stacked.sum(axis=1) > 0, width)
        )
        _draw_stack(frame, stacked, palette, edges / activity.ticks_per_cycle)
        _draw_map(frame, rows, np.maximum(watts - always[:, None], 0), edges, activity, "W", "drawn for work")
        rows.write_ends(frame.axes, ends)
        peak = short_si(peak_power(activity, parts), "W")
        frame.title(workload, machine, f"{describe(activity)}  ·  at most {peak} at any moment")
    return frame.figure


def _in_order(series: PowerSeries) -> list[int]:
    """Return the names that spend anything, by index, in the order in which they begin to."""
    spent = series.energy.sum(axis=1) > 0
    works = series.watts > 1.000001 * series.always_w[:, None]
    first = np.where(works.any(axis=1), works.argmax(axis=1), len(series.edges))
    return sorted(np.flatnonzero(spent).tolist(), key=lambda n: (first[n], natural_key(series.names[n])))


def _draw_stack(
    frame: Frame, watts: NDArray[np.float64], palette: Palette, cycles: NDArray[np.float64]
) -> None:
    """Draw the power of the whole machine above the map, families on top of one another."""
    axes = frame.add_axes(frame.height - 0.75 - _PANEL, _PANEL)
    most = watts.sum(axis=0).max()
    scale, unit = si_scale(most, "W")
    below = np.zeros(watts.shape[1])
    for power, colour in zip(watts / scale, palette.colours, strict=True):
        axes.stairs(below + power, cycles, baseline=below, fill=True, color=colour, linewidth=0)
        below = below + power
    mean = float(np.average(below, weights=np.diff(cycles)))
    axes.axhline(mean, color=INK, linewidth=0.6, linestyle=(0, (4, 3)))
    axes.text(1.01, mean, f"mean {mean:.3g}", transform=axes.get_yaxis_transform(), va="center", size=7)
    axes.set_xlim(cycles[0], cycles[-1])
    axes.set_ylim(0, 1.05 * most / scale)
    axes.xaxis.set_major_formatter(lambda cycles, _: cycles_text(cycles))
    axes.set_ylabel(f"power ({unit})")
    axes.spines[["right", "top"]].set_visible(False)


def plot_buffers(activity: Activity, *, workload: str = "", machine: str = "", width: float = PAGE) -> Figure:
    """Draw how full memories are over time, each beside what it can hold, or held at most if unbounded.

    workload, machine : names for the title
    width : [inch]
    raises : SimError if matplotlib is missing or no memory was watched
    """
    buffers = activity.buffers
    if activity.makespan == 0 or not buffers:
        raise SimError("nothing to draw: no memory was watched in this run; choose a machine that has some")
    check_width(width)
    edges = bin_edges(0, activity.makespan, max(1, round(width * _BINS)))
    peaks = [int(buffer.held.max(initial=0)) for buffer in buffers]
    room = [buffer.slots or max(peak, 1) for buffer, peak in zip(buffers, peaks, strict=True)]
    full = np.stack(
        [100 * held_in_bins(b, edges) / np.diff(edges) / most for b, most in zip(buffers, room, strict=True)]
    )
    with style():
        names = _memory_names(buffers)
        rows = Rows(blocks_by_name(names, _MOST_ROWS), height=_HEIGHT, flattest=3, tallest=36)
        shares = rows.sums(full) / np.array([len(members) for members in rows.units])[:, None]
        ends = [
            "of ".join([f"{peaks[m[0]]:,} ", "∞" if buffers[m[0]].slots is None else f"{room[m[0]]:,}"])
            for m in rows.units
        ]
        frame = _frame(rows, ends, width, 1.15, Legend(_NO_LEGEND, np.zeros(0, bool), width))
        _draw_map(frame, rows, shares, edges, activity, "%", "tokens held, of what fits")
        rows.write_ends(frame.axes, ends)
        frame.title(workload, machine, f"{describe(activity)}  ·  most held at the right")
    return frame.figure


def held_in_bins(buffer: BufferTrace, edges: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the integral of what a memory held over each bin: (bins,) int64 [token tick]."""
    tick, held = np.concatenate([[0], buffer.tick]), np.concatenate([[0], buffer.held]).astype(np.int64)
    before = np.concatenate([[0], np.cumsum(held[:-1] * np.diff(tick))])
    last = np.searchsorted(tick, edges, side="right") - 1
    so_far: NDArray[np.int64] = before[last] + held[last] * (edges - tick[last])
    return np.diff(so_far)


def _memory_names(buffers: Sequence[BufferTrace]) -> list[str]:
    """Return what tells memories apart: the core or tile they are in, and if need be the port that reads."""
    paths = [buffer.path for buffer in buffers]
    homes = [home(path) for path in paths]
    names = [
        where if homes.count(where) == 1 else f"{where} {segments(path)[-1]}"
        for where, path in zip(homes, paths, strict=True)
    ]
    return names if len(set(names)) == len(names) else paths


def _frame(rows: Rows, ends: Sequence[str], width: float, top: float, legend: Legend) -> Frame:
    right = max(0.25, rows.end_width(ends) + 0.1)
    frame = Frame(
        width,
        rows.height,
        left=max(0.6, rows.label_width() + 0.1),
        right=max(right, 0.7),
        top=top,
        legend=legend,
    )
    rows.label(frame.axes)
    return frame


def _draw_map(
    frame: Frame,
    rows: Rows,
    values: NDArray[np.float64],
    edges: NDArray[np.int64],
    activity: Activity,
    unit: str,
    what: str,
) -> None:
    """Draw the map, its time below it, and its scale above it."""
    scale, sign = (1.0, unit) if unit == "%" else si_scale(values.max() or 1.0, unit)
    most = 100.0 if unit == "%" else (values.max() or 1.0) / scale
    cycles = edges / activity.ticks_per_cycle
    image = draw_heat(frame.axes, rows, values / scale, (cycles[0], cycles[-1]), most)
    time_axes(frame.axes, activity.clock_hz, ticks=6)
    _draw_scale(frame, image, (0.0, most), f"{most:.3g} {sign}", what)


def _draw_scale(frame: Frame, image: Any, ends: tuple[float, float], most: str, what: str) -> None:
    """Draw what the shades of a map mean into the corner at the top right."""
    width, right, y = 1.0, frame.width - MARGIN - 0.05 - text_width(most, 7), frame.height - 0.3
    axes = frame.figure.add_axes(
        ((right - width) / frame.width, y / frame.height, width / frame.width, 0.09 / frame.height)
    )
    frame.figure.colorbar(image, cax=axes, orientation="horizontal", ticks=[])
    axes.set_xlim(*ends)
    frame.text(right - width - 0.05, y + 0.01, f"{what}:  0", size=7, ha="right")
    frame.text(right + 0.05, y + 0.01, most, size=7)
