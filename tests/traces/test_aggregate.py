from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simcore.activity import Activity
from tests.traces.activities import activities, pipeline_activity
from tests.traces.stretched import long_activity, moments, stretches_of, totals, totals_of_rows
from traces import Aggregate, category_time, state_time
from traces.aggregate import LEAST_BINS, MOST_BINS


def aggregate(activity: Activity, at: list[int], cells: int) -> Aggregate:
    added_up = Aggregate(len(activity.units), activity.ticks_per_cycle, cells)
    for stretch in stretches_of(activity, at):
        added_up.add(stretch)
    return added_up


@given(activities(), moments(), st.integers(2 * 36, 3000))
@settings(deadline=None)
def test_nothing_is_lost_in_bins_of_whatever_width(activity: Activity, at: list[int], cells: int) -> None:
    added_up = aggregate(activity, at, cells)
    assert totals_of_rows(added_up.rows(), activity.states) == totals(activity)
    assert added_up.count == len(activity)


@given(activities(), moments(), st.integers(2 * 36, 3000))
@settings(deadline=None)
def test_time_is_exact_within_each_bin_and_intervals_count_where_they_begin(
    activity: Activity, at: list[int], cells: int
) -> None:
    added_up = aggregate(activity, at, cells)
    edges = np.arange(added_up.bins + 1) * added_up.bin_ticks
    rows, shape = added_up.rows(), (len(activity.units), len(activity.states), added_up.bins)
    time, begun = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    place = rows.unit, rows.state, rows.start // added_up.bin_ticks
    time[place], begun[place] = rows.ticks, rows.count
    assert np.array_equal(time, state_time(activity, edges))
    for unit, state, start in zip(activity.unit, activity.state, activity.start, strict=True):
        begun[unit, state, start // added_up.bin_ticks] -= 1
    assert not begun.any()


@given(activities(), moments(), st.integers(2 * 36, 3000))
def test_bins_stay_within_their_room(activity: Activity, at: list[int], cells: int) -> None:
    added_up = aggregate(activity, at, cells)
    pairs = len(totals(activity))
    assert LEAST_BINS <= added_up.bins <= MOST_BINS
    assert pairs * added_up.bins <= max(cells, pairs * LEAST_BINS)


@given(activities(), moments())
@settings(deadline=None)
def test_what_is_drawn_in_place_of_intervals_has_the_same_time_in_each_bin(
    activity: Activity, at: list[int]
) -> None:
    added_up = aggregate(activity, at, 3000)
    drawn = added_up.drawn(activity)
    edges = np.arange(added_up.bins + 1) * added_up.bin_ticks
    assert np.array_equal(category_time(drawn, edges), category_time(activity, edges))
    end = drawn.start + drawn.duration
    same_unit = drawn.unit[1:] == drawn.unit[:-1]
    assert (drawn.start[1:] >= end[:-1])[same_unit].all()
    assert (end <= activity.makespan).all()


def test_a_long_run_keeps_few_bins() -> None:
    activity = long_activity(30_000, 5, seed=3, most=10**6)
    added_up = aggregate(activity, [], 1 << 18)
    assert added_up.bins == MOST_BINS
    assert MOST_BINS // 2 < activity.makespan / added_up.bin_ticks <= MOST_BINS
    assert totals_of_rows(added_up.rows(), activity.states) == totals(activity)


@pytest.mark.parametrize("ticks_per_cycle", [1, 7])
def test_the_first_bins_are_cycles(ticks_per_cycle: int) -> None:
    assert Aggregate(3, ticks_per_cycle).bin_ticks == ticks_per_cycle
    assert len(pipeline_activity()) > 0
