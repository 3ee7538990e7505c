"""A process that runs again and again in one tick is told by name, whatever wakes it."""

from __future__ import annotations

from typing import Any

import pytest
import simpy

from simcore import Process, WatchdogError
from simcore.channel import Channel
from simcore.commands import DONE, LOOK_EVERY, PARK, WAKES_PER_TICK
from simcore.environment import CycleEnvironment
from simcore.simulation import EngineName
from tests.benches import ENGINES, bare_engine


@pytest.mark.parametrize("engine", ENGINES)
def test_processes_that_play_ping_pong_without_time_are_a_livelock(engine: EngineName) -> None:
    env = bare_engine(engine)
    there, back = Channel(env, "there", 1), Channel(env, "back", 1)

    def ping() -> Process:
        yield 3
        while True:
            yield there.put("ball")
            yield back.get()

    def pong() -> Process:
        while True:
            ball = yield there.get()
            yield back.put(ball)

    env.start(ping())
    env.start(pong())
    with pytest.raises(WatchdogError, match=r"livelock at tick 3: process 'p[io]ng' was woken"):
        env.run()


@pytest.mark.parametrize("engine", ENGINES)
def test_ping_pong_through_simpy_events_is_a_livelock_too(engine: EngineName) -> None:
    env = bare_engine(engine)
    store: Any = simpy.Store(env, capacity=1)

    def ping() -> Process:
        while True:
            yield store.put("ball")
            yield store.get()

    env.start(ping())
    with pytest.raises(WatchdogError, match="livelock at tick 0: process 'ping' was woken"):
        env.run()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_process_that_never_need_wait_is_a_livelock(engine: EngineName) -> None:
    env = bare_engine(engine)

    def busy() -> Process:
        yield 2
        while True:
            yield DONE

    env.start(busy())
    with pytest.raises(WatchdogError, match=f"livelock at tick 2: process 'busy'.*limit {WAKES_PER_TICK}"):
        env.run()


@pytest.mark.parametrize("engine", ENGINES)
def test_late_rounds_without_end_are_a_livelock(engine: EngineName) -> None:
    env = bare_engine(engine)

    def asks_for_ever() -> Process:
        wake = env.active
        while True:
            env.late(lambda: env.soon(wake))
            yield PARK

    env.start(asks_for_ever())
    with pytest.raises(WatchdogError, match="livelock at tick 0: process 'asks_for_ever'"):
        env.run()


def test_many_wakes_of_many_processes_are_no_livelock() -> None:
    env = CycleEnvironment()
    woken: list[int] = []

    def process(index: int) -> Process:
        yield 1
        woken.append(index)

    for index in range(2 * LOOK_EVERY + 1):
        env.start(process(index))
    env.run()
    assert woken == list(range(2 * LOOK_EVERY + 1))
