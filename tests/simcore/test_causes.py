"""Who ended each wait, and how long before: of every kind of endpoint, and on random networks."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simcore import (
    Activity,
    BufferIn,
    Clock,
    Component,
    Operation,
    Out,
    PartConfig,
    Process,
    Simulation,
    category,
    process,
)
from simcore.activity import NOBODY
from simcore.simulation import EngineName
from tests.benches import ENGINES
from tests.naive_machine import Link, Node, ProcessNetwork
from tests.process_networks import acyclic_networks, contended_networks, simulate_network
from tests.stretches import insist_on_equal

Wait = tuple[str, str, int, int, str, int]  # unit, state, start, end, who ended it, how long before


def recorded(network: ProcessNetwork, engine: EngineName = "lean", **options: Any) -> Activity:
    outcome, _ = simulate_network(network, engine, record=True, **options)
    assert outcome.activity is not None
    return outcome.activity


def waits_of(activity: Activity) -> list[Wait]:
    """Return all waits that somebody ended."""
    return [
        (
            activity.units[unit],
            activity.states[state],
            int(start),
            int(start + duration),
            activity.units[cause],
            int(lag),
        )
        for unit, state, start, duration, cause, lag in zip(*activity.columns().values(), strict=True)
        if cause != NOBODY
    ]


def insist_on(network: ProcessNetwork, *expected: Wait) -> None:
    """Each engine tells just these waits, with relays and without."""
    for engine in ENGINES:
        for relays in (False, True):
            assert waits_of(recorded(network, engine, relays=relays)) == list(expected)


def pair(source: int, sink: int, periods: tuple[int, int] = (1, 1), **link: Any) -> ProcessNetwork:
    """Return a source and a sink of three tokens, which take so many cycles for each."""
    nodes = Node("source", (source,), periods[0], 3), Node("sink", (sink,), periods[1], 3)
    return ProcessNetwork(nodes, (Link(("source",), "sink", **link),))


INPUT, OUTPUT = "wait-input:token_in[0]", "blocked-output:token_out"


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_a_token_is_waited_for_until_it_is_put(depth: int) -> None:
    """Over a handshake as over a channel: one is made every 5 cycles, and served in 1."""
    insist_on(
        pair(5, 1, depth=depth),
        ("sink", INPUT, 0, 5, "source", 0),
        ("sink", INPUT, 6, 10, "source", 0),
        ("sink", INPUT, 11, 15, "source", 0),
    )


def test_room_is_waited_for_until_a_token_is_taken() -> None:
    """Of tokens put in 1, 2 and 3, the first is taken in 1 and the second in 6; the third needs its slot."""
    insist_on(
        pair(1, 5),
        ("sink", INPUT, 0, 1, "source", 0),
        ("source", OUTPUT, 3, 6, "sink", 0),
    )


def test_over_a_handshake_the_writer_waits_until_its_reader_is_there() -> None:
    insist_on(
        pair(1, 5, depth=0),
        ("sink", INPUT, 0, 1, "source", 0),
        ("source", OUTPUT, 2, 6, "sink", 0),
        ("source", OUTPUT, 7, 11, "sink", 0),
    )


def test_a_latency_passes_between_act_and_end_also_where_it_began_before_the_wait() -> None:
    insist_on(
        pair(5, 4, latency=3),
        ("sink", INPUT, 0, 8, "source", 3),
        ("sink", INPUT, 12, 13, "source", 3),
        ("sink", INPUT, 17, 18, "source", 3),
    )


def test_between_clocks_the_next_edge_is_waited_for() -> None:
    """Put in 3, 6 and 9, seen at the edges 4, 6 and 10; a slot freed in 14 is seen at the edge 15."""
    insist_on(
        pair(1, 1, (3, 2)),
        ("sink", INPUT, 0, 4, "source", 1),
        ("sink", INPUT, 8, 10, "source", 1),
    )
    insist_on(
        pair(1, 5, (3, 2)),
        ("sink", INPUT, 0, 4, "source", 1),
        ("source", OUTPUT, 9, 15, "sink", 1),
    )


def test_of_parts_the_latest_one_ended_the_wait() -> None:
    """Parts of the first token come in 2 and 4, of the second in 8 and 5; each is there a cycle later."""
    nodes = Node("a", (2, 6), 1, 2), Node("b", (4, 1), 1, 2), Node("sink", (0,), 1, 2)
    insist_on(
        ProcessNetwork(nodes, (Link(("a", "b"), "sink", 2, 1, "gather"),)),
        ("sink", INPUT, 0, 5, "b", 1),
        ("sink", INPUT, 5, 9, "a", 1),
    )


def test_of_parts_that_come_together_that_of_the_first_path_is_named() -> None:
    nodes = Node("b", (3,), 1, 1), Node("a", (3,), 1, 1), Node("sink", (0,), 1, 1)
    link = Link(("b", "a"), "sink", 1, 0, "gather")
    insist_on(ProcessNetwork(nodes, (link,)), ("sink", INPUT, 0, 3, "a", 0))


def test_a_sender_to_many_waits_for_the_last_taker() -> None:
    """All three tokens are ready in 0: the second waits in both channels, the third for both to be free."""
    nodes = Node("source", (0,), 1, 3), Node("a", (2, 7)), Node("b", (5, 1)), Node("sink", (0,), 1, 3)
    links = Link(("source",), "a"), Link(("source",), "b"), Link(("a",), "sink"), Link(("b",), "sink")
    second = "wait-input:token_in[1]"
    insist_on(
        ProcessNetwork(nodes, links),
        ("sink", INPUT, 0, 2, "a", 0),
        ("sink", second, 2, 5, "b", 0),
        ("sink", INPUT, 5, 9, "a", 0),
        ("sink", INPUT, 9, 11, "a", 0),
        ("source", OUTPUT, 0, 5, "b", 0),
    )


def test_a_resource_is_waited_for_until_it_is_given_back() -> None:
    """In front of `b` go both turns of `a`, the second of which gives it back."""
    nodes = Node("a", (4,), 1, 2, "bus"), Node("b", (3,), 1, 2, "bus"), Node("sink", (0,), 1, 2)
    links = Link(("a",), "sink"), Link(("b",), "sink")
    insist_on(
        ProcessNetwork(nodes, links, {"bus": (1, "priority")}),
        ("b", "wait-resource:bus", 0, 8, "a", 0),
        ("sink", INPUT, 0, 4, "a", 0),
        ("sink", "wait-input:token_in[1]", 4, 11, "b", 0),
        ("sink", "wait-input:token_in[1]", 11, 14, "b", 0),
    )


def test_where_senders_merge_a_turn_is_waited_for_or_room() -> None:
    """Tokens of `a` and `b` come in 2, of which one is accepted a cycle; that of `c` finds the slot taken."""
    nodes = (*(Node(name, (cycles,), 1, 1) for name, cycles in zip("abc", (2, 2, 3), strict=True)),)
    links = (Link(("a", "b", "c"), "sink", 1, 0, "merge"),)
    insist_on(
        ProcessNetwork((*nodes, Node("sink", (4,), 1, 3)), links),
        ("b", OUTPUT, 2, 3, "a", 1),
        ("c", OUTPUT, 3, 6, "sink", 0),
        ("sink", INPUT, 0, 2, "a", 0),
    )


@given(acyclic_networks() | contended_networks(), st.integers(0, 99), st.booleans())
@settings(deadline=None, max_examples=40)
def test_causes_do_not_depend_on_order_engine_or_relays(
    network: ProcessNetwork, shuffle: int, relays: bool
) -> None:
    plain = recorded(network)
    for engine in ENGINES:
        insist_on_equal(recorded(network, engine, shuffle=shuffle, relays=relays), plain)


@given(acyclic_networks() | contended_networks())
@settings(deadline=None, max_examples=100)
def test_each_wait_was_ended_by_a_neighbour_that_acted_between_two_of_its_intervals(
    network: ProcessNetwork,
) -> None:
    """Or while it waited for the last taker of a token, of which others take their copies as they can."""
    activity = recorded(network)
    assert activity.units[activity.finisher] == "sink"
    moments: dict[str, set[int]] = {name: {0} for name in activity.units}
    end = activity.start + activity.duration
    for unit, *bounds in zip(activity.unit, activity.start.tolist(), end.tolist(), strict=True):
        moments[activity.units[unit]].update(bounds)
    waits = np.array([category(state).startswith(("wait", "blocked")) for state in activity.states], bool)
    waits = waits[activity.state]
    assert (activity.cause[waits & (end < activity.makespan)] != NOBODY).all()
    assert (activity.cause[~waits] == NOBODY).all()
    for waiting, state, _, until, cause, lag in waits_of(activity):
        assert cause in may_end(network, waiting, state)
        assert 0 <= lag <= until
        act = until - lag
        if act not in moments[cause]:
            mine = activity.unit == activity.units.index(cause)
            (row,) = np.flatnonzero(mine & (activity.start < act) & (end > act))
            assert activity.states[activity.state[row]] == OUTPUT
            assert sum(cause in link.writers for link in network.links) > 1


def may_end(network: ProcessNetwork, unit: str, state: str) -> set[str]:
    """Return who is at the other side of what a unit waits at, or has the same turns."""
    kind, _, detail = state.partition(":")
    if kind == "wait-resource":
        return {node.name for node in network.nodes if node.shares == detail} - {unit}
    if kind == "wait-input":
        links = [link for link in network.links if link.reader == unit]
        return set(links[int(detail.removeprefix("token_in[").removesuffix("]"))].writers)
    links = [link for link in network.links if unit in link.writers]
    turns = {writer for link in links if link.kind == "merge" for writer in link.writers}
    return {link.reader for link in links} | turns


class Filler(Component):
    """Fills a memory token by token, and notes when each was accepted."""

    pixel_out = Out(int, doc="tokens")
    feed = Operation(doc="making a token")

    cycles: tuple[int, ...] = (1,)
    tokens = 12

    @process
    def serve(self) -> Process:
        """Make tokens and put them."""
        self.came: list[int] = []
        for token in range(self.tokens):
            yield self.feed.hold(self.cycles[token % len(self.cycles)])
            yield self.pixel_out.put(token)
            self.came.append(self.simulation.engine.now)


class WindowReader(Component):
    """Reads windows of several tokens, frees some ahead of their coming, and notes when it frees each."""

    pixel_in = BufferIn(int, doc="tokens")
    work = Operation(doc="work on a window")

    cycles: tuple[int, ...] = (1,)
    tokens = 12
    window, ahead = 1, 0

    @process
    def serve(self) -> Process:
        """Wait for windows, work on each, free tokens."""
        self.gone: list[int] = []
        for last in range(self.window, self.tokens + 1):
            yield self.pixel_in.arrived(last)
            yield self.work.hold(self.cycles[last % len(self.cycles)])
            self.free_below(min(self.tokens, last - self.window + 1 + self.ahead))
        self.free_below(self.tokens)
        self.simulation.finish()

    def free_below(self, index: int) -> None:
        """Free tokens."""
        self.pixel_in.free(index)
        self.gone += [self.simulation.engine.now] * (index - len(self.gone))


def memory(
    feed: tuple[int, ...],
    work: tuple[int, ...],
    window: int = 1,
    ahead: int = 0,
    depth: int = 4,
    latency: int = 0,
    periods: tuple[int, int] = (1, 1),
    engine: EngineName = "lean",
    tokens: int = 12,
    shuffle: int | None = None,
) -> tuple[Activity, Filler, WindowReader]:
    """Return the recording of a run in which one fills a memory, and another one reads windows from it."""
    domains = [Clock(f"clock{i}", Fraction(period, 10**9)) for i, period in enumerate((*periods, 1))]
    simulation = Simulation(domains, engine=engine, record=True, shuffle=shuffle)
    root = simulation.build(Component, PartConfig())
    filler = root.add(Filler, "filler", PartConfig(), clock="clock0")
    reader = root.add(WindowReader, "reader", PartConfig(), clock="clock1")
    filler.cycles, reader.cycles, filler.tokens, reader.tokens = feed, work, tokens, tokens
    reader.window, reader.ahead = window, ahead
    root.connect(filler.pixel_out, reader.pixel_in, depth=depth, latency=latency)
    activity = simulation.run().activity
    assert activity is not None
    return activity, filler, reader


@pytest.mark.parametrize("engine", ENGINES)
def test_of_a_window_its_last_token_ended_the_wait_and_room_ends_with_a_free(engine: EngineName) -> None:
    """The third token is put in 3 and seen in 4; work of 4 cycles begins, behind which a slot is free."""
    activity, _, _ = memory((1,), (4,), window=3, depth=3, latency=1, engine=engine, tokens=5)
    assert waits_of(activity) == [
        ("filler", "blocked-output:pixel_out", 4, 8, "reader", 0),
        ("filler", "blocked-output:pixel_out", 9, 13, "reader", 0),
        ("reader", "wait-input:pixel_in", 0, 4, "filler", 1),
        ("reader", "wait-input:pixel_in", 8, 9, "filler", 1),
        ("reader", "wait-input:pixel_in", 13, 14, "filler", 1),
    ]


periods = st.tuples(st.integers(1, 3), st.integers(1, 3))
services = st.lists(st.integers(0, 5), min_size=1, max_size=3).map(tuple)


@given(services, services, *3 * [st.integers(0, 4)], periods, st.integers(0, 9))
@settings(deadline=None, max_examples=40)
def test_what_a_memory_held_is_what_came_less_what_was_freed(
    feed: tuple[int, ...],
    work: tuple[int, ...],
    window: int,
    room: int,
    latency: int,
    clocks: tuple[int, int],
    shuffle: int,
) -> None:
    """A token that was freed before it came never took a slot; the acts of both end each other's waits."""
    options: dict[str, Any] = {"window": window + 1, "ahead": room % 3, "depth": window + 1 + room}
    options |= {"latency": latency, "periods": clocks}
    activity, filler, reader = memory(feed, work, **options)
    (trace,) = activity.buffers
    assert (trace.path, trace.slots) == ("reader.pixel_in", window + 1 + room)
    held, known = 0, dict(zip(trace.tick.tolist(), trace.held.tolist(), strict=True))
    for tick in range(activity.makespan + 1):
        held = known.get(tick, held)
        assert held == sum(
            came <= tick < max(came, gone) for came, gone in zip(filler.came, reader.gone, strict=True)
        )
    acts = {"filler": {0, *filler.came}, "reader": {0, *reader.gone}}
    for unit, _, _, end, cause, lag in waits_of(activity):
        assert {unit, cause} == {"filler", "reader"}
        assert end - lag in acts[cause]
    for engine in ENGINES:
        insist_on_equal(memory(feed, work, **options, engine=engine, shuffle=shuffle)[0], activity)
