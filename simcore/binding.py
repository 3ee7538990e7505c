"""What bounds a makespan: the longest way through a dependency graph, and what takes its time on it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simcore.blueprint import Blueprint
from simcore.clocks import next_edge
from simcore.dependencies import DependencyGraph

#: In place of a unit, where time passes between two of them, or until a clock's edge.
NOWHERE = -1


@dataclass(frozen=True, eq=False)
class LongestWay:
    """Stretches of time from 0 to the makespan, one behind the other, each of which makes the next one wait.

    unit : (n,) index into the units of the graph's steps; `NOWHERE` for latencies, and what is assumed
    state : (n,) names: of an operation's state, else `transfer` (latency of a channel, or a clock's edge) or
        `assumed` (what took longer than the graph tells)
    start, duration : (n,) int64 [tick]
    unique : whether no other way is as long
    """

    unit: NDArray[np.int64]
    state: tuple[str, ...]
    start: NDArray[np.int64]
    duration: NDArray[np.int64]
    unique: bool

    def shares(self, graph: DependencyGraph) -> dict[tuple[str, str], int]:
        """Return the ticks of each family of components in each state, the most first."""
        spent: Counter[tuple[str, str]] = Counter()
        for unit, state, ticks in zip(self.unit.tolist(), self.state, self.duration.tolist(), strict=True):
            spent["" if unit == NOWHERE else graph.families[unit], state] += ticks
        return dict(spent.most_common())


def longest_way(graph: DependencyGraph, blueprint: Blueprint) -> LongestWay:
    """Return the longest way to the end of a run, by a blueprint with which it ends.

    Of two that are as long it is the one on which a unit works, and does not wait.
    """
    times, edges, more = graph.times(blueprint), graph.edges(blueprint), graph.more_ticks(blueprint)
    order = np.lexsort((np.arange(len(edges.target)), edges.target))  # edges of steps go first
    first = np.searchsorted(edges.target[order], np.arange(len(times) + 1))
    rows: list[tuple[int, str, int, int]] = []
    unique = True
    node, end = graph.last, next_edge(int(times[graph.last]), blueprint.reference)
    rows.append((NOWHERE, "transfer", int(times[node]), end - int(times[node])))
    while times[node] > 0:
        ready = int(times[node] - more[node])
        rows.append((NOWHERE, "assumed", ready, int(more[node])))
        into = order[first[node] : first[node + 1]]
        allowed = times[edges.source[into]] + edges.lag[into]
        tight = into[-(-allowed // edges.period[into]) * edges.period[into] == ready]
        if not len(tight):
            rows.append((NOWHERE, "assumed", 0, ready))
            break
        unique &= len(tight) == 1
        edge = int(tight[0])
        node = int(edges.source[edge])
        unit, state = _called(graph, edge)
        rows.append((unit, state, int(times[node]), ready - int(times[node])))
    kept = [row for row in reversed(rows) if row[3]]
    units, states, starts, durations = zip(*kept, strict=True) if kept else ((), (), (), ())
    return LongestWay(np.array(units, np.int64), tuple(states), np.array(starts), np.array(durations), unique)


def _called(graph: DependencyGraph, edge: int) -> tuple[int, str]:
    """Return whose time passes along an edge, and in which state."""
    state = graph.state_of(edge) if edge < len(graph.steps.code) else ""
    return (int(graph.steps.unit[edge]), state) if state else (NOWHERE, "transfer")
