"""A picture of arrays: which cells of each hold weights, which hold zeros, and which are not in use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simcore.errors import SimError
from traces.figure_style import BUSY_COLOURS, FAINT, INK, MARGIN, new_figure, style, text_width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Rectangle = tuple[int, int, int, int]  # first wordline, first bitline, how many of each

HELD, ZERO, UNUSED, EDGE = BUSY_COLOURS[0], "#F0A04B", "#EDF0F3", "#AEB9C4"
_LEGEND = ((HELD, "weights"), (ZERO, "zeros between them"), (UNUSED, "not in use"))

_LARGEST, _SMALLEST = 1.2, 0.15  # edge of an array [inch]
_TALLEST, _WIDEST = 4.0, 3.0  # layer [inch] whose arrays are not drawn smaller than others, ...
_TINIEST = 0.05  # ... which have an edge of so much at least
_FULL_PAGE = 8.0  # height [inch] that arrays shrink for
_NAME, _FIGURES = 6.5, 6.0  # [point]
_HEAD, _GAP = 0.32, 0.16  # above a layer's arrays, and around it [inch]
_SEAM = 0.14  # between arrays, of their edge


@dataclass(frozen=True)
class ArrayUse:
    """What one array's cells do.

    row, col : its place among the layer's arrays; those of a column add up
    rows, cols : wordlines and bitlines in use
    held : rectangles of cells that hold weights
    """

    row: int
    col: int
    rows: int
    cols: int
    held: tuple[Rectangle, ...]


@dataclass(frozen=True)
class LayerArrays:
    """The arrays of one layer, or of one copy of it.

    figures : to write under its name
    """

    name: str
    figures: str
    arrays: tuple[ArrayUse, ...]

    @property
    def size(self) -> tuple[int, int]:
        """Arrays downwards and across."""
        return 1 + max(array.row for array in self.arrays), 1 + max(array.col for array in self.arrays)


@dataclass(frozen=True)
class _Panel:
    """A layer on the page.

    left, top : its corner [inch]
    edge, pitch : of an array, and from one to the next [inch]
    """

    layer: LayerArrays
    left: float
    top: float
    edge: float

    @property
    def pitch(self) -> float:
        return _pitch(self.edge)


def plot_arrays(
    layers: Sequence[LayerArrays],
    *,
    rows: int,
    cols: int,
    title: str = "",
    below: str = "",
    width: float = 10.0,
) -> Figure:
    """Draw the arrays of every layer, each a square: row blocks downwards, column blocks across.

    rows, cols : wordlines and bitlines of an array
    title, below : names, and the line under them
    width : [inch]
    raises : SimError if matplotlib is missing or there is nothing to draw

    Arrays are as large as a page allows, and all of the same size but for those of layers that would not fit.
    """
    if not layers:
        raise SimError("nothing to draw: no layer has arrays; choose a network with weights")
    with style():
        head, foot = (0.62 if title else 0.42), 0.4
        panels, height = _page(layers, width)
        figure = new_figure(width, head + height + foot)
        axes = figure.add_axes((0, foot / (head + height + foot), 1, height / (head + height + foot)))
        axes.set_xlim(0, width)
        axes.set_ylim(height, 0)
        axes.set_axis_off()
        for panel in panels:
            _draw_layer(axes, panel, rows, cols)
        total = head + height + foot
        if title:
            figure.text(MARGIN / width, 1 - 0.3 / total, title, size=12, weight="bold")
        figure.text(MARGIN / width, 1 - (0.5 if title else 0.3) / total, below, size=8, color=FAINT)
        zeros = any(_has_zeros(array) for layer in layers for array in layer.arrays)
        _draw_legend(axes, height + 0.2, zeros=zeros)
    return figure


def _page(layers: Sequence[LayerArrays], width: float) -> tuple[list[_Panel], float]:
    """Return where each layer stands, with arrays as large as the page allows, and the page's height."""
    words = [max(text_width(x.name, _NAME, bold=True), text_width(x.figures, _FIGURES)) for x in layers]
    edge = min(_LARGEST, max(_SMALLEST, min(map(_fitting, layers))))
    while True:
        panels, height = _lines(layers, words, width, edge)
        if height <= _FULL_PAGE or edge <= _SMALLEST:
            return panels, height
        edge = max(_SMALLEST, 0.9 * edge)


