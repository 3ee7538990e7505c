"""Runs that write their intervals to a file while they go on."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

import imcsim
from imcsim import TraceOptions
from simcore import ConfigError, Deadlock, FileError, Progress
from tests.imcsim.command_bench import command, printed, refusal
from tests.stretches import insist_on_equal, told_every
from tests.traces.parquet_files import about, intervals, named, totals_by_sql
from tests.traces.stretched import totals
from traces import sinks

OFF: dict[str, Any] = {"arch": "dataflow", "values": "off"}
RUN = ("run", "digits-cnn", "--arch", "dataflow", "--values", "off")


def bare(activity: Any) -> Any:
    """Return an activity without what memories held, of which Parquet files do not tell."""
    return replace(activity, buffers=())


def test_a_trace_is_the_recording_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "run.parquet"
    kept = imcsim.run("digits-cnn", images=3, **OFF)
    with told_every(200):
        run = imcsim.run("digits-cnn", images=3, trace=path, **OFF)
    assert run.activity is None
    assert run.summary["fingerprint"] == kept.summary["fingerprint"]
    insist_on_equal(intervals(path), bare(kept.recorded))
    assert run.summary["trace"] == {
        "file": str(path),
        "bytes": path.stat().st_size,
        "budget_bytes": None,
        "intervals": len(kept.recorded),
        "aggregated": 0,
        "bin_cycles": None,
        "complete_until_cycle": kept.summary["cycles"],
    }
    assert kept.summary["trace"] is None


def test_networks_that_share_a_machine_are_told_together_not_alone(tmp_path: Path) -> None:
    pair = ["digits-cnn", "digits-mlp"]
    kept = imcsim.run(pair, images=2, arrivals="poisson:1e5", **OFF)
    with told_every(100):
        imcsim.run(pair, images=2, arrivals="poisson:1e5", trace=tmp_path / "run.parquet", **OFF)
    insist_on_equal(intervals(tmp_path / "run.parquet"), bare(kept.recorded))


def test_limits_hold_and_totals_are_those_of_all(tmp_path: Path) -> None:
    path = tmp_path / "run.parquet"
    kept = imcsim.run("digits-cnn", images=3, **OFF).recorded
    options = TraceOptions(path, budget="140 kB", window="2000:9000", units=["core[conv1]", "source"])
    said: list[str] = []
    with told_every(200):
        run = imcsim.run(
            "digits-cnn",
            images=3,
            trace=TraceOptions(path, "140 kB", "2000:9000", ["core[conv1]", "source"], said.append),
            **OFF,
        )
    assert said == [options.promise()]
    assert said[0].startswith(
        f"trace to {path}, 140 kB at most: intervals of core[conv1], source in cycles 2000:9000"
    )
    assert path.stat().st_size <= 140_000
    assert totals_by_sql(path) == named(totals(kept), kept.units)
    written = intervals(path)
    assert {kept.units[unit].split(".")[0] for unit in written.unit} == {"core[conv1]", "source"}
    assert (written.start < 9000).all()
    assert (written.start + written.duration > 2000).all()
    assert len(written) + run.summary["trace"]["aggregated"] == len(kept)
    assert about(path)["limits"]["window_cycles"] == [2000, 9000]
    assert about(path)["makespan"] == kept.makespan


@pytest.mark.parametrize("ending", sinks)
def test_files_of_any_format_stay_within_a_budget(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"run{ending}"
    cuts = []
    for budget in ("400 kB", "600 kB", "100 MB"):
        run = imcsim.run("digits-cnn", images=20, trace=TraceOptions(path, budget), **OFF)
        told = run.summary["trace"]
        assert path.stat().st_size == told["bytes"] <= told["budget_bytes"]
        cuts.append(told["complete_until_cycle"])
    assert cuts[0] <= cuts[1] <= cuts[2] == run.summary["cycles"]
    assert told["aggregated"] == 0


def test_a_run_that_is_interrupted_leaves_what_it_told_marked_so(tmp_path: Path) -> None:
    kept = imcsim.run("digits-cnn", images=8, **OFF).recorded
    path = tmp_path / "out" / "trace.parquet"

    def interrupt(progress: Progress) -> None:
        if progress.cycle > 20_000:
            raise KeyboardInterrupt

    with told_every(100), pytest.raises(imcsim.InterruptedRun) as caught:
        imcsim.run("digits-cnn", images=8, trace=path, out=tmp_path / "out", observe=interrupt, **OFF)
    told = about(path)
    assert told["interrupted"]
    assert 0 < told["makespan"] < kept.makespan
    assert caught.value.run.summary["trace"]["complete_until_cycle"] == told["makespan"]
    found, end = intervals(path), kept.start + kept.duration
    assert sorted(zip(found.unit, found.start, found.duration, strict=True)) == sorted(
        zip(*(c[end <= told["makespan"]] for c in (kept.unit, kept.start, kept.duration)), strict=True)
    )


def test_a_run_that_fails_leaves_no_trace(tmp_path: Path) -> None:
    def fail(progress: Progress) -> None:
        raise RuntimeError("the observer gave up")

    with told_every(100), pytest.raises(RuntimeError):
        imcsim.run("digits-cnn", trace=tmp_path / "run.parquet", observe=fail, **OFF)
    with pytest.raises(Deadlock):
        imcsim.run(
            "digits-resnet",
            trace=tmp_path / "run.parquet",
            settings=["buffers.depths.stem:block1-conv2=12", "buffers.allow_undersized=true"],
            **OFF,
        )
    assert os.listdir(tmp_path) == []


def test_a_trace_among_the_results_comes_and_goes_with_them(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    for images in (1, 2):
        run = imcsim.run("digits-mlp", images=images, trace=folder / "trace.parquet", out=folder, **OFF)
        assert about(folder / "trace.parquet")["makespan"] == run.summary["cycles"]
        assert not (folder / "activity.npz").exists()
    again = imcsim.run(folder / "config.yaml", out=folder)
    assert again.activity is not None
    assert not (folder / "trace.parquet").exists()


def test_a_run_directory_is_exported_to_parquet(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    kept = imcsim.run("digits-mlp", out=folder, **OFF).recorded
    assert command("export", folder, "--to", "parquet").stdout == f"{folder / 'trace.parquet'}\n"
    insist_on_equal(intervals(folder / "trace.parquet"), bare(kept))


def test_the_command_says_how_large_the_file_may_become_before_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "run.parquet"
    result = command(*RUN, "--trace", path, "--trace-budget", "150kB", "--trace-units", "sink")
    assert result.exit_code == 0
    assert result.stderr == (
        f"trace to {path}, 150 kB at most: intervals of sink one by one as long as they fit, "
        "all others added up in bins of time\n"
    )
    assert "one by one until cycle" in " ".join(result.stdout.split())
    summary = printed(*RUN)
    assert summary["trace"] is None


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--trace", "run.txt"], "a trace goes to a file whose name ends in"),
        (["--trace", "no/where/run.parquet"], "create the folder first"),
        (["--trace", "run.parquet", "--trace-budget", "big"], "budget of the trace must be a number of B"),
        (["--trace", "run.parquet", "--trace-budget", "3 pixel"], "budget of the trace must be in B"),
        (["--trace", "run.parquet", "--trace-budget", "1kB"], r"must be at least"),
        (["--trace", "run.parquet", "--trace-window", "9:3"], "must be cycles A:B with A below B"),
        (["--trace", "run.parquet", "--trace-window", "soon"], "must be cycles A:B with A below B"),
        (["--trace", "run.parquet", "--trace-units", "core[conf1]"], "did you mean"),
        (["--trace", "run.parquet", "--fast-forward"], "leave out --fast-forward"),
        (["--trace-budget", "1MB"], "add --trace FILE"),
        (["--trace", "a.parquet", "--trace", "b.parquet"], "give it once"),
    ],
)
def test_what_makes_no_sense_is_refused_before_cycle_0(
    options: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert told in refusal(*RUN, *options)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"file": 3}, "file of the trace must be str or Path, got 3; write for example 'run.parquet'"),
        ({"window": (0, 100)}, r"window of the trace must be str or None, got \(0, 100\); write for example"),
        ({"budget": 2.5}, "budget of the trace must be int or str or None, got 2.5"),
        ({"units": 3}, "units of the trace must be patterns over paths, got 3"),
        ({"units": [3]}, r"units of the trace must be patterns over paths, got \[3\]"),
    ],
)
def test_options_of_other_types_are_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        TraceOptions(**{"file": "run.parquet", **options})


def test_what_is_no_file_is_refused_before_cycle_0() -> None:
    with pytest.raises(ConfigError, match="file of the trace must be str or Path, got 3"):
        imcsim.run("digits-mlp", trace=3, **OFF)  # type: ignore[arg-type]


def test_one_pattern_needs_no_list() -> None:
    one, listed = (TraceOptions("run.parquet", units=units) for units in ("core[fc1]", ["core[fc1]"]))
    assert one == listed
    assert one.limits() == listed.limits()


def test_a_trace_is_no_part_of_what_repeats_a_run(tmp_path: Path) -> None:
    imcsim.run("digits-mlp", trace=tmp_path / "run.parquet", out=tmp_path / "out", **OFF)
    assert "trace" not in yaml.safe_load((tmp_path / "out" / "config.yaml").read_text())
    (tmp_path / "a.parquet").mkdir()
    with pytest.raises(FileError, match="folder or a device"):
        imcsim.run("digits-mlp", trace=tmp_path / "a.parquet", **OFF)
    with pytest.raises(ConfigError, match="must be at least"):
        imcsim.run("digits-mlp", trace=TraceOptions(tmp_path / "b.parquet", budget=10), **OFF)
