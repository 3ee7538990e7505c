"""One sender to many readers, and many parts to one reader, still one writer and one reader at each end."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

from simcore.activity import NOBODY
from simcore.carried import CarriedEnd
from simcore.causes import LastAct, Side, Units
from simcore.channel import Endpoint, Waits, how_full
from simcore.commands import DONE, PARK, Engine, Park, Ready, Wake
from simcore.errors import BrokenLawError


class Puts(Protocol):
    """The writing end of any channel."""

    @property
    def writer_waits(self) -> Waits:
        """How long a process waited here to write."""

    def put(self, token: Any, wake: Wake | None = None) -> Ready | Park:
        """Hand a token on; see `Channel.put`."""

    def has_room(self) -> bool:
        """Whether `put_at` is certain to do it."""

    def put_at(self, token: Any, tick: int) -> bool:
        """Hand a token on as of a tick from now on; see `Endpoint.put_at`."""

    def watch(self, waits: Waits, own: Units, others: Sequence[Units]) -> None:
        """See to it that waits here tell who ended them; see `Endpoint.watch`."""

    def parked(self) -> list[tuple[Wake, Waits]]:
        """Return who waits here now."""

    def holders(self) -> list[Wake]:
        """Return who holds what is waited for here; see `Endpoint.holders`."""

    def contents(self) -> str:
        """Return how full it is, in words."""


class Multicast(Endpoint):
    """Writing end over several channels: each takes its copy when it can, the writer waits for the last."""

    __slots__ = ("_ahead", "_last", "_members", "_pending", "_writer", "channels", "writer_waits")

    def __init__(self, engine: Engine, name: str, channels: Sequence[Puts]) -> None:
        super().__init__(engine, name)
        self.channels = tuple(channels)
        self.writer_waits = Waits()
        self._members = [(c.put, Wake(self._accepted)) for c in channels]
        self._ahead = [(c.has_room, c.put_at) for c in channels]
        self._pending = 0
        self._writer: Wake | None = None
        self._last = LastAct()

    def watch(self, waits: Waits, own: Units, others: Sequence[Units]) -> None:
        """Let the reader have ended each wait that let its channel take its copy last."""
        members = []
        for channel, units in zip(self.channels, others, strict=True):
            channel.watch(channel.writer_waits, own, [units])
            members.append((channel.put, Wake(partial(self._accepted_by, channel))))
        self._members = members
        waits.ender = lambda _: self._last.act

    def put(self, token: Any, wake: Wake | None = None) -> Ready | Park:
        """Hand a copy to every channel, waiting until all have taken theirs."""
        if self._pending:
            return self.park(wake or self.engine.active, self.writer_waits)  # which it refuses
        pending = 0
        for put, member in self._members:
            if put(token, member) is PARK:
                pending += 1
        if not pending:
            return DONE
        wake = wake or self.engine.active
        self.park(wake, self.writer_waits)
        self._pending = pending
        self._writer = wake
        return PARK

    def parked(self) -> list[tuple[Wake, Waits]]:
        """Return the writer if it waits."""
        return [(self._writer, self.writer_waits)] if self._writer is not None else []

    def standing(self, now: int) -> Sequence[int]:
        """Return how many have yet to take their copy, and who waits for that."""
        return self._pending, id(self._writer)

    def full(self) -> list[bool]:
        """Return for each channel whether it has yet to take its copy."""
        return [_waits_for_reader(channel) for channel in self.channels]

    def holders(self) -> list[Wake]:
        """Return who holds up a copy in a network, where readers have room."""
        return [wake for channel in self.channels for wake in channel.holders()]

    def contents(self) -> str:
        """Return how full the channels are, in words."""
        return "; ".join(channel.contents() for channel in self.channels)

    def put_at(self, token: Any, tick: int) -> bool:
        """Hand a copy to every channel as of a tick from now on, if all have room for it already."""
        for has_room, _ in self._ahead:
            if not has_room():
                return False
        for _, put_at in self._ahead:
            put_at(token, tick)
        return True

    def _accepted_by(self, channel: Puts, _: Any) -> Park:
        """Note whose act it was, where that is asked for."""
        now = self.engine.now
        self._last.note(channel.writer_waits.last_act(now), now)
        return self._accepted(None)

    def _accepted(self, _: Any) -> Park:
        self._pending -= 1
        if not self._pending:
            writer = self._writer
            assert writer is not None
            self._writer = None
            self.writer_waits.end(writer, self.engine.now)
            self.soon(writer)
        return PARK


class GatherEnd(Endpoint):
    """Writing end for one of the parts of a `Gather`."""

    __slots__ = ("_held", "_side", "_writer", "gather", "sent", "unit", "writer_waits")

    def __init__(self, engine: Engine, name: str, gather: Gather) -> None:
        super().__init__(engine, name)
        self.sent = 0
        self.writer_waits = Waits()
        self.gather = gather
        self.unit = NOBODY  # number of the one that writes here, where that is asked for
        self._side: Side | None = None  # where it is asked for, and is one of several
        self._held: Any = None
        self._writer: Wake | None = None

    def watch(self, waits: Waits, own: Units, others: Sequence[Units]) -> None:
        """Let the reader have ended each wait, at once, and each part have been added by this writer."""
        (reader,) = others
        waits.ended_by(Side(self.engine, reader, self.gather.reader_waits))
        side = Side(self.engine, own, waits)
        self.unit, self._side = side.number(), None if side.alone else side

    def put(self, token: Any, wake: Wake | None = None) -> Ready | Park:
        """Hand on this writer's part of its next token, waiting until there is room."""
        gather = self.gather
        if self._side is not None:
            self.unit = self._side.number()
        if gather.has_slot(self.sent):
            gather.add(self.sent, token, self.engine.now, self.unit)
            self.sent += 1
            return DONE
        wake = wake or self.engine.active
        self.park(wake, self.writer_waits)
        self._held = token
        self._writer = wake
        gather.call_back()
        return PARK

    def parked(self) -> list[tuple[Wake, Waits]]:
        """Return the writer if it waits."""
        return [(self._writer, self.writer_waits)] if self._writer is not None else []

    def put_at(self, token: Any, tick: int) -> bool:
        """Hand a part on as of a tick from now on, if there is room for it already."""
        gather, index = self.gather, self.sent
        if not gather.has_slot(index):
            return False
        self.sent = index + 1
        parts = gather.parts[index % gather.capacity]
        missing = parts[0]
        if missing > 1 and parts[1] == tick and parts[2] == token:  # one of many that come together
            parts[0] = missing - 1
            if self.unit < parts[3]:
                parts[3] = self.unit
        else:
            gather.add(index, token, tick, self.unit)
        return True

    def contents(self) -> str:
        """Return how full the gather is, in words."""
        return self.gather.contents()

    def standing(self, now: int) -> Sequence[int]:
        """Return how far ahead of the reader it is, and who waits."""
        return self.sent - self.gather.taken, id(self._writer)

    def retry(self) -> None:
        """Put the held part if the reader has freed a slot."""
        writer = self._writer
        if writer is not None and self.gather.has_slot(self.sent):
            self._writer = None
            self.gather.add(self.sent, self._held, self.engine.now, self.unit)
            self.sent += 1
            self.writer_waits.end(writer, self.engine.now)
            self.soon(writer)


