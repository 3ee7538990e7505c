"""A machine under load does what queueing theory says: exactly where that is exact, else within its bounds.

A machine that works on one request at a time is a single server, whose service time is the latency of an
image on an idle machine.
"""

from __future__ import annotations

from fractions import Fraction
from math import floor, sqrt
from statistics import fmean, stdev
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch import ClosedArrivals, LoadReport, MachineRun, RequestQueue, RequestTimes, TimedArrivals
from arch.request_line import Line
from imcsim.arrivals import poisson_cycles
from simcore import BrokenLawError, WorkloadError, components
from simcore.history import Level
from tests.arch.dataflow_bench import Bench, bench, chain, machine_settings, residual
from tests.arch.isaac.isaac_bench import bench as isaac_bench
from tests.arch.isaac.isaac_bench import mlp
from tests.benches import ENGINES
from workloads import Window

ONE_AT_A_TIME = {"queue": {"most_in_service": 1}}
NETWORK = chain(Window.square(1), Window.square(2), shape=(1, 2, 2))
#: An image of one pixel, which takes few events.
SMALL = chain(Window.square(1), shape=(1, 1, 1))

HZ = Fraction(10**9)


def served(run: MachineRun) -> RequestTimes:
    """Return the requests of a run of one network."""
    assert run.load is not None
    (line,) = run.load.lines
    return line


def latency(subject: Bench) -> int:
    """Return the latency of an image on an idle machine."""
    (completed,) = subject.run().completed
    return completed


def lindley(cycles: list[int], service: int) -> list[int]:
    """Return when each request is served by a single server: none before the one ahead of it is done."""
    starts: list[int] = []
    wait = 0
    for number, cycle in enumerate(cycles):
        if number:
            wait = max(0, wait + service - (cycle - cycles[number - 1]))
        starts.append(cycle + wait)
    return starts


# -- a single server -----------------------------------------------------------------------------------------


@given(
    st.lists(st.integers(0, 1200), min_size=1, max_size=12),
    st.sampled_from(ENGINES),
    st.none() | st.integers(0, 9),
)
@settings(deadline=None, max_examples=60)
def test_requests_wait_as_the_recurrence_of_lindley_has_it(
    gaps: list[int], engine: Any, shuffle: int | None
) -> None:
    subject = bench(NETWORK, ONE_AT_A_TIME)
    cycles = [sum(gaps[: number + 1]) for number in range(len(gaps))]
    run = subject.run(len(cycles), arrivals=TimedArrivals(tuple(cycles)), engine=engine, shuffle=shuffle)
    starts, service = lindley(cycles, latency(subject)), latency(subject)
    line = served(run)
    assert (list(line.arrived), list(line.started)) == (cycles, starts)
    assert line.completed == run.completed == [start + service for start in starts]


@given(st.lists(st.integers(0, 40), min_size=1, max_size=6))
@settings(deadline=None, max_examples=25)
def test_so_they_do_on_a_machine_of_several_clocks(gaps: list[int]) -> None:
    subject = isaac_bench(mlp(128, 64, 10), ONE_AT_A_TIME)
    cycles = [sum(gaps[: number + 1]) for number in range(len(gaps))]
    run = subject.run(len(cycles), arrivals=TimedArrivals(tuple(cycles)))
    ticks = run.outcome.reference.ticks
    (service,) = subject.run().completed
    starts = lindley([cycle * ticks for cycle in cycles], service)
    assert list(served(run).started) == starts
    assert run.completed == [start + service for start in starts]


@pytest.mark.parametrize("load", ["0.3", "0.6", "0.8"])
def test_poisson_arrivals_wait_as_long_as_m_d_1_says(load: str) -> None:
    """The mean of many waits is within the 99 % confidence interval that 40 batches of them give.

    12 000 requests make it narrower than a fifth of the mean, and a batch is so long that those beside it
    hardly know of it.
    """
    subject = bench(SMALL, ONE_AT_A_TIME)
    service, requests, batches = latency(subject), 12_000, 40
    cycles = poisson_cycles(requests, HZ, Fraction(load) * HZ / service, seed=7)
    line = served(subject.run(requests, arrivals=TimedArrivals(cycles)))
    waits = [start - arrival for arrival, start in zip(line.arrived, line.started, strict=True)][400:]
    size = len(waits) // batches
    means = [fmean(waits[first : first + size]) for first in range(0, size * batches, size)]
    half = 2.708 * stdev(means) / sqrt(batches)  # Student's t of 39 degrees of freedom, 99.5 %
    expected = float(load) * service / (2 * (1 - float(load)))
    assert half < 0.2 * expected
    assert abs(fmean(means) - expected) < half


