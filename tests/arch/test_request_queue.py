"""Whose request is next: each built-in rule against a few lines that say the same, and rules of one's own."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch import ClosedArrivals, Head, QueueConfig, RequestQueue, TimedArrivals
from arch.request_queue import queue_on
from simcore import (
    Component,
    ConfigError,
    Deadlock,
    MappingError,
    ModelError,
    Operation,
    PartConfig,
    Process,
    Simulation,
    WiringError,
    clock,
    components,
    process,
)
from tests.benches import ENGINES

NAMES = ("anna", "bert", "carl")


class Server(Component):
    """Serves the requests of one network, one by one: source, machine and sink in one."""

    serve_one = Operation(doc="work on a request")
    work: int = 1
    images: int = 0
    completes = True
    done: Callable[[], None]
    requests: Any = None

    def build(self) -> None:
        """Begin with no requests."""
        self.accepted: list[int] = []
        self.completed: list[int] = []

    @process
    def serve(self) -> Process:
        """Take a request, work, say so."""
        for _ in range(self.images):
            yield self.requests.next()
            self.accepted.append(self.simulation.engine.now)
            yield self.serve_one.hold(self.work)
            if self.completes:
                self.completed.append(self.simulation.engine.now)
                self.requests.complete()
                self.done()


class Hall(Component):
    """Servers behind one queue."""

    def lay_out(
        self, config: QueueConfig, works: Sequence[int], plans: Sequence[Any], counts: Sequence[int]
    ) -> None:
        self.queue = queue_on(self, config, NAMES)
        self.served = 0
        self.simulation.expect(sum(counts), "requests", lambda: self.served)
        self.servers = []
        for name, work, plan, images in zip(NAMES, works, plans, counts, strict=False):
            server = self.add(Server, f"server[{name}]", PartConfig())
            server.work, server.images = work, images
            server.done = lambda: self.count(sum(counts))
            self.queue.admit(name, work, plan, images, server, server)  # type: ignore[arg-type]
            self.servers.append(server)

    def count(self, total: int) -> None:
        self.served += 1
        if self.served == total:
            self.simulation.finish()


def hall(
    config: QueueConfig, works: Sequence[int], plans: Sequence[Any], counts: Sequence[int], **options: Any
) -> Hall:
    """Return a hall that has not run yet."""
    simulation = Simulation([clock("core", 10**9)], **options)
    built = simulation.build(Hall, PartConfig())
    built.lay_out(config, works, plans, counts)
    return built


def run(
    config: QueueConfig, works: Sequence[int], arrivals: Sequence[Sequence[int]], **options: Any
) -> list[list[int]]:
    """Return when the requests of each network are let in."""
    plans = [TimedArrivals(tuple(cycles)) for cycles in arrivals]
    ready = hall(config, works, plans, [len(cycles) for cycles in arrivals], **options)
    assert isinstance(ready.simulation, Simulation)
    ready.simulation.run()
    return [list(line.started) for line in ready.queue.lines]


@dataclass
class Twin:
    """One server, tick by tick, with the heads of all lines in view."""

    works: Sequence[int]
    arrivals: Sequence[Sequence[int]]

    def starts(self, key: Callable[[int, int, int], Any]) -> list[list[int]]:
        """Return when requests are let in; `key` ranks a head by its place, its arrival and who went last."""
        starts: list[list[int]] = [[] for _ in self.arrivals]
        free, last = 0, -1
        for tick in range(10_000):
            if tick < free:
                continue
            waiting = [
                (place, cycles[len(starts[place])])
                for place, cycles in enumerate(self.arrivals)
                if len(starts[place]) < len(cycles) and cycles[len(starts[place])] <= tick
            ]
            if waiting:
                last = min((key(place, arrived, last), place) for place, arrived in waiting)[1]
                starts[last].append(tick)
                free = tick + self.works[last]
        return starts


RULES: dict[str, Callable[[Sequence[int]], Callable[[int, int, int], Any]]] = {
    "queue": lambda works: lambda place, arrived, last: arrived,
    "queue-round-robin": lambda works: lambda place, arrived, last: (place - last - 1) % len(works),
    "queue-priority": lambda works: lambda place, arrived, last: ({0: 2, 1: 0, 2: 1}[place], arrived),
    "queue-shortest-first": lambda works: lambda place, arrived, last: (works[place], arrived),
}


@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=3),
    st.data(),
    st.sampled_from(ENGINES),
    st.none() | st.integers(0, 9),
)
@pytest.mark.parametrize("kind", RULES)
@settings(deadline=None, max_examples=40)
def test_the_rules_do_what_a_few_lines_say(
    kind: str, works: list[int], data: st.DataObject, engine: Any, shuffle: int | None
) -> None:
    cycles = st.lists(st.integers(0, 120), min_size=1, max_size=6).map(sorted)
    arrivals = [data.draw(cycles) for _ in works]
    values: dict[str, Any] = {"kind": kind, "most_in_service": 1}
    if kind == "queue-priority":
        values["priorities"] = {"anna": 2, "carl": 1}
    config = components.config_of(kind).parse(values)
    assert isinstance(config, QueueConfig)
    expected = Twin(works, arrivals).starts(RULES[kind](works))
    assert run(config, works, arrivals, engine=engine, shuffle=shuffle) == expected


def test_as_many_are_let_in_as_may_be_and_none_without_a_source_that_asks() -> None:
    arrivals = [[0, 0], [0, 0], [0]]
    assert run(QueueConfig(kind="queue"), (5, 7, 9), arrivals) == [[0, 5], [0, 7], [0]]
    two = QueueConfig(kind="queue", most_in_service=2)
    assert run(two, (5, 7, 9), [[0, 0], [0, 0], [1]]) == [[0, 5], [0, 7], [10]]
    # Anna's second is older, but anna works until 5.
    assert run(two, (5, 9), [[0, 0], [1]]) == [[0, 5], [1]]


# -- rules of one's own --------------------------------------------------------------------------------------


def of_kind(cls: type[RequestQueue], name: str) -> QueueConfig:
    components.register(name)(cls)
    return QueueConfig.parse({"kind": name, "most_in_service": 1})


def test_a_rule_may_look_at_all_that_it_is_given() -> None:
    seen: list[Head] = []

    class Longest(RequestQueue):
        """The longest line goes first."""

        def first(self, heads: Sequence[Head]) -> Head:
            seen.extend(heads)
            return max(heads, key=lambda head: (head.waiting, -head.place))

    config = of_kind(Longest, "longest-queue")
    assert run(config, (4, 6), [[0], [1, 2, 3]]) == [[0], [4, 10, 16]]
    assert run(config, (4, 6), [[0, 1], [1, 2, 3]]) == [[0, 16], [4, 10, 20]]
    assert Head("bert", 1, 1, 3, 6) in seen


def test_the_rule_in_the_documentation_does_what_it_says() -> None:
    page = (Path(__file__).parents[2] / "docs" / "extending.md").read_text(encoding="utf-8")
    exec(page.partition("## A queue's rule")[2].partition("```python\n")[2].partition("```")[0], {})
    config = QueueConfig.parse({"kind": "longest-line", "most_in_service": 1})
    assert run(config, (4, 6), [[0, 1], [2, 3, 3]]) == [[0, 16], [4, 10, 20]]
    closed = [ClosedArrivals(2), ClosedArrivals(3)]
    assert issubclass(components["longest-line"], RequestQueue)
    ready = hall(config, (4, 6), closed, (4, 6))
    ready.simulation.run()  # type: ignore[attr-defined]
    assert [len(line.completed) for line in ready.queue.lines] == [4, 6]


def test_a_rule_must_choose_among_those_that_may_go() -> None:
    class Stubborn(RequestQueue):
        """Wants what is not there."""

        def first(self, heads: Sequence[Head]) -> Head:
            return Head("nobody", 7, 0, 1, 1)

    message = "queue must let in one of the requests that could be served, got Head(network='nobody', place=7"
    with pytest.raises(ModelError, match=re.escape(message)):
        run(of_kind(Stubborn, "stubborn-queue"), (1,), [[0]])


def test_what_is_no_queue_cannot_take_its_place() -> None:
    with pytest.raises(
        MappingError, match="sink cannot take the place of queue; derive Sink from RequestQueue"
    ):
        run(QueueConfig(kind="sink"), (1,), [[0]])


def test_priorities_of_nobody_are_refused_before_anything_runs() -> None:
    config = components.config_of("queue-priority").parse(
        {"kind": "queue-priority", "priorities": {"dora": 1}}
    )
    assert isinstance(config, QueueConfig)
    with pytest.raises(ConfigError) as raised:
        hall(config, (1,), [TimedArrivals((0,))], (1,))
    assert str(raised.value) == (
        "queue.priorities names 'dora', but on the machine are anna, bert, carl; name only what is there"
    )


# -- what goes wrong -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_a_queue_that_nobody_can_leave_is_explained(engine: Any) -> None:
    plans, config = [TimedArrivals((0, 1))], QueueConfig(kind="queue", most_in_service=1)
    stuck = hall(config, (3,), plans, (2,), engine=engine)
    stuck.servers[0].completes = False
    with pytest.raises(Deadlock) as raised:
        stuck.simulation.run()  # type: ignore[attr-defined]
    assert str(raised.value) == (
        "deadlock at tick 3: no event is left, but 2 of 2 requests have not come out\n"
        "the circle of waits (1 units):\n"
        "  server[anna] waits for server[anna] since 3 (queue has 1 waiting and 1 served of anna)\n"
        "next step: let queue.most_in_service be larger, or null"
    )


def test_a_closed_loop_that_nobody_closes_is_explained() -> None:
    stuck = hall(QueueConfig(kind="queue"), (3,), [ClosedArrivals(1)], (2,))
    stuck.servers[0].completes = False
    with pytest.raises(Deadlock, match=r"queue\.arrivals\[anna\] waits for server\[anna\] since 0") as raised:
        stuck.simulation.run()  # type: ignore[attr-defined]
    assert "server[anna] waits for queue.arrivals[anna] since 3 (queue has 0 waiting and 1 served" in str(
        raised.value
    )


def test_a_source_that_has_no_edge_when_requests_are_let_in_is_refused() -> None:
    simulation = Simulation([clock("core", 3 * 10**9), clock("slow", 2 * 10**9)])
    root = simulation.build(Component, PartConfig())
    server = root.add(Server, "server", PartConfig(), clock="slow")
    queue = queue_on(root, QueueConfig(kind="queue"), NAMES)
    with pytest.raises(
        WiringError, match="queue lets requests in at edges of its clock, of which server lacks"
    ):
        queue.admit("anna", 1, ClosedArrivals(1), 1, server, server)  # type: ignore[arg-type]
