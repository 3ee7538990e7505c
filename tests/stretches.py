"""Stretches told by a run, put together again, and how to let a run tell them at any moment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from simcore.activity import Activity, BufferTrace


@contextmanager
def told_every(events: int) -> Iterator[None]:
    """Let runs tell what is over every few events, however many logs there are."""
    with (
        mock.patch("simcore.environment.LOOK_EVERY", events),
        mock.patch("simcore.stock.LOOK_EVERY", events),
        mock.patch("simcore.stretches.EVENTS_A_LOG", 0),
    ):
        yield


def joined(stretches: Sequence[Activity]) -> Activity:
    """Return the recording that the stretches make up, whose promises are checked on the way."""
    first, last = stretches[0], stretches[-1]
    assert len(first) == first.makespan == 0
    for before, after in pairwise(stretches):
        assert after.units == before.units
        assert after.states[: len(before.states)] == before.states
        assert after.makespan >= before.makespan
        end = after.start + after.duration
        assert (end > before.makespan).all()
        assert (end <= after.makespan).all()
        for memory, earlier in zip(after.buffers, before.buffers, strict=True):
            assert (memory.tick > (before.makespan if before is not first else -1)).all()
            assert memory.path == earlier.path
    columns: dict[str, Any] = {
        name: np.concatenate([stretch.columns()[name] for stretch in stretches]) for name in first.columns()
    }
    order = np.argsort(columns["unit"], kind="stable")  # within a unit they came in order
    return replace(
        last,
        **{name: column[order] for name, column in columns.items()},
        buffers=tuple(
            BufferTrace(
                parts[0].path,
                parts[0].slots,
                np.concatenate([part.tick for part in parts]),
                np.concatenate([part.held for part in parts]),
            )
            for parts in zip(*(stretch.buffers for stretch in stretches), strict=True)
        ),
    )


def rows(activity: Activity) -> dict[str, NDArray[np.generic]]:
    """Return the columns of an activity, with states by name, as they are numbered when they are met."""
    return {**activity.columns(), "state": np.array(activity.states, object)[activity.state].astype(str)}


def insist_on_equal(one: Activity, other: Activity) -> None:
    """Both tell the same, but for the numbers of states."""
    assert (one.units, one.makespan, one.ticks_per_cycle, one.clock_hz, one.finisher) == (
        other.units,
        other.makespan,
        other.ticks_per_cycle,
        other.clock_hz,
        other.finisher,
    )
    assert sorted(one.states) == sorted(other.states)
    others = rows(other)
    for name, column in rows(one).items():
        assert np.array_equal(column, others[name]), name
    assert [(b.path, b.slots) for b in one.buffers] == [(b.path, b.slots) for b in other.buffers]
    for mine, theirs in zip(one.buffers, other.buffers, strict=True):
        assert np.array_equal(mine.tick, theirs.tick)
        assert np.array_equal(mine.held, theirs.held)
