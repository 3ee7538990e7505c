"""An image comes in when it has arrived and not before, and the wait has a name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch.requests import TimedArrivals
from tests.arch.dataflow_bench import bench, chain, residual
from workloads import Window

PIXELS, PIXEL_CYCLES = 16, 200  # slower than the 130 cycles of a product, so that nothing holds the input up
NETWORK = chain(Window.square(1), Window.square(3, padding=1), shape=(2, 4, 4))
SLOW_INPUT = {"source": {"pixel_cycles": PIXEL_CYCLES}}
CYCLES = st.integers(0, 3 * PIXELS * PIXEL_CYCLES)


@settings(deadline=None, max_examples=50)
@given(st.lists(CYCLES, min_size=1, max_size=5).map(sorted), st.sampled_from(("lean", "stock")))
def test_an_image_begins_when_it_is_there_and_the_one_before_it_is_in(cycles: list[int], engine: str) -> None:
    subject = bench(NETWORK, SLOW_INPUT)
    alone = subject.run().completed[0]
    run = subject.run(len(cycles), arrivals=TimedArrivals(tuple(cycles)), engine=engine)
    begins = [cycles[0]]
    for cycle in cycles[1:]:
        begins.append(max(cycle, begins[-1] + PIXELS * PIXEL_CYCLES))
    assert run.accepted == begins
    assert run.completed == [begin + alone for begin in begins]
    source = next(account for account in run.outcome.accounts if account.path == "source")
    waited = begins[-1] - (len(cycles) - 1) * PIXELS * PIXEL_CYCLES
    assert source.ticks.get("wait-resource:arrival", 0) == waited
    assert sum(source.ticks.values()) == run.outcome.makespan


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 9000), min_size=2, max_size=4).map(sorted), st.sampled_from((None, 1, 3)))
def test_both_engines_and_any_order_of_processes_agree_on_when_everything_happens(
    cycles: list[int], together: int | None
) -> None:
    subject = bench(residual(3, 3, shape=(2, 5, 5)), {"input_pixels_per_cycle": together})
    runs = [
        subject.run(len(cycles), arrivals=TimedArrivals(tuple(cycles)), **options)
        for options in ({}, {"engine": "stock"}, {"shuffle": 1}, {"record": True})
    ]
    assert len({(*run.accepted, *run.completed) for run in runs}) == 1
    assert all(run.outcome.accounts == runs[0].outcome.accounts for run in runs)
    assert all(begin >= cycle for begin, cycle in zip(runs[0].accepted, cycles, strict=True))


@pytest.mark.parametrize("arrivals", [(0, 0, 0), (0, 1, 2)])
def test_arrivals_that_nobody_waits_for_change_nothing(arrivals: tuple[int, ...]) -> None:
    subject = bench(NETWORK)
    plain, told = subject.run(3), subject.run(3, arrivals=TimedArrivals(arrivals))
    machine = [account for account in told.outcome.accounts if account.kind != "RequestArrivals"]
    assert (told.completed, machine) == (plain.completed, list(plain.outcome.accounts))


def test_an_image_that_arrives_late_on_an_idle_machine_is_late_by_just_that() -> None:
    subject = bench(NETWORK)
    alone = subject.run().completed[0]
    options: dict[str, Any] = {"arrivals": TimedArrivals((0, 100_000))}
    assert subject.run(2, **options).completed == [alone, 100_000 + alone]
