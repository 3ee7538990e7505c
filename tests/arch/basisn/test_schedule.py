"""Passes onto lanes: in turn if all are equal, else onto the lane that is free first."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from arch.machines.basisn.schedule import lanes_of_passes, passes_of_lanes

CYCLES = st.lists(st.integers(1, 9), min_size=1, max_size=5)


@settings(deadline=None)
@given(CYCLES, st.integers(1, 30), st.integers(1, 12))
def test_each_pass_goes_to_the_first_lane_that_is_free(cycles: list[int], pixels: int, lanes: int) -> None:
    taken = lanes_of_passes(cycles, pixels, lanes)
    free = [0] * lanes
    for number, lane in enumerate(taken):
        assert lane == free.index(min(free))
        free[lane] += cycles[number % len(cycles)]
    assert len(taken) == pixels * len(cycles)
    total = pixels * sum(cycles)
    assert max(-(-total // lanes), 0) <= max(free) <= total / lanes + max(cycles)  # Graham's bound


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 5), st.integers(1, 30), st.integers(1, 12))
def test_equal_passes_take_whole_rounds(cycles: int, slices: int, pixels: int, lanes: int) -> None:
    of_lanes = passes_of_lanes(lanes_of_passes([cycles] * slices, pixels, lanes), lanes)
    assert max(map(len, of_lanes)) == -(-pixels * slices // lanes)
    assert sorted(number for passes in of_lanes for number in passes) == list(range(pixels * slices))
    assert all(passes == sorted(passes) for passes in of_lanes)
