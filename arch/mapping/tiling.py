"""Weight matrices onto arrays: row blocks chain, column blocks concatenate, small groups share an array.

Source: unrolled kernel (im2col), one output pixel with all its channels a step; R x C arrays hold
ceil(rows/R) x ceil(cols/C) blocks of a matrix. Groups that fit several into one array lie block-diagonally.

Rows are split `dense`, every array filled before the next one, or `channel-aligned`: floor(R / positions)
whole channels an array, of a window with so many positions, so that no two arrays read the same channel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from arch.mapping.adjacent_pixels import AdjacentPixels
from simcore import MappingError
from workloads import MatrixNode

RowSplit = Literal["dense", "channel-aligned"]


class Patch(NamedTuple):
    """A rectangle of cells that all hold a weight; rows are wordlines, columns are weights.

    pixel : of those of a step, that its columns belong to
    """

    row: int
    col: int
    rows: int
    cols: int
    pixel: int = 0

    @property
    def cells(self) -> int:
        """Weights that it holds."""
        return self.rows * self.cols


@dataclass(frozen=True, eq=False)
class Block:
    """The part of a layer's weights that one array holds.

    row, col : position of the array among the layer's arrays
    wordlines : (rows,) element of the window on each wordline used
    first_col : output channel on the first bitline
    cols : output channels
    groups : groups of the layer that it holds, one behind the other in both directions, or a part of one
    patches : where its cells hold weights; between them they hold zero
    matrix_rows : (rows,) row of that group's matrix on each wordline; of several groups, those of all in turn
    columns_per_weight : bitlines that hold a weight together
    """

    row: int
    col: int
    wordlines: NDArray[np.int32]
    first_col: int
    cols: int
    groups: range
    patches: tuple[Patch, ...]
    matrix_rows: NDArray[np.int32]
    columns_per_weight: int = 1

    @property
    def rows(self) -> int:
        """Wordlines used."""
        return len(self.wordlines)

    @property
    def cells(self) -> int:
        """Weights held."""
        return self.cells_from(0)

    def cells_from(self, pixel: int) -> int:
        """Return the weights of this one of a step's pixels and of those after it."""
        return sum(patch.cells for patch in self.patches if patch.pixel >= pixel)

    @property
    def bitlines(self) -> int:
        """Bitlines used."""
        return self.cols * self.columns_per_weight

    def weights(self, matrix: NDArray[Any]) -> NDArray[Any]:
        """Return this array's cells, (rows, cols), of the layer's (groups, rows, cols of a group)."""
        if len(self.groups) == 1:
            group = matrix[self.groups[0]]
            first_col = self.first_col - self.groups[0] * group.shape[1]
            return np.ascontiguousarray(group[self.matrix_rows, first_col : first_col + self.cols])
        cells = np.zeros((self.rows, self.cols), matrix.dtype)
        _, rows, cols = matrix.shape
        for i, group in enumerate(self.groups):
            cells[i * rows : (i + 1) * rows, i * cols : (i + 1) * cols] = matrix[group]
        return cells


@dataclass(frozen=True, eq=False)
class Tiling:
    """All arrays of one layer."""

    blocks: tuple[Block, ...]
    row_blocks: int
    array_rows: int
    array_cols: int

    @property
    def utilisation(self) -> float:
        """Share of the arrays' cells that hold a weight or a part of one."""
        used = sum(b.cells * b.columns_per_weight for b in self.blocks)
        return used / (len(self.blocks) * self.array_rows * self.array_cols)


def tile(
    node: MatrixNode,
    array_rows: int,
    array_cols: int,
    columns_per_weight: int = 1,
    row_split: RowSplit = "dense",
) -> Tiling:
    """Return how a layer lies on arrays of `array_rows` wordlines and `array_cols` bitlines.

    columns_per_weight : bitlines that hold a weight together, as slices of it and its sign
    raises : MappingError if an array has not even bitlines for one weight, or wordlines for one channel where
        it has to hold whole ones
    """
    wide = array_cols // columns_per_weight
    if not wide:
        raise MappingError(
            f"a weight takes {columns_per_weight} bitlines, but an array has {array_cols}; "
            "lower columns_per_weight or widen the crossbar"
        )
    blocks, row_blocks = _blocks(node, array_rows, wide, row_split)
    blocks = [replace(block, columns_per_weight=columns_per_weight) for block in blocks]
    return Tiling(tuple(blocks), row_blocks, array_rows, array_cols)


