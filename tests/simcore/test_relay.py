"""Relays, where they differ from `get`, `hold` and `put` or could: tokens kept, deadlocks, misuse, wakes.

That all cycles, accounts and recordings are the same is tested on random networks (`test_cycle_stepped`).
"""

from __future__ import annotations

import pytest

from simcore import Component, In, Operation, Out, PartConfig, Process, Simulation, WiringError, process
from simcore.errors import Deadlock, ModelError
from simcore.simulation import EngineName
from tests.benches import CORE, ENGINES, Drain, Feed, Stage, StageConfig


class Relaying(Component):
    """Serves a token in 3 cycles, and hands on every `every`-th."""

    token_in = In(int, doc="tokens")
    token_out = Out(int, doc="some of them")
    work = Operation(doc="serving a token")

    every = 1

    @process
    def serve(self) -> Process:
        """Swallow tokens but for those that count."""
        relay = self.relay(self.work, self.token_in, self.token_out)
        token = yield relay.get()
        while True:
            if (token + 1) % self.every:
                token = yield relay.swallow(3)
            else:
                token = yield relay.next(3, token)


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
