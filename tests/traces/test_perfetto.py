from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from simcore.activity import CATEGORIES, NOBODY, Activity, BufferTrace, category
from simcore.energy import PartCost
from simcore.errors import FileError, SimError
from tests.traces.activities import caused_activities, make_activity, pipeline_activity
from tests.traces.perfetto_reader import ReadTrace, Slice, read_perfetto
from traces import (
    LimitedSink,
    PerfettoSink,
    TraceLimits,
    bin_edges,
    by_group,
    power_over_time,
    unit_groups,
    write_perfetto,
)
from traces.perfetto_slices import Arrows
from traces.unit_paths import segments

in_a_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def expected_slices(
    activity: Activity, unit: int, ns: int
) -> list[tuple[int, int, str, str, dict[str, str | int]]]:
    """Return start, end, name, category and annotations of a unit's intervals."""
    expected = []
    for row in np.flatnonzero(activity.unit == unit):
        kind, _, detail = activity.states[activity.state[row]].partition(":")
        done = kind in ("busy", "programming")
        notes: dict[str, str | int] = {} if done else {"detail": detail}
        if activity.cause[row] != NOBODY:
            notes["cause"] = activity.units[activity.cause[row]]
        start, end = (
            ns * int(t) for t in (activity.start[row], activity.start[row] + activity.duration[row])
        )
        expected.append((start, end, detail if done else kind, kind, notes))
    return expected


def fields(slice: Slice) -> tuple[int, int, str, str, dict[str, str | int]]:
    return slice.start, slice.end, slice.name, slice.category, slice.annotations


def stretches_of(activity: Activity, cuts: Iterable[int]) -> Iterator[Activity]:
    """Yield what a run tells that does so at some ticks: in each stretch what ended since the last one."""
    end = activity.start + activity.duration
    yield replace(rows_alone(activity, end < 0), makespan=0, buffers=tuple(map(empty, activity.buffers)))
    for after, until in pairwise(
        [-1, *sorted({c for c in cuts if c < activity.makespan}), activity.makespan]
    ):
        parts = [(buffer, (buffer.tick > after) & (buffer.tick <= until)) for buffer in activity.buffers]
        yield replace(
            rows_alone(activity, (end > after) & (end <= until)),
            makespan=until,
            buffers=tuple(replace(b, tick=b.tick[part], held=b.held[part]) for b, part in parts),
        )


def empty(buffer: BufferTrace) -> BufferTrace:
    return replace(buffer, tick=buffer.tick[:0], held=buffer.held[:0])


def rows_alone(activity: Activity, rows: NDArray[np.bool_]) -> Activity:
    columns: dict[str, Any] = {name: column[rows] for name, column in activity.columns().items()}
    return replace(activity, **columns)


def written(path: Path, activity: Activity, arrows: Arrows | None = None) -> ReadTrace:
    write_perfetto(activity, path) if arrows is None else write_perfetto(activity, path, arrows=arrows)
    return read_perfetto(path)


