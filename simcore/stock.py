"""The reference engine: plain SimPy, with an adapter that teaches it the cycle engine's commands.

Queue, events, timeouts and processes are SimPy's own; only the meaning of `int`, `PARK` and `Ready` is added,
each by the SimPy event that stands for it. So any model runs unchanged on both engines, and equal cycles are
evidence for both.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import simpy
from simpy.core import StopSimulation
from simpy.events import Event, EventPriority, Interruption, Timeout

from simcore.commands import (
    LOOK_EVERY,
    PARK,
    WAKES_PER_TICK,
    Process,
    Ready,
    Wake,
    livelock,
    not_a_command,
    not_interruptible,
)

_LATE = EventPriority(2)
_LAST = EventPriority(3)
_CLOSING = EventPriority(4)


class StockProcess(simpy.Process):
    """SimPy's process, which refuses to be interrupted where a token could get lost."""

    def __init__(self, env: StockEnvironment, generator: Process, wake: Wake, name: str) -> None:
        super().__init__(env, generator)
        self.wake = wake
        self._name = name

    @property
    def name(self) -> str:
        """Name of the function that is the process, not of the adapter around it."""
        return self._name

    def interrupt(self, cause: object | None = None) -> None:
        """Throw `simpy.Interrupt` into the process now.

        raises : WiringError if it is a component's process, or waits in a channel or arbiter, which would
            lose its token
        """
        if self.is_alive and self.wake.unit is not None:
            raise not_interruptible(self.wake)
        self._refuse_if_parked()
        Interruption(self, cause).callbacks.insert(0, lambda _: self._refuse_if_parked())

    def _refuse_if_parked(self) -> None:
        running = self is self.env.active_process
        if self.is_alive and not running and self._target is self.wake.parked_event:
            raise not_interruptible(self.wake)


class _Alarm(Timeout):
    """A Timeout that brings a Wake back."""

    def __init__(self, env: StockEnvironment, delay: Any, wake: Wake) -> None:
        super().__init__(env, delay)
        self.wake = wake


class StockEnvironment(simpy.Environment):
    """SimPy's environment with the few methods that channels, arbiters and simulations ask of an engine."""

    def __init__(self, initial_time: int = 0) -> None:
        super().__init__(initial_time)
        self.events = 0
        self.active = Wake(lambda _: PARK)
        self.observer: Callable[[], None] | None = None
        self._late: list[Callable[[], None]] = []
        self._closing: list[Callable[[], None]] = []
        self._halting = False

    def calendar(self) -> list[tuple[Any, Wake]] | None:
        """Return what is due after this tick, in order; None if it holds an event that is no Wake's."""
        # SimPy leaves the event that stopped it behind, without callbacks.
        due = sorted((e for e in self._queue if e[3].callbacks), key=lambda entry: entry[:3])
        entries = [(tick, event.wake) for tick, _, _, event in due if isinstance(event, _Alarm)]
        return entries if len(entries) == len(due) else None

    @property
    def idle(self) -> bool:
        """Whether nothing is left to do."""
        return not self._queue

    def process(self, generator: Process) -> simpy.Process:
        """Start a process in this tick."""
        process: simpy.Process = self.start(generator).owner
        return process

    def start(self, generator: Process) -> Wake:
        """Start a process and return its Wake."""
        wake = Wake(lambda _: PARK)
        adapted = self._adapt(generator, wake)
        wake.owner = StockProcess(self, adapted, wake, getattr(generator, "__name__", "process"))
        return wake

    def soon(self, wake: Wake) -> None:
        """Put a Wake behind everything already due in this tick."""
        self.at(self.now, wake)

    def at(self, tick: float, wake: Wake) -> None:
        """Put a Wake into a tick, this one or a later one, behind what is due then."""
        event: Event
        if wake.owner is None:
            event = _Alarm(self, max(0, tick - self.now), wake)
            event.callbacks.append(lambda _: self._call(wake))
        elif tick > self.now:
            event = _Alarm(self, tick - self.now, wake)
            event.callbacks.append(lambda _: self.soon(wake))
        elif wake.owner.is_alive:  # else it failed, and something that it had asked for came after all
            event, value = wake.parked_event, wake.value
            wake.value = None
            event.succeed(value)

    def _call(self, wake: Wake) -> None:
        """Call back what is no process."""
        self.active = wake
        wake.send(wake.value)

    def late(self, callback: Callable[[], None]) -> None:
        """Call back once this tick has settled; all callbacks of a round see the same state."""
        if not self._late:
            self._schedule_call(self._run_late, _LATE)
        self._late.append(callback)

    def closing(self, callback: Callable[[], None]) -> None:
        """Call back when this tick is over, late rounds and a halt included: nothing more happens in it."""
        if not self._closing:
            self._schedule_call(self._run_closing, _CLOSING)
        self._closing.append(callback)

    def halt(self) -> None:
        """Leave `run` at the end of this tick."""
        if not self._halting:
            self._halting = True
            self._schedule_call(self._stop, _LAST)

    def step(self) -> None:
        """Handle one event as SimPy does, and count it."""
        super().step()
        self.events += 1
        if self.observer is not None and self.events % LOOK_EVERY == 0:
            self.observer()

    def _schedule_call(self, callback: Callable[[Event], None], priority: EventPriority) -> None:
        event = Event(self)
        event._ok = True
        event._value = None
        event.callbacks.append(callback)
        self.schedule(event, priority)

    def _stop(self, _: Event) -> None:
        self._halting = False
        raise StopSimulation(None)

    def _run_late(self, _: Event) -> None:
        callbacks, self._late = self._late, []
        for callback in callbacks:
            callback()

    def _run_closing(self, _: Event) -> None:
        callbacks, self._closing = self._closing, []
        for callback in callbacks:
            callback()

    def _adapt(self, generator: Process, wake: Wake) -> Generator[Event, Any, Any]:
        """Turn the cycle engine's commands into SimPy events, each with the same meaning."""
        resume, argument = generator.send, None
        wakes, tick = 0, self.now
        while True:
            wakes = wakes + 1 if tick == self.now else 1
            tick = self.now
            if wakes > WAKES_PER_TICK:
                raise livelock(wake, tick, wakes)
            self.active = wake
            try:
                command = resume(argument)
            except StopIteration as ending:
                return ending.value
            resume, argument = generator.send, None
            if type(command) is Ready:
                argument = command.value
                continue
            if command is PARK:
                event = Event(self)
                wake.parked_event = event
            elif type(command) is int and command >= 0:
                event = _Alarm(self, command, wake)
            elif isinstance(command, Event):
                event = command
            else:
                raise not_a_command(wake, command)
            try:
                argument = yield event
            except GeneratorExit:
                generator.close()
                raise
            except BaseException as failure:
                resume, argument = generator.throw, failure
