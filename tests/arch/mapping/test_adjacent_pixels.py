"""Several pixels a step are the layer itself: by values, by the table's formulas, by its windows."""

from __future__ import annotations

from math import ceil, prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch.mapping.adjacent_pixels import AdjacentPixels, step_weights, widened
from arch.mapping.firing import sliding
from arch.mapping.tiling import tile
from simcore import MappingError
from tests.arch.pipeline_recurrence import steps_by_enumeration
from workloads import MatrixNode, Window


@st.composite
def convolutions(draw: st.DrawFn) -> MatrixNode:
    """Draw a layer of any kernel, stride, groups and map, without gaps between its kernel's columns."""
    groups = draw(st.integers(1, 3))
    kernel = (draw(st.integers(1, 3)), draw(st.integers(1, 4)))
    padding = (draw(st.integers(0, 2)), draw(st.integers(0, 3)), draw(st.integers(0, 2)), 0)
    size = tuple(k + draw(st.integers(0, 8)) for k in kernel)
    stride = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    window = Window(kernel=kernel, stride=stride, padding=padding)
    cols = groups * draw(st.integers(1, 4))
    channels = groups * draw(st.integers(1, 3))
    return MatrixNode(
        name="conv",
        inputs=("image",),
        in_shapes=((channels, size[0], size[1]),),
        shape=(cols, *window.output_size((size[0], size[1]))),
        window=window,
        groups=groups,
        cols=cols,
    )


def plain(window: Window, size: int) -> MatrixNode:
    """Return a layer of one channel over a square map."""
    return MatrixNode(
        name="conv",
        inputs=("image",),
        in_shapes=((1, size, size),),
        shape=(1, *window.output_size((size, size))),
        window=window,
        groups=1,
        cols=1,
    )


