"""Where the pixels of one stage enter a flit network: places in front of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from arch.fabric.configuration import FabricConfig
from arch.fabric.flit_units import FlitLink
from simcore.carried import CarriedEnd
from simcore.causes import BY_TIME, Act
from simcore.commands import PARK, Engine, Park, Wake


class Carrier(Protocol):
    """A flit network in the loop, as its entries see it."""

    path: str

    @property
    def engine(self) -> Engine:
        """That of the simulation."""

    def offer(self, copy: Copy, tick: int) -> None:
        """Let a copy enter the network in a tick, now or later."""

    def refuses(self, entry: FlitEntry) -> None:
        """Look out for a place of an entry, for somebody waits for it."""

    def left(self, place: int) -> int | None:
        """Return the cycle in which the tail of a packet has left its source, None if it has not."""


@dataclass(eq=False, slots=True)
class Copy:
    """A pixel on its way to one core.

    way : its number in the network
    since : tick in which it was accepted
    readers : of that core, which accepted it in that tick
    place : of its packet in the network, None before and behind
    left : cycle in which its tail has left its source, if it is behind
    """

    entry: FlitEntry
    token: int
    way: int
    since: int
    readers: list[int]
    place: int | None = None
    left: int | None = None

    def order(self) -> tuple[int, int, int]:
        """Return what copies that enter the network in the same tick are sorted by."""
        return self.entry.number, self.token, self.way

    def lands(self, left: int | None) -> None:
        """Fill the slots of its readers."""
        self.place, self.left = None, left
        self.entry.lands(self)


@dataclass(eq=False, slots=True)
class Pixel:
    """A pixel in one of the places in front of the network, with its copies."""

    token: int
    copies: list[Copy] = field(default_factory=list)


class FlitEntry:
    """A place for each pixel of which a copy has not left for the network.

    Copies of a pixel share its place, and each is a packet of its own; only operands of the same reader that
    have room in the same tick share one. A place is free when the tails of all copies have left for the
    network, which the sender knows a cycle later, as with a link's queue.

    number : among all entries
    flits, bits : of a pixel
    ends : the stage's, one for each reader, in the order of their ways
    load : keeps the values of a pixel that sets out, None in a run without values
    passages : cycles from setting out to each reader if nothing holds a pixel up
    """

    def __init__(
        self,
        network: Carrier,
        config: FabricConfig,
        number: int,
        name: str,
        bits: int,
        delay: int,
        ways: Sequence[int],
        links: Sequence[Sequence[FlitLink]],
    ) -> None:
        self.number, self.name = number, name
        self.bits, self.flits = bits, config.flits(bits)
        self.ends: list[CarriedEnd] = []
        self.load: Callable[[int], None] | None = None
        self.passages: Sequence[int] = ()
        self._network, self._engine = network, network.engine
        # What is on its way to its place has one, too.
        self._capacity, self._delay = config.queue_packets + delay, delay
        self._ways, self._links = ways, links
        self._room = config.flit.vc_buffer_flits  # of flits that one channel holds
        self._pixels: deque[Pixel] = deque()
        self._place_since = -1
        self._refused = False
        self._retry = Wake(self._retry_all)

    @property
    def most_under_way(self) -> int:
        """Pixels of which a copy may be in the network at once, at most.

        A pixel has a place, or its tails are all in the network: each in a channel of some link of its way or
        under way to it, of which credits allow as many as its buffer has room for. Those of one reader follow
        one another, and readers are apart by one pixel at most.
        """
        return self._capacity + self._room * max(map(len, self._links)) + 1

    def connect(self, ends: list[CarriedEnd]) -> None:
        """Take the stage's ends; the way to each is known."""
        self.ends = ends

    def accept(self, token: int, reader: int) -> bool:
        """Take a copy for one reader, if its pixel has a place or there is one left."""
        now = self._engine.now
        pixels = self._pixels
        pixel = pixels[-1] if pixels else None
        if pixel is None or pixel.token != token or self._is_gone(pixel, now):
            if len(pixels) == self._capacity:
                pixels = self._take_back(now)
            if len(pixels) == self._capacity:
                if not self._refused:
                    self._refused = True
                    self._network.refuses(self)
                return False
            pixel = Pixel(token)
            pixels.append(pixel)
            if self.load is not None:
                self.load(token)
        way = self._ways[reader]
        for copy in pixel.copies:
            if (copy.way, copy.since) == (way, now):
                copy.readers.append(reader)
                return True
        copy = Copy(self, token, way, now, [reader])
        pixel.copies.append(copy)
        self._network.offer(copy, now + self._delay)
        return True

    def _take_back(self, now: int) -> deque[Pixel]:
        """Take note of places that are free again, and return the pixels in the others."""
        ticks = [
            tick for pixel in self._pixels if (tick := self._free_from(pixel)) is not None and tick <= now
        ]
        if ticks:
            self._place_since = min(ticks)
            self._pixels = deque(pixel for pixel in self._pixels if not self._is_gone(pixel, now))
        return self._pixels

    def place_since(self) -> tuple[int, Act]:
        """Return since when there was a place for the last pixel; the network as a whole makes one."""
        return self._place_since, BY_TIME

    def _free_from(self, pixel: Pixel) -> int | None:
        """Return the tick from which a pixel's place is known to be free, None if that is not known yet."""
        last = 0
        for copy in pixel.copies:
            if copy.left is None and copy.place is not None:
                copy.left = self._network.left(copy.place)
            if copy.left is None:
                return None
            last = max(last, copy.left)
        return last + 2

    def _is_gone(self, pixel: Pixel, now: int) -> bool:
        tick = self._free_from(pixel)
        return tick is not None and tick <= now

    def calls_back(self, now: int) -> bool:
        """Have the sender try again once a place is free; False if it is not known when."""
        ticks = [tick for tick in map(self._free_from, self._pixels) if tick is not None]
        if ticks:
            self._engine.at(max(min(ticks), now + 1), self._retry)
        return bool(ticks)

    def _retry_all(self, _: None) -> Park:
        self._refused = False
        for end in self.ends:
            end.retry()
        return PARK

    def lands(self, copy: Copy) -> None:
        """Fill the slots of a copy's readers."""
        for link in self._links[copy.readers[0]]:
            link.transfer.count += 1
            link.bits.count += self.bits
        by = self.ends[0].sender(), self._engine.now - copy.since
        for reader in copy.readers:
            self.ends[reader].buffer.land(copy.token, by)

    def passage(self, token: int, reader: int) -> int:
        """Return the cycles to a reader if nothing holds a pixel up."""
        return self.passages[reader]

    def holders(self) -> list[Wake]:
        """Return nobody: the network moves on, or tells itself why it cannot."""
        return []

    def carriers(self, reader: int) -> list[Wake]:
        """Return nobody, for the same reason."""
        return []

    def contents(self) -> str:
        """Return what it holds, in words."""
        held = [pixel.token for pixel in self._pixels if not self._is_gone(pixel, self._engine.now)]
        return (
            f"the queue of {self.name} in front of {self._network.path} holds {len(held)} of "
            f"{self._capacity} packets: pixels {held}"
        )

    def standing(self, now: int) -> tuple[int, ...]:
        """Return nothing: units of a flit network refuse to be compared."""
        return ()