class Gather(Endpoint):
    """Joins the parts that several writers make of each token; the last part makes it visible.

    A reader that waits is given a token ahead, for the tick in which it is visible and the reader is there;
    the slot stays taken until then.

    latency : ticks from the last part to the token

    capacity : tokens, complete or not, that may be under way
    taken : tokens read so far
    """

    __slots__ = (
        "_complete",
        "_given_until",
        "_reader",
        "_ready",
        "_retrying",
        "capacity",
        "ends",
        "latency",
        "parts",
        "reader_waits",
        "taken",
    )

    def __init__(
        self, engine: Engine, name: str, writers: Sequence[str], capacity: int, latency: int
    ) -> None:
        super().__init__(engine, name)
        self.capacity = capacity
        self.latency = latency
        self.taken = 0
        self.reader_waits = Waits()
        self.ends = [GatherEnd(engine, writer, self) for writer in writers]
        # Parts that are still to come, the tick in which the last one is there, token, and the first unit of
        # those whose part is there then.
        self.parts: list[list[Any]] = [[len(self.ends), 0, None, NOBODY] for _ in range(capacity)]
        self._complete: deque[tuple[int, Any]] = deque()  # (tick in which it can be taken, token)
        self._ready = Ready()
        self._reader: Wake | None = None
        self._given_until = -1  # tick in which a token given ahead leaves its slot; -1 if none is
        self._retrying = Wake(self._retry)

    def watch(self, waits: Waits, own: Units, others: Sequence[Units]) -> None:
        """Let the writer of the last part of each token have ended the wait for it."""
        waits.ender = lambda _: (self.parts[self.taken % self.capacity][3], self.latency)

    def __len__(self) -> int:
        self._settle()
        return self.sent - self.taken

    @property
    def sent(self) -> int:
        """Tokens of which some part was put."""
        return max(end.sent for end in self.ends)

    def has_slot(self, index: int) -> bool:
        """Whether there is room for a part of the token that is its writer's `index`-th."""
        if self._given_until >= 0:
            self._settle()
        return index - self.taken < self.capacity

    def call_back(self) -> None:
        """Have writers look again when the slot of a token given ahead becomes free."""
        if self._given_until >= 0:
            self.engine.at(self._given_until, self._retrying)

    def get(self) -> Ready | Park:
        """Take the oldest token once all its parts are there."""
        self._settle()
        complete = self._complete
        if complete and complete[0][0] <= self.engine.now:
            self._ready.value = complete.popleft()[1]
            self._free_slot()
            return self._ready
        self._reader = wake = self.engine.active
        self.park(wake, self.reader_waits)
        if complete:
            self._give(wake)
        return PARK

    def parked(self) -> list[tuple[Wake, Waits]]:
        """Return the reader if it waits."""
        reader = self._reader
        if reader is None or reader.since > self.engine.now:
            return []
        return [(reader, self.reader_waits)]

    def await_from(self, wake: Wake, tick: int) -> bool:
        """Let a process take a token at a tick from now on; False if it is to `get` one then."""
        complete = self._complete
        if complete and complete[0][0] <= tick == self.engine.now:
            return False
        self._settle()
        if self.reader_waits.owner is not wake:
            self.park(wake, self.reader_waits)
        wake.waiting = True
        wake.since = tick
        self._reader = wake
        if complete:
            self._give(wake)
        return True

    def contents(self) -> str:
        """Return how full it is, in words."""
        return how_full(self.name, self)

    def standing(self, now: int) -> Sequence[int]:
        """Return what is complete, what is missing of each token under way, and who waits."""
        self._settle()
        complete = (max(0, tick - now) for tick, _ in self._complete)
        slots = (self.parts[(self.taken + i) % self.capacity] for i in range(self.capacity))
        parts = (number for missing, last, *_ in slots for number in (missing, max(-1, last - now)))
        given = max(-1, self._given_until - now)
        return id(self._reader), given, len(self._complete), *complete, *parts

    def add(self, index: int, token: Any, tick: int, unit: int = NOBODY) -> None:
        """Count one writer's part of the token that is its `index`-th, there in `tick`.

        unit : number of who wrote it, if that is asked for
        raises : BrokenLawError if the writers disagree on which token that is
        """
        parts = self.parts[index % self.capacity]
        missing, last, first_token, by = parts
        if missing == len(self.ends):
            parts[2] = token
            last = -1
        elif first_token != token:
            raise BrokenLawError(
                f"{self.name} expected part of token {first_token} but got one of {token}: "
                "a writer lost, doubled or reordered one"
            )
        if tick > last:
            parts[1], parts[3] = tick, unit
            last = tick
        elif tick == last and unit < by:
            parts[3] = unit
        parts[0] = missing - 1
        if missing == 1:
            parts[0] = len(self.ends)
            self._complete.append((last + self.latency, token))
            if self._reader is not None:
                self._give(self._reader)

    def _give(self, reader: Wake) -> None:
        """Let the waiting reader go on with the oldest token once that is visible and it is there."""
        visible, token = self._complete.popleft()
        self._reader = None
        tick = max(visible, reader.since, self.engine.now)
        reader.value = token
        waits = self.reader_waits
        waits.end(reader, tick)
        waits.until = self._given_until = tick
        self.engine.at(tick, reader)
        if tick == self.engine.now:
            self._retry(None)
        elif any(end.parked() for end in self.ends):
            self.call_back()

    def _settle(self) -> None:
        """Free the slot of a token given ahead whose reader is there by now."""
        if 0 <= self._given_until <= self.engine.now:
            self._given_until = -1
            self.taken += 1

    def _retry(self, _: Any) -> Park:
        self._settle()
        for end in self.ends:
            end.retry()
        return PARK

    def _free_slot(self) -> None:
        self.taken += 1
        for end in self.ends:
            end.retry()


def _waits_for_reader(channel: Puts) -> bool:
    """Tell whether a writer waits here for the reader to make room."""
    if isinstance(channel, CarriedEnd):
        return channel.lacks_slot
    return any(waits is channel.writer_waits for _, waits in channel.parked())
