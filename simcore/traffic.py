"""Which nodes of a dependency graph each channel joins: who put a token there, and who took it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from simcore.arbiter import Arbiter, Merge, MergeEnd, SharedEnd
from simcore.call_log import ACQUIRE, ARRIVED, FREE, GET, PUT, RELEASE, CallLog
from simcore.carried import CarriedBuffer, CarriedEnd, Stations
from simcore.fan import Gather, GatherEnd, Multicast
from simcore.turns import Collect, Deal

Ints = NDArray[np.int64]

#: The node that never happens: what waits for more than ever comes waits for it.
NEVER_NODE = 0

_NONE = np.zeros(0, np.int64)
#: Calls that refer to an end.
_AT_ENDS = (PUT, GET, ARRIVED, FREE, ACQUIRE, RELEASE)


@dataclass(frozen=True, eq=False)
class Side:
    """Nodes of one side of a channel, a pair for each of its tokens: where it is called, and done."""

    call: Ints = field(default_factory=lambda: _NONE)
    done: Ints = field(default_factory=lambda: _NONE)

    def part(self, first: int, step: int) -> Side:
        """Return every `step`-th pair."""
        return Side(self.call[first::step], self.done[first::step])


@dataclass(eq=False)
class Traffic:
    """Nodes that one channel, or what is shared, joins.

    writers : of each writer; a gather and a merge have several, and so has what is shared
    taken : of the reader
    awaited : of a memory: how many tokens are awaited each time
    freed, below : of a memory: nodes at which tokens are freed, and below which index
    landed : of a memory behind a network: nodes at which tokens are there
    come, tokens : nodes at which these come there, or to a station, in the order in which they did
    handled : nodes at which the last station on the way is done with each; None without stations
    turns : of what is contested: whose turn it was, one after the other
    given_back : of what is shared: nodes at which each requester gives it back
    """

    writers: list[Side]
    taken: Side = field(default_factory=Side)
    awaited: Ints = field(default_factory=lambda: _NONE)
    freed: Ints = field(default_factory=lambda: _NONE)
    below: Ints = field(default_factory=lambda: _NONE)
    landed: Ints | None = None
    come: Ints = field(default_factory=lambda: _NONE)
    tokens: Ints = field(default_factory=lambda: _NONE)
    handled: Ints | None = None
    turns: Ints = field(default_factory=lambda: _NONE)
    given_back: list[Ints] = field(default_factory=list)


class NewNodes(Protocol):
    """Makes nodes of what happens in channels."""

    def __call__(self, count: int, seen: Any, what: str, least: int = 0, /) -> Ints:
        """Return so many further nodes.

        seen : ticks in which they were seen, at `least` so many; None if none was
        what : to call them
        """


class TrafficFinder:
    """Goes from what ports lead to, to the channels behind it.

    sides : code, number of the end, nodes and arguments of all calls of one kind at one end
    new : see there
    joins : told of sources and targets of which the latter come no earlier
    """

    def __init__(
        self,
        log: CallLog,
        sides: Iterable[tuple[int, int, Side, Ints]],
        new: NewNodes,
        joins: Callable[[Ints, Ints], None],
    ) -> None:
        self.channels: dict[str, Traffic] = {}
        self.shared: dict[str, Traffic] = {}
        self._at_stations: dict[str, Side] = {}
        self._new, self._joins = new, joins
        for channel in log.channels:
            writers = len(channel.ends) if isinstance(channel, Gather | Merge) else 1
            self.channels[channel.name] = Traffic([Side() for _ in range(writers)])
        for contested, turns in log.turns.items():
            if isinstance(contested, Arbiter):
                ends = range(len(contested.ends))
                self.shared[contested.name] = Traffic(
                    [Side() for _ in ends], given_back=[_NONE for _ in ends]
                )
            self._contested(contested).turns = np.array(turns, np.int64)
        for code, number, side, args in sides:
            if code in _AT_ENDS:
                self._find(code, log.ends[number], side, args)
        for channel in log.channels:
            if isinstance(channel, CarriedBuffer):
                self._land(channel)

    def _contested(self, contested: Arbiter | Merge) -> Traffic:
        return (self.shared if isinstance(contested, Arbiter) else self.channels)[contested.name]

    def _find(self, code: int, end: Any, side: Side, args: Ints) -> None:
        """Note what calls of one kind at one end join."""
        if code == PUT:
            self._sent(end, side)
        elif code == GET:
            self._taken(end, side)
        elif code == ARRIVED:
            traffic = self.channels[end.name]
            traffic.taken, traffic.awaited = side, args
        elif code == FREE:
            traffic = self.channels[end.name]
            traffic.freed, traffic.below = side.call, np.maximum.accumulate(args)
        elif code == ACQUIRE and isinstance(end, SharedEnd):
            self._contested(end.arbiter).writers[end.index] = side
        elif code == RELEASE and isinstance(end, SharedEnd):
            self._contested(end.arbiter).given_back[end.index] = side.call

    def _sent(self, end: Any, side: Side) -> None:
        """Note tokens that are put, into every channel that they go to."""
        if isinstance(end, Multicast):
            for member in end.channels:
                self._sent(member, self._copies(side, None, f"copies of {end.name}"))
        elif isinstance(end, Deal):
            for turn, member in enumerate(end.sides):
                self._sent(member, side.part(turn, len(end.sides)))
        elif isinstance(end, GatherEnd):
            self.channels[end.gather.name].writers[end.gather.ends.index(end)] = side
        elif isinstance(end, MergeEnd):
            self.channels[end.merge.name].writers[end.index] = side
        elif isinstance(end, CarriedEnd):
            self.channels[end.buffer.name].writers[0] = self._copies(
                side, end.buffer.came, f"waits for room on the way {end.name}"
            )
        elif end.name in self.channels:
            self.channels[end.name].writers[0] = side

    def _copies(self, side: Side, seen: Any, what: str) -> Side:
        """Return nodes at which copies of tokens are accepted, for the last of which their sender waits."""
        # All but the last were accepted, as their sender went on.
        least = 0 if seen is None else len(side.call) - 1
        copies = Side(side.call, self._new(len(side.call), seen, what, least))
        self._joins(copies.call, copies.done)
        self._joins(copies.done, side.done)
        return copies

    def _taken(self, end: Any, side: Side) -> None:
        """Note tokens that are taken, from every channel that they come from."""
        if isinstance(end, Collect):
            for turn, channel in enumerate(end.channels):
                self._taken(channel, side.part(turn, len(end.channels)))
        elif end.name in self.channels:
            self.channels[end.name].taken = side
        else:
            self._at_stations[end.name] = side

    def _land(self, channel: CarriedBuffer) -> None:
        """Note where tokens are there that came over a network, one behind the other."""
        assert channel.landings is not None
        traffic = self.channels[channel.name]
        sent = traffic.writers[0].done
        ways = f"ways {channel.name}"
        if channel.stations is None:
            least = int(traffic.awaited[:-1].max(initial=0))  # the reader may still wait for the last ones
            traffic.landed = landed = self._new(len(sent), channel.landings, ways, least)
            traffic.come, traffic.tokens = landed, np.arange(len(sent))
        else:
            traffic.landed = landed = self._new(len(sent), None, ways)
            self._pass(channel.stations, traffic, ways)
        self._joins(landed[:-1], landed[1:])

    def _pass(self, stations: Stations, traffic: Traffic, ways: str) -> None:
        """Note where tokens come to stations, and where these are done with each."""
        tokens, ticks = np.array(stations.came, np.int64).reshape(-1, 2).T
        traffic.come, traffic.tokens = self._new(len(tokens), ticks, ways, len(tokens)), tokens
        traffic.handled = handled = np.full(len(traffic.writers[0].done), NEVER_NODE, np.int64)
        for place, channel in enumerate(stations.channels):
            taken = self._at_stations.get(channel.name, Side())
            own = np.flatnonzero(tokens % len(stations.channels) == place)
            self._joins(traffic.come[own], taken.done[: len(own)])
            over = taken.call[1:][: len(own)]
            handled[tokens[own][: len(over)]] = over
