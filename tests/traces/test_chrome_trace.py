from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from simcore.activity import Activity, category
from simcore.errors import FileError
from tests.traces.activities import activities, make_activity, pipeline_activity
from traces import write_chrome_trace

WAITS = {"wait-input", "blocked-output", "wait-resource"}


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(), parse_float=Decimal)
    return content


def slices(trace: dict[str, Any]) -> list[dict[str, Any]]:
    return [event for event in trace["traceEvents"] if event["ph"] == "X"]


def thread_names(trace: dict[str, Any]) -> dict[int, str]:
    events = trace["traceEvents"]
    return {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}


def sums(trace: dict[str, Any]) -> dict[tuple[str, str], tuple[int, Decimal]]:
    names, found = thread_names(trace), defaultdict(list)
    for event in slices(trace):
        found[names[event["tid"]], event["name"]].append(event["dur"])
    return {key: (len(durations), sum(durations, Decimal(0))) for key, durations in found.items()}


def expected_sums(activity: Activity, left_out: set[str]) -> dict[tuple[str, str], tuple[int, Decimal]]:
    tick = Fraction(10**6) / (activity.ticks_per_cycle * Fraction(activity.clock_hz))
    expected = {}
    for u, unit in enumerate(activity.units):
        for s, state in enumerate(activity.states):
            mine = (activity.unit == u) & (activity.state == s)
            if mine.any() and category(state) not in left_out:
                exact = int(activity.duration[mine].sum()) * tick
                expected[unit, state] = int(mine.sum()), Decimal(exact.numerator) / exact.denominator
    return expected


@given(activities())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_counts_and_times_of_each_unit_and_state_come_back(tmp_path: Path, activity: Activity) -> None:
    activity = replace(activity, ticks_per_cycle=4)  # 2.5 ns: a finite decimal of a microsecond
    for waits in (True, False):
        write_chrome_trace(activity, tmp_path / "trace.json", waits=waits)
        trace = read(tmp_path / "trace.json")
        assert sums(trace) == expected_sums(activity, set() if waits else WAITS)
        assert trace["otherData"]["intervals"] == len(activity)


@pytest.mark.parametrize("clock_hz", [1e8, 3e8, 7e8, 1.2e9, 32.768e3])
def test_slices_of_a_track_never_overlap_and_touch_where_intervals_touch(
    tmp_path: Path, clock_hz: float
) -> None:
    activity = replace(pipeline_activity(), clock_hz=clock_hz, ticks_per_cycle=3)
    write_chrome_trace(activity, tmp_path / "trace.json")
    tracks = defaultdict(list)
    for event in slices(read(tmp_path / "trace.json")):
        tracks[event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
    touching = 0
    for track in tracks.values():
        for (_, end), (start, _) in pairwise(track):
            assert start >= end
            touching += start == end
    same = activity.unit[1:] == activity.unit[:-1]
    end = activity.start + activity.duration
    assert touching == int((same & (activity.start[1:] == end[:-1])).sum())


def test_process_is_a_core_and_a_thread_one_of_its_units(tmp_path: Path) -> None:
    activity = pipeline_activity(cores=3)
    write_chrome_trace(activity, tmp_path / "trace.json")
    trace = read(tmp_path / "trace.json")
    events = trace["traceEvents"]
    processes = {event["pid"]: event["args"]["name"] for event in events if event["name"] == "process_name"}
    assert processes == {1: "core[conv1]", 2: "core[conv2]", 3: "core[conv3]"}
    names = thread_names(trace)
    assert sorted(names) == list(range(1, 10))
    assert sorted(names.values()) == sorted(activity.units)
    for event in slices(trace):
        assert names[event["tid"]].startswith(processes[event["pid"]])
        assert event["cat"] == event["name"].partition(":")[0]


def test_times_are_exact_decimals(tmp_path: Path) -> None:
    activity = make_activity(["a"], [(0, "busy:mvm", 3, 10)], 12, ticks_per_cycle=8, clock_hz=1e9)  # 0.125 ns
    write_chrome_trace(activity, tmp_path / "trace.json")
    assert '"ts":0.000375,"dur":0.000875,' in (tmp_path / "trace.json").read_text()


def test_times_of_a_century_do_not_overflow(tmp_path: Path) -> None:
    late = 2**62
    activity = make_activity(
        ["a"], [(0, "busy:mvm", late, late + 8)], late + 8, ticks_per_cycle=1, clock_hz=7e9
    )
    write_chrome_trace(activity, tmp_path / "trace.json")
    (event,) = slices(read(tmp_path / "trace.json"))
    assert abs(event["ts"] - Decimal(late) / 7000) <= Decimal("5e-7")
    assert abs(event["dur"] - Decimal(8) / 7000) <= Decimal("1e-6")


def test_names_are_escaped(tmp_path: Path) -> None:
    activity = make_activity(['core["%d"]\n.ü'], [(0, 'busy:"%s"', 0, 4)], 4)
    write_chrome_trace(activity, tmp_path / "trace.json")
    trace = read(tmp_path / "trace.json")
    assert list(sums(trace)) == [(activity.units[0], activity.states[0])]


def test_blocks_join_without_a_seam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    activity = pipeline_activity()
    write_chrome_trace(activity, tmp_path / "whole.json")
    for size in (1, 7, len(activity)):
        monkeypatch.setattr("traces.chrome_trace._BLOCK", size)
        write_chrome_trace(activity, tmp_path / "pieces.json")
        assert (tmp_path / "pieces.json").read_bytes() == (tmp_path / "whole.json").read_bytes()


def test_nothing_recorded_is_still_a_trace(tmp_path: Path) -> None:
    for units in ([], ["a", "b"]):
        write_chrome_trace(make_activity(units, [], 7), tmp_path / "trace.json")
        trace = read(tmp_path / "trace.json")
        assert slices(trace) == []
        assert len(thread_names(trace)) == len(units)


def test_folder_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="create the folder first"):
        write_chrome_trace(pipeline_activity(), tmp_path / "absent" / "trace.json")
