"""The bench on which `imcsim.testing` drives a component: feeds, drains and rivals with random traffic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np

from simcore import (
    Activity,
    BrokenLawError,
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
from simcore.ports import Port
from simcore.simulation import EngineName

#: Wall time after which a run of a few dozen tokens is taken to have no end [s].
PATIENCE_S = 20.0

Tokens = dict[str, list[int]]


@dataclass(frozen=True)
class Traffic:
    """How a component is driven; everything random follows from the seed.

    tokens : into each input
    feed_gap, drain_gap : largest time between two tokens at inputs and outputs [cycle]
    stall : time for which the outputs take nothing at first [cycle]
    """

    seed: int
    tokens: int
    feed_gap: int
    drain_gap: int
    stall: int


def all_traffic(trials: int, tokens: int) -> list[Traffic]:
    """Return that many kinds of traffic: fast and slow sources, eager and full sinks, and mixtures."""
    corners = [(0, 0, 0), (0, 30, 0), (30, 0, 0), (0, 0, 400), (9, 9, 50)]
    mixtures = [(Random(seed).randrange(12), Random(-seed).randrange(12), 0) for seed in range(trials)]
    return [Traffic(i, tokens, *kind) for i, kind in enumerate([*corners, *mixtures][:trials])]


class Feed(Component):
    """Hands on tokens 0, 1, 2, ..., each after its own gap."""

    work = Operation(doc="the gap before a token")

    gaps: Sequence[int] = ()
    done = False
    note: Callable[[], None]

    @process
    def serve(self) -> Process:
        """Hand on every token."""
        for token, gap in enumerate(self.gaps):
            yield self.work.hold(gap)
            yield self.token_out.put(token)
        self.done = True
        self.note()

    def open(self, payload: type) -> Any:
        """Return the port that tokens leave by."""
        self.token_out = self.port(Out(payload, doc="tokens"), "token_out")
        return self.token_out


class Drain(Component):
    """Takes whatever comes, with gaps in between, for ever."""

    work = Operation(doc="the gap before a token")

    stall = 0
    gap: Callable[[], int]
    note: Callable[[], None]

    @process
    def serve(self) -> Process:
        """Take and note tokens."""
        yield self.work.hold(self.stall)
        self.note()
        while True:
            token = yield self.token_in.get()
            self.received.append((self.simulation.engine.now, token))
            self.note()
            yield self.work.hold(self.gap())

    def open(self, payload: type) -> Any:
        """Return the port that tokens come by."""
        self.received: list[tuple[int, Any]] = []
        self.token_in = self.port(In(payload, doc="tokens"), "token_in")
        return self.token_in


class Rival(Component):
    """Uses a shared resource now and then."""

    shared = Shared(doc="the resource")
    work = Operation(doc="using the resource, or not")

    gaps: Sequence[int] = ()

    @process
    def serve(self) -> Process:
        """Take turns with the component."""
        for gap in self.gaps:
            yield self.work.hold(gap)
            yield self.shared.acquire()
            yield self.work.hold(gap // 2)
            self.shared.release()


@dataclass(frozen=True)
class Observation:
    """What a run shows from outside, equal whenever the model is.

    taken : tokens put into each input and taken there by the component
    received : (tick, token) at each output
    """

    makespan: int
    accounts: dict[str, dict[str, int]]
    received: dict[str, list[tuple[int, Any]]]
    actions: dict[str, dict[str, int]]


class Bench(Component):
    """A component between feeds, drains and rivals, one for each of its ports.

    run : runs the simulation that it is the root of
    """

    run: Callable[[], Outcome]

    def drive(
        self, component: Component, ports: dict[str, Port], traffic: Traffic, expected: Tokens | None
    ) -> None:
        """Connect everything; the run ends when each output has given the tokens expected, where known."""
        random = Random(traffic.seed)
        self.component, self.expected = component, expected
        self.feeds: dict[str, Feed] = {}
        self.drains: dict[str, Drain] = {}
        for name, port in ports.items():
            # The first time everything is as tight as can be.
            depth, latency = (random.randint(1, 3), random.randrange(3)) if traffic.seed else (1, 0)
            gaps = [random.randint(0, traffic.feed_gap) for _ in range(traffic.tokens)]
            if isinstance(port, Shared):
                rival = self.add(Rival, f"rival of {name}", PartConfig())
                rival.gaps = gaps
                self.share([rival.shared, port], name)
            elif isinstance(port, Out):
                drain = self.add(Drain, f"drain of {name}", PartConfig())
                drain.stall, drain.note = traffic.stall, self.note
                drain.gap = _gaps(random.random(), traffic.drain_gap)
                self.drains[name] = drain
                self.connect(port, drain.open(port.payload), depth, latency)
            else:
                feed = self.add(Feed, f"feed of {name}", PartConfig())
                feed.gaps, feed.note = gaps, self.note
                self.feeds[name] = feed
                # What a memory must hold is not known here: let it hold everything, with and without a bound.
                room = depth if isinstance(port, In) else random.choice([None, max(1, traffic.tokens)])
                self.connect(feed.open(port.payload), port, room, latency)

    def note(self) -> None:
        """End the run if this was the last thing expected."""
        expected = self.expected
        if expected is None or not all(feed.done for feed in self.feeds.values()):
            return
        if all(len(drain.received) >= len(expected[name]) for name, drain in self.drains.items()):
            self.simulation.finish()

    @property
    def received(self) -> Tokens:
        """Tokens that came out so far, by port."""
        return {name: [token for _, token in drain.received] for name, drain in self.drains.items()}


def _gaps(seed: float, largest: int) -> Callable[[], int]:
    random = Random(seed)
    return lambda: random.randint(0, largest)


def parts_below(component: Component) -> list[Component]:
    """Return a component and all its descendants."""
    return [component, *(part for child in component.children for part in parts_below(child))]


def new_bench(engine: EngineName = "lean", shuffle: int | None = None, record: bool = False) -> Bench:
    """Return an empty bench, in a simulation that gives up after a while."""
    simulation = Simulation(
        [clock("core", 10**9)],
        engine=engine,
        shuffle=shuffle,
        record=record,
        limits=Limits(seconds=PATIENCE_S),
    )
    bench = simulation.build(Bench, PartConfig(), "bench")
    bench.run = simulation.run
    return bench


def observe(bench: Bench) -> Observation:
    """Run what is on the bench, and return what it shows.

    raises : BrokenLawError, also if what was recorded shows that a hold was not yielded when it was called
    """
    outcome = bench.run()
    if outcome.activity is not None:
        _check_one_at_a_time(outcome.activity)
    return Observation(
        outcome.makespan,
        {account.path: account.ticks for account in outcome.accounts},
        {name: drain.received for name, drain in bench.drains.items()},
        {part.path: part.actions() for part in parts_below(bench.component)},
    )


def _check_one_at_a_time(activity: Activity) -> None:
    """Raise BrokenLawError unless each interval of a unit starts where the one before ends.

    A hold that is called but not yielded, and made up for by a bare wait later on, leaves all sums right.
    """
    end = activity.start + activity.duration
    wrong = (activity.unit[1:] == activity.unit[:-1]) & (activity.start[1:] != end[:-1])
    for row in np.flatnonzero(wrong)[:1]:
        before, after = activity.states[activity.state[row]], activity.states[activity.state[row + 1]]
        raise BrokenLawError(
            f"accounting: {activity.units[activity.unit[row]]} was charged {before} until {end[row]}, but "
            f"{after} from {activity.start[row + 1]}: a hold that lies (not yielded at once); yield every "
            "hold as it is returned"
        )


def against_lasts(component: Component) -> str:
    """Return in words what a component, or one below it, held otherwise than its `lasts` says, "" if nothing.

    It has been run recorded.
    """
    for part in parts_below(component):
        for name, pattern in part.lasts().items():
            if name not in part._operations:
                return f"{part.path} tells of {name!r}, which is no operation of its class"
            if not len(pattern):
                return f"{part.path} tells nothing of {name!r}; leave out what is not known"
            held = getattr(part, name).intervals()[:, 1]
            told = np.resize(np.array(pattern, np.int64) * part.clock.ticks, len(held))
            for number in np.flatnonzero(held != told)[:1]:
                return (
                    f"{part.path} says that {name} lasts {told[number]} ticks at its hold {number}, but held "
                    f"it for {held[number]}"
                )
    return ""


def open_ports(component: Component) -> tuple[dict[str, Port], list[Port]]:
    """Return the ports that a component shows, by attribute, and those below it that nobody can reach."""
    shown: dict[str, Port] = {}
    for name, value in vars(component).items():
        if isinstance(value, Port):
            shown[name] = value
        elif name != "ports" and isinstance(value, list | tuple):
            shown |= {f"{name}[{i}]": port for i, port in enumerate(value) if isinstance(port, Port)}
    known = {id(port) for port in shown.values()}
    shown |= {p.name: p for p in component.ports if id(p) not in known and p.name not in shown}
    loose = component.simulation.wiring.loose_ports(parts_below(component))
    # An Out that is connected inside may be shown as well; it then sends to both.
    free = {id(port) for port in loose} | {id(port) for port in shown.values() if isinstance(port, Out)}
    ports = {name: port for name, port in shown.items() if id(port) in free or not _has_process(port)}
    known = {id(port) for port in ports.values()}
    return ports, [port for port in loose if id(port) not in known]


def _has_process(port: Port) -> bool:
    return port.owner is not None and bool(port.owner.units)


def behind_nothing(ports: dict[str, Port]) -> list[str]:
    """Return the ports that no process stands behind, as of a composite that does not show its children's."""
    return [name for name, port in ports.items() if not _has_process(port)]
