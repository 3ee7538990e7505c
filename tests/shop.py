"""A shop: a feeder, workers and a drain, wired in any way, whose run may leave out what repeats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from hypothesis import strategies as st

from simcore import (
    Component,
    In,
    Limits,
    Operation,
    Out,
    Outcome,
    PartConfig,
    Process,
    Shared,
    Simulation,
    clock,
    process,
)
from simcore.arbiter import Rule
from simcore.history import Moments
from simcore.simulation import EngineName

SPREADS = (("copies", "merge"), ("copies", "gather"), ("turns", "merge"), ("turns", "collect"))


class Feeder(Component):
    """Sends the tokens of every item, each after its own time."""

    token_out = Out(int, doc="tokens")
    make = Operation(doc="making a token")

    items = 0
    per_item = 1
    begun = 0
    cycles: Sequence[int] = (1,)

    @process
    def serve(self) -> Process:
        """Make tokens."""
        token = 0
        while token < self.items * self.per_item:
            self.begun = token // self.per_item + 1
            yield self.make.hold(self.cycles[token % len(self.cycles)])
            yield self.token_out.put(token)
            token += 1

    def phase(self, items: int) -> tuple[int, ...]:
        """Return the token of the present item, and the time that its first one takes."""
        first = items * self.per_item
        return self.make.count - first, first % len(self.cycles)


class Worker(Component):
    """Works on one token at a time, with a tool that it may share."""

    token_in = In(int, doc="tokens")
    token_out = Out(int, doc="the same ones")
    work = Operation(doc="work on a token")

    cycles: Sequence[int] = (1,)
    tool: Any = None
    relayed = False

    @process
    def serve(self) -> Process:
        """Take a token, work on it, hand it on."""
        if self.relayed:
            relay = self.relay(self.work, self.token_in, self.token_out)
            token = yield relay.get()
            while True:
                token = yield relay.next(self.cycles[self.work.count % len(self.cycles)], token)
        while True:
            token = yield self.token_in.get()
            if self.tool is not None:
                yield self.tool.acquire()
            yield self.work.hold(self.cycles[self.work.count % len(self.cycles)])
            if self.tool is not None:
                self.tool.release()
            yield self.token_out.put(token)

    def phase(self, items: int) -> tuple[int, ...]:
        """Return which of its times comes next."""
        return (self.work.count % len(self.cycles),)


class Drain(Component):
    """Takes tokens and counts items."""

    token_in = In(int, doc="tokens")

    items = 0
    per_item = 1
    received = 0

    def build(self) -> None:
        """Begin with no items."""
        self.completed = Moments()
        self.books.append(self.completed)

    @process
    def serve(self) -> Process:
        """Take all tokens."""
        self.simulation.expect(self.items, "items", lambda: len(self.completed))
        while len(self.completed) < self.items:
            yield self.token_in.get()
            self.received += 1
            if self.received % self.per_item == 0:
                self.completed.append(self.simulation.engine.now)
                if len(self.completed) < self.items:
                    self.simulation.arrived()
        self.simulation.finish()

    def phase(self, items: int) -> tuple[int, ...]:
        """Return the token of the present item."""
        return (self.received - items * self.per_item,)


@dataclass(frozen=True)
class Shop:
    """A feeder, some workers and a drain.

    feed, work : times of a token, in turn; those of each worker
    spread, join : how tokens go to the workers, and how they come together
    relays : whether workers say what they do in one command
    tools, rule : tools that they share, None where each has its own; who gets one first
    """

    feed: tuple[int, ...] = (1,)
    work: tuple[tuple[int, ...], ...] = ((2,),)
    per_item: int = 1
    spread: Literal["copies", "turns"] = "copies"
    join: Literal["merge", "gather", "collect"] = "gather"
    depth: int = 1
    latency: int = 0
    tools: int | None = None
    rule: Rule = "round-robin"
    slow_feeder: bool = False
    relays: bool = False


class Floor(Component):
    """The shop, built."""

    worker: type[Worker] = Worker

    def lay_out(self, shop: Shop, items: int) -> None:
        """Build and wire it."""
        self.feeder = self.add(Feeder, "feeder", PartConfig(), clock="slow" if shop.slow_feeder else "core")
        self.workers = [self.add(self.worker, f"worker[{i}]", PartConfig()) for i in range(len(shop.work))]
        self.drain = self.add(Drain, "drain", PartConfig())
        self.feeder.cycles = shop.feed
        for worker, cycles in zip(self.workers, shop.work, strict=True):
            worker.cycles, worker.relayed = cycles, shop.relays
        copies = len(self.workers) if (shop.spread, shop.join) == ("copies", "merge") else 1
        self.feeder.per_item, self.drain.per_item = shop.per_item, shop.per_item * copies
        self.end_after(items)
        if shop.spread == "turns":
            self.deal(self.feeder.token_out, [[w.token_in] for w in self.workers], shop.depth, shop.latency)
        else:
            for worker in self.workers:
                self.connect(self.feeder.token_out, worker.token_in, shop.depth, shop.latency)
        outs = [worker.token_out for worker in self.workers]
        depth = max(1, shop.depth)
        if shop.join == "collect":
            self.collect([[out] for out in outs], self.drain.token_in, depth, shop.latency)
        elif shop.join == "merge":
            self.merge(outs, self.drain.token_in, depth, shop.latency, shop.rule)
        else:
            self.gather(outs, self.drain.token_in, depth, shop.latency)
        if shop.tools is not None:
            tools = [worker.port(Shared(doc="a tool"), "tool") for worker in self.workers]
            for worker, tool in zip(self.workers, tools, strict=True):
                worker.tool = tool
            self.share(tools, "tools", shop.tools, shop.rule)

    def begun(self) -> int:
        """Return how many items some part works for, or waits for."""
        return max(self.feeder.begun, 1 + len(self.drain.completed))

    def end_after(self, items: int) -> None:
        """Let the run be over after so many items."""
        self.feeder.items = self.drain.items = items


class Day:
    """One run of a shop."""

    def __init__(
        self,
        shop: Shop,
        items: int,
        *,
        skip: bool,
        engine: EngineName = "lean",
        shuffle: int | None = None,
        limits: Limits | None = None,
        floor: type[Floor] = Floor,
    ) -> None:
        clocks = [clock("core", 3 * 10**9), clock("slow", 2 * 10**9)]
        simulation = Simulation(clocks, engine=engine, record=True, shuffle=shuffle, limits=limits)
        self.floor = simulation.build(floor, PartConfig())
        self.floor.lay_out(shop, items)
        if skip:
            simulation.fast_forward(self.floor.begun, self.floor.end_after)
        self.outcome: Outcome = simulation.run()
        self.completed = self.floor.drain.completed

    @property
    def told(self) -> str:
        assert self.outcome.fast_forward is not None
        return self.outcome.fast_forward.told

    @property
    def skipped(self) -> int:
        assert self.outcome.fast_forward is not None
        return self.outcome.fast_forward.items


def insist_on_equal(one: Day, other: Day) -> None:
    """Both days are the same in everything but how they were found."""
    a, b = one.outcome, other.outcome
    assert one.completed == other.completed
    assert (a.makespan, a.accounts, a.energy, a.area) == (b.makespan, b.accounts, b.energy, b.area)
    assert a.activity is not None
    assert b.activity is not None
    assert (a.activity.units, a.activity.makespan) == (b.activity.units, b.activity.makespan)
    for rows, others in zip(named(a.activity), named(b.activity), strict=True):
        assert np.array_equal(rows, others)


def named(activity: Any) -> list[Any]:
    """Return the columns of an activity, with states by name."""
    return [activity.unit, np.array(activity.states)[activity.state], activity.start, activity.duration]


times = st.lists(st.integers(1, 7), min_size=1, max_size=3).map(tuple)


@st.composite
def shops(draw: st.DrawFn) -> Shop:
    spread, join = draw(st.sampled_from(SPREADS))
    slow, latency = draw(st.booleans()), draw(st.integers(0, 9))
    tools = draw(st.none() | st.integers(1, 2))
    holds_nothing = not slow and not latency and draw(st.booleans())
    return Shop(
        feed=draw(times),
        work=tuple(draw(st.lists(times, min_size=1, max_size=4))),
        per_item=draw(st.integers(1, 5)),
        spread=spread,  # type: ignore[arg-type]
        join=join,  # type: ignore[arg-type]
        depth=0 if holds_nothing else draw(st.integers(1, 4)),
        latency=latency,
        tools=tools,
        relays=tools is None and draw(st.booleans()),
        rule=draw(st.sampled_from(("round-robin", "oldest", "priority"))),
        slow_feeder=slow,
    )
