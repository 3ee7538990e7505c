"""Memories at the far end of a network, with a network that takes some cycles and one token at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from simcore import (
    BrokenLawError,
    BufferIn,
    Clock,
    Component,
    Operation,
    PartConfig,
    Process,
    Simulation,
    WiringError,
    process,
)
from simcore.carried import CarriedEnd
from simcore.causes import BY_TIME, Act
from simcore.commands import PARK, Engine, Park, Wake
from tests.benches import CORE, ENGINES, Drain, Feed, build_top

TRIP = 5


class Ferry:
    """An entry and its network: who sets out lands `TRIP` cycles later, and only then may the next one."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.ends: list[CarriedEnd] = []
        self.aboard: list[tuple[int, int]] = []
        self.left_at = -1
        self.arrival = Wake(self.land)

    def accept(self, token: int, reader: int) -> bool:
        if self.aboard and self.left_at != self.engine.now:
            return False
        if not self.aboard:
            self.left_at = self.engine.now
            self.engine.at(self.engine.now + TRIP, self.arrival)
        self.aboard.append((token, reader))
        return True

    def land(self, _: Any) -> Park:
        for token, reader in self.aboard:
            self.ends[reader].buffer.land(token)
        self.aboard.clear()
        for end in self.ends:
            end.retry()
        return PARK

    def passage(self, token: int, reader: int) -> int:
        return TRIP

    def place_since(self) -> tuple[int, Act]:
        return self.left_at + TRIP if self.left_at >= 0 else -1, BY_TIME

    def holders(self) -> list[Wake]:
        return []

    def carriers(self, reader: int) -> list[Wake]:
        return []

    def contents(self) -> str:
        return f"the ferry has {len(self.aboard)} aboard"

    def standing(self, now: int) -> Sequence[int]:
        return [self.left_at - now, *(reader for _, reader in self.aboard)]


class Shelf(Component):
    """Works some cycles on each token before it frees its slot."""

    token_in = BufferIn(int, doc="tokens")
    work = Operation(doc="working on one")

    cycles = 0
    items = 0

    @process
    def serve(self) -> Process:
        self.begun: list[int] = []
        for token in range(self.items):
            yield self.token_in.arrived(token + 1)
            self.begun.append(self.simulation.engine.now)
            yield self.work.hold(self.cycles)
            self.token_in.free(token + 1)


class Crossing(Component):
    """A feed, a ferry and two shelves; the second one is slow."""

    def build(self) -> None:
        """Connect them; the run ends long after all tokens have crossed."""
        self.feed = self.add(Feed, "feed", PartConfig())
        self.feed.items, self.feed.cycles = 3, (1,)
        self.ferry = Ferry(self.simulation.engine)
        self.shelves = [self.add(Shelf, f"shelf[{i}]", PartConfig()) for i in range(2)]
        for number, shelf in enumerate(self.shelves):
            shelf.items, shelf.cycles = 3, (0, 20)[number]
            end = self.carry(self.feed.token_out, shelf.token_in, 1, self.ferry, number)
            self.ferry.ends.append(end)
        self.drain = self.add(Drain, "drain", PartConfig())
        self.drain.items = 1
        self.last = self.add(Feed, "last", PartConfig())
        self.last.items, self.last.cycles = 1, (100,)
        self.connect(self.last.token_out, self.drain.token_in)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("shuffle", [None, 1, 2])
def test_a_token_sets_out_when_its_reader_has_a_slot_and_the_network_a_place(
    engine: Any, shuffle: int | None
) -> None:
    """The first is shared; then the slow reader's copy is late by its work, and crosses alone."""
    simulation = Simulation([CORE], engine=engine, shuffle=shuffle)
    crossing = simulation.build(Crossing, PartConfig(), "top")
    outcome = simulation.run()
    quick, slow = (shelf.begun for shelf in crossing.shelves)
    assert quick == [1 + TRIP, 6 + TRIP, 31 + TRIP]
    assert slow == [1 + TRIP, 26 + TRIP, 51 + TRIP]
    feed = next(a for a in outcome.accounts if a.path.endswith("feed"))
    assert feed.ticks == {"busy:work": 3, "blocked-output:token_out": 51 - 3, "finished": 100 - 51}


def test_tokens_land_in_order_or_break_a_law() -> None:
    top = build_top()
    feed, shelf = top.add(Feed, "feed", PartConfig()), top.add(Shelf, "shelf", PartConfig())
    ferry = Ferry(top.simulation.engine)
    end = top.carry(feed.token_out, shelf.token_in, 2, ferry, 0)
    with pytest.raises(BrokenLawError, match=r"expected token 0 but got 1: its sender lost, doubled or reor"):
        end.buffer.land(1)
    with pytest.raises(BrokenLawError, match="expected token 0 but got 1"):
        end.put(1)


def test_what_cannot_go_over_a_network_is_refused() -> None:
    top = build_top()
    feed, drain = top.add(Feed, "feed", PartConfig()), top.add(Drain, "drain", PartConfig())
    shelf, late = (top.add(Shelf, name, PartConfig()) for name in ("shelf", "late"))
    slow = top.add(Feed, "slow", PartConfig())
    slow.clock = Clock("slow", CORE.period * 2, 2)
    ferry = Ferry(top.simulation.engine)
    for target, depth in ((drain.token_in, 1), (shelf.token_in, 0)):
        with pytest.raises(WiringError, match="so it needs a BufferIn with at least one slot"):
            top.carry(feed.token_out, target, depth, ferry, 0)
    with pytest.raises(WiringError, match="goes over a network between two clocks; use one clock for both"):
        top.carry(slow.token_out, late.token_in, 1, ferry, 0)
