from __future__ import annotations

from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch.mapping.tiling import tile, wordlines_of
from workloads import MatrixNode, Window

sides = st.integers(1, 40)


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
@given(matrices(), sides, sides)
def test_every_weight_lies_in_exactly_one_cell_of_its_input_and_output(
    node: MatrixNode, array_rows: int, array_cols: int
) -> None:
    """The arrays together must be the matrix from every element of a window to every output channel."""
    rng = np.random.default_rng(node.cols)
    weights = rng.integers(1, 2**15, (node.groups, node.rows, node.cols_per_group)).astype(np.int16)
    elements = node.window.positions * node.in_shapes[0][0]
    expected = np.zeros((elements, node.cols), np.int64)
    for group in range(node.groups):
        cols = slice(group * node.cols_per_group, (group + 1) * node.cols_per_group)
        expected[wordlines_of(node, group), cols] = weights[group]
    found = np.zeros_like(expected)
    tiling = tile(node, array_rows, array_cols)
    for block in tiling.blocks:
        cells = block.weights(weights)
        assert cells.shape == (block.rows, block.cols)
        assert block.rows <= array_rows
        assert block.cols <= array_cols
        assert np.count_nonzero(cells) == block.cells
        found[block.wordlines, block.first_col : block.first_col + block.cols] += cells
    assert np.array_equal(found, expected)
    filled = node.groups * node.rows * node.cols_per_group
    assert tiling.utilisation == pytest.approx(filled / (len(tiling.blocks) * array_rows * array_cols))


@settings(deadline=None)
@given(matrices(), sides, sides)
def test_row_blocks_of_a_column_chain_up_and_positions_are_unique(
    node: MatrixNode, array_rows: int, array_cols: int
) -> None:
    tiling = tile(node, array_rows, array_cols)
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


def test_a_depthwise_layer_uses_few_of_its_cells() -> None:
    tiling = tile(matrix(28, 28, (3, 3), groups=28), 256, 256)
    assert len(tiling.blocks) == 1
    assert tiling.utilisation == pytest.approx(0.0038, abs=5e-5)  # 28 channels per array, 0.38 % of its cells


def test_groups_read_their_own_channels_at_every_position() -> None:
    node = matrix(4, 4, kernel=(1, 2), groups=2)
    assert wordlines_of(node, 0).tolist() == [0, 1, 4, 5]
    assert wordlines_of(node, 1).tolist() == [2, 3, 6, 7]
