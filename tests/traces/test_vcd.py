from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np
import pytest
import pywellen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simcore.activity import Activity, BufferTrace
from simcore.errors import FileError, SimError
from tests.traces.activities import caused_activities, make_activity, pipeline_activity
from traces import write_vcd

in_a_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)

#: Of each variable by its path, when it changed and to what.
Waves = dict[str, list[tuple[int, str | int]]]


def read(path: Path) -> Waves:
    """Return all changes, as the library behind Surfer reads them."""
    waves = pywellen.Waveform(str(path))
    assert all(v.is_string or v.is_1bit or v.is_bit_vector or v.size == 32 for v in waves.all_vars())
    return {v.full_name: list(v.signal) for v in waves.all_vars()}


def at(changes: list[tuple[int, str | int]], time: int) -> str | int:
    """Return what a variable is at some time."""
    return [value for since, value in changes if since <= time][-1]


@given(caused_activities(), st.sampled_from([1, 2, 5]))
@in_a_folder
def test_at_any_tick_a_unit_is_in_its_state_and_a_memory_holds_what_it_holds(
    tmp_path: Path, activity: Activity, ticks: int
) -> None:
    positive: dict[str, Any] = {name: c[activity.duration > 0] for name, c in activity.columns().items()}
    activity = replace(activity, **positive, ticks_per_cycle=ticks)
    step = {1: 1, 2: 5, 5: 2}[ticks]  # of 10 ns, and else of 1 ns
    write_vcd(activity, tmp_path / "w.vcd")
    waves = read(tmp_path / "w.vcd")
    for unit, path in enumerate(activity.units):
        rows = np.flatnonzero(activity.unit == unit)
        start, end = activity.start[rows], activity.start[rows] + activity.duration[rows]
        states = [activity.states[number] for number in activity.state[rows]]
        works = np.array([state.startswith(("busy", "programming")) for state in states], bool)
        state, busy, count = (waves.pop(f"{path}.{name}") for name in ("state", "busy", "count"))
        for tick in range(activity.makespan + 1):
            now = np.flatnonzero((start <= tick) & (tick < end))
            assert at(state, step * tick) == (states[now[0]] if len(now) else "finished")
            assert at(busy, step * tick) == works[now].any()
            assert at(count, step * tick) == (works & (start <= tick)).sum()
    for buffer in activity.buffers:
        held = waves.pop(f"{buffer.path}.held")
        for tick in range(activity.makespan + 1):
            assert at(held, step * tick) == ([0, *buffer.held[buffer.tick <= tick].tolist()])[-1]
    assert waves == {}


@pytest.mark.parametrize(
    ("clock_hz", "ticks", "scale", "step", "note"),
    [
        (1e9, 1, "1ns", 1, ""),
        (1.0, 1, "1s", 1, ""),
        (2.5e8, 1, "1ns", 4, ""),
        (4e8, 1, "100ps", 25, ""),
        (1e9, 16, "100fs", 625, ""),
        (1e9, 3, "1ns", 1, "; 1 ns here is a tick of 0.333333 ns"),
        (7e8, 1, "1ns", 1, "; 1 ns here is a tick of 1.42857 ns"),
    ],
)
def test_a_tick_is_a_whole_number_of_the_largest_timescale_or_a_nanosecond_and_a_comment_says_so(
    tmp_path: Path, clock_hz: float, ticks: int, scale: str, step: int, note: str
) -> None:
    activity = make_activity(["a"], [(0, "busy:x", 3, 11)], 20, ticks, clock_hz)
    write_vcd(activity, tmp_path / "w.vcd", title="x on y")
    assert str(pywellen.Waveform(str(tmp_path / "w.vcd")).timescale) == scale
    assert read(tmp_path / "w.vcd")["a.busy"] == [(0, 0), (3 * step, 1), (11 * step, 0)]
    text = (tmp_path / "w.vcd").read_text()
    assert text.startswith(f"$comment x on y{note} $end\n")
    assert text.endswith(f"#{20 * step}\n")


def test_scopes_are_nested_as_paths_are_and_names_hold_no_spaces(tmp_path: Path) -> None:
    activity = make_activity(["core[conv2.0].array[0, 1]"], [(0, "busy:a b", 0, 4)], 4)
    write_vcd(activity, tmp_path / "w.vcd")
    (outer,) = pywellen.Waveform(str(tmp_path / "w.vcd")).scopes()
    (inner,) = outer.scopes()
    assert (outer.name, inner.name) == ("core[conv2.0]", "array[0,_1]")
    assert read(tmp_path / "w.vcd")["core[conv2.0].array[0,_1].state"] == [(0, "busy:a_b"), (4, "finished")]


@pytest.mark.skipif(which("vcd2fst") is None, reason="GTKWave is not installed; `apt-get install gtkwave`")
def test_gtkwave_turns_it_into_its_own_format_and_back_without_loss(tmp_path: Path) -> None:
    activity = pipeline_activity(cores=2, crossbars=3)
    memory = BufferTrace("core[conv1].buffer.in", 4, np.array([3, 600]), np.array([7, 2], np.int32))
    write_vcd(replace(activity, buffers=(memory,)), tmp_path / "w.vcd")
    # The tools exit with 0 whatever they read, so the changes are compared.
    subprocess.run(["vcd2fst", tmp_path / "w.vcd", tmp_path / "w.fst"], check=True, capture_output=True)
    subprocess.run(["fst2vcd", tmp_path / "w.fst", "-o", tmp_path / "b.vcd"], check=True, capture_output=True)
    there, back = read(tmp_path / "w.fst"), read(tmp_path / "b.vcd")
    assert there == back == read(tmp_path / "w.vcd")
    assert len(there) == 3 * len(activity.units) + 1
    assert all(len(changes) > 1 for changes in there.values())


def test_equal_activities_make_equal_bytes(tmp_path: Path) -> None:
    for name in ("a.vcd", "b.vcd"):
        write_vcd(pipeline_activity(), tmp_path / name)
    assert (tmp_path / "a.vcd").read_bytes() == (tmp_path / "b.vcd").read_bytes()


def test_what_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileError, match="create the folder first"):
        write_vcd(pipeline_activity(), tmp_path / "absent" / "w.vcd")
    monkeypatch.setitem(sys.modules, "vcd", None)
    with pytest.raises(SimError, match=r"pyvcd, which is not installed; pip install 'imcsim\[wave\]'"):
        write_vcd(pipeline_activity(), tmp_path / "w.vcd")
    assert not list(tmp_path.iterdir())
