"""Channels: how tokens go from one process to another, under the one visibility rule.

A channel has a capacity and a latency of L ticks. A token put in tick t can be taken from t + L on; a slot
freed in t can be filled in t; a slot is claimed when its token is put. One process reads, one writes, both
commit to what they ask for and nobody peeks. Then cycle counts do not depend on the order in which processes
run within a tick.

A process says `x = yield channel.get()` and `yield channel.put(x)`. If it need not wait, the call returns a
`Ready` and the process goes on at once; else the call parks it, returns `PARK`, and the other side wakes it
and charges the wait.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.causes import BY_TIME, Act, FreedSlot, Puts, Side, Units
from simcore.clocks import next_edge
from simcore.commands import DONE, PARK, Engine, Park, Ready, Wake, describe
from simcore.errors import WiringError
from simcore.history import unrolled


class Waits:
    """Waiting at one end of a channel: who, how long in all [tick], and since when in detail if recorded.

    until : tick in which the last wait that was charged ahead will end
    log : start and duration of each wait, if recorded
    ender : tells who ended a wait, when it ends in the tick that is given; None where `cause` did each time
    """

    __slots__ = ("_acts", "cause", "ender", "log", "owner", "ticks", "until")

    def __init__(self) -> None:
        self.owner: Wake | None = None
        self.ticks = 0
        self.until = 0
        self.log: array[int] | None = None  # start, duration, start, duration, ...
        self.ender: Callable[[int], Act] | None = None
        self.cause = BY_TIME
        self._acts: array[int] | None = None  # unit, lag, unit, lag, ..., where `ender` tells

    def record(self) -> None:
        """Note each wait from now on, and who ended it."""
        self.log = array("q")
        self._acts = None if self.ender is None else array("q")

    def ended_by(self, side: Side, lag: int = 0) -> None:
        """Let the unit at the other side have ended every wait, so many ticks before."""
        if side.alone:
            self.cause = side.number(), lag
        else:
            self.ender = lambda _: (side.number(), lag)

    def last_act(self, now: int) -> Act:
        """Return who ended the wait that ends now."""
        return self.cause if self.ender is None else self.ender(now)

    def recorded(self) -> tuple[NDArray[np.int64], NDArray[np.int64] | Act]:
        """Return (n, 2) start and duration [tick] of each wait; (n, 2) units that ended them, and lags."""
        waits = np.array(self.log, np.int64).reshape(-1, 2)
        return waits, self.cause if self._acts is None else np.array(self._acts, np.int64).reshape(-1, 2)

    def correct(self, act: Act, end: int) -> None:
        """Let somebody else have ended the last wait, if it has ended in the tick `end`."""
        log = self.log
        if log and self._acts is not None and log[-2] + log[-1] == end:
            self._acts[-2:] = array("q", act)

    def tally(self) -> tuple[int, int]:
        """Return how many waits are logged, and how long all were [tick]."""
        return (0 if self.log is None else len(self.log) // 2), self.ticks

    def repeat(self, first: tuple[int, int], last: tuple[int, int], times: int, ticks: int) -> None:
        """Charge again, so many times and each time `ticks` later, what came between two tallies."""
        self.ticks += times * (last[1] - first[1])
        if self.log is not None:
            log = self.log
            self.log = array("q", bytes(8 * (len(log) + 2 * times * (last[0] - first[0]))))
            self.log[::2] = unrolled(log[::2], first[0], last[0], times, ticks)
            self.log[1::2] = unrolled(log[1::2], first[0], last[0], times, 0)
        if self._acts is not None:
            self._acts = unrolled(self._acts, 2 * first[0], 2 * last[0], times, 0)

    def end(self, wake: Wake, now: int) -> None:
        """Charge the wait of a process that goes on now, or at a tick that is known."""
        wake.waiting = False
        since = wake.since
        if now != since:
            self.ticks += now - since
            log = self.log
            if log is not None:
                log.append(since)
                log.append(now - since)
                if self._acts is not None:
                    self._acts.extend(self.last_act(now))


class Endpoint(ABC):
    """Anything a process may park on; it tells who waits there, for accounts and explanations."""

    __slots__ = ("engine", "name", "soon")

    def __init__(self, engine: Engine, name: str) -> None:
        self.engine = engine
        self.name = name
        self.soon = engine.soon

    def park(self, wake: Wake, waits: Waits) -> Park:
        """Note who waits here from now on; its first wait makes it the owner of this end.

        raises : WiringError if another process waited at this end before, or if this one should be waiting
            somewhere else
        """
        if waits.owner is not wake:
            if waits.owner is not None:
                raise WiringError(
                    f"two processes share one end of {self.name}; a channel has one reader and one writer: "
                    "put an arbiter in between"
                )
            waits.owner = wake
        if wake.waiting:
            raise WiringError(
                f"{describe(wake)} called {self.name} before its last call, {wake.parked_on.name}, was "
                "yielded; write `yield self.PORT.put(token)`, and likewise get, arrived and acquire"
            )
        wake.waiting = True
        wake.parked_on = self
        wake.since = self.engine.now
        return PARK

    def watch(self, waits: Waits, own: Units, others: Sequence[Units]) -> None:
        """See to it that waits here tell who ended them; called before cycle 0, if they are recorded.

        own : units of the component that waits
        others : units of each component at the other side, where ports lead to any
        """
        waits.cause = BY_TIME

    @abstractmethod
    def standing(self, now: int) -> Sequence[int]:
        """Return what is held here and who waits, relative to now: all that its future depends on.

        Tokens count, but not which they are: they come in sequence.
        """

    def has_room(self) -> bool:
        """Whether `put_at` is certain to do it; others it may still accept."""
        return False

    def put_at(self, token: Any, tick: int) -> bool:
        """Hand a token on as of a tick from now on, if there is room for it already; else do nothing."""
        return False

    def await_from(self, wake: Wake, tick: int) -> bool:
        """Let a process wait for a token as of a tick from now on, if there is none yet; else do nothing."""
        return False

    def parked(self) -> list[tuple[Wake, Waits]]:
        """Return who waits here now, with the wait that each will be charged to."""
        return []

    def holders(self) -> list[Wake]:
        """Return who holds what is waited for here, where it is held by processes."""
        return []

    def remedy(self) -> str:
        """Return what would end a circle of waits here, in words; "" where more depth would."""
        return ""

    def contents(self) -> str:
        """Return what is held here now, in words."""
        return self.name


class TwoEnded(Endpoint):
    """An endpoint that holds tokens for one reader and one writer; they park in `_reader` and `_writer`.

    capacity : tokens it holds at most; None is unbounded
    """

    __slots__ = ("_reader", "_writer", "capacity", "reader_waits", "writer_waits")

    def __init__(self, engine: Engine, name: str, capacity: Any) -> None:
        super().__init__(engine, name)
        self.capacity = capacity
        self.reader_waits = Waits()
        self.writer_waits = Waits()
        self._reader: Wake | None = None
        self._writer: Wake | None = None

    def watch(self, waits: Waits, own: Units, others: Sequence[Units]) -> None:
        """Let the one at the other side have ended each wait, at once."""
        if others:
            waits.ended_by(self._other_side(waits, others))

    def _other_side(self, waits: Waits, others: Sequence[Units]) -> Side:
        (units,) = others
        opposite = self.writer_waits if waits is self.reader_waits else self.reader_waits
        return Side(self.engine, units, opposite)

    def parked(self) -> list[tuple[Wake, Waits]]:
        """Return who waits here now, with the wait that each will be charged to."""
        sides = ((self._reader, self.reader_waits), (self._writer, self.writer_waits))
        now = self.engine.now
        return [(wake, waits) for wake, waits in sides if wake is not None and wake.since <= now]

    @abstractmethod
    def __len__(self) -> int:
        """Return how many tokens it holds."""

    def standing(self, now: int) -> Sequence[int]:
        """Return who waits, and how much it holds."""
        return id(self._reader), id(self._writer), len(self)

    def contents(self) -> str:
        """Return how full it is, in words."""
        return how_full(self.name, self)


def how_full(name: str, holder: Any) -> str:
    """Return how many of its slots something holds, in words."""
    bound = "unbounded" if holder.capacity is None else f"{holder.capacity} slots"
    return f"{name} holds {len(holder)} of {bound}"


class Channel(TwoEnded):
    """Channel without latency between two processes of one clock.

    A relay's process that takes a token at a later tick is given it ahead; its slot stays taken until then.

    sent : tokens handed over so far, with one that waits for room
    """

    __slots__ = ("_given_until", "_held", "_items", "_ready", "_retrying", "sent")

    def __init__(self, engine: Engine, name: str, capacity: int) -> None:
        super().__init__(engine, name, capacity)
        self.sent = 0
        self._items: deque[Any] = deque()
        self._ready = Ready()
        self._held: Any = None
        self._given_until = 0  # tick in which the token that was given ahead leaves its slot
        self._retrying = Wake(self._retry)

    def __len__(self) -> int:
        return len(self._items) + int(self._given_until > self.engine.now)

    def get(self) -> Ready | Park:
        """Take the oldest token, waiting until there is one."""
        items = self._items
        if not items and self._writer is not None:
            self._admit()
        if items:
            ready = self._ready
            ready.value = items.popleft()
            if self._writer is not None:
                self._admit()
            return ready
        self._reader = wake = self.engine.active
        return self.park(wake, self.reader_waits)

    def await_from(self, wake: Wake, tick: int) -> bool:
        """Let a process take a token at a tick from now on; False if it is to `get` one then."""
        if self._writer is not None and len(self._items) < self.capacity:
            self._admit()
        now = self.engine.now
        if self._items and tick == now:
            return False
        if self.reader_waits.owner is not wake:
            self.park(wake, self.reader_waits)
        wake.waiting = True
        wake.since = tick
        if self._items:
            self._give(wake, self._items.popleft(), tick)
            if self._writer is not None:
                self.engine.at(tick, self._retrying)
        else:
            self._reader = wake
        return True

    def put_at(self, token: Any, tick: int) -> bool:
        """Hand a token on as of a tick from now on, if a relay's process will be there to take it."""
        reader = self._reader
        if reader is None or reader.fetching is None:
            return False
        self.sent += 1
        self._give(reader, token, tick if tick > reader.since else reader.since)
        return True

    def put(self, token: Any, wake: Wake | None = None) -> Ready | Park:
        """Hand a token on, waiting until there is room; `wake` waits in place of the running process."""
        self.sent += 1
        reader = self._reader
        if reader is not None:
            now = self.engine.now
            if reader.since > now:
                self._give(reader, token, reader.since)
                return DONE
            self._reader = None
            reader.value = token
            self.reader_waits.end(reader, now)
            self.soon(reader)
            return DONE
        items = self._items
        held = len(items)
        # Whether a token given ahead still has a slot only matters for the last one.
        if held + 1 < self.capacity or (held < self.capacity and self._given_until <= self.engine.now):
            items.append(token)
            return DONE
        wake = wake or self.engine.active
        self.park(wake, self.writer_waits)
        self._held = token
        self._writer = wake
        if self._given_until > self.engine.now:
            self.engine.at(self._given_until, self._retrying)
        return PARK

    def standing(self, now: int) -> Sequence[int]:
        """Return who waits, how much it holds, and until when for what was given ahead."""
        return *super().standing(now), max(0, self._given_until - now)

    def _give(self, reader: Wake, token: Any, tick: int) -> None:
        """Let the reader go on with a token at a tick from now on; its wait until then is charged now."""
        self._reader = None
        reader.value = token
        waits = self.reader_waits
        waits.end(reader, tick)
        waits.until = self._given_until = tick
        self.engine.at(tick, reader)

    def _admit(self) -> None:
        """Let the parked writer's token have the slot that has just become free."""
        writer = self._writer
        assert writer is not None
        self._writer = None
        self._items.append(self._held)
        self.writer_waits.end(writer, self.engine.now)
        self.soon(writer)

    def _retry(self, _: Any) -> Park:
        if self._writer is not None and len(self) < self.capacity:
            self._admit()
        return PARK


