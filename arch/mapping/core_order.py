"""In which order layers lie on a line of cores, so that no edge between them is longer than it must be.

The least longest edge of any order (of a directed acyclic graph, along its edges) is found by trying one
length after the other, each by a search over orders. A core in the order sets a last place for all that read
it, and these for all that they read; as soon as more cores are due than there are places, the search turns
back, and it never goes twice to what is left behind the same cores. Where a topology allows shorter edges
only, cores that do nothing but pass pixels on (relays) take a place in the line.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from arch.mapping.layer_graph import LayerGraph, Stream
from simcore import MappingError


def order_of_least_reach(graph: LayerGraph, seconds: float) -> LayerGraph:
    """Return the graph in an order whose longest edge is as short as any order's.

    raises : MappingError if it is not found in so many seconds
    """
    deadline = time.monotonic() + seconds
    reaches = range(1 if graph.edges else 0, graph.reach + 1)  # the given order is within the last
    searches = (_Search(graph, reach, deadline, seconds).run() for reach in reaches)
    return next(found for found in searches if found is not None)


def order_within(graph: LayerGraph, reach: int, seconds: float) -> LayerGraph | None:
    """Return the graph in an order without an edge longer than `reach`; None if there is none.

    raises : MappingError if neither is known after so many seconds
    """
    return _Search(graph, reach, time.monotonic() + seconds, seconds).run()


class _Search:
    """Depth-first over orders of one reach."""

    def __init__(self, graph: LayerGraph, reach: int, deadline: float, seconds: float) -> None:
        self.graph, self.reach, self.deadline, self.seconds = graph, reach, deadline, seconds
        number = {core: i for i, core in enumerate(graph.cores)}
        self.reads: list[list[int]] = [[] for _ in graph.cores]
        self.readers: list[list[int]] = [[] for _ in graph.cores]
        for source, reader in graph.edges:
            self.reads[number[reader]].append(number[source])
            self.readers[number[source]].append(number[reader])
        self.place: dict[int, int] = {}
        self.dead: set[tuple[tuple[int, int], ...]] = set()

    def run(self) -> LayerGraph | None:
        """Return the graph in the order found."""
        if not self._goes_on():
            return None
        return self.graph.in_order([self.graph.cores[core] for core in self.place])

    def _goes_on(self) -> bool:
        """Try to put all cores that are left behind those that have a place."""
        if len(self.place) == len(self.reads):
            return True
        if time.monotonic() > self.deadline:
            raise MappingError(
                f"no order of {len(self.reads)} cores was found within {self.seconds:g} s, nor that there is "
                f"none with edges of at most {self.reach}; raise fabric.search_seconds, or set "
                "fabric.placement.strategy to snake, which takes no search"
            )
        due = self._due()
        state = self._state()
        if due is None or state in self.dead:
            return False
        for core in sorted(self._ready(), key=lambda core: (due.get(core, len(self.reads)), core)):
            self.place[core] = len(self.place)
            if self._goes_on():
                return True
            del self.place[core]
        self.dead.add(state)
        return False

    def _ready(self) -> Iterator[int]:
        """Yield the cores without a place whose inputs all have one."""
        for core, sources in enumerate(self.reads):
            if core not in self.place and all(source in self.place for source in sources):
                yield core

    def _due(self) -> dict[int, int] | None:
        """Return the last place of each core that has one; None if they cannot all be met."""
        due: dict[int, int] = {}
        for core in reversed(range(len(self.reads))):  # a core's readers have higher numbers
            if core not in self.place:
                limits = [
                    self.place[source] + self.reach for source in self.reads[core] if source in self.place
                ]
                limits += [due[reader] - 1 for reader in self.readers[core] if reader in due]
                if limits:
                    due[core] = min(limits)
        met = all(last >= len(self.place) + i for i, last in enumerate(sorted(due.values())))
        return due if met else None

    def _state(self) -> tuple[tuple[int, int], ...]:
        """Return all that decides how it goes on: who has a place, and how far back those still read are."""
        return tuple(
            (core, place if any(reader not in self.place for reader in self.readers[core]) else -1)
            for core, place in sorted(self.place.items())
        )


def with_relays(graph: LayerGraph, reach: int) -> LayerGraph:
    """Return the graph with relays in its order, so that no edge is longer than `reach`.

    Places are filled one after the other: by the next core if all streams that are then on their way can
    still be passed on in time, else by a relay of the one that has come farthest. As few relays as that
    takes, not always the fewest possible.

    raises : MappingError if more streams run side by side than edges of this reach carry
    """
    return _Relaying(graph, reach).run()


class _Relaying:
    """Streams on their way along a line of cores.

    sent_from : the core that last sent each stream that is still read farther on, and its place
    """

    def __init__(self, graph: LayerGraph, reach: int) -> None:
        self.graph, self.reach = graph, reach
        self.line: list[str] = []
        self.hops: list[Stream] = []
        self.sent_from: dict[str, tuple[str, int]] = {}
        self.unread = {stream.name: list(stream.readers) for stream in graph.streams}
        self.relays = dict.fromkeys(self.unread, 0)

    def run(self) -> LayerGraph:
        """Fill all places."""
        relays_in_a_row = 0
        for core in self.graph.cores:
            while not self._has_time(after=core):
                if relays_in_a_row >= len(self.sent_from):
                    raise MappingError(
                        f"channels to the next {self.reach} cores cannot carry all streams past {core}, not "
                        f"even with relays; set fabric.topology.k to {self.graph.reach}, which needs none"
                    )
                self._relay(min(self.sent_from, key=lambda name: self.sent_from[name][1]))
                relays_in_a_row += 1
            relays_in_a_row = 0
            self._put(core)
        return LayerGraph(tuple(self.line), self._streams())

    def _has_time(self, after: str) -> bool:
        """Tell whether each stream could be passed on in time, one a place, once `after` is in the next."""
        here = len(self.line)
        places = [place for name, (_, place) in self.sent_from.items() if self.unread[name] != [after]]
        places += [here for stream in self.graph.streams if stream.source == after]
        return all(place + self.reach > here + i for i, place in enumerate(sorted(places)))

    def _put(self, core: str) -> None:
        """Put a core into the next place: it reads streams where they last came from, and sends its own."""
        for stream in self.graph.streams:
            if core in stream.readers:
                self._hop(stream, core)
                self.unread[stream.name].remove(core)
                if not self.unread[stream.name]:
                    del self.sent_from[stream.name]
        for stream in self.graph.streams:
            if stream.source == core:
                self.sent_from[stream.name] = core, len(self.line)
        self.line.append(core)

    def _relay(self, name: str) -> None:
        """Put a relay of a stream into the next place."""
        stream = next(s for s in self.graph.streams if s.name == name)
        self.relays[name] += 1
        relay = f"relay[{name},{self.relays[name]}]"
        self._hop(stream, relay)
        self.sent_from[name] = relay, len(self.line)
        self.line.append(relay)

    def _hop(self, stream: Stream, reader: str) -> None:
        source, _ = self.sent_from[stream.name]
        self.hops.append(replace(stream, source=source, readers=(reader,)))

    def _streams(self) -> tuple[Stream, ...]:
        """Return what each core sends, the hops of one stream from one core together."""
        readers: dict[tuple[str, str, int], list[str]] = {}
        for hop in self.hops:
            readers.setdefault((hop.name, hop.source, hop.pixel_bytes), []).extend(hop.readers)
        return tuple(Stream(name, source, tuple(to), size) for (name, source, size), to in readers.items())
