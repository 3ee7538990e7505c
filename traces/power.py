"""Power over time: the energy of a run, put where and when it was spent, so that its integral is that energy.

What parts draw all the time is drawn all the time. The energy of a part's actions is spread evenly over the
time in which the part works, which is when its units, its own ones and those below it, are busy or
programming. A part without any, such as the meter of a layer's registers, works while what it belongs to
works: the units below its parent, or below the parent of that, whatever is the nearest to have worked at all.
Energy in a run in which nothing works is spread over all of it. What drains behind the makespan counts as if
within it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from simcore.activity import Activity, category
from simcore.energy import PartCost
from traces.timeline import merge_touching, time_in_bins
from traces.unit_paths import home, segments

#: Under what a part's power is told; parts of one name are told together.
Naming = Callable[[PartCost], str]


@dataclass(frozen=True, eq=False)
class PowerSeries:
    """Energy of some names, bin by bin.

    names : sorted
    edges : (bins + 1,) int64 [tick], rising
    energy : (names, bins) float64 [J]
    always_w : (names,) float64, of it what is drawn all the time [W]
    tick_s : a tick [s]
    """

    names: tuple[str, ...]
    edges: NDArray[np.int64]
    energy: NDArray[np.float64]
    always_w: NDArray[np.float64]
    tick_s: float

    @property
    def watts(self) -> NDArray[np.float64]:
        """Mean power in each bin: (names, bins) [W]."""
        power: NDArray[np.float64] = self.energy / (np.diff(self.edges) * self.tick_s)
        return power


def by_group(activity: Activity) -> Naming:
    """Return the naming by core, tile or lane; a part of none that has any units is the machine's."""
    homes = {home(path) for path in activity.units}
    return lambda part: own if (own := home(part.path)) in homes else "machine"


def by_family(part: PartCost) -> str:
    """Return the family of a part, as `adc`."""
    return part.family


def power_over_time(
    activity: Activity, parts: Sequence[PartCost], edges: NDArray[np.int64], naming: Naming
) -> PowerSeries:
    """Return the energy that parts spend in each bin, by what `naming` calls them.

    parts : what each component of the run costs, as `RunRecord.parts`
    edges : (bins + 1,) int64 [tick], rising, within the run; over all of it, the energies of a name sum to
        those of its parts
    """
    tick_s = 1 / (activity.clock_hz * activity.ticks_per_cycle)
    names = sorted({naming(part) for part in parts})
    rows = {name: row for row, name in enumerate(names)}
    spending = _Spending(activity)
    all_the_time = np.zeros(len(names))  # [J/tick]
    rates: dict[tuple[int, int], float] = {}  # by name and unit [J/tick]
    for part in parts:
        row = rows[naming(part)]
        all_the_time[row] += part.static_w * tick_s
        if part.dynamic_j:
            units, rate = spending.of(part)
            for unit in units:
                rates[row, unit] = rates.get((row, unit), 0.0) + rate
            if not units:
                all_the_time[row] += rate
    energy = np.outer(all_the_time, np.diff(edges))
    worked = spending.worked_in(edges)
    for (row, unit), rate in rates.items():
        energy[row] += rate * worked[unit]
    return PowerSeries(tuple(names), edges, energy, all_the_time / tick_s, tick_s)


def peak_power(activity: Activity, parts: Sequence[PartCost]) -> float:
    """Return the largest power that is drawn at any moment [W], if energy is spent as the module tells.

    Power changes only where a unit goes to work or stops, so no bins are needed and none matter.
    """
    tick_s = 1 / (activity.clock_hz * activity.ticks_per_cycle)
    spending = _Spending(activity)
    always = sum(part.static_w for part in parts)
    rates = np.zeros(len(activity.units))  # [J/tick]
    for part in parts:
        units, rate = spending.of(part)
        rates[list(units)] += rate
        if not units:
            always += rate / tick_s
    return always + _most_at_once(spending.works, rates) / tick_s


def _most_at_once(works: Activity, rates: NDArray[np.float64]) -> float:
    """Return the largest sum of the rates of units that work at the same time."""
    works = merge_touching(works)
    moments = np.concatenate([works.start, works.start + works.duration])
    if works.makespan > 4 * len(moments):  # few in a long run: number them instead of its ticks
        moments = np.unique(moments, return_inverse=True)[1]
    goes, stops = np.split(moments, 2)
    rate = rates[works.unit]
    bins = int(moments.max(initial=0)) + 1
    level = np.cumsum(np.bincount(goes, rate, bins) - np.bincount(stops, rate, bins))
    return float(level.max(initial=0.0))


class _Spending:
    """Which units work when a part spends energy.

    works : the activity without what is no work, all of it in one state
    """

    def __init__(self, activity: Activity) -> None:
        is_work = np.array([category(state) in ("busy", "programming") for state in activity.states], bool)
        self.works = _only(activity, is_work[activity.state] & (activity.duration > 0))
        ticks = np.bincount(self.works.unit, self.works.duration, len(activity.units)).astype(np.int64)
        self._below: dict[str, list[int]] = {"": []}
        self._ticks: dict[str, int] = {"": 0}
        for unit in np.flatnonzero(ticks).tolist():
            for path in ("", *_prefixes(activity.units[unit])):
                self._below.setdefault(path, []).append(unit)
                self._ticks[path] = self._ticks.get(path, 0) + int(ticks[unit])

    def of(self, part: PartCost) -> tuple[Sequence[int], float]:
        """Return the units that work while a part spends energy, and what it spends in a tick of each [J].

        Without units, what it spends in any tick.
        """
        path = next((path for path in reversed(_prefixes(part.path)) if path in self._below), "")
        if ticks := self._ticks[path]:
            return self._below[path], part.dynamic_j / ticks
        return (), part.dynamic_j / max(self.works.makespan, 1)

    def worked_in(self, edges: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how long each unit works in each bin: (units, bins) int64 [tick]."""
        return time_in_bins(self.works, edges, np.zeros(1, np.int64), 1)[:, 0]


def _prefixes(path: str) -> list[str]:
    """Return the paths of a part and of all that it belongs to, the outermost first."""
    parts = segments(path)
    return [".".join(parts[:count]) for count in range(1, len(parts) + 1)]


def _only(activity: Activity, chosen: NDArray[np.bool_]) -> Activity:
    """Return some intervals of an activity, all of them work."""
    return replace(
        activity,
        states=("busy:work",),
        unit=activity.unit[chosen],
        state=np.zeros(np.count_nonzero(chosen), np.int16),
        start=activity.start[chosen],
        duration=activity.duration[chosen],
        cause=activity.cause[chosen],
        lag=activity.lag[chosen],
    )
