"""The figures of a run, each from what is kept of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from imcsim.roofline import roofline_of
from imcsim.run_record import RunRecord
from imcsim.stall_stacks import exact_times, group_stacks, joules_by, layer_stacks
from simcore import Activity, SimError
from simcore.energy import SHARED
from traces import (
    ImageTimes,
    plot_buffers,
    plot_energy,
    plot_latency,
    plot_path,
    plot_power,
    plot_roofline,
    plot_stalls,
    plot_timeline,
    plot_utilisation,
)
from traces.critical_path import critical_path_of
from traces.figure_style import check_grouping, short_si
from traces.unit_paths import home

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Figures of which there is nothing to see unless intervals were recorded.
NEED_RECORDING = ("timeline", "utilisation", "critical-path", "power", "buffers")


class RunFigures(RunRecord):
    """A run that draws itself; `options` of each figure are those of its function in `traces`."""

    def figures(self) -> Iterator[tuple[str, Figure]]:
        """Yield the name of each figure that the run has, and the figure, one by one.

        A long run has a timeline of its first images, too. There is nothing to see over time in the latency
        of a single image, and no roofline where the machine's input takes no time. Without a recording there
        are none of `NEED_RECORDING`.

        raises : SimError if the run was interrupted, or matplotlib is missing
        """
        self.insist_on_end()
        activity = self.activity
        if activity is not None:
            yield "timeline", self.plot_timeline()
            if (start := self._first_images()) < self.summary["cycles"] // 2:
                yield "timeline-start", self.plot_timeline(stop=start)
            yield "utilisation", self.plot_utilisation()
        yield "stalls", self.plot_stalls()
        if activity is not None and len(activity):
            yield "critical-path", self.plot_critical_path()
        if any(part.energy(1.0) for part in self.parts):
            yield "energy", self.plot_energy()
            if activity is not None:
                yield "power", self.plot_power()
        if activity is not None and activity.buffers:
            yield "buffers", self.plot_buffers()
        if len(self.images) > 1:
            yield "latency", self.plot_latency()
        if roofs := self._roofs():
            yield "roofline", self._drawn_under(roofs)

    def _first_images(self) -> int:
        """Return the cycle by which three images or so are out, where a long run is worth a closer look."""
        streams = self.summary["networks"] or [self.summary]  # of several networks the slowest is in view
        intervals = [stream["initiation_interval_cycles"] or stream["cycles"] for stream in streams]
        first = max(stream["latency_s"]["first"] for stream in streams)
        return int(first * self.summary["clock_hz"] + 2.5 * max(intervals))

    def plot_timeline(self, **options: Any) -> Figure:
        """Draw what each unit did when; see `traces.plot_timeline`."""
        return plot_timeline(self.recorded, **self._names, **options)

    def plot_utilisation(self, by: Literal["auto", "unit", "group"] = "auto", **options: Any) -> Figure:
        """Draw how units spend their time; see `traces.plot_utilisation`."""
        return plot_utilisation(self.recorded, by=by, **self._names, **options)

    def plot_stalls(self, by: Literal["layer", "group"] = "layer", **options: Any) -> Figure:
        """Draw where the time of each layer, or core or tile, went; see `traces.plot_stalls`.

        raises : UnknownNameError for another `by`
        """
        check_grouping(by, ("layer", "group"))
        self.insist_on_end()
        times = exact_times(self)
        if by == "layer":
            stacks: dict[str, dict[str, float]] = {s.layer: {} for s in layer_stacks(self, times)}
        else:
            stacks = {s.group: {} for s in group_stacks(self, times)}
        for unit in self.units:
            spent = stacks[(unit.layer or SHARED) if by == "layer" else home(unit.path)]
            for state, cycles in unit.cycles.items():
                spent[state] = spent.get(state, 0.0) + cycles
        return plot_stalls(stacks, **self._names, below=self._below, **options)

    def plot_critical_path(self, **options: Any) -> Figure:
        """Draw how much of the critical path each unit holds, and with what; see `traces.plot_path`."""
        path = critical_path_of(self.recorded)
        ticks = np.zeros((len(path.units), len(path.states)), np.int64)
        np.add.at(ticks, (path.unit, path.state), path.duration)
        stacks = {
            path.units[unit]: dict(zip(path.states, ticks[unit] / path.ticks_per_cycle, strict=True))
            for unit in np.flatnonzero(ticks.any(axis=1))
        }
        return plot_path(stacks, **self._names, below=self._below, **options)

    def plot_energy(self, **options: Any) -> Figure:
        """Draw the energy of each layer by component; see `traces.plot_energy`."""
        times = exact_times(self)
        stacks: dict[str, dict[str, float]] = {stack.layer: {} for stack in layer_stacks(self, times)}
        spent = joules_by(self, lambda part: (part.layer or SHARED, part.family))
        for (layer, family), joules in spent.items():
            stacks[layer][family] = joules
        total = self.summary["energy_j"]["total"]
        below = f"{self._below}  ·  {short_si(total, 'J')}"
        return plot_energy(stacks, **self._names, below=below, **options)

    def plot_power(self, **options: Any) -> Figure:
        """Draw power over time, of the machine and of each core or tile; see `traces.plot_power`."""
        return plot_power(self.recorded, self.parts, **self._names, **options)

    def plot_buffers(self, **options: Any) -> Figure:
        """Draw how full memories are over time; see `traces.plot_buffers`."""
        return plot_buffers(self.recorded, **self._names, **options)

    def plot_latency(self, **options: Any) -> Figure:
        """Draw latency and completion of each image, or request where these arrive over time.

        See `traces.plot_latency`.
        """
        since, begun = ("from arrival", "arrived") if self.requests else ("of an image", "accepted")
        rows = (
            [(row.workload, row.arrival, row.completion) for row in self.requests]
            if self.requests
            else [(row.workload, row.accepted, row.completed) for row in self.images]
        )
        hz = self.summary["clock_hz"]
        streams = {
            name: ImageTimes(*(np.array([row[n] for row in rows if row[0] == name]) / hz for n in (1, 2)))
            for name in dict.fromkeys(row[0] for row in rows)
        }
        return plot_latency(streams, since=since, begun=begun, **self._names, below=self._below, **options)

    def plot_roofline(self, **options: Any) -> Figure:
        """Draw what the run computed, under its roofs; see `traces.plot_roofline`."""
        if not (roofs := self._roofs()):
            raise SimError(
                "nothing to draw: a roofline needs the pace of the input, and a workload that can be found "
                "again; the run lacks one of them"
            )
        return self._drawn_under(roofs, **options)

    def _drawn_under(self, roofs: dict[str, Any], **options: Any) -> Figure:
        return plot_roofline(**roofs, **self._names, below=self._below, **options)

    def _roofs(self) -> dict[str, Any]:
        """Return what a roofline is drawn from; nothing if any of it is not known, or there is none."""
        roofs = roofline_of(self, exact_times(self))
        names = ("operations_per_byte", "tops", "peak_tops", "peak_bandwidth")
        numbers = {name: getattr(roofs, name) for name in names}
        return numbers if all(numbers.values()) else {}

    @property
    def recorded(self) -> Activity:
        """The activity of a run that was recorded; SimError otherwise."""
        if self.activity is None:
            self.insist_on_end()
            raise SimError(f"the run holds no recorded activity; run it anew {self.way_to_record}")
        return self.activity

    @property
    def _names(self) -> dict[str, Any]:
        return {"workload": self.summary["workload"], "machine": self.summary["machine"]}

    @property
    def _below(self) -> str:
        """The line under a title: how many units, how long, at which clock."""
        s = self.summary
        cycles = f"{s['cycles']:,}".replace(",", "\u2009")
        return f"{s['units']} units  ·  {cycles} cycles  ·  {short_si(s['time_s'], 's')}"
