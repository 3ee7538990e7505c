"""Random processes on everything SimPy offers, and a log of what happened when, to compare engines by."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

import simpy

Log = list[tuple[Any, ...]]
Step = tuple[Any, ...]


@dataclass(frozen=True)
class Scenario:
    """What each process does, and how the run is driven.

    scripts : steps of each process; those from `started` on are started by others only
    driver : `run`, `until-times`, `until-event` or `step`
    """

    scripts: list[list[Step]]
    started: int
    driver: str


def random_scenario(seed: int) -> Scenario:
    """Return the scenario of a seed: eight or more processes of a dozen steps each."""
    random = Random(seed)
    started, total = random.randint(8, 12), 16
    fractions = random.random() < 0.2
    scripts = [[_step(random, total, fractions) for _ in range(random.randint(3, 12))] for _ in range(total)]
    return Scenario(scripts, started, random.choice(["run", "run", "until-times", "until-event", "step"]))


def _step(random: Random, processes: int, fractions: bool) -> Step:
    delay = partial(random.choice, (0, 0.5, 1, 1.25, 3) if fractions else (0, 1, 1, 2, 3, 5, 9))
    some = partial(random.randrange, 3)
    process = partial(random.randrange, processes)
    return random.choice(
        (
            lambda: ("sleep", delay()),
            lambda: ("sleep", delay()),
            lambda: ("put", some()),
            lambda: ("get", some()),
            lambda: ("use", some(), delay()),
            lambda: ("use first", some(), random.randrange(3), delay()),
            lambda: ("any", delay(), delay(), some()),
            lambda: ("all", delay(), delay(), some()),
            lambda: ("start", process()),
            lambda: ("join", process()),
            lambda: ("interrupt", process()),
            lambda: ("succeed", some()),
            lambda: ("fail", some()),
            lambda: ("await", some()),
            lambda: ("raise",),
        )
    )()


class Play:
    """One performance of a scenario on one environment.

    sleep : what to yield for a number of ticks, a timeout or the number itself
    """

    def __init__(self, scenario: Scenario, env: Any, *, sleep_by_number: bool) -> None:
        self.scenario = scenario
        self.env = env
        self.by_number = sleep_by_number
        self.log: Log = []
        self.stores = [simpy.Store(env, capacity=1 + i) for i in range(3)]
        self.resources = [simpy.Resource(env, capacity=1 + i % 2) for i in range(3)]
        self.queues = [simpy.PriorityResource(env, capacity=1) for _ in range(3)]
        self.events = [env.event() for _ in range(3)]
        self.processes: dict[int, Any] = {}

    def perform(self) -> Log:
        """Run the scenario to its end, whatever that is, and return the log."""
        for number in range(self.scenario.started):
            self.start(number)
        drive = self._drive
        while True:
            try:
                drive()
                return self.log
            except simpy.core.EmptySchedule:
                self.log.append(("empty", self.env.now))
                return self.log
            except AttributeError:
                # SimPy itself stumbles over some interrupts; what it does then is no reference.
                return []
            except (KeyError, ValueError, RuntimeError) as failure:
                # A run that nobody's failure was meant for stops there, and may go on.
                self.log.append(("failed", self.env.now, type(failure).__name__))
                drive = self.env.run

    def _drive(self) -> None:
        env = self.env
        if self.scenario.driver == "until-times":
            for until in (1, 2.5, 7, 8):
                env.run(until=until)
                self.log.append(("until", env.now))
        elif self.scenario.driver == "until-event":
            self.log.append(("value", repr(env.run(until=self.processes[0])), env.now))
            self.log.append(("value", repr(env.run(until=self.events[0])), env.now))
        elif self.scenario.driver == "step":
            while True:
                env.step()
                self.log.append(("step", env.now))
        env.run()
        self.log.append(("end", env.now))

    def start(self, number: int) -> None:
        """Start a process, once."""
        if number not in self.processes:
            self.processes[number] = self.env.process(self.act(number))

    def act(self, number: int) -> Generator[Any, Any, str]:
        """Do one step after the other and log each, as well as what interrupts or fails it."""
        for index, step in enumerate(self.scenario.scripts[number]):
            try:
                result = yield from getattr(self, f"do_{step[0].replace(' ', '_')}")(number, *step[1:])
            except simpy.Interrupt as interrupt:
                result = ("interrupted", interrupt.cause)
            except KeyError as failure:
                result = ("failed", failure)
            self.log.append((self.env.now, number, index, repr(result)))
        return f"end of {number}"

    def do_sleep(self, _: int, delay: float) -> Generator[Any, Any, Any]:
        if self.by_number and isinstance(delay, int):
            yield delay
        else:
            yield self.env.timeout(delay)

    def do_put(self, number: int, store: int) -> Generator[Any, Any, Any]:
        yield self.stores[store].put(number)

    def do_get(self, _: int, store: int) -> Generator[Any, Any, Any]:
        return (yield self.stores[store].get())

    def do_use(self, number: int, resource: int, delay: float) -> Generator[Any, Any, Any]:
        with self.resources[resource].request() as request:
            yield request
            yield from self.do_sleep(number, delay)

    def do_use_first(self, number: int, queue: int, priority: int, delay: float) -> Generator[Any, Any, Any]:
        with self.queues[queue].request(priority=priority) as request:
            yield request
            yield from self.do_sleep(number, delay)

    def do_any(self, _: int, a: float, b: float, event: int) -> Generator[Any, Any, Any]:
        done = yield self.env.timeout(a, "a") | self.env.timeout(b, "b") | self.events[event]
        return list(done.values())

    def do_all(self, _: int, a: float, b: float, store: int) -> Generator[Any, Any, Any]:
        done = yield self.env.timeout(a, "a") & (self.env.timeout(b, "b") | self.stores[store].get())
        return list(done.values())

    def do_start(self, _: int, process: int) -> Generator[Any, Any, Any]:
        self.start(process)
        yield from ()

    def do_join(self, number: int, process: int) -> Generator[Any, Any, Any]:
        if process in self.processes and process != number:
            return (yield self.processes[process])
        return None

    def do_interrupt(self, number: int, process: int) -> Generator[Any, Any, Any]:
        try:
            self.processes[process].interrupt(f"by {number}")
        except (RuntimeError, KeyError) as refusal:
            return type(refusal).__name__
        yield from ()
        return None

    def do_succeed(self, number: int, event: int) -> Generator[Any, Any, Any]:
        if not self.events[event].triggered:
            self.events[event].succeed(number)
        yield from ()

    def do_fail(self, number: int, event: int) -> Generator[Any, Any, Any]:
        if not self.events[event].triggered:
            self.events[event].fail(KeyError(number))
        yield from ()

    def do_await(self, _: int, event: int) -> Generator[Any, Any, Any]:
        return (yield self.events[event])

    def do_raise(self, number: int) -> Generator[Any, Any, Any]:
        yield self.env.timeout(1)
        if number % 5 == 0:
            raise ValueError(number)
        raise KeyError(number)
