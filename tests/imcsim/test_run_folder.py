"""Run directories: what is in them, that they repeat the run, and that nothing is ever half-written."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import imcsim
from imcsim.run_folder import RunFolder
from simcore import Deadlock, FileError
from tests.imcsim.command_bench import MLP, command, printed, refusal
from traces import load_activity

FILES = {
    "summary.json",
    "config.yaml",
    "units.csv",
    "activity.npz",
    "outputs.npz",
    "parts.csv",
    "channels.csv",
    "images.csv",
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "new" / "run"
    printed(*MLP, "--images", "2", "--out", folder)
    return folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_directory_is_made_with_its_parents_and_holds_all_files(saved: Path) -> None:
    assert names(saved) == FILES
    assert names(saved.parent) == {"run"}


def test_files_agree_with_the_summary(saved: Path) -> None:
    summary = json.loads((saved / "summary.json").read_text())
    with open(saved / "units.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == summary["units"]
    assert list(rows[0])[:4] == ["path", "kind", "family", "layer"]
    for row in rows:
        assert (
            sum(int(cycles) for state, cycles in row.items() if ":" in state or state == "finished")
            == (summary["cycles"])
        )
    activity = load_activity(saved / "activity.npz")
    assert list(activity.units) == [row["path"] for row in rows]
    with np.load(saved / "outputs.npz") as arrays:
        assert (arrays["outputs"].shape, arrays["outputs"].dtype) == ((2, 10, 1, 1), np.float32)
        assert (arrays["quantised"].shape, arrays["quantised"].dtype.kind) == ((2, 10, 1, 1), "i")


def test_tables_agree_with_the_summary(saved: Path) -> None:
    run = imcsim.read_run(saved)
    energy, area = run.summary["energy_j"]["total"], run.summary["area_mm2"]["total"]
    assert sum(part.energy(run.summary["time_s"]) for part in run.parts) == pytest.approx(energy, rel=1e-12)
    assert sum(part.area_mm2 for part in run.parts) == pytest.approx(area, rel=1e-12)
    peaks = {channel.target: channel.peak for channel in run.channels if channel.peak is not None}
    traces = {buffer.path: int(buffer.held.max()) for buffer in run.recorded.buffers}
    assert peaks == traces
    assert [image.completed for image in run.images][-1] == run.summary["cycles"]


def test_a_run_read_back_is_the_run(saved: Path, tmp_path: Path) -> None:
    run = imcsim.run("digits-mlp", "dataflow", images=2)
    run.save(tmp_path)
    back = imcsim.read_run(tmp_path)
    assert isinstance(back, imcsim.Run)
    assert (back.summary, back.config, back.units) == (run.summary, run.config, run.units)
    assert back.activity is not None
    assert np.array_equal(back.activity.start, run.recorded.start)
    assert run.outputs is not None
    assert np.array_equal(back.outputs, run.outputs)  # type: ignore[arg-type]
    assert np.array_equal(back.quantised, run.quantised)  # type: ignore[arg-type]
    assert (back.parts, back.channels, back.images) == (run.parts, run.channels, run.images)
    assert len(back.images) == 2
    assert [b.path for b in back.activity.buffers] == [b.path for b in run.recorded.buffers]
    for read, kept in zip(back.activity.buffers, run.recorded.buffers, strict=True):
        assert (read.slots, read.tick.tolist()) == (kept.slots, kept.tick.tolist())
        assert np.array_equal(read.held, kept.held)
    assert repr(back) == f"Run('digits-mlp' on 'dataflow', 2 images, {run.summary['cycles']} cycles)"


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--set", "core.adc.kind=shared-adc", "--set", "buffers.rule=full", "--seed", "3", "--values", "off"],
        ["--values", "device", "--set", "core.crossbar.encoding=flip", "--set", "core.adc.bits=6"],
        ["--images", "3", "--warmup", "1", "--engine", "stock", "--set", "core.crossbar.cell_energy_fj=1e-7"],
    ],
)
def test_a_run_is_repeated_from_its_directory_alone(tmp_path: Path, options: list[str]) -> None:
    first = printed(*MLP, *options, "--out", tmp_path / "a")
    again = printed("run", tmp_path / "a" / "config.yaml", "--out", tmp_path / "b")
    assert again["fingerprint"] == first["fingerprint"]
    assert again["history"] == first["history"]
    assert (tmp_path / "a" / "config.yaml").read_text() == (tmp_path / "b" / "config.yaml").read_text()


def test_options_and_settings_go_over_a_repeated_run(saved: Path) -> None:
    changed = printed("run", saved / "config.yaml", "--images", "1", "--set", "core.crossbar.mvm_cycles=99")
    assert changed["images"] == 1
    direct = printed(*MLP, "--set", "core.crossbar.mvm_cycles=99")
    assert changed["fingerprint"] == direct["fingerprint"]


def test_data_and_machine_files_are_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("mine.npz", inputs=np.random.default_rng(0).random((3, 64)).reshape(3, 1, 8, 8))
    Path("slow.yaml").write_text("extends: dataflow\nclock_ghz: 500 MHz\n")
    first = printed("run", "digits-mlp", "--arch", "slow.yaml", "--data", "mine.npz", "--out", "r")
    assert (first["machine"], first["clock_hz"], first["accuracy"]) == ("slow", 5e8, None)
    Path("slow.yaml").unlink()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    again = printed("run", tmp_path / "r" / "config.yaml")
    assert (again["fingerprint"], again["machine"]) == (first["fingerprint"], "slow")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("images: 2", "images: 0"), ":4:1 images - must be >= 1 image, got 0"),
        (("weight_bits: 8", "weight_bits: 99"), ":20:3 weight_bits - must be in [2, 16] bit, got 99"),
        (("extends: dataflow", "extends: no"), "no machine is called 'no'"),
        (("extends: dataflow", "extent: no"), "must hold `machine` with a key `extends`"),
        (("workload: digits-mlp", "workload: digits"), "no workload is called 'digits'"),
        (("schema: imcsim.run/1", "schema: imcsim.run/2"), "is no configuration of a run"),
        (("seed: 0", "sede: 0"), "sede - is unknown; did you mean 'seed'?"),
    ],
)
def test_a_damaged_configuration_is_refused_with_its_place(
    saved: Path, tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text((saved / "config.yaml").read_text().replace(*change, 1))
    assert message in refusal("run", file)


def test_an_earlier_result_is_replaced_whole(saved: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(saved, folder)
    (folder / "timeline.png").write_text("of the earlier run")
    (folder / "notes.txt").write_text("mine")
    summary = printed(*MLP, "--values", "off", "--out", folder)
    assert names(folder) == (FILES | {"notes.txt"}) - {"outputs.npz"}
    assert imcsim.read_run(folder).summary == summary


def test_anything_else_is_refused_before_it_runs_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    assert "but no earlier result; choose a new or an empty directory" in refusal(*MLP, "--out", tmp_path)
    assert names(tmp_path) == {"thesis.tex"}
    file = tmp_path / "thesis.tex"
    for place in (file, file / "below" / "it"):
        assert "thesis.tex is a file" in refusal(*MLP, "--out", place)
    assert refusal(*MLP, "--out", "/proc/none/here").startswith("cannot write to /proc/none/here: ")
    with pytest.raises(FileError, match="File name too long"):
        imcsim.run("digits-mlp", "dataflow", out=tmp_path / ("x" * 300))
    assert names(tmp_path) == {"thesis.tex"}


def test_a_run_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal(*MLP, "--images", "999", "--out", tmp_path / "a" / "b")
    assert names(tmp_path) == set()

    def deadlock(*args: Any, **options: Any) -> None:
        raise Deadlock("no event is left")

    monkeypatch.setattr("arch.machines.dataflow.Dataflow.simulate", deadlock)
    assert command(*MLP, "--out", tmp_path / "a" / "b").exit_code == 3
    assert names(tmp_path) == set()


def test_a_disk_that_fills_up_leaves_the_earlier_result(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(saved, folder)
    run = imcsim.read_run(folder)

    def full(*args: Any) -> None:
        raise FileError("cannot write: No space left on device")

    monkeypatch.setattr("imcsim.run_folder.write_npz", full)
    with pytest.raises(FileError, match="No space left"), RunFolder(folder) as target:
        target.write(run)
    assert names(folder) == FILES
    assert imcsim.read_run(folder).summary == run.summary


def test_damaged_files_are_refused(saved: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(saved, folder)
    lines = (folder / "units.csv").read_text().splitlines(keepends=True)
    (folder / "units.csv").write_text("".join(lines[:-1]))
    assert "units.csv holds" in refusal("export", folder, "--to", "png")
    (folder / "units.csv").write_text("path,kind\na")
    assert "units.csv is damaged" in refusal("export", folder, "--to", "png")
    (folder / "units.csv").unlink()
    (folder / "activity.npz").write_text("cut")
    assert "activity.npz" in refusal("export", folder, "--to", "png")
    summary = json.loads((folder / "summary.json").read_text())
    del summary["units"]
    (folder / "summary.json").write_text(json.dumps(summary))
    assert "summary.json is damaged (it lacks 'units')" in refusal("export", folder, "--to", "png")


def test_what_a_killed_run_left_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / ".imcsim-0123.tmp").mkdir()
    printed(*MLP, "--values", "off", "--out", tmp_path)
    assert imcsim.read_run(tmp_path).summary["workload"] == "digits-mlp"
