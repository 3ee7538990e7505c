"""`--fast-forward`: the same answer sooner, or a word why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import imcsim
from arch.machine import Preset, machines
from arch.machines.dataflow import Dataflow
from imcsim.run_config import RunConfig, config_text, read_run_file
from tests.imcsim.command_bench import MLP, command, printed, refusal

LONG = (*MLP, "--images", "40", "--values", "off")

#: What tells how a run was found, not what.
HOW = {"fast_forward", "events", "wall_s", "setup_s", "peak_rss_mb"}

OWN_CONVERTER = '''
from arch import ADC
from arch.tokens import Sums
from simcore import In, Operation, Out, components, process


@components.register("patient-adc")
class PatientADC(ADC):
    """Takes longer each time, as only its own process knows."""

    sums_in = In(Sums, doc="sums")
    sums_out = Out(Sums, doc="numbers")
    convert = Operation(doc="conversions")

    @process
    def serve(self):
        """Take sums, convert, hand on."""
        cycles = 0
        while True:
            sums = yield self.sums_in.get()
            cycles += 1
            yield self.convert.hold(cycles)
            yield self.sums_out.put(sums)
'''


def answer(summary: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in summary.items() if key not in HOW}


@pytest.mark.parametrize("options", [(), ("--warmup", "7"), ("--engine", "stock")])
@pytest.mark.parametrize("recorded", [False, True])
def test_the_summary_is_that_of_the_full_run(
    tmp_path: Path, options: tuple[str, ...], recorded: bool
) -> None:
    out = ["--out", str(tmp_path / "run")] if recorded else []
    full = printed(*LONG, *options, *out)
    fast = printed(*LONG, *options, *out, "--fast-forward")
    assert answer(fast) == answer(full)
    assert (full["history"] is not None) == recorded
    assert full["fast_forward"] is None
    assert fast["fast_forward"] == {
        "skipped_images": 37,
        "period_images": 1,
        "period_cycles": 64 * 130,
        "told": "the state after 2 images is that after 1",
    }
    assert fast["events"] < full["events"] / 5


def test_files_of_a_run_are_those_of_the_full_run(tmp_path: Path) -> None:
    full = imcsim.run("digits-resnet", "dataflow", images=20, values="off", out=tmp_path / "full")
    fast = imcsim.run(
        "digits-resnet", "dataflow", images=20, values="off", fast_forward=True, out=tmp_path / "fast"
    )
    assert (tmp_path / "full/units.csv").read_bytes() == (tmp_path / "fast/units.csv").read_bytes()
    assert fast.recorded.states == full.recorded.states
    for name, column in full.recorded.columns().items():
        assert np.array_equal(fast.recorded.columns()[name], column)


def test_a_run_that_skips_is_repeated_from_its_directory(tmp_path: Path) -> None:
    first = printed(*LONG, "--fast-forward", "--out", tmp_path / "a")
    assert "fast_forward: true" in (tmp_path / "a/config.yaml").read_text()
    again = printed("run", tmp_path / "a/config.yaml")
    assert again["fast_forward"] == first["fast_forward"]
    assert again["fingerprint"] == first["fingerprint"]


def test_the_configuration_holds_the_wish(tmp_path: Path) -> None:
    config = RunConfig(workload="a", values="off", fast_forward=True, machine={"extends": "b"})
    file = tmp_path / "config.yaml"
    file.write_text(config_text(config))
    assert read_run_file(file, {}).config == config
    assert not read_run_file(file, {"fast_forward": False}).config.fast_forward


def test_the_report_tells_what_was_skipped() -> None:
    text = " ".join(command(*LONG, "--fast-forward").stdout.split())
    assert "skipped 37 of 40 images: the state after 2 images is that after 1" in text
    assert "skipped" not in command(*LONG).stdout


@pytest.mark.parametrize("values", [[], ["--values", "ideal"], ["--values", "device"]])
def test_values_of_skipped_images_would_be_missing_so_they_are_refused(values: list[str]) -> None:
    got = values[1] if values else "ideal"
    assert refusal(*MLP, *values, "--fast-forward") == (
        "values must be off with fast_forward, as images that are skipped would have none, "
        f"got {got}; add --values off"
    )


def test_a_machine_that_cannot_skip_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class Plain(Dataflow):
        """Knows nothing of periods."""

        skips_periods = False

    monkeypatch.setitem(machines._entries, "plain", Preset("plain", Plain, "a machine"))
    assert refusal("run", "digits-mlp", "--arch", "plain", "--values", "off", "--fast-forward") == (
        "plain cannot skip what repeats, got fast_forward; leave out --fast-forward"
    )


def test_a_component_that_tells_nothing_makes_the_run_full_and_is_named(tmp_path: Path) -> None:
    plugin = tmp_path / "patient.py"
    plugin.write_text(OWN_CONVERTER)
    options = ["--plugin", str(plugin), "--set", "core.adc.kind=patient-adc"]
    full, fast = (printed(*LONG, *options, *more) for more in ([], ["--fast-forward"]))
    assert answer(fast) == answer(full)
    assert fast["fast_forward"] == {
        "skipped_images": 0,
        "period_images": None,
        "period_cycles": None,
        "told": "core[fc1].adc[0,0] does not tell where its processes stand; "
        "define `phase` in its own class, PatientADC",
    }


def test_too_few_images_are_simulated_in_full() -> None:
    fast = printed(*MLP, "--values", "off", "--fast-forward")["fast_forward"]
    assert fast["skipped_images"] == 0
    assert fast["told"] == "no state repeated in time to leave anything out"
