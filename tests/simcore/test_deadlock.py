"""A machine that stands still says why: the circle of waits, who holds what, and since when."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from simcore import (
    BrokenLawError,
    Component,
    Deadlock,
    In,
    Operation,
    Out,
    PartConfig,
    Process,
    Shared,
    process,
)
from simcore.simulation import EngineName
from tests.benches import ENGINES, Drain, Feed, Stage, StageConfig, run_component


class Loop(Component):
    """Takes a token, and sends `copies` of it round: to itself by way of others."""

    token_in = In(int, doc="tokens from the other")
    token_out = Out(int, doc="tokens to the other")
    work = Operation(doc="serving a token")

    starts = False
    copies = 1

    @process
    def serve(self) -> Process:
        """Pass tokens round for ever, multiplying them."""
        if self.starts:
            yield self.token_out.put(0)
        while True:
            token = yield self.token_in.get()
            yield self.work.hold(2)
            for _ in range(self.copies):
                yield self.token_out.put(token)


class Philosopher(Component):
    """Takes a left, then a right fork, and eats."""

    left = Shared(doc="fork to the left")
    right = Shared(doc="fork to the right")
    token_out = Out(int, doc="a token for each meal")
    think = Operation(doc="thinking")

    @process
    def dine(self) -> Process:
        """Think, take both forks one after the other, report."""
        yield self.think.hold(3)
        yield self.left.acquire()
        yield self.think.hold(1)
        yield self.right.acquire()
        self.left.release()
        self.right.release()
        yield self.token_out.put(0)


def deadlock(build: Callable[[Component], None], engine: EngineName) -> str:
    with pytest.raises(Deadlock) as caught:
        run_component(build, engine=engine)
    return str(caught.value)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_circle_of_full_channels_is_told_with_its_contents(engine: EngineName) -> None:
    """Each of two stages makes two tokens of one, until both channels are full and both want to put."""

    def build(top: Component) -> None:
        first, second = (top.add(Loop, name, PartConfig()) for name in ("first", "second"))
        first.starts = True
        first.copies = second.copies = 2
        top.connect(first.token_out, second.token_in, depth=1)
        top.connect(second.token_out, first.token_in, depth=2)

    assert deadlock(build, engine) == "\n".join(
        [
            "deadlock at tick 8: no event is left, but no component has said finish()",
            "the circle of waits (2 units):",
            "  top.first is blocked by top.second since 6 "
            "(top.first.token_out -> top.second.token_in holds 1 of 1 slots)",
            "  top.second is blocked by top.first since 8 "
            "(top.second.token_out -> top.first.token_in holds 2 of 2 slots)",
            "next step: give one of the full channels of the circle more depth",
        ]
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_a_circle_without_a_token_is_told_as_one_of_inputs(engine: EngineName) -> None:
    def build(top: Component) -> None:
        loops = [top.add(Loop, f"loop[{i}]", PartConfig()) for i in range(3)]
        for i in range(3):
            top.connect(loops[i].token_out, loops[(i + 1) % 3].token_in)

    told = deadlock(build, engine)
    assert "the circle of waits (3 units)" in told
    assert "top.loop[0] waits for input from top.loop[2] since 0" in told
    assert "next step: let one of these units send before it waits for input" in told


@pytest.mark.parametrize("engine", ENGINES)
def test_a_circle_of_resources_names_the_holders(engine: EngineName) -> None:
    def build(top: Component) -> None:
        sages = [top.add(Philosopher, f"sage[{i}]", PartConfig()) for i in range(3)]
        drain = top.add(Drain, "drain", PartConfig())
        drain.items = 3
        top.gather([s.token_out for s in sages], drain.token_in)
        for i in range(3):
            top.share([sages[i].left, sages[i - 1].right], f"fork[{i}]")

    told = deadlock(build, engine)
    assert "deadlock at tick 4: no event is left, but 3 of 3 tokens have not come out" in told
    assert "the circle of waits (3 units)" in told
    assert (
        "top.sage[0] waits for top.sage[1] since 4 (top.fork[1] is held by top.sage[1].left since 3)" in told
    )
    assert "next step: let one of these units release what it holds before it waits" in told


@pytest.mark.parametrize("engine", ENGINES)
def test_a_sender_that_sends_too_little_is_told_without_a_circle(engine: EngineName) -> None:
    def build(top: Component) -> None:
        feed = top.add(Feed, "feed", PartConfig())
        feed.items, feed.cycles = 2, (5,)
        stage = top.add(Stage, "stage", StageConfig())
        drain = top.add(Drain, "drain", PartConfig())
        drain.items = 3
        top.connect(feed.token_out, stage.token_in)
        top.connect(stage.token_out, drain.token_in)

    assert deadlock(build, engine) == "\n".join(
        [
            "deadlock at tick 11: no event is left, but 1 of 3 tokens have not come out",
            "no unit waits in a circle; a sender ended early or sends less than is awaited:",
            "  top.drain waits for input from top.stage since 11 "
            "(top.stage.token_out -> top.drain.token_in holds 0 of 1 slots)",
            "  top.stage waits for input from nobody that still runs since 11 "
            "(top.feed.token_out -> top.stage.token_in holds 0 of 1 slots)",
            "next step: compare what the first of these sends with what the others await",
        ]
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_a_multicast_is_blocked_only_by_those_without_room(engine: EngineName) -> None:
    def build(top: Component) -> None:
        feed = top.add(Feed, "feed", PartConfig())
        feed.items = 4
        drain = top.add(Drain, "drain", PartConfig())
        drain.items = 4
        loop = top.add(Loop, "loop", PartConfig())
        loop.copies = 2
        other = top.add(Loop, "other", PartConfig())
        top.connect(feed.token_out, drain.token_in)
        top.gather([feed.token_out, other.token_out], loop.token_in)
        top.connect(loop.token_out, other.token_in)

    told = deadlock(build, engine)
    assert "top.feed is blocked by top.loop since" in told
    assert "top.drain.token_in holds 0 of 1 slots; top.feed.token_out + top.other.token_out ->" in told


@pytest.mark.parametrize("engine", ENGINES)
def test_waiting_for_a_simpy_event_for_ever_is_told_by_its_name(engine: EngineName) -> None:
    class Waiter(Component):
        token_out = Out(int, doc="never sent")

        @process
        def serve(self) -> Process:
            yield self.waits_for(self.simulation.engine.event(), "the end")  # type: ignore[attr-defined]
            yield self.token_out.put(0)

    def build(top: Component) -> None:
        drain = top.add(Drain, "drain", PartConfig())
        drain.items = 1
        top.connect(top.add(Waiter, "waiter", PartConfig()).token_out, drain.token_in)

    told = deadlock(build, engine)
    assert "top.waiter waits for nobody that still runs since 0 (a SimPy event)" in told


@pytest.mark.parametrize("engine", ENGINES)
def test_waiting_where_nobody_is_charged_is_refused(engine: EngineName) -> None:
    class Waiter(Component):
        token_out = Out(int, doc="never sent")

        @process
        def serve(self) -> Process:
            yield self.simulation.engine.event()  # type: ignore[attr-defined]
            yield self.token_out.put(0)

    def build(top: Component) -> None:
        drain = top.add(Drain, "drain", PartConfig())
        drain.items = 1
        top.connect(top.add(Waiter, "waiter", PartConfig()).token_out, drain.token_in)

    with pytest.raises(
        BrokenLawError, match=r"accounting: top.waiter waits for something that charges nobody"
    ):
        run_component(build, engine=engine)
