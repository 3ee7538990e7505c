"""Why a run took as long as it did: the chain of activities that set its makespan, and the slack of the rest.

The path is walked back from the act that ended the run. An operation took its time; a wait ended because some
unit acted, so the path goes on there, and what passed between act and end, as a channel's latency, is a part
of it, too. See `traces.enabling` for what was recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.activity import Activity, category
from simcore.errors import BrokenLawError, SimError
from traces.enabling import NONE, Enabling, Ints, enabling_of, last_interval

#: Intervals for which loading the compiled kernel pays.
_MANY = 100_000

#: State of time in which a unit had nothing to do; also of what rounds the makespan up to a clock edge.
IDLE = "finished"


@dataclass(frozen=True, eq=False)
class CriticalPath:
    """Segments of time from 0 to the makespan, one behind the other without a gap.

    units : names of all units of the activity
    states : those that occur; `transfer:PORT` is time from an act of the unit to where it took effect at that
        port of another one
    unit, state : (n,) int32, int16 indices into `units` and `states`
    start, duration : (n,) int64 [tick]; the durations sum to the makespan
    ticks_per_cycle : ticks in one cycle of the reference clock
    rows : (m,) int64, the intervals of the activity that it goes past, in order: operations, and waits, of
        which each ended by an act behind the interval in front of it
    """

    units: tuple[str, ...]
    states: tuple[str, ...]
    unit: NDArray[np.int32]
    state: NDArray[np.int16]
    start: Ints
    duration: Ints
    ticks_per_cycle: int
    rows: Ints

    def __len__(self) -> int:
        return len(self.start)

    @property
    def length(self) -> int:
        """Ticks in all, which are the makespan."""
        return int(self.duration.sum())

    def by_unit(self) -> dict[str, int]:
        """Return the ticks that each unit has on it, most first."""
        return _sorted(self.units, np.bincount(self.unit, self.duration, len(self.units)))

    def by_state(self) -> dict[str, int]:
        """Return the ticks in each state, most first."""
        return _sorted(self.states, np.bincount(self.state, self.duration, len(self.states)))

    def by(self, groups: Mapping[str, str]) -> dict[str, int]:
        """Return the ticks of each group of units, as of a layer or a family, most first.

        groups : what each unit belongs to
        """
        numbers: dict[str, int] = {}
        group = np.array([numbers.setdefault(groups[unit], len(numbers)) for unit in self.units], np.int64)
        return _sorted(tuple(numbers), np.bincount(group[self.unit], self.duration, len(numbers)))


def critical_path_of(activity: Activity) -> CriticalPath:
    """Return the chain of activities that set the makespan.

    raises : SimError if nothing was recorded
    """
    hung = enabling_of(activity)
    rows = hung.chain(_last_act(activity))[::-1]
    before = np.concatenate(([0], hung.end[rows][:-1]))  # where each one's part of the path begins
    acts = hung.act[rows]
    caused, actor, cause = hung.caused[rows], hung.actor[rows], activity.cause[rows]
    states = dict.fromkeys(activity.states)
    transfers = [f"transfer:{state.partition(':')[2]}" for state in activity.states]
    states |= dict.fromkeys((*transfers, IDLE))
    number = {state: index for index, state in enumerate(states)}
    transfer = np.array([number[state] for state in transfers], np.int16)
    # What an act fell into, and then the time until it took effect; of others their own time.
    within = caused & (actor != NONE) & (hung.end[actor] > acts)
    unit = np.stack([np.where(caused, cause, activity.unit[rows])] * 2, 1)
    state = np.stack(
        [
            np.where(within, activity.state[actor], number[IDLE]),
            np.where(caused, transfer[activity.state[rows]], activity.state[rows]),
        ],
        1,
    )
    start = np.stack([before, acts], 1)
    # Whatever is behind the last act rounds the makespan up.
    last = rows[-1]
    unit = np.append(unit.ravel(), activity.unit[last]).astype(np.int32)
    state = np.append(state.ravel(), number[IDLE]).astype(np.int16)
    start = np.append(start.ravel(), hung.end[last])
    duration = np.diff(start, append=activity.makespan)
    some = duration > 0
    occurring, state = np.unique(state[some], return_inverse=True)
    names = tuple(states)
    return CriticalPath(
        activity.units,
        tuple(names[index] for index in occurring),
        unit[some],
        state.astype(np.int16),
        start[some],
        duration[some],
        activity.ticks_per_cycle,
        rows,
    )


def slack(activity: Activity) -> Ints:
    """Return by how much longer each interval could be before the run would be, as far as is recorded.

    Operations on the critical path have none. Others may have less than this tells, as what nobody waited for
    is not recorded.

    returns : (n,) int64 [tick], of a wait how much later it could end; no more than up to the makespan
    raises : SimError if nothing was recorded
    """
    hung = enabling_of(activity)
    room = activity.makespan - hung.end
    room[_last_act(activity)] = 0
    spare = np.where(hung.caused, activity.duration, 0)
    enabler = np.where(hung.caused, hung.enabler, NONE)
    if _spread(activity, room, hung, spare, enabler) < len(activity):
        raise BrokenLawError("some waits of the recorded run end one another in a circle")
    return room


def _spread(activity: Activity, room: Ints, hung: Enabling, spare: Ints, enabler: Ints) -> int:
    if len(activity) < _MANY:
        from simcore.kernels.slack_reference import spread_slack_reference as spread
    else:
        from simcore.kernels.slack import spread_slack as spread
    return spread(room, hung.following, spare, enabler)


def _last_act(activity: Activity) -> int:
    """Return the interval that the act which ended the run ended, else the last operation that there was."""
    if not len(activity):
        raise SimError("nothing was recorded of this run; record it to learn why it took so long")
    row = last_interval(activity, activity.finisher, activity.makespan)
    if row == NONE:
        works = np.array([category(state) in ("busy", "programming") for state in activity.states])
        end = np.where(works[activity.state], activity.start + activity.duration, -1)
        row = int(np.argmax(end))
    return row


def _sorted(names: tuple[str, ...], ticks: NDArray[Any]) -> dict[str, int]:
    """Return ticks by name without zeros, most first, of equals in the order of the names."""
    order = np.argsort(-ticks, kind="stable")
    return {names[index]: int(ticks[index]) for index in order.tolist() if ticks[index]}
