"""The networks of `naive_machine` built from components, and random ones for hypothesis."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import count
from typing import Any

from hypothesis import strategies as st

from simcore import Clock, Component, In, Operation, Out, PartConfig, Process, Shared, Simulation, process
from simcore.arbiter import Rule
from simcore.simulation import EngineName
from tests.naive_machine import Link, NaiveRun, Node, ProcessNetwork


class NodeProcess(Component):
    """A node: takes a token at each input, holds, hands the last one on.

    spec : what it does, and how many inputs it has
    relays : let it do so by a relay if it has one input and an output, and nothing else to wait for
    """

    work = Operation(doc="serving one token")

    def lay_out(self, spec: Node, inputs: int, *, sends: bool, relays: bool) -> None:
        """Make ports as the network needs them."""
        self.spec = spec
        self.relays = relays and sends and inputs == 1 and not spec.shares and spec.firings is None
        self.received: list[int] = []
        self.token_in = [self.port(In(int, doc="tokens"), f"token_in[{i}]") for i in range(inputs)]
        self.token_out = self.port(Out(int, doc="tokens"), "token_out") if sends else None
        self.resource = self.port(Shared(doc="resource"), "resource") if spec.shares else None

    def lasts(self) -> dict[str, tuple[int, ...]]:
        """Return the cycles of each firing."""
        return {"work": self.spec.service}

    @process
    def serve(self) -> Process:
        """Fire as often as told, then end; the sink ends the run."""
        spec, firing = self.spec, 0
        if self.relays:
            yield from self.relay_all()
        while spec.firings is None or firing < spec.firings:
            token = firing
            for port in self.token_in:
                token = yield port.channel.get()
            self.received.append(token)
            if self.resource is not None:
                yield self.resource.acquire()
            yield self.work.hold(spec.service[firing % len(spec.service)])
            if self.resource is not None:
                self.resource.release()
            if self.token_out is not None:
                yield self.token_out.put(token)
            firing += 1
        if spec.name == "sink":
            self.simulation.finish()

    def relay_all(self) -> Process:
        """Do what `serve` does, in one command for each token."""
        assert self.token_out is not None
        relay = self.relay(self.work, self.token_in[0].channel, self.token_out)
        token = yield relay.get()
        for firing in count():
            self.received.append(token)
            token = yield relay.next(self.spec.service[firing % len(self.spec.service)], token)


class NetworkOfProcesses(Component):
    """All nodes, wired."""

    def lay_out(self, network: ProcessNetwork, *, relays: bool) -> None:
        """Build and wire the network."""
        self.nodes: dict[str, NodeProcess] = {}
        for spec in network.nodes:
            node = self.add(NodeProcess, spec.name, PartConfig(), clock=_clock_name(spec.period))
            inputs = sum(link.reader == spec.name for link in network.links)
            sends = any(spec.name in link.writers for link in network.links)
            node.lay_out(spec, inputs, sends=sends, relays=relays)
            self.nodes[spec.name] = node
        free = {name: iter(node.token_in) for name, node in self.nodes.items()}
        for link in network.links:
            sources: list[Any] = [self.nodes[writer].token_out for writer in link.writers]
            target = next(free[link.reader])
            if link.kind == "gather":
                self.gather(sources, target, link.depth, link.latency)
            elif link.kind == "merge":
                self.merge(sources, target, link.depth, link.latency, link.rule)
            else:
                self.connect(sources[0], target, link.depth, link.latency)
        for name, (capacity, rule) in network.resources.items():
            users = [node.resource for node in self.nodes.values() if node.spec.shares == name]
            self.share(users, name, capacity, rule)


def _clock_name(period: int) -> str:
    return f"period{period}"


def simulate(
    network: ProcessNetwork,
    engine: EngineName = "lean",
    *,
    shuffle: int | None = None,
    record: bool = False,
    relays: bool = False,
) -> NaiveRun:
    """Run the network on an engine, and return what the naive machine would."""
    simulation, root = built(network, engine, shuffle=shuffle, record=record, relays=relays)
    outcome = simulation.run()
    if outcome.activity is not None:
        check_recording(outcome.activity, outcome.accounts)
    ticks = {account.path: dict(sorted(account.ticks.items())) for account in outcome.accounts}
    return NaiveRun(outcome.makespan, ticks, root.nodes["sink"].received)


def built(
    network: ProcessNetwork, engine: EngineName = "lean", *, relays: bool = False, **options: Any
) -> tuple[Simulation, NetworkOfProcesses]:
    """Return a simulation of the network that has not run, and its root; options are `Simulation`'s."""
    periods = {node.period for node in network.nodes} | {1}  # a clock whose period is a tick
    order = [network.reference_period, *sorted(periods - {network.reference_period})]
    clocks = [Clock(_clock_name(p), Fraction(p, 10**9)) for p in order]
    simulation = Simulation(clocks, engine=engine, **options)
    root = simulation.build(NetworkOfProcesses, PartConfig())
    root.lay_out(network, relays=relays)
    return simulation, root


