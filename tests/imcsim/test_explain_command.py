"""`imcsim explain RUN`: what it prints, and what it says of runs that it cannot explain, or not fully."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import imcsim
from tests.imcsim.command_bench import command, printed, refusal


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("explained") / "run"
    words = ["--arch", "dataflow", "--images", "8", "--values", "off", "--set", "source.pixel_cycles=600"]
    assert command("run", "digits-cnn", *words, "--out", path).exit_code == 0
    return path


def test_it_tells_first_what_the_time_is_due_to(folder: Path) -> None:
    told = command("explain", folder)
    assert (told.exit_code, told.stderr) == (0, "")
    words = " ".join(told.stdout.split())
    assert words.startswith("digits-cnn on dataflow: ")
    assert "1. 99% source sets the pace" in words
    assert "source.pixel_cycles (600 cycles, usually 130) sets how long feed takes" in words
    assert "-> lower source.pixel_cycles" in words
    for section in ("on the critical path", "time of layers", "memories", "energy", "roofline"):
        assert section in told.stdout


def test_bars_share_out_their_signs_as_the_time_was(folder: Path) -> None:
    stacks = {stack.layer: stack for stack in imcsim.read_run(folder).explain().layers}
    signs = {"busy": "#", "wait-input": ".", "blocked-output": ">", "wait-resource": "~", "finished": " "}
    shown = [line for line in command("explain", folder).stdout.splitlines() if line.count("|") == 2]
    assert shown
    for line in shown:
        name, bar, _ = line.split("|")
        cycles = stacks[name.strip()].cycles
        assert len(bar) == 40
        for kind, sign in signs.items():
            assert abs(bar.count(sign) - 40 * cycles.get(kind, 0) / sum(cycles.values())) < 1


def test_the_page_shows_what_the_command_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "explain.md").read_text(encoding="utf-8")
    commands, shown = page.split("```")[1], page.split("```text\n")[1].partition("\n```")[0]
    run, explain = commands.replace("\\\n", " ").strip().splitlines()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "110")
    assert command(*run.split()[1:]).exit_code == 0
    assert command(*explain.split()[1:]).stdout.rstrip() == shown


def test_json_is_what_python_gets(folder: Path) -> None:
    told = printed("explain", folder)
    found = imcsim.explain(imcsim.read_run(folder)).summary
    assert told == json.loads(json.dumps(found)) | {"what_if": None}
    assert list(told)[:5] == ["schema", "workload", "machine", "cycles", "clock_hz"]
    assert told["bottlenecks"][0]["parameter"] == "source.pixel_cycles"


def test_a_run_without_a_recording_is_explained_as_far_as_it_goes(folder: Path, tmp_path: Path) -> None:
    run = imcsim.run("digits-cnn", arch="dataflow", values="off", record=False)
    run.save(tmp_path / "bare")
    told = command("explain", tmp_path / "bare")
    assert told.exit_code == 0
    words = " ".join(told.stdout.split())
    assert "sets the pace" in words
    assert "nothing was recorded" in words
    assert "on the critical path" not in words.partition("not known")[0].replace("what is on the", "")
    assert printed("explain", tmp_path / "bare")["critical_path"] is None


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    missing = tmp_path / "nothing"
    assert refusal("explain", missing) == (
        f"cannot read {missing}: it is no directory; name one that `imcsim run --out` wrote"
    )
    assert "is no run's directory" in refusal("explain", tmp_path)


def test_an_interrupted_run_is_refused(folder: Path, tmp_path: Path) -> None:
    run = imcsim.read_run(folder)
    broken = imcsim.Run(run.summary | {"interrupted": True}, run.config, ())
    broken.save(tmp_path / "broken")
    assert refusal("explain", tmp_path / "broken") == (
        "the run of digits-cnn on dataflow was interrupted, so that its accounts are not there; run it to "
        "its end"
    )


def test_accounts_that_were_changed_are_refused(folder: Path, tmp_path: Path) -> None:
    imcsim.read_run(folder).save(tmp_path / "changed")
    units = tmp_path / "changed" / "units.csv"
    header, line, *rest = units.read_text().splitlines()
    cells = line.split(",")
    place = next(n for n, cell in enumerate(cells) if cell.isdecimal() and cell != "0")
    cells[place] = str(int(cells[place]) + 1)
    units.write_text("\n".join([header, ",".join(cells), *rest]) + "\n")
    assert "but the run had" in refusal("explain", tmp_path / "changed")


@pytest.mark.parametrize("arch", ["dataflow", "reprogrammed"])
def test_bars_fit_the_columns_of_a_terminal(
    arch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    imcsim.run("resnet20", arch=arch, values="off", record=False).save(tmp_path / "run")
    shown = command("explain", tmp_path / "run").stdout.splitlines()
    bars = [line for line in shown if "|" in line]
    assert bars
    for line in bars:
        assert line.count("|") == 2
        assert line.endswith(("unit", "units"))
        assert len(line) <= 80
    assert not any(line.endswith("0 units") for line in bars)
    if arch == "reprogrammed":  # one layer is all that has units: the others are not counted either
        layers = shown[shown.index(next(line for line in shown if line.startswith("time of layers"))) :]
        assert not any("more" in line for line in layers[:4])
