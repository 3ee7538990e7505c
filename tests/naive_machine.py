"""A machine that looks at every part in every tick: the twin of engine, channels, arbiters and accounts.

It shares nothing with the simulator but the names of rules. A node fires again and again: it takes a token at
each of its inputs in turn, has the shared resource granted if it uses one, is busy, and hands a copy of the
token to each reader. Slow and obvious on purpose.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Literal

from simcore.arbiter import Rule


@dataclass(frozen=True)
class Node:
    """A process.

    service : cycles it is busy with a token, one after the other, then again from the first
    period : ticks in a cycle of its clock
    firings : after how many it stops; None is never
    shares : name of the resource that it needs while it is busy
    """

    name: str
    service: tuple[int, ...]
    period: int = 1
    firings: int | None = None
    shares: str | None = None


@dataclass(frozen=True)
class Link:
    """A channel; `gather` waits for a part of each writer, `merge` takes from one writer in a cycle."""

    writers: tuple[str, ...]
    reader: str
    depth: int = 1
    latency: int = 0
    kind: Literal["channel", "gather", "merge"] = "channel"
    rule: Rule = "round-robin"


@dataclass(frozen=True)
class ProcessNetwork:
    """Nodes and links; the run ends when the node `sink` has stopped, in the next cycle of the reference.

    resources : capacity and rule by name; the nodes that share one come in the order of `nodes`
    """

    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    resources: dict[str, tuple[int, Rule]] = field(default_factory=dict)
    reference_period: int = 1


@dataclass(frozen=True)
class NaiveRun:
    """Makespan, ticks by state of every node without empty states, and the tokens that the sink took."""

    makespan: int
    ticks: dict[str, dict[str, int]]
    received: list[int]


class _Contest:
    """Claims for something scarce; the rule picks one."""

    def __init__(self, members: list[str], rule: Rule) -> None:
        self.members, self.rule = members, rule
        self.turn = 0
        self.claims: dict[str, int] = {}  # who, since when

    def pick(self) -> str:
        order = self.members
        if self.rule == "round-robin":
            order = self.members[self.turn :] + self.members[: self.turn]
        waiting = [member for member in order if member in self.claims]
        winner = min(waiting, key=lambda m: self.claims[m]) if self.rule == "oldest" else waiting[0]
        del self.claims[winner]
        self.turn = (self.members.index(winner) + 1) % len(self.members)
        return winner


class _Link:
    def __init__(self, spec: Link, period: int) -> None:
        self.spec, self.period = spec, period
        self.parts: dict[str, list[tuple[int, int]]] = {w: [] for w in spec.writers}  # (visible, token)
        self.merged: list[tuple[int, int]] = []
        self.taken = 0
        self.contest = _Contest(list(spec.writers), spec.rule)
        self.offers: dict[str, int] = {}
        self.accepted_at = -period

    def put(self, writer: str, token: int, tick: int) -> bool:
        """Offer a token; whether it was accepted."""
        if self.spec.kind == "merge":
            if writer not in self.offers:
                self.offers[writer] = token
                self.contest.claims[writer] = tick
            elif writer not in self.contest.claims:
                del self.offers[writer]
                return True
            return False
        if len(self.parts[writer]) - self.taken >= self.spec.depth:
            return False
        self.parts[writer].append((tick + self.spec.latency * self.period, token))
        return True

    def decide(self, tick: int) -> bool:
        """Accept a token of a merge; whether there was one to accept."""
        room = len(self.merged) - self.taken < self.spec.depth
        if not self.contest.claims or not room or tick < self.accepted_at + self.period:
            return False
        self.accepted_at = tick
        token = self.offers[self.contest.pick()]
        self.merged.append((tick + self.spec.latency * self.period, token))
        return True

    def get(self, tick: int) -> int | None:
        """Take the next token if it is complete and visible."""
        streams = [self.merged] if self.spec.kind == "merge" else list(self.parts.values())
        if any(len(s) <= self.taken or s[self.taken][0] > tick for s in streams):
            return None
        self.taken += 1
        return streams[0][self.taken - 1][1]


class _Resource:
    def __init__(self, members: list[str], capacity: int, rule: Rule) -> None:
        self.free = capacity
        self.contest = _Contest(members, rule)
        self.holders: set[str] = set()

    def decide(self, tick: int) -> bool:
        """Grant all that is free; whether there was something to grant."""
        grants = min(self.free, len(self.contest.claims))
        self.free -= grants
        self.holders |= {self.contest.pick() for _ in range(grants)}
        return grants > 0


class _Node:
    """One node: a program whose present step it tries until it succeeds."""

    def __init__(self, spec: Node, links: list[_Link], resources: dict[str, _Resource]) -> None:
        self.spec = spec
        self.inputs = [link for link in links if link.spec.reader == spec.name]
        self.outputs = [link for link in links if spec.name in link.spec.writers]
        self.resource = resources[spec.shares] if spec.shares else None
        self.state, self.since = "start", 0
        self.stopped = False
        self.received: list[int] = []
        self.ticks: Counter[str] = Counter()
        self.moves = 0
        self.now = 0
        self.program = self.run()

    def run(self) -> Iterator[str]:
        """Yield the state in which the node is stuck; come back in the next tick, or when others moved."""
        for firing in count() if self.spec.firings is None else range(self.spec.firings):
            token = firing
            for index, link in enumerate(self.inputs):
                while (taken := link.get(self.now)) is None:
                    yield f"wait-input:token_in[{index}]"
                token = taken
                self.moves += 1
            self.received.append(token)
            if self.resource is not None:
                self.resource.contest.claims[self.spec.name] = self.now
                self.moves += 1
                while self.spec.name not in self.resource.holders:
                    yield f"wait-resource:{self.spec.shares}"
            until = self.now + self.spec.service[firing % len(self.spec.service)] * self.spec.period
            while self.now < until:
                yield "busy:work"
            if self.resource is not None:
                self.resource.holders.remove(self.spec.name)
                self.resource.free += 1
            waiting = list(self.outputs)
            while waiting:
                left = [link for link in waiting if not link.put(self.spec.name, token, self.now)]
                self.moves += len(waiting) - len(left)
                waiting = left
                if waiting:
                    yield "blocked-output:token_out"
            self.moves += 1
        self.stopped = True
        while True:
            yield "finished"

    def step(self, tick: int) -> bool:
        """Go as far as possible in this tick; whether that was anywhere."""
        self.now = tick
        moves, stuck = self.moves, next(self.program)
        if stuck != self.state or self.moves != moves:
            self.state, self.since = stuck, tick
        return self.moves != moves


def run_naively(network: ProcessNetwork) -> NaiveRun:
    """Step the network tick by tick until its sink has stopped."""
    periods = {node.name: node.period for node in network.nodes}
    links = [_Link(link, periods[link.writers[0]]) for link in network.links]
    resources = {
        name: _Resource([n.name for n in network.nodes if n.shares == name], *spec)
        for name, spec in network.resources.items()
    }
    nodes = [_Node(node, links, resources) for node in network.nodes]
    (sink,) = (node for node in nodes if node.spec.name == "sink")
    for tick in count():
        awake = [node for node in nodes if tick % node.spec.period == 0]
        settled = False
        while not settled:
            while sum(node.step(tick) for node in awake):
                pass
            settled = not sum(link.decide(tick) for link in links)
            settled &= not sum(resource.decide(tick) for resource in resources.values())
        if sink.stopped and tick % network.reference_period == 0:
            break
        for node in nodes:
            node.ticks[node.state] += 1
    for node in nodes:
        if node.state.startswith("wait-input"):
            # Waiting for what never comes: the node has finished.
            node.ticks[node.state] -= tick - node.since
            node.ticks["finished"] += tick - node.since
    ticks = {node.spec.name: {s: t for s, t in sorted(node.ticks.items()) if t} for node in nodes}
    return NaiveRun(tick, ticks, sink.received)
