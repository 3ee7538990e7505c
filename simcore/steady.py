"""Steady state: once a run's state repeats, the rest is known, and whole periods need not be simulated.

A machine that gets equal items one behind the other is a deterministic process. Each time an item has come
out, its whole state is written down, relative to now and to that item: where every process stands and what it
waits for, what channels hold and when that can be taken, whose turn it is, and the calendar, in order. If two
such states are equal, all that follows is equal too, a period later. So the run goes on with as many items
less as fill whole periods, and its end is simulated, not guessed; what one period added to the books is added
once for each period that was left out.

What cannot be seen cannot be proven. A component with processes must tell where they stand
(`Component.phase`), in its own class; one that does not, or a process that waits for an event of SimPy, makes
the run go through all items.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from simcore.accounting import Account, Unit
from simcore.buffer_channel import BufferChannel
from simcore.commands import Engine, describe
from simcore.component import Component
from simcore.deadlock import Parked
from simcore.history import Book
from simcore.wiring import Wiring

#: States that are remembered: longer periods, in items, are not found.
KEPT = 64


class Watched(Protocol):
    """What is looked at; see `simcore.simulation.Simulation`."""

    engine: Engine
    wiring: Wiring
    parts: list[Component]

    @property
    def event_waits(self) -> Mapping[Any, Any]:
        """Waits for events of SimPy so far."""


@dataclass(frozen=True, eq=False)
class Mark:
    """The books when an item had come out.

    items : out so far
    tallies : of each book, in order
    """

    items: int
    tick: int
    tallies: tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class Repetition:
    """Two moments of equal state, and how often what lies between them was left out; it may be never."""

    first: Mark
    last: Mark
    times: int

    @property
    def items(self) -> int:
        """Items in a period."""
        return self.last.items - self.first.items

    @property
    def ticks(self) -> int:
        """Ticks in a period."""
        return self.last.tick - self.first.tick


@dataclass(frozen=True, eq=False)
class FastForward:
    """What came of looking for a repetition.

    repetition : None where nothing repeated
    told : what repeats, or why nothing was left out, in words
    """

    repetition: Repetition | None
    told: str

    @property
    def items(self) -> int:
        """Items that were not simulated."""
        return 0 if self.repetition is None else self.repetition.times * self.repetition.items

    @property
    def ticks(self) -> int:
        """Ticks that were not simulated."""
        return 0 if self.repetition is None else self.repetition.times * self.repetition.ticks


NOTHING = FastForward(None, "no state repeated in time to leave anything out")


class HiddenStateError(Exception):
    """Some state cannot be seen; the message says whose."""


class SteadyState:
    """Looks for a repeated state and shortens the run by whole periods.

    begun : returns for how many items some process works already, or waits
    shorten : lets the run be over after so many items, no fewer than have begun
    watching : whether a repeated state could still be made use of
    found : what came of it so far
    """

    def __init__(self, watched: Watched, begun: Callable[[], int], shorten: Callable[[int], None]) -> None:
        self.watching = True
        self.found = NOTHING
        self._watched = watched
        self._begun = begun
        self._shorten = shorten
        self._seen: dict[bytes, Mark] = {}

    def look(self, units: Sequence[Unit], total: int, what: str, done: int) -> None:
        """Compare the present state with those before; of `total` items, some have come out in this tick.

        what, done : how messages call the items, and how many have come out
        """
        left = total - self._begun()
        if left <= 0:
            self._stop_watching()
            return
        try:
            state = relative_state(self._watched, units, done)
        except HiddenStateError as hidden:
            self.found = FastForward(None, str(hidden))
            self._stop_watching()
            return
        mark = Mark(done, self._watched.engine.now, tuple(book.tally() for book in self._books()))
        earlier = self._seen.setdefault(state, mark)
        if earlier is mark:
            if len(self._seen) > KEPT:
                del self._seen[next(iter(self._seen))]
            return
        repetition = Repetition(earlier, mark, left // (mark.items - earlier.items))
        told = f"the state after {mark.items} {what} is that after {earlier.items}"
        if repetition.times:
            self.found = FastForward(repetition, told)
            self._shorten(total - self.found.items)
        else:
            self.found = FastForward(repetition, f"{told}, but too few were left to leave a period out")
        self._stop_watching()

    def complete(
        self, accounts: tuple[Account, ...], units: Sequence[Unit], parked: list[Parked]
    ) -> tuple[tuple[Account, ...], list[Parked]]:
        """Enter in the books what was left out; called once, when nothing is left to do.

        accounts, parked : of what was simulated, in the order of `units`, and at its end
        returns : those of the whole run
        """
        repetition = self.found.repetition
        if repetition is None:
            return accounts, parked
        added: dict[int, int] = {}
        tallies = zip(repetition.first.tallies, repetition.last.tallies, strict=True)
        for book, (first, last) in zip(self._books(), tallies, strict=True):
            added[id(book)] = repetition.times * (last[1] - first[1])
            book.repeat(first, last, repetition.times, repetition.ticks)
        whole = []
        for account, unit in zip(accounts, units, strict=True):
            ticks = Counter(account.ticks)
            for state, spent in (*((o.state, o) for o in unit.operations), *unit.waits):
                ticks[state] += added.get(id(spent), 0)
            whole.append(replace(account, ticks={state: count for state, count in ticks.items() if count}))
        return tuple(whole), [replace(p, since=p.since + self.found.ticks) for p in parked]

    def _stop_watching(self) -> None:
        self.watching = False
        self._seen.clear()

    def _books(self) -> Iterator[Book]:
        """Yield everything that counts, always in the same order."""
        for part in self._watched.parts:
            yield from part.operations
            yield from part.counters
            yield from part.books
        for end in self._watched.wiring.ends:
            yield end.waits
        for connection in self._watched.wiring.connections:
            if isinstance(connection.channel, BufferChannel):
                yield connection.channel


def relative_state(watched: Watched, units: Sequence[Unit], items: int) -> bytes:
    """Return all that a machine will do from now on depends on, relative to now and to `items` finished.

    raises : HiddenStateError if some of it cannot be seen
    """
    state = array("q")
    for numbers in _state(watched, units, items):
        state.append(len(numbers))
        state.extend(numbers)
    return state.tobytes()


def _state(watched: Watched, units: Sequence[Unit], items: int) -> Iterator[Sequence[int]]:
    """Yield it piece by piece; objects stand for themselves by their `id`, as they live through the run."""
    now = watched.engine.now
    yield [now % period for period in sorted({part.clock.ticks for part in watched.parts})]
    for part in watched.parts:
        if part.units or type(part).phase is not Component.phase:  # some decide without a process
            yield _phase(part, items)
    for unit in units:
        yield _standing(unit, now)
    for end in watched.wiring.ends:
        waits = end.waits
        if waits.until > now and waits.owner is not None:
            yield waits.until - now, waits.owner.since - now
        else:
            yield ()
    for endpoint in _endpoints(watched):
        yield endpoint.standing(now)
    entries = watched.engine.calendar()
    if entries is None or watched.event_waits:
        raise HiddenStateError("a process waits for an event of SimPy, which cannot be compared")
    for tick, wake in entries:
        if wake.owner is not None and wake.unit is None:
            raise HiddenStateError(
                f"{describe(wake)} belongs to no component, so nobody tells where it stands"
            )
        yield tick - now, id(wake)


def _phase(part: Component, items: int) -> tuple[int, ...]:
    # A subclass may do something else than its base says, so it must say so itself.
    phase = part.phase(items) if "phase" in vars(type(part)) else None
    if phase is None:
        raise HiddenStateError(
            f"{part.path} does not tell where its processes stand; define `phase` in its own class, "
            f"{type(part).__name__}"
        )
    return phase


def _standing(unit: Unit, now: int) -> list[int]:
    """Return where a unit's process stands, and what it waits for or goes on with."""
    wake = unit.wake
    assert wake is not None
    if unit.ended is not None:
        return []
    since = wake.since - now if wake.waiting else 0
    known = [wake.waiting, since, *(id(o) for o in (wake.parked_on, wake.fetching, unit.last))]
    return [*known, wake.value is not None, *_places(unit)]


def _places(unit: Unit) -> Iterator[int]:
    """Yield where in its code a unit's process stands, and in what it yields from."""
    inner = unit.generator
    while inner is not None:
        if getattr(inner, "gi_frame", None) is None:
            raise HiddenStateError(f"the process of {unit.path} is no plain generator")
        yield inner.gi_frame.f_lasti
        inner = inner.gi_yieldfrom


def _endpoints(watched: Watched) -> list[Any]:
    """Return every channel, fan and end of one, always in the same order."""
    ports = (port.channel for part in watched.parts for port in part.ports if port.channel is not None)
    channels = (connection.channel for connection in watched.wiring.connections)
    ends = (end.endpoint for end in watched.wiring.ends)
    return list({id(endpoint): endpoint for endpoint in (*ports, *channels, *ends)}.values())
