"""What a unit does and counts: operations that take time, counters that do not."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from simcore.commands import Engine
from simcore.errors import WiringError
from simcore.history import unrolled

Form = TypeVar("Form", bound="Operation")

#: Durations before the first, and once they differ; no hold lasts that long.
_NONE_YET, _VARIES = -1, -2


class Holder(Protocol):
    """The unit that holds operations; `last` is the one it held last, where it may hold several."""

    process: str
    operations: list[Operation]
    last: Operation | None


class Operation:
    """Something a process does that takes time; declare it in the class, hold it in the process.

    `yield self.mvm.hold(cycles)` occupies the unit for so many cycles of its clock, counts the operation,
    records it and charges it: one call does all the book-keeping.

    name : of the state `busy:name`; the attribute's name if left out
    process : the process method whose unit is held; may be left out where the component has one process
    programming : the time counts as programming (writing weights), not as busy
    set_by : names of the parameters that its time is computed from, those that do most first: of the
        component's own configuration, or else, dotted, of the machine's from its root ("mvm_cycles",
        "attention.writing.pulses"); none where nothing that can be set decides it, and the doc tells why
    """

    def __init__(
        self,
        name: str = "",
        *,
        unit: str = "op",
        doc: str = "",
        process: str = "",
        programming: bool = False,
        set_by: Sequence[str] = (),
    ) -> None:
        if isinstance(set_by, str):
            raise WiringError(
                f"an operation's set_by must be a tuple of names, got {set_by!r}; write ({set_by!r},)"
            )
        self.name = name
        self.unit = unit
        self.doc = doc
        self.process = process
        self.programming = programming
        self.set_by = tuple(set_by)

    def hold(self, cycles: int) -> int:
        """Return the command to yield; `cycles` is a whole number of at least 0."""
        raise WiringError(f"operation {self.name!r} is held before its component was built")

    def hold_from(self, tick: int, cycles: int) -> int:
        """Do what `hold` does, for an operation that is known to start at a tick, now or later."""
        raise WiringError(f"operation {self.name!r} is held before its component was built")

    def tell(self, note: Callable[[int], None]) -> None:
        """Have `note` called with the tick of each start from now on, of an operation that records."""

    @property
    def count(self) -> int:
        """How often it was held."""
        return 0

    @property
    def ticks(self) -> int:
        """Ticks for which it was held in all."""
        return 0

    def intervals(self) -> NDArray[np.int64]:
        """Return what was recorded: (n, 2) start and duration [tick] of each time it was held."""
        return np.zeros((0, 2), np.int64)

    def tally(self) -> tuple[int, int]:
        """Return how often it was held, and for how long in all [tick]."""
        return self.count, self.ticks

    def repeat(self, first: tuple[int, int], last: tuple[int, int], times: int, ticks: int) -> None:
        """Count again, so many times and each time `ticks` later, what came between two tallies."""

    @property
    def state(self) -> str:
        """Name of the state that its time is charged to."""
        return f"{'programming' if self.programming else 'busy'}:{self.name}"


class _CountedOperation(Operation):
    """An operation of one instance that counts and charges: the fastest form."""

    def start_counting(self) -> None:
        """Start from nothing; called once, before the first hold."""
        # Not defaults of the class: an attribute that the class has too is found more slowly.
        self._count = 0
        self._ticks = 0

    def hold(self, cycles: int) -> int:
        """Return the command to yield; `cycles` is a whole number of at least 0."""
        self._count += 1
        self._ticks += cycles
        return cycles

    def hold_from(self, tick: int, cycles: int) -> int:
        """Do what `hold` does, for an operation that is known to start at a tick, now or later."""
        self._count += 1
        self._ticks += cycles
        return cycles

    def repeat(self, first: tuple[int, int], last: tuple[int, int], times: int, ticks: int) -> None:
        """Count again, so many times and each time `ticks` later, what came between two tallies."""
        self._count += times * (last[0] - first[0])
        self._ticks += times * (last[1] - first[1])

    @property
    def count(self) -> int:
        """How often it was held."""
        return self._count

    @property
    def ticks(self) -> int:
        """Ticks for which it was held in all."""
        return self._ticks


class _RecordedOperation(Operation):
    """An operation of one instance that records, and counts and charges by what it recorded."""

    def start_recording(self, engine: Engine) -> None:
        """Take the time from `engine`; called once, before the first hold."""
        self._usual = _NONE_YET  # ticks that each lasts, as long as all last the same
        self._durations: array[int] | None = None  # ticks of each, once they differ
        self._summed = (0, 0)  # durations that were added up, and their sum
        self._engine = engine
        self._starts = array("q")
        self._note_start: Callable[[int], None] = self._starts.append

    def hold(self, cycles: int) -> int:
        """Return the command to yield; `cycles` is a whole number of at least 0."""
        self._note_start(self._engine.now)
        if cycles != self._usual:
            self._note_duration(cycles)
        return cycles

    def hold_from(self, tick: int, cycles: int) -> int:
        """Do what `hold` does, for an operation that is known to start at a tick, now or later."""
        self._note_start(tick)
        if cycles != self._usual:
            self._note_duration(cycles)
        return cycles

    def tell(self, note: Callable[[int], None]) -> None:
        """Have `note` called with the tick of each start from now on."""

        def note_start(tick: int) -> None:
            self._starts.append(tick)
            note(tick)

        self._note_start = note_start

    def repeat(self, first: tuple[int, int], last: tuple[int, int], times: int, ticks: int) -> None:
        """Record again, so many times and each time `ticks` later, what came between two tallies."""
        self._starts = unrolled(self._starts, first[0], last[0], times, ticks)
        if self._durations is not None:
            self._durations = unrolled(self._durations, first[0], last[0], times, 0)
            self._summed = (0, 0)

    def _note_duration(self, ticks: int) -> None:
        if self._usual == _NONE_YET:
            self._usual = ticks
            return
        if self._durations is None:
            self._durations = array("q", [self._usual]) * (len(self._starts) - 1)
            self._usual = _VARIES
        self._durations.append(ticks)

    @property
    def count(self) -> int:
        """How often it was held."""
        return len(self._starts)

    @property
    def ticks(self) -> int:
        """Ticks for which it was held in all."""
        if self._durations is None:
            return self._usual * len(self._starts)
        seen, ticks = self._summed  # those who look at a run under way ask again and again
        self._summed = len(self._durations), ticks + sum(self._durations[seen:])
        return self._summed[1]

    def intervals(self) -> NDArray[np.int64]:
        """Return what was recorded: (n, 2) start and duration [tick] of each time it was held."""
        rows = np.empty((len(self._starts), 2), np.int64)
        rows[:, 0] = self._starts
        rows[:, 1] = self._usual if self._durations is None else self._durations
        return rows


class _ClockedOperation(Operation):
    """An operation in cycles of a slower clock than the tick, or beside others on its unit."""

    def wrap(self, inner: Operation, owner: Holder, ticks_per_cycle: int) -> None:
        """Let `inner` keep the books, in ticks; called once, before the first hold."""
        self._inner = inner
        self._owner = owner
        self._ticks_per_cycle = ticks_per_cycle

    def hold(self, cycles: int) -> int:
        """Return the command to yield; `cycles` is a whole number of at least 0."""
        self._owner.last = self
        return self._inner.hold(cycles * self._ticks_per_cycle)

    def hold_from(self, tick: int, cycles: int) -> int:
        """Do what `hold` does, for an operation that is known to start at a tick, now or later."""
        self._owner.last = self
        return self._inner.hold_from(tick, cycles * self._ticks_per_cycle)

    def tell(self, note: Callable[[int], None]) -> None:
        """Have `note` called with the tick of each start from now on."""
        self._inner.tell(note)

    @property
    def count(self) -> int:
        """How often it was held."""
        return self._inner.count

    @property
    def ticks(self) -> int:
        """Ticks for which it was held in all."""
        return self._inner.ticks

    def intervals(self) -> NDArray[np.int64]:
        """Return what was recorded: (n, 2) start and duration [tick] of each time it was held."""
        return self._inner.intervals()

    def repeat(self, first: tuple[int, int], last: tuple[int, int], times: int, ticks: int) -> None:
        """Count again, so many times and each time `ticks` later, what came between two tallies."""
        self._inner.repeat(first, last, times, ticks)


def bind_operation(
    name: str,
    declared: Operation,
    owner: Holder,
    engine: Engine,
    ticks_per_cycle: int,
    alone: bool,
    record: bool,
) -> Operation:
    """Return one instance's operation, charged to the unit `owner`, in the cheapest form that will do.

    name : of the attribute it was declared as
    """
    bound: Operation
    if record:
        bound = _as(_RecordedOperation, declared, name, owner)
        bound.start_recording(engine)
    else:
        bound = _as(_CountedOperation, declared, name, owner)
        bound.start_counting()
    if not alone or ticks_per_cycle != 1:
        inner, bound = bound, _as(_ClockedOperation, declared, name, owner)
        bound.wrap(inner, owner, ticks_per_cycle)
    owner.operations.append(bound)
    return bound


def _as(form: type[Form], declared: Operation, name: str, owner: Holder) -> Form:
    return form(
        declared.name or name,
        unit=declared.unit,
        doc=declared.doc,
        process=owner.process,
        programming=declared.programming,
        set_by=declared.set_by,
    )


class Counter:
    """A number of actions that take no time of their own, as bytes moved; declare it in the class.

    Where a count follows from others (conversions from products), compute it in `Component.actions` instead.
    """

    def __init__(self, name: str = "", *, unit: str, doc: str) -> None:
        self.name = name
        self.unit = unit
        self.doc = doc
        self.count = 0

    def add(self, amount: int) -> None:
        """Count `amount` actions."""
        self.count += amount

    def tally(self) -> tuple[int, int]:
        """Return the count."""
        return self.count, 0

    def repeat(self, first: tuple[int, int], last: tuple[int, int], times: int, ticks: int) -> None:
        """Count again, so many times, what came between two tallies."""
        self.count += times * (last[0] - first[0])
