"""Memories at the far end of a network: a slot is claimed when a token sets out, and filled when it lands.

So a network never carries what nobody has room for, and all that is under way can land. The sender's end is
a `CarriedEnd`, one for each reader; several of one sender share a `Multicast`, and the `Entry` by which what
they send gets into a network. Which way it takes there, and for how long, is no business of theirs.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Protocol

from simcore.activity import NOBODY
from simcore.buffer_channel import BufferChannel
from simcore.causes import BY_TIME, Act, Side, Units
from simcore.channel import Channel, Endpoint, Waits
from simcore.commands import DONE, PARK, Engine, Park, Ready, Wake
from simcore.operation import Operation


class Entry(Protocol):
    """Where the tokens of one sender get into a network, in order; the network lands them at their readers.

    It has a place for each token that is still in front of the network. Copies of a token that are accepted
    in one tick share it, and their way as far as it is the same.
    """

    def accept(self, token: int, reader: int) -> bool:
        """Take a copy for one of the sender's readers, if there is a place; else `retry` its ends later."""

    def passage(self, token: int, reader: int) -> int:
        """Return the ticks from setting out to a reader, or to a station, if nothing holds a token up."""

    def place_since(self) -> tuple[int, Act]:
        """Return since when there was a place for the last copy that was taken, and who made it."""

    def holders(self) -> list[Wake]:
        """Return whose move would make a place."""

    def carriers(self, reader: int) -> list[Wake]:
        """Return whose move would bring a reader the token that lands next."""

    def contents(self) -> str:
        """Return what is held here now, in words."""

    def standing(self, now: int) -> Sequence[int]:
        """Return what is held here, relative to now; see `Endpoint.standing`."""


class Stations:
    """Where processes handle tokens on their way to a buffer, which land once that is done, in their order.

    channels : by which tokens come to each; it is done with one when it asks for the next
    latency, period : ticks from then until the token lands, at the first multiple of so many
    came : token and tick, one after the other, of all that came to a station, if that is logged
    """

    def __init__(self, engine: Engine, channels: Sequence[Channel], latency: int, period: int) -> None:
        self.channels = tuple(channels)
        self.latency, self.period = latency, period
        self.came: array[int] | None = None
        self._engine = engine

    def note(self, token: int) -> None:
        """Note that a token comes to the station whose turn it is."""
        if self.came is not None:
            self.came.extend((token, self._engine.now))


class CarriedBuffer(BufferChannel):
    """Buffer whose tokens come over a network: `sent` counts slots claimed, `landed` those that were filled.

    end : the sender's
    store : called with each token when it lands
    stations : that tokens pass on their way, if they do
    landings : tick in which each landed, if that is logged
    """

    __slots__ = ("_landed_by", "end", "landed", "landings", "stations")

    def __init__(self, engine: Engine, name: str, capacity: int | None, entry: Entry, reader: int) -> None:
        super().__init__(engine, name, capacity)
        self.landed = 0
        self.landings: array[int] | None = None
        self.stations: Stations | None = None
        self.end = CarriedEnd(engine, name, self, entry, reader)
        self._landed_by = BY_TIME

    def watch(self, waits: Waits, own: Units, others: Sequence[Units]) -> None:
        """Let who brought the last token that was waited for have ended each wait."""
        waits.ender = lambda _: self._landed_by

    def arrived(self, count: int, then: Operation | None = None, cycles: int = 0) -> Ready | Park | int:
        """Wait until the first `count` tokens have landed, and hold the operation `then` if one is given."""
        if self.landed >= count:
            return DONE if then is None else then.hold(cycles)
        wake = self.engine.active
        self.park(wake, self.reader_waits)
        self._reader = wake
        self._need, self._then, self._cycles = count, then, cycles
        return PARK

    def free(self, index: int) -> None:
        """Free all tokens below `index`; a copy that waits for a slot may set out."""
        super().free(index)
        self.end.retry()

    def put_at(self, token: int, tick: int) -> bool:
        """Claim a slot for the next token, if one is free.

        raises : BrokenLawError if `token` is not the next in sequence
        """
        if token != self.sent:
            raise self._out_of_sequence(self.sent, token)
        if self.capacity is not None and self.sent - self.freed >= self.capacity:
            return False
        self.sent = token + 1
        self._times.append(tick)
        if self.came is not None:
            self.came.append(tick)
        while self._times[0] < tick - self._keep:
            self._times.popleft()
        return True

    def land(self, token: int, by: Act = BY_TIME) -> None:
        """Fill the slot of a token whose last part is here now.

        by : who brought it
        raises : BrokenLawError if `token` is not the next in sequence
        """
        if token != self.landed:
            raise self._out_of_sequence(self.landed, token)
        self.landed = token + 1
        if self.landings is not None:
            self.landings.append(self.engine.now)
        self._landed_by = by
        if self.store is not None:
            self.store(token)
        if self._reader is not None and self.landed == self._need:
            reader, self._reader = self._reader, None
            self._wake_at(self.engine.now, reader)

    @property
    def under_way(self) -> int:
        """Tokens that have set out and not landed."""
        return self.sent - self.landed

    def holders(self) -> list[Wake]:
        """Return who holds up what is under way."""
        return self.end.entry.carriers(self.end.reader) if self.under_way else []

    def contents(self) -> str:
        """Return how full it is, in words."""
        under_way = f", {self.under_way} of them under way" if self.under_way else ""
        return f"{super().contents()}{under_way}"

    def repeat(self, first: tuple[int, int], last: tuple[int, int], times: int, ticks: int) -> None:
        """Count again, so many times, what came between two tallies, when nothing is left to do."""
        super().repeat(first, last, times, ticks)
        self.landed = self.sent

    def standing(self, now: int) -> Sequence[int]:
        """Add how many tokens are under way, and how the sender stands."""
        return *super().standing(now), self.under_way, *self.end.standing(now)


