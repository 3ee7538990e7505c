"""The cycle engine against stock SimPy: the same order of everything, and the same complaints."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import simpy

from simcore import Process
from simcore.commands import DONE, Ready
from simcore.environment import CycleEnvironment
from simcore.simulation import EngineName
from simcore.stock import StockEnvironment
from tests.benches import ENGINES, bare_engine
from tests.event_scenarios import Play, random_scenario


def assert_engines_agree(seed: int) -> None:
    scenario = random_scenario(seed)
    expected = Play(scenario, simpy.Environment(), sleep_by_number=False).perform()
    if not expected:  # SimPy gave up
        return
    for engine, by_number in ((CycleEnvironment, False), (CycleEnvironment, True), (StockEnvironment, True)):
        log = Play(scenario, engine(), sleep_by_number=by_number).perform()
        assert log == expected, f"seed {seed}, {engine.__name__}, {by_number=}"


def test_any_scenario_happens_in_the_order_of_stock_simpy() -> None:
    for seed in range(400):
        assert_engines_agree(seed)


@pytest.mark.slow
def test_many_more_scenarios_happen_in_the_order_of_stock_simpy() -> None:
    for seed in range(400, 4000):
        assert_engines_agree(seed)


def test_scenarios_cover_what_they_are_meant_to_cover() -> None:
    endings: Counter[str] = Counter()
    for seed in range(400):
        scenario = random_scenario(seed)
        for record in Play(scenario, simpy.Environment(), sleep_by_number=False).perform():
            endings[scenario.driver] += 1
            for word in ("interrupted", "failed", "KeyError", "until", "value", "RuntimeError"):
                endings[word] += word in str(record)
    assert all(count > 20 for count in endings.values()), endings


@pytest.mark.parametrize("engine", ENGINES)
def test_a_yielded_number_is_a_timeout_of_so_many_ticks(engine: EngineName) -> None:
    def run(by_number: bool) -> list[tuple[int, int]]:
        env = bare_engine(engine)
        log: list[tuple[int, int]] = []

        def process(index: int, delays: list[int]) -> Process:
            for delay in delays:
                yield delay if by_number else env.timeout(delay)
                log.append((env.now, index))

        for index, delays in enumerate([[1, 1, 4, 0, 2], [2, 0, 0, 3], [0, 7, 1], [3, 3]]):
            env.process(process(index, delays))
        env.run()
        return log

    assert run(by_number=True) == run(by_number=False)


@pytest.mark.parametrize("engine", ENGINES)
def test_ready_commands_are_answered_at_once_with_their_values(engine: EngineName) -> None:
    env = bare_engine(engine)
    answers: list[Any] = []

    def process() -> Process:
        answers.append((yield Ready("first")))
        answers.append((yield Ready("second")))
        answers.append((yield Ready("third")))
        yield 2
        answers.append((yield DONE))
        answers.append((yield env.timeout(1, "event")))
        answers.append((yield Ready("last")))
        answers.append(env.now)

    env.process(process())
    env.run()
    assert answers == ["first", "second", "third", None, "event", "last", 3]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("wrong", [True, 1.5, "soon", None])
def test_an_invalid_command_is_refused_as_by_simpy(engine: EngineName, wrong: Any) -> None:
    env = bare_engine(engine)

    def process() -> Process:
        yield 1
        yield wrong

    env.process(process())
    with pytest.raises(RuntimeError, match="Invalid yield value"):
        env.run()


@pytest.mark.parametrize("engine", ENGINES)
def test_late_callbacks_run_in_rounds_that_see_a_settled_tick(engine: EngineName) -> None:
    env = bare_engine(engine)
    done: list[str] = []
    seen: list[tuple[str, list[str]]] = []

    def ask(name: str, again: bool) -> None:
        def callback() -> None:
            seen.append((name, list(done)))
            if again:
                ask(f"{name} again", again=False)
                env.start(process(f"after {name}", 0, asks=False))

        env.late(callback)

    def process(name: str, delay: int, *, asks: bool) -> Process:
        yield delay
        if asks:
            ask(name, again=True)
        yield 0
        done.append(name)

    for name in ("a", "b"):
        env.start(process(name, 1, asks=True))
    env.start(process("c", 1, asks=False))
    env.run()
    settled, later = ["a", "b", "c"], ["a", "b", "c", "after a", "after b"]
    assert seen == [("a", settled), ("b", settled), ("a again", later), ("b again", later)]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_tick_closes_behind_its_late_rounds_and_behind_a_halt(engine: EngineName) -> None:
    env = bare_engine(engine)
    log: list[tuple[int, str]] = []

    def process(halts: bool) -> Process:
        yield 2
        env.closing(lambda: log.append((env.now, "closes")))
        if halts:
            env.halt()
        env.late(lambda: env.start(after()))
        yield 3
        log.append((env.now, "later"))

    def after() -> Process:
        log.append((env.now, "after a round"))
        env.closing(lambda: log.append((env.peek(), "comes next")))
        yield 0

    env.start(process(halts=True))
    env.start(process(halts=False))
    env.run()
    assert log == [(2, "after a round")] * 2
    assert not env.idle
    env.run()
    assert log[2:] == [(2, "closes")] * 2 + [(5, "comes next")] * 2 + [(5, "later")] * 2
    assert env.idle


@pytest.mark.parametrize("engine", ENGINES)
def test_halting_ends_the_run_with_the_tick_late_rounds_included(engine: EngineName) -> None:
    env = bare_engine(engine)
    log: list[tuple[int, str]] = []

    def process(name: str, halts: bool) -> Process:
        yield 2
        if halts:
            env.halt()
            env.halt()
        env.late(lambda: log.append((env.now, f"late {name}")))
        yield 0
        log.append((env.now, name))
        yield 1
        log.append((env.now, name))

    env.start(process("a", halts=True))
    env.start(process("b", halts=False))
    env.run()
    assert log == [(2, "a"), (2, "b"), (2, "late a"), (2, "late b")]
    env.run()  # and goes on where it was
    assert log[4:] == [(3, "a"), (3, "b")]
    assert env.idle


@pytest.mark.parametrize("engine", ENGINES)
def test_times_between_ticks_come_in_order(engine: EngineName) -> None:
    env = bare_engine(engine)
    log: list[float] = []

    def process(delays: list[float]) -> Process:
        for delay in delays:
            yield env.timeout(delay) if isinstance(delay, float) else delay
            log.append(env.now)

    env.process(process([1, 1, 1]))
    env.process(process([0.5, 0.25, 1]))
    env.process(process([2, 0.5]))
    env.run(until=0.75)
    env.run()
    assert log == sorted(log) == [0.5, 0.75, 1, 1.75, 2, 2, 2.5, 3]


def test_peek_tells_the_time_of_the_next_entry() -> None:
    env = CycleEnvironment()

    def process() -> Process:
        yield 1
        yield 4

    env.process(process())
    env.timeout(1.5)
    times = []
    while env.peek() != simpy.core.Infinity:
        times.append(env.peek())
        env.step()
    assert times == [0, 1, 1.5, 5, 5]  # the process's end is an event of its own
    assert env.active_process is None
