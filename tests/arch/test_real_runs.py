"""Machines of real arrays: every effect runs, alone and with others, at the same cycles."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import imcsim
from arch.arrays.array_parts import ArrayParts, Placement, array_converters
from arch.arrays.streaming import Streaming
from simcore import ConfigError
from tests.arch.dataflow_bench import Quantized, bench
from tests.arch.support_matrix import EFFECTS, matrix, run, settings, small_layer
from workloads import sample_windows
from workloads.quantized_nodes import QuantizedMatrix

DOCS = Path(__file__).parents[2] / "docs"
#: What `EFFECTS` calls differently from the summary of a run, or the summary does not tell.
TOLD = {
    "programming noise, lognormal": "programming noise",
    "drift, compensated": "drift",
    "off state that conducts": "off state",
    "read noise of bitlines": "read noise",
    "read noise of cells": "read noise",
    "IR drop, idle rows cut off": "IR drop",
    "transfer curve of its own": "transfer curve",
}
WEAK: dict[str, Any] = {
    "core.crossbar.encoding": "differential",
    "core.crossbar.input_form": "bit-serial",
    "core.crossbar.device.kind": "pcm",
    "core.crossbar.device.time_s": 3600.0,
    "core.crossbar.device.on_off_ratio": 100.0,
    "core.crossbar.device.retention.sigma": (1e-3,),
    "core.crossbar.device.stuck.on": 1e-4,
    "core.crossbar.device.stuck.off": 1e-4,
    "core.crossbar.device.read.column": 1e-3,
    "core.crossbar.device.read.cell": 1e-2,
    "core.crossbar.wires.wordline": 1e-6,
    "core.crossbar.wires.bitline": 1e-6,
    "core.crossbar.wires.gated": True,
    "core.crossbar.drift_compensation": True,
    "core.adc.readout.gain_sigma": 1e-3,
    "core.adc.readout.offset_sigma": 0.1,
    "core.adc.readout.noise": 0.1,
    "core.adc.readout.inl_polynomial": (0.0, 0.2, -0.2),
}


def digits(images: int, *changes: tuple[str, object], **options: Any) -> imcsim.Run:
    """Run digits-resnet with device values, crossbars in lock-step."""
    return imcsim.run(
        "digits-resnet",
        "dataflow",
        images=images,
        values="device",
        record=False,
        settings=[("detail", "group"), *changes],
        **options,
    )


def flat(tree: Any, path: str = "") -> list[tuple[str, object]]:
    """Return the leaves of settings as dotted paths and values."""
    if not isinstance(tree, dict):
        return [(path, tree)]
    return [leaf for key, value in tree.items() for leaf in flat(value, f"{path}.{key}" if path else key)]


@pytest.mark.parametrize("effect", EFFECTS)
def test_a_whole_network_runs_with_each_effect(effect: str) -> None:
    machine = {"core": EFFECTS[effect]}
    if "idle rows" in effect:
        machine = {"core": {"crossbar": {**EFFECTS[effect]["crossbar"], "encoding": "differential"}}}
    done = digits(2, *flat(machine))
    form = [("core.crossbar.input_form", "bit-serial")] if "idle rows" in effect else []
    timed = imcsim.run(
        "digits-resnet", "dataflow", images=2, values="off", settings=[("detail", "group"), *form]
    )
    assert done.summary["cycles"] == timed.summary["cycles"]
    same = [("core.crossbar.encoding", "differential")] if "idle rows" in effect else []
    found, without = done.quantised, digits(2, *form, *same).quantised
    assert found is not None
    assert without is not None
    assert (found != without).any()
    for formulation in done.summary["formulations"].values():
        if effect != "calibrated range":
            assert formulation["method"] == "conductances"
            assert TOLD.get(effect, effect) in formulation["reason"]


def test_a_whole_network_runs_with_all_effects_together() -> None:
    done = digits(20, *WEAK.items())
    told = done.summary["formulations"]["stem"]["reason"]
    for effect in ("programming noise", "retention", "drift", "1/f noise", "off state", "stuck cells"):
        assert effect in told
    for effect in ("read noise", "IR drop", "gain mismatch", "offset mismatch", "converter noise", "nonlin"):
        assert effect in told
    assert done.summary["accuracy"] >= 0.9


def test_real_arrays_are_the_same_on_both_engines_in_any_order_and_for_the_same_seed() -> None:
    runs = [digits(3, *WEAK.items(), **options) for options in ({}, {"engine": "stock"}, {"shuffle": 7})]
    assert len({done.summary["fingerprint"] for done in runs}) == 1
    other = digits(3, *WEAK.items(), seed=1)
    assert other.summary["fingerprint"] != runs[0].summary["fingerprint"]
    assert other.summary["cycles"] == runs[0].summary["cycles"]


def test_noise_of_an_image_does_not_depend_on_how_many_come_behind_it() -> None:
    few, many = digits(2, *WEAK.items()), digits(5, *WEAK.items())
    assert few.quantised is not None
    assert many.quantised is not None
    assert np.array_equal(few.quantised, many.quantised[:2])


def test_copies_of_a_layer_are_programmed_one_by_one() -> None:
    case = small_layer()
    one = settings("programming noise", "signed", "group")
    alone, copied = (run(case, {**one, "layers": {"conv": {"replication": n}}}) for n in (1, 3))
    assert alone.outputs is not None
    assert copied.outputs is not None
    first = alone.outputs.reshape(len(alone.outputs), alone.outputs.shape[1], -1)
    turns = copied.outputs.reshape(first.shape)
    # windows take turns over copies; an image has 12, so it begins with the first copy
    assert np.array_equal(first[..., ::3], turns[..., ::3])
    assert (first[..., 1::3] != turns[..., 1::3]).any()


def calibrated_layer(case: Quantized) -> tuple[ArrayParts, Placement, Any, int]:
    """Return parts with calibrated converters, the layer on an array, its windows and its zero point."""
    machine = bench(case.network.lowered, settings("calibrated range", "differential", "group")).machine
    core = machine.config.core
    parts = ArrayParts(machine.config.encoding, core.crossbar, core.adc)
    node = case.network.lowered.nodes[0]
    quantised = case.network.nodes[node.name]
    assert isinstance(quantised, QuantizedMatrix)
    windows = sample_windows(case.network, case.values.codes)[node.name]
    held = Placement(quantised.weights[0], np.arange(27), 0)
    return parts, held, windows, int(quantised.input_zero)


def test_calibrated_converters_cover_what_they_saw_and_no_more() -> None:
    case = small_layer()
    parts, held, windows, zero = calibrated_layer(case)
    streaming = Streaming(8, form="pulse-width")
    seen = array_converters(held, parts, streaming, samples=windows, zero=zero)
    sums = (windows + zero) @ parts.encoding.encode(held.weights).levels.astype(int)
    assert seen.lsb == -(-sums.max() // 255)
    wide = array_converters(
        held, replace(parts, adc=parts.adc.model_copy(update={"range": "weights"})), streaming
    )
    assert int(seen.lsb) < int(wide.lsb)
    found = run(case, settings("calibrated range", "differential", "group"))
    assert found.arrays is not None
    assert found.arrays.clipped == 0


@pytest.mark.parametrize("ratio", [3.0, 10.0])
def test_calibrated_converters_cover_no_more_where_the_off_state_conducts(ratio: float) -> None:
    """Every row at full input would be far beyond what any window shows."""
    parts, held, windows, zero = calibrated_layer(small_layer())
    g_off = 3 / (ratio - 1)
    seen = array_converters(held, parts, Streaming(8, form="pulse-width"), g_off, windows, zero)
    sums = (windows + zero) @ (parts.encoding.encode(held.weights).levels + g_off)
    assert seen.lsb == -(-np.ceil(sums.max()) // 255)


@pytest.mark.slow
def test_accuracy_falls_with_noise_and_recovers_with_finer_converters() -> None:
    noisy = [("core.crossbar.device.programming.sigma", (sigma,)) for sigma in (0.0, 0.05, 0.3)]
    accuracies = [digits(100, change).summary["accuracy"] for change in noisy]
    assert accuracies[0] >= 0.98
    assert accuracies[0] - 0.1 < accuracies[1]
    assert accuracies[2] < accuracies[1] - 0.2
    read = ("core.crossbar.device.read.column", 0.001)
    coarse, fine = (digits(100, read, ("core.adc.bits", bits)).summary["accuracy"] for bits in (4, 10))
    assert coarse < 0.5 < 0.95 < fine


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            [("core.crossbar.wires.gated", True)],
            "gated must be false for signed cells.*; set core.crossbar.enc",
        ),
        (
            [("core.crossbar.wires.gated", True), ("core.crossbar.encoding", "offset")],
            "gated must be false unless inputs come bit by bit.*; set core.crossbar.input_form to bit-serial",
        ),
        ([("core.crossbar.device.on_off_ratio", 1.00001)], "on_off_ratio must leave conductances below"),
        (
            [("core.crossbar.device.drift.nu.low", 0.5), ("core.crossbar.device.drift.nu.high", 0.1)],
            r"has low 0\.5 above high 0\.1; exchange them",
        ),
        ([("core.adc.readout.noise", 1e30)], r"noise - must be in \[0, 65536"),
        ([("core.crossbar.device.flicker.exponent", 100.0)], r"exponent - must be in \[0, 10"),
        ([("core.crossbar.device.on_off_ratio", 0.5)], r"on_off_ratio - must be > 1, got 0\.5"),
        ([("core.crossbar.device.stuck.on", 0.6), ("core.crossbar.device.stuck.off", 0.6)], "add up to 1.2"),
        ([("core.crossbar.device.kind", "memristor")], "no device model is called 'memristor'"),
        (
            [("core.crossbar.device.read.column", float("nan"))],
            r"read\.column - must be in \[0, 1000\.0\], got nan",
        ),
    ],
)
def test_real_parts_that_cannot_be_are_refused(changes: list[tuple[str, object]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        digits(1, *changes)


def test_sums_that_64_bits_do_not_hold_are_refused() -> None:
    wide = [("weight_bits", 16), ("activation_bits", 16), ("core.adc.bits", 16), ("core.adc.range", "fixed")]
    many = [("core.adc.lsb", 2**32), ("core.crossbar.encoding", "offset"), ("core.adc.readout.noise", 0.1)]
    with pytest.raises(ConfigError, match=r"which 64 bits do not hold; take a smaller core\.adc\.lsb"):
        digits(1, *wide, *many)


def test_the_documented_matrix_is_what_runs_show() -> None:
    page = (DOCS / "devices.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- support matrix -->\n(.*?)\n<!-- end -->", page, re.DOTALL)
    assert found is not None
    assert found[1].strip() == matrix()
