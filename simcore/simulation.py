"""One simulation: builds a tree of components, runs it, settles the accounts and checks the laws."""

from __future__ import annotations

import gc
import inspect
import random
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

from simcore.accounting import Account, Unit
from simcore.activity import NOBODY, Activity
from simcore.blueprint import Blueprint, blueprint_of
from simcore.buffer_channel import BufferChannel
from simcore.call_log import EDGE, EVENT, REST, CallLog
from simcore.channel import Waits
from simcore.clocks import Clock, next_edge, synchronise
from simcore.commands import PARK, Engine, Park, Wake, describe
from simcore.component import Component
from simcore.config import PartConfig
from simcore.deadlock import Parked, circle, explain
from simcore.energy import (
    AreaReport,
    EnergyReport,
    PartCost,
    area_report,
    count_actions,
    energy_report,
    part_costs,
)
from simcore.environment import CycleEnvironment
from simcore.errors import BrokenLawError, Deadlock, ModelError, SimError, WatchdogError, WiringError
from simcore.laws import Law, check_laws
from simcore.live import BusyWatch, LiveBottleneck
from simcore.recording import buffer_traces, number_units, recorded_activity
from simcore.registry import near_miss
from simcore.steady import NOTHING, FastForward, SteadyState
from simcore.stretches import Stretches
from simcore.wiring import ChannelReport, Wiring

EngineName = Literal["lean", "stock"]
C = TypeVar("C", bound=Component)

#: Events without a token moving beyond which a run is given up.
EVENTS_WITHOUT_TOKEN = 10_000_000


@dataclass(frozen=True)
class Limits:
    """Where a run is given up; None is no limit.

    cycles : of the reference clock
    seconds : of wall time
    memory_mb : of the process's peak memory [MB]
    """

    cycles: int | None = None
    seconds: float | None = None
    memory_mb: float | None = None


@dataclass(frozen=True)
class Progress:
    """A look at a run under way.

    cycle : of the reference clock
    done, total, what : how many of the expected outputs have come ("images")
    events, wall_s : calendar entries handled and wall seconds so far
    watch : tells the present bottleneck
    """

    cycle: int
    done: int
    total: int
    what: str
    events: int
    wall_s: float
    watch: Callable[[], LiveBottleneck | None] = field(default=lambda: None, repr=False, compare=False)

    @cached_property
    def bottleneck(self) -> LiveBottleneck | None:
        """The unit that worked most since the look at which this was asked before; ask while looking."""
        return self.watch()


@dataclass(frozen=True)
class Outcome:
    """What a run left behind, besides what its components counted.

    makespan : ticks until the last expected output was there, rounded up to a cycle of the reference clock
    accounts : one for each unit, sorted by path
    activity : the recorded intervals, None if nothing was recorded
    parts : what each component costs, sorted by path
    channels : all there are, in the order in which they were connected
    fast_forward : what came of skipping, None if it was not asked for
    log : every call of every process, None if that was not asked for
    """

    makespan: int
    reference: Clock
    accounts: tuple[Account, ...]
    energy: EnergyReport
    area: AreaReport
    events: int
    wall_s: float
    activity: Activity | None
    parts: tuple[PartCost, ...] = ()
    channels: tuple[ChannelReport, ...] = ()
    fast_forward: FastForward | None = None
    log: CallLog | None = None

    @property
    def cycles(self) -> int:
        """Makespan in cycles of the reference clock."""
        return self.makespan // self.reference.ticks

    @property
    def seconds(self) -> float:
        """Makespan in seconds of simulated time."""
        return float(self.cycles * self.reference.period)


