"""The channel behind a line buffer: tokens are counted, awaited in bulk and freed from the oldest on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from simcore.channel import TwoEnded
from simcore.clocks import next_edge
from simcore.commands import DONE, PARK, Engine, Park, Ready, Wake
from simcore.errors import BrokenLawError


class BufferChannel(TwoEnded):
    """Memory that one process fills token by token and another reads window by window.

    Tokens are sequence numbers 0, 1, 2, ... The reader waits until the first n have arrived and frees all
    below an index; it may free tokens that are still to come, as those that no window reads: they never
    occupy a slot. The visibility rule is that of every channel, and so are latency and clocks
    (`simcore.channel`).

    sent, freed : tokens accepted so far; index below which all are freed
    peak : most slots occupied at the end of any tick so far
    store : called with each token when it is accepted, where a memory keeps the token's values
    """

    __slots__ = (
        "_accepting",
        "_delivering",
        "_held",
        "_need",
        "_occupied",
        "_peak",
        "_peak_tick",
        "_visible_at",
        "freed",
        "latency",
        "reader_period",
        "sent",
        "store",
        "writer_period",
    )

    def __init__(
        self,
        engine: Engine,
        name: str,
        capacity: int | None,
        latency: int = 0,
        reader_period: int = 1,
        writer_period: int = 1,
    ) -> None:
        super().__init__(engine, name, capacity)
        self.latency = latency
        self.reader_period = reader_period
        self.writer_period = writer_period
        self.sent = 0
        self.freed = 0
        self.store: Callable[[int], None] | None = None
        self._need = 0
        self._occupied = 0
        self._peak = 0
        self._peak_tick = -1
        self._visible_at: deque[int] | None = deque() if latency or reader_period != writer_period else None
        self._held = 0
        self._delivering = Wake(self._deliver)
        self._accepting = Wake(self._accept_held)

    def __len__(self) -> int:
        return max(0, self.sent - self.freed)

    @property
    def peak(self) -> int:
        """Most slots occupied at the end of any tick so far; frees of a tick count before its arrivals."""
        return max(self._peak, self._occupied)

    def arrived(self, count: int) -> Ready | Park:
        """Wait until the first `count` tokens are visible."""
        if self.sent >= count and self._reader is None:
            visible = self._visible_tick(count)
            if visible <= self.engine.now:
                return DONE
            self.engine.at(visible, self._delivering)
        wake = self.engine.active
        self.park(wake, self.reader_waits)
        self._need = count
        self._reader = wake
        return PARK

    def free(self, index: int) -> None:
        """Free all tokens below `index`, also such as have not come yet."""
        if index <= self.freed:
            return
        self.freed = index
        if self.engine.now == self._peak_tick:
            self._occupied = self.sent - index
        if self._writer is not None and self.sent - index < self.capacity:
            edge = next_edge(self.engine.now, self.writer_period)
            if edge == self.engine.now:
                self._accept_held(None)
            else:
                self.engine.at(edge, self._accepting)

    def put(self, token: int, wake: Wake | None = None) -> Ready | Park:
        """Hand the next token on, waiting until there is room. `wake` waits for the running process if given.

        raises : BrokenLawError if `token` is not the next in sequence
        """
        if token != self.sent:
            raise BrokenLawError(
                f"{self.name} expected token {self.sent} but got {token}: "
                "its sender lost, doubled or reordered one"
            )
        if self.capacity is None or (self.sent - self.freed < self.capacity and self._writer is None):
            self._accept(token)
            return DONE
        wake = wake or self.engine.active
        self.park(wake, self.writer_waits)
        self._held = token
        self._writer = wake
        return PARK

    def _accept(self, token: int) -> None:
        now = self.engine.now
        if now != self._peak_tick:
            self._peak = max(self._peak, self._occupied)
            self._peak_tick = now
        self.sent = sent = token + 1
        self._occupied = sent - self.freed
        if self.store is not None:
            self.store(token)
        if self._visible_at is None:
            if self._reader is not None and sent == self._need:
                self._deliver(None)
        else:
            visible = next_edge(now + self.latency, self.reader_period)
            self._visible_at.append(visible)
            if self._reader is not None and sent == self._need:
                self.engine.at(visible, self._delivering)

    def _visible_tick(self, count: int) -> int:
        """Return when the token that makes `count` is or was visible; all in the past are one to us."""
        times = self._visible_at
        if times is None:
            return 0
        now = self.engine.now
        while times and times[0] <= now:
            times.popleft()
        index = count - 1 - (self.sent - len(times))
        return times[index] if index >= 0 else 0

    def _deliver(self, _: Any) -> Park:
        reader = self._reader
        assert reader is not None
        self._reader = None
        self.reader_waits.end(reader, self.engine.now)
        self.soon(reader)
        return PARK

    def _accept_held(self, _: Any) -> Park:
        writer = self._writer
        if writer is not None:
            self._writer = None
            self._accept(self._held)
            self.writer_waits.end(writer, self.engine.now)
            self.soon(writer)
        return PARK
