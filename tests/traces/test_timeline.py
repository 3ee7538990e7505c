from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simcore.activity import CATEGORIES, NOBODY, Activity
from simcore.errors import SimError, UnknownNameError
from tests.traces.activities import activities, make_activity, pipeline_activity, time_by_hand
from traces import (
    bin_edges,
    busy_fraction,
    category_time,
    category_totals,
    merge_touching,
    select,
    state_time,
    take_units,
    unit_groups,
)
from traces.unit_paths import group_depth, match, natural_key, segments

windows = st.tuples(st.integers(0, 59), st.integers(1, 20), st.integers(1, 9))


@given(st.integers(-50, 10**12), st.integers(1, 10**9), st.integers(1, 400))
def test_bins_are_equal_to_within_a_tick_and_cover_the_window(start: int, length: int, bins: int) -> None:
    edges = bin_edges(start, start + length, bins)
    widths = np.diff(edges)
    assert (edges[0], edges[-1], len(widths)) == (start, start + length, min(bins, length))
    assert widths.min() >= 1
    assert widths.max() - widths.min() <= 1


def test_no_bins_is_refused() -> None:
    for start, stop, bins in [(0, 0, 3), (5, 4, 1), (0, 5, 0)]:
        with pytest.raises(ValueError, match="no bin fits"):
            bin_edges(start, stop, bins)


@given(activities(), windows)
@settings(deadline=None)
def test_category_time_equals_a_walk_tick_by_tick(activity: Activity, window: tuple[int, int, int]) -> None:
    start, length, bins = window
    edges = bin_edges(start, start + length, bins)
    time = category_time(activity, edges)
    for b in range(len(edges) - 1):
        by_hand = time_by_hand(activity, int(edges[b]), int(edges[b + 1]))
        assert time[:, :, b].tolist() == [list(unit.values()) for unit in by_hand]


@given(activities(), st.integers(1, 70))
@settings(deadline=None)
def test_time_is_conserved_in_bins_of_any_number(activity: Activity, bins: int) -> None:
    if activity.makespan == 0:
        return
    edges = bin_edges(0, activity.makespan, bins)
    by_state = state_time(activity, edges)
    assert by_state.sum() == activity.duration.sum()
    for unit in range(len(activity.units)):
        for state in range(len(activity.states)):
            mine = (activity.unit == unit) & (activity.state == state)
            assert by_state[unit, state].sum() == activity.duration[mine].sum()
    by_category = category_time(activity, edges)
    assert (by_category.sum(axis=1) == np.diff(edges)).all()
    assert np.array_equal(by_category.sum(axis=2), category_totals(activity))


@given(activities())
def test_totals_of_each_unit_sum_to_the_makespan(activity: Activity) -> None:
    assert category_totals(activity).sum(axis=1).tolist() == [activity.makespan] * len(activity.units)


def test_long_runs_are_exact_beyond_doubles() -> None:
    makespan = 2**60 + 1
    activity = make_activity(["a"], [(0, "busy:mvm", 0, makespan - 1)], makespan)
    assert category_totals(activity)[0, CATEGORIES.index("finished")] == 1
    assert category_time(activity, bin_edges(0, makespan, 1000)).sum() == makespan


def test_utilisation_is_the_busy_share_of_each_bin() -> None:
    activity = make_activity(
        ["a", "b"], [(0, "busy:mvm", 5, 25), (1, "busy:add", 0, 2), (1, "wait-input:x", 2, 9)], 30
    )
    fraction = busy_fraction(activity, bin_edges(0, 30, 3))
    assert fraction.tolist() == [[0.5, 1.0, 0.5], [0.2, 0.0, 0.0]]


@given(activities(), st.integers(0, 3))
def test_merging_keeps_order_and_loses_no_time(activity: Activity, gap: int) -> None:
    merged = merge_touching(activity, gap)
    assert len(merged) <= len(activity)
    before = take_time(activity)
    after = take_time(merged)
    assert all(after[key] >= before[key] for key in before)
    if gap == 0:
        assert after == before
    end = merged.start + merged.duration
    same = merged.unit[1:] == merged.unit[:-1]
    assert (merged.start[1:][same] >= end[:-1][same]).all()
    same_state = same & (merged.state[1:] == merged.state[:-1])
    assert (merged.start[1:] - end[:-1] > gap)[same_state].all()


def take_time(activity: Activity) -> dict[tuple[int, int], int]:
    time: dict[tuple[int, int], int] = {}
    for unit, state, duration in zip(activity.unit, activity.state, activity.duration, strict=True):
        time[int(unit), int(state)] = time.get((int(unit), int(state)), 0) + int(duration)
    return time


@given(activities(), st.data())
@settings(deadline=None)
def test_selection_is_the_run_seen_through_a_window(activity: Activity, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, activity.makespan))
    stop = data.draw(st.integers(start, activity.makespan))
    part = select(activity, start=start, stop=stop)
    by_hand = time_by_hand(activity, start, stop)
    assert part.makespan == stop - start
    assert category_totals(part).tolist() == [list(unit.values()) for unit in by_hand]


