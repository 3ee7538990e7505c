"""How fast the engine is: against stock SimPy with its Store, and what accounting and recording cost.

The pipeline is the public component form: 32 stages that get a token, hold for their service time and put it
on, 10 000 tokens, two slots between stages. SimPy's side is the same pipeline as its documentation would
write it.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import simpy

from benchmarks.compare import Bench, Setup, benches, cpu_times
from simcore import Component, In, Operation, Out, PartConfig, Process, Simulation, clock, param, process
from simcore.environment import CycleEnvironment
from traces import open_sink

STAGES = 32
TOKENS = 10_000
SLOTS = 2
UNIT = [1] * STAGES
MIXED = [1 + stage % 4 for stage in range(STAGES)]

_folder = TemporaryDirectory()


class StageConfig(PartConfig):
    """One stage."""

    cycles: int = param(1, ge=1, unit="cycle", doc="service time")


class Stage(Component):
    """Takes a token, holds it for its service time, hands it on."""

    Config = StageConfig
    token_in = In(int, doc="tokens")
    token_out = Out(int, doc="the same, later")
    work = Operation(doc="service")

    @process
    def serve(self) -> Process:
        """Serve token after token."""
        cycles = self.config.cycles
        while True:
            token = yield self.token_in.get()
            yield self.work.hold(cycles)
            yield self.token_out.put(token)


class Feed(Component):
    """Offers all tokens at once."""

    token_out = Out(int, doc="tokens")

    @process
    def serve(self) -> Process:
        """Put every token."""
        for token in range(TOKENS):
            yield self.token_out.put(token)


class Drain(Component):
    """Takes all tokens and ends the run."""

    token_in = In(int, doc="tokens")

    @process
    def serve(self) -> Process:
        """Get every token."""
        for _ in range(TOKENS):
            yield self.token_in.get()
        self.simulation.finish()


class Pipeline(Component):
    """Feed, stages, drain."""

    def lay_out(self, services: list[int]) -> None:
        """Build and connect everything."""
        port = self.add(Feed, "feed", PartConfig()).token_out
        for index, cycles in enumerate(services):
            stage = self.add(Stage, f"stage[{index}]", StageConfig(cycles=cycles))
            self.connect(port, stage.token_in, depth=SLOTS)
            port = stage.token_out
        self.connect(port, self.add(Drain, "drain", PartConfig()).token_in, depth=SLOTS)


class _NullOperation:
    """Holds without book-keeping; what is left is the bare engine."""

    def hold(self, cycles: int) -> int:
        return cycles


class _BareSimulation(Simulation):
    """A simulation whose accounts are never settled, as nothing was charged."""

    def _settle(self, *args: Any) -> tuple[()]:
        return ()


def pipeline(
    services: list[int], *, bare: bool = False, record: bool = False, to: Path | None = None
) -> Setup:
    """Return the set-up of our pipeline.

    to : a Parquet file to write every interval to while it runs
    """

    def setup() -> Callable[[], object]:
        sink = None if to is None else open_sink(to)
        tell = None if sink is None else sink.add
        kind = _BareSimulation if bare else Simulation
        simulation = kind([clock("core", 10**9)], record=record, tell=tell)
        chain = simulation.build(Pipeline, PartConfig())
        chain.lay_out(services)
        if bare:
            for stage in chain.children:
                if isinstance(stage, Stage):
                    stage.work = _NullOperation()  # type: ignore[assignment]
        gc.collect()
        if sink is None:
            return simulation.run

        def run() -> None:
            simulation.run()
            sink.close()

        return run

    return setup


def stock_pipeline(services: list[int]) -> Setup:
    """Return the set-up of the same pipeline in plain SimPy."""

    def feed(env: simpy.Environment, store: simpy.Store) -> Generator[Any, Any, None]:
        for token in range(TOKENS):
            yield store.put(token)

    def stage(
        env: simpy.Environment, taken: simpy.Store, given: simpy.Store, cycles: int
    ) -> Generator[Any, Any, None]:
        while True:
            token = yield taken.get()
            yield env.timeout(cycles)
            yield given.put(token)

    def drain(env: simpy.Environment, store: simpy.Store) -> Generator[Any, Any, None]:
        for _ in range(TOKENS):
            yield store.get()

    def setup() -> Callable[[], object]:
        env = simpy.Environment()
        stores = [simpy.Store(env, SLOTS) for _ in range(len(services) + 1)]
        env.process(feed(env, stores[0]))
        for index, cycles in enumerate(services):
            env.process(stage(env, stores[index], stores[index + 1], cycles))
        end = env.process(drain(env, stores[-1]))
        gc.collect()
        return lambda: env.run(until=end)

    return setup


def tickers(count: int, until: int, *, stock: bool) -> Setup:
    """Return the set-up of processes that each wait a cycle at a time."""

    def ours() -> Generator[Any, Any, None]:
        while True:
            yield 1

    def theirs(env: simpy.Environment) -> Generator[Any, Any, None]:
        while True:
            yield env.timeout(1)

    def setup() -> Callable[[], object]:
        env = simpy.Environment() if stock else CycleEnvironment()
        for _ in range(count):
            env.process(theirs(env) if stock else ours())
        gc.collect()
        return lambda: env.run(until=until)

    return setup


for _bench in (
    Bench(
        "pipeline-bare",
        "32-stage pipeline, unit service, no accounting, against SimPy's Store",
        "speed-up",
        10,
        cpu_times(pipeline(UNIT, bare=True), stock_pipeline(UNIT)),
    ),
    Bench(
        "pipeline",
        "32-stage pipeline, unit service, accounting on, against SimPy's Store",
        "speed-up",
        7,
        cpu_times(pipeline(UNIT), stock_pipeline(UNIT)),
    ),
    Bench(
        "pipeline-mixed",
        "32-stage pipeline, service 1 to 4 cycles, accounting on, against SimPy's Store",
        "speed-up",
        5,
        cpu_times(pipeline(MIXED), stock_pipeline(MIXED)),
    ),
    Bench(
        "timeouts",
        "1 000 processes that wait a cycle at a time, against SimPy's Timeout",
        "speed-up",
        4,
        cpu_times(tickers(1000, 1000, stock=False), tickers(1000, 1000, stock=True)),
    ),
    Bench(
        "accounting",
        "32-stage pipeline, unit service: accounting on against off",
        "cost",
        1.25,
        cpu_times(pipeline(UNIT), pipeline(UNIT, bare=True)),
    ),
    Bench(
        "recording",
        "32-stage pipeline, unit service: recording every interval against accounting only",
        "cost",
        1.25,
        cpu_times(pipeline(UNIT, record=True), pipeline(UNIT)),
    ),
    Bench(
        "streaming",
        "32-stage pipeline, service 1 to 4 cycles: every interval to a Parquet file while it runs, against "
        "keeping all in memory",
        "cost",
        1.5,
        cpu_times(pipeline(MIXED, to=Path(_folder.name) / "run.parquet"), pipeline(MIXED, record=True)),
    ),
):
    benches.register(_bench.name)(_bench)