class Handshake(TwoEnded):
    """Channel that holds nothing: a token goes over in the tick in which both sides are there.

    sent : tokens handed over so far, with one that waits for its reader
    """

    __slots__ = ("_held", "_ready", "sent")

    def __init__(self, engine: Engine, name: str) -> None:
        super().__init__(engine, name, 0)
        self.sent = 0
        self._ready = Ready()
        self._held: Any = None

    def __len__(self) -> int:
        return 0 if self._writer is None else 1

    def get(self) -> Ready | Park:
        """Take the token that is offered, waiting until one is."""
        writer = self._writer
        if writer is None:
            wake = self.engine.active
            self.park(wake, self.reader_waits)
            self._reader = wake
            return PARK
        self._writer = None
        self._ready.value = self._held
        self.writer_waits.end(writer, self.engine.now)
        self.soon(writer)
        return self._ready

    def put(self, token: Any, wake: Wake | None = None) -> Ready | Park:
        """Offer a token, waiting until it is taken; `wake` waits in place of the running process."""
        self.sent += 1
        reader = self._reader
        if reader is None:
            wake = wake or self.engine.active
            self.park(wake, self.writer_waits)
            self._held = token
            self._writer = wake
            return PARK
        self._reader = None
        reader.value = token
        self.reader_waits.end(reader, self.engine.now)
        self.soon(reader)
        return DONE


