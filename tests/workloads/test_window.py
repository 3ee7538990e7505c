from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simcore.errors import WorkloadError
from tests.workloads.network_twins import pixels, window_starts
from workloads import Window


@st.composite
def windows_and_sizes(draw: st.DrawFn) -> tuple[Window, tuple[int, int]]:
    def pair(least: int, most: int) -> tuple[int, int]:
        return draw(st.integers(least, most)), draw(st.integers(least, most))

    window = Window(
        kernel=pair(1, 3), stride=pair(1, 3), padding=pair(0, 2) + pair(0, 2), dilation=pair(1, 2)
    )
    return window, pair(5, 9)


@given(windows_and_sizes())
def test_output_size_counts_the_places_where_the_kernel_fits(case: tuple[Window, tuple[int, int]]) -> None:
    window, size = case
    rows, cols = window_starts(window, size)
    assert window.output_size(size) == (len(rows), len(cols))


@given(windows_and_sizes())
def test_rounding_up_keeps_every_step_that_starts_before_the_end(
    case: tuple[Window, tuple[int, int]],
) -> None:
    window, size = case
    rows, cols = window_starts(window, size, ceil=True)
    assert window.rounded_up(size).output_size(size) == (len(rows), len(cols))


@given(windows_and_sizes())
def test_taps_hand_over_each_pixel_that_the_kernel_reads(case: tuple[Window, tuple[int, int]]) -> None:
    window, size = case
    image = np.arange(1, size[0] * size[1] + 1).reshape(size)
    rows, cols = window_starts(window, size)
    taps = np.array(list(window.taps(image, -7)))
    for i, top in enumerate(rows):
        for j, left in enumerate(cols):
            read = [
                image[y, x] if 0 <= y < size[0] and 0 <= x < size[1] else -7
                for y, x in pixels(window, top, left)
            ]
            assert taps[:, i, j].tolist() == read


def test_coverage_counts_only_pixels_of_the_map() -> None:
    assert Window.square(3, padding=1).coverage((3, 3)).tolist() == [[4, 6, 4], [6, 9, 6], [4, 6, 4]]


def test_a_window_of_one_pixel_changes_nothing_unless_it_steps_or_pads() -> None:
    assert Window.square(1, dilation=3).is_identity
    assert not Window.square(1, stride=2).is_identity
    assert not Window(kernel=(1, 1), padding=(0, 0, 0, 1)).is_identity


def test_window_without_extent_is_refused() -> None:
    with pytest.raises(WorkloadError, match=r"window stride must be at least 1 pixel, got \(0, 0\)"):
        Window.square(3, stride=0)


@pytest.mark.parametrize(
    "extents",
    [{"kernel": 3}, {"kernel": (3, 3, 3)}, {"kernel": (3, 1.5)}, {"kernel": (3, 3), "padding": (1, 1)}],
)
def test_a_window_of_another_form_is_refused(extents: dict[str, Any]) -> None:
    with pytest.raises(WorkloadError, match=r"window \w+ must be [24] whole numbers of pixels in a tuple"):
        Window(**extents)


def test_kernel_larger_than_the_padded_map_is_refused() -> None:
    with pytest.raises(WorkloadError, match="the window spans 5x5 pixels, but its padded input has only 4x4"):
        Window.square(3, dilation=2).output_size((4, 4))
