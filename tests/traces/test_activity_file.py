from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from simcore.activity import Activity
from simcore.errors import FileError
from tests.traces.activities import activities, make_activity, pipeline_activity
from traces import load_activity, save_activity

SMALL = make_activity(
    ["a", "b"], [(0, "busy:mvm", 0, 4), (0, "wait-input:x", 4, 6), (1, "busy:mvm", 2, 9)], 9, 2, 1e9
)


def assert_equal(one: Activity, other: Activity) -> None:
    for name in ("units", "states", "makespan", "ticks_per_cycle", "clock_hz"):
        assert getattr(one, name) == getattr(other, name)
    for name, column in one.columns().items():
        assert column.dtype == other.columns()[name].dtype
        assert np.array_equal(column, other.columns()[name])


@given(activities())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_is_loaded_is_what_was_saved(tmp_path: Path, activity: Activity) -> None:
    save_activity(tmp_path / "activity.npz", activity)
    assert_equal(load_activity(tmp_path / "activity.npz"), activity)


def test_equal_activities_make_equal_bytes(tmp_path: Path) -> None:
    for name in ("one.npz", "two.npz"):
        save_activity(tmp_path / name, pipeline_activity())
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_plain_numpy_reads_the_columns(tmp_path: Path) -> None:
    save_activity(tmp_path / "a.npz", SMALL)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        assert list(arrays)[:3] == ["format", "units", "states"]
        assert list(arrays)[-1] == "end"
        assert arrays["units"].tolist() == ["a", "b"]
        assert arrays["duration"].tolist() == [4, 2, 7]


def test_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    save_activity(path, SMALL)
    whole = path.read_bytes()
    for length in range(0, len(whole), 23):
        path.write_bytes(whole[:length])
        with pytest.raises(FileError, match="record the run again"):
            load_activity(path)


def test_damaged_byte_is_refused_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    save_activity(path, SMALL)
    whole = path.read_bytes()
    refused = 0
    for position in range(0, len(whole), 7):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x41]) + whole[position + 1 :])
        try:
            activity = load_activity(path)
        except FileError:
            refused += 1
        else:
            assert_equal(activity, SMALL)  # it hit a date or a flag that carries nothing
    assert refused > len(whole) / 7 / 2


@pytest.mark.parametrize("content", [b"", b"no npz", b"PK\x05\x06" + bytes(18)])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(FileError, match=r"cannot use .*a\.npz"):
        load_activity(tmp_path / "a.npz")


def test_lone_array_and_pickle_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    for array in (np.arange(3), np.array([{}], dtype=object)):
        stream = io.BytesIO()
        np.save(stream, array)
        path.write_bytes(stream.getvalue())
        with pytest.raises(FileError, match="no activity file"):
            load_activity(path)


def test_missing_file_and_folder_are_told(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.npz", tmp_path):
        with pytest.raises(FileError, match="cannot read"):
            load_activity(path)


def test_missing_part_is_named(tmp_path: Path) -> None:
    save_activity(tmp_path / "whole.npz", SMALL)
    with zipfile.ZipFile(tmp_path / "whole.npz") as whole, zipfile.ZipFile(tmp_path / "a.npz", "w") as part:
        for name in whole.namelist():
            if name != "end.npy":
                part.writestr(name, whole.read(name))
    with pytest.raises(FileError, match=r"lacks a part.*end"):
        load_activity(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"start": np.array([0, 3, 2])}, "overlap"),
        ({"start": np.array([0, 4, 3])}, "leave the run"),
        ({"start": np.array([-1, 4, 2])}, "leave the run"),
        ({"unit": np.array([1, 1, 0], np.int32)}, "out of order"),
        ({"unit": np.array([0, 0, 2], np.int32)}, "does not list"),
        ({"state": np.array([0, -1, 0], np.int16)}, "does not list"),
        ({"states": ("busy:mvm", "asleep")}, "'asleep' is of no category"),
        ({"unit": np.array([0, 0, 1], np.int64)}, "column 'unit' is int64"),
        ({"unit": np.array([0, 0], np.int32)}, r"column 'unit' is int32 of shape \(2,\)"),
        ({"ticks_per_cycle": 0}, "clock makes no sense"),
        ({"clock_hz": float("nan")}, "clock makes no sense"),
    ],
)
def test_file_that_contradicts_itself_is_refused(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    save_activity(tmp_path / "a.npz", replace(SMALL, **change))
    with pytest.raises(FileError, match=reason):
        load_activity(tmp_path / "a.npz")


def test_totals_that_do_not_add_up_are_refused(tmp_path: Path) -> None:
    save_activity(tmp_path / "a.npz", SMALL)
    with np.load(tmp_path / "a.npz") as arrays:
        content = {**arrays, "end": np.array([3, 6, 12])}
    np.savez(tmp_path / "a.npz", **content)
    with pytest.raises(FileError, match=r"its totals are \[3, 6, 12\], its intervals add up to \[3, 6, 13\]"):
        load_activity(tmp_path / "a.npz")


def test_file_of_another_format_is_refused(tmp_path: Path) -> None:
    for content in ({"format": "imcsim.activity/9"}, {"inputs": np.zeros(3)}):
        np.savez(tmp_path / "a.npz", **content)
        with pytest.raises(FileError, match=r"expected the format 'imcsim\.activity/2', got"):
            load_activity(tmp_path / "a.npz")
