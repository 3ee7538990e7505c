"""A naive twin of the link fabric: it goes from cycle to cycle and looks at everything in each.

Ways are followed link by link as the interconnect gives them; nothing is shared with the simulator.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from arch.fabric.configuration import FabricConfig
from arch.fabric.interconnect import Hop, Interconnect
from tests.arch.fabric.traffic import Times, Traffic


@dataclass(eq=False)
class Copy:
    """A packet in a queue.

    ways : what is left of the way to each reader
    gone : when its tail has left, or will have
    """

    stream: int
    token: int
    ready: int
    ways: dict[int, tuple[Hop, ...]]
    gone: int | None = None


@dataclass(eq=False)
class Link:
    """A link: `asking` are the queues that may ask for it, in the order of their turns."""

    busy_until: int = 0
    turn: int = 0
    asking: list[list[Copy]] = field(default_factory=list)
    spent: Counter[str] = field(default_factory=Counter)


def occupied(queue: list[Copy], now: int) -> int:
    """Return how many slots are taken, as is known to who fills the queue."""
    return sum(copy.gone is None or now <= copy.gone for copy in queue)


class NaiveLinks:
    """The network, its senders and its readers."""

    def __init__(self, config: FabricConfig, traffic: Traffic, interconnect: Interconnect) -> None:
        self.config, self.traffic, self.interconnect = config, traffic, interconnect
        self.now = 0
        self.ways = [[interconnect.ways[s.node, reader.node] for reader in s.readers] for s in traffic]
        self.routers: dict[str, Counter[str]] = {}
        self.links: dict[int, Link] = {}
        self.queues: dict[Hop, list[Copy]] = {}
        self.entries: list[list[Copy]] = [[] for _ in traffic]
        self.landings: list[tuple[int, int, int, int]] = []
        self.times = [[Times() for _ in stream.readers] for stream in traffic]
        self.claimed = [[0] * len(stream.readers) for stream in traffic]
        self.freed = [[0] * len(stream.readers) for stream in traffic]
        self.done_at = [[0] * len(stream.readers) for stream in traffic]  # when a reader's work ends
        self.put_at = [stream.gaps[0] for stream in traffic]
        self.token = [0] * len(traffic)
        for stream, entry in enumerate(self.entries):
            self.note_turns(entry, [(way, reader) for reader, way in enumerate(self.ways[stream])])

    def note_turns(self, queue: list[Copy], ways: list[tuple[tuple[Hop, ...], int]]) -> None:
        """Walk the tree of some ways, and let each queue on it have a turn at the links behind it."""
        for hop in dict.fromkeys(way[0] for way, _ in ways):
            link = self.links.setdefault(hop.link, Link())
            if not any(queue is other for other in link.asking):
                link.asking.append(queue)
            onward = [(way[1:], reader) for way, reader in ways if way[0] == hop and len(way) > 1]
            if onward:
                self.note_turns(self.queues.setdefault(hop, []), onward)

    def run(self, limit: int = 100_000) -> list[list[Times]]:
        """Go on until all readers are done; return when what happened."""
        while self.now < limit:
            self.land()
            self.read()
            pixels = [len(stream.gaps) for stream in self.traffic]
            if all(min(freed) == total for freed, total in zip(self.freed, pixels, strict=True)):
                return self.times
            for stream in range(len(self.traffic)):
                self.send(stream)
            self.move()
            self.look()
            self.now += 1
        raise AssertionError(f"no end within {limit} cycles")

    def look(self) -> None:
        """Note what each link does in this cycle, and each router: what most counts among its links."""
        at_routers: dict[str, list[str]] = {}
        for number, link in self.links.items():
            waits = any(self.first_hop(queue, number) is not None for queue in link.asking)
            state = "busy" if self.now < link.busy_until else "blocked" if waits else "idle"
            link.spent[state] += 1
            source = self.interconnect.links[number][0]
            if isinstance(source, str) and source not in self.interconnect.joints:
                at_routers.setdefault(source, []).append(state)
        for router, states in at_routers.items():
            state = next(s for s in ("busy", "blocked", "idle") if s in states)
            self.routers.setdefault(router, Counter())[state] += 1

    def land(self) -> None:
        """Let tails arrive."""
        for landing in [landing for landing in self.landings if landing[0] == self.now]:
            self.landings.remove(landing)
            _, stream, reader, token = landing
            assert token == len(self.times[stream][reader].landed)
            self.times[stream][reader].landed.append(self.now)

    def read(self) -> None:
        """Let readers free what they have read, and begin with what has landed."""
        for number, stream in enumerate(self.traffic):
            for reader, spec in enumerate(stream.readers):
                times = self.times[number][reader]
                while True:
                    if len(times.begun) > self.freed[number][reader]:
                        if self.now < self.done_at[number][reader]:
                            break
                        self.freed[number][reader] += 1
                    elif len(times.begun) < len(times.landed):
                        times.begun.append(self.now)
                        self.done_at[number][reader] = self.now + spec.service
                    else:
                        break

    def send(self, number: int) -> None:
        """Let a sender put what it has: copies of one cycle go together."""
        stream = self.traffic[number]
        while self.token[number] < len(stream.gaps) and self.put_at[number] <= self.now:
            token = self.token[number]
            claimed, freed = self.claimed[number], self.freed[number]
            able = [
                reader
                for reader, spec in enumerate(stream.readers)
                if claimed[reader] == token and claimed[reader] - freed[reader] < spec.slots
            ]
            places = self.config.queue_packets + stream.delay  # those on their way here have one
            if able and occupied(self.entries[number], self.now) < places:
                for reader in able:
                    claimed[reader] += 1
                ways = {reader: self.ways[number][reader] for reader in able}
                self.entries[number].append(Copy(number, token, self.now + stream.delay, ways))
            if min(claimed) == token:
                return
            self.token[number] += 1
            if self.token[number] < len(stream.gaps):
                self.put_at[number] = self.now + stream.gaps[self.token[number]]

    def move(self) -> None:
        """Let every link that is free start one of the packets that ask for it."""
        starts = []
        for number, link in self.links.items():
            for place in range(len(link.asking)):
                index = (link.turn + place) % len(link.asking)
                hop = self.asked(link.asking[index], number)
                if self.now >= link.busy_until and hop is not None:
                    starts.append((link, index, hop))
                    break
        for link, index, hop in starts:
            self.start(link, index, hop)

    def first_hop(self, queue: list[Copy], link: int) -> Hop | None:
        """Return what a queue's first packet asks of a link now."""
        first = next((copy for copy in queue if copy.gone is None or self.now < copy.gone), None)
        if first is None or self.now < first.ready:
            return None
        return next((way[0] for way in first.ways.values() if way[0].link == link), None)

    def asked(self, queue: list[Copy], link: int) -> Hop | None:
        """Return the same if there is a slot behind, or a terminal."""
        hop = self.first_hop(queue, link)
        behind = None if hop is None else self.queues.get(hop)
        full = behind is not None and occupied(behind, self.now) >= self.config.queue_packets
        return None if full else hop

    def start(self, link: Link, index: int, hop: Hop) -> None:
        """Let a packet go."""
        config, queue = self.config, link.asking[index]
        copy = next(copy for copy in queue if copy.gone is None)
        flits = config.flits(self.traffic[copy.stream].bits)
        link.turn, link.busy_until = index + 1, self.now + flits
        taken = {reader: way[1:] for reader, way in copy.ways.items() if way[0] == hop}
        copy.ways = {reader: way for reader, way in copy.ways.items() if reader not in taken}
        if not copy.ways:
            copy.gone = self.now + flits
        onward = {reader: way for reader, way in taken.items() if way}
        for reader in taken.keys() - onward.keys():
            arrival = self.now + config.latency_cycles + flits - 1
            self.landings.append((arrival, copy.stream, reader, copy.token))
        if onward:
            joint = self.interconnect.links[hop.link][1] in self.interconnect.joints
            ready = self.now + config.latency_cycles + (0 if joint else config.header_cycles)
            self.queues[hop].append(Copy(copy.stream, copy.token, ready, onward))
