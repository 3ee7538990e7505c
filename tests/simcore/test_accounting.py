"""Accounts: a unit's time falls into named states that sum to the makespan; hidden time is refused."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from simcore import (
    BrokenLawError,
    Component,
    In,
    Limits,
    Operation,
    Out,
    Outcome,
    PartConfig,
    Process,
    Progress,
    Simulation,
    WatchdogError,
    process,
)
from simcore.simulation import EngineName
from tests.benches import CORE, ENGINES, Drain, Feed, Stage, StageConfig, run_chain, run_component
from tests.naive_machine import ProcessNetwork
from tests.process_networks import acyclic_networks, check_recording, contended_networks, simulate

both_engines = pytest.mark.parametrize("engine", ENGINES)


@given(acyclic_networks() | contended_networks(), st.sampled_from(ENGINES), st.booleans())
@settings(deadline=None)
def test_the_states_of_every_unit_sum_to_the_makespan(
    network: ProcessNetwork, engine: EngineName, record: bool
) -> None:
    run = simulate(network, engine, record=record)
    for path, ticks in run.ticks.items():
        assert sum(ticks.values()) == run.makespan, path
        assert all(spent > 0 for spent in ticks.values())


class Worker(Component):
    """Takes a token, works, hands it on; subclasses tell lies about the work."""

    token_in = In(int, doc="tokens")
    token_out = Out(int, doc="the same tokens")
    work = Operation(doc="serving a token")
    tidy = Operation(doc="tidying up")

    @process
    def serve(self) -> Process:
        while True:
            token = yield self.token_in.get()
            yield from self.spend()
            yield self.token_out.put(token)

    def spend(self) -> Process:
        yield self.work.hold(3)
        yield self.tidy.hold(2)


def run_between(
    worker: type[Component], engine: EngineName, *, items: int = 5, record: bool = False
) -> Outcome:
    def build(top: Component) -> None:
        feed = top.add(Feed, "feed", PartConfig())
        feed.items, feed.cycles = items, (4,)
        drain = top.add(Drain, "drain", PartConfig())
        drain.items = items
        unit: Any = top.add(worker, "worker", PartConfig())
        top.connect(feed.token_out, unit.token_in)
        top.connect(unit.token_out, drain.token_in)

    return run_component(build, engine=engine, record=record)


@both_engines
@pytest.mark.parametrize("record", [False, True])
def test_an_honest_worker_is_charged_by_operation_and_wait(engine: EngineName, record: bool) -> None:
    outcome = run_between(Worker, engine, record=record)
    ticks = {account.path: account.ticks for account in outcome.accounts}
    assert ticks["top.worker"] == {"busy:work": 15, "busy:tidy": 10, "wait-input:token_in": 4}
    assert ticks["top.feed"] == {"busy:work": 20, "finished": 9}
    assert outcome.makespan == 29
    if outcome.activity is not None:
        check_recording(outcome.activity, outcome.accounts)


class BareTimeout(Worker):
    def spend(self) -> Process:
        yield self.work.hold(3)
        yield 2


class BareEvent(Worker):
    def spend(self) -> Process:
        yield self.work.hold(3)
        yield self.simulation.engine.timeout(2)


class ForgottenYield(Worker):
    def spend(self) -> Process:
        self.tidy.hold(2)
        yield self.work.hold(3)


class AnotherTime(Worker):
    def spend(self) -> Process:
        yield self.work.hold(3) - 1


class AnotherTimeAtTheEnd(Worker):
    """Lies once, behind the last token that the run waits for, while the rest drains."""

    @process
    def serve(self) -> Process:
        for _ in range(5):
            token = yield self.token_in.get()
            yield from self.spend()
            yield self.token_out.put(token)
        yield self.work.hold(3) + 1


@both_engines
@pytest.mark.parametrize("record", [False, True])
@pytest.mark.parametrize(
    ("liar", "charge"),
    [
        (BareTimeout, "an uncharged wait"),
        (BareEvent, "an uncharged wait"),
        (ForgottenYield, "a hold that lies"),
        (AnotherTime, "a hold that lies"),
        (AnotherTimeAtTheEnd, "an uncharged wait"),
    ],
)
def test_hidden_time_is_refused_by_the_name_of_who_hides_it(
    engine: EngineName, liar: type[Worker], charge: str, record: bool
) -> None:
    with pytest.raises(BrokenLawError, match=rf"accounting: top\.worker .*{charge}.*{liar.__name__}\.serve"):
        run_between(liar, engine, record=record)


class Booking(Component):
    """Waits for a SimPy resource, one of many that do."""

    token_out = Out(int, doc="tokens")
    work = Operation(doc="using the resource")

    resource: Any = None
    hold_cycles = 4

    @process
    def serve(self) -> Process:
        with self.resource.request() as request:
            yield self.waits_for(request, "port")
            yield self.work.hold(self.hold_cycles)
        yield self.token_out.put(0)


@both_engines
@pytest.mark.parametrize("record", [False, True])
def test_waits_for_simpy_resources_are_charged_under_their_name(engine: EngineName, record: bool) -> None:
    def build(top: Component) -> None:
        engine: Any = top.simulation.engine
        resource = simpy.Resource(engine, capacity=1)
        users = [top.add(Booking, f"user[{i}]", PartConfig()) for i in range(3)]
        for user in users:
            user.resource = resource
        drain = top.add(Drain, "drain", PartConfig())
        drain.items = 1
        top.gather([user.token_out for user in users], drain.token_in)

    outcome = run_component(build, engine=engine, record=record)
    waits = [account.ticks.get("wait-resource:port", 0) for account in outcome.accounts]
    assert waits == [0, 0, 4, 8]
    if outcome.activity is not None:
        check_recording(outcome.activity, outcome.accounts)


@both_engines
@pytest.mark.parametrize(("end", "work", "tidy"), [(3, 3, 0), (4, 3, 1), (5, 3, 2), (7, 5, 2)])
def test_an_operation_under_way_at_the_end_is_charged_so_far(
    engine: EngineName, end: int, work: int, tidy: int
) -> None:
    def build(top: Component) -> None:
        feed = top.add(Feed, "feed", PartConfig())
        feed.items = 4
        worker, drain = top.add(Worker, "worker", PartConfig()), top.add(Drain, "drain", PartConfig())
        drain.items = 4
        top.connect(feed.token_out, worker.token_in)
        top.connect(worker.token_out, drain.token_in)
        add_pair(top, "quick", items=end)

    accounts = {account.path: account.ticks for account in run_component(build, engine=engine).accounts}
    charged = {"busy:work": work, "busy:tidy": tidy}
    assert accounts["top.worker"] == {state: ticks for state, ticks in charged.items() if ticks}


@both_engines
def test_programming_is_a_category_of_its_own(engine: EngineName) -> None:
    class Programmed(Worker):
        tidy = Operation("weights", doc="writing weights", programming=True)

    accounts = {account.path: account for account in run_between(Programmed, engine).accounts}
    assert accounts["top.worker"].ticks["programming:weights"] == 10
    assert accounts["top.worker"].share("programming", 29) == pytest.approx(10 / 29)
    assert accounts["top.worker"].kind == "Programmed"


@both_engines
def test_what_is_still_under_way_at_the_end_is_cut_off_there(engine: EngineName) -> None:
    """The drain expects three of five tokens through a channel for all: a law, but no account, is broken."""

    def build(top: Component) -> None:
        feed = top.add(Feed, "feed", PartConfig())
        feed.items, feed.cycles = 5, (7,)
        drain = top.add(Drain, "drain", PartConfig())
        drain.items = 3
        top.connect(feed.token_out, drain.token_in, depth=5)

    with pytest.raises(BrokenLawError) as broken:
        run_component(build, engine=engine)
    assert str(broken.value) == (
        "broken laws:\n  tokens in = out: top.feed.token_out -> top.drain.token_in was sent 5 tokens, "
        "but 2 were never taken"
    )


@both_engines
def test_a_machines_own_law_is_checked(engine: EngineName) -> None:
    simulation = Simulation([CORE], engine=engine)
    add_pair(simulation.build(Component, PartConfig()), "only", items=1)
    simulation.laws.append(lambda: ("macs", 12, 11))
    simulation.laws.append(lambda: ("bytes", 3, 3))
    with pytest.raises(BrokenLawError, match=r"broken laws:\n  macs: expected 12, got 11$"):
        simulation.run()


def add_pair(top: Component, name: str, items: int, cycles: int = 1) -> Drain:
    """Add a feed that makes a token every so many cycles, a stage of no time, and a drain."""
    feed = top.add(Feed, f"{name} feed", PartConfig())
    feed.items, feed.cycles = items, (cycles,)
    stage = top.add(Stage, f"{name} stage", StageConfig(cycles=(0,)))
    drain = top.add(Drain, f"{name} drain", PartConfig())
    drain.items = items
    top.connect(feed.token_out, stage.token_in)
    top.connect(stage.token_out, drain.token_in)
    return drain


@both_engines
def test_a_run_ends_with_the_first_finish_and_the_rest_drains(engine: EngineName) -> None:
    """What waits for its input at the end is finished, even if that comes while the rest drains."""
    simulation = Simulation([CORE], engine=engine, record=True)
    top = simulation.build(Component, PartConfig())
    pairs = (("quick", 4, 1), ("slow", 10, 1), ("slowest", 20, 3))
    drains = [add_pair(top, *pair) for pair in pairs]
    outcome = simulation.run()
    assert outcome.makespan == 4
    assert [len(drain.received) for drain in drains] == [4, 10, 20]
    ticks = {account.path: account.ticks for account in outcome.accounts}
    assert ticks["slowest feed"] == {"busy:work": 4}
    assert ticks["slowest stage"] == {"wait-input:token_in": 3, "finished": 1}
    assert ticks["quick stage"] == {"wait-input:token_in": 4}
    assert outcome.activity is not None
    check_recording(outcome.activity, outcome.accounts)


@both_engines
def test_limits_end_a_run_and_say_what_is_missing(engine: EngineName) -> None:
    def limited(limits: Limits, observe: Callable[[Progress], None] | None = None) -> None:
        simulation = Simulation([CORE], engine=engine, limits=limits, observe=observe)
        top = simulation.build(Component, PartConfig())
        feed = top.add(Feed, "feed", PartConfig())
        feed.items, feed.cycles = 100, (10,)
        drain = top.add(Drain, "drain", PartConfig())
        drain.items = 100
        top.connect(feed.token_out, drain.token_in)
        simulation.run()

    looks: list[Progress] = []
    limited(Limits(cycles=1000, seconds=60.0, memory_mb=100_000), looks.append)
    assert looks[-1].cycle == 1000
    with pytest.raises(WatchdogError, match="the run passed its limit of 999 cycles"):
        limited(Limits(cycles=999))
    with pytest.raises(WatchdogError, match=r"limit of 0.0 s at cycle 1000"):
        limited(Limits(seconds=0.0))
    with pytest.raises(WatchdogError, match=r"limit of 1\.0 MB at cycle 1000"):
        limited(Limits(memory_mb=1.0))


class Clockwork(Component):
    """Never sends anything, and never stops."""

    token_out = Out(int, doc="never sent")
    tick = Operation(doc="ticking")

    @process
    def serve(self) -> Process:
        while True:
            yield self.tick.hold(1)


@both_engines
def test_a_run_without_end_is_stopped_on_the_way(engine: EngineName) -> None:
    simulation = Simulation([CORE], engine=engine, limits=Limits(cycles=10))
    top = simulation.build(Component, PartConfig())
    drain = top.add(Drain, "drain", PartConfig())
    drain.items = 1
    top.connect(top.add(Clockwork, "clockwork", PartConfig()).token_out, drain.token_in)
    with pytest.raises(WatchdogError, match="limit of 10 cycles; 1 of 1 tokens have not come out"):
        simulation.run()


def test_energy_sums_up_by_family_and_layer_and_is_static_power_times_time_besides() -> None:
    class Warm(Worker):
        family = "crossbar"

        def action_energy(self) -> dict[str, float]:
            return {"work": 2e-12, "tidy": 1e-12, "nothing": 5.0}

        def static_power(self) -> float:
            return 1e-3

        def area(self) -> float:
            return 0.5

    outcome = run_between(Warm, "lean")
    expected = 5 * 2e-12 + 5 * 1e-12 + 1e-3 * 29e-9
    assert outcome.energy.total == pytest.approx(expected)
    assert outcome.energy.by_component == pytest.approx({"crossbar": expected})
    assert outcome.energy.by_layer == pytest.approx({"shared": expected})
    assert outcome.energy.actions["top.worker"] == {"tidy": 5, "work": 5}
    assert (outcome.area.total, outcome.area.by_component) == (0.5, {"crossbar": 0.5})


@both_engines
def test_a_finished_run_leaves_the_collector_as_it_was(engine: EngineName) -> None:
    for enabled in (True, False):
        (gc.enable if enabled else gc.disable)()
        try:
            run_chain([1], 2, engine=engine)
            assert gc.isenabled() == enabled
        finally:
            gc.enable()


def test_no_more_is_taken_off_an_operation_that_the_makespan_cuts_than_it_was_charged() -> None:
    class TwoJobs(Component):
        long = Operation(doc="held, but not yielded")
        short = Operation(doc="under way at the makespan")

        @process
        def serve(self) -> Process:
            self.long.hold(10)
            yield self.short.hold(5)

    part = Simulation([CORE]).build(TwoJobs, PartConfig(), "part")
    next(part.serve())
    with pytest.raises(BrokenLawError, match="part was charged 15 ticks while 2 passed: a hold that lies"):
        part.units[0].states(2, None)
