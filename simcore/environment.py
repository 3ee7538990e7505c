"""Time: one cycle calendar under SimPy's interface.

`CycleEnvironment` runs the commands of `simcore.commands` without creating an event for any of them: a
calendar of lists keyed by time takes the place of SimPy's heap, and a sleeping process is one `Wake` in one
list. `simcore.stock` is plain SimPy for the same commands; it must give the same cycles, and the tests hold
it to that.

Within a tick both engines keep SimPy's order: urgent events, then the others in the order in which they were
scheduled. What is asked of `late` runs when a tick has settled, in rounds, so that arbiters see all requests
of a tick at once.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import islice
from typing import Any

import simpy
from simpy.core import EmptySchedule, StopSimulation
from simpy.events import NORMAL, PENDING, URGENT, Event, EventPriority, Initialize, Interruption

from simcore.commands import (
    LOOK_EVERY,
    PARK,
    WAKES_PER_TICK,
    Park,
    Process,
    Ready,
    Wake,
    livelock,
    not_a_command,
    not_interruptible,
)


def _dead(_: Any) -> Park:
    """Ignore a wake-up: the process was interrupted and sleeps elsewhere by now."""
    return PARK


class CycleProcess(simpy.Process):
    """A SimPy process that also understands `int`, `PARK` and `Ready`; see the module."""

    env: CycleEnvironment

    def __init__(self, env: CycleEnvironment, generator: Process) -> None:
        if not hasattr(generator, "throw"):
            raise ValueError(
                f"{generator!r} is not a generator; call the process function before handing it over"
            )
        self.env = env
        self.callbacks = []
        self._generator = generator
        self.wake = Wake(generator.send, self)
        self._target = Initialize(env, self)

    def interrupt(self, cause: object | None = None) -> None:
        """Throw `simpy.Interrupt` into the process now, unless it waits where a token could get lost.

        raises : WiringError if it is a component's process, or waits in a channel or arbiter, which would
            lose its token
        """
        if self.is_alive and (self.wake.unit is not None or self.env.is_parked(self.wake)):
            raise not_interruptible(self.wake)
        _Interruption(self, cause)

    def _resume(self, event: Event) -> None:
        """Go on behind `event`: SimPy's callback, and the way in for interrupts."""
        env = self.env
        env.active = self.wake
        if env.counting == env.now:
            env.wakes[self.wake] += 1
        try:
            if event._ok:
                command = self._generator.send(event._value)
            else:
                event._defused = True
                command = self._generator.throw(event._value)
        except BaseException as ending:
            env.end(self.wake, ending)
        else:
            env.obey(self.wake, command)
        env.active = _NOBODY


class _Interruption(Interruption):
    """SimPy's interruption for a process that may sleep in the calendar instead of waiting for an event."""

    process: CycleProcess

    def _interrupt(self, event: Event) -> None:
        process = self.process
        if process._value is not PENDING:
            return
        callbacks: Any = process._target.callbacks if process._target is not None else None
        if callbacks is not None and process._resume in callbacks:
            callbacks.remove(process._resume)
        elif not process.env.cancel(process.wake):
            raise not_interruptible(process.wake)
        process._resume(self)


_NOBODY = Wake(_dead)


