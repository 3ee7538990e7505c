"""What all figures share: colours by state, letters, number formats, and how they become files.

Matplotlib is an extra and slow to import, so only functions import it. Agg draws each figure on its own
canvas: `pyplot`, its global state and the user's settings stay out of it, and equal figures make equal bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from simcore.activity import Activity, category
from simcore.errors import ConfigError, FileError, SimError, UnknownNameError
from simcore.files import write_atomically
from simcore.registry import near_miss
from simcore.units import format_si, parse_quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 200
COLUMN, PAGE = 3.5, 7.16  # [inch] widths of one and of two columns of a paper
INK, FAINT = "#1F2933", "#7B8794"
_LEAST_PLOT, _WIDEST = 0.5, 300  # [inch] of a plot without the words beside it, and of a figure
MARGIN = 0.15  # [inch] that words keep from the figure's edge

#: Fixed colours of what is no work. They differ in lightness too, so any colour vision tells them apart.
CATEGORY_COLOURS = {
    "programming": "#7A5C3E",
    "wait-resource": "#B23A7C",
    "blocked-output": "#F0A04B",
    "wait-input": "#CFD6DE",
    "finished": "#F5F3EE",
}
CATEGORY_LABELS = {
    "busy": "busy",
    "programming": "programming",
    "wait-resource": "waiting for a resource",
    "blocked-output": "blocked by output",
    "wait-input": "waiting for input",
    "finished": "finished",
}
#: Work is calm: blues and greens, dark and light in turn.
BUSY_COLOURS = ("#2F6DA8", "#7CC4DE", "#1F8A78", "#A9CF8A", "#3B3F8C", "#8FA3E0", "#4F7A3A", "#5FB8A8")
OTHER_WORK = "#5C7387"


@dataclass(frozen=True)
class Palette:
    """What a figure tells apart by colour, from the bottom of a stack to its top.

    labels : for the legend
    colours : (kinds, 3) red, green, blue, 0 to 1
    """

    labels: tuple[str, ...]
    colours: NDArray[np.float64]


@dataclass(frozen=True)
class Kinds(Palette):
    """States of an activity, told apart by colour.

    of_state : (states,) the kind of each of the activity's states
    """

    of_state: NDArray[np.int64]


def rgb(colours: Iterable[str]) -> NDArray[np.float64]:
    """Return colours such as "#2F6DA8" as (colours, 3) red, green, blue, 0 to 1."""
    return np.array([[int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] for colour in colours])


def kinds_of(activity: Activity, *, by_operation: bool) -> Kinds:
    """Return the kinds of the activity's states: the categories, with work split by operation if asked.

    Operations take the colours in order of their time; if there are too many, the last share one. The last
    kind is `finished`.
    """
    labels, colours = ["busy"], [BUSY_COLOURS[0]]
    place = dict.fromkeys(activity.states, 0)
    if by_operation:
        labels, colours = _operations(activity, place)
    for name, colour in CATEGORY_COLOURS.items():
        place.update({state: len(labels) for state in activity.states if category(state) == name})
        labels.append(CATEGORY_LABELS[name])
        colours.append(colour)
    return Kinds(
        tuple(labels), rgb(colours), np.array([place[state] for state in activity.states], dtype=np.int64)
    )


def _operations(activity: Activity, place: dict[str, int]) -> tuple[list[str], list[str]]:
    """Give each operation its kind in `place`; return their labels and colours."""
    time = np.zeros(len(activity.states), dtype=np.int64)
    np.add.at(time, activity.state, activity.duration)
    operations = [state for state in activity.states if category(state) == "busy"]
    operations.sort(key=lambda state: (-time[activity.states.index(state)], state))
    many = len(operations) > len(BUSY_COLOURS)
    shown = operations[: len(BUSY_COLOURS) - many]
    for state in operations:
        place[state] = shown.index(state) if state in shown else len(shown)
    labels = [state.partition(":")[2] or state for state in shown] + ["other work"] * many
    return labels, [*BUSY_COLOURS[: len(shown)], *[OTHER_WORK] * many]


def cycles_text(cycles: float) -> str:
    """Return a count with its thousands apart: 1 234 567."""
    return f"{cycles:,.0f}".replace(",", "\u2009")


def time_unit(seconds: float) -> tuple[float, str]:
    """Return the unit in which a time reads best, as its seconds and its sign."""
    for unit, sign in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= unit:
            return unit, sign
    return 1e-9, "ns"


def short_si(value: float, unit: str) -> str:
    """Return a value in the SI unit in which it reads best: 12.3 µJ."""
    return format_si(value, unit, 3).replace(" u", " µ")


def si_scale(value: float, unit: str) -> tuple[float, str]:
    """Return the SI unit in which a value reads best, as its size and its sign: (1e-9, "nJ")."""
    sign = format_si(value, unit).split()[1]
    return float(parse_quantity(f"1 {sign}", unit)), sign.replace("u", "µ")


def describe(activity: Activity) -> str:
    """Return the line under a title: how many units, how long, at which clock."""
    cycles = activity.makespan / activity.ticks_per_cycle
    unit, sign = time_unit(cycles / activity.clock_hz)
    scale, prefix = next(
        (pair for pair in ((1e9, "G"), (1e6, "M"), (1e3, "k")) if activity.clock_hz >= pair[0]), (1.0, "")
    )
    return (
        f"{len(activity.units)} units  ·  {cycles_text(cycles)} cycles  ·  "
        f"{cycles / activity.clock_hz / unit:.4g} {sign} at {activity.clock_hz / scale:.4g} {prefix}Hz"
    )


@contextmanager
def style() -> Iterator[None]:
    """Draw or save within this: matplotlib's own defaults and ours, whatever the user has set, then all back.

    raises : SimError if matplotlib is not installed
    """
    try:
        import matplotlib
    except ImportError as error:
        raise SimError(
            "figures need matplotlib, which is not installed; pip install 'imcsim[plots]'"
        ) from error
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "font.size": 8,
                "text.color": INK,
                "axes.labelcolor": INK,
                "axes.edgecolor": FAINT,
                "axes.linewidth": 0.6,
                "xtick.color": FAINT,
                "ytick.color": FAINT,
                "xtick.labelcolor": INK,
                "ytick.labelcolor": INK,
                "xtick.major.width": 0.6,
                "svg.hashsalt": "imcsim",  # instead of random ids
            }
        )
        yield


def check_width(width: float) -> None:
    """Raise ConfigError if no figure can be so wide [inch]."""
    if not isinstance(width, int | float) or not 0 < width <= _WIDEST:
        raise ConfigError(
            f"width of a figure must be above 0 and at most {_WIDEST} inch, got {width!r}; "
            f"{COLUMN} is a column of a paper, {PAGE} a page"
        )


def check_grouping(by: str, known: Sequence[str]) -> None:
    """Raise UnknownNameError if nothing is grouped by that."""
    if by not in known:
        raise UnknownNameError(f"nothing is shown by {by!r}; {near_miss(str(by), list(known))}")


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of that size [inch] on a canvas of its own."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


@cache
def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Return the width [inch] of a text in points of `size`."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    if not text.strip():
        return 0.0
    path = TextPath((0, 0), text, size=size, prop=FontProperties(weight="bold" if bold else "normal"))
    return float(path.get_extents().width) / 72


def time_axes(axes: Axes, clock_hz: float, ticks: int = 10) -> None:
    """Put cycles under a plot and seconds above it, at about so many places at most."""
    from matplotlib.ticker import MaxNLocator

    unit, sign = time_unit(axes.get_xlim()[1] / clock_hz)

    def seconds_of(cycles: Any) -> Any:
        return cycles / clock_hz / unit

    def cycles_of(seconds: Any) -> Any:
        return seconds * unit * clock_hz

    axes.xaxis.set_major_locator(MaxNLocator(ticks, integer=True, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(lambda cycles, _: cycles_text(cycles))
    axes.set_xlabel("time (cycles)")
    axes.spines[["left", "right", "top"]].set_visible(False)
    seconds = axes.secondary_xaxis("top", functions=(seconds_of, cycles_of))
    seconds.xaxis.set_major_locator(MaxNLocator(ticks, steps=[1, 2, 5, 10]))
    seconds.set_xlabel(f"time ({sign})")


class Frame:
    """A figure with one main plot whose size is known to the pixel, and room around it for words.

    axes : of the main plot
    pixels : width of the plot [pixel]
    """

    def __init__(
        self, width: float, rows: int, *, left: float, right: float, top: float, legend: Legend
    ) -> None:
        """Leave margins [inch] around a plot that is `rows` pixels high, in a figure of `width` [inch].

        raises : ConfigError if the margins leave next to nothing of it
        """
        if width - left - right < _LEAST_PLOT:
            least = ceil(10 * (left + right + _LEAST_PLOT)) / 10
            raise ConfigError(
                f"width of this figure must be {least:.1f} inch at least, got {width}; names beside the plot "
                f"need as much, so that {PAGE} (a page) or {COLUMN} (a column) may do"
            )
        self.pixels = round((width - left - right) * DPI)
        bottom = 0.6 + legend.height
        self.width, self.height = width, rows / DPI + top + bottom
        self.left, self.right = left, right
        self.figure = new_figure(width, self.height)
        self.axes = self.add_axes(bottom, rows / DPI)
        legend.draw(self)

    def add_axes(self, bottom: float, height: float) -> Axes:
        """Add axes as wide as the main plot at `bottom` with `height` [inch]."""
        width = self.pixels / DPI
        return self.figure.add_axes(
            (self.left / self.width, bottom / self.height, width / self.width, height / self.height)
        )

    def text(self, x: float, y: float, text: str, **looks: Any) -> None:
        """Write `text` at `x` from the left and `y` from the bottom [inch]."""
        self.figure.text(x / self.width, y / self.height, text, **looks)

    def title(self, workload: str, machine: str, below: str) -> None:
        """Write what was run at the top left, and `below` under it."""
        name = " on ".join(part for part in (workload, machine) if part)
        room = self.width - 2 * MARGIN
        if name:
            size = min(12, 12 * room / text_width(name, 12, bold=True))
            self.text(MARGIN, self.height - 0.3, name, size=size, weight="bold")
        size = min(8, 8 * room / max(text_width(below, 8), 0.1))
        self.text(MARGIN, self.height - (0.5 if name else 0.35), below, size=size, color=FAINT)


class Legend:
    """The colours of some kinds and their names, in as many lines as it takes.

    height : of all lines [inch]
    """

    def __init__(self, kinds: Palette, shown: NDArray[np.bool_], width: float) -> None:
        """Break the kinds `shown` into lines that fit a figure of `width` [inch].

        raises : ConfigError if no figure is that wide
        """
        check_width(width)
        self._kinds = kinds
        self._places: list[tuple[int, float, int]] = []
        x, line = MARGIN, 0
        for kind in np.flatnonzero(shown).tolist():
            length = 0.2 + text_width(kinds.labels[kind], 8)
            if x > MARGIN and x + length > width - MARGIN:
                x, line = MARGIN, line + 1
            self._places.append((kind, x, line))
            x += length + 0.22
        self.height = 0.2 * (line + 1) if self._places else 0.0

    def draw(self, frame: Frame) -> None:
        """Draw all lines at the bottom of the frame."""
        from matplotlib.patches import Rectangle

        for kind, x, line in self._places:
            y = self.height - 0.2 * line - 0.08
            corner, size = (x / frame.width, y / frame.height), (0.13 / frame.width, 0.11 / frame.height)
            colour = self._kinds.colours[kind]
            frame.figure.add_artist(
                Rectangle(corner, *size, facecolor=colour, edgecolor=FAINT, linewidth=0.3)
            )
            frame.text(x + 0.2, y + 0.005, self._kinds.labels[kind], size=8)


def check_figure_name(path: str | Path) -> None:
    """Raise FileError if no figure can have a file's name."""
    if Path(path).suffix.lower() not in (".png", ".svg"):
        raise FileError(f"cannot write {path}: a figure's name ends in .png or .svg; choose one of these")


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure to a `.png` or `.svg` file, whole or not at all; equal figures make equal bytes.

    raises : FileError if the name ends otherwise or the disk refuses, SimError if matplotlib is not installed
    """
    check_figure_name(path)
    kind = Path(path).suffix.lower()
    metadata = {"Date": None} if kind == ".svg" else {"Software": None}

    def write(stream: BinaryIO) -> None:
        figure.savefig(stream, format=kind[1:], dpi=DPI, metadata=metadata)

    with style():
        write_atomically(path, write)
