"""The reference engine: plain SimPy, with an adapter around each generator that speaks the cycle engine's commands.

Queue, events, timeouts and processes are SimPy's own; only the meaning of `int`, `PARK` and `Ready` is added, each by
the SimPy event that stands for it. So any model runs unchanged on both engines, and equal cycles are evidence for both.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import simpy
from simpy.core import StopSimulation
from simpy.events import Event, EventPriority, Timeout

from simcore.environment import LOOK_EVERY, PARK, WAKES_PER_TICK, Process, Ready, Wake, livelock

_LATE = EventPriority(2)
_LAST = EventPriority(3)


class StockEnvironment(simpy.Environment):
    """SimPy's environment with the few methods that channels, arbiters and simulations ask of an engine."""

    def __init__(self, initial_time: int = 0) -> None:
        super().__init__(initial_time)
        self.events = 0
        self.active = Wake(lambda _: PARK)
        self.observer: Callable[[], None] | None = None
        self._late: list[Callable[[], None]] = []

    @property
    def idle(self) -> bool:
        """Whether nothing is left to do."""
        return self.peek() == simpy.core.Infinity

    def process(self, generator: Process) -> simpy.Process:
        """Start a process in this tick."""
        return self.start(generator).owner  # type: ignore[no-any-return]

    def start(self, generator: Process) -> Wake:
        """Start a process and return its Wake."""
        wake = Wake(lambda _: PARK)
        wake.owner = simpy.Process(self, self._adapt(generator, wake))
        return wake

    def soon(self, wake: Wake) -> None:
        """Put a Wake behind everything already due in this tick."""
        self.at(self.now, wake)

    def at(self, tick: int, wake: Wake) -> None:
        """Put a Wake into a tick, this one or a later one, behind what is due then."""
        event: Event
        if wake.owner is None:
            event = Timeout(self, max(0, tick - self.now))
            event.callbacks.append(lambda _: wake.send(wake.value))
        elif tick <= self.now:
            event, value = wake.parked_event, wake.value
            wake.value = None
            event.succeed(value)
        else:
            raise AssertionError("a process is woken in the tick in which its token is there")

    def late(self, callback: Callable[[], None]) -> None:
        """Call back once this tick has settled; all callbacks of a round see the same state."""
        if not self._late:
            self._schedule_call(self._run_late, _LATE)
        self._late.append(callback)

    def halt(self) -> None:
        """Leave `run` at the end of this tick."""
        self._schedule_call(_stop, _LAST)

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

    def _run_late(self, _: Event) -> None:
        callbacks, self._late = self._late, []
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
            elif type(command) is int:
                event = Timeout(self, command)
            else:
                event = command
            try:
                argument = yield event
            except BaseException as failure:
                resume, argument = generator.throw, failure


def _stop(_: Event) -> None:
    raise StopSimulation(None)
