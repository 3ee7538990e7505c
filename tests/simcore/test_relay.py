"""Relays, where they differ from `get`, `hold` and `put` or could: tokens kept, deadlocks, misuse, wakes.

That all cycles, accounts and recordings are the same is tested on random networks (`test_cycle_stepped`).
"""

from __future__ import annotations

from typing import Any

import pytest

from simcore import Component, In, Operation, Out, PartConfig, Process, Simulation, WiringError, process
from simcore.errors import Deadlock, ModelError
from simcore.simulation import EngineName
from tests.benches import CORE, ENGINES, Drain, Feed, Stage, StageConfig


class Relaying(Component):
    """Serves a token, and hands on every `every`-th."""

    token_in = In(int, doc="tokens")
    token_out = Out(int, doc="some of them")
    work = Operation(doc="serving a token")

    every = 1
    cycles = 3

    @process
    def serve(self) -> Process:
        """Swallow tokens but for those that count."""
        relay = self.relay(self.work, self.token_in, self.token_out)
        token = yield relay.get()
        while True:
            if (token + 1) % self.every:
                token = yield relay.swallow(self.cycles)
            else:
                token = yield relay.next(self.cycles, token)


class Forgetful(Relaying):
    """Does not yield one of its commands."""

    @process
    def serve(self) -> Process:
        """Call twice, yield once."""
        relay = self.relay(self.work, self.token_in, self.token_out)
        token = yield relay.get()
        relay.next(3, token)
        yield relay.next(3, token)


def simulate(
    kind: type[Relaying | Stage],
    engine: EngineName,
    items: int = 4,
    expected: int = 4,
    gap: int = 1,
    every: int = 1,
    stages: int = 1,
) -> tuple[Simulation, Drain]:
    """Wire a feed, stages of 3 cycles and a drain; the run ends with the expected token."""
    simulation = Simulation([CORE], engine=engine)
    top = simulation.build(Component, PartConfig(), "top")
    feed, drain = top.add(Feed, "feed", PartConfig()), top.add(Drain, "drain", PartConfig())
    feed.items, feed.cycles, drain.items = items, (gap,), expected
    port = feed.token_out
    for index in range(stages):
        stage = top.add(kind, f"stage[{index}]", StageConfig(cycles=(3,)) if kind is Stage else PartConfig())
        if isinstance(stage, Relaying):
            stage.every = every
        top.connect(port, stage.token_in)
        port = stage.token_out
    top.connect(port, drain.token_in)
    return simulation, drain


@pytest.mark.parametrize("engine", ENGINES)
def test_tokens_that_are_swallowed_take_their_time_and_go_nowhere(engine: EngineName) -> None:
    simulation, drain = simulate(Relaying, engine, items=6, expected=2, every=3)
    outcome = simulation.run()
    # The first is there after one cycle; then three a token.
    assert list(zip(drain.received, drain.received_at, strict=True)) == [(2, 10), (5, 19)]
    ticks = {account.path: account.ticks for account in outcome.accounts}["top.stage[0]"]
    assert ticks == {"wait-input:token_in": 1, "busy:work": 18}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_deadlock_is_told_when_the_last_operation_has_ended(engine: EngineName) -> None:
    """No entry of the calendar stands for the end of the last token's service, 3 cycles behind its start."""
    simulation, _ = simulate(Relaying, engine, items=2, expected=1, every=9)
    with pytest.raises(Deadlock) as caught:
        simulation.run()
    assert "deadlock at tick 7" in str(caught.value)
    assert "top.stage[0] waits for input from nobody that still runs since 7" in str(caught.value)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_command_that_was_not_yielded_is_told(engine: EngineName) -> None:
    simulation, _ = simulate(Forgetful, engine)
    with pytest.raises((WiringError, ModelError), match="called its relay before its last call was yielded"):
        simulation.run()


