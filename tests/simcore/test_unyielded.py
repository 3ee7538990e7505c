"""Calls that a process forgets to yield: the next one that has to wait says so, at any kind of channel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from simcore import Process, WiringError
from simcore.arbiter import Arbiter, Merge
from simcore.buffer_channel import BufferChannel
from simcore.channel import Channel, DelayedChannel, Handshake
from simcore.fan import Gather, Multicast
from simcore.simulation import EngineName
from tests.benches import ENGINES, bare_engine

Make = Callable[[Any], Any]
FORGOTTEN = "process 'forgetful' called .* was yielded; write `yield self.PORT.put"


def full(channel: Any) -> Any:
    channel.put(0)
    return channel


WRITERS: dict[str, Make] = {
    "channel": lambda env: full(Channel(env, "x", 1)),
    "handshake": lambda env: Handshake(env, "x"),
    "delayed": lambda env: full(DelayedChannel(env, "x", 1, 2)),
    "multicast": lambda env: full(Multicast(env, "x", [Channel(env, "y", 1), Channel(env, "z", 3)])),
    "gather": lambda env: full(Gather(env, "x", ["x.a", "x.b"], 1, 0).ends[0]),
    "merge": lambda env: Merge(env, "x", ["x.a", "x.b"], 1).ends[0],
}
READERS: dict[str, Make] = {
    "channel": lambda env: Channel(env, "x", 1),
    "handshake": lambda env: Handshake(env, "x"),
    "delayed": lambda env: DelayedChannel(env, "x", 1, 2),
    "gather": lambda env: Gather(env, "x", ["x.a"], 1, 2),
    "merge": lambda env: Merge(env, "x", ["x.a", "x.b"], 1),
}


def run(engine: EngineName, calls: Callable[[Any], list[Callable[[], Any]]]) -> None:
    """Let one process make all calls and yield only the last."""
    env = bare_engine(engine)

    def forgetful() -> Process:
        *forgotten, last = calls(env)
        yield 1
        for call in forgotten:
            call()
        yield last()

    env.process(forgetful())
    env.run()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("make", WRITERS.values(), ids=WRITERS)
def test_a_put_that_was_not_yielded_is_told_at_the_next(engine: EngineName, make: Make) -> None:
    def calls(env: Any) -> list[Callable[[], Any]]:
        end = make(env)
        return [lambda: end.put(1), lambda: end.put(2)]

    with pytest.raises(WiringError, match=FORGOTTEN):
        run(engine, calls)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("make", READERS.values(), ids=READERS)
def test_a_get_that_was_not_yielded_is_told_at_the_next(engine: EngineName, make: Make) -> None:
    def calls(env: Any) -> list[Callable[[], Any]]:
        end = make(env)
        return [end.get, end.get]

    with pytest.raises(WiringError, match=FORGOTTEN):
        run(engine, calls)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("make", WRITERS.values(), ids=WRITERS)
def test_a_put_that_was_not_yielded_is_told_where_the_process_waits_next(
    engine: EngineName, make: Make
) -> None:
    def calls(env: Any) -> list[Callable[[], Any]]:
        end, other = make(env), Channel(env, "elsewhere", 1)
        return [lambda: end.put(1), other.get]

    with pytest.raises(WiringError, match=r"called elsewhere before its last call, .*, was yielded"):
        run(engine, calls)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_memory_tells_of_puts_and_waits_that_were_not_yielded(engine: EngineName) -> None:
    def puts(env: Any) -> list[Callable[[], Any]]:
        memory = full(BufferChannel(env, "x", 1))
        return [lambda: memory.put(1), lambda: memory.put(1)]

    def waits(env: Any) -> list[Callable[[], Any]]:
        memory = BufferChannel(env, "x", 1)
        return [lambda: memory.arrived(1), lambda: memory.arrived(2)]

    for calls in (puts, waits):
        with pytest.raises(WiringError, match=FORGOTTEN):
            run(engine, calls)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_arbiter_tells_of_a_claim_that_was_not_yielded(engine: EngineName) -> None:
    def calls(env: Any) -> list[Callable[[], Any]]:
        bus = Arbiter(env, "bus", ["a", "b"], 1).ends[0]
        return [bus.acquire, bus.acquire]

    with pytest.raises(WiringError, match=FORGOTTEN):
        run(engine, calls)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_get_that_was_not_yielded_is_told_though_its_token_is_there_by_now(engine: EngineName) -> None:
    env = bare_engine(engine)
    channel = DelayedChannel(env, "x", 1, 1)

    def forgetful() -> Process:
        channel.get()
        yield 2  # and wakes before the token of this tick is delivered
        yield channel.get()

    def writer() -> Process:
        yield 1
        yield channel.put(1)

    env.process(forgetful())
    env.process(writer())
    with pytest.raises(WiringError, match=FORGOTTEN):
        env.run()