def _blocks(
    node: MatrixNode, array_rows: int, array_cols: int, row_split: RowSplit
) -> tuple[list[Block], int]:
    """Return a layer's blocks on arrays `array_cols` weights across, and in how many rows they lie."""
    rows, cols = node.rows, node.cols_per_group
    together = min(array_rows // rows, array_cols // cols)
    blocks: list[Block] = []
    if together >= 1:
        for column, first in enumerate(range(0, node.groups, together)):
            groups = range(first, min(first + together, node.groups))
            wordlines = np.concatenate([wordlines_of(node, group) for group in groups])
            patches = tuple(
                patch._replace(row=patch.row + i * rows, col=patch.col + i * cols)
                for i in range(len(groups))
                for patch in _patches(node, np.arange(rows), range(cols))
            )
            matrix_rows = np.tile(np.arange(rows, dtype=np.int32), len(groups))
            blocks.append(
                Block(0, column, wordlines, first * cols, len(groups) * cols, groups, patches, matrix_rows)
            )
        return blocks, 1
    parts = _row_parts(node, array_rows, row_split)
    column = 0
    for group in range(node.groups):
        elements = wordlines_of(node, group)
        for first_col in range(0, cols, array_cols):
            width = min(array_cols, cols - first_col)
            for r, part in enumerate(parts):
                blocks.append(
                    Block(
                        r,
                        column,
                        elements[part],
                        group * cols + first_col,
                        width,
                        range(group, group + 1),
                        tuple(_patches(node, part, range(first_col, first_col + width))),
                        part,
                    )
                )
            column += 1
    return blocks, len(parts)


def _row_parts(node: MatrixNode, array_rows: int, row_split: RowSplit) -> list[NDArray[np.int32]]:
    """Return the rows of a group's matrix that each row block holds."""
    rows = np.arange(node.rows, dtype=np.int32)
    if row_split == "dense":
        return [rows[start : start + array_rows] for start in range(0, node.rows, array_rows)]
    positions = node.window.positions
    channels = array_rows // positions
    if not channels:
        raise MappingError(
            f"{node.name} has {positions} rows for a channel, but an array has {array_rows}, too few for "
            f"rows=channel-aligned; set layers.{node.name}.rows=dense"
        )
    by_channel = rows.reshape(positions, -1)
    each = by_channel.shape[1]
    return [by_channel[:, first : first + channels].ravel() for first in range(0, each, channels)]


def _patches(node: MatrixNode, rows: NDArray[Any], cols: range) -> Iterator[Patch]:
    """Yield where the cells of these rows and columns of a group's matrix hold weights."""
    if not isinstance(node, AdjacentPixels):
        yield Patch(0, 0, len(rows), len(cols))
        return
    each = node.single.cols_per_group
    kernel_column = rows // (node.in_shapes[0][0] // node.groups) % node.window.kernel[1]
    for pixel in range(cols.start // each, -(-cols.stop // each)):
        first, end = max(cols.start, pixel * each), min(cols.stop, (pixel + 1) * each)
        holds = np.isin(kernel_column, node.kernel_columns(pixel))
        edges = np.flatnonzero(np.diff(holds, prepend=False, append=False)).reshape(-1, 2)
        for start, stop in edges.tolist():
            yield Patch(start, first - cols.start, stop - start, end - first, pixel)


def wordlines_of(node: MatrixNode, group: int) -> NDArray[np.int32]:
    """Return which elements of a window one group reads, in the order of its weights' rows."""
    channels = node.in_shapes[0][0]
    each = channels // node.groups
    positions = np.arange(node.window.positions, dtype=np.int32)[:, None] * channels
    return (positions + np.arange(group * each, (group + 1) * each, dtype=np.int32)).ravel().astype(np.int32)