def test_a_relay_behind_a_relay_takes_one_entry_of_the_calendar_a_token() -> None:
    """Without relays it takes two: one when its token is there, one when it has served it."""
    items = 100

    def events(kind: type[Relaying | Stage], stages: int) -> int:
        return simulate(kind, "lean", items, items, gap=10, stages=stages)[0].run().events

    assert events(Relaying, 5) - events(Relaying, 4) == items
    assert events(Stage, 5) - events(Stage, 4) == 2 * items


class Timer(Component):
    """Finishes the run at a tick."""

    work = Operation(doc="time")
    at = 0

    @process
    def serve(self) -> Process:
        """Wait and finish."""
        yield self.work.hold(self.at)
        self.simulation.finish()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("at", range(1, 26))
def test_a_makespan_may_cut_anything_that_is_known_ahead(engine: EngineName, at: int) -> None:
    """Between 10 and 17 the second relay works, and its next token is promised already."""
    accounts = []
    for kind in (Relaying, Stage):
        simulation = Simulation([CORE], engine=engine, record=True)
        top = simulation.build(Component, PartConfig(), "top")
        feed, drain = top.add(Feed, "feed", PartConfig()), top.add(Drain, "drain", PartConfig())
        feed.items, drain.items = 2, 3
        timer = top.add(Timer, "timer", PartConfig())
        timer.at = at
        port = feed.token_out
        for index, cycles in enumerate((10, 8, 1)):
            config = StageConfig(cycles=(cycles,)) if kind is Stage else PartConfig()
            stage: Any = top.add(kind, f"stage[{index}]", config)
            if isinstance(stage, Relaying):
                stage.cycles = cycles
            top.connect(port, stage.token_in)
            port = stage.token_out
        top.connect(port, drain.token_in)
        accounts.append({account.path: account.ticks for account in simulation.run().accounts})
    assert accounts[0] == accounts[1]


class TwoWays(Component):
    """One process with two relays, whose ports it keeps in lists."""

    work = Operation(doc="serving a token")

    def build(self) -> None:
        self.ins = [self.port(In(int, doc="tokens"), f"ins[{i}]") for i in range(2)]
        self.outs = [self.port(Out(int, doc="tokens"), f"outs[{i}]") for i in range(2)]
        self.taken: list[int] = []

    @process
    def serve(self) -> Process:
        """Take from the first twice, then from the second."""
        first, second = (
            self.relay(self.work, port, out) for port, out in zip(self.ins, self.outs, strict=True)
        )
        self.taken.append((yield first.get()))
        self.taken.append((yield first.next(5, 0)))
        yield self.work.hold(1)
        self.taken.append((yield second.get()))
        self.simulation.finish()


@pytest.mark.parametrize("engine", ENGINES)
def test_two_relays_of_a_process_do_not_take_one_anothers_tokens(engine: EngineName) -> None:
    simulation = Simulation([CORE], engine=engine)
    top = simulation.build(Component, PartConfig(), "top")
    both = top.add(TwoWays, "both", PartConfig())
    for index, port in enumerate(both.ins):
        feed, drain = (
            top.add(Feed, f"feed[{index}]", PartConfig()),
            top.add(Drain, f"drain[{index}]", PartConfig()),
        )
        feed.items, feed.cycles, drain.items = (2, (1, 2), 9) if index == 0 else (1, (3,), 9)
        top.connect(feed.token_out, port)
        top.connect(both.outs[index], drain.token_in)
    simulation.run()
    assert both.taken == [0, 1, 0]


@pytest.mark.parametrize("cycles", [-1, 1.5, True, "3"])
def test_cycles_are_whole_numbers_in_every_command(cycles: object) -> None:
    class Odd(Relaying):
        @process
        def serve(self) -> Process:
            relay = self.relay(self.work, self.token_in, self.token_out)
            token = yield relay.get()
            yield relay.next(cycles, token)  # type: ignore[arg-type]

    simulation, _ = simulate(Odd, "lean")
    with pytest.raises((WiringError, ModelError), match="Invalid yield value"):
        simulation.run()
