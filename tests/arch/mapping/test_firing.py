from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch.mapping.firing import elementwise, sliding
from tests.arch.pipeline_recurrence import steps_by_enumeration
from workloads import Window

sizes = st.integers(1, 9)


@st.composite
def windows_on_maps(draw: st.DrawFn) -> tuple[Window, tuple[int, int]]:
    """Draw any window, also one larger than its map or wholly in the padding, that fits the padded map."""

    def axis() -> tuple[int, int, int, int, int, int]:
        size, kernel, dilation = draw(sizes), draw(st.integers(1, 5)), draw(st.integers(1, 3))
        before = draw(st.integers(0, 5))
        missing = max(0, (kernel - 1) * dilation + 1 - size - before)
        return size, kernel, dilation, draw(st.integers(1, 4)), before, missing + draw(st.integers(0, 5))

    height, width = axis(), axis()
    window = Window(
        kernel=(height[1], width[1]),
        dilation=(height[2], width[2]),
        stride=(height[3], width[3]),
        padding=(height[4], width[4], height[5], width[5]),
    )
    return window, (height[0], width[0])


@settings(deadline=None)
@given(windows_on_maps())
def test_a_step_needs_and_leaves_what_enumerated_windows_read(case: tuple[Window, tuple[int, int]]) -> None:
    window, size = case
    firing, steps = sliding(window, size), steps_by_enumeration(window, *size)
    assert firing.pixels == size[0] * size[1]
    assert firing.steps == len(steps)
    assert firing.need.tolist() == [step.need for step in steps]
    assert firing.live.tolist() == [step.live for step in steps]


@settings(deadline=None)
@given(windows_on_maps())
def test_the_register_keeps_the_columns_that_windows_of_a_row_share(
    case: tuple[Window, tuple[int, int]],
) -> None:
    window, size = case
    firing = sliding(window, size)
    assert firing.columns.tolist() == [step.columns for step in steps_by_enumeration(window, *size)]


@settings(deadline=None)
@given(windows_on_maps())
def test_pixels_are_freed_in_order_and_all_by_the_end_of_an_image(
    case: tuple[Window, tuple[int, int]],
) -> None:
    firing = sliding(*case)
    assert (np.diff(firing.freed) >= 0).all()
    assert firing.freed[:-1].tolist() == firing.live[1:].tolist()
    assert firing.freed[-1] == firing.pixels + firing.live[0]
    assert firing.least_depth >= 1


def test_a_window_that_never_sees_a_pixel_waits_for_nothing() -> None:
    window = Window(kernel=(1, 1), stride=(2, 2), padding=(1, 1, 0, 0))
    firing = sliding(window, (1, 1))
    assert (firing.need.tolist(), firing.live.tolist(), firing.least_depth) == ([0], [1], 1)


def test_a_window_over_the_whole_map_waits_for_all_of_it() -> None:
    firing = sliding(Window(kernel=(4, 6)), (4, 6))
    assert (firing.need.tolist(), firing.live.tolist(), firing.least_depth) == ([24], [0], 24)


def test_elementwise_work_needs_the_pixel_of_its_step_only() -> None:
    firing = elementwise(3)
    assert firing.need.tolist() == [1, 2, 3]
    assert firing.freed.tolist() == [1, 2, 3]
    assert firing.least_depth == 1


@pytest.mark.parametrize(("kernel", "width"), [(k, w) for k in (1, 3, 5, 7) for w in (8, 11, 32)])
def test_a_convolution_of_stride_1_spans_its_lines_but_one_and_a_kernel(kernel: int, width: int) -> None:
    window = Window.square(kernel, padding=kernel // 2)
    # the whole kernel, once the window has left the padding on all sides
    assert sliding(window, (width, width)).least_depth == (kernel - 1) * width + kernel
