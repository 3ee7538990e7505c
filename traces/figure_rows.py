"""The rows of a figure: which units share one, how tall they are, and how they are named at the left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simcore.activity import Activity
from traces.figure_style import DPI, FAINT, INK, Kinds, text_width
from traces.timeline import take_units, time_in_bins, unit_groups
from traces.unit_paths import group_depth, segments

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAME_SIZE, _BLOCK_SIZE = 6.5, 7.5  # [point]
_NAMED_ROW = 19  # [pixel] that a row's name needs
_ENDED_ROW, _END_SIZE = 16, 7  # [pixel, point] of a text behind a row
_LONGEST_NAME = 30  # [character]

#: Shades of a heat map: they darken steadily, so any colour vision and a black-and-white print order them.
_HEAT = ("#F4F6F8", "#BFDCEA", "#6FB0D2", "#2F6DA8", "#16335E", "#0B1730")


@dataclass(frozen=True)
class Block:
    """Rows that stand together under one name.

    rows : the units, by index, of each row
    names : of each row
    """

    name: str
    rows: tuple[tuple[int, ...], ...]
    names: tuple[str, ...]


def blocks_by_unit(activity: Activity, most_rows: int) -> list[Block]:
    """Return a block for each group and a row for each unit; of too many units, neighbours share rows."""
    share = -(-len(activity.units) // most_rows)
    depth = group_depth(activity.units)
    blocks = []
    for group in unit_groups(activity, depth):
        rows = tuple(group.units[i : i + share] for i in range(0, len(group.units), share))
        tails = [segments(activity.units[row[0]])[depth:] for row in rows]
        names = [".".join([group.name, *tails[0][:-1]])] if len(rows) == 1 else _names(tails)
        blocks.append(Block(group.name, rows, tuple(names)))
    return blocks


def blocks_by_group(activity: Activity) -> list[Block]:
    """Return a block with a single row for each group."""
    return [Block(group.name, (group.units,), (group.name,)) for group in unit_groups(activity)]


def blocks_by_name(names: Sequence[str], most_rows: int) -> list[Block]:
    """Return a block with a single row for each name, by index; of too many names, neighbours share rows."""
    share = -(-len(names) // most_rows)
    rows = [tuple(range(i, min(i + share, len(names)))) for i in range(0, len(names), share)]
    return [Block(names[row[0]], (row,), (names[row[0]],)) for row in rows]


def _names(tails: list[list[str]]) -> list[str]:
    """Return what tells a group's units apart: the ends of their paths, if they can without the processes."""
    shorter = [".".join(tail[:-1]) for tail in tails]
    if all(shorter) and len(set(shorter)) == len(shorter):
        return shorter
    return [".".join(tail) for tail in tails]


