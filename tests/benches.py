"""Test benches: engines without a simulation, processes driven by hand, and chains of simple stages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from simcore import (
    Account,
    Clock,
    Component,
    In,
    Operation,
    Out,
    Outcome,
    PartConfig,
    Process,
    Simulation,
    clock,
    param,
    process,
)
from simcore.commands import Engine
from simcore.environment import CycleEnvironment
from simcore.simulation import EngineName
from simcore.stock import StockEnvironment

ENGINES: tuple[EngineName, EngineName] = ("lean", "stock")
CORE = clock("core", 10**9)


def bare_engine(name: EngineName) -> Any:
    """Return an engine by name, to drive processes on without components."""
    return CycleEnvironment() if name == "lean" else StockEnvironment()


@dataclass(frozen=True)
class Move:
    """Something a driven process does at a port: `get` or `put`, not before a tick."""

    not_before: int
    value: Any = None


def drive_writer(engine: Engine, port: Any, puts: Sequence[Move], period: int = 1) -> list[int]:
    """Put tokens as early as allowed; return a list that fills with the ticks in which they were accepted."""
    accepted: list[int] = []

    def writer() -> Process:
        for move in puts:
            yield from _until(engine, move.not_before, period)
            yield port.put(move.value)
            accepted.append(engine.now)

    engine.start(writer())
    return accepted


def drive_reader(engine: Engine, port: Any, gets: Sequence[Move], period: int = 1) -> list[tuple[int, Any]]:
    """Get tokens as early as allowed; return a list that fills with (tick, token)."""
    taken: list[tuple[int, Any]] = []

    def reader() -> Process:
        for move in gets:
            yield from _until(engine, move.not_before, period)
            token = yield port.get()
            taken.append((engine.now, token))

    engine.start(reader())
    return taken


def _until(engine: Engine, tick: int, period: int) -> Process:
    edge = -(-max(tick, engine.now) // period) * period
    if edge > engine.now:
        yield edge - engine.now


class Feed(Component):
    """Hands on tokens 0, 1, 2, ..., each after its own time.

    cycles : before each token, from the first on again when they run out
    """

    token_out = Out(int, doc="tokens")
    work = Operation(doc="making a token")

    items = 0
    cycles: Sequence[int] = (0,)

    @process
    def serve(self) -> Process:
        """Make tokens."""
        for token in range(self.items):
            yield self.work.hold(self.cycles[token % len(self.cycles)])
            yield self.token_out.put(token)


class StageConfig(PartConfig):
    """Speed of a stage."""

    cycles: tuple[int, ...] = param((1,), ge=0, unit="cycle", doc="time a token takes, in turn")


class Stage(Component):
    """Serves one token at a time."""

    Config = StageConfig

    token_in = In(int, doc="tokens")
    token_out = Out(int, doc="the same tokens")
    work = Operation(doc="serving a token")

    @process
    def serve(self) -> Process:
        """Take a token, hold it, hand it on."""
        cycles, served = self.config.cycles, 0
        while True:
            token = yield self.token_in.get()
            yield self.work.hold(cycles[served % len(cycles)])
            served += 1
            yield self.token_out.put(token)


class Drain(Component):
    """Takes tokens as soon as they come, and ends the run with the last one expected."""

    token_in = In(int, doc="tokens")

    items = 0

    @process
    def serve(self) -> Process:
        """Note every token and when it came."""
        self.received: list[int] = []
        self.received_at: list[int] = []
        self.simulation.expect(self.items, "tokens", lambda: len(self.received))
        for _ in range(self.items):
            token = yield self.token_in.get()
            self.received.append(token)
            self.received_at.append(self.simulation.engine.now)
        self.simulation.finish()


class Chain(Component):
    """A feed, stages and a drain in a row."""

    def lay_out(
        self, services: Sequence[Sequence[int]], items: int, depths: Sequence[int], latency: int
    ) -> None:
        """Build the stages and connect each to the next; the last depth is that in front of the drain."""
        feed = self.add(Feed, "feed", PartConfig())
        feed.items = items
        port = feed.token_out
        for index, cycles in enumerate(services):
            stage = self.add(Stage, f"stage[{index}]", StageConfig(cycles=tuple(cycles)))
            self.connect(port, stage.token_in, depths[index], latency)
            port = stage.token_out
        self.drain = self.add(Drain, "drain", PartConfig())
        self.drain.items = items
        self.connect(port, self.drain.token_in, depths[-1], latency)


@dataclass(frozen=True)
class ChainRun:
    """What came out of a chain, and when."""

    finish_cycle: int
    received: list[int]
    received_at: list[int]
    outcome: Outcome

    @property
    def accounts(self) -> dict[str, Account]:
        """Accounts by unit."""
        return {account.path: account for account in self.outcome.accounts}


def run_chain(
    stage_cycles: Sequence[int | Sequence[int]],
    items: int,
    depth: int | Sequence[int] = 1,
    *,
    latency: int = 0,
    engine: EngineName = "lean",
    shuffle: int | None = None,
    record: bool = False,
) -> ChainRun:
    """Send tokens through a chain of stages.

    stage_cycles : service time of each stage, or of each of its tokens in turn
    depth : of every channel, or of each: in front of every stage, and of the drain
    """
    services = [[cycles] if isinstance(cycles, int) else list(cycles) for cycles in stage_cycles]
    depths = [depth] * (len(services) + 1) if isinstance(depth, int) else list(depth)
    simulation = Simulation([CORE], engine=engine, shuffle=shuffle, record=record)
    chain = simulation.build(Chain, PartConfig())
    chain.lay_out(services, items, depths, latency)
    outcome = simulation.run()
    return ChainRun(outcome.cycles, chain.drain.received, chain.drain.received_at, outcome)


def run_component(
    build: Callable[[Component], None],
    *,
    engine: EngineName = "lean",
    clocks: Sequence[Clock] = (CORE,),
    record: bool = False,
    shuffle: int | None = None,
) -> Outcome:
    """Let `build` add and connect the children of a composite, and run it."""
    simulation = Simulation(clocks, engine=engine, record=record, shuffle=shuffle)
    build(simulation.build(Component, PartConfig(), "top"))
    return simulation.run()


def build_top() -> Component:
    """Return an empty composite to add parts to, of a simulation that need not run."""
    return Simulation([CORE]).build(Component, PartConfig(), "top")


def period_clock(ticks: int) -> Clock:
    """Return a clock with a period of so many ns; beside one of 1 ns these are its ticks."""
    return Clock(f"period{ticks}", Fraction(ticks, 10**9))