def convolved(node: MatrixNode, image: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the output (groups, columns of a group, pixels) of a layer, from its windows' elements."""
    windows = np.stack([tap.reshape(len(image), -1) for tap in node.window.taps(image, 0)])
    by_group = windows.reshape(len(windows), node.groups, -1, windows.shape[-1])
    rows = by_group.transpose(1, 0, 2, 3).reshape(node.groups, node.rows, -1)
    return np.asarray(np.einsum("gro,grp->gop", weights, rows))


@settings(deadline=None)
@given(convolutions(), st.integers(1, 5))
def test_a_step_of_shifted_copies_gives_the_pixels_one_by_one(node: MatrixNode, pixels: int) -> None:
    """The layer computed as one of wider windows is the layer itself, the last of each row cut off."""
    rng = np.random.default_rng(pixels)
    image = rng.integers(-9, 9, node.in_shapes[0])
    weights = rng.integers(-9, 9, (node.groups, node.rows, node.cols_per_group))
    adjacent = widened(node, pixels)
    expected, found = convolved(node, image, weights), np.zeros((node.groups, node.cols_per_group, 0))
    steps = convolved(adjacent, image, step_weights(adjacent, weights))
    assert steps.shape[2] == node.shape[1] * ceil(node.shape[2] / pixels)
    for step in range(steps.shape[2]):
        own = steps[:, :, step].reshape(node.groups, pixels, -1).transpose(0, 2, 1)
        assert adjacent.pixels_of(step).start == found.shape[2]
        found = np.concatenate([found, own[:, :, : len(adjacent.pixels_of(step))]], axis=2)
    assert np.array_equal(found, expected)


@settings(deadline=None)
@given(convolutions(), st.integers(1, 5))
def test_rows_columns_and_cells_are_those_of_the_table(node: MatrixNode, pixels: int) -> None:
    """Cin x K x (K + (m - 1) s) rows, m x Cout columns, and as many copies of each weight as pixels."""
    adjacent = widened(node, pixels)
    (high, wide), channels = node.window.kernel, node.in_shapes[0][0] // node.groups
    assert adjacent.rows == channels * high * (wide + (pixels - 1) * node.window.stride[1])
    assert adjacent.cols_per_group == pixels * node.cols_per_group
    assert adjacent.last_pixels == (node.shape[2] - 1) % pixels + 1
    weights = np.ones((node.groups, node.rows, node.cols_per_group), np.int64)
    assert step_weights(adjacent, weights).sum() == pixels * weights.size


@settings(deadline=None)
@given(convolutions(), st.integers(1, 5), st.integers(1, 60), st.integers(1, 20), st.booleans())
def test_cells_with_weights_are_where_the_copies_lie(
    node: MatrixNode, pixels: int, array_rows: int, array_cols: int, aligned: bool
) -> None:
    adjacent = widened(node, pixels)
    aligned &= adjacent.window.positions <= array_rows
    split = "channel-aligned" if aligned else "dense"
    weights = np.ones((node.groups, node.rows, node.cols_per_group), np.int16)
    tiling = tile(adjacent, array_rows, array_cols, row_split=split)  # type: ignore[arg-type]
    held = step_weights(adjacent, weights)
    for block in tiling.blocks:
        cells, drawn = block.weights(held), np.zeros((block.rows, block.cols), np.int16)
        for patch in block.patches:
            drawn[patch.row : patch.row + patch.rows, patch.col : patch.col + patch.cols] += 1
        assert np.array_equal(drawn, cells)
        assert block.cells == cells.sum()
    per_pixel = [sum(b.cells_from(p) - b.cells_from(p + 1) for b in tiling.blocks) for p in range(pixels)]
    assert per_pixel == [weights.size] * pixels
    if aligned and adjacent.rows > array_rows:
        channels = node.in_shapes[0][0] // node.groups
        assert tiling.row_blocks == ceil(channels / (array_rows // adjacent.window.positions))


@settings(deadline=None)
@given(convolutions(), st.integers(2, 5))
def test_a_step_needs_reads_and_leaves_what_its_windows_do(node: MatrixNode, pixels: int) -> None:
    size = node.in_shapes[0][1:]
    adjacent = widened(node, pixels)
    firing = sliding(adjacent.window, size)
    steps = steps_by_enumeration(node.window, *size, together=pixels)
    assert firing.need.tolist() == [step.need for step in steps]
    assert firing.live.tolist() == [step.live for step in steps]
    assert firing.columns.tolist() == [step.columns for step in steps]


@settings(deadline=None)
@given(convolutions(), st.integers(1, 5))
def test_grouped_steps_need_what_their_last_and_leave_what_their_first_do(
    node: MatrixNode, pixels: int
) -> None:
    """Pixels of a second operand are taken one by one, those of a step together."""
    single = sliding(node.window, node.in_shapes[0][1:])
    firing = single.grouped(node.shape[2], pixels)
    adjacent = widened(node, pixels)
    for step in range(firing.steps):
        own = adjacent.pixels_of(step)
        assert firing.need[step] == single.need[own[-1]]
        assert firing.live[step] == single.live[own[0]]
        assert firing.columns[step] == sum(single.columns[list(own)])
    assert firing.steps == prod(adjacent.shape[1:])


@pytest.mark.parametrize(
    ("kernel", "width", "pixels"), [(k, w, m) for k in (3, 5) for w in (12, 32) for m in (2, 4)]
)
def test_the_least_memory_of_a_convolution_grows_by_a_pixel_for_each_more_in_a_step(
    kernel: int, width: int, pixels: int
) -> None:
    window = Window.square(kernel, padding=kernel // 2)
    node = plain(window, width)
    firing = sliding(widened(node, pixels).window, (width, width))
    assert firing.least_depth == (kernel - 1) * width + kernel + pixels - 1


@given(convolutions(), st.integers(1, 5), st.integers(0, 40), st.integers(0, 4), st.integers(1, 5))
def test_short_steps_are_counted(
    node: MatrixNode, pixels: int, products: int, first: int, every: int
) -> None:
    adjacent: AdjacentPixels = widened(node, pixels)
    steps = [first + every * k for k in range(products)]
    short = sum(len(adjacent.pixels_of(step)) < pixels for step in steps)
    assert adjacent.short_steps(products, first, every) == short


def test_a_kernel_with_gaps_between_its_columns_is_refused_with_the_way_out() -> None:
    window = Window.square(3, dilation=2)
    node = plain(window, 9)
    with pytest.raises(MappingError, match=r"dilation 2\); set layers\.conv\.pixels_per_step=1"):
        widened(node, 2)
