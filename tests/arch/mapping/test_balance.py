"""Copies of layers to an interval and to a budget: closed forms, brute force, and an integer program."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import highspy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch import Balance, BalanceConfig, Load, at_interval, within_budget
from arch.mapping.balance import balanced
from simcore import ConfigError, MappingError
from tests.arch.dataflow_bench import bench
from workloads import networks

SMALL = st.dictionaries(
    st.sampled_from("abcd"), st.builds(Load, steps=st.integers(1, 9), cores=st.integers(1, 3)), min_size=1
)
LARGE = st.dictionaries(
    st.text(max_size=3),
    st.builds(Load, steps=st.integers(1, 10**5), cores=st.integers(1, 100)),
    min_size=1,
    max_size=60,
)


def some_given(data: st.DataObject, loads: Mapping[str, Load]) -> dict[str, int]:
    """Draw copies that a user gave some layers."""
    return data.draw(st.dictionaries(st.sampled_from(sorted(loads)), st.integers(1, 5), max_size=2))


def least_cores(loads: Mapping[str, Load], given_copies: Mapping[str, int]) -> int:
    return sum(load.cores * given_copies.get(name, 1) for name, load in loads.items())


# -- to an interval ------------------------------------------------------------------------------------------


@given(LARGE, st.integers(1, 10**5))
def test_one_copy_less_of_any_layer_misses_the_interval(loads: dict[str, Load], interval: int) -> None:
    found = at_interval(loads, interval, {})
    assert found.interval <= interval
    for name, load in loads.items():
        assert found.copies[name] == 1 or load.steps_on(found.copies[name] - 1) > interval


def test_the_interval_is_the_slowest_layers_share_and_cores_are_those_of_all_copies() -> None:
    balance = Balance({"a": Load(10, 2), "b": Load(7, 5)}, {"a": 3, "b": 2})
    assert (balance.interval, balance.cores) == (4, 3 * 2 + 2 * 5)


# -- to a budget ---------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(SMALL, st.data())
def test_no_copies_within_the_budget_beat_those_found_in_interval_then_in_cores(
    loads: dict[str, Load], data: st.DataObject
) -> None:
    fixed = some_given(data, loads)
    budget = least_cores(loads, fixed) + data.draw(st.integers(0, 20))
    choices = [[fixed[name]] if name in fixed else range(1, load.steps + 1) for name, load in loads.items()]
    candidates = (Balance(loads, dict(zip(loads, copies, strict=True))) for copies in product(*choices))
    best = min((each.interval, each.cores) for each in candidates if each.cores <= budget)
    found = within_budget(loads, budget, fixed)
    assert (found.interval, found.cores) == best
    assert {name: found.copies[name] for name in fixed} == fixed


@given(LARGE, st.integers(0, 10**6))
def test_a_budgets_interval_is_reached_and_the_next_shorter_one_would_not_fit(
    loads: dict[str, Load], spare: int
) -> None:
    budget = least_cores(loads, {}) + spare
    found = within_budget(loads, budget, {})
    assert found.cores <= budget
    assert found.copies == at_interval(loads, found.interval, {}).copies
    assert found.interval == 1 or at_interval(loads, found.interval - 1, {}).cores > budget


@pytest.mark.parametrize(
    ("name", "budgets"), [("resnet32-ibm", (43, 60, 100)), ("resnet18", (260, 500)), ("resnet50", (600,))]
)
def test_a_budgets_interval_is_that_of_an_integer_program(name: str, budgets: tuple[int, ...]) -> None:
    placed = bench(networks[name]()).placed
    loads = {row.stage: Load(row.steps, row.arrays) for row in placed.rows if row.arrays}
    for budget in budgets:
        assert within_budget(loads, budget, {}).interval == shortest_by_integer_program(loads, budget)


def shortest_by_integer_program(loads: Mapping[str, Load], budget: int) -> int:
    """Return the shortest interval within a budget: each layer chooses one number of copies, by HiGHS."""
    solver = highspy.Highs()  # type: ignore[no-untyped-call]
    solver.silent()
    interval = solver.addIntegral(lb=1)
    cores = []
    for load in loads.values():
        most = min(load.steps, 1 + (budget - least_cores(loads, {})) // load.cores)
        chosen = {copies: solver.addBinary() for copies in range(1, most + 1)}
        solver.addConstr(solver.qsum(chosen.values()) == 1)
        solver.addConstr(solver.qsum(load.steps_on(c) * x for c, x in chosen.items()) <= interval)
        cores += [load.cores * copies * x for copies, x in chosen.items()]
    solver.addConstr(solver.qsum(cores) <= budget)
    solver.minimize(interval)
    found: float = solver.val(interval)
    return round(found)


# -- as a machine's configuration ----------------------------------------------------------------------------


def machine_of(
    network: str, balance: Mapping[str, object], copies: Mapping[str, int] | None = None
) -> Balance:
    """Return the copies that a machine gives a network's layers."""
    layers = {name: {"replication": n} for name, n in (copies or {}).items()}
    placed = bench(networks[network](), {"balance": balance, "layers": layers}).placed
    loads = {row.stage: Load(row.steps, row.arrays // row.copies) for row in placed.rows if row.arrays}
    assert placed.interval is not None
    balance_found = Balance(loads, placed.replication)
    assert placed.interval.steps == balance_found.interval
    assert sum(row.arrays for row in placed.rows) == balance_found.cores
    return balance_found


def test_strategies_of_a_machine_on_a_residual_network() -> None:
    assert set(machine_of("resnet32-ibm", {}).copies.values()) == {1}
    by_interval = machine_of("resnet32-ibm", {"strategy": "interval", "interval": 256})
    assert (by_interval.interval, by_interval.cores) == (256, 76)
    by_budget = machine_of("resnet32-ibm", {"strategy": "budget", "cores": 80})
    assert by_budget.copies == by_interval.copies
    within = {"strategy": "interval", "interval": 256, "cores": 76}
    assert machine_of("resnet32-ibm", within).copies == by_interval.copies


def test_copies_that_a_user_gave_stay_and_the_others_get_what_is_left() -> None:
    found = machine_of("resnet32-ibm", {"strategy": "budget", "cores": 80}, {"stem": 2})
    assert found.copies["stem"] == 2
    assert (found.interval, found.cores) == (512, 54)  # more copies of others would not help
    alone = machine_of("resnet32-ibm", {"strategy": "none", "cores": 44}, {"stem": 2})
    assert (alone.interval, alone.cores) == (1024, 44)


LOADS = {"a": Load(100, 1), "b": Load(50, 3)}


@pytest.mark.parametrize(
    ("config", "copies", "message"),
    [
        (
            {"strategy": "budget", "cores": 3},
            {},
            "balance.cores=3 is too few: one copy of each layer takes 4; set balance.cores to 4 or "
            "more, or choose a machine that has as many",
        ),
        (
            {"cores": 3},
            {},
            "balance.cores=3 is too few: one copy of each layer takes 4; set balance.cores to 4 or "
            "more, or choose a machine that has as many",
        ),
        (
            {"cores": 5},
            {"b": 2},
            "balance.cores=5 is too few: one copy of each layer and those that layers gives takes 7; "
            "set balance.cores to 7 or more, or choose a machine that has as many",
        ),
        (
            {"strategy": "interval", "interval": 10, "cores": 12},
            {},
            "balance.interval=10 takes 25 cores, but balance.cores is 12; set balance.cores to 25 or more, "
            "or balance.interval to 25 or more",
        ),
        (
            {"strategy": "interval", "interval": 10},
            {"a": 9},
            "layers.a.replication=9 takes 12 steps, more than balance.interval=10; set it to 10 or more, "
            "or leave it out",
        ),
    ],
)
def test_too_few_cores_and_given_copies_too_slow_are_refused_with_what_would_work(
    config: dict[str, object], copies: dict[str, int], message: str
) -> None:
    with pytest.raises(MappingError) as refused:
        balanced(BalanceConfig.parse(config), LOADS, copies)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"strategy": "interval"}, "strategy interval, but no interval; set interval to the steps to reach"),
        ({"strategy": "budget"}, "strategy budget, but no cores; set cores to how many there are"),
        ({"interval": 5}, "has interval 5, but strategy none, which has no use for it; set strategy to inte"),
    ],
)
def test_a_strategy_without_its_number_is_refused(config: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        BalanceConfig.parse(config)
