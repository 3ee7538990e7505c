"""Where two runs part: against a twin that looks at every tick."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simcore.activity import Activity
from tests.traces.activities import Interval, activities, make_activity, pipeline_activity
from traces.divergence import Divergence, Event, first_divergence


def seen_by(activity: Activity, unit: str, tick: int) -> list[tuple[str, int, int | None]]:
    """Return what a unit has begun by a tick: state, start, and the end if that is over, too."""
    if unit not in activity.units:
        return []
    rows = zip(
        *(column.tolist() for column in list(activity.columns().values())[:4]), strict=True
    )  # unit, state, start, duration
    return [
        (activity.states[state], start, start + duration if start + duration <= tick else None)
        for owner, state, start, duration in rows
        if activity.units[owner] == unit and start <= tick
    ]


@settings(deadline=None)
@given(activities(), activities())
def test_runs_part_in_the_first_tick_in_which_what_was_seen_of_a_unit_differs(
    a: Activity, b: Activity
) -> None:
    a, b = replace(a, ticks_per_cycle=1), replace(b, ticks_per_cycle=1)
    common = [unit for unit in a.units if unit in b.units]
    parted = next(
        (
            tick
            for tick in range(61)
            if any(seen_by(a, unit, tick) != seen_by(b, unit, tick) for unit in common)
        ),
        None,
    )
    found = first_divergence(a, b)
    assert (None if found is None else found.cycle) == parted
    if found is not None and parted is not None:
        assert seen_by(a, found.unit, parted) != seen_by(b, found.unit, parted)
        assert found.a != found.b


@settings(deadline=None)
@given(activities())
def test_a_run_does_not_part_from_itself(activity: Activity) -> None:
    assert first_divergence(activity, activity) is None


@given(st.integers(0, 40))
def test_an_operation_that_lasts_longer_is_told_before_the_waits_that_follow_from_it(longer: int) -> None:
    def run(cycles: int) -> Activity:
        intervals: list[Interval] = [
            (0, "wait-input:x", 0, 5 + cycles),  # waits for what the other one makes
            (1, "busy:mvm", 5, 5 + cycles),
            (0, "busy:add", 5 + cycles, 9 + cycles),
        ]
        return make_activity(["core.adder", "core.crossbar"], intervals, 60)

    found = first_divergence(run(10), run(10 + longer))
    if not longer:
        assert found is None
    else:
        a, b = Event("busy:mvm", 5, 10), Event("busy:mvm", 5, 10 + longer)
        assert found == Divergence(15, "core.crossbar", a, b)


def test_cycles_are_compared_where_ticks_differ() -> None:
    coarse = make_activity(["a"], [(0, "busy:mvm", 0, 3), (0, "busy:mvm", 4, 6)], 6)
    fine = make_activity(["a"], [(0, "busy:mvm", 0, 6), (0, "busy:mvm", 9, 12)], 12, ticks_per_cycle=2)
    assert first_divergence(coarse, fine) == Divergence(
        4, "a", Event("busy:mvm", 4, 2), Event("busy:mvm", 4.5, 1.5)
    )


@pytest.mark.parametrize("swap", [False, True])
def test_a_unit_that_does_nothing_more_parts_where_the_other_goes_on(swap: bool) -> None:
    long, short = pipeline_activity(images=2), pipeline_activity(images=1)
    found = first_divergence(*((long, short) if swap else (short, long)))
    assert found is not None
    assert (found.b if swap else found.a) is None
    assert (found.a if swap else found.b) is not None


def test_units_of_one_run_alone_are_left_out() -> None:
    a = make_activity(["a", "b"], [(0, "busy:mvm", 0, 3), (1, "busy:mvm", 7, 9)], 9)
    b = make_activity(["b", "c"], [(0, "busy:mvm", 7, 9), (1, "busy:mvm", 0, 3)], 9)
    assert first_divergence(a, b) is None
