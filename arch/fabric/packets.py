"""Packets in the queues of a network, and the trees of links that they fork along."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from simcore import BrokenLawError
from simcore.activity import NOBODY
from simcore.carried import CarriedBuffer
from simcore.causes import Act
from simcore.commands import Wake


class Feeder(Protocol):
    """Who fills a queue."""

    def credit(self, tick: int) -> None:
        """Look again in a tick in which the queue has a slot."""


class Carrier(Protocol):
    """A link, as queues see it."""

    @property
    def wake(self) -> Wake:
        """What stands for the link's unit."""

    @property
    def number(self) -> int:
        """The unit's number, if it is recorded."""

    def ask(self, ask: Ask) -> None:
        """Take a packet over when its turn comes and there is a slot behind."""


@dataclass(eq=False, slots=True)
class Branch:
    """One link of a tree, and the trees that go on from there.

    queue : where a packet goes at its end; None at a terminal
    turn : of the queues that may ask for this link, which one this is
    number : among all of a network
    buffers : at the terminal
    """

    link: Carrier
    queue: Queue | None
    turn: int
    number: int
    children: tuple[Branch, ...] = ()
    buffers: tuple[CarriedBuffer, ...] = ()


@dataclass(eq=False, slots=True)
class Packet:
    """What is in one queue: a pixel on its way to some readers.

    stream, token : which pixel it is
    flits, bits : that packets of its stream have
    ready : tick from which it may go on, if it is the first of its queue
    onward : links that it has yet to take from here
    sent : number of the unit that sent it here, and tick in which it did
    readers : those that share it, a bit for each; known where it enters the network
    """

    stream: str
    token: int
    flits: int
    bits: int
    ready: int
    onward: tuple[Branch, ...]
    sent: tuple[int, int]
    readers: int = 0


@dataclass(eq=False, slots=True)
class Ask:
    """A queue's first packet asks for a link.

    since : tick as of which it can have it
    act : number of the unit that let it ask as of then, and tick of what it did
    """

    queue: Queue
    packet: Packet
    branch: Branch
    since: int
    act: tuple[int, int]

    def ready_by(self, now: int) -> Act:
        """Return who let it ask, and how long ago."""
        unit, tick = self.act
        return unit, now - tick

    def let_go_by(self, now: int) -> Act:
        """Return who let it have the link now: by letting it ask, or by making a slot behind."""
        queue = self.branch.queue
        if queue is None or queue.slot_since <= self.since:
            return self.ready_by(now)
        return queue.slot_by, now - queue.slot_since + 1


class Queue:
    """Packets at the end of a link, in one lane, or in front of a sender's links.

    A packet takes a slot from when it is sent there until its tail has left on all links that it goes on by;
    who fills the queue knows a cycle later. The first packet asks for all its links at once and may get them
    one by one.

    feeder : who fills it
    slot_since, slot_by : tick since which it was not full, when it was full last; the link that made it so
    """

    __slots__ = (
        "_back", "_left", "_left_by", "_taken", "capacity", "feeder", "name", "packets", "slot_by",
        "slot_since",
    )  # fmt: skip

    def __init__(self, name: str, capacity: int) -> None:
        self.name = name
        self.capacity = capacity
        self.packets: deque[Packet] = deque()
        self.feeder: Feeder | None = None
        self._taken = 0  # slots, as who fills it knew when it last looked
        self._back: deque[tuple[int, int]] = (
            deque()
        )  # ticks in which slots are known to be free again, by whom
        self._left = 0  # tick in which the last packet has left, or will have
        self._left_by = NOBODY
        self.slot_since, self.slot_by = -1, NOBODY

    def slot_from(self, now: int) -> int | None:
        """Return the tick from which there is a slot, `now` or later; None if that is not known yet."""
        if self._taken == self.capacity:
            self._take_back(now)
        if self._taken < self.capacity:
            return now
        return self._back[0][0] if self._back else None

    def _take_back(self, now: int) -> None:
        """Take note of slots that are free again."""
        back = self._back
        while back and back[0][0] <= now:
            freed = back.popleft()
            if self._taken == self.capacity:
                self.slot_since, self.slot_by = freed
            self._taken -= 1

    def append(self, packet: Packet) -> None:
        """Take a packet into a free slot; it asks for its links once it is the first.

        raises : BrokenLawError if there is no slot
        """
        self._taken += 1
        if self._taken > self.capacity:
            raise BrokenLawError(f"{self.name} was sent a packet of {packet.stream} without a slot for it")
        self.packets.append(packet)
        if len(self.packets) == 1:
            self.first_asks(max(packet.ready, self._left))

    def first_asks(self, tick: int) -> None:
        """Let the first packet ask for its links."""
        packet = self.packets[0]
        act = packet.sent if packet.ready >= self._left else (self._left_by, self._left)
        for branch in packet.onward:
            branch.link.ask(Ask(self, packet, branch, tick, act))

    def leaves(self, branch: Branch, end: int) -> None:
        """Note that the first packet takes one of its links, which its tail has left by in tick `end`."""
        packet = self.packets[0]
        if len(packet.onward) > 1:
            packet.onward = tuple(other for other in packet.onward if other is not branch)
            return
        self.packets.popleft()
        self._left, self._left_by = end, branch.link.number
        self._back.append((end + 1, self._left_by))
        assert self.feeder is not None
        self.feeder.credit(end + 1)
        if self.packets:
            self.first_asks(max(self.packets[0].ready, end))

    def contents(self) -> str:
        """Return what it holds, in words."""
        held: dict[str, list[int]] = {}
        for packet in self.packets:
            held.setdefault(packet.stream, []).append(packet.token)
        streams = ", ".join(f"{name} pixels {tokens}" for name, tokens in held.items()) or "nothing"
        return f"{self.name} holds {len(self.packets)} of {self.capacity} packets: {streams}"

    def standing(self, now: int) -> Sequence[int]:
        """Return all that its future depends on, relative to now."""
        self._take_back(now)
        numbers = [self._taken, max(0, self._left - now), *(tick - now for tick, _ in self._back)]
        for packet in self.packets:
            numbers += [-1, max(0, packet.ready - now), *(branch.number for branch in packet.onward)]
        return numbers
