"""Recorded activity as Chrome trace events (JSON), which Perfetto, chrome://tracing and Speedscope open.

A process is a group of units, such as a core; a thread is a unit. A slice is an interval, named by its state;
its `cat` is the state's category. Times are microseconds in exact decimals, or rounded to a picosecond where
the clock's tick has no finite decimal. Viewers grow slow beyond a million events: select a window first, or
leave the waits out.

Source: Google's "Trace Event Format" document; complete events (`ph` X) and metadata events (`ph` M).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from simcore.activity import Activity, category
from simcore.files import write_atomically
from traces.timeline import unit_groups

_WAITS = ("wait-input", "blocked-output", "wait-resource")
_BLOCK = 1 << 15  # events formatted at once: few enough for the cache, enough to forget the call
_INEXACT_PLACES = 6  # picoseconds, where a tick is no finite decimal of a microsecond


def write_chrome_trace(activity: Activity, path: str | Path, *, waits: bool = True) -> None:
    """Write the activity to `path` as a Chrome trace, whole or not at all; equal activities make equal bytes.

    waits : whether waiting and blocking become slices too; without them the gaps between slices tell of it
    raises : FileError if the disk refuses
    """
    write_atomically(path, lambda stream: _write(activity, stream, waits))


def _write(activity: Activity, stream: BinaryIO, waits: bool) -> None:
    # Viewers swallow slices of thread 0 and mix up equal thread numbers, so each unit has its own, from 1 on.
    process = np.zeros(len(activity.units), dtype=np.int64)
    thread = np.zeros(len(activity.units), dtype=np.int64)
    names: list[str] = []
    for number, group in enumerate(unit_groups(activity), start=1):
        names += _metadata("process", group.name, number, number, 0)
        for unit in group.units:
            process[unit], thread[unit] = number, thread.max() + 1
            names += _metadata("thread", activity.units[unit], int(thread[unit]), number, int(thread[unit]))
    stream.write(b'{"displayTimeUnit": "ns", "traceEvents": [')
    stream.write(",".join(names).encode())
    separator = b",\n" if names else b"\n"
    for block in _slices(activity, process, thread, waits):
        stream.write(separator)
        stream.write(block)
        separator = b",\n"
    about = {
        "clock_hz": activity.clock_hz,
        "ticks_per_cycle": activity.ticks_per_cycle,
        "makespan_ticks": activity.makespan,
        "units": len(activity.units),
        "intervals": len(activity),
        "waits": waits,
    }
    stream.write(f'\n], "otherData": {json.dumps(about)}}}\n'.encode())


def _metadata(what: str, name: str, place: int, pid: int, tid: int) -> list[str]:
    """Return the two events that name a process or thread and give it its place from the top."""
    labels: list[tuple[str, dict[str, Any]]] = [
        (f"{what}_name", {"name": name}),
        (f"{what}_sort_index", {"sort_index": place}),
    ]
    return [
        "\n" + json.dumps({"ph": "M", "pid": pid, "tid": tid, "name": label, "args": args})
        for label, args in labels
    ]


def _slices(
    activity: Activity, process: NDArray[np.int64], thread: NDArray[np.int64], waits: bool
) -> Iterator[bytes]:
    """Yield the slices as JSON, a block of many at a time."""
    labels = [f'"name":{json.dumps(state)},"cat":{json.dumps(category(state))}' for state in activity.states]
    drawn = np.array([waits or category(state) not in _WAITS for state in activity.states], dtype=bool)
    rows = np.flatnonzero(drawn[activity.state])
    clock = _Microseconds(activity)
    event = f'{{"ph":"X","pid":%d,"tid":%d,"ts":{clock.template},"dur":{clock.template},%s}}'
    for begin in range(0, len(rows), _BLOCK):
        block = rows[begin : begin + _BLOCK]
        unit, start = activity.unit[block], clock.of(activity.start[block])
        length = clock.of(activity.start[block] + activity.duration[block]) - start
        columns = [process[unit], thread[unit], *clock.split(start), *clock.split(length)]
        fields = zip(
            *(column.tolist() for column in columns),
            map(labels.__getitem__, activity.state[block]),
            strict=True,
        )
        yield (",\n".join([event] * len(block)) % tuple(chain.from_iterable(fields))).encode()


class _Microseconds:
    """Turns ticks into microseconds, counted in integers of the last decimal place that is printed."""

    def __init__(self, activity: Activity) -> None:
        tick = Fraction(10**6) / (activity.ticks_per_cycle * Fraction(activity.clock_hz))
        places = next((n for n in range(1, 16) if (tick * 10**n).denominator == 1), _INEXACT_PLACES)
        scaled = tick * 10**places
        self.unit = 10**places
        self.template = f"%d.%0{places}d"
        self._numerator, self._denominator = scaled.numerator, scaled.denominator
        largest = activity.makespan * self._numerator + self._denominator
        self._dtype = np.int64 if largest < 1 << 63 else object  # beyond, Python's own integers

    def of(self, ticks: NDArray[np.int64]) -> NDArray[Any]:
        """Round to the last place, all ticks alike, so that slices which touch or do not overlap stay so."""
        scaled = ticks.astype(self._dtype) * self._numerator
        return np.asarray((scaled + self._denominator // 2) // self._denominator)

    def split(self, count: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the digits before and behind the point."""
        return count // self.unit, count % self.unit
