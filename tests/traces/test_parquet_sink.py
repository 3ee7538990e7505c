from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simcore.activity import Activity
from simcore.errors import FileError, SimError, UnknownNameError
from tests.stretches import insist_on_equal
from tests.traces.activities import activities
from tests.traces.parquet_files import about, intervals, named, totals_by_sql
from tests.traces.stretched import long_activity, moments, stretches_of, totals
from traces import LimitedSink, TraceLimits, open_sink, write_parquet
from traces.parquet_sink import FORMAT, ParquetSink


@given(activities(), moments(), st.integers(1, 20))
@settings(deadline=None, max_examples=50)
def test_two_readers_find_every_interval_in_whatever_groups_it_was_written(
    activity: Activity, at: list[int], group: int
) -> None:
    with TemporaryDirectory() as folder, mock.patch("traces.parquet_sink._GROUP", group):
        path = Path(folder) / "run.parquet"
        sink = ParquetSink(path)
        for stretch in stretches_of(activity, at):
            sink.add(stretch)
        assert not path.exists()
        sink.close()
        insist_on_equal(intervals(path), activity)
        assert totals_by_sql(path) == named(totals(activity), activity.units)
        assert os.listdir(folder) == ["run.parquet"]


@given(activities(), moments(), st.integers(0, 30))
@settings(deadline=None, max_examples=50)
def test_sums_by_unit_and_state_are_those_of_all_intervals_whatever_is_written_one_by_one(
    activity: Activity, at: list[int], stop: int
) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "run.parquet"
        sink = LimitedSink(ParquetSink(path), TraceLimits(None, 0, stop + 1, activity.units[:1]))
        for stretch in stretches_of(activity, at):
            sink.add(stretch)
        sink.close()
        assert totals_by_sql(path) == named(totals(activity), activity.units)
        told = about(path)
        by_state: dict[str, dict[str, int]] = {}
        for (_, state), (count, ticks) in totals(activity).items():
            known = by_state.setdefault(state, {"count": 0, "ticks": 0})
            by_state[state] = {"count": known["count"] + count, "ticks": known["ticks"] + ticks}
        assert told["totals"] == by_state
        assert told["limits"] == sink.about
        assert told["format"] == FORMAT
        chosen = (activity.unit == 0) & (activity.start < (stop + 1) * activity.ticks_per_cycle)
        chosen &= activity.start + activity.duration > 0
        assert len(intervals(path)) == chosen.sum()


@given(st.integers(0, 99), st.integers(1, 300), st.integers(0, 3), st.integers(0, 600_000))
@settings(deadline=None, max_examples=12)
def test_no_file_passes_its_budget_even_if_nothing_can_be_compressed(
    seed: int, units: int, drains: int, more: int
) -> None:
    activity = long_activity(20_000, units, seed, most=1 << 40)
    activity = replace(activity, lag=np.random.default_rng(seed).integers(0, 1 << 62, len(activity)))
    budget = 100_000 + 4_000 * units + more
    with TemporaryDirectory() as folder:
        path = Path(folder) / "run.parquet"
        sink = LimitedSink(ParquetSink(path), TraceLimits(budget))
        for stretch in stretches_of(
            activity, np.linspace(0, activity.makespan, drains + 1).astype(int).tolist()
        ):
            sink.add(stretch)
        sink.close()
        assert path.stat().st_size <= budget
        assert totals_by_sql(path) == named(totals(activity), activity.units)


@given(st.integers(0, 99), st.integers(1, 400), st.integers(1, 5000))
@settings(deadline=None, max_examples=20)
def test_a_file_is_never_larger_than_the_sink_said_it_would_be(seed: int, units: int, rows: int) -> None:
    activity = long_activity(rows, units, seed, most=1 << 50)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "run.parquet"
        sink = ParquetSink(path)
        sink.add(stretches_of(activity, [])[0])
        before = sink.size()
        most = before + sink.most(rows)
        sink.add(activity)
        assert before < sink.size() <= most
        said = sink.size()
        sink.close()
        assert path.stat().st_size <= said


def test_a_regular_run_takes_less_than_a_byte_for_ten_intervals(tmp_path: Path) -> None:
    one = long_activity(100_000, 10, seed=1, most=2)
    write_parquet(
        replace(one, state=np.zeros_like(one.state), cause=np.full_like(one.cause, -1), lag=one.lag * 0),
        tmp_path / "a.parquet",
    )
    assert (tmp_path / "a.parquet").stat().st_size < 0.1 * len(one)


def test_what_is_interrupted_says_so_and_what_is_abandoned_is_not_there(tmp_path: Path) -> None:
    stretches = stretches_of(long_activity(2000, 4, seed=1), [1000])
    for name, interrupted in (("a.parquet", False), ("b.parquet", True)):
        sink = open_sink(tmp_path / name)
        for stretch in stretches[:2]:
            sink.add(stretch)
        sink.close(interrupted)
        told = about(tmp_path / name)
        assert told["interrupted"] is interrupted
        assert told["makespan"] == 1000
    sink = open_sink(tmp_path / "c.parquet")
    sink.add(stretches[1])
    sink.abandon()
    assert sorted(os.listdir(tmp_path)) == ["a.parquet", "b.parquet"]


def test_a_file_that_is_replaced_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "run.parquet"
    first, second = long_activity(100, 3, seed=1), long_activity(200, 3, seed=2)
    write_parquet(first, path)
    sink = ParquetSink(path)
    sink.add(second)
    insist_on_equal(intervals(path), first)
    sink.close()
    insist_on_equal(intervals(path), second)


def test_refusals_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"a file whose name ends in .*\.parquet.*, got run\.txt"):
        open_sink("run.txt")
    with pytest.raises(FileError, match="create the folder first"):
        open_sink(tmp_path / "nowhere" / "run.parquet")
    with (
        mock.patch.dict(sys.modules, {"pyarrow": None, "pyarrow.parquet": None}),
        pytest.raises(
            SimError, match=r"need pyarrow, which is not installed; pip install 'imcsim\[results\]'"
        ),
    ):
        open_sink(tmp_path / "run.parquet")
    assert os.listdir(tmp_path) == []


def test_a_full_disk_is_a_file_error_and_leaves_nothing(tmp_path: Path) -> None:
    sink = ParquetSink(tmp_path / "run.parquet")
    with mock.patch("simcore.files.PendingFile.write", side_effect=FileError("cannot write: full")):
        sink.add(long_activity(10, 2, seed=1))
        with pytest.raises(FileError, match="full"):
            sink.close()
        sink.abandon()
    assert os.listdir(tmp_path) == []