@pytest.mark.parametrize("engine", ENGINES)
def test_even_arrivals_do_not_wait_below_capacity_and_ever_longer_above(engine: Any) -> None:
    subject = bench(NETWORK, ONE_AT_A_TIME)
    service = latency(subject)
    for gap in (service, service + 1, 3 * service):
        line = served(subject.run(9, arrivals=evenly(Fraction(gap), 9), engine=engine))
        assert line.started == line.arrived
    for gap in (service - 1, service // 2, 1):
        line = served(subject.run(9, arrivals=evenly(Fraction(gap), 9), engine=engine))
        waits = [start - arrival for arrival, start in zip(line.arrived, line.started, strict=True)]
        assert waits == [number * (service - gap) for number in range(9)]


@given(st.fractions(1, 600, max_denominator=9))
@settings(deadline=None, max_examples=20)
def test_the_wait_grows_by_service_less_gap_whatever_the_gap(gap: Fraction) -> None:
    subject = bench(SMALL, ONE_AT_A_TIME)
    service, images = latency(subject), 12
    line = served(subject.run(images, arrivals=evenly(gap, images)))
    assert list(line.started) == lindley([floor(number * gap) for number in range(images)], service)


def evenly(gap: Fraction, images: int) -> TimedArrivals:
    """Return arrivals at even distances, rounded down to cycles."""
    return TimedArrivals(tuple(floor(number * gap) for number in range(images)), gap.denominator)


# -- closed loops --------------------------------------------------------------------------------------------


def test_one_request_at_a_time_takes_what_it_takes_alone_and_many_take_what_the_machine_can_do() -> None:
    subject = bench(residual(3, shape=(1, 4, 4)))
    alone = latency(subject)
    one = served(subject.run(5, arrivals=ClosedArrivals(1)))
    assert list(one.completed) == [alone * number for number in range(1, 6)]
    assert one.arrived == one.started == [0, *one.completed[:-1]]
    many, free = subject.run(12, arrivals=ClosedArrivals(12)), subject.run(12)
    assert many.completed == free.completed
    assert list(served(many).arrived) == [0] * 12


@given(st.integers(1, 5), st.integers(1, 12), st.sampled_from(ENGINES))
@settings(deadline=None, max_examples=30)
def test_so_many_requests_are_there_at_any_time(in_system: int, images: int, engine: Any) -> None:
    line = served(bench(NETWORK).run(images, arrivals=ClosedArrivals(in_system), engine=engine))
    assert list(line.arrived[:in_system]) == [0] * min(in_system, images)
    assert list(line.arrived[in_system:]) == list(
        line.completed[: images - in_system] if images > in_system else []
    )


# -- laws ----------------------------------------------------------------------------------------------------


@given(
    st.lists(st.integers(0, 900), min_size=1, max_size=9).map(sorted),
    st.none() | st.integers(1, 3),
    st.data(),
)
@settings(deadline=None, max_examples=40)
def test_what_a_run_keeps_is_what_its_requests_add_up_to(
    cycles: list[int], most: int | None, data: st.DataObject
) -> None:
    machine = data.draw(machine_settings()) | {"queue": {"most_in_service": most}}
    run = bench(NETWORK, machine).run(len(cycles), arrivals=TimedArrivals(tuple(cycles)))
    line, load = served(run), run.load
    assert isinstance(load, LoadReport)
    requests = list(zip(line.arrived, line.started, line.completed, strict=True))
    assert all(arrival <= start < done for arrival, start, done in requests)
    ticks = range(run.outcome.makespan)
    lengths = [sum(arrival <= tick < start for arrival, start, _ in requests) for tick in ticks]
    assert (line.waited, line.most) == (sum(lengths), max(lengths))
    assert load.in_system == sum(arrival <= tick < done for tick in ticks for arrival, _, done in requests)
    if most is not None:
        assert max(sum(start <= tick < done for _, start, done in requests) for tick in ticks) <= most


def test_a_queue_that_loses_count_breaks_little_s_law(monkeypatch: pytest.MonkeyPatch) -> None:
    change = Level.change
    monkeypatch.setattr(Level, "change", lambda self, by, now: change(self, by, now + (by < 0)))
    with pytest.raises(
        BrokenLawError, match=r"integral of requests that wait for chain = sum of their waits: "
    ):
        bench(NETWORK, ONE_AT_A_TIME).run(3, arrivals=TimedArrivals((0, 1, 2)))
    with pytest.raises(BrokenLawError, match=r"integral of requests of chain in the system = sum of their"):
        bench(NETWORK).run(3, arrivals=ClosedArrivals(2))


def test_a_queue_whose_books_agree_but_that_lets_in_too_many_breaks_a_law(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Line, "in_service", 0)
    with pytest.raises(BrokenLawError) as raised:
        bench(NETWORK, ONE_AT_A_TIME).run(4, arrivals=ClosedArrivals(4))
    (broken,) = str(raised.value).splitlines()[1:]
    assert broken.strip().startswith(
        "requests served at once beyond queue.most_in_service = none: expected 0"
    )


def test_requests_that_are_done_before_they_are_taken_break_a_law(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that lets requests in, and enters this, once they are done: both of its books agree."""
    monkeypatch.setattr(Line, "start", lambda line: line.entrance.open())
    complete = Line.complete

    def late(line: Line) -> None:
        line.started.append(line.queue.now)
        line.level.change(-1, line.queue.now)
        complete(line)

    monkeypatch.setattr(Line, "complete", late)
    with pytest.raises(BrokenLawError) as raised:
        bench(NETWORK).run(1, arrivals=ClosedArrivals(1))
    (broken,) = str(raised.value).splitlines()[1:]
    assert broken.strip() == (
        "requests of chain = those that arrive, are let in, taken and done: expected 1, got 0"
    )


def test_outputs_that_need_no_pixel_and_come_before_their_request_are_refused() -> None:
    """Both windows of each axis lie on the padding, so nothing waits for the only pixel."""
    nothing = bench(chain(Window.square(1, stride=2, padding=1), shape=(1, 1, 1)))
    (done,) = nothing.run().completed
    assert nothing.run(1, arrivals=TimedArrivals((done - 1,))).completed == [done]
    with pytest.raises(WorkloadError, match="outputs of chain need none of its pixels, and came before"):
        nothing.run(1, arrivals=TimedArrivals((done,)))


def test_every_wait_has_a_name() -> None:
    """One server, two requests at once and one later: each cycle of source and arrivals is told."""
    subject = bench(SMALL, ONE_AT_A_TIME)
    service = latency(subject)
    run = subject.run(3, arrivals=TimedArrivals((5, 5, 5 + 3 * service)))
    ticks = {account.path: account.ticks for account in run.outcome.accounts}
    source, arrivals = ticks["source"], ticks["queue.arrivals[chain]"]
    feed = subject.machine.config.source.pixel_cycles
    # Until the first; then the second is there when the source asks for it, and waits; then nothing is.
    assert source["wait-resource:arrival"] == 5 + (2 * service - feed)
    assert source["wait-resource:service"] == service - feed
    assert arrivals == {"wait-resource:schedule": 5 + 3 * service, "finished": service}
    closed = subject.run(3, arrivals=ClosedArrivals(2))
    (arrivals,) = (a.ticks for a in closed.outcome.accounts if a.path == "queue.arrivals[chain]")
    assert arrivals == {"wait-resource:completion": service, "finished": 2 * service}


# -- skipping what repeats -----------------------------------------------------------------------------------


def told(run: MachineRun) -> tuple[Any, ...]:
    """Return all that a run tells of its requests, and of its time."""
    line, load = served(run), run.load
    assert load is not None
    times = [list(each) for each in (line.arrived, line.started, line.completed)]
    found = line.waited, line.most, load.in_system, run.accepted, run.completed
    return (*times, *found, run.outcome.makespan, run.outcome.accounts, run.outcome.energy)


@given(
    st.integers(1, 6).map(ClosedArrivals) | st.fractions(100, 2000, max_denominator=4),
    st.none() | st.integers(1, 3),
    st.integers(1, 40),
    st.sampled_from(ENGINES),
    st.none() | st.integers(0, 9),
)
@settings(deadline=None, max_examples=60)
def test_a_run_that_skips_tells_of_every_request_what_the_full_run_does(
    arrivals: ClosedArrivals | Fraction, most: int | None, images: int, engine: Any, shuffle: int | None
) -> None:
    plan = evenly(arrivals, images) if isinstance(arrivals, Fraction) else arrivals
    subject = bench(residual(3, shape=(1, 3, 3)), {"queue": {"most_in_service": most}})
    full = subject.run(images, arrivals=plan)
    fast = subject.run(images, arrivals=plan, fast_forward=True, engine=engine, shuffle=shuffle)
    assert told(fast) == told(full)


@pytest.mark.parametrize("plan", [ClosedArrivals(1), ClosedArrivals(4), evenly(Fraction(5000, 3), 2000)])
def test_two_thousand_requests_cost_what_a_few_do(plan: Any) -> None:
    subject = bench(NETWORK)
    few, many = (subject.run(images, arrivals=plan, fast_forward=True) for images in (30, 2000))
    assert many.outcome.events < 1.2 * few.outcome.events
    assert len(served(many).completed) == 2000


def test_requests_that_do_not_repeat_or_that_pile_up_are_run_in_full_and_it_says_so() -> None:
    subject = bench(SMALL, ONE_AT_A_TIME)

    def why(plan: Any) -> str:
        found = subject.run(40, arrivals=plan, fast_forward=True).outcome.fast_forward
        assert found is not None
        assert found.items == 0
        return found.told

    assert why(TimedArrivals(tuple(range(0, 40_000, 1000)))) == (
        "queue.arrivals[chain] has gaps between requests that do not repeat"
    )
    assert why(evenly(Fraction(10**9, 119_999), 40)) == (
        "queue.arrivals[chain] has gaps between requests that repeat only after 119999 of them, and no more "
        "than 64 are looked through"
    )
    assert why(evenly(Fraction(10), 40)) == "no state repeated in time to leave anything out"


def test_a_rule_that_does_not_tell_what_it_remembers_is_run_in_full() -> None:
    @components.register("forgetful-queue")
    class Forgetful(RequestQueue):
        """One of the oldest first."""

    subject = bench(SMALL, {"queue": {"kind": "forgetful-queue"}})
    found = subject.run(30, arrivals=ClosedArrivals(2), fast_forward=True).outcome.fast_forward
    assert found is not None
    assert found.told.startswith("queue does not tell where its processes stand; define `phase`")
