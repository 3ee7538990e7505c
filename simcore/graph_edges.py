"""Edges of a dependency graph: which node comes no earlier than which, by the rules of each channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.blueprint import ChannelPlan
from simcore.traffic import NEVER_NODE, Traffic

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Edges:
    """Which node comes no earlier than which other one.

    source, target : (n,) nodes
    lag : (n,) ticks behind the source
    period : (n,) the target comes no earlier than the first multiple of so many ticks then
    """

    source: Ints
    target: Ints
    lag: Ints
    period: Ints


_NO_EDGES = Edges(*(np.zeros(0, np.int64) for _ in range(4)))


class EdgeList:
    """Edges that are being collected."""

    def __init__(self) -> None:
        self._parts = [_NO_EDGES]

    def extend(self, others: EdgeList) -> None:
        """Add all edges of another list."""
        self._parts += others._parts

    def add(self, source: Ints, target: Ints, lag: Any = 0, period: Any = 1) -> None:
        """Let each target come no earlier than its source."""
        lags, periods = (np.broadcast_to(np.asarray(value, np.int64), len(source)) for value in (lag, period))
        self._parts.append(Edges(source, target, lags, periods))

    def wait(self, target: Ints, source: Ints, number: Ints, lag: int = 0, period: int = 1) -> None:
        """Let each target come no earlier than the source of a number; below 0 is none, too large never."""
        waits = number >= 0
        target, number = target[waits], number[waits]
        found = np.full(len(number), NEVER_NODE, np.int64)
        there = number < len(source)
        found[there] = source[number[there]]
        self.add(found, target, lag, period)

    def collected(self) -> Edges:
        """Return all edges."""
        parts = self._parts
        return Edges(
            np.concatenate([part.source for part in parts]),
            np.concatenate([part.target for part in parts]),
            np.concatenate([part.lag for part in parts]),
            np.concatenate([part.period for part in parts]),
        )


def channel_edges(edges: EdgeList, plan: ChannelPlan, traffic: Traffic) -> None:
    """Add what one channel makes wait, by the visibility rule (`simcore.channel`)."""
    _BY_FORM[plan.form](edges, plan, traffic)


def _fifo(edges: EdgeList, plan: ChannelPlan, traffic: Traffic) -> None:
    """Free slots as tokens are taken; without slots both sides wait for one another."""
    (writer,) = traffic.writers
    puts, gets = np.arange(len(writer.done)), np.arange(len(traffic.taken.done))
    if plan.capacity == 0:
        edges.wait(writer.done, traffic.taken.call, puts)
        edges.wait(traffic.taken.done, writer.call, gets)
        return
    assert plan.capacity is not None
    edges.wait(writer.done, traffic.taken.done, puts - plan.capacity, 0, plan.writer_period)
    edges.wait(traffic.taken.done, writer.done, gets, plan.latency, plan.reader_period)


def _memory(edges: EdgeList, plan: ChannelPlan, traffic: Traffic) -> None:
    """Have tokens awaited by how many there are, and slots freed by the first call that frees them."""
    (writer,) = traffic.writers
    if plan.capacity is not None:
        token = np.arange(len(writer.done))
        by = np.searchsorted(traffic.below, token - plan.capacity + 1)
        edges.wait(writer.done, traffic.freed, np.where(token < plan.capacity, -1, by), 0, plan.writer_period)
    if traffic.landed is None:
        latency, period = plan.latency, plan.reader_period
        edges.wait(traffic.taken.done, writer.done, traffic.awaited - 1, latency, period)
        return
    edges.wait(traffic.taken.done, traffic.landed, traffic.awaited - 1)
    assert plan.passage is not None
    passages = np.array([plan.passage(token) for token in traffic.tokens.tolist()], np.int64)
    edges.add(writer.done[traffic.tokens], traffic.come, passages)
    if traffic.handled is not None:
        edges.add(traffic.handled, traffic.landed, plan.latency, plan.reader_period)


def _gather(edges: EdgeList, plan: ChannelPlan, traffic: Traffic) -> None:
    """Have a token there with its last part; each writer has its own slots."""
    assert plan.capacity is not None
    taken = traffic.taken.done
    for writer in traffic.writers:
        edges.wait(writer.done, taken, np.arange(len(writer.done)) - plan.capacity)
        edges.wait(taken, writer.done, np.arange(len(taken)), plan.latency)


def _merge(edges: EdgeList, plan: ChannelPlan, traffic: Traffic) -> None:
    """Accept one token a cycle, in the order in which they were."""
    assert plan.capacity is not None
    accepted, taken = _in_turn(edges, traffic), traffic.taken.done
    edges.wait(accepted, taken, np.arange(len(accepted)) - plan.capacity)
    edges.add(accepted[:-1], accepted[1:], plan.writer_period)
    edges.wait(taken, accepted, np.arange(len(taken)), plan.latency, plan.reader_period)


def _in_turn(edges: EdgeList, traffic: Traffic) -> Ints:
    """Return the nodes of all writers in the order in which they had their turns; others never have one."""
    order = np.zeros(len(traffic.turns), np.int64)
    for place, writer in enumerate(traffic.writers):
        turns = np.flatnonzero(traffic.turns == place)
        order[turns] = writer.done[: len(turns)]
        left = writer.done[len(turns) :]
        edges.add(np.full(len(left), NEVER_NODE), left)
    return order


def turn_edges(edges: EdgeList, capacity: int, traffic: Traffic, seen: Ints) -> None:
    """Add what a shared resource makes wait: it goes round in the order in which it did.

    seen : (nodes,) times at which it was given back
    """
    granted = _in_turn(edges, traffic)
    back = np.full(len(granted), NEVER_NODE, np.int64)
    for place, nodes in enumerate(traffic.given_back):
        turns = np.flatnonzero(traffic.turns == place)[: len(nodes)]
        back[turns] = nodes[: len(turns)]
    never = back == NEVER_NODE
    order = np.lexsort((np.arange(len(back)), seen[back], never))
    edges.wait(granted, back[order], np.arange(len(granted)) - capacity)
    edges.add(granted[:-1], granted[1:])


_BY_FORM = {"fifo": _fifo, "memory": _memory, "carried": _memory, "gather": _gather, "merge": _merge}
