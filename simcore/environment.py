"""Time: one cycle calendar under SimPy's interface, and stock SimPy as the reference engine for every model.

A process is a Python generator. Besides any SimPy event it may yield

* a positive `int`: resume me after that many ticks,
* `PARK`: somebody holds my `Wake` and will bring me back (channels and arbiters do),
* a `Ready`: I need not wait at all, resume me at once with its value.

`CycleEnvironment` runs these without creating an event for any of them: a calendar of lists keyed by time takes the
place of SimPy's heap, and a sleeping process is one `Wake` in one list. `StockEnvironment` is plain SimPy with an
adapter around each generator; it must give the same cycles, and the tests hold it to that.

Within a tick both engines keep SimPy's order: urgent events, then the others in the order in which they were scheduled.
What is asked of `late` runs when a tick has settled, in rounds, so that arbiters see all requests of a tick at once.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator
from heapq import heappop, heappush
from itertools import islice
from typing import Any, Protocol

import simpy
from simpy.core import EmptySchedule, StopSimulation
from simpy.events import NORMAL, PENDING, URGENT, Event, EventPriority, Initialize, Interruption, Timeout

from simcore.errors import WatchdogError, WiringError

Process = Generator[Any, Any, Any]

#: Wakes of one process within one tick beyond which a run is called a livelock.
WAKES_PER_TICK = 1000
#: Calendar entries between two looks at livelocks, and between two calls of the observer.
LOOK_EVERY = 1 << 15


class Park:
    """The type of `PARK`, the command of a process that somebody else will wake."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "PARK"


class Ready:
    """Command of a process that need not wait: it is resumed at once with `value`."""

    __slots__ = ("value",)

    def __init__(self, value: Any = None) -> None:
        self.value = value


PARK = Park()
DONE = Ready()


class Wake:
    """One entry of the calendar: the engine calls `send(value)` and obeys the command that comes back.

    A process owns one. A callback is a Wake too, without an owner: its `send` takes one argument and returns PARK.
    """

    __slots__ = ("owner", "parked_event", "parked_on", "send", "since", "unit", "value")

    def __init__(self, send: Callable[[Any], Any], owner: Any = None) -> None:
        self.send = send
        self.owner = owner
        self.value: Any = None
        self.parked_on: Any = None  # the channel end or arbiter it parked on last
        self.since = 0  # tick in which it parked there
        self.unit: Any = None  # whose time the process spends, where it is accounted
        self.parked_event: Any = None  # stock SimPy only: the event that stands for being parked


class Engine(Protocol):
    """What channels, arbiters and simulations need of an engine, whichever it is."""

    now: Any
    events: int
    active: Wake
    observer: Callable[[], None] | None

    @property
    def idle(self) -> bool: ...
    @property
    def soon(self) -> Callable[[Wake], Any]: ...
    def at(self, tick: int, wake: Wake) -> None: ...
    def late(self, callback: Callable[[], None]) -> None: ...
    def start(self, generator: Process) -> Wake: ...
    def halt(self) -> None: ...
    def run(self, until: Any = None) -> Any: ...


def _dead(_: Any) -> Park:
    """Ignore a wake-up: the process was interrupted and sleeps elsewhere by now."""
    return PARK


class CycleProcess(simpy.Process):
    """A SimPy process that also understands `int`, `PARK` and `Ready`; see the module."""

    def __init__(self, env: CycleEnvironment, generator: Process) -> None:
        if not hasattr(generator, "throw"):
            raise ValueError(f"{generator!r} is not a generator; call the process function before handing it over")
        self.env = env
        self.callbacks = []
        self._generator = generator
        self.wake = Wake(generator.send, self)
        self._target = Initialize(env, self)

    def interrupt(self, cause: object | None = None) -> None:
        """Throw `simpy.Interrupt` into the process now, unless it waits where a token could get lost.

        raises : WiringError if the process waits in a channel or arbiter, which would hand its token to nobody
        """
        if not self._waits_for_event() and not self.env.sleeps(self.wake):
            raise WiringError(
                f"{self} waits in a channel and cannot be interrupted, as the token it is promised would be lost; "
                "send it a message through a port instead"
            )
        _Interruption(self, cause)

    def _waits_for_event(self) -> bool:
        callbacks = self._target.callbacks if self._target is not None else None
        return callbacks is not None and self._resume in callbacks

    def _resume(self, event: Event) -> None:
        """Go on behind `event`: SimPy's callback, and the way in for interrupts."""
        env = self.env
        env.active = self.wake
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

    def _interrupt(self, event: Event) -> None:
        process = self.process
        if process._value is not PENDING:
            return
        if process._waits_for_event():
            process._target.callbacks.remove(process._resume)
        else:
            process.wake.send = _dead  # the calendar still holds it
            process.wake = Wake(process._generator.send, process)
        process._resume(self)


