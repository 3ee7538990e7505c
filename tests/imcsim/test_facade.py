"""From Python: networks and machines as objects, settings as pairs, several runs side by side."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import imcsim
from arch.machines.dataflow import Dataflow, DataflowConfig
from imcsim.compile_clock import CompileClock
from simcore import ConfigError, Progress, WorkloadError
from tests.imcsim.command_bench import printed
from workloads import Input, Linear, Network


def structure() -> Network:
    return Network("bare", [Input(name="x", shape=(4, 1, 1)), Linear(name="fc", out_features=2)])


def test_a_machine_made_in_python_is_the_one_that_settings_make(tmp_path: Path) -> None:
    machine = Dataflow(DataflowConfig.parse({"core": {"adc": {"kind": "shared-adc"}}}))
    run = imcsim.run("digits-mlp", machine, out=tmp_path)
    setting = ("core.adc.kind", "shared-adc")
    assert run.summary["machine"] == "dataflow"
    assert (
        run.summary["fingerprint"]
        == imcsim.run("digits-mlp", "dataflow", settings=[setting]).summary["fingerprint"]
    )
    assert printed("run", tmp_path / "config.yaml")["fingerprint"] == run.summary["fingerprint"]
    with pytest.raises(ConfigError, match="settings go with a machine's name or file"):
        imcsim.run("digits-mlp", machine, settings=[setting])


def test_a_setting_finds_the_final_kind_wherever_that_is_set() -> None:
    settings = ["core.adc.bitlines=4", "core.adc.kind=shared-adc"]
    placed = imcsim.run("digits-mlp", "dataflow", values="off", settings=settings)
    assert placed.config.machine["core"]["adc"]["bitlines"] == 4


def test_structure_alone_runs_without_values_only() -> None:
    with pytest.raises(WorkloadError, match="bare is structure only"):
        imcsim.run(structure(), "dataflow", values="ideal")
    run = imcsim.run(structure(), "dataflow", images=20)
    assert run.summary["values"] == "off"
    assert (run.outputs, run.quantised) == (None, None)
    assert run.summary["images"] == 20


def test_the_scales_do_not_depend_on_the_number_of_images() -> None:
    few, many = (imcsim.run("digits-mlp", "dataflow", images=n).quantised for n in (2, 30))
    assert few is not None
    assert many is not None
    assert np.array_equal(few, many[:2])


def test_data_of_a_user_are_labelled_if_they_say_so(tmp_path: Path) -> None:
    inputs = np.random.default_rng(1).random((5, 64))
    np.savez(tmp_path / "a.npz", inputs=inputs.reshape(5, 1, 8, 8), labels=np.arange(5))
    s = imcsim.run("digits-mlp", "dataflow", images=5, data=tmp_path / "a.npz").summary
    assert s["inputs"].startswith("first 5 of a.npz: read from ")
    assert s["accuracy"] == s["golden_accuracy"]


def test_the_observer_sees_the_run_advance() -> None:
    seen: list[Progress] = []
    imcsim.run("digits-cnn", "dataflow", images=100, values="off", observe=seen.append)
    assert [p.cycle for p in seen] == sorted({p.cycle for p in seen})
    assert [p.done for p in seen] == sorted(p.done for p in seen)
    assert {(p.total, p.what) for p in seen} == {(100, "images")}


def test_times_of_compiling_setting_up_and_simulating_are_told_apart() -> None:
    s = imcsim.run("digits-mlp", "dataflow").summary
    assert min(s["wall_s"], s["setup_s"], s["compile_s"]) >= 0


def test_compiling_counts_when_it_happens_and_not_again() -> None:
    njit: Any = import_module("numba").njit
    inner = njit(lambda x: x + 1)
    outer = njit(lambda x: inner(x) + 1)
    with CompileClock() as clock:
        loading = clock.seconds
        assert outer(1) == 3
        compiling = clock.seconds
        assert outer(1) == 3
    assert compiling > loading
    assert clock.seconds == compiling


def test_a_machine_without_a_model_of_its_devices_refuses_their_values() -> None:
    class Exact(Dataflow):
        device_values = False

    with pytest.raises(
        ConfigError, match="values must be ideal or off on exact, which models no devices, got"
    ):
        imcsim.run("digits-mlp", Exact(DataflowConfig(), "exact"), values="device")
