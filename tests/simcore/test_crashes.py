"""Errors in a component's own code, and processes that no component owns."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import getitem
from typing import Any

import pytest

from simcore import (
    Component,
    In,
    ModelError,
    Operation,
    Out,
    PartConfig,
    Process,
    Simulation,
    WiringError,
    WorkloadError,
    clock,
    process,
)
from simcore.simulation import EngineName
from tests.benches import ENGINES


class Sender(Component):
    token_out = Out(int, doc="tokens")
    work = Operation(doc="service")
    act: Callable[[int], Any]

    @process
    def serve(self) -> Process:
        for token in range(5):
            yield self.work.hold(2)
            yield self.act(token)  # the line that fails
            yield self.token_out.put(token)


class Drain(Component):
    token_in = In(int, doc="tokens")

    @process
    def serve(self) -> Process:
        for _ in range(5):
            yield self.token_in.get()
        self.simulation.finish()


class Pair(Component):
    def build(self) -> None:
        self.sender = self.add(Sender, "sender", PartConfig())
        self.drain = self.add(Drain, "drain", PartConfig())
        self.connect(self.sender.token_out, self.drain.token_in)


def pair(engine: EngineName, act: Callable[[int], Any]) -> Simulation:
    simulation = Simulation([clock("core", 10**9)], engine=engine)
    simulation.build(Pair, PartConfig(), "pair").sender.act = act
    return simulation


@pytest.mark.parametrize("engine", ENGINES)
def test_a_crash_names_the_unit_the_process_the_cycle_and_the_line(engine: EngineName) -> None:
    expected = (
        r"^pair\.sender \(Sender\.serve\) failed at cycle 8: ZeroDivisionError: .* by zero "
        r"\(test_crashes\.py:\d+\)$"
    )
    with pytest.raises(ModelError, match=expected) as failure:
        pair(engine, lambda token: 1 // (3 - token) * 0).run()
    assert isinstance(failure.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_error_raised_on_purpose_stays_as_it_is(engine: EngineName) -> None:
    def refuse(_: int) -> None:
        raise WorkloadError("on purpose")

    with pytest.raises(WorkloadError, match=r"^on purpose$"):
        pair(engine, refuse).run()


@pytest.mark.parametrize("engine", ENGINES)
def test_what_cannot_be_yielded_is_the_components_fault(engine: EngineName) -> None:
    for nonsense in ("nonsense", -1, 1.5):
        with pytest.raises(WiringError, match=rf"Invalid yield value '?{nonsense}'? of pair\.sender"):
            pair(engine, partial(getitem, [nonsense] * 5)).run()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("ends", [True, False])
def test_a_helper_that_waits_at_a_components_port_is_refused(engine: EngineName, ends: bool) -> None:
    simulation = Simulation([clock("core", 10**9)], engine=engine)
    built = simulation.build(Pair, PartConfig(), "pair")
    built.sender.act = lambda _: 1

    def helper() -> Process:
        for _ in range(9):
            yield built.drain.token_in.get()
        if ends:
            simulation.finish()

    class Idle(Component):
        work = Operation(doc="nothing")

        @process
        def serve(self) -> Process:
            yield self.work.hold(7)
            if ends:
                self.simulation.finish()

    del built.drain.units[:]  # leaves the port to the helper
    simulation.build(Idle, PartConfig(), "idle")
    simulation.engine.start(helper())
    with pytest.raises(WiringError, match=r"process 'helper' waits at pair\.drain\.token_in"):
        simulation.run()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_helper_that_calls_waits_for_is_refused(engine: EngineName) -> None:
    simulation = pair(engine, lambda _: 1)
    drain = simulation.parts[-1]

    def helper() -> Process:
        yield drain.waits_for(simulation.engine.timeout(1), "x")

    simulation.engine.start(helper())
    with pytest.raises(WiringError, match="process 'helper' calls waits_for"):
        simulation.run()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_components_process_is_never_interrupted(engine: EngineName) -> None:
    simulation = pair(engine, lambda _: 1)

    def meddler() -> Process:
        yield 1
        victim = simulation.parts[1].units[0].wake
        assert victim is not None
        victim.owner.interrupt()

    simulation.engine.start(meddler())
    with pytest.raises(WiringError, match=r"pair\.sender is a component's process and cannot be interrupted"):
        simulation.run()
