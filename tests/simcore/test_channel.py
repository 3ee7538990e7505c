"""The visibility rule: put in t, taken from t + L; freed in t, filled in t; a slot is claimed by the put."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simcore import BrokenLawError, Process, WiringError
from simcore.buffer_channel import BufferChannel
from simcore.channel import Channel, DelayedChannel
from simcore.fan import Gather, Multicast
from simcore.simulation import EngineName
from tests.benches import ENGINES, Move, bare_engine, drive_reader, drive_writer

schedules = st.lists(st.integers(0, 12), min_size=1, max_size=8)


def make_channel(env: Any, capacity: int, latency: int) -> Channel | DelayedChannel:
    if latency:
        return DelayedChannel(env, "a -> b", capacity, latency)
    return Channel(env, "a -> b", capacity)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("latency", [0, 1, 3])
def test_a_token_is_seen_after_the_latency_and_not_a_tick_before(engine: EngineName, latency: int) -> None:
    env = bare_engine(engine)
    channel = make_channel(env, 4, latency)
    drive_writer(env, channel, [Move(5, "token")])
    taken = drive_reader(env, channel, [Move(0)])
    env.run(until=5 + latency - 0.5)
    assert taken == []
    env.run()
    assert taken == [(5 + latency, "token")]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("latency", [0, 2])
def test_a_full_channel_takes_the_next_token_in_the_tick_of_a_get(engine: EngineName, latency: int) -> None:
    env = bare_engine(engine)
    channel = make_channel(env, 2, latency)
    accepted = drive_writer(env, channel, [Move(0, i) for i in range(4)])
    taken = drive_reader(env, channel, [Move(t) for t in (6, 8, 8, 12)])
    env.run(until=5.5)
    assert len(channel) == 2
    assert accepted == [0, 0]
    env.run()
    assert accepted == [0, 0, 6, 8]
    assert taken == [(6, 0), (8, 1), (8 + latency * (6 + latency > 8), 2), (12, 3)]


@given(schedules, schedules, st.integers(1, 3), st.integers(0, 3), st.sampled_from(ENGINES), st.booleans())
@settings(deadline=None)
def test_any_traffic_keeps_the_rule(
    puts: list[int], gets: list[int], capacity: int, latency: int, engine: EngineName, reader_first: bool
) -> None:
    """A token is accepted in the first tick allowed, and taken in the first allowed."""
    count = min(len(puts), len(gets))
    env = bare_engine(engine)
    channel = make_channel(env, capacity, latency)
    if reader_first:
        taken = drive_reader(env, channel, [Move(t) for t in gets[:count]])
    accepted = drive_writer(env, channel, [Move(t, i) for i, t in enumerate(puts[:count])])
    if not reader_first:
        taken = drive_reader(env, channel, [Move(t) for t in gets[:count]])
    env.run()
    put_at: list[int] = []
    got_at: list[int] = []
    for i in range(count):
        freed = got_at[i - capacity] if i >= capacity else 0
        put_at.append(max(puts[i], freed, *put_at[-1:]))
        got_at.append(max(gets[i], put_at[i] + latency, *got_at[-1:]))
    assert accepted == put_at
    assert taken == list(zip(got_at, range(count), strict=True))
    assert len(channel) == 0
    assert channel.sent == count


@given(
    schedules,
    schedules,
    st.integers(1, 3),
    st.integers(0, 3),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.sampled_from(ENGINES),
    st.booleans(),
)
@settings(deadline=None)
def test_between_two_clocks_each_side_acts_at_its_own_edges(
    puts: list[int],
    gets: list[int],
    capacity: int,
    latency: int,
    periods: tuple[int, int],
    engine: EngineName,
    reader_first: bool,
) -> None:
    reader_period, writer_period = periods
    count = min(len(puts), len(gets))
    env = bare_engine(engine)
    ticks = latency * writer_period
    channel = DelayedChannel(env, "a -> b", capacity, ticks, reader_period, writer_period)
    drive: list[Callable[[], Any]] = [
        lambda: drive_writer(env, channel, [Move(t, i) for i, t in enumerate(puts[:count])], writer_period),
        lambda: drive_reader(env, channel, [Move(t) for t in gets[:count]], reader_period),
    ]
    done = [side() for side in (reversed(drive) if reader_first else drive)]
    accepted, taken = reversed(done) if reader_first else done
    env.run()

    def edge(tick: int, period: int) -> int:
        return -(-tick // period) * period

    put_at: list[int] = []
    got_at: list[int] = []
    for i in range(count):
        freed = got_at[i - capacity] if i >= capacity else 0
        put_at.append(edge(max(puts[i], freed, *put_at[-1:]), writer_period))
        got_at.append(edge(max(gets[i], put_at[i] + ticks, *got_at[-1:]), reader_period))
    assert accepted == put_at
    assert taken == list(zip(got_at, range(count), strict=True))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("side", ["get", "put"])
def test_two_processes_at_one_end_are_refused(engine: EngineName, side: str) -> None:
    env = bare_engine(engine)
    channel = Channel(env, "a -> b", 1)
    for start in (0, 1):
        if side == "get":
            drive_reader(env, channel, [Move(start)])
        else:
            drive_writer(env, channel, [Move(start, 1), Move(start, 2)])
    with pytest.raises(WiringError, match=r"two processes share one end of a -> b; .* put an arbiter in"):
        env.run()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_multicast_lets_each_reader_have_its_copy_and_waits_for_the_slowest(engine: EngineName) -> None:
    env = bare_engine(engine)
    fast, slow = Channel(env, "fast", 1), DelayedChannel(env, "slow", 1, 2)
    fan = Multicast(env, "fan", [fast, slow])
    accepted = drive_writer(env, fan, [Move(0, i) for i in range(3)])
    quick = drive_reader(env, fast, [Move(0)] * 3)
    lazy = drive_reader(env, slow, [Move(5), Move(9), Move(0)])
    env.run(until=4)
    assert fan.full() == [False, True]
    env.run()
    # Token 1 reaches the fast reader at once, though the slow one makes room for it in 5 only.
    assert quick == [(0, 0), (0, 1), (5, 2)]
    assert lazy == [(5, 0), (9, 1), (11, 2)]
    assert accepted == [0, 5, 9]
    assert fan.writer_waits.ticks == 9


@pytest.mark.parametrize("engine", ENGINES)
def test_a_gather_gives_a_token_when_its_last_part_is_there(engine: EngineName) -> None:
    env = bare_engine(engine)
    gather = Gather(env, "gather", ["left", "right"], capacity=2, latency=1)
    left = drive_writer(env, gather.ends[0], [Move(0, i) for i in range(4)])
    right = drive_writer(env, gather.ends[1], [Move(t, i) for i, t in enumerate((3, 4, 9, 9))])
    taken = drive_reader(env, gather, [Move(t) for t in (0, 7, 0, 12)])
    env.run()
    assert taken == [(4, 0), (7, 1), (10, 2), (12, 3)]
    assert left == [0, 0, 4, 7]  # two tokens may be under way; the left parts run ahead
    assert right == [3, 4, 9, 9]
    assert len(gather) == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_a_gather_refuses_parts_of_different_tokens(engine: EngineName) -> None:
    env = bare_engine(engine)
    gather = Gather(env, "gather", ["left", "right"], capacity=2, latency=0)
    drive_writer(env, gather.ends[0], [Move(0, 0), Move(0, 1)])
    drive_writer(env, gather.ends[1], [Move(0, 0), Move(0, 2)])
    with pytest.raises(BrokenLawError, match=r"expected part of token \d but got one of \d: a writer lost"):
        env.run()


def buffer_run(
    engine: EngineName,
    puts: list[int],
    windows: list[tuple[int, int, int]],
    capacity: int | None,
    latency: int,
    order: tuple[int, ...] = (0, 1),
) -> tuple[list[int], list[int], int]:
    """Fill a buffer, read windows of (not before, tokens needed, freed below); return ticks and the peak."""
    env = bare_engine(engine)
    channel = BufferChannel(env, "a -> b", capacity, latency)
    read_at: list[int] = []
    accepted: list[list[int]] = []

    def reader() -> Process:
        for not_before, need, free in windows:
            if not_before > env.now:
                yield not_before - env.now
            yield channel.arrived(need)
            read_at.append(env.now)
            channel.free(free)

    moves = [Move(t, i) for i, t in enumerate(puts)]
    starts: list[Callable[[], Any]] = [
        lambda: accepted.append(drive_writer(env, channel, moves)),
        lambda: env.start(reader()),
    ]
    for index in order:
        starts[index]()
    env.run()
    return accepted[0], read_at, channel.peak


@pytest.mark.parametrize("engine", ENGINES)
def test_a_buffer_is_read_by_the_window_and_freed_from_the_oldest_on(engine: EngineName) -> None:
    accepted, read_at, peak = buffer_run(engine, [0] * 6, [(0, 3, 1), (5, 4, 3), (7, 6, 6)], 3, 0)
    assert accepted == [0, 0, 0, 0, 5, 5]
    assert read_at == [0, 5, 7]
    assert peak == 3
    accepted, read_at, peak = buffer_run(engine, [0] * 6, [(0, 3, 1), (5, 4, 3), (7, 6, 6)], 3, 4)
    assert accepted == [0, 0, 0, 4, 8, 8]  # with latency the first window is complete in 4, the second in 8
    assert read_at == [4, 8, 12]


@pytest.mark.parametrize("engine", ENGINES)
def test_tokens_freed_before_they_come_never_take_a_slot(engine: EngineName) -> None:
    accepted, read_at, peak = buffer_run(engine, [1] * 5, [(0, 0, 3), (0, 5, 5)], 2, 0)
    assert accepted == [1] * 5
    assert read_at == [0, 1]
    assert peak == 0  # what comes and is freed within a tick is not held at its end
    assert buffer_run(engine, [1] * 5, [(0, 0, 3), (4, 5, 5)], 2, 0)[2] == 2


@pytest.mark.parametrize("engine", ENGINES)
def test_freeing_less_than_before_changes_nothing(engine: EngineName) -> None:
    accepted, _, peak = buffer_run(engine, [0, 0, 0, 5], [(0, 2, 2), (1, 2, 1), (8, 4, 4)], 2, 0)
    assert accepted == [0, 0, 0, 5]
    assert peak == 2


@given(
    schedules,
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), st.integers(0, 4)), min_size=1, max_size=6),
    st.integers(1, 4) | st.none(),
    st.integers(0, 2),
)
@settings(deadline=None)
def test_buffers_keep_the_rule_whatever_the_order_within_a_tick(
    puts: list[int], steps: list[tuple[int, int, int]], capacity: int | None, latency: int
) -> None:
    """Accepted and read in the first tick allowed; the peak is that of an account kept tick by tick."""
    windows, need, freed = [], 0, 0
    for not_before, more, more_freed in steps:
        need = min(need + more, len(puts), freed + capacity if capacity else len(puts))
        freed = min(freed + more_freed, len(puts))
        windows.append((not_before, need, freed))
    windows.append((0, len(puts), len(puts)) if capacity is None else (0, 0, len(puts)))
    runs = [
        buffer_run(engine, puts, windows, capacity, latency, order)
        for engine in ENGINES
        for order in permutations((0, 1))
    ]
    assert all(run == runs[0] for run in runs)
    accepted, read_at, peak = runs[0]

    held = [
        sum(t <= tick for t in accepted)
        - max([w[2] for w, t in zip(windows, read_at, strict=True) if t <= tick], default=0)
        for tick in range(max(accepted + read_at) + 1)
    ]
    assert peak == max(0, *held)
    assert capacity is None or max(held) <= capacity
    for (_, count, _), tick in zip(windows, read_at, strict=True):
        assert count == 0 or accepted[count - 1] + latency <= tick


@pytest.mark.parametrize("engine", ENGINES)
def test_a_buffer_refuses_tokens_out_of_sequence(engine: EngineName) -> None:
    env = bare_engine(engine)
    channel = BufferChannel(env, "a -> b", 4)
    drive_writer(env, channel, [Move(0, 0), Move(0, 2)])
    with pytest.raises(
        BrokenLawError, match="a -> b expected token 1 but got 2: its sender lost, doubled or"
    ):
        env.run()


def test_a_buffer_hands_each_accepted_token_to_its_store() -> None:
    env = bare_engine("lean")
    channel = BufferChannel(env, "a -> b", 1)
    stored: list[tuple[int, int]] = []
    channel.store = lambda token: stored.append((env.now, token))
    drive_writer(env, channel, [Move(0, 0), Move(0, 1)])

    def reader() -> Process:
        yield 3
        channel.free(1)

    env.start(reader())
    env.run()
    assert stored == [(0, 0), (3, 1)]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=4), st.integers(0, 10**6))
@settings(deadline=None)
def test_waits_are_charged_to_whoever_waited(delays: list[int], seed: int) -> None:
    """Both ends together wait as long as their processes do nothing else."""
    env, random = bare_engine("lean"), Random(seed)
    channel = Channel(env, "a -> b", 1)
    busy = {"reader": 0, "writer": 0}
    ended = {"reader": 0, "writer": 0}

    def side(name: str, command: Callable[[], Any]) -> Process:
        for delay in delays:
            pause = delay + random.randrange(4)
            busy[name] += pause
            yield pause
            yield command()
        ended[name] = env.now

    env.start(side("reader", channel.get))
    env.start(side("writer", lambda: channel.put(1)))
    env.run()
    assert channel.reader_waits.ticks == ended["reader"] - busy["reader"]
    assert channel.writer_waits.ticks == ended["writer"] - busy["writer"]