class Simulation:
    """Builds, runs and finishes one machine.

    clocks : all clock domains; the first is the reference clock, in whose cycles reports are written
    engine : `lean`, or `stock` for plain SimPy as the reference
    record : keep every interval of every unit
    tell : called with the intervals as they are over, stretch by stretch, in place of keeping them; see
        `simcore.stretches`
    log : keep every call of every process, too, for `simcore.dependencies`
    shuffle : seed of a random order of starting processes, which must not change anything; None keeps the
        order built
    observe : called now and then with the progress
    """

    def __init__(
        self,
        clocks: Sequence[Clock],
        *,
        engine: EngineName = "lean",
        record: bool = False,
        tell: Callable[[Activity], None] | None = None,
        log: bool = False,
        shuffle: int | None = None,
        limits: Limits | None = None,
        observe: Callable[[Progress], None] | None = None,
    ) -> None:
        if engine == "lean":
            self.engine: Engine = CycleEnvironment()
        else:
            from simcore.stock import StockEnvironment

            self.engine = StockEnvironment()
        self.clocks = synchronise(clocks)
        self.reference = self.clocks[clocks[0].name]
        self.recording = record or log or tell is not None
        self._logging = log
        self._log: CallLog | None = None
        self._sealed = False
        self.parts: list[Component] = []
        self.laws: list[Law] = []
        self.wiring = Wiring(self.engine)
        self._paths: set[str] = set()
        self._shuffle = shuffle
        self._limits = limits or Limits()
        self._observe = observe
        self._tell = tell
        self._stretches: Stretches | None = None
        self.event_waits: dict[tuple[Wake, str], Waits] = {}
        self._event_parks: dict[Wake, str] = {}
        self._finished = self._over = False  # the last output is there; the makespan is reached
        self._pausing = False
        self._finisher: Unit | None = None
        self._steady: SteadyState | None = None
        self._expected: list[tuple[int, str, Callable[[], int]]] = []
        self._moved = (0, 0)  # tokens and events at the last look
        self._started = 0.0

    # -- building --------------------------------------------------------------------------------------------

    def build(self, cls: type[C], config: PartConfig, name: str = "", *, clock: str | None = None) -> C:
        """Build the root component, and with it the whole tree, all on a clock unless parts say otherwise."""
        return cls(self, name, config, clock=clock)

    def clock(self, name: str | None) -> Clock:
        """Return a clock domain by name, the reference clock for None."""
        if name is None:
            return self.reference
        if name not in self.clocks:
            raise WiringError(f"no clock is called {name!r}; {near_miss(name, list(self.clocks))}")
        return self.clocks[name]

    def adopt(self, component: Component) -> None:
        """Take note of a component; components call this themselves.

        raises : WiringError if another one has its path
        """
        if component.path in self._paths:
            raise WiringError(f"two components are called {component.path!r}; number them, as in 'tile[0]'")
        self._paths.add(component.path)
        self.parts.append(component)

    def expect(self, total: int, what: str, done: Callable[[], int]) -> None:
        """Say what the run is for: `total` outputs called `what` ("images"), of which `done()` have come.

        Several components may; the run is then for all of it.
        """
        self._expected.append((total, what, done))

    def fast_forward(self, begun: Callable[[], int], shorten: Callable[[int], None]) -> None:
        """Leave out whole periods of the expected outputs; see `simcore.steady.SteadyState`.

        raises : WiringError if intervals are told while the run goes on, of which those left out are none
        """
        if self._tell is not None:
            raise WiringError(
                "what a run leaves out cannot be told while it goes on; keep it all: record=True"
            )
        self._steady = SteadyState(self, begun, shorten)

    @property
    def _left_out(self) -> FastForward:
        """What was not simulated so far."""
        return NOTHING if self._steady is None else self._steady.found

    def _missing(self) -> str:
        """Return what is still expected, in words."""
        if not self._expected:
            return "no component has said finish()"
        total, what, done = self._so_far()
        return f"{total - done} of {total} {what} have not come out"

    def _so_far(self) -> tuple[int, str, int]:
        """Return how many outputs are expected, what they are called, and how many have come."""
        if not self._expected:
            return 0, "outputs", self._left_out.items
        totals, names, done = zip(*self._expected, strict=True)
        return sum(totals), names[0], sum(count() for count in done) + self._left_out.items

    # -- for components --------------------------------------------------------------------------------------

    def finish(self, last: Unit | None = None) -> None:
        """Say that every expected output has arrived: the makespan ends with this cycle of the reference.

        last : the unit with the last output; the running process's if left out
        """
        if self._finished:
            return
        self._finished = True
        self._finisher = last or self.engine.active.unit
        if self._log is not None and self._finisher is not None:
            self._log.note_finish(self._finisher)
        edge = next_edge(self.engine.now, self.reference.ticks)
        if edge == self.engine.now:
            self._halt(None)
        else:
            self.engine.at(edge, Wake(self._halt))

    def arrived(self) -> None:
        """Say that one of the expected outputs has arrived, but not the last one."""
        if self._steady is not None and self._expected and self._steady.watching:
            self._pausing = True
            self.engine.halt()

    @property
    def over(self) -> bool:
        """Whether the makespan is reached, and what is still under way drains."""
        return self._over

    def _halt(self, _: Any) -> Park:
        self._over = True
        self.engine.halt()
        return PARK

    def note_edge(self, component: Component, name: str, ticks: int, *, holds: bool) -> None:
        """Note that the running process waits for an edge, or holds an operation until one."""
        if self._log is not None:
            self._log.note_edge(REST if holds else EDGE, component.path, name, ticks)

    def note_event(self) -> None:
        """Note that the running process waits for an event of SimPy."""
        if self._log is not None:
            self._log.note(EVENT, -1)

    def charge_event(self, event: Any, resource: str) -> Any:
        """Charge the running process's wait for a SimPy event; see `Component.waits_for`."""
        wake = self.engine.active
        if wake.unit is None:
            raise WiringError(f"{describe(wake)} calls waits_for, but only a component's own process may")
        waits = self.event_waits.setdefault((wake, resource), self._new_waits(wake))
        wake.since = self.engine.now
        self._event_parks[wake] = f"wait-resource:{resource}"

        def charge(_: Any) -> None:
            waits.end(wake, self.engine.now)
            del self._event_parks[wake]

        if event.callbacks is None:
            del self._event_parks[wake]
        else:
            event.callbacks.append(charge)
        return event

    # -- running ---------------------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Run until `finish`, then let what is still under way drain, settle the accounts and check the laws.

        raises : Deadlock, WatchdogError, BrokenLawError
        """
        self._seal()
        units = self._start()
        self._started = time.perf_counter()
        self._watch = BusyWatch(self.engine, units, self.wiring.ends, self.event_waits)
        self.engine.observer = self._look
        collecting = gc.isenabled()
        gc.disable()  # the calendar makes no circles, so collecting them only costs time
        try:
            self._run_to_makespan(units)
            if not self._finished:
                self._end_operations(units)
                parked = self._parked(units)
                raise Deadlock(explain(parked, self.engine.now, self._missing()), circle(parked))
            self._look()
            makespan = self.engine.now
            accounts = self._settle(units, makespan)
            self._run_engine()
            self._end_operations(units)
        finally:
            if collecting:
                gc.enable()
        wall = time.perf_counter() - self._started
        self._settle(units, max(makespan, self.engine.now))  # a lie told while draining is a lie, too
        parked = self._parked(units) if self.recording else []
        if self._steady is not None:
            makespan += self._left_out.ticks
            accounts, parked = self._steady.complete(accounts, units, parked)
        done = count_actions(self.parts)
        costs = part_costs(self.parts, done)
        energy = energy_report(costs, done, float(makespan * self.reference.period / self.reference.ticks))
        check_laws(self.wiring.connections, accounts, makespan, energy, self.laws)
        activity = None
        finisher = NOBODY if self._finisher is None else self._finisher.number
        if self._stretches is not None:
            self._stretches.tell_rest(parked, makespan, finisher)
        elif self.recording:
            buffers = buffer_traces(self.wiring.connections, makespan)
            activity = recorded_activity(units, parked, makespan, self.reference, finisher, buffers)
        return Outcome(
            makespan,
            self.reference,
            accounts,
            energy,
            area_report(costs),
            self.engine.events,
            wall,
            activity,
            costs,
            tuple(connection.described() for connection in self.wiring.connections),
            None if self._steady is None else self._left_out,
            self._log,
        )

    def blueprint(self) -> Blueprint:
        """Return what decides when things happen on the machine that is built.

        raises : WiringError for ports that are not connected
        """
        self._seal()
        if self._log is not None:  # which was made before ports led to it
            return self._log.blueprint
        return blueprint_of(self.parts, self.wiring.connections, self.reference)

    def _seal(self) -> None:
        """Bind all ports, once."""
        if self._sealed:
            return
        self._sealed = True
        self.wiring.seal(self.parts)
        if self._logging:
            self._log = CallLog(self.engine, self.parts, self.wiring, self.blueprint())

    def _start(self) -> list[Unit]:
        """Start every process and return the units, sorted by path."""
        units = [unit for part in self.parts for unit in part.units]
        order = list(units)
        if self._shuffle is not None:
            random.Random(self._shuffle).shuffle(order)
        in_order = sorted(units, key=lambda u: u.path)
        if self.recording:
            number_units(in_order)
            for end in self.wiring.ends:
                end.record()
            for connection in self.wiring.connections:
                if isinstance(connection.channel, BufferChannel):
                    connection.channel.record()
        for unit in order:
            unit.generator = getattr(unit.component, unit.process)()
            unit.wake = self.engine.start(unit.generator)
            unit.wake.unit = unit
            unit.wake.owner.callbacks.append(lambda event, unit=unit: self._end(unit, event))
        if self._tell is not None:
            self._stretches = Stretches(in_order, self.wiring, self.reference, self._tell)
        return in_order

    def _end(self, unit: Unit, event: Any) -> None:
        """Note when a unit's process returned; one that failed ends the run.

        raises : ModelError naming the process and the line, unless the error was raised on purpose
        """
        unit.ended = self.engine.now
        error = event.value
        if event.ok or not isinstance(error, Exception) or isinstance(error, SimError):
            return
        component = unit.component
        code = inspect.unwrap(getattr(type(component), unit.process)).__code__
        lines = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == code.co_filename]
        where = f" ({Path(lines[-1].filename).name}:{lines[-1].lineno})" if lines else ""
        raise ModelError(
            f"{unit.path} ({type(component).__name__}.{unit.process}) failed at cycle "
            f"{self.engine.now // component.clock.ticks}: {type(error).__name__}: {error}{where}"
        ) from error

    def _run_engine(self) -> None:
        self.engine.run()

    def _run_to_makespan(self, units: list[Unit]) -> None:
        """Run until the last output is there, looking at the state between outputs if it may repeat."""
        self._run_engine()
        while self._pausing and not self._over:
            self._pausing = False
            assert self._steady is not None
            ((total, what, done),) = self._expected  # what repeats, repeats for one stream of outputs
            self._steady.look(units, total, what, done())
            self._run_engine()

    def _end_operations(self, units: Iterable[Unit]) -> None:
        """Let operations end behind which nothing is left to do: a relay's take no entry of the calendar."""
        last = max((u.wake.since for u in units if u.wake is not None and u.wake.waiting), default=0)
        if last > self.engine.now:
            self.engine.at(last, Wake(lambda _: PARK))
            self.engine.run()

    def _look(self) -> None:
        """Watch over progress and limits, and tell what is over, now and then."""
        wall = time.perf_counter() - self._started
        tokens = sum(c.channel.sent for c in self.wiring.connections)
        if tokens != self._moved[0]:
            self._moved = (tokens, self.engine.events)
        elif self.engine.events - self._moved[1] > EVENTS_WITHOUT_TOKEN:
            raise WatchdogError(
                f"no token moved in the last {EVENTS_WITHOUT_TOKEN} events up to tick {self.engine.now}; "
                f"{self._missing()}; look for a process that polls"
            )
        cycle = (self.engine.now + self._left_out.ticks) // self.reference.ticks
        limits = self._limits
        if limits.cycles is not None and cycle > limits.cycles:
            raise WatchdogError(f"the run passed its limit of {limits.cycles} cycles; {self._missing()}")
        if limits.seconds is not None and wall > limits.seconds:
            raise WatchdogError(
                f"the run passed its limit of {limits.seconds} s at cycle {cycle}; {self._missing()}"
            )
        if limits.memory_mb is not None and peak_memory_mb() > limits.memory_mb:
            raise WatchdogError(
                f"the run passed its limit of {limits.memory_mb} MB at cycle {cycle}; {self._missing()}"
            )
        stretches, now, events = self._stretches, self.engine.now, self.engine.events
        if stretches is not None and not self._over and stretches.is_due(now, events):
            self._note_waits(stretches.units)
            stretches.tell_before(now, events)
        if self._observe is not None:
            total, what, come = self._so_far()
            watch = self._watch.bottleneck
            self._observe(Progress(cycle, come, total, what, self.engine.events, wall, watch))

    # -- settling --------------------------------------------------------------------------------------------

    def _new_waits(self, wake: Wake) -> Waits:
        waits = Waits()
        waits.owner = wake
        if self.recording:
            waits.record()
        return waits

    def _settle(self, units: Iterable[Unit], makespan: int) -> tuple[Account, ...]:
        """Return every unit's account of the time up to `makespan`, which is now or the end of the drain."""
        self._note_waits(units)
        waiting = {id(p.unit): p.state for p in self._parked(units)}
        return tuple(
            Account(
                unit.path,
                unit.component.kind or type(unit.component).__name__,
                unit.component.family,
                unit.component.layer,
                unit.states(makespan, waiting.get(id(unit))),
            )
            for unit in units
        )

    def _note_waits(self, units: Iterable[Unit]) -> None:
        """Let each unit know where it has waited."""
        self._refuse_strangers()
        for unit in units:
            unit.waits.clear()
        for end in self.wiring.ends:
            if end.waits.owner is not None:
                end.waits.owner.unit.waits.append((end.state, end.waits))
        for (wake, resource), waits in self.event_waits.items():
            wake.unit.waits.append((f"wait-resource:{resource}", waits))

    def _refuse_strangers(self) -> None:
        """Raise WiringError if a process that belongs to no component has waited at a port."""
        for end in self.wiring.ends:
            wake = end.waits.owner
            if wake is not None and wake.unit is None:
                raise WiringError(
                    f"{describe(wake)} waits at {end.owner.path}.{end.state.partition(':')[2]}, but only a "
                    f"process of {end.owner.path} may; mark a method of its class @process instead"
                )

    def _parked(self, units: Iterable[Unit]) -> list[Parked]:
        """Return every unit that waits now."""
        self._refuse_strangers()
        parked = []
        for end in self.wiring.ends:
            for wake, waits in end.endpoint.parked():
                if waits is not end.waits:
                    continue
                awaits = tuple(holder.unit for holder in end.endpoint.holders())
                others = (u for peer in end.slow_peers() for u in peer.units if u is not wake.unit)
                awaits += tuple(u for u in others if u.ended is None)
                told = end.endpoint.contents(), awaits, end.endpoint.remedy()
                parked.append(Parked(wake.unit, end.state, wake.since, *told))
        for wake, state in self._event_parks.items():
            parked.append(Parked(wake.unit, state, wake.since, "a SimPy event", ()))
        known = {id(p.unit) for p in parked}
        for unit in units:
            if id(unit) not in known and unit.ended is None and self._sleeps_for_ever(unit):
                raise BrokenLawError(
                    f"accounting: {unit.path} waits for something that charges nobody; wait at a port, "
                    "or for a SimPy event by waits_for"
                )
        return parked

    def _sleeps_for_ever(self, unit: Unit) -> bool:
        """Whether the calendar is empty, so that a unit which waits nowhere we know of can never go on."""
        # One that is noted as waiting from a later tick on works until then.
        return self.engine.idle and unit.wake is not None and not unit.wake.waiting


def peak_memory_mb() -> float:
    """Return the process's peak memory so far [MB]."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
