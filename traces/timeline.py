"""What a run's recorded activity adds up to: time by unit, state and stretch of time, exact to the tick.

Everything here reads `simcore.activity.Activity` and returns arrays, from which pictures and files are made.
Times are ticks. Time that no interval covers is `finished`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from simcore.activity import CATEGORIES, NOBODY, Activity, category
from simcore.errors import SimError
from traces.unit_paths import family, group_depth, group_name, match, natural_key

BUSY, FINISHED = CATEGORIES.index("busy"), CATEGORIES.index("finished")


def category_of_states(activity: Activity) -> NDArray[np.int64]:
    """Return the index into `CATEGORIES` of each of `activity.states`."""
    return np.array([CATEGORIES.index(category(state)) for state in activity.states], dtype=np.int64)


def whole_tick(activity: Activity, per_second: int) -> int | None:
    """Return how many parts of a second a tick is, None if they are no whole number.

    per_second : parts in a second, as 10**9 for nanoseconds
    """
    parts = Fraction(per_second) / (Fraction(activity.clock_hz) * activity.ticks_per_cycle)
    whole = round(parts)
    # The frequency is that of an exact period, rounded to the nearest double.
    exact = whole > 0 and float(Fraction(per_second, whole * activity.ticks_per_cycle)) == activity.clock_hz
    return whole if exact else None


def bin_edges(start: int, stop: int, bins: int) -> NDArray[np.int64]:
    """Return the edges of `bins` bins that are equal to within a tick.

    start, stop : [tick], start < stop
    returns : (bins + 1,) int64, from `start` to `stop`, rising; fewer where a bin would be less than a tick
    raises : ValueError if no bin fits
    """
    length = stop - start
    bins = min(bins, length)
    if bins < 1:
        raise ValueError(f"no bin fits between {start} and {stop}; need one bin and one tick at least")
    return np.array([start + length * i // bins for i in range(bins + 1)], dtype=np.int64)


def time_in_bins(
    activity: Activity, edges: NDArray[np.int64], kind_of_state: NDArray[np.int64], kinds: int
) -> NDArray[np.int64]:
    """Return how long each unit spent in each kind of state within each bin, splitting what spans edges.

    edges : (bins + 1,) int64 [tick], rising
    kind_of_state : (states,) int64, the kind that each state counts for, below `kinds`
    returns : (units, kinds, bins) int64 [tick]
    """
    bins, rows = len(edges) - 1, len(activity.units) * kinds
    begin = np.clip(activity.start, edges[0], edges[-1])
    end = np.clip(activity.start + activity.duration, edges[0], edges[-1])
    seen = np.flatnonzero(end > begin)
    begin, end = begin[seen], end[seen]
    row = activity.unit[seen].astype(np.int64) * kinds + kind_of_state[activity.state[seen]]
    first = np.searchsorted(edges, begin, side="right") - 1
    last = np.searchsorted(edges, end, side="left") - 1
    # Count the first bin from the start on and all further ones, the last included, in full; then take back
    # what the last one has too much.
    covered = np.zeros((rows, bins + 1), dtype=np.int64)
    np.add.at(covered, (row, first + 1), 1)
    np.add.at(covered, (row, last + 1), -1)
    time = np.cumsum(covered[:, :bins], axis=1)
    time *= np.diff(edges)
    np.add.at(time, (row, first), edges[first + 1] - begin)
    np.add.at(time, (row, last), end - edges[last + 1])
    return time.reshape(len(activity.units), kinds, bins)


def state_time(activity: Activity, edges: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the time of each unit in each of `activity.states`: (units, states, bins) int64 [tick]."""
    states = len(activity.states)
    return time_in_bins(activity, edges, np.arange(states), states)


