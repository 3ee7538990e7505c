"""Recorded activity as a native Perfetto trace, which ui.perfetto.dev opens and answers questions about.

A slice is an interval on the track of its unit: an operation bears its name, a wait that of its category.
Annotations tell at what a unit waited, whose act ended that, and for which layer of the network it works.
What memories hold, and power, are counters. Arrows lead from slices to later ones that they let begin.

Perfetto counts in whole nanoseconds. Where a tick is a whole number of them, times are those of the run.
Where it is not, a tick is told as one nanosecond, so that all stays exact, and the name of the run's track
says so. The last packet is the instant `end of trace` with totals, as half a file would load without
complaint.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.activity import CATEGORIES, NOBODY, Activity
from simcore.errors import SimError
from simcore.files import PendingFile
from traces.aggregate import AggregateRows
from traces.perfetto_slices import NO_ARROWS, SEQUENCE, Arrows, Slices
from traces.perfetto_tracks import RUN, Tracks
from traces.power import PowerSeries
from traces.protobuf_rows import Column, fixed64s, message, messages, rows_of, text, uint, uints
from traces.sinks import sinks
from traces.timeline import category_of_states, whole_tick

_INSTANT, _COUNTER = 3, 4  # TrackEvent.Type
#: No interval takes more, nor does what intervals add up to with a track for it [byte].
_ROW = 160
#: Names of states and the last packet never take more [byte].
_BESIDES = 1 << 15


def write_perfetto(
    activity: Activity,
    path: str | Path,
    *,
    title: str = "run",
    layers: Mapping[str, str] | None = None,
    power: PowerSeries | None = None,
    arrows: Arrows = NO_ARROWS,
) -> None:
    """Write a recording to `path` as a Perfetto trace, whole or not at all; equal ones make equal bytes.

    title : the name of the run's track
    layers : of the network, by unit; shared units have none
    power : by the part of the machine that draws it
    arrows : between rows of the activity
    raises : FileError if the disk refuses, SimError for a run of centuries
    """
    sink = PerfettoSink(path, title, layers)
    try:
        sink.add(activity, arrows)
        if power is not None:
            sink.add_power(power)
        sink.close()
    except BaseException:
        sink.abandon()
        raise


@sinks.register(".pftrace")
class PerfettoSink:
    """Writes the intervals of a run to a Perfetto trace as they come; see `write_perfetto`.

    raises : FileError if the file cannot be written
    """

    _tracks: Tracks
    _slices: Slices
    _last: Activity
    _names: int  # of all units [byte]

    def __init__(self, path: str | Path, title: str = "run", layers: Mapping[str, str] | None = None) -> None:
        self._file = PendingFile(path)
        self._written = 0  # [byte]
        self._title, self._layers = title, layers or {}
        self._intervals = 0
        self._ticks = np.zeros(len(CATEGORIES), np.int64)
        self._limits: Mapping[str, Any] = {}
        self._memories: list[int] = []
        self._ns = 0  # in a tick, once there was a stretch

    def add(self, stretch: Activity, arrows: Arrows = NO_ARROWS) -> None:
        """Take one more stretch.

        arrows : between rows of the stretch
        raises : FileError if the disk refuses, SimError for a run of centuries
        """
        if not self._ns:
            self._begin(stretch)
        if stretch.makespan * self._ns >= 1 << 63:
            raise SimError(
                f"a Perfetto trace ends after 292 years, got {stretch.makespan} ticks; record less"
            )
        for block in self._slices.packets(stretch, arrows):
            self._write(block)
        for track, buffer in zip(self._memories, stretch.buffers, strict=True):
            self._count(track, buffer.tick, uints(30, buffer.held))
        self._add_up(stretch, len(stretch))
        self._last = stretch

    def size(self) -> int:
        """Return how large the file would be if it were closed now [byte], or somewhat more."""
        return self._written + _BESIDES

    def most(self, rows: int) -> int:
        """Return by how much so many more rows make the file larger at most [byte]."""
        return rows * _ROW + self._names

    def summarise(self, rows: AggregateRows, about: Mapping[str, Any]) -> None:
        """Take what was not told one by one, as slices on tracks of their own."""
        rows = rows.laid_out()
        last = self._last
        added_up = Activity(
            last.units,
            last.states,
            rows.unit,
            rows.state,
            rows.start,
            rows.ticks,
            np.full(len(rows), NOBODY, np.int32),
            np.zeros(len(rows), np.int64),
            last.makespan,
            last.ticks_per_cycle,
            last.clock_hz,
        )
        track = np.zeros(len(last.units), np.int64)
        for unit in np.unique(rows.unit).tolist():
            track[unit] = self._tracks.of_added_up(unit)
        self._introduce_tracks()
        for block in self._slices.packets(added_up, track=track, count=rows.count):
            self._write(block)
        self._add_up(added_up, int(rows.count.sum()))
        self._limits = about

    def add_power(self, power: PowerSeries) -> None:
        """Take power over time, behind the last stretch; FileError if the disk refuses."""
        drawn = [(name, watts) for name, watts in zip(power.names, power.watts, strict=True) if watts.any()]
        tracks = [self._tracks.of_power(name) for name, _ in drawn]
        self._introduce_tracks()
        for track, (_, watts) in zip(tracks, drawn, strict=True):
            self._count(track, power.edges, fixed64s(44, np.append(watts, 0.0)))

    def close(self, interrupted: bool = False) -> None:
        """Put the file in its place."""
        self._end(interrupted)
        self._file.put()

    def abandon(self) -> None:
        """Leave nothing behind."""
        self._file.discard()

    def _begin(self, first: Activity) -> None:
        """Write what comes before all intervals: tracks, and strings that are called by number."""
        whole = whole_tick(first, 10**9)
        tick = 1e9 / (first.clock_hz * first.ticks_per_cycle)
        self._ns = whole or 1
        title = self._title if whole else f"{self._title} (1 ns here is a tick of {tick:.6g} ns)"
        self._tracks = Tracks(first, title)
        self._slices = Slices(first.units, self._layers, self._tracks.of_unit, self._ns)
        self._memories = [self._tracks.of_buffer(buffer) for buffer in first.buffers]
        self._names = sum(len(unit.encode()) + 16 for unit in first.units)
        self._write(self._slices.head())
        self._introduce_tracks()
        for track in self._memories:
            self._count(track, np.zeros(1, np.int64), uints(30, np.zeros(1, np.int64)))

    def _introduce_tracks(self) -> None:
        for descriptor in self._tracks.new_descriptors():
            self._write(message(1, SEQUENCE, descriptor))

    def _count(self, track: int, tick: NDArray[np.int64], value: Column) -> None:
        """Write a packet for each value of a counter."""
        event = messages(11, Column(uint(9, _COUNTER) + uint(11, track)), value)
        columns = messages(1, uints(8, tick * self._ns), Column(SEQUENCE), *event)
        self._write(rows_of(len(tick), columns).data)

    def _add_up(self, activity: Activity, intervals: int) -> None:
        """Add to the totals."""
        self._intervals += intervals
        np.add.at(self._ticks, category_of_states(activity)[activity.state], activity.duration)

    def _write(self, data: bytes | memoryview) -> None:
        self._file.write(data)
        self._written += len(data)

    def _end(self, interrupted: bool) -> None:
        """Write the last packet, with totals."""
        last = self._last
        totals = {
            "intervals": self._intervals,
            **{f"{kind} ticks": int(ticks) for kind, ticks in zip(CATEGORIES, self._ticks, strict=True)},
            "units": len(last.units),
            "makespan ticks": last.makespan,
            "ticks per cycle": last.ticks_per_cycle,
            "ns per tick": self._ns,
            "interrupted": int(interrupted),
        }
        annotations = [message(4, text(10, name), uint(3, number)) for name, number in totals.items()]
        if self._limits:
            annotations.append(message(4, text(10, "limits"), text(6, json.dumps(self._limits))))
        event = message(11, uint(9, _INSTANT), uint(11, RUN), text(23, "end of trace"), *annotations)
        self._write(message(1, uint(8, last.makespan * self._ns), SEQUENCE, event))