def _lines(
    layers: Sequence[LayerArrays], words: Sequence[float], width: float, largest: float
) -> tuple[list[_Panel], float]:
    """Return layers in lines, from left to right, and the height of all lines.

    words : width of what is written above each layer [inch]
    largest : edge of an array, unless a layer has too many for that [inch]
    """
    panels: list[_Panel] = []
    left, top, tallest = MARGIN, 0.0, 0.0
    for layer, written in zip(layers, words, strict=True):
        down, across = layer.size
        edge = max(_TINIEST, min(largest, _fitting(layer)))
        own = max(across * _pitch(edge), written)
        if left > MARGIN and left + own > width - MARGIN:
            left, top, tallest = MARGIN, top + tallest + _GAP, 0.0
        panels.append(_Panel(layer, left, top, edge))
        left += own + _GAP
        tallest = max(tallest, _HEAD + down * _pitch(edge))
    return panels, top + tallest


def _fitting(layer: LayerArrays) -> float:
    """Return the edge of an array with which a layer is neither too tall nor too wide [inch]."""
    down, across = layer.size
    return min(_TALLEST / down, _WIDEST / across)


def _pitch(edge: float) -> float:
    return edge + min(0.03, _SEAM * edge)


def _draw_layer(axes: Axes, panel: _Panel, rows: int, cols: int) -> None:
    """Draw one layer's name, figures and arrays."""
    from matplotlib.collections import PolyCollection

    layer, left = panel.layer, panel.left
    axes.text(left, panel.top + 0.1, layer.name, size=_NAME, weight="bold", color=INK, va="baseline")
    axes.text(left, panel.top + 0.22, layer.figures, size=_FIGURES, color=FAINT, va="baseline")
    pitch = panel.pitch
    high, wide = panel.edge / rows, panel.edge / cols
    whole, used, held = [], [], []
    for array in layer.arrays:
        x, y = left + array.col * pitch, panel.top + _HEAD + array.row * pitch
        whole.append(_corners(x, y, panel.edge, panel.edge))
        used.append(_corners(x, y, array.cols * wide, array.rows * high))
        held += [_corners(x + c * wide, y + r * high, n * wide, k * high) for r, c, k, n in array.held]
    for shapes, colour in ((whole, UNUSED), (used, ZERO), (held, HELD)):
        axes.add_collection(PolyCollection(shapes, facecolors=colour, linewidths=0), autolim=False)
    frames = PolyCollection(whole, facecolors="none", edgecolors=EDGE, linewidths=0.4)
    axes.add_collection(frames, autolim=False)


def _corners(x: float, y: float, width: float, height: float) -> list[tuple[float, float]]:
    return [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]


def _has_zeros(array: ArrayUse) -> bool:
    return sum(rows * cols for _, _, rows, cols in array.held) < array.rows * array.cols


def _draw_legend(axes: Axes, y: float, *, zeros: bool) -> None:
    """Say below the page what the colours stand for."""
    from matplotlib.patches import Rectangle as Patch

    x = MARGIN
    for colour, label in _LEGEND:
        if colour == ZERO and not zeros:
            continue
        corner = (x, y - 0.09)
        axes.add_patch(
            Patch(corner, 0.13, 0.11, facecolor=colour, edgecolor=EDGE, linewidth=0.4, clip_on=False)
        )
        axes.text(x + 0.2, y, label, size=8, color=INK, va="baseline")
        x += 0.2 + text_width(label, 8) + 0.22
    axes.text(x, y, "a square is an array; those below one another add up", size=8, color=FAINT)
