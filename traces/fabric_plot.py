"""A picture of a topology: what lies on its nodes, and how many bytes a step each channel carries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import atan2, cos, degrees, hypot, pi, sin
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from simcore.errors import SimError
from traces.figure_style import FAINT, INK, MARGIN, new_figure, style, text_width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

Point: TypeAlias = tuple[float, float]

LAYER, RELAY, FREE, ROUTER = "#FFFFFF", "#FFF1D6", "#F3F5F7", "#AEB9C4"
IDLE = "#D8DEE5"
LIGHT, DARK = "#BFD3EA", "#123B70"
TREES = ("#E4572E", "#17A398", "#F2B134", "#A23EB0", "#5BBA2F", "#E86FA4")

_PITCH, _CLOSE_PITCH = 1.12, 0.42  # of nodes in a plane, and around a circle [inch]
_BOX = (0.31, 0.22)  # half of a node's width and height [inch]
_DOT = 0.055  # radius of a node around a circle, and half of a router's edge [inch]
_SIDE, _CLOSE_SIDE = 0.065, 0.03  # of a channel from the line between its ends, to its right [inch]
_THIN, _THICK, _CLOSE_THICK = 1.6, 6.0, 4.0  # width of channels [point]
_NAME = 5.4  # [point]
_HEAD, _FOOT, _BAR = 0.75, 0.55, 1.0  # room for the title, the legend and the scale [inch]
_PIECES = 100  # of a channel; those inside nodes are not drawn


@dataclass(frozen=True)
class DrawnNode:
    """A vertex of a topology.

    x, y : its place, to the right and down; neighbours are about 1 apart
    label : name of the layer that it holds, "" for none
    """

    x: float
    y: float
    kind: Literal["layer", "relay", "free", "router"]
    label: str = ""


@dataclass(frozen=True)
class DrawnChannel:
    """A channel, from node to node by their places in the list.

    size : bytes a step that it carries; 0 is drawn faint, or not at all where it would need a curve
    trees : streams with several readers that take it
    wraps : it closes a row or column to a ring; drawn as leaving the picture, and coming back
    """

    start: int
    end: int
    size: int
    trees: tuple[int, ...] = ()
    wraps: bool = False


def plot_fabric(
    nodes: Sequence[DrawnNode], channels: Sequence[DrawnChannel], *, title: str = "", below: str = ""
) -> Figure:
    """Draw nodes and channels; wide and dark is a channel with many bytes.

    title, below : words at the top left, and fainter ones under them
    raises : SimError if there is nothing to draw, or matplotlib is not installed
    """
    if not nodes:
        raise SimError("nothing to draw: the topology has no nodes; place a network on it first")
    page = _Page(nodes)
    with style():
        words = max(text_width(title, 12, bold=True), text_width(below, 8)) + 2 * MARGIN
        width = max(page.width + _BAR, words, 6.5)
        height = page.height + _HEAD + _FOOT
        figure = new_figure(width, height)
        axes = figure.add_axes((0, _FOOT / height, page.width / width, page.height / height))
        axes.set_xlim(0, page.width)
        axes.set_ylim(page.height, 0)
        axes.set_axis_off()
        most = max((channel.size for channel in channels), default=0)
        _draw_channels(axes, page, channels, most)
        for index, node in enumerate(nodes):
            _draw_node(axes, page, index, node)
        if most:
            _draw_scale(figure, (page.width + 0.1) / width, height, most)
        figure.text(MARGIN / width, 1 - 0.3 / height, title, size=12, weight="bold")
        figure.text(MARGIN / width, 1 - 0.5 / height, below, size=8, color=FAINT)
        figure.text(MARGIN / width, 0.2 / height, _legend(nodes, channels), size=8, color=FAINT)
    return figure


class _Page:
    """Where everything is [inch].

    round : whether all nodes that hold layers are on a circle; their names then stand around it
    """

    def __init__(self, nodes: Sequence[DrawnNode]) -> None:
        cores = [node for node in nodes if node.kind != "router"]
        middle = sum(n.x for n in cores) / len(cores), sum(n.y for n in cores) / len(cores)
        radii = [hypot(n.x - middle[0], n.y - middle[1]) for n in cores]
        self.round = len(cores) > 4 and max(radii) - min(radii) < 1e-6
        pitch = _CLOSE_PITCH if self.round else _PITCH
        self.side = _CLOSE_SIDE if self.round else _SIDE
        self.thickest = _CLOSE_THICK if self.round else _THICK
        names = max(text_width(node.label, _NAME) for node in nodes)
        edge = names + 0.3 if self.round else _BOX[0] + 0.4
        left, top = min(n.x for n in nodes), min(n.y for n in nodes)
        self.places = [(edge + (n.x - left) * pitch, edge + (n.y - top) * pitch) for n in nodes]
        self.width = 2 * edge + (max(n.x for n in nodes) - left) * pitch
        self.height = 2 * edge + (max(n.y for n in nodes) - top) * pitch
        self.middle = edge + (middle[0] - left) * pitch, edge + (middle[1] - top) * pitch
        self.halves = [(_DOT, _DOT) if self.round or n.kind == "router" else _BOX for n in nodes]

    def path(self, channel: DrawnChannel) -> list[Point]:
        """Return points along a channel, from the edge of one node to that of the other."""
        (x, y), (u, v) = self.places[channel.start], self.places[channel.end]
        length = hypot(u - x, v - y)
        right = -(v - y) / length, (u - x) / length  # y leads down
        bulge = 0.0
        if self.curved(channel):
            bulge = min(0.65, max(0.4, 0.14 * length))  # clear of the nodes beside these
        points = []
        for i in range(_PIECES + 1):
            share = i / _PIECES
            side = self.side + bulge * 4 * share * (1 - share)
            points.append((x + share * (u - x) + side * right[0], y + share * (v - y) + side * right[1]))
        return self._outside(points, channel)

    def stubs(self, channel: DrawnChannel) -> list[list[Point]]:
        """Return the ends of a channel that wraps around: out of its start, and into its end."""
        (x, y), (u, v) = self.places[channel.start], self.places[channel.end]
        length = hypot(u - x, v - y)
        ahead = (x - u) / length, (y - v) / length
        side = -ahead[1] * self.side, ahead[0] * self.side
        reach = max(_BOX) + 0.3
        out = [(x + side[0], y + side[1]), (x + side[0] + reach * ahead[0], y + side[1] + reach * ahead[1])]
        back = [(u + side[0] - reach * ahead[0], v + side[1] - reach * ahead[1]), (u + side[0], v + side[1])]
        return [self._outside(_pieces(line), channel) for line in (out, back)]

    def curved(self, channel: DrawnChannel) -> bool:
        """Tell whether a straight channel would run across another node."""
        (x, y), (u, v) = self.places[channel.start], self.places[channel.end]
        across = False
        for index, (a, b) in enumerate(self.places):
            if index not in (channel.start, channel.end):
                share = ((a - x) * (u - x) + (b - y) * (v - y)) / ((u - x) ** 2 + (v - y) ** 2)
                distance = hypot(x + share * (u - x) - a, y + share * (v - y) - b)
                across |= 0 < share < 1 and distance < min(self.halves[index]) + 2 * self.side
        return across

    def _outside(self, points: list[Point], channel: DrawnChannel) -> list[Point]:
        """Return the points that are outside the nodes at both ends."""
        ends = [(self.places[i], self.halves[i]) for i in (channel.start, channel.end)]
        return [
            (x, y)
            for x, y in points
            if all(abs(x - a) > wide or abs(y - b) > high for (a, b), (wide, high) in ends)
        ]


def _pieces(line: list[Point]) -> list[Point]:
    """Return points along a straight line."""
    (x, y), (u, v) = line
    return [(x + (u - x) * i / _PIECES, y + (v - y) * i / _PIECES) for i in range(_PIECES + 1)]


def _draw_channels(axes: Axes, page: _Page, channels: Sequence[DrawnChannel], most: int) -> None:
    """Draw channels that carry nothing first, and those that carry most last."""
    colours = _colours()
    for channel in sorted(channels, key=lambda channel: channel.size):
        if channel.start == channel.end or not (channel.size or not page.curved(channel)):
            continue
        lines = page.stubs(channel) if channel.wraps else [page.path(channel)]
        for line in lines:
            if len(line) < 2:
                continue
            x, y = zip(*line, strict=True)
            if not channel.size:
                axes.plot(x, y, color=IDLE, linewidth=0.6, zorder=1)
                continue
            share = channel.size / most
            width = _THIN + share * (page.thickest - _THIN)
            axes.plot(x, y, color=colours(share), linewidth=width, zorder=2, solid_capstyle="butt")
            _draw_trees(axes, line, channel.trees, width)
            if line is lines[-1]:
                _draw_head(axes, line, colours(share), width)


def _draw_trees(axes: Axes, line: list[Point], trees: tuple[int, ...], width: float) -> None:
    """Draw a thin line for each multicast on a channel."""
    thin = min(0.9, 0.6 * width / max(len(trees), 1))
    for place, tree in enumerate(trees):
        (x, y), (u, v) = line[0], line[-1]
        length = hypot(u - x, v - y)
        side = (place - (len(trees) - 1) / 2) * width / len(trees) / 72
        shifted = [(a - side * (v - y) / length, b + side * (u - x) / length) for a, b in line]
        axes.plot(*zip(*shifted, strict=True), color=TREES[tree % len(TREES)], linewidth=thin, zorder=3)


def _draw_head(axes: Axes, line: list[Point], colour: object, width: float) -> None:
    """Draw the point of an arrow at the end of a channel."""
    from matplotlib.patches import Polygon

    (x, y), (u, v) = line[-2], line[-1]
    length = hypot(u - x, v - y)
    ahead, high = ((u - x) / length, (v - y) / length), 0.03 + width / 72 * 0.65
    tip = u + 0.02 * ahead[0], v + 0.02 * ahead[1]
    base = tip[0] - 1.5 * high * ahead[0], tip[1] - 1.5 * high * ahead[1]
    corners = [
        tip,
        (base[0] - high * ahead[1], base[1] + high * ahead[0]),
        (base[0] + high * ahead[1], base[1] - high * ahead[0]),
    ]
    axes.add_patch(Polygon(corners, facecolor=colour, edgecolor="white", linewidth=0.3, zorder=4))


def _draw_node(axes: Axes, page: _Page, index: int, node: DrawnNode) -> None:
    from matplotlib.patches import Circle, FancyBboxPatch, Rectangle

    (x, y), (wide, high) = page.places[index], page.halves[index]
    fill = {"layer": LAYER, "relay": RELAY, "free": FREE, "router": ROUTER}[node.kind]
    looks: dict[str, Any] = {
        "facecolor": fill,
        "edgecolor": FAINT if node.kind in ("free", "router") else INK,
        "linewidth": 0.5 if node.kind in ("free", "router") else 0.8,
        "linestyle": (0, (3, 2)) if node.kind == "relay" else "solid",
        "zorder": 5,
    }
    if node.kind == "router":
        axes.add_patch(Rectangle((x - wide, y - high), 2 * wide, 2 * high, **looks))
    elif page.round:
        axes.add_patch(Circle((x, y), wide, **looks))
    else:
        box = FancyBboxPatch(
            (x - wide + 0.04, y - high + 0.04),
            2 * wide - 0.08,
            2 * high - 0.08,
            boxstyle="round,pad=0.04,rounding_size=0.05",
            **looks,
        )
        axes.add_patch(box)
    if page.round and node.kind != "router":
        _name_around(axes, page, (x, y), node.label)
    elif node.label:
        lines = node.label.replace("-", "\n")
        size = _NAME * min(1.0, 2 * (wide - 0.03) / max(text_width(s, _NAME) for s in lines.split("\n")))
        size = min(size, 72 * 2 * (high - 0.02) / 1.2 / (1 + lines.count("\n")))
        axes.text(x, y, lines, size=size, color=INK, ha="center", va="center", linespacing=1.05, zorder=6)


def _name_around(axes: Axes, page: _Page, place: Point, label: str) -> None:
    """Write a name outside a circle, away from its middle."""
    angle = atan2(place[1] - page.middle[1], place[0] - page.middle[0])
    x, y = place[0] + (_DOT + 0.09) * cos(angle), place[1] + (_DOT + 0.09) * sin(angle)
    leftward = abs(angle) > pi / 2
    axes.text(
        x,
        y,
        label,
        size=_NAME + 0.6,
        color=INK,
        rotation=-degrees(angle) + (180 if leftward else 0),
        rotation_mode="anchor",
        ha="right" if leftward else "left",
        va="center",
    )


def _colours() -> Colormap:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("bytes", [LIGHT, DARK])


def _draw_scale(figure: Figure, left: float, height: float, most: int) -> None:
    """Draw what colours stand for, beside the nodes."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    tall = min(3.0, height - _HEAD - _FOOT - 0.3)
    width = figure.get_figwidth()
    axes = figure.add_axes((left, 1 - (_HEAD + 0.15 + tall) / height, 0.14 / width, tall / height))
    bar = figure.colorbar(ScalarMappable(Normalize(0, most), _colours()), cax=axes)
    bar.set_label("bytes a step on a channel", size=8)
    bar.outline.set_linewidth(0.4)


def _legend(nodes: Sequence[DrawnNode], channels: Sequence[DrawnChannel]) -> str:
    """Return what is drawn how, of what there is."""
    kinds = {node.kind for node in nodes}
    words = (
        ("thin line of one colour: a stream with several readers", any(c.trees for c in channels)),
        ("dashed: a relay", "relay" in kinds),
        ("grey: no layer", "free" in kinds),
        ("square: a router", "router" in kinds),
        ("ends that leave the picture: a row or column closed to a ring", any(c.wraps for c in channels)),
    )
    return "  ·  ".join(text for text, there in words if there)