@given(caused_activities(), st.sampled_from([1, 2, 5]))
@in_a_folder
def test_each_track_has_its_units_intervals_to_the_nanosecond(
    tmp_path: Path, activity: Activity, ticks: int
) -> None:
    activity = replace(activity, ticks_per_cycle=ticks)  # of 10 ns
    trace = written(tmp_path / "t.pftrace", activity)
    for unit, path in enumerate(activity.units):
        assert [fields(s) for s in trace.slices.pop(path, [])] == expected_slices(activity, unit, 10 // ticks)
    assert trace.slices == {}
    for buffer in activity.buffers:
        slots = "without bound" if buffer.slots is None else f"of {buffer.slots}"
        values = trace.counters.pop(f"{buffer.path} held, {slots}")
        assert values[0] == (0, 0.0)
        assert values[1:] == [
            (10 // ticks * tick, held)
            for tick, held in zip(buffer.tick.tolist(), buffer.held.tolist(), strict=True)
        ]
    assert trace.counters == {}


@given(caused_activities())
@in_a_folder
def test_last_packet_tells_the_totals(tmp_path: Path, activity: Activity) -> None:
    trace = written(tmp_path / "t.pftrace", activity)
    of_category: Counter[str] = Counter()
    for state, duration in zip(activity.state, activity.duration, strict=True):
        of_category[category(activity.states[state])] += int(duration)
    assert trace.end == {
        "intervals": len(activity),
        **{f"{name} ticks": of_category[name] for name in CATEGORIES},
        "units": len(activity.units),
        "makespan ticks": activity.makespan,
        "ticks per cycle": activity.ticks_per_cycle,
        "ns per tick": trace.end["ns per tick"],
        "interrupted": 0,
        "at": activity.makespan * trace.end["ns per tick"],
    }


@pytest.mark.parametrize(
    ("clock_hz", "ticks", "ns", "note"),
    [
        (1e9, 1, 1, ""),
        (2.5e8, 1, 4, ""),
        (1e9, 3, 1, " (1 ns here is a tick of 0.333333 ns)"),
        (float(10**9) / 3, 3, 1, ""),  # the rounded frequency of a period of 3 ns
        (7e8, 1, 1, " (1 ns here is a tick of 1.42857 ns)"),
        (32.768e3, 1, 1, " (1 ns here is a tick of 30517.6 ns)"),
    ],
)
def test_a_tick_is_whole_nanoseconds_of_the_run_or_one_and_the_run_says_so(
    tmp_path: Path, clock_hz: float, ticks: int, ns: int, note: str
) -> None:
    activity = replace(pipeline_activity(), clock_hz=clock_hz, ticks_per_cycle=ticks)
    trace = written(tmp_path / "t.pftrace", activity)
    assert trace.end["ns per tick"] == ns
    assert trace.title == f"run{note}"
    assert (
        sum(s.end - s.start for found in trace.slices.values() for s in found) == ns * activity.duration.sum()
    )


@given(caused_activities(), st.data())
@in_a_folder
def test_arrows_lead_from_row_to_row(tmp_path: Path, activity: Activity, data: st.DataObject) -> None:
    rows = st.integers(0, max(len(activity) - 1, 0))
    pairs = data.draw(st.lists(st.tuples(rows, rows), max_size=8 if len(activity) else 0))
    trace = written(tmp_path / "t.pftrace", activity, np.array(pairs, np.int64).reshape(-1, 2))
    leaving: dict[int, tuple[str, int]] = {}
    arriving: dict[int, tuple[str, int]] = {}
    for track, slices in trace.slices.items():
        for place, slice in enumerate(slices):
            for ends, flows in ((leaving, slice.leaving), (arriving, slice.arriving)):
                assert not ends.keys() & set(flows)
                ends.update(dict.fromkeys(flows, (track, place)))
    assert sorted(leaving) == sorted(arriving) == list(range(1, len(pairs) + 1))

    def place_of(row: int) -> tuple[str, int]:
        unit = activity.unit[row]
        return activity.units[unit], int(row - np.searchsorted(activity.unit, unit))

    assert [(leaving[number], arriving[number]) for number in sorted(leaving)] == [
        (place_of(producer), place_of(consumer)) for producer, consumer in pairs
    ]


def test_tracks_are_nested_as_paths_are_and_listed_as_units_are(tmp_path: Path) -> None:
    names = [
        "chip[0].tile[10].adc",
        "chip[0].tile[2].adc",
        "chip[1].tile[0].adc[1]",
        "chip[1].tile[0].adc[0]",
        "host",
    ]
    activity = make_activity(names, [(unit, "busy:x", 7 * unit, 40) for unit in range(5)], 40)
    trace = written(tmp_path / "t.pftrace", activity)
    assert set(trace.ranks) == {
        ".".join(segments(name)[:depth]) for name in names for depth in range(1, len(segments(name)) + 1)
    }
    listed = [activity.units[unit] for group in unit_groups(activity) for unit in group.units]

    def place(path: str) -> list[int]:
        parts = segments(path)
        return [trace.ranks[".".join(parts[:depth])] for depth in range(1, len(parts) + 1)]

    assert sorted(names, key=place) == listed == [*names[1::-1], *names[3:1:-1], names[4]]


def test_names_of_any_kind_come_back(tmp_path: Path) -> None:
    activity = make_activity(
        ["tile[ü].ADC", "x" * 300], [(0, "busy:µ" + "y" * 200, 0, 4), (1, "wait-input:", 0, 4)], 4
    )
    trace = written(tmp_path / "t.pftrace", activity)
    assert {track: [s.name for s in slices] for track, slices in trace.slices.items()} == {
        "tile[ü].ADC": ["µ" + "y" * 200],
        "x" * 300: ["wait-input"],
    }


def test_layers_are_annotations_of_all_slices_of_their_units(tmp_path: Path) -> None:
    activity = pipeline_activity(cores=3)
    layers = {unit: unit[5:10] for unit in activity.units if "conv2" not in unit}
    write_perfetto(activity, tmp_path / "t.pftrace", title="a on b", layers=layers)
    trace = read_perfetto(tmp_path / "t.pftrace")
    assert trace.title == "a on b"
    for unit, slices in trace.slices.items():
        assert {s.annotations.get("layer") for s in slices} == {layers.get(unit)}


def test_many_units_and_states_need_more_bytes(tmp_path: Path) -> None:
    """Numbers of 128 and more take two bytes, and messages longer than 127 have two bytes of length."""
    units = [f"core[{n}].unit" for n in range(300)]
    rows = [(unit, f"busy:op{unit % 150}", 1 << unit % 40, (1 << unit % 40) + 1) for unit in range(300)]
    activity = make_activity(units, rows, 1 << 41)
    arrows = np.array(
        [[7, consumer] for consumer in range(20)], np.int64
    )  # 20 flows of 10 bytes leave one slice
    trace = written(tmp_path / "t.pftrace", activity, arrows)
    for unit, path in enumerate(units):
        assert [fields(s) for s in trace.slices[path]] == expected_slices(activity, unit, 10)
    assert trace.slices[units[7]][0].leaving == tuple(range(1, 21))


@given(caused_activities(), st.lists(st.integers(0, 60), max_size=3))
@in_a_folder
def test_told_in_stretches_it_is_the_same_trace(tmp_path: Path, activity: Activity, cuts: list[int]) -> None:
    (tmp_path / "stretches.pftrace").unlink(missing_ok=True)
    sink = PerfettoSink(tmp_path / "stretches.pftrace")
    for stretch in stretches_of(activity, cuts):
        sink.add(stretch)
    assert not (tmp_path / "stretches.pftrace").exists()
    sink.close()
    whole, parts = written(tmp_path / "t.pftrace", activity), read_perfetto(tmp_path / "stretches.pftrace")
    assert (parts.slices, parts.counters, parts.end) == (whole.slices, whole.counters, whole.end)


@given(caused_activities(), st.data())
@in_a_folder
def test_what_is_added_up_has_tracks_of_its_own_and_all_totals_stay(
    tmp_path: Path, activity: Activity, data: st.DataObject
) -> None:
    activity = rows_alone(activity, activity.duration > 0)  # as of any run
    cycles = activity.makespan // activity.ticks_per_cycle
    start = data.draw(st.integers(0, cycles))
    limits = TraceLimits(
        None, start, data.draw(st.integers(start, cycles)), data.draw(st.sampled_from(activity.units))
    )
    sink = LimitedSink(PerfettoSink(tmp_path / "t.pftrace"), limits)
    sink.add(activity)
    sink.close()
    trace = read_perfetto(tmp_path / "t.pftrace")
    for unit, path in enumerate(activity.units):
        found: Counter[tuple[str, str, str, int]] = Counter()
        expected: Counter[tuple[str, str, str, int]] = Counter()
        for s in (*trace.slices.pop(path, []), *trace.slices.pop(f"{path}.added up", [])):
            key = s.name, s.category, str(s.annotations.get("detail"))
            found[*key, 0] += int(s.annotations.get("count", 1))
            found[*key, 1] += s.end - s.start
        ns = trace.end["ns per tick"]
        for since, until, name, kind, notes in expected_slices(activity, unit, ns):
            expected[name, kind, str(notes.get("detail")), 0] += 1
            expected[name, kind, str(notes.get("detail")), 1] += until - since
        assert found == expected
    assert trace.slices == {}
    assert trace.limits == sink.about
    assert trace.end["intervals"] == len(activity)
    assert sum(trace.end[f"{kind} ticks"] for kind in CATEGORIES) == activity.duration.sum()


@given(caused_activities(), st.sampled_from([1e9, 7e8]), st.integers(0, 1 << 40))
@in_a_folder
def test_a_sink_tells_how_large_the_file_may_become(
    tmp_path: Path, activity: Activity, clock_hz: float, later: int
) -> None:
    activity = replace(
        activity,
        start=activity.start + later,
        makespan=activity.makespan + later,
        clock_hz=clock_hz,
        buffers=(),
    )
    path = tmp_path / "t.pftrace"
    sink = PerfettoSink(path)
    sink.add(rows_alone(replace(activity, makespan=0), np.zeros(len(activity), bool)))
    bound = sink.size() + sink.most(len(activity))
    sink.add(activity)
    assert sink.size() <= bound
    sink.close()
    assert path.stat().st_size <= min(sink.size(), bound)


def test_a_file_stays_within_its_budget(tmp_path: Path) -> None:
    activity = pipeline_activity(cores=6, pixels=500)
    path = tmp_path / "t.pftrace"
    write_perfetto(activity, path)
    budget = path.stat().st_size * 2 // 3
    sink = LimitedSink(PerfettoSink(path), TraceLimits(budget))
    for stretch in stretches_of(activity, range(0, activity.makespan, 500)):
        sink.add(stretch)
    sink.close()
    trace = read_perfetto(path)
    assert 0 < sink.about["aggregated"] < len(activity) == trace.end["intervals"]
    assert budget / 2 < path.stat().st_size <= budget


def test_stretches_may_bring_new_states(tmp_path: Path) -> None:
    whole = make_activity(["a"], [(0, "busy:x", 0, 3), (0, "busy:y", 3, 5), (0, "wait-input:p", 5, 9)], 9)
    sink = PerfettoSink(tmp_path / "t.pftrace")
    for row in range(3):
        stretch = rows_alone(whole, np.arange(3) == row)
        sink.add(replace(stretch, states=whole.states[: row + 1], makespan=int(whole.start[row])))
    sink.close(interrupted=True)
    trace = read_perfetto(tmp_path / "t.pftrace")
    assert [fields(s) for s in trace.slices["a"]] == expected_slices(whole, 0, 10)
    assert trace.end["interrupted"] == 1


def test_power_is_a_step_function_whose_integral_is_the_energy(tmp_path: Path) -> None:
    activity = pipeline_activity(cores=3)
    parts = [
        PartCost("core[conv1].digital", "", "digital", None, 3e-9, 0.0, 0.0),
        PartCost("core[conv2].buffer", "", "buffer", None, 1e-9, 2e-3, 0.0),
        PartCost("core[conv3].buffer", "", "buffer", None, 0.0, 0.0, 0.0),
        PartCost("", "", "other", None, 0.0, 5e-4, 0.0),
    ]
    power = power_over_time(activity, parts, bin_edges(0, activity.makespan, 77), by_group(activity))
    write_perfetto(activity, tmp_path / "t.pftrace", power=power)
    trace = read_perfetto(tmp_path / "t.pftrace")
    seconds = activity.makespan * 1e-8
    energy = {
        track: sum(watts * (until - since) * 1e-9 for (since, watts), (until, _) in pairwise(values))
        for track, values in trace.counters.items()
    }
    assert energy == {
        "core[conv1].power": pytest.approx(3e-9),
        "core[conv2].power": pytest.approx(1e-9 + 2e-3 * seconds),
        "power of machine": pytest.approx(5e-4 * seconds),
    }
    assert set(trace.units.values()) == {"W"}


def test_blocks_join_without_a_seam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    activity = pipeline_activity()
    arrows = np.array([[row, row + 3] for row in range(0, len(activity) - 3, 5)], np.int64)
    whole = written(tmp_path / "t.pftrace", activity, arrows)
    for size in (1, 7, len(activity)):
        monkeypatch.setattr("traces.perfetto_slices._BLOCK", size)
        assert written(tmp_path / "t.pftrace", activity, arrows).slices == whole.slices


def test_nothing_recorded_is_still_a_trace(tmp_path: Path) -> None:
    for units in ([], ["a", "b"]):
        trace = written(tmp_path / "t.pftrace", make_activity(units, [], 7))
        assert not trace.slices
        assert set(trace.ranks) == set(units)
        assert trace.end["at"] == 70


def test_equal_activities_make_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_perfetto(pipeline_activity(), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    late = make_activity(["a"], [(0, "busy:x", 0, 1)], 1 << 61)  # of 10 ns
    with pytest.raises(SimError, match="ends after 292 years, got 2305843009213693952 ticks; record less"):
        write_perfetto(late, tmp_path / "t.pftrace")
    assert not list(tmp_path.iterdir())
    with pytest.raises(FileError, match="create the folder first"):
        write_perfetto(pipeline_activity(), tmp_path / "absent" / "t.pftrace")
