"""The dependency graph of a run: who had to wait for whom, also where nobody did, and what follows from that.

A node is the end of a call, or what happens in a channel on the way. A call ends no earlier than it is made,
plus the time of an operation; than the token is there that it takes, or the slot free that it fills; than
what it asks for was given back. So with other durations, latencies and capacities the same nodes happen at
other times, each as early as its edges allow: a max-plus system, solved without simulating anything. That
holds as long as processes do the same in the same order. What is shared goes round in the order that it did;
what happens elsewhere, as on the ways of a network, takes as long as it did.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.blueprint import Blueprint
from simcore.call_log import EDGE, EVENT, HOLD, REST, CallLog
from simcore.clocks import next_edge
from simcore.errors import BrokenLawError
from simcore.graph_edges import EdgeList, Edges, channel_edges, turn_edges
from simcore.traffic import NEVER_NODE, Side, TrafficFinder

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Steps:
    """All calls of a run, unit by unit.

    units : their paths
    unit : (n,) index into `units`
    code, ref, arg, tick : as in `simcore.call_log.Calls`
    call, done : nodes at which each is made, and over; mostly one is over where the next is made
    nodes : that there are so far
    """

    units: tuple[str, ...]
    unit: Ints
    code: Ints
    ref: Ints
    arg: Ints
    tick: Ints
    call: Ints
    done: Ints
    nodes: int

    @classmethod
    def of(cls, log: CallLog) -> Steps:
        """Return the calls of a run, with nodes behind the one that never happens."""
        nodes = NEVER_NODE + 1
        columns: list[list[Ints]] = [[] for _ in range(7)]
        for number, (unit, calls) in enumerate(log.calls.items()):
            count = len(calls.code)
            own = [np.array(column, np.int64) for column in (calls.code, calls.ref, calls.arg, calls.tick)]
            apart = unit in log.waits_apart  # what it waits for in between comes behind what is over
            call = nodes + np.arange(count) * (1 + apart)
            nodes += count * (1 + apart) + 1
            rows = np.full(count, number, np.int64), *own, call, call + 1
            for column, row in zip(columns, rows, strict=True):
                column.append(row)
        paths = tuple(unit.path for unit in log.calls)
        whose, code, ref, arg, tick, call, done = (np.concatenate(column) for column in columns)
        return cls(paths, whose, code, ref, arg, tick, call, done, nodes)

    @cached_property
    def silent(self) -> NDArray[np.bool_]:
        """Whether each unit only holds operations, as links of a network whose time others charge."""
        silent: NDArray[np.bool_] = np.bincount(self.unit, self.code != HOLD, len(self.units)) == 0
        return silent

    def done_by(self, unit: int) -> Ints:
        """Return (3, n) what one unit did to what, and with which argument, but for ticks between edges."""
        own = self.unit == unit
        code, arg = self.code[own], self.arg[own]
        return np.array([code, self.ref[own], np.where((code == EDGE) | (code == REST), 0, arg)])

    def sides(self) -> Iterator[tuple[int, int, Side, Ints]]:
        """Yield code, number of the end, nodes and arguments of all calls of one kind at one end."""
        order = np.lexsort((self.tick, self.ref, self.code))
        codes, refs = self.code[order], self.ref[order]
        starts = np.flatnonzero(np.diff(codes, prepend=-1) | np.diff(refs, prepend=-1))
        for first, last in zip(starts, [*starts[1:], len(order)], strict=True):
            calls = order[first:last]
            if len(calls):
                side = Side(self.call[calls], self.done[calls])
                yield int(codes[first]), int(refs[first]), side, self.arg[calls]


class DependencyGraph:
    """The dependencies of one run; `times` solves them for its blueprint, or for another one.

    blueprint : of the run
    steps : all calls
    known : (nodes,) ticks at which each was seen, below 0 for what is not seen
    more : (nodes,) ticks by which each was later than edges tell
    last : the node that ends the run
    families : of the components of all units
    untold : operations whose times nobody tells, or not those that they had, by path and name: they last as
        long as they did. Those of silent units are not among them, as nothing waits for their ends.
    """

    def __init__(self, log: CallLog) -> None:
        """Make the graph of a run that was logged.

        raises : BrokenLawError if something happened earlier than the graph allows
        """
        assert log.finish is not None  # a run that nobody finished is a deadlock
        self.blueprint = log.blueprint
        self.steps = steps = Steps.of(log)
        self._operations, self._edge_names = log.operations, log.edges
        self.families = [unit.component.family for unit in log.calls]
        self._lasted, self.untold = self._durations()
        self._known = [np.full(steps.nodes, -1, np.int64)]
        self._nodes = steps.nodes
        self._called: list[tuple[int, int, str]] = []
        self._fixed = EdgeList()
        found = TrafficFinder(log, steps.sides(), self._new, self._fixed.add)
        self._channels, self._shared = found.channels, found.shared
        self._follow_up()
        unit, calls = log.finish
        own = np.flatnonzero(steps.unit == list(log.calls).index(unit))
        self.last = int(steps.done[own[calls - 1]])
        self.known = self._seen()
        self.more = np.zeros(self._nodes, np.int64)
        self._settle()

    # -- building --------------------------------------------------------------------------------------------

    def _new(self, count: int, seen: Any, what: str, least: int = 0) -> Ints:
        """Return further nodes; note what they are called, and when they were seen, as far as they were.

        least : how many must have been; what is under way when the run ends was not
        """
        ticks = np.array(() if seen is None else seen, np.int64)[:count]
        if len(ticks) < least:
            raise BrokenLawError(
                f"dependencies: {what} happened {least:,} times at least, but {len(ticks):,} were noted"
            )
        self._called.append((self._nodes, self._nodes + count, what))
        known = np.full(count, -1, np.int64)
        known[: len(ticks)] = ticks
        self._known.append(known)
        self._nodes += count
        return np.arange(self._nodes - count, self._nodes)

    def _seen(self) -> Ints:
        """Return when each node was seen: calls when they were made, and what is known of channels."""
        steps, known = self.steps, np.concatenate(self._known)
        holds = steps.code == HOLD
        known[steps.done[holds]] = (steps.tick + self._lasted)[holds]
        known[steps.call] = steps.tick
        return known

    def _follow_up(self) -> None:
        """Let each unit make a call only once the one before is over, where these are two nodes."""
        steps = self.steps
        same = steps.unit[:-1] == steps.unit[1:]
        apart = np.flatnonzero(same & (steps.done[:-1] != steps.call[1:]))
        self._fixed.add(steps.done[apart], steps.call[apart + 1])

    def _durations(self) -> tuple[Ints, set[tuple[str, str]]]:
        """Return how long each hold lasted [tick], and the operations of which nobody tells that."""
        steps = self.steps
        lasted, untold = np.zeros(len(steps.code), np.int64), set()
        for path, operation, held in self._holds():
            lasted[held] = operation.intervals()[:, 1]
            told = self.blueprint.lasts.get((path, operation.name))
            if steps.silent[steps.unit[held[0]]]:
                continue
            if told is None or not np.array_equal(lasted[held], np.resize(told, len(held))):
                untold.add((path, operation.name))
        rests = np.flatnonzero(steps.code == REST) - 1
        lasted[rests] = 0  # it is the edge that they wait for
        untold -= {(path, o.name) for path, o, held in self._holds() if np.isin(held, rests).any()}
        return lasted, untold

    def _holds(self) -> Iterator[tuple[str, Any, Ints]]:
        """Yield each operation with the path of its component, and the steps at which it was held."""
        holds = np.flatnonzero(self.steps.code == HOLD)
        by_operation = holds[np.argsort(self.steps.ref[holds], kind="stable")]
        numbers = np.arange(len(self._operations))
        firsts = np.searchsorted(self.steps.ref[by_operation], numbers)
        lasts = np.searchsorted(self.steps.ref[by_operation], numbers, side="right")
        for (path, operation), first, last in zip(self._operations, firsts, lasts, strict=True):
            if last > first:
                yield path, operation, by_operation[first:last]

    # -- solving ---------------------------------------------------------------------------------------------

    def times(self, blueprint: Blueprint) -> Ints:
        """Return when each node happens [tick of the blueprint]; at least `NEVER` for what never does."""
        return self._solved(self.edges(blueprint), self.more_ticks(blueprint), settle=False)

    def more_ticks(self, blueprint: Blueprint) -> Ints:
        """Return `more` in ticks of a blueprint."""
        scale = self.blueprint.tick / blueprint.tick
        if scale == 1:
            return self.more
        more = scaled(self.more, scale)
        more[NEVER_NODE] = self.more[NEVER_NODE]
        return more

    def makespan(self, blueprint: Blueprint) -> int | None:
        """Return the ticks of the run, up to a cycle of the reference clock; None for a deadlock."""
        from simcore.kernels.max_plus_reference import NEVER

        last = int(self.times(blueprint)[self.last])
        return None if last >= NEVER else next_edge(last, blueprint.reference)

    def _settle(self) -> None:
        """Find what takes longer than edges tell."""
        from simcore.kernels.max_plus_reference import NEVER

        self.more[NEVER_NODE] = NEVER
        self._solved(self.edges(self.blueprint), self.more, settle=True)
        if (early := np.flatnonzero(self.more < 0)).size:
            where = self._call_at(int(early[np.argmin(self.known[early])]))
            raise BrokenLawError(f"dependencies: {where} was over earlier than the graph of the run allows")

    def _solved(self, edges: Edges, more: Ints, *, settle: bool) -> Ints:
        from simcore.kernels.max_plus import longest_times

        order = np.argsort(edges.source, kind="stable")
        first = np.searchsorted(edges.source[order], np.arange(self._nodes + 1))
        target, lag, period = edges.target[order], edges.lag[order], edges.period[order]
        return longest_times(first, target, lag, period, self.known, more, settle)

    def edges(self, blueprint: Blueprint) -> Edges:
        """Return all edges as a blueprint has them; those of steps, in their order, are the first ones."""
        edges, steps = EdgeList(), self.steps
        edges.add(steps.call, steps.done, self._lags(blueprint), self._periods(blueprint))
        edges.extend(self._fixed)
        for name, traffic in self._channels.items():
            channel_edges(edges, blueprint.channels[name], traffic)
        for name, traffic in self._shared.items():
            turn_edges(edges, blueprint.shared[name], traffic, self.known)
        return edges.collected()

    def _lags(self, blueprint: Blueprint) -> Ints:
        """Return the ticks that each hold lasts; other calls take none of their own."""
        if blueprint is self.blueprint:
            return self._lasted
        lags = self._lasted.copy()
        for path, operation, held in self._holds():
            told = blueprint.lasts.get((path, operation.name))
            if told is not None and (path, operation.name) not in self.untold:
                lags[held] = np.resize(told, len(held))
            else:
                ratio = Fraction(blueprint.clocks[path], self.blueprint.clocks[path])
                lags[held] = scaled(lags[held], ratio)
        return lags

    def _periods(self, blueprint: Blueprint) -> Ints:
        """Return the ticks between the edges that each call waits for; 1 for those that wait for none."""
        steps, periods = self.steps, np.ones(len(self.steps.code), np.int64)
        waits = np.flatnonzero((steps.code == EDGE) | (steps.code == REST))
        periods[waits] = steps.arg[waits]
        for number, name in enumerate(self._edge_names):
            if name in blueprint.edges:
                periods[waits[steps.ref[waits] == number]] = blueprint.edges[name]
        return periods

    # -- explaining ------------------------------------------------------------------------------------------

    def unexplained(self) -> list[str]:
        """Return what took longer than edges tell, in words; it is assumed to take as long as it did."""
        return [what for what, more in self._later(self.more).items() if more.any()]

    def held_up_otherwise(self, other: DependencyGraph) -> list[str]:
        """Return what another run of the same course held up for another time, in words."""
        own, others = self._later(self.more_ticks(other.blueprint)), other._later(other.more)
        return [what for what, more in own.items() if not np.array_equal(more, others[what])]

    def _later(self, more: Ints) -> dict[str, Ints]:
        """Return what nodes have in `more`, by what they are called or whose waits they end, in words."""
        steps = self.steps
        later: dict[str, list[Ints]] = {}
        for first, last, what in self._called:
            later.setdefault(what, []).append(more[first:last])
        for number in np.flatnonzero(~steps.silent):
            own = steps.unit == number
            what = "events of SimPy" if (steps.code[own] == EVENT).any() else "what no port leads to"
            waits = [more[steps.call[own]], more[steps.done[own]]]
            later[f"waits of {steps.units[number]} for {what}"] = waits
        return {what: np.concatenate(parts) for what, parts in later.items()}

    def lasted_otherwise(self, other: DependencyGraph) -> list[str]:
        """Return which operations did not last in another run of the same course what they were taken to."""
        own, others = self.steps, other.steps
        found: list[str] = []
        lags = self._lags(other.blueprint)
        for number in np.flatnonzero(~own.silent):
            a, b = own.unit == number, others.unit == number
            unlike = np.flatnonzero(lags[a] != other._lasted[b])
            held = (self._operations[ref] for ref in np.unique(own.ref[a][unlike]))
            found += (f"{path} {operation.name}" for path, operation in held)
        return list(dict.fromkeys(found))

    @property
    def contested(self) -> list[str]:
        """What several take turns on, in the order in which they did: names of arbiters and merges."""
        shared = {**self._shared, **self._channels}
        return [name for name, traffic in shared.items() if len(np.unique(traffic.turns)) > 1]

    def differs(self, other: DependencyGraph) -> str:
        """Return in which way another run took another course, in words; "" if it did not.

        Then all processes did the same in the same order, and took the same turns.
        """
        own, others = self.steps, other.steps
        if own.units != others.units:
            return "it has other units"
        for name in self.contested:
            a, b = (graph.turns_of(name) for graph in (self, other))
            if not np.array_equal(a, b):
                return f"those that share {name} take their turns in another order"
        for number, unit in enumerate(own.units):
            a, b = (steps.done_by(number) for steps in (own, others))
            if not own.silent[number] and not np.array_equal(a, b):
                return f"{unit} does something else"
        return ""

    def state_of(self, step: int) -> str:
        """Return the state in which a step takes time by itself, "" if it takes none."""
        code, ref = int(self.steps.code[step]), int(self.steps.ref[step])
        if code == EDGE:
            return f"wait-resource:{self._edge_names[ref][1]}"
        if code not in (HOLD, REST):
            return ""
        _, operation = self._operations[ref if code == HOLD else self.steps.ref[step - 1]]
        return str(operation.state)

    def turns_of(self, name: str) -> Ints:
        """Return whose turn it was at an arbiter or merge, one after the other."""
        return (self._shared if name in self._shared else self._channels)[name].turns

    def _call_at(self, node: int) -> str:
        """Return whose call a node is the end of, in words."""
        steps = np.flatnonzero((self.steps.done == node) | (self.steps.call == node))
        if not len(steps):
            return next(what for first, last, what in self._called if first <= node < last)
        step = int(steps[0])
        return f"call {step} of {self.steps.units[self.steps.unit[step]]}"


def scaled(ticks: Ints, scale: Fraction) -> Ints:
    """Return the same times in ticks of another length, rounded to the next."""
    return (ticks * (2 * scale.numerator) + scale.denominator) // (2 * scale.denominator)