class DelayedChannel(TwoEnded):
    """Channel with a latency, or between two clocks: each side acts at its own clock's edges only.

    latency : ticks from put to take; a token is seen at the reader's first edge not before it is there
    reader_period, writer_period : ticks in a cycle of either side's clock
    """

    __slots__ = (
        "_accepting",
        "_delivering",
        "_freed",
        "_held",
        "_items",
        "_puts",
        "_ready",
        "latency",
        "reader_period",
        "sent",
        "writer_period",
    )

    def __init__(
        self,
        engine: Engine,
        name: str,
        capacity: int,
        latency: int,
        reader_period: int = 1,
        writer_period: int = 1,
    ) -> None:
        super().__init__(engine, name, capacity)
        self.latency = latency
        self.reader_period = reader_period
        self.writer_period = writer_period
        self.sent = 0
        self._items: deque[tuple[int, Any]] = deque()  # (tick in which it can be taken, token)
        self._ready = Ready()
        self._held: Any = None
        self._delivering = Wake(self._deliver)
        self._accepting = Wake(self._accept_held)
        self._puts: Puts | None = None  # where they are asked for
        self._freed: FreedSlot | None = None

    def __len__(self) -> int:
        return len(self._items)

    def watch(self, waits: Waits, own: Units, others: Sequence[Units]) -> None:
        """Let the one at the other side have ended each wait, after a time that varies between two clocks."""
        side = self._other_side(waits, others)
        period = self.reader_period
        if side.alone and period == self.writer_period and not self.latency % period:
            waits.ended_by(side, self.latency if waits is self.reader_waits else 0)
        elif waits is self.reader_waits:
            self._puts = Puts(side)
            waits.ender = self._puts.before
        else:
            self._freed = FreedSlot(side, self.writer_period)
            waits.ender = self._freed.before

    def get(self) -> Ready | Park:
        """Take the oldest token, waiting until it is visible."""
        items = self._items
        if items and items[0][0] <= self.engine.now and self._reader is None:
            ready = self._ready
            ready.value = items.popleft()[1]
            if self._puts is not None:
                self._puts.take()
            self._free_slot()
            return ready
        wake = self.engine.active
        self.park(wake, self.reader_waits)
        self._reader = wake
        if items:
            self.engine.at(items[0][0], self._delivering)
        return PARK

    def put(self, token: Any, wake: Wake | None = None) -> Ready | Park:
        """Hand a token on, waiting until there is room; `wake` waits in place of the running process."""
        if len(self._items) < self.capacity and self._writer is None:
            self._accept(token)
            return DONE
        wake = wake or self.engine.active
        self.park(wake, self.writer_waits)
        self._held = token
        self._writer = wake
        return PARK

    def standing(self, now: int) -> Sequence[int]:
        """Return when what it holds can be taken, and who waits."""
        return id(self._reader), id(self._writer), *(max(0, visible - now) for visible, _ in self._items)

    def _accept(self, token: Any) -> None:
        visible = next_edge(self.engine.now + self.latency, self.reader_period)
        self._items.append((visible, token))
        if self._puts is not None:
            self._puts.put(self.engine.now)
        self.sent += 1
        if self._reader is not None and len(self._items) == 1:
            self.engine.at(visible, self._delivering)

    def _deliver(self, _: Any) -> Park:
        """Give the oldest token, visible now, to the reader that waits for it."""
        reader = self._reader
        assert reader is not None
        self._reader = None
        reader.value = self._items.popleft()[1]
        if self._puts is not None:
            self._puts.take()
        self.reader_waits.end(reader, self.engine.now)
        self.soon(reader)
        self._free_slot()
        return PARK

    def _free_slot(self) -> None:
        """Let a parked writer have the slot at its next edge."""
        if self._writer is not None:
            edge = next_edge(self.engine.now, self.writer_period)
            if self._freed is not None:
                self._freed.note(self.engine.now, edge)
            if edge == self.engine.now:
                self._accept_held(None)
            else:
                self.engine.at(edge, self._accepting)

    def _accept_held(self, _: Any) -> Park:
        writer = self._writer
        if writer is not None:
            self._writer = None
            self._accept(self._held)
            self.writer_waits.end(writer, self.engine.now)
            self.soon(writer)
        return PARK
