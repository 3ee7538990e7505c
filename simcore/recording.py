"""From what units and channels logged to the intervals of a run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from simcore.accounting import Unit
from simcore.activity import NOBODY, Activity, BufferTrace, category
from simcore.buffer_channel import BufferChannel
from simcore.causes import BY_TIME, Act
from simcore.clocks import Clock
from simcore.deadlock import Parked
from simcore.wiring import Connection


def recorded_activity(
    units: Sequence[Unit],
    still_parked: Sequence[Parked],
    makespan: int,
    reference: Clock,
    finisher: int = NOBODY,
    buffers: tuple[BufferTrace, ...] = (),
    states: dict[str, int] | None = None,
) -> Activity:
    """Return all logged intervals up to the makespan, in columns; they add up to the accounts.

    Units of components that are not recorded are left out.

    still_parked : who waits when nothing is left to do; those waits have not been logged
    finisher : number of the unit whose act ended the run
    states : numbers of states that are numbered already
    """
    columns = Columns(makespan, states)
    recorded = [unit for unit in units if unit.component.recorded]
    for unit in recorded:
        for operation in unit.operations:
            columns.add(unit.number, operation.state, operation.intervals())
        for state, waits in unit.waits:
            columns.add(unit.number, state, *waits.recorded())
    for parked in still_parked:
        if category(parked.state) == "wait-input" or not parked.unit.component.recorded:
            continue
        wait = np.array([[parked.since, makespan - parked.since]], np.int64)
        columns.add(parked.unit.number, parked.state, wait)
    return columns.activity(tuple(unit.path for unit in recorded), reference, finisher, buffers)


def number_units(units: Sequence[Unit]) -> None:
    """Give a number to each unit that is recorded, of all in the order of their paths."""
    for number, unit in enumerate(unit for unit in units if unit.component.recorded):
        unit.number = number


def buffer_traces(connections: Sequence[Connection], makespan: int) -> tuple[BufferTrace, ...]:
    """Return what each memory held up to the makespan, in the order in which they were connected."""
    return tuple(log.take_until(makespan) for log in memory_logs(connections))


def memory_logs(connections: Sequence[Connection]) -> list[MemoryLog]:
    """Return the log of each memory, in the order in which they were connected."""
    return [MemoryLog(c.target.path, c.channel) for c in connections if isinstance(c.channel, BufferChannel)]


class MemoryLog:
    """When tokens came into one memory and were freed there, as far as nobody has taken it."""

    def __init__(self, path: str, memory: BufferChannel) -> None:
        self._path, self._memory = path, memory
        self._came = self._left = 0  # tokens that did, as far as was taken

    def take_until(self, tick: int) -> BufferTrace:
        """Return what the memory held up to a tick, from where it was taken last.

        A token that was freed before it came never took a slot.
        """
        memory = self._memory
        assert memory.came is not None
        assert memory.gone is not None
        came = np.array(memory.came[self._came - memory.first_came :], np.int64)
        gone = np.array(memory.gone[self._left - memory.first_gone :], np.int64)
        inside = self._came - self._left  # tokens whose coming was taken
        left = gone[: inside + len(came)]
        left[inside:] = np.maximum(left[inside:], came[: max(0, len(left) - inside)])
        came, left = (ticks[: np.searchsorted(ticks, tick, side="right")] for ticks in (came, left))
        self._came += len(came)
        self._left += len(left)
        ticks, entry = np.unique(np.concatenate([came, left]), return_inverse=True)
        change = np.bincount(entry[: len(came)], minlength=len(ticks)) - np.bincount(
            entry[len(came) :], minlength=len(ticks)
        )
        held = inside + np.cumsum(change)
        shown = change != 0
        return BufferTrace(self._path, memory.capacity, ticks[shown], held[shown].astype(np.int32))

    def forget(self) -> None:
        """Let the memory keep no longer what was taken."""
        self._memory.forget(self._came, self._left)


class Columns:
    """Rows of (unit, state, start, duration, cause, lag) being collected, cut off at the makespan.

    states : numbers of those that are numbered already
    """

    def __init__(self, makespan: int, states: dict[str, int] | None = None) -> None:
        self.makespan = makespan
        self.states: dict[str, int] = {} if states is None else states
        self._rows = [np.zeros((0, 2), np.int64)]
        self._acts: list[NDArray[np.int64] | Act] = [BY_TIME]
        self._places = [(0, 0)]  # unit and state of each of the above

    def add(
        self, unit: int, state: str, rows: NDArray[np.int64], acts: NDArray[np.int64] | Act = BY_TIME
    ) -> None:
        """Add the rows (start, duration), in order, that one unit spent in one state, and what ended them."""
        makespan = self.makespan
        if len(rows) and rows[-1, 0] >= makespan:
            rows = rows[: np.searchsorted(rows[:, 0], makespan)]
        if len(rows) and rows[-1].sum() > makespan:  # which only the last one can
            start, rows = rows[-1, 0], rows[:-1]
            # An input that comes only after the makespan is none of this run's: the unit has finished. Of
            # another wait, nobody has ended the part up to there.
            if category(state) != "wait-input":
                self.add(unit, state, np.array([[start, makespan - start]]))
        if not rows[:, 1].any():
            return
        number = self.states.setdefault(state, len(self.states))
        self._rows.append(rows)
        self._acts.append(acts if isinstance(acts, tuple) else acts[: len(rows)])
        self._places.append((unit, number))

    def activity(
        self, units: tuple[str, ...], reference: Clock, finisher: int, buffers: tuple[BufferTrace, ...]
    ) -> Activity:
        """Return the rows sorted by unit, then by start."""
        counts = [len(rows) for rows in self._rows]
        unit, state = np.repeat(np.array(self._places, np.int32), counts, axis=0).T
        rows, acts = np.concatenate(self._rows), _each(self._acts, counts)
        # One key whose sorted runs, an operation's or a port's each, a stable sort only has to merge.
        order = np.argsort(unit * np.int64(self.makespan + 1) + rows[:, 0], kind="stable")
        order = order[rows[order, 1] > 0]
        return Activity(
            units=units,
            states=tuple(self.states),
            unit=unit[order],
            state=state[order].astype(np.int16),
            start=rows[order, 0],
            duration=rows[order, 1],
            cause=acts[order, 0].astype(np.int32),
            lag=acts[order, 1],
            makespan=self.makespan,
            ticks_per_cycle=reference.ticks,
            clock_hz=reference.hz,
            finisher=finisher,
            buffers=buffers,
        )


def _each(acts: Sequence[NDArray[np.int64] | Act], counts: Sequence[int]) -> NDArray[np.int64]:
    """Return (n, 2) units and lags of all rows, of which some runs have one for all."""
    each = np.repeat(
        np.array([act if isinstance(act, tuple) else BY_TIME for act in acts], np.int64), counts, axis=0
    )
    for act, count, end in zip(acts, counts, np.cumsum(counts).tolist(), strict=True):
        if not isinstance(act, tuple):
            each[end - count : end] = act
    return each
