"""Leaving periods out changes nothing: the law of `simcore.steady`, on machines of all kinds."""

from __future__ import annotations

import re
from array import array
from typing import Any

import numpy as np
import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from simcore import Limits, Process, WatchdogError, process
from simcore.history import unrolled
from simcore.simulation import EngineName
from tests.benches import ENGINES
from tests.shop import SPREADS, Day, Floor, Shop, Worker, insist_on_equal, shops


@given(shops(), st.integers(1, 40), st.sampled_from(ENGINES), st.none() | st.integers(0, 9))
@settings(deadline=None, max_examples=150)
def test_what_is_left_out_is_missed_nowhere(
    shop: Shop, items: int, engine: EngineName, shuffle: int | None
) -> None:
    full = Day(shop, items, skip=False, engine=engine)
    insist_on_equal(Day(shop, items, skip=True, engine=engine, shuffle=shuffle), full)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "shop",
    [
        # Until when a worker is busy is known only from when it will wait.
        Shop((4, 7, 3), ((4,), (1, 6), (2, 7), (2, 9, 8)), 2, "turns", "merge", 4, 1, relays=True),
        Shop((3, 1, 2), ((1, 9, 4), (7, 6, 1), (2, 9, 7), (2, 5, 5)), 2, "turns", "collect", 4, relays=True),
        # When a token can be taken is known only to the channel that it is on its way through.
        Shop((6, 9), ((6, 4, 8), (6,)), 2, "copies", "merge", 3, 26, 1, "priority", slow_feeder=True),
    ],
)
def test_what_only_comes_later_is_part_of_the_state(shop: Shop, engine: EngineName) -> None:
    """Each of these runs would repeat too soon if that were left out."""
    full = Day(shop, 40, skip=False, engine=engine)
    insist_on_equal(Day(shop, 40, skip=True, engine=engine), full)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("spread", "join"), SPREADS)
@pytest.mark.parametrize("tools", [None, 1])
def test_a_thousand_items_cost_as_many_events_as_a_few(
    spread: Any, join: Any, tools: int | None, engine: EngineName
) -> None:
    shop = Shop(work=((2, 3), (4,)), per_item=3, spread=spread, join=join, tools=tools, rule="oldest")
    short, long = (Day(shop, items, skip=True, engine=engine) for items in (50, 1000))
    assert long.skipped > 950
    assert long.outcome.events < 1.2 * short.outcome.events
    assert len(long.completed) == 1000


def test_a_period_may_be_of_several_items() -> None:
    day = Day(Shop(feed=(5, 1, 1), work=((1,),), per_item=2), 40, skip=True)
    assert day.outcome.fast_forward is not None
    repetition = day.outcome.fast_forward.repetition
    assert repetition is not None
    assert (repetition.items, repetition.ticks) == (3, 2 * (5 + 1 + 1) * 2)  # two ticks in a cycle
    assert day.skipped % 3 == 0


def test_a_run_that_is_over_too_soon_is_simulated_in_full_and_says_so() -> None:
    shop = Shop(feed=(5, 1, 1), work=((1,),), per_item=2)
    assert Day(shop, 1, skip=True).told == "no state repeated in time to leave anything out"
    assert Day(shop, 7, skip=True).told.endswith("but too few were left to leave a period out")
    assert [Day(shop, items, skip=True).skipped for items in range(1, 9)] == [0] * 7 + [3]


def test_a_limit_in_cycles_goes_for_the_run_as_it_would_have_been() -> None:
    for skip in (False, True):
        with pytest.raises(WatchdogError, match="passed its limit of 1000 cycles"):
            Day(Shop(), 1000, skip=skip, limits=Limits(cycles=1000))


class Newcomer(Worker):
    """A worker who may remember anything."""


class Patron(Worker):
    """A worker who waits for an event of SimPy."""

    @process
    def serve(self) -> Process:
        """Take a token and keep it for a while."""
        while True:
            token = yield self.token_in.get()
            yield self.waits_for(simpy.Timeout(self.simulation.engine, 3), "the shop")  # type: ignore[arg-type]
            yield self.token_out.put(token)

    def phase(self, items: int) -> tuple[int, ...]:
        """Return nothing."""
        return ()


def with_worker(kind: type[Worker]) -> type[Floor]:
    return type("Floor", (Floor,), {"worker": kind})


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (
            Newcomer,
            r"worker\[0\] does not tell where its processes stand; define `phase` in its own class, New",
        ),
        (Patron, "a process waits for an event of SimPy"),
    ],
)
def test_what_cannot_be_seen_is_simulated_in_full_and_says_so(
    kind: type[Worker], told: str, engine: EngineName
) -> None:
    full, day = (Day(Shop(), 20, skip=skip, engine=engine, floor=with_worker(kind)) for skip in (False, True))
    insist_on_equal(day, full)
    assert day.skipped == 0
    assert re.match(told, day.told)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_process_of_no_component_cannot_be_seen(engine: EngineName) -> None:
    class Haunted(Floor):
        """A shop with somebody in it."""

        def lay_out(self, shop: Shop, items: int) -> None:
            """Build it, and let somebody in."""
            super().lay_out(shop, items)

            def ghost() -> Process:
                for _ in range(1000):
                    yield 1

            self.simulation.engine.start(ghost())

    day = Day(Shop(), 20, skip=True, engine=engine, floor=Haunted)
    assert day.skipped == 0
    assert day.told == "process 'ghost' belongs to no component, so nobody tells where it stands"


@given(st.lists(st.integers(1, 9), min_size=1, max_size=9), st.integers(0, 9), st.integers(0, 5))
def test_what_is_unrolled_goes_on_as_what_repeats(gaps: list[int], before: int, times: int) -> None:
    """A list with one period in it, and the same list written out."""
    period = sum(gaps)
    moments = [before + int(m) for m in np.cumsum(gaps * (times + 2))]
    n = len(gaps)
    short = array("q", [*moments[:n], *moments[n : 2 * n]])
    assert unrolled(short, 0, n, times, period).tolist() == moments
