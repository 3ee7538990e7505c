"""Interrupts: of sleepers as in SimPy, of processes that wait in a channel never."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
import simpy

from simcore import Process, WiringError
from simcore.buffer_channel import BufferChannel
from simcore.channel import Channel
from simcore.simulation import EngineName
from tests.benches import ENGINES, bare_engine


@pytest.mark.parametrize("engine", ENGINES)
def test_an_interrupted_sleeper_goes_on_at_once_and_sleeps_again(engine: EngineName) -> None:
    env = bare_engine(engine)
    log: list[tuple[int, Any]] = []

    def sleeper() -> Process:
        for _ in range(2):
            try:
                yield 10
                log.append((env.now, "slept"))
            except simpy.Interrupt as interrupt:
                log.append((env.now, interrupt.cause))

    def waker(process: simpy.Process) -> Process:
        yield 4
        process.interrupt("early")
        yield 10  # the very tick in which the second sleep ends, before it does
        process.interrupt("in the last moment")

    process = env.process(sleeper())
    env.process(waker(process))
    env.run()
    assert log == [(4, "early"), (14, "in the last moment")]
    assert env.now == 14


@pytest.mark.parametrize("engine", ENGINES)
def test_a_sleeper_may_be_interrupted_in_the_tick_in_which_it_would_wake(engine: EngineName) -> None:
    env = bare_engine(engine)
    channel = Channel(env, "a -> b", 1)
    log: list[Any] = []

    def sleeper() -> Process:
        yield channel.get()  # it has waited in a channel before, which must not matter
        try:
            yield 10
        except simpy.Interrupt as interrupt:
            log.append((env.now, interrupt.cause))

    def waker(process: simpy.Process) -> Process:
        yield channel.put("token")
        yield 10
        process.interrupt("in the last moment")

    env.process(waker(env.process(sleeper())))
    env.run()
    assert log == [(10, "in the last moment")]


@pytest.mark.parametrize("engine", ENGINES)
def test_an_interrupted_process_keeps_its_channels(engine: EngineName) -> None:
    env = bare_engine(engine)
    channel = Channel(env, "a -> b", 1)
    taken: list[tuple[int, int]] = []

    def reader() -> Process:
        for _ in range(2):
            with suppress(simpy.Interrupt):
                yield 3
            token = yield channel.get()
            taken.append((env.now, token))

    def writer(process: simpy.Process) -> Process:
        yield 1
        process.interrupt()
        yield 1
        yield channel.put(1)
        yield 1
        process.interrupt()
        yield 4
        yield channel.put(2)

    env.process(writer(env.process(reader())))
    env.run()
    assert taken == [(2, 1), (7, 2)]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("promised", [False, True])
def test_a_process_that_waits_in_a_channel_cannot_be_interrupted(engine: EngineName, promised: bool) -> None:
    env = bare_engine(engine)
    channel = Channel(env, "a -> b", 1)

    def reader() -> Process:
        yield channel.get()

    def meddler(process: simpy.Process) -> Process:
        yield 1
        if promised:
            yield channel.put("token")
        process.interrupt()

    env.process(meddler(env.process(reader())))
    with pytest.raises(
        WiringError, match="process 'reader' waits in a channel or arbiter and cannot be inter"
    ):
        env.run()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_second_interrupt_that_finds_the_process_in_a_channel_is_refused(engine: EngineName) -> None:
    env = bare_engine(engine)
    channel = Channel(env, "a -> b", 1)

    def reader() -> Process:
        try:
            yield 5
        except simpy.Interrupt:
            yield channel.get()

    def meddler(process: simpy.Process) -> Process:
        yield 1
        process.interrupt("wakes it")
        process.interrupt("finds it in the channel")

    env.process(meddler(env.process(reader())))
    with pytest.raises(WiringError, match="cannot be interrupted"):
        env.run()


@pytest.mark.parametrize("engine", ENGINES)
def test_simpy_refuses_interrupts_of_the_dead_and_of_oneself_in_its_own_words(engine: EngineName) -> None:
    env = bare_engine(engine)
    channel = Channel(env, "a -> b", 1)
    refusals: list[str] = []

    def short() -> Process:
        yield channel.put(1)
        yield channel.get()

    def itself() -> Process:
        yield 2
        for victim in (dead, env.active_process):
            try:
                victim.interrupt()
            except RuntimeError as refusal:
                refusals.append(str(refusal))

    dead = env.process(short())
    env.process(itself())
    env.run()
    assert "has terminated" in refusals[0]
    assert "not allowed to interrupt itself" in refusals[1]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_process_whose_tokens_are_on_their_way_is_not_interrupted(engine: EngineName) -> None:
    env = bare_engine(engine)
    memory = BufferChannel(env, "memory", 4, latency=10)

    def reader() -> Process:
        yield memory.arrived(1)

    def writer() -> Process:
        yield memory.put(0)

    waiting = env.process(reader())
    env.process(writer())

    def disturb() -> Process:
        yield 5
        waiting.interrupt()

    env.process(disturb())
    with pytest.raises(WiringError, match="waits in a channel or arbiter and cannot be interrupted"):
        env.run()
