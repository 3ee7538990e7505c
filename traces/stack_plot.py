"""Bars of stacked parts: where the time of layers or cores went, and their energy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simcore.activity import CATEGORIES, category
from simcore.errors import SimError
from traces.figure_rows import Rows, blocks_by_name, draw_bars
from traces.figure_style import (
    BUSY_COLOURS,
    CATEGORY_COLOURS,
    CATEGORY_LABELS,
    OTHER_WORK,
    PAGE,
    Frame,
    Legend,
    Palette,
    rgb,
    short_si,
    si_scale,
    style,
)
from traces.unit_paths import family

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_ROWS = 300  # more bars than this share rows with their neighbours
_HEIGHT = 7.0  # [inch] of all rows, if there are many
#: Shades of the causes of one category, the largest first; further ones share the last.
_SHADES = {
    "busy": (*BUSY_COLOURS[:4], OTHER_WORK),
    "programming": ("#7A5C3E", "#A58560", "#CDB899"),
    "wait-resource": ("#B23A7C", "#CF78A6", "#E7B5CF"),
    "blocked-output": ("#F0A04B", "#F6C084", "#FADDBB"),
    "wait-input": ("#9EABB8", "#C3CCD5", "#DDE3E8"),
    "finished": (CATEGORY_COLOURS["finished"],),
}

#: Names, each with the amounts of its parts.
Stacks = Mapping[str, Mapping[str, float]]


def plot_stalls(
    stacks: Stacks, *, workload: str = "", machine: str = "", below: str = "", width: float = PAGE
) -> Figure:
    """Draw where the time of layers or cores went: a bar each, every cycle of its units under one cause.

    stacks : of each name, the cycles of all its units by state
    workload, machine, below : for the title and the line under it
    width : [inch]
    raises : SimError if matplotlib is missing or there is nothing to draw

    The largest causes of a category are told apart, the others share its last shade.
    """
    palette, kinds = _of_states(stacks.values())
    names, amounts = _amounts(stacks, kinds, len(palette.labels))
    with style():
        rows = Rows(blocks_by_name(names, _MOST_ROWS), height=_HEIGHT, flattest=3, tallest=36)
        cycles = rows.sums(amounts)
        share = 100 * cycles / cycles.sum(axis=1, keepdims=True)
        work = sorted({kind for state, kind in kinds.items() if category(state) == "busy"})
        frame = _bars(rows, palette, share, [f"{busy:.0f} %" for busy in share[:, work].sum(axis=1)], width)
        frame.axes.set_xlim(0, 100)
        frame.axes.set_xlabel("% of the time of all units; behind each bar, how much of it is work")
        frame.title(workload, machine, below)
    return frame.figure


def plot_energy(
    stacks: Stacks, *, workload: str = "", machine: str = "", below: str = "", width: float = PAGE
) -> Figure:
    """Draw what layers spent: a bar each, stacked by the families of their components.

    stacks : of each layer, energy by family [J]
    workload, machine, below : for the title and the line under it
    width : [inch]
    raises : SimError if matplotlib is missing or there is nothing to draw
    """
    palette, kinds = of_families(stacks.values())
    names, amounts = _amounts(stacks, kinds, len(palette.labels))
    with style():
        rows = Rows(blocks_by_name(names, _MOST_ROWS), height=_HEIGHT, flattest=3, tallest=36)
        joules = rows.sums(amounts)
        totals = joules.sum(axis=1)
        scale, unit = si_scale(totals.max(), "J")
        frame = _bars(rows, palette, joules / scale, [short_si(total, "J") for total in totals], width)
        frame.axes.set_xlim(0, totals.max() / scale)
        frame.axes.set_xlabel(f"energy ({unit})")
        frame.title(workload, machine, below)
    return frame.figure


def of_families(stacks: Iterable[Mapping[str, float]]) -> tuple[Palette, dict[str, int]]:
    """Return colours for families, the largest first, and the kind of each; too many share the last."""
    sums: dict[str, float] = {}
    for parts in stacks:
        for name, amount in parts.items():
            sums[name] = sums.get(name, 0.0) + amount
    names = sorted(sums, key=lambda name: (-sums[name], name))
    many = len(names) > len(BUSY_COLOURS)
    shown = names[: len(BUSY_COLOURS) - many]
    kinds = {name: min(kind, len(shown)) for kind, name in enumerate(names)}
    colours = [*BUSY_COLOURS[: len(shown)], *[OTHER_WORK] * many]
    return Palette((*shown, *["other"] * many), rgb(colours)), kinds


def _of_states(stacks: Iterable[Mapping[str, float]]) -> tuple[Palette, dict[str, int]]:
    """Return colours for the causes of time, and the kind of each state; ports of one name are one cause."""
    sums: dict[str, dict[str, float]] = {name: {} for name in CATEGORIES}
    states = set[str]()
    for spent in stacks:
        for state, cycles in spent.items():
            if cycles:
                causes = sums[category(state)]
                causes[_cause(state)] = causes.get(_cause(state), 0.0) + cycles
                states.add(state)
    labels, colours, place = [], [], {}
    for name, causes in sums.items():
        shades = _SHADES[name]
        largest = sorted(causes, key=lambda cause: (-causes[cause], cause))
        for number, cause in enumerate(largest):
            if number < len(shades):
                last = number == len(shades) - 1 and len(largest) > len(shades)
                labels.append(f"{CATEGORY_LABELS[name]}: other" if last else _label(cause))
                colours.append(shades[number])
            place[cause] = len(labels) - 1
    return Palette(tuple(labels), rgb(colours)), {state: place[_cause(state)] for state in sorted(states)}


def _cause(state: str) -> str:
    """Return a state without the numbers of ports: to wait for either of two inputs is one cause."""
    return family(state).replace("[]", "")


def _label(cause: str) -> str:
    name, _, detail = cause.partition(":")
    return f"{CATEGORY_LABELS[name]}: {detail}" if detail else CATEGORY_LABELS[name]


def _amounts(stacks: Stacks, kinds: Mapping[str, int], count: int) -> tuple[list[str], NDArray[np.float64]]:
    """Return the names that have any parts, and the amounts of theirs by kind: (names, kinds)."""
    names = [name for name, parts in stacks.items() if any(parts.values())]
    if not names:
        raise SimError("nothing to draw: no part of the run has any amount; choose a run that did something")
    amounts = np.zeros((len(names), count))
    for row, name in enumerate(names):
        for part, amount in stacks[name].items():
            if amount:
                amounts[row, kinds[part]] += amount
    return names, amounts


def _bars(rows: Rows, palette: Palette, lengths: NDArray[np.float64], ends: list[str], width: float) -> Frame:
    """Return a figure of a bar a row, from `lengths` (rows, kinds), with a text behind each."""
    legend = Legend(palette, lengths.sum(axis=0) > 0, width)
    right = max(0.25, rows.end_width(ends) + 0.1)
    frame = Frame(width, rows.height, left=rows.label_width() + 0.1, right=right, top=0.7, legend=legend)
    draw_bars(frame.axes, rows, lengths, palette.colours)
    rows.write_ends(frame.axes, ends)
    rows.label(frame.axes)
    return frame
