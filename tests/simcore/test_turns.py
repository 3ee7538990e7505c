"""Dealing and collecting in turn, and handing over without a slot."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simcore import (
    BufferIn,
    Component,
    In,
    Operation,
    Out,
    PartConfig,
    Process,
    Simulation,
    WiringError,
    clock,
    param,
    process,
)
from simcore.simulation import EngineName


class ServerConfig(PartConfig):
    cycles: int = param(1, ge=1, unit="cycle", doc="service")


class Server(Component):
    Config = ServerConfig
    token_in = In(int, doc="tokens")
    token_out = Out(int, doc="tokens")
    work = Operation(doc="service")

    @process
    def serve(self) -> Process:
        while True:
            token = yield self.token_in.get()
            yield self.work.hold(self.config.cycles)
            yield self.token_out.put(token)


class Feed(Component):
    token_out = Out(int, doc="tokens")
    sent: list[int]
    tokens = 0

    @process
    def serve(self) -> Process:
        self.sent = []
        for token in range(self.tokens):
            yield self.token_out.put(token)
            self.sent.append(self.simulation.engine.now)


class Drain(Component):
    token_in = In(int, doc="tokens")
    tokens = 0

    @process
    def serve(self) -> Process:
        self.came: list[tuple[int, int]] = []
        for _ in range(self.tokens):
            token = yield self.token_in.get()
            self.came.append((token, self.simulation.engine.now))
        self.simulation.finish()


class Farm(Component):
    """A feed that deals to servers of their own speeds, from which a drain collects in turn."""

    def lay_out(self, services: list[int], tokens: int, depth: int) -> None:
        self.feed = self.add(Feed, "feed", PartConfig())
        self.drain = self.add(Drain, "drain", PartConfig())
        self.feed.tokens = self.drain.tokens = tokens
        servers = [self.add(Server, f"server[{i}]", ServerConfig(cycles=c)) for i, c in enumerate(services)]
        self.deal(self.feed.token_out, [[s.token_in] for s in servers], depth=depth)
        self.collect([[s.token_out] for s in servers], self.drain.token_in, depth=1)


def farm(
    services: list[int], tokens: int, depth: int, engine: EngineName, shuffle: int | None = None
) -> Farm:
    simulation = Simulation([clock("core", 10**9)], engine=engine, shuffle=shuffle)
    built = simulation.build(Farm, PartConfig(), "farm")
    built.lay_out(services, tokens, depth)
    simulation.run()
    return built


def recurrence(services: list[int], tokens: int) -> tuple[list[int], list[int]]:
    """Return when each token is handed to its server, which holds nothing else, and when it is collected.

    A server takes its next token once its last one lies in its output slot, which the drain empties in turn.
    """
    taken: list[int] = []
    collected: list[int] = []
    out: list[int] = []
    n = len(services)
    for k in range(tokens):
        taken.append(max(taken[k - 1] if k else 0, out[k - n] if k >= n else 0))
        done = taken[k] + services[k % n]
        out.append(max(done, collected[k - n] if k >= n else 0))
        collected.append(max(out[k], collected[k - 1] if k else 0))
    return taken, collected


@pytest.mark.parametrize("engine", ["lean", "stock"])
@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(1, 30), st.integers(0, 9))
def test_a_farm_hands_over_only_when_the_next_server_is_free_and_keeps_the_order(
    engine: EngineName, services: list[int], tokens: int, shuffle: int
) -> None:
    run = farm(services, tokens, 0, engine, shuffle)
    taken, collected = recurrence(services, tokens)
    assert run.feed.sent == taken
    assert run.drain.came == list(enumerate(collected))


def test_a_slot_lets_the_sender_run_ahead_of_the_server() -> None:
    assert farm([5], 3, 0, "lean").feed.sent == [0, 5, 10]
    assert farm([5], 3, 1, "lean").feed.sent == [0, 0, 5]


def test_equal_servers_give_as_many_tokens_a_cycle_as_there_are_servers() -> None:
    came = [tick for _, tick in farm([4, 4, 4, 4], 12, 0, "lean").drain.came]
    assert came == [4] * 4 + [8] * 4 + [12] * 4


class Store(Component):
    token_in = BufferIn(int, doc="tokens")


class Yard(Component):
    """Components that nothing joins yet."""

    def build(self) -> None:
        self.a, self.b = self.add(Feed, "a", PartConfig()), self.add(Feed, "b", PartConfig())
        self.c, self.d = self.add(Drain, "c", PartConfig()), self.add(Drain, "d", PartConfig())
        self.store = self.add(Store, "store", PartConfig())

    def deal_and_connect(self) -> None:
        self.deal(self.a.token_out, [[self.c.token_in]])
        self.connect(self.a.token_out, self.d.token_in)

    def connect_and_deal(self) -> None:
        self.connect(self.a.token_out, self.d.token_in)
        self.deal(self.a.token_out, [[self.c.token_in]])

    def deal_twice(self) -> None:
        self.deal(self.a.token_out, [[self.c.token_in]])
        self.deal(self.a.token_out, [[self.d.token_in]])

    def deal_and_gather(self) -> None:
        self.deal(self.a.token_out, [[self.c.token_in]])
        self.gather([self.a.token_out, self.b.token_out], self.d.token_in)

    def deal_and_collect(self) -> None:
        self.deal(self.a.token_out, [[self.c.token_in]])
        self.collect([[self.a.token_out], [self.b.token_out]], self.d.token_in)

    def connect_and_collect(self) -> None:
        self.connect(self.a.token_out, self.c.token_in)
        self.collect([[self.b.token_out]], self.c.token_in)

    def collect_and_connect(self) -> None:
        self.collect([[self.b.token_out]], self.c.token_in)
        self.connect(self.a.token_out, self.c.token_in)


def yard() -> Yard:
    return Simulation([clock("core", 10**9)]).build(Yard, PartConfig(), "yard")


@pytest.mark.parametrize(
    "wire",
    [
        Yard.deal_and_connect,
        Yard.connect_and_deal,
        Yard.deal_twice,
        Yard.deal_and_gather,
        Yard.deal_and_collect,
    ],
)
def test_a_port_that_deals_takes_part_in_nothing_else(wire: Callable[[Yard], None]) -> None:
    with pytest.raises(WiringError, match=r"yard\.a\.token_out deals its tokens in turn"):
        wire(yard())


@pytest.mark.parametrize("wire", [Yard.connect_and_collect, Yard.collect_and_connect])
def test_an_input_that_collects_is_connected_to_nothing_else(wire: Callable[[Yard], None]) -> None:
    with pytest.raises(WiringError, match="connected already"):
        wire(yard())


def test_turns_are_taken_by_somebody() -> None:
    built = yard()
    with pytest.raises(WiringError, match=r"yard\.a\.token_out deals to nobody"):
        built.deal(built.a.token_out, [])
    with pytest.raises(WiringError, match=r"yard\.a\.token_out deals to nobody in some turn"):
        built.deal(built.a.token_out, [[built.c.token_in], []])
    with pytest.raises(WiringError, match=r"yard\.c\.token_in collects from nobody"):
        built.collect([], built.c.token_in)


def test_a_memory_takes_no_turns_as_its_tokens_are_counted() -> None:
    built = yard()
    with pytest.raises(WiringError, match=r"deal joins Outs to Ins, got BufferIn yard\.store\.token_in"):
        built.deal(built.a.token_out, [[built.c.token_in], [built.store.token_in]])
    with pytest.raises(WiringError, match=r"collect joins Outs to Ins, got BufferIn yard\.store\.token_in"):
        built.collect([[built.a.token_out], [built.b.token_out]], built.store.token_in)
