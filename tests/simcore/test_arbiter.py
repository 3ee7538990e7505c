"""Shared resources and merges: who goes first is a rule, never an accident."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simcore import Process
from simcore.arbiter import Arbiter, Merge, Rule
from simcore.simulation import EngineName
from tests.benches import ENGINES, Move, bare_engine, drive_reader, drive_writer
from tests.naive_machine import Link, Node, ProcessNetwork, run_naively
from tests.process_networks import contended_networks, simulate


def acquisitions(
    engine: EngineName, rule: Rule, arrivals: list[int], holds: list[int], order: list[int], capacity: int = 1
) -> dict[int, tuple[int, int]]:
    """Let requester i ask in tick `arrivals[i]`; return ticks of grant and release by requester."""
    env = bare_engine(engine)
    arbiter = Arbiter(env, "bus", [f"r{i}" for i in range(len(arrivals))], capacity, rule)
    used: dict[int, tuple[int, int]] = {}

    def requester(index: int) -> Process:
        yield arrivals[index]
        yield arbiter.ends[index].acquire()
        granted = env.now
        yield holds[index]
        arbiter.ends[index].release()
        used[index] = (granted, env.now)

    for index in order:
        env.start(requester(index))
    env.run()
    return used


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("rule", "grants"),
    [
        # 2 comes first and holds until 5; 0, 1 and 3 have asked meanwhile, in 4, 3 and 4.
        ("priority", [5, 7, 1, 9]),
        ("oldest", [7, 5, 1, 9]),
        ("round-robin", [7, 9, 1, 5]),
    ],
)
def test_each_rule_picks_its_own_winner(engine: EngineName, rule: Rule, grants: list[int]) -> None:
    used = acquisitions(engine, rule, [4, 3, 1, 4], [2, 2, 4, 2], [0, 1, 2, 3])
    assert [used[i][0] for i in range(4)] == grants


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_released_in_a_tick_is_granted_in_that_tick(engine: EngineName) -> None:
    used = acquisitions(engine, "oldest", [0, 0, 0], [3, 3, 3], [2, 1, 0])
    assert [used[i] for i in range(3)] == [(0, 3), (3, 6), (6, 9)]
    used = acquisitions(engine, "oldest", [0, 0, 0], [3, 5, 1], [1, 0, 2], capacity=2)
    assert [used[i] for i in range(3)] == [(0, 3), (0, 5), (3, 4)]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_request_of_the_last_moment_still_takes_part_in_its_tick(engine: EngineName) -> None:
    """Requester 0 asks in a later round of tick 0 than the others, as it waits for something else first."""
    env = bare_engine(engine)
    first, bus = Arbiter(env, "first", ["a"], 1), Arbiter(env, "bus", ["a", "b", "c"], 1, "priority")
    order: list[str] = []

    def chained() -> Process:
        yield first.ends[0].acquire()
        yield bus.ends[0].acquire()
        order.append("a")
        bus.ends[0].release()

    def plain(index: int, name: str) -> Process:
        yield bus.ends[index].acquire()
        order.append(name)
        bus.ends[index].release()

    for generator in (plain(2, "c"), plain(1, "b"), chained()):
        env.start(generator)
    env.run()
    assert order == ["b", "a", "c"]
    assert env.now == 0


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 4)), min_size=1, max_size=6),
    st.sampled_from(("round-robin", "oldest", "priority")),
    st.integers(1, 3),
    st.randoms(use_true_random=False),
)
@settings(deadline=None)
def test_the_order_of_starting_processes_changes_no_grant(
    requests: list[tuple[int, int]], rule: Rule, capacity: int, random: Any
) -> None:
    arrivals, holds = [list(column) for column in zip(*requests, strict=True)]
    order = list(range(len(requests)))
    expected = acquisitions("lean", rule, arrivals, holds, order, capacity)
    random.shuffle(order)
    assert acquisitions("lean", rule, arrivals, holds, order, capacity) == expected
    assert acquisitions("stock", rule, arrivals, holds, order, capacity) == expected
    assert sorted(expected) == sorted(order)
    for tick in range(max(end for _, end in expected.values())):
        assert sum(start <= tick < end for start, end in expected.values()) <= capacity


@given(contended_networks(), st.integers(0, 99))
@settings(deadline=None, max_examples=120)
def test_networks_with_arbiters_agree_with_the_naive_machine(network: ProcessNetwork, shuffle: int) -> None:
    expected = run_naively(network)
    assert simulate(network, "lean", record=True) == expected
    assert simulate(network, "lean", shuffle=shuffle, relays=True) == expected
    assert simulate(network, "stock", shuffle=shuffle) == expected


@pytest.mark.slow
@given(contended_networks(), st.integers(0, 99))
@settings(deadline=None, max_examples=1500)
def test_many_networks_with_arbiters_agree_with_the_naive_machine(
    network: ProcessNetwork, shuffle: int
) -> None:
    expected = run_naively(network)
    assert simulate(network, "lean", shuffle=shuffle, record=True) == expected
    assert simulate(network, "stock", shuffle=shuffle) == expected


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("rule", "order"),
    [
        ("round-robin", ["a", "b", "c"] * 3),
        ("priority", ["a"] * 3 + ["b"] * 3 + ["c"] * 3),
        # When a is served in 0 it asks again in 0, no later than the others, and comes before them.
        ("oldest", ["a", "a", "b", "c", "a", "b", "c", "b", "c"]),
    ],
)
def test_a_merge_accepts_one_token_a_cycle_by_its_rule(
    engine: EngineName, rule: Rule, order: list[str]
) -> None:
    env = bare_engine(engine)
    merge = Merge(env, "merge", ["a", "b", "c"], capacity=2, rule=rule)
    for end, name in reversed(list(zip(merge.ends, "abc", strict=True))):
        drive_writer(env, end, [Move(0, name)] * 3)
    taken = drive_reader(env, merge, [Move(0)] * 9)
    env.run()
    assert taken == list(enumerate(order))
    assert merge.sent == 9


@pytest.mark.parametrize("engine", ENGINES)
def test_a_full_merge_accepts_in_the_tick_of_a_get_but_never_two_in_a_cycle(engine: EngineName) -> None:
    env = bare_engine(engine)
    merge = Merge(env, "merge", ["a", "b"], capacity=1, period=2)
    first = drive_writer(env, merge.ends[0], [Move(0, i) for i in range(2)], period=2)
    second = drive_writer(env, merge.ends[1], [Move(0, 10)], period=2)
    taken = drive_reader(env, merge, [Move(t) for t in (4, 4, 12)], period=2)
    env.run()
    assert taken == [(4, 0), (4, 10), (12, 1)]
    assert (first, second) == ([0, 6], [4])


@pytest.mark.parametrize("engine", ENGINES)
def test_waiting_for_a_resource_is_charged_under_its_name(engine: EngineName) -> None:
    network = ProcessNetwork(
        (
            Node("a", (3,), firings=2, shares="bus"),
            Node("b", (3,), firings=2, shares="bus"),
            Node("sink", (0,), firings=4),
        ),
        (Link(("a", "b"), "sink", depth=4, kind="merge"),),
        {"bus": (1, "round-robin")},
    )
    assert simulate(network, engine).ticks == {
        "a": {"busy:work": 6, "finished": 3, "wait-resource:bus": 3},
        "b": {"busy:work": 6, "wait-resource:bus": 6},
        "sink": {"wait-input:token_in[0]": 12},
    }
