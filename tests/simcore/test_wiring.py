"""Connections that cannot work are refused before the run, with where, expected, got and next step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from simcore import (
    BufferIn,
    Component,
    In,
    Operation,
    Out,
    PartConfig,
    Process,
    Shared,
    Simulation,
    WiringError,
    process,
)
from simcore.simulation import EngineName
from tests.benches import CORE, ENGINES, Drain, Feed, Stage, StageConfig, build_top, run_component


class Word(int):
    """A payload that is an int, too."""


class Words(Component):
    word_out = Out(Word, doc="words")
    work = Operation(doc="making words")

    @process
    def serve(self) -> Process:
        yield self.work.hold(1)
        yield self.word_out.put(Word(1))


class Texts(Component):
    text_in = In(str, doc="texts")

    @process
    def serve(self) -> Process:
        yield self.text_in.get()


class Books(Component):
    page_in = BufferIn(int, doc="pages")

    @process
    def serve(self) -> Process:
        yield self.page_in.arrived(1)
        self.page_in.free(1)
        self.simulation.finish()


def test_payloads_must_agree_where_a_subclass_agrees_with_its_base() -> None:
    top = build_top()
    words = top.add(Words, "words", PartConfig())
    top.connect(words.word_out, top.add(Drain, "drain", PartConfig()).token_in)
    with pytest.raises(
        WiringError, match=r"top.words.word_out sends Word, but top.texts.text_in takes str; put"
    ):
        top.connect(words.word_out, top.add(Texts, "texts", PartConfig()).text_in)


def test_wrong_connections_are_refused_before_the_run() -> None:
    top = build_top()
    feed, other = (top.add(Feed, name, PartConfig()) for name in ("feed", "other"))
    drain = top.add(Drain, "drain", PartConfig())
    book = top.add(Books, "book", PartConfig())
    with pytest.raises(WiringError, match=r"got In top.drain.token_in and Out top.feed.token_out"):
        top.connect(drain.token_in, feed.token_out)
    with pytest.raises(WiringError, match=r"top.drain.token_in needs a depth of at least 0, got -1"):
        top.connect(feed.token_out, drain.token_in, depth=-1)
    with pytest.raises(WiringError, match=r"needs a depth of at least 1, as it has a latency or a memory"):
        top.connect(feed.token_out, drain.token_in, depth=0, latency=1)
    with pytest.raises(WiringError, match=r"top.drain.token_in needs a depth of at least 1, got 0"):
        top.gather([feed.token_out, other.token_out], drain.token_in, depth=0)
    with pytest.raises(WiringError, match=r"needs a depth; only a BufferIn may be unbounded"):
        top.connect(feed.token_out, drain.token_in, depth=None)
    with pytest.raises(WiringError, match=r"top.drain.token_in needs a latency of at least 0 cycles, got -1"):
        top.connect(feed.token_out, drain.token_in, latency=-1)
    with pytest.raises(
        WiringError, match=r"gather joins one or more Outs and an In, got 2 into top.book.page"
    ):
        top.gather([feed.token_out, other.token_out], book.page_in)
    with pytest.raises(WiringError, match=r"merge joins one or more Outs and an In, got 0 into top.drain"):
        top.merge([], drain.token_in)
    with pytest.raises(WiringError, match=r"no rule 'random'; known: round-robin, oldest, priority"):
        top.merge([feed.token_out], drain.token_in, rule="random")  # type: ignore[arg-type]
    top.connect(feed.token_out, book.page_in, depth=None)
    top.connect(feed.token_out, drain.token_in)
    with pytest.raises(
        WiringError, match=r"a port that is connected already \(top.feed.token_out -> top.drain"
    ):
        top.connect(other.token_out, drain.token_in)


def test_a_port_shown_by_a_composite_is_connected_once_all_the_same() -> None:
    top = build_top()
    box = top.add(Component, "box", PartConfig())
    shown = box.add(Drain, "drain", PartConfig()).token_in
    feeds = [top.add(Feed, f"feed[{i}]", PartConfig()) for i in range(2)]
    top.connect(feeds[0].token_out, shown)
    with pytest.raises(WiringError, match=r"top.box.drain.token_in is connected already.*merge or gather"):
        top.connect(feeds[1].token_out, shown)


def test_ports_that_nobody_connected_are_named_all_at_once() -> None:
    simulation = Simulation([CORE])
    top = simulation.build(Component, PartConfig(), "top")
    top.add(Stage, "stage", StageConfig())
    top.add(Feed, "feed", PartConfig())
    with pytest.raises(
        WiringError, match=r"not connected: top.stage.token_in, top.stage.token_out, top.feed.token_out; conn"
    ):
        simulation.run()


def test_a_port_used_without_a_run_says_that_it_is_not_connected() -> None:
    top = build_top()
    feed, book = top.add(Feed, "feed", PartConfig()), top.add(Books, "book", PartConfig())
    drain, user = top.add(Drain, "drain", PartConfig()), top.add(User, "user", PartConfig())
    uses: list[Callable[[], Any]] = [
        lambda: feed.token_out.put(1),
        lambda: drain.token_in.get(),
        lambda: book.page_in.arrived(1),
        lambda: book.page_in.free(1),
        lambda: user.bus.acquire(),
        lambda: user.bus.release(),
    ]
    for use in uses:
        with pytest.raises(WiringError, match=r"top.\w+.\w+ is used but not connected; connect it where"):
            use()


class User(Component):
    """Uses a shared bus in a way that a test chooses."""

    bus = Shared(doc="the bus")
    work = Operation(doc="using the bus")

    misuse = ""

    @process
    def serve(self) -> Process:
        if self.misuse == "release":
            self.bus.release()
        yield self.bus.acquire()
        if self.misuse == "acquire":
            yield self.bus.acquire()
        yield self.work.hold(1)
        self.bus.release()
        self.simulation.finish()


@pytest.mark.parametrize(
    ("misuse", "complaint"),
    [
        ("acquire", r"top.user.bus acquires top.bus twice; release it in between"),
        ("release", r"top.user.bus releases top.bus without holding it; acquire it before"),
    ],
)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_misused_resource_complains(engine: EngineName, misuse: str, complaint: str) -> None:
    def build(top: Component) -> None:
        user = top.add(User, "user", PartConfig())
        user.misuse = misuse
        top.share([user.bus], "bus")

    with pytest.raises(WiringError, match=complaint):
        run_component(build, engine=engine)


def test_wrong_sharing_is_refused_before_the_run() -> None:
    simulation = Simulation([CORE, type(CORE)("slow", CORE.period * 2)])
    top = simulation.build(Component, PartConfig(), "top")
    user, slow = top.add(User, "user", PartConfig()), top.add(User, "slow", PartConfig(), clock="slow")
    feed, drain = top.add(Feed, "feed", PartConfig(), clock="slow"), top.add(Drain, "drain", PartConfig())
    with pytest.raises(WiringError, match=r"top.bus is shared by Shared ports, got Out top.feed.token_out"):
        top.share([feed.token_out], "bus")
    with pytest.raises(WiringError, match=r"top.bus is shared by nobody; name the ports that use it"):
        top.share([], "bus")
    with pytest.raises(WiringError, match=r"top.bus is shared by components on different clocks; give each"):
        top.share([user.bus, slow.bus], "bus")
    with pytest.raises(WiringError, match=r"top.bus needs a capacity of at least 1, got 0"):
        top.share([user.bus], "bus", capacity=0)
    for verb in (top.gather, top.merge):
        with pytest.raises(
            WiringError, match=rf"would {verb.__name__} tokens of another clock; let them cross"
        ):
            verb([feed.token_out], drain.token_in)
    top.share([user.bus], "bus")
    with pytest.raises(WiringError, match=r"got a port that is connected already \(top.user.bus\)"):
        top.share([user.bus], "bus")
