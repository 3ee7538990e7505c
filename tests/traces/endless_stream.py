"""A run of any length, as far as a sink can tell: stretches of a million intervals, one behind the other.

As a program, it writes so many stretches within a budget and prints what came of it:
`python -m tests.traces.endless_stream FILE BUDGET STRETCHES`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from simcore.activity import Activity
from tests.traces.stretched import long_activity, stretches_of
from traces import LimitedSink, TraceLimits
from traces.parquet_sink import ParquetSink

ROWS, UNITS = 1_000_000, 1_000


def stretches(count: int) -> Iterator[Activity]:
    """Yield an empty stretch, then so many equal ones, each behind the one before."""
    one = long_activity(ROWS, UNITS, seed=12)
    yield stretches_of(one, [])[0]
    for number in range(count):
        shift = number * one.makespan
        yield replace(one, start=one.start + shift, makespan=one.makespan + shift)


def _peak_mb() -> float:
    """Return this program's own peak memory [MB]; `getrusage` starts from that of its parent."""
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (peak,) = (line.split()[1] for line in status if line.startswith("VmHWM:"))
    return int(peak) / 1000


def main(path: str, budget: str, count: str) -> None:
    """Write, and print how long that took and how much memory."""
    sink = LimitedSink(ParquetSink(path), TraceLimits(int(budget)))
    peaks, begin = [], time.perf_counter()
    for stretch in stretches(int(count)):
        sink.add(stretch)
        peaks.append(_peak_mb())
    sink.close()
    told = {"seconds": time.perf_counter() - begin, "peak_mb": peaks, "limits": sink.about}
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
