"""The channel behind a line buffer: tokens are counted, awaited in bulk and freed from the oldest on."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from simcore.causes import Units
from simcore.channel import TwoEnded, Waits
from simcore.clocks import next_edge
from simcore.commands import DONE, PARK, Engine, Park, Ready, Wake, not_a_command
from simcore.errors import BrokenLawError
from simcore.history import unrolled
from simcore.operation import Operation


class BufferChannel(TwoEnded):
    """Memory that one process fills token by token and another reads window by window.

    Tokens are sequence numbers 0, 1, 2, ... The reader waits until the first n have arrived and frees all
    below an index; it may free tokens that are still to come, as those that no window reads: they never
    occupy a slot. The visibility rule is that of every channel, and so are latency and clocks
    (`simcore.channel`).

    sent, freed : tokens accepted so far; index below which all are freed
    peak : most slots occupied at the end of any tick so far
    store : called with each token when it is accepted, where a memory keeps the token's values
    came, gone : tick in which each token was accepted, and freed, if recorded; from the tokens
        `first_came` and `first_gone` on
    """

    __slots__ = (
        "_accepting",
        "_cycles",
        "_held",
        "_keep",
        "_need",
        "_peak",
        "_then",
        "_times",
        "came",
        "first_came",
        "first_gone",
        "freed",
        "gone",
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
        self.came: array[int] | None = None
        self.gone: array[int] | None = None
        self.first_came = self.first_gone = 0
        self._need = 0
        self._then: Operation | None = None  # what the reader goes on with
        self._cycles = 0
        self._peak = 0
        self._keep = latency + reader_period  # ticks for which a token's coming is remembered
        self._times: deque[int] = deque()  # when the last tokens came, all those not visible yet included
        self._held = 0
        self._accepting = Wake(self._accept_held)

    def __len__(self) -> int:
        return max(0, self.sent - self.freed)

    def watch(self, waits: Waits, own: Units, others: Sequence[Units]) -> None:
        """Let the one at the other side have ended each wait, after a time that varies between two clocks."""
        side = self._other_side(waits, others)
        if self.reader_period == self.writer_period and not self.latency % self.reader_period:
            waits.ended_by(side, self.latency if waits is self.reader_waits else 0)
        elif waits is self.reader_waits:
            waits.ender = lambda end: (side.number(), end - self._came_at(self._need - 1))
        else:
            waits.ender = lambda end: (side.number(), end - self.freed_at(self._held))

    def _came_at(self, token: int) -> int:
        """Return when a token came; asked only if recorded."""
        assert self.came is not None
        return self.came[token - self.first_came]

    def freed_at(self, token: int) -> int:
        """Return when the slot that a token takes became free, -1 if it always was; asked if recorded."""
        slots: int | None = self.capacity
        if slots is None or token < slots:
            return -1
        assert self.gone is not None
        return self.gone[token - slots - self.first_gone]

    def standing(self, now: int) -> Sequence[int]:
        """Return how much it holds, what is not long visible, and who waits for how much."""
        reader = self._reader
        awaited = (0, 0, 0) if reader is None else (self._need - self.sent, id(self._then), self._cycles)
        recent = (tick - now for tick in self._times if tick > now - self._keep)
        return self.sent - self.freed, id(reader), *awaited, id(self._writer), *recent

    def tally(self) -> tuple[int, int]:
        """Return how many tokens were sent, and how many freed."""
        return self.sent, self.freed

    def repeat(self, first: tuple[int, int], last: tuple[int, int], times: int, ticks: int) -> None:
        """Count again, so many times, what came between two tallies, when nothing is left to do."""
        self.sent += times * (last[0] - first[0])
        self.freed += times * (last[1] - first[1])
        if self.came is not None and self.gone is not None:
            self.came = unrolled(self.came, first[0], last[0], times, ticks)
            self.gone = unrolled(self.gone, first[1], last[1], times, ticks)

    def record(self) -> None:
        """Note when each token comes and goes, from the first one on."""
        self.came, self.gone = array("q"), array("q")

    def forget(self, came: int, gone: int) -> None:
        """Keep no longer when the first tokens came and were freed, but for what may still be asked for.

        came, gone : how many
        """
        assert self.came is not None
        assert self.gone is not None
        came = min(came, self.sent - len(self._times))
        gone = min(gone, self.sent - (self.capacity or 0))
        if came > self.first_came:
            del self.came[: came - self.first_came]
            self.first_came = came
        if gone > self.first_gone:
            del self.gone[: gone - self.first_gone]
            self.first_gone = gone

    @property
    def peak(self) -> int:
        """Most slots occupied at the end of any tick so far; frees of a tick count before its arrivals."""
        return max(self._peak, self._sent_before(self.engine.now + 1) - self.freed)

    def arrived(self, count: int, then: Operation | None = None, cycles: int = 0) -> Ready | Park | int:
        """Wait until the first `count` tokens are visible, and hold the operation `then` if one is given.

        The second in one command says the same as `then.hold(cycles)` behind it, and wakes the process once.
        """
        engine, sent, visible = self.engine, self.sent, 0
        if type(cycles) is not int or cycles < 0:
            raise not_a_command(engine.active, cycles)
        if sent >= count:
            times = self._times
            index = count - 1 - sent + len(times)  # the last of `times` is of the token sent last
            if index >= 0:
                visible = self._visible(times[index])
            if visible <= engine.now:
                return DONE if then is None else then.hold(cycles)
        wake = engine.active
        self.park(wake, self.reader_waits)
        self._need, self._then, self._cycles = count, then, cycles
        if sent >= count:
            self._wake_at(visible, wake)
        else:
            self._reader = wake
        return PARK

    def free(self, index: int) -> None:
        """Free all tokens below `index`, also such as have not come yet."""
        if index <= self.freed:
            return
        # Occupation only grows between two ticks with frees, so it is looked at just before each.
        times, now = self._times, self.engine.now
        sent = self._sent_before(now) if times and times[-1] >= now else self.sent
        occupied = sent - self.freed
        if occupied > self._peak:
            self._peak = occupied
        if self.gone is not None:
            self.gone.extend([now] * (index - self.freed))
        self.freed = index
        if self._writer is not None and self.sent - index < self.capacity:
            edge = next_edge(now, self.writer_period)
            if edge == now:
                self._accept_held(None)
            else:
                self.engine.at(edge, self._accepting)

    def put(self, token: int, wake: Wake | None = None) -> Ready | Park:
        """Hand the next token on, waiting until there is room. `wake` waits for the running process if given.

        raises : BrokenLawError if `token` is not the next in sequence
        """
        if self.put_at(token, self.engine.now):
            return DONE
        wake = wake or self.engine.active
        self.park(wake, self.writer_waits)
        self._held = token
        self._writer = wake
        return PARK

    def has_room(self) -> bool:
        """Whether a token would be accepted now."""
        return self.capacity is None or (self.sent - self.freed < self.capacity and self._writer is None)

    def put_at(self, token: int, tick: int) -> bool:
        """Hand the next token on as of a tick from now on, if there is room for it already.

        raises : BrokenLawError if `token` is not the next in sequence
        """
        sent, capacity = self.sent, self.capacity
        if token != sent:
            raise self._out_of_sequence(sent, token)
        if capacity is not None and (sent - self.freed >= capacity or self._writer is not None):
            return False
        self.sent = sent = token + 1
        if self.store is not None:
            self.store(token)
        times = self._times
        times.append(tick)
        if self.came is not None:
            self.came.append(tick)
        past = self.engine.now - self._keep
        while times[0] < past:
            times.popleft()
        if sent == self._need:
            reader = self._reader
            if reader is not None:
                self._reader = None
                # One clock, the usual case, in line.
                visible = tick + self.latency if self.reader_period == 1 else self._visible(tick)
                self._wake_at(visible, reader)
        return True

    def _out_of_sequence(self, expected: int, token: int) -> BrokenLawError:
        return BrokenLawError(
            f"{self.name} expected token {expected} but got {token}: "
            "its sender lost, doubled or reordered one"
        )

    def _visible(self, tick: int) -> int:
        """Return when a token that came in `tick` can be read."""
        if self.reader_period == 1:
            return tick + self.latency
        return next_edge(tick + self.latency, self.reader_period)

    def _wake_at(self, tick: int, reader: Wake) -> None:
        """Let the reader go on at a tick, now or later; its wait, and what it holds then, are charged now."""
        waits = self.reader_waits
        waits.end(reader, tick)
        waits.until = tick
        then = self._then
        if then is not None:
            tick += then.hold_from(tick, self._cycles)
        self.engine.at(tick, reader)

    def _sent_before(self, tick: int) -> int:
        """Return how many tokens came before `tick`, the present one or the next."""
        sent = self.sent
        for came in reversed(self._times):
            if came < tick:
                break
            sent -= 1
        return sent

    def _accept_held(self, _: Any) -> Park:
        writer = self._writer
        if writer is not None:
            self._writer = None
            self.put_at(self._held, self.engine.now)
            self.writer_waits.end(writer, self.engine.now)
            self.soon(writer)
        return PARK