class CycleEnvironment(simpy.Environment):
    """`simpy.Environment` on a calendar of lists; see the module.

    events : calendar entries handled so far
    active : the Wake of the process that is running
    soon : puts a Wake behind everything already due in this tick
    observer : called now and then, never within a process, to watch limits and progress
    counting : tick in which `wakes` counts how often each process runs, as that tick looks like a livelock
    """

    now: Any
    soon: Callable[[Wake], Any]

    # Slots are the fastest attributes; SimPy's `now` is a property, which costs a call at each look.
    __slots__ = (
        "_buckets",
        "_closing",
        "_cursor",
        "_halting",
        "_late",
        "_look_in",
        "_ready",
        "_rounds",
        "_slept",
        "_times",
        "_unsettled",
        "_urgent",
        "_urgent_later",
        "active",
        "counting",
        "events",
        "now",
        "observer",
        "soon",
        "wakes",
    )

    def __init__(self, initial_time: int = 0) -> None:
        super().__init__(initial_time)
        self.now = initial_time
        self.events = 0
        self.active = _NOBODY
        self.observer: Callable[[], None] | None = None
        self._ready: list[Any] = []  # what is due in this tick, processed entries included
        self._cursor: Iterator[Any] = iter(self._ready)
        self._slept: Sequence[Any] = ()  # those of them that were there when the tick began
        self._urgent: deque[Event] = deque()
        self._buckets: dict[Any, list[Any]] = {}
        self._urgent_later: dict[Any, list[Event]] = {}
        self._times: list[Any] = []
        self._late: list[Callable[[], None]] = []
        self._closing: list[Callable[[], None]] = []
        self._rounds: tuple[Any, int] = (None, 0)  # the last tick with late callbacks, and its rounds so far
        self._halting = False
        self._unsettled = False  # whether a tick may end otherwise than by going on to the next one
        self._look_in = LOOK_EVERY
        self.counting: Any = None
        self.wakes: Counter[Wake] = Counter()
        self.soon = self._ready.append

    @property
    def active_process(self) -> simpy.Process | None:
        """The process that is running, as in SimPy."""
        running: simpy.Process | None = self.active.owner
        return running

    def process(self, generator: Process) -> CycleProcess:
        """Start a process in this tick, before anything else that is due."""
        return CycleProcess(self, generator)

    def start(self, generator: Process) -> Wake:
        """Start a process and return its Wake."""
        return self.process(generator).wake

    def at(self, tick: float, wake: Wake) -> None:
        """Put a Wake into a tick, this one or a later one, behind what is due then."""
        if tick > self.now:
            buckets = self._buckets
            if tick in buckets:
                buckets[tick].append(wake)
            else:
                buckets[tick] = [wake]
                heappush(self._times, tick)
        else:
            self._ready.append(wake)

    def late(self, callback: Callable[[], None]) -> None:
        """Call back once this tick has settled; all callbacks of a round see the same state."""
        self._late.append(callback)
        self._unsettled = True

    def closing(self, callback: Callable[[], None]) -> None:
        """Call back when this tick is over, late rounds and a halt included: nothing more happens in it."""
        self._closing.append(callback)
        self._unsettled = True

    def halt(self) -> None:
        """Leave `run` at the end of this tick."""
        self._halting = self._unsettled = True

    def calendar(self) -> list[tuple[Any, Wake]] | None:
        """Return what is due after this tick, in order; None if it holds an event that is no Wake's."""
        entries = [(tick, entry) for tick in sorted(self._times) for entry in self._buckets[tick]]
        return entries if all(type(entry) is Wake for _, entry in entries) else None

    @property
    def idle(self) -> bool:
        """Whether nothing is left to do."""
        return bool(self.peek() == simpy.core.Infinity)

    def is_parked(self, wake: Wake) -> bool:
        """Whether a process waits in a channel or arbiter, or was promised what it waited for there."""
        if wake.parked_on is None or wake.waiting:
            return wake.waiting
        waits = getattr(wake.parked_on, "reader_waits", None)
        if waits is not None and waits.owner is wake and waits.until > self.now:
            return True
        # Those that slept until this tick stand before those that were woken in it.
        return wake in self._ready[max(self._handled(), len(self._slept)) :]

    def cancel(self, wake: Wake) -> bool:
        """Take a sleeping process out of the calendar; False if it does not sleep."""
        if not self.is_parked(wake):
            for entries, first in ((self._ready, self._handled()), *((b, 0) for b in self._buckets.values())):
                for index in range(first, len(entries)):
                    if entries[index] is wake:
                        entries[index] = _NOBODY
                        return True
        return False

    def _handled(self) -> int:
        """Return how many of the entries due in this tick are done."""
        left: int = self._cursor.__length_hint__()  # type: ignore[attr-defined]
        return len(self._ready) - left

    def schedule(self, event: Event, priority: EventPriority = NORMAL, delay: Any = 0) -> None:
        """Schedule an event as SimPy does; of priorities there are URGENT and NORMAL."""
        if delay == 0:
            (self._ready if priority == NORMAL else self._urgent).append(event)
            return
        when = self.now + delay
        if when not in self._buckets:
            self._buckets[when] = []
            heappush(self._times, when)
        if priority == NORMAL:
            self._buckets[when].append(event)
        else:
            self._urgent_later.setdefault(when, []).append(event)
            self._unsettled = True

    def peek(self) -> Any:
        """Return the time of the next entry, infinity if there is none."""
        if self._urgent or self._late or self._closing or self._handled() < len(self._ready):
            return self.now
        return self._times[0] if self._times else simpy.core.Infinity

    def step(self) -> None:
        """Handle one entry; raise `simpy.core.EmptySchedule` if none is left."""
        while True:
            if self._urgent:
                self._fire(self._urgent.popleft())
                return
            for entry in self._cursor:
                if type(entry) is Wake:
                    self._go(entry)
                else:
                    self._fire(entry)
                return
            if not self._next_round():
                raise EmptySchedule

    def run(self, until: Any = None) -> Any:
        """Run until the calendar is empty, or until a time or event as in SimPy, or until `halt`."""
        if until is not None:
            if not isinstance(until, Event):
                if until <= self.now:
                    raise ValueError(
                        f"until ({until}) must be greater than the current simulation time ({self.now})"
                    )
                stop = Event(self)
                stop._ok = True
                stop._value = None
                self.schedule(stop, URGENT, until - self.now)
                until = stop
            elif until.processed:
                return until.value
            until.callbacks.append(StopSimulation.callback)
        try:
            self._run()
        except StopSimulation as stop_now:
            return stop_now.args[0]
        if until is not None and not self._halting:
            raise RuntimeError(f'No scheduled events left but "until" event was not triggered: {until}')
        self._halting = False
        return None

    def _run(self) -> None:
        """Handle entries until there are none or somebody halts; the hot loop, so its cases stand in line."""
        ready, urgent, buckets, times = self._ready, self._urgent, self._buckets, self._times
        while True:
            while urgent:
                self._fire(urgent.popleft())
            now = self.now
            for entry in islice(self._cursor, LOOK_EVERY):
                if type(entry) is Wake:
                    self.active = entry
                    value = entry.value
                    if value is not None:
                        entry.value = None
                    try:
                        send = entry.send
                        command = send(value)
                        if type(command) is Ready:
                            command = send(command.value)
                            if type(command) is Ready:
                                command = send(command.value)
                    except BaseException as ending:
                        self.end(entry, ending)
                    else:
                        if command is PARK:
                            pass
                        elif type(command) is int and command > 0:
                            when = now + command
                            if when in buckets:
                                buckets[when].append(entry)
                            else:
                                buckets[when] = [entry]
                                heappush(times, when)
                        else:
                            self.obey(entry, command)
                else:
                    self._fire(entry)
                if urgent:
                    while urgent:
                        self._fire(urgent.popleft())
            handled = len(ready)
            if handled >= LOOK_EVERY and self._handled() < handled:
                self._look_for_livelock()
            elif self._unsettled or self._look_in < 0 or not times:
                if not self._next_round():
                    return
            else:
                self.events += handled
                self._look_in -= handled
                ready.clear()
                self.now = now = heappop(times)
                self._slept = bucket = buckets.pop(now)
                ready += bucket
                self._cursor = iter(ready)

    def _next_round(self) -> bool:
        """Let this tick's late callbacks decide, else go to the next tick; False if nothing is left to do."""
        ready = self._ready
        if self._late:
            self._count_round()
        self.events += len(ready)
        self._look_in -= len(ready)
        ready.clear()
        self._slept = ()
        self._cursor = iter(ready)
        self.active = _NOBODY
        if self._late:
            callbacks = self._late.copy()
            self._late.clear()
            for callback in callbacks:
                callback()
            return True
        if self._halting:
            return False
        if self._closing:
            callbacks, self._closing = self._closing, []
            for callback in callbacks:
                callback()
        if self._look_in < 0:
            self._look_in = LOOK_EVERY
            if self.observer is not None:
                self.observer()
        tick = self.peek()
        if tick == simpy.core.Infinity:
            return False
        heappop(self._times)
        self.now = tick
        self._slept = self._buckets.pop(tick)
        ready.extend(self._slept)
        self._urgent.extend(self._urgent_later.pop(tick, ()))
        self._unsettled = bool(self._urgent_later)
        return True

    def _count_round(self) -> None:
        """Count the rounds of late callbacks in this tick, and look for a livelock if there are too many."""
        tick, rounds = self._rounds
        self._rounds = (self.now, rounds + 1 if tick == self.now else 1)
        if self._rounds[1] > WAKES_PER_TICK:
            self._look_for_livelock()

    def _go(self, wake: Wake) -> None:
        """Resume one process or callback."""
        self.active = wake
        value, wake.value = wake.value, None
        try:
            command = wake.send(value)
        except BaseException as ending:
            self.end(wake, ending)
        else:
            self.obey(wake, command)
        self.active = _NOBODY

    def _fire(self, event: Event) -> None:
        """Run an event's callbacks as SimPy does."""
        self.active = _NOBODY
        callbacks = event.callbacks
        event.callbacks = None  # type: ignore[assignment]  # SimPy's mark of an event that is over
        for done, callback in enumerate(callbacks, start=1):
            try:
                callback(event)
            except StopSimulation:
                event.callbacks = callbacks[done:]
                self._urgent.appendleft(event)
                raise
        if not event._ok and not hasattr(event, "_defused"):
            failure = type(event._value)(*event._value.args)
            failure.__cause__ = event._value
            raise failure

    def obey(self, wake: Wake, command: Any) -> None:
        """Do what a process asked for; the slow twin of the cases in the hot loop."""
        spins = 0
        while True:
            if type(command) is Ready:
                spins += 1
                if spins > WAKES_PER_TICK:
                    raise livelock(wake, self.now, spins)
                reply, failed = command.value, False
            elif command is PARK:
                return
            elif isinstance(command, int) and not isinstance(command, bool) and command >= 0:
                if not wake.waiting:
                    wake.parked_on = None
                self.at(self.now + command, wake)
                return
            elif isinstance(command, Event):
                wake.owner._target = command
                callbacks: Any = command.callbacks
                if callbacks is not None:
                    callbacks.append(wake.owner._resume)
                    return
                # The event is over: go on with its value, or its failure, without waiting.
                reply, failed = command._value, not command._ok
                if failed:
                    command._defused = True
            else:
                raise not_a_command(wake, command)
            try:
                command = wake.owner._generator.throw(reply) if failed else wake.send(reply)
            except BaseException as ending:
                self.end(wake, ending)
                return

    def end(self, wake: Wake, ending: BaseException) -> None:
        """Close a process that returned or raised, as SimPy does: it is an event that others may wait for."""
        process = wake.owner
        if process is None or not isinstance(ending, Exception):
            raise ending
        if process._value is not PENDING:
            return  # it failed earlier in this tick, and something that it had asked for came after all
        process._target = None
        if isinstance(ending, StopIteration):
            process._ok = True
            process._value = ending.value
        else:
            process._ok = False
            process._value = ending
        self.schedule(process)

    def _look_for_livelock(self) -> None:
        """Raise WatchdogError if one process runs too often in this tick, from its first look on."""
        if self.counting != self.now:
            self.counting = self.now
            self.wakes.clear()
        handled = self._handled()
        self.wakes.update(e for e in self._ready[max(0, handled - LOOK_EVERY) : handled] if type(e) is Wake)
        for wake, wakes in self.wakes.most_common(1):
            if wakes > WAKES_PER_TICK and wake is not _NOBODY:
                raise livelock(wake, self.now, wakes)
