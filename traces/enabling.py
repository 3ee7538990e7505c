"""What each interval's end hung on: what its unit did before, or an act of another unit that ended a wait.

Only what held something up was recorded: where a token was there before anybody waited for it, nothing tells
who had sent it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simcore.activity import NOBODY, Activity
from simcore.errors import BrokenLawError

Ints = NDArray[np.int64]

#: In place of an interval's row: there is none.
NONE = -1


@dataclass(frozen=True, eq=False)
class Enabling:
    """What the intervals of an activity hung on, by their rows in it.

    end : (n,) int64 [tick]
    following : (n,) int64, the interval in front of each in its unit, `NONE` if it is the first
    caused : (n,) bool, whether an act of another unit ended it
    act : (n,) int64 [tick] of that act; for others their start
    actor : (n,) int64, the last interval that the acting unit had begun by then; `NONE` for others
    enabler : (n,) int64, the interval that had to end for that act, the one before `actor` if the act fell
        into that; for others `following`
    """

    end: Ints
    following: Ints
    caused: NDArray[np.bool_]
    act: Ints
    actor: Ints
    enabler: Ints

    def chain(self, row: int) -> Ints:
        """Return the intervals that one hung on, each on the next, from that one back to the first.

        raises : BrokenLawError if they hang on one another in a circle
        """
        rows: list[int] = []
        since, idle = NONE, 0
        while row != NONE:
            idle = idle + 1 if self.end[row] == since else 0
            if idle > len(self.end):
                raise BrokenLawError(f"waits that end in tick {since} end one another in a circle")
            since = self.end[row]
            rows.append(row)
            row = self.enabler.item(row)
        return np.array(rows, np.int64)


def enabling_of(activity: Activity) -> Enabling:
    """Return what each interval hung on."""
    unit, start = activity.unit.astype(np.int64), activity.start
    end = start + activity.duration
    following = np.arange(len(activity)) - 1
    following[np.concatenate(([True], unit[1:] != unit[:-1]))[: len(activity)]] = NONE
    caused = activity.cause != NOBODY
    rows = np.flatnonzero(caused)
    act = start.copy()
    act[rows] = end[rows] - activity.lag[rows]
    # Rows are sorted by unit and start: one number for both finds the last that began before the act.
    ticks = activity.makespan + 1
    cause = activity.cause[rows].astype(np.int64)
    begun = np.searchsorted(unit * ticks + start, cause * ticks + act[rows]) - 1
    begun[unit[begun] != cause] = NONE  # the last row of all, where it is before the first
    within = (begun != NONE) & (end[begun] > act[rows])
    actor, enabler = np.full(len(activity), NONE), following.copy()
    actor[rows] = begun
    enabler[rows] = np.where(within, following[begun], begun)
    return Enabling(end, following, caused, act, actor, enabler)


def last_interval(activity: Activity, unit: int, tick: int) -> int:
    """Return the last interval that a unit had begun before a tick, `NONE` if it had begun none."""
    first, stop = np.searchsorted(activity.unit, (unit, unit + 1))
    row = int(first + np.searchsorted(activity.start[first:stop], tick)) - 1
    return row if row >= first else NONE


def image_chain(
    activity: Activity, completed: int, since: int = 0, unit: int | None = None
) -> tuple[Ints, Ints]:
    """Return the acts that decided when an image was complete: which interval let which other one begin.

    completed, since : [tick] in which it was, and behind which acts took effect that are told
    unit : whose act completed it; the one that ended the run if left out
    returns : (n,) rows of what acted, and (n,) of what could go on behind its wait, in the order of time
    """
    hung = enabling_of(activity)
    row = last_interval(activity, activity.finisher if unit is None else unit, completed)
    rows = hung.chain(row)[::-1]
    waits = rows[(hung.end[rows] > since) & (hung.actor[rows] != NONE)]
    on = np.minimum(waits + 1, len(activity) - 1)
    return hung.actor[waits], np.where(activity.unit[on] == activity.unit[waits], on, waits)
