"""The HTML report as a file: what it holds is what was recorded, in few bytes, and nothing in it can act."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from simcore.activity import Activity, BufferTrace
from simcore.errors import FileError
from tests.traces.activities import activities, pipeline_activity
from tests.traces.report_page import ReportPage, Rows, read_page, unpacked
from traces import report_timeline, time_in_bins, write_html_report
from traces.packed_columns import pack_columns
from traces.report_buffers import pack_buffers, thinned
from traces.report_timeline import pack_timeline
from traces.unit_paths import home

MEBIBYTE = 1 << 20
SUMMARY = {"workload": "net", "machine": "chip", "version": "0", "fingerprint": "f"}


def explanation_of(activity: Activity) -> dict[str, Any]:
    """Return what of an explanation the timeline asks for: groups in a fixed order."""
    groups = dict.fromkeys(map(home, sorted(activity.units)))
    return {
        "units": [{"path": path, "group": home(path)} for path in activity.units],
        "groups": [{"group": name} for name in groups],
    }


def written(activity: Activity | None, folder: Path, **options: Any) -> ReportPage:
    path = folder / "report.html"
    explanation = explanation_of(activity) if activity is not None else {"units": [], "groups": []}
    write_html_report(path, summary=SUMMARY, explanation=explanation, activity=activity, **options)
    return read_page(path)


def timeline_of(activity: Activity, most_bytes: int = MEBIBYTE) -> ReportPage:
    groups = dict.fromkeys(map(home, sorted(activity.units)))
    group_of = {path: home(path) for path in activity.units}
    return unpacked(pack_timeline(activity, group_of, list(groups), most_bytes))


def rows_of(activity: Activity) -> Rows:
    columns = (column.tolist() for column in activity.columns().values())
    rows = [
        (
            activity.units[unit],
            activity.states[state],
            start,
            duration,
            None if cause < 0 else activity.units[cause],
            lag,
        )
        for unit, state, start, duration, cause, lag in zip(*columns, strict=True)
    ]
    return sorted(rows, key=lambda row: (row[0], row[2], row[3]))


@st.composite
def caused(draw: st.DrawFn) -> Activity:
    """Any activity whose waits were ended by anyone, or nobody."""
    activity = draw(activities())
    n, units = len(activity), len(activity.units)
    causes = draw(st.lists(st.integers(-1, units - 1), min_size=n, max_size=n))
    lags = draw(st.lists(st.integers(0, 5), min_size=n, max_size=n))
    return replace(activity, cause=np.array(causes, np.int32), lag=np.array(lags, np.int64))


@given(caused(), st.integers(1, 200))
@settings(deadline=None)
def test_a_page_gives_back_every_interval(activity: Activity, slab: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report_timeline, "_SLAB", slab)
        page = timeline_of(activity)
    about = page.json["timeline"]
    assert page.exact_rows() == rows_of(activity)
    assert about["exact_until"] == about["makespan"] == activity.makespan
    assert about["intervals"] == len(activity)
    assert sorted(about["units"]) == sorted(activity.units)


@given(caused(), st.integers(1, 40), st.integers(0, 900))
@settings(deadline=None)
def test_what_does_not_fit_begins_behind_the_tick_that_the_page_tells(
    activity: Activity, slab: int, most_bytes: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report_timeline, "_SLAB", slab)
        page = timeline_of(activity, most_bytes)
    about = page.json["timeline"]
    until = about["exact_until"]
    whole = until == activity.makespan and about["slabs"]
    assert page.exact_rows() == [row for row in rows_of(activity) if row[2] < until or whole]


@given(activities(), st.integers(1, 40))
@settings(deadline=None)
def test_bins_are_the_exact_ticks_of_each_kind(activity: Activity, most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report_timeline, "_LEAST_BINS", 1)
        patch.setattr(report_timeline, "_MOST_BINS", most)
        page = timeline_of(activity)
    about = page.json["timeline"]
    kind_of_state, kinds = np.array(about["kind_of_state"], np.int64), len(about["kinds"])
    assert about["kinds"][-1]["category"] == "finished"
    sizes = [group["units"] for group in about["groups"]]
    for level, members in (
        ("unit-bins", np.eye(len(activity.units), dtype=np.int64)),
        ("group-bins", np.repeat(np.eye(len(sizes), dtype=np.int64), sizes, axis=1)),
    ):
        shape = about["bins"][level]
        edges = np.arange(shape["bins"] + 1) * shape["width"]
        assert edges[-1] >= activity.makespan > (edges[-2] if activity.makespan else -1)
        by_unit = time_in_bins(activity, edges, kind_of_state, kinds)
        in_order = by_unit[[activity.units.index(path) for path in about["units"]]]
        expected = np.tensordot(members, in_order, axes=1)
        found = np.zeros_like(expected)
        for (owner, kind), ticks in page.lanes(level).items():
            found[owner, kind] = ticks
        assert np.array_equal(found, expected)


def test_units_lie_in_the_order_of_their_groups() -> None:
    activity = pipeline_activity(cores=3, crossbars=3)
    explanation = explanation_of(activity)
    groups = [group["group"] for group in reversed(explanation["groups"])]
    lanes = report_timeline.lanes_of(activity, {p: home(p) for p in activity.units}, groups)
    assert [name for name, _ in lanes.groups] == groups
    assert [home(activity.units[unit]) for unit in lanes.order] == [
        name for name, count in lanes.groups for _ in range(count)
    ]
    assert np.array_equal(lanes.place[lanes.order], np.arange(len(activity.units)))


@st.composite
def buffer_traces(draw: st.DrawFn) -> BufferTrace:
    ticks = sorted(draw(st.sets(st.integers(0, 300), max_size=80)))
    held = draw(st.lists(st.integers(0, 9), min_size=len(ticks), max_size=len(ticks)))
    return BufferTrace("b", 9, np.array(ticks, np.int64), np.array(held, np.int32))


@given(buffer_traces(), st.integers(1, 20))
def test_what_a_memory_held_lies_within_what_is_shown(buffer: BufferTrace, pairs: int) -> None:
    shown = thinned(buffer, 301, 2 * pairs)
    assert len(shown.tick) <= max(2 * pairs, 0) or len(shown.tick) == len(buffer.tick) <= 2 * pairs
    assert (np.diff(shown.tick) > 0).all()

    def at(tick: int, ticks: NDArray[np.int64], values: NDArray[Any]) -> int:
        place = int(np.searchsorted(ticks, tick, side="right")) - 1
        return int(values[place]) if place >= 0 else 0

    for tick in range(301):
        held = at(tick, buffer.tick, buffer.held)
        assert at(tick, shown.tick, shown.low) <= held <= at(tick, shown.tick, shown.high)
    assert shown.high.max(initial=0) == buffer.held.max(initial=0)
    if len(buffer.tick):
        assert (shown.low[-1], shown.high[-1]) == (buffer.held[-1], buffer.held[-1])


def test_memories_lie_one_behind_the_other() -> None:
    buffers = [
        BufferTrace("a", 2, np.array([3, 7]), np.array([1, 2], np.int32)),
        BufferTrace("b", None, np.array([], np.int64), np.array([], np.int32)),
        BufferTrace("c", 1, np.array([1]), np.array([1], np.int32)),
    ]
    about, packed = pack_buffers(buffers, 9)
    assert [(line["path"], line["slots"], line["entries"], line["exact"]) for line in about] == [
        ("a", 2, 2, True),
        ("b", None, 0, True),
        ("c", 1, 1, True),
    ]
    assert packed.columns == (("step", "u1", 3), ("low", "u1", 3), ("high", "u1", 3))


@given(st.lists(st.integers(-(1 << 53), 1 << 53), max_size=8))
def test_integers_keep_their_values_in_the_smallest_type(values: list[int]) -> None:
    (told,) = pack_columns({"x": np.array(values, np.int64)}).columns
    name, kind, length = told
    assert np.array(values, np.int64).astype(kind).astype(np.int64).tolist() == values
    assert (name, length) == ("x", len(values))
    smaller = [
        k for k in ("u1", "i1", "u2", "i2", "u4", "i4") if np.dtype(k).itemsize < np.dtype(kind).itemsize
    ]
    for other in smaller:
        limits = np.iinfo(other)
        assert not all(limits.min <= value <= limits.max for value in values)


def test_integers_that_no_float_holds_are_refused() -> None:
    with pytest.raises(ValueError, match="no float holds 9007199254740993 exactly"):
        pack_columns({"x": np.array([(1 << 53) + 1])})


def test_names_cannot_become_part_of_the_page(tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script><!--\u2028'\"&"
    activity = replace(pipeline_activity(cores=1), units=(f"core[{evil}].a", f"core[{evil}].b", "c"))
    path = tmp_path / "report.html"
    write_html_report(
        path,
        summary={**SUMMARY, "workload": evil, "machine": evil, "notes": [evil]},
        explanation=explanation_of(activity),
        activity=activity,
        channels=[{"sources": f"{evil}.x", "target": evil, "slots": None}],
        configuration=evil,
    )
    page = read_page(path)
    text = path.read_text(encoding="utf-8")
    assert "alert(1)</script>" not in text
    assert text.count("<script") == text.count("</script>") == len(page.all("script"))
    assert page.json["summary"]["notes"] == [evil]
    assert sorted(page.json["timeline"]["units"]) == sorted(activity.units)
    assert page.json["configuration"] == evil
    assert page.all("title")[0].text == f"{evil} on {evil}"


def test_the_policy_allows_the_page_its_own_script_and_style_and_nothing_else(tmp_path: Path) -> None:
    page = written(pipeline_activity(), tmp_path)

    def digest(text: str) -> str:
        return b64encode(sha256(text.encode()).digest()).decode()

    (script,) = (e.text for e in page.all("script") if not e.attributes)
    (style,) = (e.text for e in page.all("style"))
    assert page.policy.split("; ") == [
        "default-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        f"style-src 'sha256-{digest(style)}'",
        f"script-src 'sha256-{digest(script)}'",
    ]
    assert not [
        e for e in page.elements if {"src", "href", "style", "onclick", "onload"} & e.attributes.keys()
    ]
    assert re.findall(r"https?://[^\s\"']+", script + style) == ["http://www.w3.org/2000/svg"]  # a name


def test_equal_runs_make_equal_pages_and_a_run_without_recording_a_small_one(tmp_path: Path) -> None:
    first = written(pipeline_activity(), tmp_path)
    again = written(pipeline_activity(), tmp_path)
    assert [e.text for e in first.elements] == [e.text for e in again.elements]
    bare = written(None, tmp_path)
    assert "timeline" not in bare.json
    assert bare.columns == {}


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    with pytest.raises(ValueError, match="JSON compliant"):
        write_html_report(path, summary={**SUMMARY, "cycles": float("nan")}, explanation={})
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileError, match="create the folder first"):
        write_html_report(tmp_path / "none" / "report.html", summary=SUMMARY, explanation={})


def noisy_activity(units: int, each: int, seed: int = 0) -> Activity:
    """Return intervals that nothing about is regular, `each` for every one of so many units in 64 cores."""
    random = np.random.default_rng(seed)
    n = units * each
    lasts = random.integers(1, 400, (units, each))
    start = np.cumsum(lasts, axis=1) - lasts
    waits = random.random((units, each)) < 0.5
    state = np.where(waits, random.integers(1, 4, (units, each)), 0)
    return Activity(
        units=tuple(f"core[{unit * 64 // units}].crossbar[{unit}]" for unit in range(units)),
        states=("busy:mvm", "wait-input:window_in", "blocked-output:sums_out", "wait-resource:bus"),
        unit=np.repeat(np.arange(units, dtype=np.int32), each),
        state=state.reshape(-1).astype(np.int16),
        start=start.reshape(-1),
        duration=lasts.reshape(-1),
        cause=np.where(waits.reshape(-1), random.integers(0, units, n), -1).astype(np.int32),
        lag=np.where(waits.reshape(-1), random.integers(0, 3, n), 0),
        makespan=int((start[:, -1] + lasts[:, -1]).max()),
        ticks_per_cycle=1,
        clock_hz=1e9,
    )


@pytest.mark.slow
def test_ten_million_intervals_of_ten_thousand_units_stay_below_20_megabytes(tmp_path: Path) -> None:
    activity = noisy_activity(10_000, 1_000)
    page = written(activity, tmp_path)
    size = (tmp_path / "report.html").stat().st_size
    about = page.json["timeline"]
    exact = sum(slab["intervals"] for slab in about["slabs"])
    print(f"{size / 1e6:.1f} MB, exact until {about['exact_until'] / about['makespan']:.0%}, {exact:,}")
    assert size < 20e6
    assert exact > 1e6
    time = np.bincount(activity.state, activity.duration)
    for level in ("unit-bins", "group-bins"):
        sums = np.zeros(len(about["kinds"]), np.int64)
        for (_, kind), ticks in page.lanes(level).items():
            sums[kind] += ticks.sum()
        assert sums[about["kind_of_state"]].tolist() == time.astype(np.int64).tolist()
    json.dumps(about)  # all of it plain JSON
