"""Runs that tell their intervals while they go on tell what a recording holds, whenever they do so."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from simcore import (
    Activity,
    BufferIn,
    Clock,
    Component,
    Operation,
    Out,
    Outcome,
    PartConfig,
    Process,
    Simulation,
    process,
)
from simcore.simulation import EngineName
from tests.benches import ENGINES
from tests.naive_machine import ProcessNetwork
from tests.process_networks import acyclic_networks, contended_networks, simulate_network
from tests.stretches import insist_on_equal, joined, told_every

engines = st.sampled_from(ENGINES)
moments = st.integers(1, 40)


@given(
    acyclic_networks() | contended_networks(), engines, moments, st.booleans(), st.none() | st.integers(0, 9)
)
@settings(deadline=None, max_examples=200)
def test_stretches_told_at_any_moment_make_up_the_recording(
    network: ProcessNetwork, engine: EngineName, events: int, relays: bool, shuffle: int | None
) -> None:
    options: dict[str, Any] = {"relays": relays, "shuffle": shuffle}
    kept, _ = simulate_network(network, engine, record=True, **options)
    stretches: list[Activity] = []
    with told_every(events):
        told, _ = simulate_network(network, engine, tell=stretches.append, **options)
    assert told.activity is None
    assert (told.makespan, told.accounts, told.energy) == (kept.makespan, kept.accounts, kept.energy)
    assert kept.activity is not None
    insist_on_equal(joined(stretches), kept.activity)


class Filler(Component):
    """Fills a memory token by token."""

    pixel_out = Out(int, doc="tokens")
    feed = Operation(doc="making a token")

    cycles: tuple[int, ...] = (1,)

    @process
    def serve(self) -> Process:
        """Make tokens and put them."""
        for token in range(TOKENS):
            yield self.feed.hold(self.cycles[token % len(self.cycles)])
            yield self.pixel_out.put(token)


class WindowReader(Component):
    """Reads windows of several tokens, and frees some ahead of their coming."""

    pixel_in = BufferIn(int, doc="tokens")
    work = Operation(doc="work on a window")

    cycles: tuple[int, ...] = (1,)
    window, ahead = 1, 0

    @process
    def serve(self) -> Process:
        """Wait for windows, work on each, free tokens."""
        for last in range(self.window, TOKENS + 1):
            yield self.pixel_in.arrived(last)
            yield self.work.hold(self.cycles[last % len(self.cycles)])
            self.pixel_in.free(min(TOKENS, last - self.window + 1 + self.ahead))
        self.pixel_in.free(TOKENS)
        self.simulation.finish()


TOKENS = 40
periods = st.integers(1, 3)
services = st.lists(st.integers(0, 5), min_size=1, max_size=3).map(tuple)


@given(engines, moments, st.tuples(periods, periods), services, services, *3 * [st.integers(0, 4)])
@settings(deadline=None, max_examples=200)
def test_what_memories_held_and_who_ended_waits_is_told_whatever_was_forgotten(
    engine: EngineName,
    events: int,
    clocks: tuple[int, int],
    feed: tuple[int, ...],
    work: tuple[int, ...],
    window: int,
    room: int,
    latency: int,
) -> None:
    def run(**options: Any) -> Outcome:
        domains = [Clock(f"clock{i}", Fraction(period, 10**9)) for i, period in enumerate((*clocks, 1))]
        simulation = Simulation(domains, engine=engine, **options)
        root = simulation.build(Component, PartConfig())
        filler = root.add(Filler, "filler", PartConfig(), clock="clock0")
        reader = root.add(WindowReader, "reader", PartConfig(), clock="clock1")
        filler.cycles, reader.cycles = feed, work
        reader.window, reader.ahead = window + 1, room % 3
        root.connect(filler.pixel_out, reader.pixel_in, depth=window + 1 + room, latency=latency)
        return simulation.run()

    kept, stretches = run(record=True), list[Activity]()
    with told_every(events):
        run(tell=stretches.append)
    assert kept.activity is not None
    insist_on_equal(joined(stretches), kept.activity)