def category_time(activity: Activity, edges: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the time of each unit in each of `CATEGORIES`: (units, categories, bins) int64 [tick].

    What no interval covers counts as finished, so the categories of a unit sum to the width of each bin.
    """
    time = time_in_bins(activity, edges, category_of_states(activity), len(CATEGORIES))
    time[:, FINISHED] += np.diff(edges) - time.sum(axis=1)
    return time


def category_totals(activity: Activity) -> NDArray[np.int64]:
    """Return the time of each unit in each of `CATEGORIES` over the whole run.

    returns : (units, categories) int64 [tick]; each row sums to the makespan
    """
    if activity.makespan == 0:
        return np.zeros((len(activity.units), len(CATEGORIES)), dtype=np.int64)
    return category_time(activity, bin_edges(0, activity.makespan, 1))[:, :, 0]


def busy_fraction(activity: Activity, edges: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the utilisation of each unit in each bin: (units, bins), 0 to 1; its mean is the machine's."""
    is_busy = (category_of_states(activity) == BUSY).astype(np.int64)
    return time_in_bins(activity, edges, is_busy, 2)[:, 1] / np.diff(edges)


def _of_rows(
    activity: Activity,
    unit: NDArray[np.int32],
    state: NDArray[np.int16],
    start: NDArray[np.int64],
    duration: NDArray[np.int64],
) -> Activity:
    """Return other intervals of a run, to be drawn: who ended waits, and what memories held, is left out."""
    return replace(
        activity,
        unit=unit,
        state=state,
        start=start,
        duration=duration,
        cause=np.full(len(unit), NOBODY, np.int32),
        lag=np.zeros(len(unit), np.int64),
        finisher=NOBODY,
        buffers=(),
    )


def merge_touching(activity: Activity, gap: int = 0) -> Activity:
    """Return the activity with neighbours in the same state joined where at most `gap` ticks part them.

    With a gap of 0 only borders are lost. A larger one is for drawing: then gaps count for the state.
    """
    if len(activity) == 0:
        return activity
    end = activity.start + activity.duration
    parted = (
        (activity.unit[1:] != activity.unit[:-1])
        | (activity.state[1:] != activity.state[:-1])
        | (activity.start[1:] - end[:-1] > gap)
    )
    first = np.concatenate([[0], np.flatnonzero(parted) + 1])
    last = np.concatenate([first[1:], [len(activity)]]) - 1
    start = activity.start[first]
    return _of_rows(activity, activity.unit[first], activity.state[first], start, end[last] - start)


def take_units(activity: Activity, units: Sequence[int]) -> Activity:
    """Return the activity of `units` alone, given by index and numbered anew in that order."""
    wanted = np.asarray(units, dtype=np.int64)
    begin = np.searchsorted(activity.unit, wanted, side="left")
    counts = np.searchsorted(activity.unit, wanted, side="right") - begin
    rows = np.arange(counts.sum()) + np.repeat(begin - (np.cumsum(counts) - counts), counts)
    unit = np.repeat(np.arange(len(wanted), dtype=np.int32), counts)
    part = _of_rows(activity, unit, activity.state[rows], activity.start[rows], activity.duration[rows])
    return replace(part, units=tuple(activity.units[index] for index in units))


def select(
    activity: Activity, units: str | Sequence[str] = "*", start: int = 0, stop: int | None = None
) -> Activity:
    """Return the part of the activity that concerns some units and a window of time, in which it is whole.

    units : patterns over instance paths, see `traces.unit_paths.match`
    start, stop : [tick]; the result counts from `start`, and the window is its makespan
    raises : UnknownNameError if a pattern fits no unit, SimError if the window is outside the run
    """
    stop = activity.makespan if stop is None else stop
    if not 0 <= start <= stop <= activity.makespan:
        cycles = [tick / activity.ticks_per_cycle for tick in (activity.makespan, start, stop)]
        raise SimError("window must lie in [0, {:g}] cycles, the run's, got [{:g}, {:g}]".format(*cycles))
    part = take_units(activity, match(activity.units, units))
    begin = np.clip(part.start, start, stop)
    end = np.clip(part.start + part.duration, start, stop)
    seen = end > begin
    rows = part.unit[seen], part.state[seen], begin[seen] - start, (end - begin)[seen]
    return replace(_of_rows(part, *rows), makespan=stop - start)


@dataclass(frozen=True)
class UnitGroup:
    """Units that belong together, such as those of one core.

    name : what their paths have in common
    units : indices into `Activity.units`, in the order in which to list them
    """

    name: str
    units: tuple[int, ...]


def unit_groups(activity: Activity, depth: int | None = None) -> list[UnitGroup]:
    """Return the units in groups, both in the order in which work first reached them.

    depth : leading path segments that make a group; None takes the first at which paths differ

    Units of one family (the crossbars of a core) stay together, in natural order.
    """
    depth = group_depth(activity.units) if depth is None else depth
    first_busy = _first_busy(activity)
    group_start: dict[str, int] = {}
    family_start: dict[str, int] = {}
    members: dict[str, list[int]] = {}
    for index, path in enumerate(activity.units):
        name, kin = group_name(path, depth), family(path)
        group_start[name] = min(first_busy[index], group_start.get(name, activity.makespan))
        family_start[kin] = min(first_busy[index], family_start.get(kin, activity.makespan))
        members.setdefault(name, []).append(index)

    def place_in_group(index: int) -> tuple[int, object]:
        path = activity.units[index]
        return family_start[family(path)], natural_key(path)

    names = sorted(members, key=lambda name: (group_start[name], natural_key(name)))
    return [UnitGroup(name, tuple(sorted(members[name], key=place_in_group))) for name in names]


def _first_busy(activity: Activity) -> list[int]:
    """Return when each unit was first busy [tick]; the makespan for those that never were."""
    busy = np.flatnonzero((category_of_states(activity) == BUSY)[activity.state])
    units, position = np.unique(activity.unit[busy], return_index=True)
    first = np.full(len(activity.units), activity.makespan, dtype=np.int64)
    first[units] = activity.start[busy[position]]
    return [int(tick) for tick in first]