class CarriedEnd(Endpoint):
    """The sender's end of a buffer: a token sets out once the reader has a slot, and the network a place.

    reader : which of the sender's readers this is
    """

    __slots__ = ("_held", "_sender", "_writer", "buffer", "entry", "reader", "writer_waits")

    def __init__(self, engine: Engine, name: str, buffer: CarriedBuffer, entry: Entry, reader: int) -> None:
        super().__init__(engine, name)
        self.buffer = buffer
        self.entry = entry
        self.reader = reader
        self.writer_waits = Waits()
        self._held = 0
        self._writer: Wake | None = None
        self._sender: Side | None = None  # where it is asked for

    def watch(self, waits: Waits, own: Units, others: Sequence[Units]) -> None:
        """Let whoever made room last have ended each wait: the reader, or who made a place."""
        self._sender = Side(self.engine, own, waits)
        units = others[0] if others else ()
        reader = Side(self.engine, units, self.buffer.reader_waits)
        waits.ender = lambda end: self._let_out_by(reader, end)

    def sender(self) -> int:
        """Return the number of the unit that sends, if it is asked for."""
        return NOBODY if self._sender is None else self._sender.number()

    def _let_out_by(self, reader: Side, end: int) -> Act:
        since, act = self.entry.place_since()
        freed = self.buffer.freed_at(self._held)
        return (reader.number(), end - freed) if freed >= since else act

    def put(self, token: int, wake: Wake | None = None) -> Ready | Park:
        """Send the next token, waiting until it can set out; `wake` waits in place of the running process."""
        if self._sets_out(token):
            return DONE
        wake = wake or self.engine.active
        self.park(wake, self.writer_waits)
        self._held = token
        self._writer = wake
        return PARK

    def retry(self) -> None:
        """Send the token that waits, if it can set out now."""
        writer = self._writer
        if writer is not None and self._sets_out(self._held):
            self._writer = None
            self.writer_waits.end(writer, self.engine.now)
            self.soon(writer)

    def parked(self) -> list[tuple[Wake, Waits]]:
        """Return the writer if it waits."""
        return [(self._writer, self.writer_waits)] if self._writer is not None else []

    @property
    def lacks_slot(self) -> bool:
        """Whether a token waits for its reader, and not for the network."""
        return self._writer is not None and not self._has_slot()

    @property
    def _lacks_place(self) -> bool:
        """Whether a token waits for the network, and not for its reader."""
        return self._writer is not None and self._has_slot()

    def holders(self) -> list[Wake]:
        """Return whose move would let the token set out, if its reader has room."""
        return self.entry.holders() if self._lacks_place else []

    def contents(self) -> str:
        """Return how full it is in front of the token that waits, in words."""
        return self.entry.contents() if self._lacks_place else self.buffer.contents()

    def standing(self, now: int) -> Sequence[int]:
        """Return who waits, and what is in front of the network."""
        return id(self._writer), *self.entry.standing(now)

    def _has_slot(self) -> bool:
        buffer = self.buffer
        return buffer.capacity is None or buffer.sent - buffer.freed < buffer.capacity

    def _sets_out(self, token: int) -> bool:
        """Send a token if the reader has a slot and the network a place."""
        if not self._has_slot() or not self.entry.accept(token, self.reader):
            return False
        return self.buffer.put_at(token, self.engine.now)
