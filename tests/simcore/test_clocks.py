"""Clocks: exact periods, one tick for all, edges that are never rounded."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simcore import Clock, Component, ConfigError, PartConfig, Simulation, WiringError, clock
from simcore.clocks import next_edge, synchronise, tick_of
from simcore.simulation import EngineName
from tests.benches import ENGINES, Drain, Feed, Stage, StageConfig, period_clock

periods = st.fractions(min_value=Fraction(1, 10**6), max_value=10, max_denominator=10**6)


def test_a_clock_is_as_exact_as_its_frequency() -> None:
    assert clock("core", 3 * 10**9).period == Fraction(1, 3 * 10**9)
    assert clock("link", "1.5e9").period == Fraction(2, 3 * 10**9)
    assert clock("core", 10**9).hz == 1e9


@pytest.mark.parametrize("hz", [0, -1, "0", Fraction(-1, 2)])
def test_a_frequency_must_be_positive(hz: int | str | Fraction) -> None:
    with pytest.raises(ConfigError, match="clock 'core' must have a frequency above 0 Hz, got"):
        clock("core", hz)


@given(st.lists(periods, min_size=1, max_size=4))
@settings(deadline=None)
def test_the_tick_is_the_largest_that_divides_all_periods(lengths: list[Fraction]) -> None:
    tick = tick_of(lengths)
    ticks = [length / tick for length in lengths]
    assert all(t.denominator == 1 for t in ticks)
    assert all(any(t.numerator % k for t in ticks) for k in (2, 3, 5, 7, 11, 13))  # no larger one does
    clocks = synchronise(Clock(f"c{i}", length) for i, length in enumerate(lengths))
    assert [c.ticks for c in clocks.values()] == ticks


def test_with_one_clock_a_tick_is_a_cycle() -> None:
    (core,) = synchronise([clock("core", 7 * 10**8)]).values()
    assert core.ticks == 1


@given(st.integers(0, 10**9), st.integers(1, 10**4))
@settings(deadline=None)
def test_the_next_edge_is_the_first_multiple_that_is_not_before(tick: int, period: int) -> None:
    edge = next_edge(tick, period)
    assert edge % period == 0
    assert 0 <= edge - tick < period


@pytest.mark.parametrize("engine", ENGINES)
def test_a_component_counts_in_cycles_of_its_own_clock(engine: EngineName) -> None:
    """Feed and drain at 3 ns, stage at 2 ns: a token fed in 3 is taken at 4, served until 14, seen at 15."""
    simulation = Simulation([period_clock(3), period_clock(2)], engine=engine)
    top = simulation.build(Component, PartConfig())
    feed = top.add(Feed, "feed", PartConfig())
    feed.items, feed.cycles = 2, (1,)
    stage = top.add(Stage, "stage", StageConfig(cycles=(5,)), clock="period2")
    drain = top.add(Drain, "drain", PartConfig())
    drain.items = 2
    top.connect(feed.token_out, stage.token_in)
    top.connect(stage.token_out, drain.token_in)
    outcome = simulation.run()
    assert simulation.clocks["period3"].ticks == 3
    assert drain.received_at == [15, 24]
    assert (outcome.makespan, outcome.cycles) == (24, 8)
    assert outcome.seconds == pytest.approx(24e-9)
    ticks = {account.path: account.ticks for account in outcome.accounts}
    assert ticks["stage"] == {"wait-input:token_in": 4, "busy:work": 20}
    assert ticks["feed"] == {"busy:work": 6, "finished": 18}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_run_ends_at_an_edge_of_the_reference_clock(engine: EngineName) -> None:
    """The first drain is done in 4; until 5, when the reference cycle ends, the second feed goes on."""
    simulation = Simulation([period_clock(5), period_clock(1)], engine=engine)
    top = simulation.build(Component, PartConfig())
    for name, items, cycles in (("early", 2, 2), ("late", 5, 1)):
        feed = top.add(Feed, f"{name} feed", PartConfig(), clock="period1")
        feed.items, feed.cycles = items, (cycles,)
        drain = top.add(Drain, f"{name} drain", PartConfig(), clock="period1")
        drain.items = items
        top.connect(feed.token_out, drain.token_in)
    outcome = simulation.run()
    assert (outcome.makespan, outcome.cycles) == (5, 1)
    assert [account.ticks for account in outcome.accounts] == [
        {"wait-input:token_in": 4, "finished": 1},
        {"busy:work": 4, "finished": 1},
        {"wait-input:token_in": 5},
        {"busy:work": 5},
    ]


def test_an_unknown_clock_is_refused_with_the_nearest_name() -> None:
    simulation = Simulation([clock("core", 10**9)])
    top = simulation.build(Component, PartConfig())
    with pytest.raises(WiringError, match="no clock is called 'cor'; did you mean 'core'"):
        top.add(Feed, "feed", PartConfig(), clock="cor")