_NOBODY = Wake(_dead)


class CycleEnvironment(simpy.Environment):
    """`simpy.Environment` on a calendar of lists; see the module.

    events : calendar entries handled so far
    active : the Wake of the process that is running
    soon : puts a Wake behind everything already due in this tick
    observer : called now and then, never within a process, to watch limits and progress
    """

    # Slots are the fastest attributes; SimPy's `now` is a property, which costs a call at each look.
    __slots__ = (
        "_buckets",
        "_cursor",
        "_halting",
        "_late",
        "_look_in",
        "_ready",
        "_times",
        "_urgent",
        "_urgent_later",
        "active",
        "events",
        "now",
        "observer",
        "soon",
    )

    def __init__(self, initial_time: int = 0) -> None:
        super().__init__(initial_time)
        self.now = initial_time
        self.events = 0
        self.active = _NOBODY
        self.observer: Callable[[], None] | None = None
        self._ready: list[Any] = []  # what is due in this tick, processed entries included
        self._cursor: Iterator[Any] = iter(self._ready)
        self._urgent: deque[Event] = deque()
        self._buckets: dict[Any, list[Any]] = {}
        self._urgent_later: dict[Any, list[Event]] = {}
        self._times: list[Any] = []
        self._late: list[Callable[[], None]] = []
        self._halting = False
        self._look_in = LOOK_EVERY
        self.soon = self._ready.append

    @property
    def active_process(self) -> simpy.Process | None:
        """The process that is running, as in SimPy."""
        return self.active.owner

    def process(self, generator: Process) -> CycleProcess:
        """Start a process in this tick, before anything else that is due."""
        return CycleProcess(self, generator)

    def start(self, generator: Process) -> Wake:
        """Start a process and return its Wake."""
        return self.process(generator).wake

    def at(self, tick: int, wake: Wake) -> None:
        """Put a Wake into a tick, this one or a later one, behind what is due then."""
        if tick <= self.now:
            self._ready.append(wake)
        elif tick in self._buckets:
            self._buckets[tick].append(wake)
        else:
            self._buckets[tick] = [wake]
            heappush(self._times, tick)

    def late(self, callback: Callable[[], None]) -> None:
        """Call back once this tick has settled, before time moves on; all callbacks of a round see the same state."""
        self._late.append(callback)

    def halt(self) -> None:
        """Leave `run` at the end of this tick."""
        self._halting = True

    @property
    def idle(self) -> bool:
        """Whether nothing is left to do."""
        return self.peek() == simpy.core.Infinity

    def sleeps(self, wake: Wake) -> bool:
        """Whether a process sleeps for a number of ticks, rather than being parked or promised a token."""
        if any(wake in bucket for bucket in self._buckets.values()):
            return True
        due = len(self._ready) - self._cursor.__length_hint__()  # type: ignore[attr-defined]
        return wake.parked_on is None and wake in self._ready[due:]

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

    def peek(self) -> Any:
        """Return the time of the next entry, infinity if there is none."""
        if self._urgent or self._late or self._cursor.__length_hint__():  # type: ignore[attr-defined]
            return self.now
        if self.now + 1 in self._buckets:
            return self.now + 1
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
                    raise ValueError(f"until ({until}) must be greater than the current simulation time ({self.now})")
                stop = Event(self)
                stop._ok = True
                stop._value = None
                self.schedule(stop, URGENT, until - self.now)
                until = stop
            elif until.callbacks is None:
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
        ready, urgent, buckets, times, late = self._ready, self._urgent, self._buckets, self._times, self._late
        find = buckets.get
        while True:
            while urgent:
                self._fire(urgent.popleft())
            seen = 0
            now = self.now
            while True:
                for entry in islice(self._cursor, LOOK_EVERY):
                    if type(entry) is Wake:
                        self.active = entry
                        value = entry.value
                        if value is not None:
                            entry.value = None
                        try:
                            command = entry.send(value)
                            if type(command) is Ready:
                                command = entry.send(command.value)
                                if type(command) is Ready:
                                    command = entry.send(command.value)
                        except BaseException as ending:
                            self.end(entry, ending)
                        else:
                            if type(command) is int and command > 0:
                                when = now + command
                                bucket = find(when)
                                if bucket is not None:
                                    bucket.append(entry)
                                else:
                                    buckets[when] = [entry]
                                    if command != 1:  # the loop looks into the next tick by itself
                                        heappush(times, when)
                            elif command is not PARK:
                                self.obey(entry, command)
                    else:
                        self._fire(entry)
                    if urgent:
                        while urgent:
                            self._fire(urgent.popleft())
                seen += LOOK_EVERY
                if len(ready) <= seen:
                    break
                self._look_for_livelock()
            if late or self._halting or self._look_in < 0 or self._urgent_later:
                if not self._next_round():
                    return
                continue
            handled = len(ready)
            self.events += handled
            self._look_in -= handled
            ready.clear()
            tick = now + 1
            bucket = find(tick)
            if bucket is not None:
                if times and times[0] == tick:
                    heappop(times)
            elif times:
                tick = heappop(times)
            else:
                self._cursor = iter(ready)
                return
            self.now = tick
            ready.extend(buckets.pop(tick))
            self._cursor = iter(ready)

    def _next_round(self) -> bool:
        """Let this tick's late callbacks decide, else go to the next tick; False when nothing is left to do."""
        ready = self._ready
        self.events += len(ready)
        self._look_in -= len(ready)
        ready.clear()
        self._cursor = iter(ready)
        self.active = _NOBODY
        if self._late:
            callbacks = self._late.copy()
            self._late.clear()
            for callback in callbacks:
                callback()
            self._cursor = iter(ready)
            return True
        if self._halting:
            return False
        if self._look_in < 0:
            self._look_in = LOOK_EVERY
            if self.observer is not None:
                self.observer()
        tick = self.peek()
        if tick == simpy.core.Infinity:
            return False
        if self._times and self._times[0] == tick:
            heappop(self._times)
        self.now = tick
        ready.extend(self._buckets.pop(tick))
        self._urgent.extend(self._urgent_later.pop(tick, ()))
        self._cursor = iter(ready)
        return True

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

    def _fire(self, event: Event) -> None:
        """Run an event's callbacks as SimPy does."""
        self.active = _NOBODY
        callbacks, event.callbacks = event.callbacks, None
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
                self.at(self.now + command, wake)
                return
            elif isinstance(command, Event):
                wake.owner._target = command
                if command.callbacks is not None:
                    command.callbacks.append(wake.owner._resume)
                    return
                # The event is over: go on with its value, or its failure, without waiting.
                reply, failed = command._value, not command._ok
                if failed:
                    command._defused = True
            else:
                raise RuntimeError(f"Invalid yield value {command!r} of {wake.owner}")
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
        process._target = None
        if isinstance(ending, StopIteration):
            process._ok = True
            process._value = ending.value
        else:
            process._ok = False
            process._value = ending
        self.schedule(process)

    def _look_for_livelock(self) -> None:
        """Raise WatchdogError if one process was woken too often in this tick."""
        (wake, wakes), *_ = Counter(e for e in self._ready if type(e) is Wake).most_common(1) or [(_NOBODY, 0)]
        if wakes > WAKES_PER_TICK:
            raise livelock(wake, self.now, wakes)


def livelock(wake: Wake, now: int, wakes: int) -> WatchdogError:
    """Return the error for a process that runs again and again without letting time pass."""
    return WatchdogError(
        f"livelock at tick {now}: {describe_owner(wake)} was woken {wakes} times in one tick (limit {WAKES_PER_TICK}); "
        "let it hold for at least one cycle somewhere in its loop"
    )


def describe_owner(wake: Wake) -> str:
    """Return how messages call the process behind a Wake."""
    owner = wake.owner
    return f"process {owner.name!r}" if owner is not None else "a callback"
