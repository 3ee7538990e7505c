"""Power over time: its integral is the energy, wherever the work lies."""

from __future__ import annotations

from math import fsum

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simcore.activity import Activity, category
from simcore.energy import PartCost
from tests.traces.activities import activities, make_activity
from traces import bin_edges, by_family, by_group, peak_power, power_over_time

PATHS = (
    "",
    "core[conv1]",
    "core[conv1].a",
    "core[conv1].b[0,1]",
    "core[conv1].registers",
    "core[conv2.0].a",
    "core[fc]",
    "core[fc].b[0,1].adc",
    "fabric.link",
)


def part(path: str, dynamic_j: float, static_w: float = 0.0) -> PartCost:
    return PartCost(path, "kind", "family of " + path[-1:], None, dynamic_j, static_w, 1.0)


@st.composite
def costs(draw: st.DrawFn) -> list[PartCost]:
    """Costs of some parts of `activities`, sorted by path."""
    some = sorted(draw(st.sets(st.sampled_from(PATHS), min_size=1)))
    joules = st.one_of(st.just(0.0), st.floats(1e-15, 1e3))
    return [part(path, draw(joules), draw(joules)) for path in some]


def power_by_hand(activity: Activity, parts: list[PartCost]) -> list[float]:
    """Return the power within each tick [W], part by part from the rule in words."""
    tick_s = 1 / (activity.clock_hz * activity.ticks_per_cycle)
    works = [[0] * activity.makespan for _ in activity.units]
    for unit, state, start, duration in zip(
        *(column.tolist() for column in list(activity.columns().values())[:4]), strict=True
    ):
        if category(activity.states[state]) in ("busy", "programming"):
            works[unit][start : start + duration] = [1] * duration
    watts = [0.0] * activity.makespan
    for cost in parts:
        path = cost.path.replace("conv2.0", "conv2_0")
        while True:
            names = [name.replace("conv2.0", "conv2_0") for name in activity.units]
            below = [i for i, name in enumerate(names) if f"{name}.".startswith(f"{path}." if path else "")]
            whole = sum(sum(works[unit]) for unit in below)
            if whole or not path:
                break
            path = path.rpartition(".")[0]
        for tick in range(activity.makespan):
            share = sum(works[unit][tick] for unit in below) / whole if whole else 1 / activity.makespan
            watts[tick] += cost.static_w + cost.dynamic_j * share / tick_s
    return watts


@settings(deadline=None)
@given(activities(), costs(), st.integers(1, 9))
def test_the_integral_of_power_is_the_energy(activity: Activity, parts: list[PartCost], bins: int) -> None:
    if activity.makespan == 0:
        return
    seconds = activity.makespan / (activity.clock_hz * activity.ticks_per_cycle)
    energy = fsum(cost.energy(seconds) for cost in parts)
    edges = bin_edges(0, activity.makespan, bins)
    for naming in (by_group(activity), by_family):
        series = power_over_time(activity, parts, edges, naming)
        of_bins = series.watts * np.diff(edges) * series.tick_s
        assert fsum(of_bins.ravel()) == pytest.approx(energy, rel=1e-12)
        for name, own in zip(series.names, series.energy, strict=True):
            of_name = fsum(cost.energy(seconds) for cost in parts if naming(cost) == name)
            assert fsum(own) == pytest.approx(of_name, rel=1e-12)


@settings(deadline=None)
@given(activities(), costs())
def test_power_of_every_tick_is_what_the_rule_says_and_the_peak_is_the_largest(
    activity: Activity, parts: list[PartCost]
) -> None:
    if activity.makespan == 0:
        return
    edges = bin_edges(0, activity.makespan, activity.makespan)
    watts = power_over_time(activity, parts, edges, by_family).watts.sum(axis=0)
    assert watts == pytest.approx(power_by_hand(activity, parts), rel=1e-9)
    assert peak_power(activity, parts) == pytest.approx(watts.max(), rel=1e-9)


def test_two_units_at_work_at_once_draw_the_power_of_both() -> None:
    activity = make_activity(
        ["core[a].x", "core[a].y", "core[b].x"],
        [(0, "busy:mvm", 0, 40), (1, "programming:write", 30, 50), (1, "wait-input:in", 50, 90)],
        makespan=100,
        ticks_per_cycle=2,
        clock_hz=5e8,  # a tick is a nanosecond
    )
    parts = [part("core[a].x", 40e-9), part("core[a].y", 60e-9, static_w=0.5), part("core[b].x", 10e-9)]
    # x draws 1 W while it works, y 3 W and half a watt always; b never works, nor does anything below it,
    # so its energy goes with all 60 ticks of work in the machine
    each = 10 / 60
    series = power_over_time(activity, parts, np.array([0, 30, 40, 50, 100]), by_group(activity))
    assert series.names == ("core[a]", "core[b]")
    assert np.allclose(series.watts, [[1.5, 4.5, 3.5, 0.5], [each, 2 * each, each, 0]], rtol=1e-12)
    assert peak_power(activity, parts) == pytest.approx(4.5 + 2 * each)


def test_energy_without_any_work_is_spread_over_the_run() -> None:
    activity = make_activity(["a", "b"], [(0, "wait-input:x", 0, 10)], makespan=10)
    parts = [part("a", 5e-9), part("", 5e-9, 0.25)]
    series = power_over_time(activity, parts, np.array([0, 1, 10]), by_group(activity))
    assert series.names == ("a", "machine")
    assert np.allclose(series.watts, [[0.05, 0.05], [0.3, 0.3]], rtol=1e-12)
    assert peak_power(activity, parts) == pytest.approx(0.35)