class Rows:
    """Blocks of rows laid out from the top of a plot downwards, in whole pixels.

    height : of everything [pixel]
    pitch, bar : from row to row, and what of it is filled [pixel]
    tops : of each row [pixel]
    """

    def __init__(self, blocks: list[Block], height: float, flattest: int, tallest: int) -> None:
        """Fill about `height` [inch] with rows between `flattest` and `tallest` [pixel]."""
        self.blocks = blocks
        self.units = [row for block in blocks for row in block.rows]
        self.pitch = int(np.clip(height * DPI // len(self.units), flattest, tallest))
        self.bar = self.pitch - (0 if self.pitch < 10 else max(2, self.pitch // 8))
        self._gap = 0 if len(blocks) == len(self.units) else int(np.clip(self.pitch // 2, 3, 12))
        sizes = [len(block.rows) * self.pitch + self._gap for block in blocks]
        self._block_tops = [0, *accumulate(sizes)][:-1]
        self.tops = [
            top + i * self.pitch
            for top, block in zip(self._block_tops, blocks, strict=True)
            for i in range(len(block.rows))
        ]
        self.height = sum(sizes) - self._gap
        self._named = self.pitch >= _NAMED_ROW

    def time(
        self, activity: Activity, edges: NDArray[np.int64], kinds: Kinds, chosen: Sequence[int] | None = None
    ) -> NDArray[np.int64]:
        """Return the time that the units of rows spent in each kind: (rows, kinds, bins) int64 [tick].

        edges : of the bins [tick]
        chosen : indices of the rows; None for all

        The last kind takes what no interval covers.
        """
        count, widths = len(kinds.labels), np.diff(edges)
        rows = self.units if chosen is None else [self.units[index] for index in chosen]
        time = np.empty((len(rows), count, len(widths)), dtype=np.int64)
        for spent, units in zip(time, rows, strict=True):
            spent[:] = time_in_bins(take_units(activity, units), edges, kinds.of_state, count).sum(axis=0)
            spent[-1] += len(units) * widths - spent.sum(axis=0)
        return time

    def sums(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the sum over the members of each row: (members, ...) to (rows, ...)."""
        return np.stack([values[list(members)].sum(axis=0) for members in self.units])

    def write_ends(self, axes: Axes, texts: Sequence[str]) -> None:
        """Write a text behind the right end of each row, where rows are tall enough."""
        if self.pitch >= _ENDED_ROW:
            place = axes.get_yaxis_transform()
            for top, text in zip(self.tops, texts, strict=True):
                y = top + self.bar / 2
                axes.text(1.01, y, text, transform=place, va="center_baseline", size=_END_SIZE)

    def end_width(self, texts: Sequence[str]) -> float:
        """Return the width of the texts behind the rows [inch]."""
        return 0.08 + max(text_width(text, _END_SIZE) for text in texts) if self.pitch >= _ENDED_ROW else 0.0

    def label_width(self) -> float:
        """Return the width of all names [inch]."""
        names = [
            text_width(_short(block.name), _BLOCK_SIZE, bold=True)
            for block in self.blocks
            if self._headed(block)
        ]
        return self._row_name_width() + (0.28 + max(names) if names else 0.18)

    def label(self, axes: Axes) -> None:
        """Write the names to the left of `axes`, whose y counts pixels from the top, unless they overlap."""
        from matplotlib.lines import Line2D

        inch = 1 / (axes.bbox.width / DPI)
        if self._named:
            names = [name for block in self.blocks for name in block.names]
            for top, name in zip(self.tops, names, strict=True):
                self._write(axes, -0.07 * inch, top + self.bar / 2, name, size=_NAME_SIZE)
        x = -(self._row_name_width() + 0.14) * inch
        free = -np.inf
        for top, block in zip(self._block_tops, self.blocks, strict=True):
            if not self._headed(block):
                continue
            bottom = top + (len(block.rows) - 1) * self.pitch + self.bar
            middle = (top + bottom) / 2
            if middle >= free:
                self._write(axes, x - 0.06 * inch, middle, block.name, size=_BLOCK_SIZE, weight="bold")
                free = middle + _NAMED_ROW + 2
            bracket = Line2D(
                [x, x], [top, bottom], transform=axes.get_yaxis_transform(), color=FAINT, linewidth=0.8
            )
            bracket.set(clip_on=False, solid_capstyle="butt")
            axes.add_artist(bracket)

    def _headed(self, block: Block) -> bool:
        """Tell whether the block's own name is written: rows that are alone say it themselves if they can."""
        return len(block.rows) > 1 or not self._named

    def _row_name_width(self) -> float:
        if not self._named:
            return 0.0
        return 0.06 + max(
            text_width(_short(name), _NAME_SIZE) for block in self.blocks for name in block.names
        )

    @staticmethod
    def _write(axes: Axes, x: float, y: float, text: str, **looks: object) -> None:
        place = axes.get_yaxis_transform()
        axes.text(x, y, _short(text), transform=place, ha="right", va="center_baseline", color=INK, **looks)  # type: ignore[arg-type]


def _short(name: str) -> str:
    """Return a name that fits the margin, its middle left out if need be."""
    half = _LONGEST_NAME // 2
    return name if len(name) <= _LONGEST_NAME else f"{name[: half - 1]}…{name[-half:]}"


def draw_bars(axes: Axes, rows: Rows, lengths: NDArray[np.float64], colours: NDArray[np.float64]) -> None:
    """Draw a bar a row from `lengths` (rows, kinds), its kinds side by side."""
    left = np.zeros(len(lengths))
    middle = np.array(rows.tops) + rows.bar / 2
    for kind, colour in enumerate(colours):
        axes.barh(middle, lengths[:, kind], left=left, height=rows.bar, color=colour, linewidth=0)
        left += lengths[:, kind]
    _row_axes(axes, rows)
    axes.spines[["left", "right", "top"]].set_visible(False)


def draw_heat(
    axes: Axes, rows: Rows, values: NDArray[np.float64], extent: tuple[float, float], most: float
) -> Any:
    """Draw `values` (rows, bins) over `extent` as shades of 0 to `most`; return the image."""
    from matplotlib.colors import LinearSegmentedColormap

    shades = LinearSegmentedColormap.from_list("heat", _HEAT)
    picture = np.full((rows.height, values.shape[1]), np.nan)
    for top, line in zip(rows.tops, values, strict=True):
        picture[top : top + rows.bar] = line
    image = axes.imshow(
        picture, extent=(*extent, rows.height, 0), aspect="auto", interpolation="nearest", cmap=shades,
        vmin=0, vmax=most,
    )  # fmt: skip
    _row_axes(axes, rows)
    return image


def _row_axes(axes: Axes, rows: Rows) -> None:
    axes.set_ylim(rows.height, 0)
    axes.set_yticks([])