@given(activities(), st.data())
@settings(deadline=None)
def test_parts_of_an_activity_have_columns_of_one_length_and_no_causes_of_others(
    activity: Activity, data: st.DataObject
) -> None:
    some = data.draw(st.permutations(range(len(activity.units))))[: len(activity.units) // 2]
    window = select(activity, start=activity.makespan // 3)
    for part in (window, take_units(activity, some), merge_touching(activity, 2)):
        assert {len(column) for column in part.columns().values()} == {len(part)}
        assert (part.cause == NOBODY).all()
        assert (part.finisher, part.buffers) == (NOBODY, ())


def test_selection_by_pattern_takes_brackets_literally_and_covers_what_lies_below() -> None:
    paths = ["core[conv1].a", "core[conv1].b[0,1].serve", "core[conv10].a", "fabric.link[3]"]
    assert match(paths, "core[conv1]") == [0, 1]
    assert match(paths, "core[conv1*]") == [0, 1, 2]
    assert match(paths, "core[conv?].a") == [0]
    assert match(paths, "*.a") == [0, 2]
    assert match(paths, ["*.a", "fabric"]) == [0, 2, 3]
    assert match(paths, "*") == [0, 1, 2, 3]


def test_pattern_that_fits_nothing_names_the_nearest() -> None:
    with pytest.raises(
        UnknownNameError, match=r"no unit fits 'core\[konv1\].a'; did you mean 'core\[conv1\].a'"
    ):
        match(["core[conv1].a", "core[conv2].b"], "core[konv1].a")
    many = [f"core[conv{i // 10}].unit[{i}]" for i in range(100)]
    with pytest.raises(UnknownNameError, match=r"no unit fits 'zzz'; known: core\[conv0\], core\[conv1\]"):
        match(many, "zzz")


def test_window_outside_the_run_is_refused() -> None:
    activity = make_activity(["a"], [(0, "busy:x", 0, 5)], 10, ticks_per_cycle=4)
    for start, stop in [(-1, 5), (6, 5), (0, 11)]:
        with pytest.raises(
            SimError, match=rf"window must lie in \[0, 2.5\] cycles.*got \[{start / 4:g}, {stop / 4:g}\]"
        ):
            select(activity, start=start, stop=stop)


@given(activities(), st.randoms(use_true_random=False))
def test_units_taken_in_any_order_keep_their_intervals(activity: Activity, random: object) -> None:
    order = list(range(len(activity.units)))
    random.shuffle(order)  # type: ignore[attr-defined]
    taken = take_units(activity, order)
    assert taken.units == tuple(activity.units[index] for index in order)
    assert np.array_equal(category_totals(taken), category_totals(activity)[order])


def test_segments_ignore_dots_within_brackets() -> None:
    assert segments("chip.core[layer1.0.conv1].adc[0, 1].serve") == [
        "chip",
        "core[layer1.0.conv1]",
        "adc[0, 1]",
        "serve",
    ]


def test_natural_order_counts() -> None:
    names = ["tile[10]", "tile[9].b", "tile[9]", "tile[1,12]", "tile[1,2]"]
    assert sorted(names, key=natural_key) == ["tile[1,2]", "tile[1,12]", "tile[9]", "tile[9].b", "tile[10]"]


def test_groups_begin_where_paths_differ() -> None:
    assert group_depth(["chip.tile[0].a", "chip.tile[1].a"]) == 2
    assert group_depth(["core[a].x", "core[b].x"]) == 1
    assert group_depth(["core.x", "core.x.y"]) == 2
    assert group_depth([]) == group_depth(["only"]) == 1


def test_groups_come_in_the_order_in_which_work_reaches_them() -> None:
    units = [
        "core[fc].mvm",
        "core[conv2].xbar[10]",
        "core[conv2].xbar[2]",
        "core[conv2].in",
        "core[stem].mvm",
        "idle.x",
    ]
    busy = [(0, 40), (1, 20), (2, 21), (3, 10), (4, 0)]
    activity = make_activity(units, [(unit, "busy:x", start, start + 5) for unit, start in busy], 50)
    groups = [(group.name, [units[index] for index in group.units]) for group in unit_groups(activity)]
    assert groups == [
        ("core[stem]", ["core[stem].mvm"]),
        ("core[conv2]", ["core[conv2].in", "core[conv2].xbar[2]", "core[conv2].xbar[10]"]),
        ("core[fc]", ["core[fc].mvm"]),
        ("idle", ["idle.x"]),
    ]


def test_every_unit_is_in_one_group() -> None:
    activity = pipeline_activity(cores=12, crossbars=3)
    groups = unit_groups(activity)
    assert [group.name for group in groups] == [f"core[conv{i + 1}]" for i in range(12)]
    assert sorted(index for group in groups for index in group.units) == list(range(len(activity.units)))
    assert len(unit_groups(activity, depth=2)) == 12 * 5


def test_pipeline_of_the_other_tests_is_a_legal_activity() -> None:
    activity = pipeline_activity()
    end = activity.start + activity.duration
    same = activity.unit[1:] == activity.unit[:-1]
    assert (activity.start[1:][same] >= end[:-1][same]).all()
    assert replace(activity, makespan=0).makespan < end.max() <= activity.makespan


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, traces; print({'numba', 'networkx', 'matplotlib'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"
