"""Intervals told while a run goes on, stretch by stretch, and kept no longer: memory does not grow with it.

What is told is over and stays as it is. Operations and waits that are logged ahead of time belong to a later
stretch, a wait that has not ended to that in which it does. What operations and waits count and charge does
not change: they remember how much they have forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from simcore.accounting import Unit
from simcore.activity import NOBODY, Activity
from simcore.causes import BY_TIME, Act
from simcore.clocks import Clock
from simcore.deadlock import Parked
from simcore.recording import Columns, memory_logs, recorded_activity
from simcore.wiring import Wiring

#: Events for each log between two stretches: few for memory, many for time, as each log is looked at.
EVENTS_A_LOG = 64


class IntervalLog(Protocol):
    """Where a unit's intervals of one state are logged: an operation, or the waits at one end."""

    def forget(self, count: int) -> None:
        """Keep the first `count` intervals no longer."""


class Stretches:
    """What is told of one run, an empty stretch before it starts included.

    units : all there are, sorted by path
    tell : takes the stretches; see `traces.sinks.IntervalSink` for what they promise
    """

    def __init__(
        self, units: Sequence[Unit], wiring: Wiring, reference: Clock, tell: Callable[[Activity], None]
    ) -> None:
        self.units = units
        self._recorded = [unit for unit in units if unit.component.recorded]
        self._wiring = wiring
        self._reference = reference
        self._tell = tell
        self._states: dict[str, int] = {}
        self._memories = memory_logs(wiring.connections)
        self._next = 0  # events
        self._tell_columns(Columns(0, self._states))

    def is_due(self, now: int, events: int) -> bool:
        """Whether a tick is over, and enough may be logged after so many events of the run."""
        return now > 0 and events >= self._next

    def tell_before(self, now: int, events: int) -> None:
        """Tell what was over before this tick, which may go on; the units' waits have been noted."""
        for end in self._wiring.ends:
            end.endpoint.catch_up()
        columns, logs = Columns(now - 1, self._states), 0
        for unit in self._recorded:
            logs += len(unit.operations) + len(unit.waits)
            for operation in unit.operations:
                _take(columns, unit, operation.state, operation, operation.intervals())
            for state, waits in unit.waits:
                _take(columns, unit, state, waits, *waits.recorded())
        self._next = events + EVENTS_A_LOG * logs
        self._tell_columns(columns)

    def tell_rest(self, still_parked: Sequence[Parked], makespan: int, finisher: int) -> None:
        """Tell all that is left up to the makespan, when nothing is left to do.

        finisher : number of the unit whose act ended the run
        """
        buffers = tuple(memory.take_until(makespan) for memory in self._memories)
        self._tell(
            recorded_activity(
                self.units, still_parked, makespan, self._reference, finisher, buffers, self._states
            )
        )

    def _tell_columns(self, columns: Columns) -> None:
        buffers = tuple(memory.take_until(columns.makespan) for memory in self._memories)
        for memory in self._memories:
            memory.forget()
        units = tuple(unit.path for unit in self._recorded)
        self._tell(columns.activity(units, self._reference, NOBODY, buffers))


def _take(
    columns: Columns,
    unit: Unit,
    state: str,
    log: IntervalLog,
    rows: NDArray[np.int64],
    acts: NDArray[np.int64] | Act = BY_TIME,
) -> None:
    """Move what was over by the tick of the columns from a log to them; see `Columns.add`."""
    over = int(np.searchsorted(rows.sum(axis=1), columns.makespan, side="right"))
    if over:
        columns.add(unit.number, state, rows[:over], acts if isinstance(acts, tuple) else acts[:over])
        log.forget(over)
