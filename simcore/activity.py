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

#: Every category a unit's time may fall into, in the order in which reports list them.
CATEGORIES = ("busy", "programming", "wait-input", "blocked-output", "wait-resource", "finished")


def category(state: str) -> str:
    """Return the category of a state's name: `busy` of `busy:mvm`."""
    return state.partition(":")[0]


@dataclass(frozen=True)
class Activity:
    """Intervals of one run, one row each, sorted by unit, then by start; they never overlap within a unit.

    units : names (instance paths) of all accounted units, also of those that never did anything
    states : names of the states that occur
    unit, state : (n,) int32, int16 indices into `units` and `states`
    start, duration : (n,) int64 [tick]
    makespan : ticks in the run
    ticks_per_cycle : ticks in one cycle of the reference clock
    clock_hz : frequency of the reference clock
    """

    units: tuple[str, ...]
    states: tuple[str, ...]
    unit: NDArray[np.int32]
    state: NDArray[np.int16]
    start: NDArray[np.int64]
    duration: NDArray[np.int64]
    makespan: int
    ticks_per_cycle: int
    clock_hz: float

    def __len__(self) -> int:
        return len(self.start)

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return the columns by name, in the order in which files hold them."""
        return {"unit": self.unit, "state": self.state, "start": self.start, "duration": self.duration}
