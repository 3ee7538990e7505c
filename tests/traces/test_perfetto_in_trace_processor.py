"""What Perfetto itself makes of our traces, asked in SQL."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from imcsim import run
from simcore.activity import NOBODY, Activity, BufferTrace
from tests.trace_processor import TraceProcessor, trace_processor
from tests.traces.activities import make_activity, pipeline_activity
from traces import bin_edges, by_group, power_over_time, write_perfetto
from traces.timeline import whole_tick

pytestmark = pytest.mark.slow

#: Tracks with their paths below the run's track.
PATHS = """
WITH RECURSIVE path(id, path) AS (
    SELECT id, '' FROM track WHERE parent_id IS NULL
    UNION ALL
    SELECT track.id, IIF(path.path = '', '', path.path || '.') || track.name
    FROM track JOIN path ON track.parent_id = path.id
)
"""
#: The marker is an instant, which is a slice without category.
SLICES = "slice WHERE category IS NOT NULL"


@pytest.fixture(scope="module")
def processor() -> Iterator[TraceProcessor]:
    with trace_processor() as started:
        yield started


def load(processor: TraceProcessor, path: Path) -> None:
    processor.load(path.read_bytes())
    complaints = "SELECT name, value FROM stats WHERE severity != 'info' AND value != 0"
    assert processor.query(complaints) == []


def totals(activity: Activity, ns: int) -> dict[tuple[str, str], tuple[int, int]]:
    """Return how many intervals each unit has in each category, and how many ns they last."""
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for unit, state, duration in zip(activity.unit, activity.state, activity.duration, strict=True):
        key = activity.units[unit], activity.states[state].partition(":")[0]
        count, time = found.get(key, (0, 0))
        found[key] = count + 1, time + ns * int(duration)
    return found


def totals_there(processor: TraceProcessor) -> dict[tuple[str, str], tuple[int, int]]:
    rows = processor.query(
        f"{PATHS} SELECT path, category, COUNT(*), SUM(dur) FROM slice JOIN path ON slice.track_id = path.id "
        "WHERE category IS NOT NULL GROUP BY 1, 2"
    )
    return {(path, category): (count, time) for path, category, count, time in rows}


@pytest.mark.parametrize("machine", ["dataflow", "isaac"])
def test_counts_sums_and_energy_of_a_run_are_those_of_its_record(
    processor: TraceProcessor, tmp_path: Path, machine: str
) -> None:
    record = run("digits-resnet", arch=machine, images=2, values="off", record=True)
    activity = record.recorded
    ns = whole_tick(activity, 10**9) or 1
    assert (ns, activity.clock_hz) == {"dataflow": (1, 1e9), "isaac": (1, 1e7)}[machine]
    edges = bin_edges(0, activity.makespan, 300)
    power = power_over_time(activity, record.parts, edges, by_group(activity))
    write_perfetto(activity, tmp_path / "t.pftrace", title="digits", power=power)
    load(processor, tmp_path / "t.pftrace")
    assert processor.query(f"SELECT COUNT(*), SUM(dur), MAX(depth) FROM {SLICES}") == [
        (len(activity), ns * int(activity.duration.sum()), 0)
    ]
    assert totals_there(processor) == totals(activity, ns)
    clock = {"dataflow": "", "isaac": " (1 ns here is a tick of 0.833333 ns)"}[machine]
    assert processor.query("SELECT name FROM track WHERE parent_id IS NULL") == [(f"digits{clock}",)]
    joules = 0.0
    drawn = processor.query(
        "SELECT track_id, ts, value FROM counter JOIN counter_track track ON track_id = track.id "
        "WHERE unit = 'W' ORDER BY 1, 2"
    )
    for (track, since, watts), (same, until, _) in pairwise(drawn):
        joules += watts * (until - since) / ns * power.tick_s if track == same else 0.0
    assert joules == pytest.approx(record.summary["energy_j"]["total"])
    held = processor.query(
        f"{PATHS} SELECT path, ts, CAST(value AS INT) FROM counter JOIN path ON track_id = path.id "
        "JOIN counter_track track ON track_id = track.id WHERE unit = 'tokens' AND ts > 0 ORDER BY 1, 2"
    )
    assert held == sorted(
        (f"{b.path} held, {'without bound' if b.slots is None else f'of {b.slots}'}", ns * tick, tokens)
        for b in activity.buffers
        for tick, tokens in zip(b.tick.tolist(), b.held.tolist(), strict=True)
        if tick > 0
    )
    assert held


def test_slices_touch_but_never_nest_and_keep_names_and_causes(
    processor: TraceProcessor, tmp_path: Path
) -> None:
    activity = make_activity(
        ["chip.a", "chip.b"],
        [
            (0, "busy:mvm", 0, 5),
            (0, "busy:mvm", 5, 5),
            (0, "busy:mvm", 5, 9),
            (0, "blocked-output:out", 9, 12),
            (1, "wait-input:in", 0, 9),
            (1, "programming:mvm", 9, 12),
        ],
        12,
    )
    cause = np.array([NOBODY, NOBODY, NOBODY, 1, 0, NOBODY], np.int32)
    write_perfetto(replace(activity, cause=cause), tmp_path / "t.pftrace", layers={"chip.a": "conv"})
    load(processor, tmp_path / "t.pftrace")
    argument = "EXTRACT_ARG(arg_set_id, 'debug.{}')".format
    query = f"""{PATHS} SELECT path, ts, dur, depth, slice.name, category, {argument("detail")},
        {argument("cause")}, {argument("layer")}
        FROM slice JOIN path ON track_id = path.id WHERE path != '' ORDER BY path, ts, slice.id"""
    assert processor.query(query) == [
        ("chip.a", 0, 50, 0, "mvm", "busy", None, None, "conv"),
        ("chip.a", 50, 0, 0, "mvm", "busy", None, None, "conv"),
        ("chip.a", 50, 40, 0, "mvm", "busy", None, None, "conv"),
        ("chip.a", 90, 30, 0, "blocked-output", "blocked-output", "out", "chip.b", "conv"),
        ("chip.b", 0, 90, 0, "wait-input", "wait-input", "in", "chip.a", None),
        ("chip.b", 90, 30, 0, "mvm", "programming", None, None, None),
    ]
    ended = "SELECT ts, EXTRACT_ARG(arg_set_id, 'debug.intervals') FROM slice WHERE name = 'end of trace'"
    assert processor.query(ended) == [(120, 6)]


def test_queries_in_the_docs_tell_the_recorded_sums(processor: TraceProcessor, tmp_path: Path) -> None:
    activity = make_activity(
        ["a", "b"],
        [
            (0, "busy:x", 0, 5),
            (0, "blocked-output:out", 5, 9),
            (1, "wait-input:in", 0, 5),
            (1, "busy:y", 5, 9),
        ],
        9,
    )
    cause = np.array([NOBODY, 1, 0, NOBODY], np.int32)
    write_perfetto(replace(activity, cause=cause), tmp_path / "t.pftrace", layers={"a": "conv"})
    processor.load(
        gzip.compress((tmp_path / "t.pftrace").read_bytes())
    )  # the page says that it opens so, too
    page = (Path(__file__).parents[2] / "docs/tracing.md").read_text()
    by_layer, by_cause = (q for q in page.split("```sql")[1].split("```")[0].split(";") if q.strip())
    assert sorted(processor.query(by_layer), key=str) == [
        ("conv", "blocked-output", 40),
        ("conv", "busy", 50),
        (None, "busy", 40),
        (None, "wait-input", 50),
    ]
    assert processor.query(by_cause) == [("a", 1, 50), ("b", 1, 40)]


def test_arrows_are_flows(processor: TraceProcessor, tmp_path: Path) -> None:
    activity = pipeline_activity()
    ends = activity.start + activity.duration
    pairs = []
    for producer in range(0, len(activity) // 2, 7):
        later = (activity.start >= ends[producer]) & (activity.unit != activity.unit[producer])
        pairs.append((producer, int(np.flatnonzero(later)[0])))
    write_perfetto(activity, tmp_path / "t.pftrace", arrows=np.array(pairs, np.int64))
    load(processor, tmp_path / "t.pftrace")
    found = processor.query(
        f"""{PATHS} SELECT a.path, s.ts, s.dur, b.path, t.ts, t.dur FROM flow
        JOIN slice s ON slice_out = s.id JOIN slice t ON slice_in = t.id
        JOIN path a ON s.track_id = a.id JOIN path b ON t.track_id = b.id"""
    )

    def seen(row: int) -> tuple[str, int, int]:
        return (
            activity.units[activity.unit[row]],
            10 * int(activity.start[row]),
            10 * int(activity.duration[row]),
        )

    assert sorted(found) == sorted((*seen(producer), *seen(consumer)) for producer, consumer in pairs)


def test_a_memory_without_change_is_empty_all_the_time(processor: TraceProcessor, tmp_path: Path) -> None:
    activity = make_activity(["a"], [(0, "busy:x", 0, 4)], 4)
    memory = BufferTrace("a.in", 3, np.zeros(0, np.int64), np.zeros(0, np.int32))
    write_perfetto(replace(activity, buffers=(memory,)), tmp_path / "t.pftrace")
    load(processor, tmp_path / "t.pftrace")
    query = f"{PATHS} SELECT path, ts, value FROM counter JOIN path ON track_id = path.id"
    assert processor.query(query) == [("a.in held, of 3", 0, 0.0)]
