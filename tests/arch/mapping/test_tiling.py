from __future__ import annotations

from math import ceil
from typing import get_args

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from arch.mapping.tiling import RowSplit, tile, wordlines_of
from simcore import MappingError
from workloads import MatrixNode, Window

sides = st.integers(1, 40)
splits = st.sampled_from(get_args(RowSplit))


def matrix(channels: int, cols: int, kernel: tuple[int, int] = (1, 1), groups: int = 1) -> MatrixNode:
    """Return a convolution that keeps its map."""
    size = 9
    window = Window(kernel=kernel, padding=(0, 0, kernel[0] - 1, kernel[1] - 1))
    return MatrixNode(
        name="conv",
        inputs=("image",),
        in_shapes=((channels, size, size),),
        shape=(cols, size, size),
        window=window,
        groups=groups,
        cols=cols,
    )


@st.composite
def matrices(draw: st.DrawFn) -> MatrixNode:
    groups = draw(st.integers(1, 6))
    kernel = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    return matrix(groups * draw(st.integers(1, 8)), groups * draw(st.integers(1, 12)), kernel, groups)


@settings(deadline=None)
@given(matrices(), sides, sides, splits)
def test_every_weight_lies_in_exactly_one_cell_of_its_input_and_output(
    node: MatrixNode, array_rows: int, array_cols: int, split: RowSplit
) -> None:
    """The arrays together must be the matrix from every element of a window to every output channel."""
    assume(split == "dense" or node.window.positions <= array_rows)
    rng = np.random.default_rng(node.cols)
    weights = rng.integers(1, 2**15, (node.groups, node.rows, node.cols_per_group)).astype(np.int16)
    elements = node.window.positions * node.in_shapes[0][0]
    expected = np.zeros((elements, node.cols), np.int64)
    for group in range(node.groups):
        cols = slice(group * node.cols_per_group, (group + 1) * node.cols_per_group)
        expected[wordlines_of(node, group), cols] = weights[group]
    found = np.zeros_like(expected)
    tiling = tile(node, array_rows, array_cols, row_split=split)
    for block in tiling.blocks:
        cells = block.weights(weights)
        assert cells.shape == (block.rows, block.cols)
        assert block.rows <= array_rows
        assert block.cols <= array_cols
        held = np.zeros_like(cells)
        for patch in block.patches:
            held[patch.row : patch.row + patch.rows, patch.col : patch.col + patch.cols] += 1
        assert np.array_equal(held, cells != 0)
        assert np.count_nonzero(cells) == block.cells
        found[block.wordlines, block.first_col : block.first_col + block.cols] += cells
    assert np.array_equal(found, expected)
    filled = node.groups * node.rows * node.cols_per_group
    assert tiling.utilisation == pytest.approx(filled / (len(tiling.blocks) * array_rows * array_cols))


@settings(deadline=None)
@given(matrices(), sides, sides, splits)
def test_row_blocks_of_a_column_chain_up_and_positions_are_unique(
    node: MatrixNode, array_rows: int, array_cols: int, split: RowSplit
) -> None:
    assume(split == "dense" or node.window.positions <= array_rows)
    tiling = tile(node, array_rows, array_cols, row_split=split)
    places = [(block.row, block.col) for block in tiling.blocks]
    columns = 1 + max(col for _, col in places)
    assert sorted(places) == [(r, c) for r in range(tiling.row_blocks) for c in range(columns)]


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 90), st.sampled_from((1, 3)), sides, sides)
def test_a_matrix_takes_as_many_arrays_as_its_rows_and_columns_fill(
    channels: int, cols: int, kernel: int, array_rows: int, array_cols: int
) -> None:
    tiling = tile(matrix(channels, cols, (kernel, kernel)), array_rows, array_cols)
    assert tiling.row_blocks == ceil(channels * kernel**2 / array_rows)
    assert len(tiling.blocks) == tiling.row_blocks * ceil(cols / array_cols)


@settings(deadline=None)
@given(st.integers(1, 300), st.sampled_from((1, 2, 3)), st.integers(9, 256), st.integers(1, 256))
def test_a_depthwise_layer_packs_as_many_channels_as_an_array_has_room_for(
    channels: int, kernel: int, array_rows: int, array_cols: int
) -> None:
    tiling = tile(matrix(channels, channels, (kernel, kernel), groups=channels), array_rows, array_cols)
    assert len(tiling.blocks) == ceil(channels / min(array_cols, array_rows // kernel**2))


@settings(deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.sampled_from((1, 3, 5)), st.integers(25, 100), sides)
def test_whole_channels_take_as_many_arrays_as_the_channels_that_fit_one_say(
    channels: int, cols: int, kernel: int, array_rows: int, array_cols: int
) -> None:
    """Each array then reads channels that no other one of its column reads, and all of each."""
    node = matrix(channels, cols, (kernel, kernel))
    tiling = tile(node, array_rows, array_cols, row_split="channel-aligned")
    assert tiling.row_blocks == ceil(channels / (array_rows // kernel**2))
    assert len(tiling.blocks) == tiling.row_blocks * ceil(cols / array_cols)
    for block in tiling.blocks:
        read, times = np.unique(block.wordlines % channels, return_counts=True)
        assert (times == kernel**2).all()
        first = block.row * (array_rows // kernel**2)
        assert read.tolist() == list(range(first, first + len(read)))


def test_an_array_of_256_rows_holds_28_channels_of_a_3x3_kernel() -> None:
    tiling = tile(matrix(64, 64, (3, 3)), 256, 256, row_split="channel-aligned")
    assert [block.rows for block in tiling.blocks] == [252, 252, 72]


def test_an_array_too_low_for_a_channel_is_refused_with_the_way_out() -> None:
    with pytest.raises(
        MappingError, match=r"conv has 9 rows for a channel, but an array has 8.*set layers\.conv\.rows=dense"
    ):
        tile(matrix(2, 2, (3, 3)), 8, 8, row_split="channel-aligned")


def test_a_depthwise_layer_uses_few_of_its_cells() -> None:
    tiling = tile(matrix(28, 28, (3, 3), groups=28), 256, 256)
    assert len(tiling.blocks) == 1
    assert tiling.utilisation == pytest.approx(0.0038, abs=5e-5)  # 28 channels per array, 0.38 % of its cells


def test_groups_read_their_own_channels_at_every_position() -> None:
    node = matrix(4, 4, kernel=(1, 2), groups=2)
    assert wordlines_of(node, 0).tolist() == [0, 1, 4, 5]
    assert wordlines_of(node, 1).tolist() == [2, 3, 6, 7]