def check_recording(activity: Any, accounts: Any) -> None:
    """Intervals never overlap within a unit, and add up to its account, whose rest is `finished`."""
    for index, account in enumerate(accounts):
        rows = activity.unit == index
        starts, durations = activity.start[rows], activity.duration[rows]
        assert (starts[1:] >= (starts + durations)[:-1]).all()
        added: dict[str, int] = {}
        for state, ticks in zip(activity.state[rows], durations, strict=True):
            added[activity.states[state]] = added.get(activity.states[state], 0) + int(ticks)
        assert added == {state: ticks for state, ticks in account.ticks.items() if state != "finished"}


def reordered(network: ProcessNetwork, order: list[int]) -> ProcessNetwork:
    """Return the same network with its components built in another order."""
    return replace(network, nodes=tuple(network.nodes[i] for i in order))


_services = st.lists(st.integers(0, 5), min_size=1, max_size=3).map(tuple)


@st.composite
def acyclic_networks(draw: st.DrawFn, max_nodes: int = 7) -> ProcessNetwork:
    """Draw sources, stages, forks, joins and gathers with random latencies, depths and clocks."""
    items = draw(st.integers(1, 8))
    size = draw(st.integers(1, max_nodes))
    periods = draw(st.sampled_from([(1,), (1,), (2, 3), (1, 2, 4)]))
    nodes: list[Node] = []
    links: list[Link] = []
    for index in range(size):
        before = draw(st.lists(st.sampled_from(nodes), max_size=3, unique=True)) if nodes else []
        node = Node(f"n{index}", draw(_services), draw(st.sampled_from(periods)), None if before else items)
        nodes.append(node)
        links += _inputs(draw, node, before)
    idle = [n for n in nodes if not any(n.name in link.writers for link in links)]
    sink = Node("sink", draw(_services), draw(st.sampled_from(periods)), items)
    links += _inputs(draw, sink, idle)
    return ProcessNetwork((*nodes, sink), tuple(links), reference_period=draw(st.sampled_from(periods)))


def _inputs(draw: st.DrawFn, node: Node, before: list[Node]) -> list[Link]:
    """Draw one channel from each node before, or one gather of them all."""
    depth, latency = st.integers(1, 4), st.integers(0, 3)
    names = tuple(n.name for n in before)
    if len(before) > 1 and {n.period for n in before} == {node.period} and draw(st.booleans()):
        return [Link(names, node.name, draw(depth), draw(latency), "gather")]
    return [Link((name,), node.name, draw(depth), draw(latency)) for name in names]


@st.composite
def contended_networks(draw: st.DrawFn) -> ProcessNetwork:
    """Draw stages that share resources and merge into one another, on one clock."""
    rules: st.SearchStrategy[Rule] = st.sampled_from(("round-robin", "oldest", "priority"))
    period = draw(st.sampled_from((1, 1, 2)))
    resources: dict[str, tuple[int, Rule]] = {
        name: (draw(st.integers(1, 2)), draw(rules))
        for name in draw(st.sampled_from([(), ("bus",), ("bus", "adc")]))
    }
    share = st.sampled_from([None, *resources])
    nodes: list[Node] = []
    links: list[Link] = []
    tokens: dict[str, int] = {}
    for index in range(draw(st.integers(1, 7))):
        free = [n for n in nodes if not any(n.name in link.writers for link in links)]
        before = draw(st.lists(st.sampled_from(free), max_size=3, unique=True)) if free else []
        items = None if before else draw(st.integers(1, 6))
        node = Node(f"n{index}", draw(_services), period, items, draw(share))
        tokens[node.name] = items or sum(tokens[n.name] for n in before)
        nodes.append(node)
        links += _merged(draw, node, before, draw(rules))
    idle = [n for n in nodes if not any(n.name in link.writers for link in links)]
    sink = Node("sink", draw(_services), period, sum(tokens[n.name] for n in idle), draw(share))
    links += _merged(draw, sink, idle, draw(rules))
    used = {node.shares for node in (*nodes, sink)}
    resources = {name: spec for name, spec in resources.items() if name in used}
    return ProcessNetwork((*nodes, sink), tuple(links), resources, period)


def _merged(draw: st.DrawFn, node: Node, before: list[Node], rule: Any) -> list[Link]:
    if not before:
        return []
    names = tuple(n.name for n in before)
    return [Link(names, node.name, draw(st.integers(1, 3)), draw(st.integers(0, 2)), "merge", rule)]
