"""What every unit did and when: intervals in columns, the raw material of timelines and explanations.

A unit is one process's timeline. Its state is named `category:detail`, as in `busy:mvm` or
`blocked-output:window_out`. Only what a unit really did or waited for is recorded: time behind its last
interval is the state `finished`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Cause of what no unit's act ended: operations, and waits that time alone ended.
NOBODY = -1

#: Every category a unit's time may fall into, in the order in which reports list them.
CATEGORIES = ("busy", "programming", "wait-input", "blocked-output", "wait-resource", "finished")


def category(state: str) -> str:
    """Return the category of a state's name: `busy` of `busy:mvm`."""
    return state.partition(":")[0]


@dataclass(frozen=True, eq=False)
class BufferTrace:
    """What a memory held over time: so many tokens from each tick until the next one.

    path : of the port that reads it, as `core[conv1].memory.pixel_in`
    slots : it has; None is unbounded
    tick, held : (n,) int64, int32; one entry a tick in which it changed, each as it was when that was over
    """

    path: str
    slots: int | None
    tick: NDArray[np.int64]
    held: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Activity:
    """Intervals of one run, one row each, sorted by unit, then by start; they never overlap within a unit.

    What ended a wait is another unit's act: it handed a token on, freed a slot, gave a resource back. An act
    happens between two of that unit's intervals, and takes effect after a lag, as that of a channel.

    units : names (instance paths) of all accounted units, also of those that never did anything
    states : names of the states that occur
    unit, state : (n,) int32, int16 indices into `units` and `states`
    start, duration : (n,) int64 [tick]
    cause : (n,) int32, the unit whose act ended a wait; `NOBODY` for operations, and where time alone did
    lag : (n,) int64, ticks from that act to the end of the wait
    makespan : ticks in the run
    ticks_per_cycle : ticks in one cycle of the reference clock
    clock_hz : frequency of the reference clock
    finisher : the unit whose act ended the run, `NOBODY` where that is not known
    buffers : what memories held
    """

    units: tuple[str, ...]
    states: tuple[str, ...]
    unit: NDArray[np.int32]
    state: NDArray[np.int16]
    start: NDArray[np.int64]
    duration: NDArray[np.int64]
    cause: NDArray[np.int32]
    lag: NDArray[np.int64]
    makespan: int
    ticks_per_cycle: int
    clock_hz: float
    finisher: int = NOBODY
    buffers: tuple[BufferTrace, ...] = ()

    def __len__(self) -> int:
        return len(self.start)

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return the columns by name, in the order in which files hold them."""
        return {
            "unit": self.unit,
            "state": self.state,
            "start": self.start,
            "duration": self.duration,
            "cause": self.cause,
            "lag": self.lag,
        }
