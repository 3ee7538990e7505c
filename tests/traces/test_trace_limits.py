from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simcore.activity import Activity
from simcore.errors import ConfigError, UnknownNameError
from tests.stretches import insist_on_equal, joined
from tests.traces.activities import activities
from tests.traces.stretched import (
    RememberingSink,
    both,
    long_activity,
    moments,
    some,
    stretches_of,
    totals,
    totals_of_rows,
)
from traces import LimitedSink, TraceLimits
from traces.unit_paths import match


def limited(activity: Activity, at: list[int], limits: TraceLimits) -> RememberingSink:
    sink = RememberingSink()
    filtered = LimitedSink(sink, limits)
    for stretch in stretches_of(activity, at):
        filtered.add(stretch)
    filtered.close()
    assert sink.state == "closed"
    assert sink.about == filtered.about
    assert (sink.stretches[-1].makespan, sink.stretches[-1].states) == (activity.makespan, activity.states)
    return sink


def insist_on_equal_totals(sink: RememberingSink, activity: Activity) -> None:
    assert sink.rows is not None
    written = joined(sink.stretches)
    added_up = totals_of_rows(sink.rows, activity.states)
    assert both(totals(written), added_up) == totals(activity)
    assert sink.about["aggregated"] == len(activity) - len(written)


windows = st.tuples(st.integers(0, 30), st.none() | st.integers(1, 30))
patterns = st.lists(st.sampled_from(["core[conv1]", "*.a", "core[conv1].b*", "*"]), min_size=1, max_size=2)


@given(activities(), moments(), windows, patterns)
@settings(deadline=None)
def test_a_window_and_units_decide_what_is_told_one_by_one(
    activity: Activity, at: list[int], window: tuple[int, int | None], units: list[str]
) -> None:
    start, length = window
    limits = TraceLimits(None, start, None if length is None else start + length, units)
    try:
        chosen = match(activity.units, units)
    except UnknownNameError:
        with pytest.raises(UnknownNameError, match="no unit fits"):
            limited(activity, at, limits)
        return
    sink = limited(activity, at, limits)
    insist_on_equal_totals(sink, activity)
    cycle, end = activity.ticks_per_cycle, activity.start + activity.duration
    inside = np.isin(activity.unit, chosen) & (end > start * cycle)
    if limits.stop is not None:
        inside &= activity.start < limits.stop * cycle
    insist_on_equal(joined(sink.stretches), some(activity, inside))
    assert sink.about["complete_until_tick"] == activity.makespan


@given(st.integers(0, 9), st.integers(1, 40), st.integers(0, 4), st.integers(120_000, 900_000))
@settings(deadline=None, max_examples=40)
def test_a_budget_holds_and_the_file_is_complete_up_to_where_it_says(
    seed: int, units: int, drains: int, budget: int
) -> None:
    activity = long_activity(15_000, units, seed)
    at = np.linspace(0, activity.makespan, drains + 1).astype(int).tolist()
    sink = limited(activity, at, TraceLimits(budget))
    insist_on_equal_totals(sink, activity)
    assert sink.rows is not None
    assert sink.size() + sink.group + sink.row * len(sink.rows) <= budget
    until = sink.about["complete_until_tick"]
    end = activity.start + activity.duration
    wanted = replace(some(activity, end <= until), makespan=until)
    insist_on_equal(replace(joined(sink.stretches), makespan=until), wanted)
    if sink.about["aggregated"]:
        assert sink.size() > budget / 3  # and is made use of
    else:
        assert until == activity.makespan


def test_a_budget_that_holds_next_to_nothing_is_refused_with_the_least_one() -> None:
    activity = long_activity(100, 50, seed=1)
    with pytest.raises(ConfigError, match=r"of 50 units must be at least [\d.]+ kB, got 900 B; grant"):
        limited(activity, [], TraceLimits(900))
    sink = limited(activity, [], TraceLimits(200_000))
    insist_on_equal_totals(sink, activity)


def test_what_fails_leaves_nothing_behind() -> None:
    sink = RememberingSink()
    filtered = LimitedSink(sink, TraceLimits())
    filtered.add(stretches_of(long_activity(10, 2, seed=1), [])[0])
    filtered.abandon()
    assert sink.state == "abandoned"
