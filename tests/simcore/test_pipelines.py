"""Pipelines against formulas: the closed form, the recurrence of finite buffers, and no order of starting."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simcore.simulation import EngineName
from tests.benches import ENGINES, run_chain

constant_stages = st.lists(st.integers(0, 20), min_size=1, max_size=6)
varying_stages = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=5), min_size=1, max_size=5)
engines = st.sampled_from(ENGINES)


def departures(services: list[list[int]], items: int, depths: list[int], latency: int) -> list[list[int]]:
    """Return the tick in which each stage hands on each token: blocking after service, with finite buffers.

    Stage 0 is the feed, which needs no time; the drain behind the last stage takes what it can see. Stage i

    * takes token j when it is there and the stage has handed on the one before:
      taken[i][j] = max(left[i-1][j] + latency, left[i][j-1]),
    * has served it service[i][j] later, and holds it until a slot of the channel behind is free. The slot was
      claimed by token j-depth when that was put, and is free once the next stage takes it:
      left[i][j] = max(taken[i][j] + service[i][j], taken[i+1][j-depth]).

    Without latency taken[i+1][j-depth] counts only where it is left[i+1][j-depth-1], as token j-depth was
    there before token j: the usual recurrence of a tandem line with `depth` places before each station.
    """
    stages = len(services) + 2
    left = [[0] * items for _ in range(stages)]
    taken = [[0] * items for _ in range(stages)]
    for j in range(items):
        for i in range(stages):
            if i:
                there = left[i - 1][j] + latency
                taken[i][j] = max(there, left[i][j - 1]) if j else there
            elif j:
                taken[i][j] = left[i][j - 1]
            served = taken[i][j]
            if 0 < i < stages - 1:
                service = services[i - 1]
                served += service[j % len(service)]
            if i < stages - 1 and j >= depths[i]:
                served = max(served, taken[i + 1][j - depths[i]])
            left[i][j] = served
    return left


@given(varying_stages, st.integers(1, 20), st.lists(st.integers(1, 4), min_size=6, max_size=6))
@settings(deadline=None)
def test_the_recurrence_is_that_of_tandem_lines_with_blocking_after_service(
    services: list[list[int]], items: int, depths: list[int]
) -> None:
    usual: dict[tuple[int, int], int] = {}
    stages = [[0], *services, [0]]
    for j in range(items):
        for i, service in enumerate(stages):
            start = max(usual.get((i - 1, j), 0), usual.get((i, j - 1), 0))
            blocked = usual.get((i + 1, j - depths[i] - 1), 0) if i + 1 < len(stages) else 0
            usual[i, j] = max(start + service[j % len(service)], blocked)
    left = departures(services, items, depths, latency=0)
    assert usual == {(i, j): left[i][j] for i in range(len(stages)) for j in range(items)}


def test_a_pipeline_fills_once_then_streams_at_its_slowest_stage() -> None:
    run = run_chain(stage_cycles=[3, 5, 2], items=10, depth=1)
    assert run.finish_cycle == (3 + 5 + 2) + (10 - 1) * 5


@given(constant_stages, st.integers(1, 30), st.integers(1, 4), st.integers(0, 3), engines)
@settings(deadline=None)
def test_any_pipeline_obeys_the_closed_form_and_loses_nothing(
    stage_cycles: list[int], items: int, spare: int, latency: int, engine: EngineName
) -> None:
    # A latency needs as many slots more as tokens can be under way.
    run = run_chain(stage_cycles, items, latency + spare, latency=latency, engine=engine)
    interval = max(stage_cycles)
    hops = len(stage_cycles) + 1
    if latency == 0 or interval > 0:
        assert run.finish_cycle == sum(stage_cycles) + hops * latency + (items - 1) * interval
    assert run.received == list(range(items))  # none lost, doubled or overtaken


@given(
    varying_stages,
    st.integers(1, 20),
    st.lists(st.integers(1, 4), min_size=6, max_size=6),
    st.integers(0, 3),
    engines,
    st.integers(0, 99) | st.none(),
    st.booleans(),
)
@settings(deadline=None, max_examples=300)
def test_any_pipeline_obeys_the_recurrence_of_finite_buffers(
    services: list[list[int]],
    items: int,
    depths: list[int],
    latency: int,
    engine: EngineName,
    shuffle: int | None,
    record: bool,
) -> None:
    depths = depths[: len(services) + 1]
    run = run_chain(services, items, depths, latency=latency, engine=engine, shuffle=shuffle, record=record)
    left = departures(services, items, depths, latency)
    assert run.received_at == left[-1]
    assert run.received == list(range(items))
    for index, service in enumerate(services):
        ticks = run.accounts[f"stage[{index}]"].ticks
        busy = sum(service[j % len(service)] for j in range(items))
        assert ticks.get("busy:work", 0) == busy
        # Behind its last token a stage waits for input that never comes.
        assert ticks.get("finished", 0) == run.finish_cycle - left[index + 1][-1]


@given(varying_stages, st.integers(1, 12), st.integers(1, 3))
@settings(deadline=None)
def test_more_depth_never_makes_a_pipeline_slower(services: list[list[int]], items: int, depth: int) -> None:
    shallow, deep = (run_chain(services, items, d).finish_cycle for d in (depth, depth + 1))
    assert deep <= shallow


@pytest.mark.parametrize("engine", ENGINES)
def test_the_order_of_starting_processes_changes_nothing(engine: EngineName) -> None:
    runs = [
        run_chain([[3, 1], [0, 5], 2, [4, 0, 0]], 30, [1, 2, 1, 3, 1], engine=engine, shuffle=shuffle)
        for shuffle in (None, *range(12))
    ]
    assert len({run.finish_cycle for run in runs}) == 1
    assert all(run.accounts == runs[0].accounts for run in runs)


@given(varying_stages, st.integers(1, 12), st.integers(1, 3), st.integers(0, 2))
@settings(deadline=None)
def test_recording_changes_nothing_but_the_recording(
    services: list[list[int]], items: int, depth: int, latency: int
) -> None:
    plain, recorded = (run_chain(services, items, depth, latency=latency, record=r) for r in (False, True))
    assert plain.accounts == recorded.accounts
    assert plain.received_at == recorded.received_at
    assert plain.outcome.activity is None
    assert recorded.outcome.activity is not None
    assert recorded.outcome.activity.makespan == plain.outcome.makespan
