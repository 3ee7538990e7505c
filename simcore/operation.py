"""What a unit does and counts: operations that take time, counters that do not."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simcore.commands import Engine
from simcore.errors import WiringError

if TYPE_CHECKING:
    from simcore.accounting import Unit


class Operation:
    """Something a process does that takes time; declare it in the class, hold it in the process.

    `yield self.mvm.hold(cycles)` occupies the unit for so many cycles of its clock, counts the operation,
    records it and charges it: one call does all the book-keeping.

    name : of the state `busy:name`; the attribute's name if left out
    process : the process method whose unit is held; may be left out where the component has one process
    programming : the time counts as programming (writing weights), not as busy
    """

    def __init__(
        self, name: str = "", *, unit: str = "op", doc: str = "", process: str = "", programming: bool = False
    ) -> None:
        self.name = name
        self.unit = unit
        self.doc = doc
        self.process = process
        self.programming = programming
        self.count = 0
        self.ticks = 0
        # If recorded: the tick of each start, and index and ticks of those that do not last as usual.
        self.starts = array("q")
        self.usual = -1
        self.unusual: list[tuple[int, int]] = []

    def hold(self, cycles: int) -> int:
        """Return the command to yield; `cycles` is a whole number of at least 0."""
        raise WiringError(f"operation {self.name!r} is held before its component was built")

    def intervals(self) -> NDArray[np.int64]:
        """Return the recording: (n, 2) start and duration [tick] of each time it was held."""
        rows = np.empty((len(self.starts), 2), np.int64)
        rows[:, 0] = self.starts
        rows[:, 1] = self.usual
        for index, ticks in self.unusual:
            rows[index, 1] = ticks
        return rows

    @property
    def state(self) -> str:
        """Name of the state that its time is charged to."""
        return f"{'programming' if self.programming else 'busy'}:{self.name}"


class _PlainOperation(Operation):
    """An operation of one instance, alone on its unit and in cycles that are ticks: the fastest form."""

    def hold(self, cycles: int) -> int:
        """Return the command to yield; `cycles` is a whole number of at least 0."""
        self.count += 1
        self.ticks += cycles
        return cycles


class _RecordedOperation(_PlainOperation):
    """The plain form with a recording."""

    engine: Engine

    def hold(self, cycles: int) -> int:
        """Return the command to yield; `cycles` is a whole number of at least 0."""
        self.count += 1
        self.ticks += cycles
        self.starts.append(self.engine.now)
        if cycles != self.usual:
            self._note_duration(cycles)
        return cycles

    def _note_duration(self, ticks: int) -> None:
        if self.usual < 0:
            self.usual = ticks
        else:
            self.unusual.append((len(self.starts) - 1, ticks))


class _FullOperation(_RecordedOperation):
    """An operation of one instance on any clock, beside others on its unit, recorded or not."""

    owner: Unit
    ticks_per_cycle: int
    recorded: bool

    def hold(self, cycles: int) -> int:
        """Return the command to yield; `cycles` is a whole number of at least 0."""
        self.owner.last = self
        ticks = cycles * self.ticks_per_cycle
        if self.recorded:
            return super().hold(ticks)
        self.count += 1
        self.ticks += ticks
        return ticks


def bind_operation(
    name: str,
    declared: Operation,
    owner: Unit,
    engine: Engine,
    ticks_per_cycle: int,
    alone: bool,
    record: bool,
) -> Operation:
    """Return one instance's operation, charged to the unit `owner`, in the cheapest form that will do.

    name : of the attribute it was declared as
    """
    form = _RecordedOperation if record else _PlainOperation
    if not alone or ticks_per_cycle != 1:
        form = _FullOperation
    bound = form(
        declared.name or name,
        unit=declared.unit,
        doc=declared.doc,
        process=owner.process,
        programming=declared.programming,
    )
    if isinstance(bound, _RecordedOperation):
        bound.engine = engine
    if isinstance(bound, _FullOperation):
        bound.owner, bound.ticks_per_cycle, bound.recorded = owner, ticks_per_cycle, record
    owner.operations.append(bound)
    return bound


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
