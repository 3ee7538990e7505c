"""The summary: its keys, and its numbers against formulas worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import pytest

import imcsim
from arch import LoadReport, RequestTimes
from arch.machine import MachineRun, TrainingReport
from imcsim.metrics import rates, stream_metrics
from simcore import AreaReport, EnergyReport, Outcome
from simcore.clocks import clock as clock_of
from simcore.clocks import synchronise
from tests.imcsim.command_bench import MLP, printed
from traces import bin_edges, by_family, power_over_time
from workloads import Conv2d, Input, Network, Window

CONTRACT = {
    "schema", "workload", "machine", "images", "values", "seed", "engine", "version", "fingerprint", "cycles",
    "clock_hz", "time_s", "initiation_interval_cycles", "latency_s", "throughput_per_s", "macs", "tops",
    "tops_per_w", "tops_per_mm2", "energy_j", "area_mm2", "power_w", "accuracy", "outputs_match_golden",
    "units", "events", "wall_s", "setup_s", "compile_s", "peak_rss_mb",
}  # fmt: skip
ADDED = {
    "ticks_per_cycle",
    "trace",
    "load",
    "history",
    "training",
    "inputs",
    "interrupted",
    "reached",
    "buffer_peaks",
    "warmup",
    "golden_accuracy",
    "float_accuracy",
    "conversions",
    "clipped_conversions",
    "formulations",
    "fast_forward",
    "notes",
    "chips",
    "peak_tops",
    "utilisation",
    "neuron_cycles",
    "programming",
    "programming_j",
    "decoding",
    "cache",
    "networks",
}


@pytest.mark.parametrize("options", [[], ["--images", "3"], ["--values", "off"], ["--values", "device"]])
def test_every_key_is_always_there(options: list[str]) -> None:
    summary = printed(*MLP, *options)
    assert set(summary) == CONTRACT | ADDED
    assert summary["schema"] == "imcsim.summary/1"
    assert set(summary["latency_s"]) == {"first", "mean", "p50", "p99", "max"}
    assert set(summary["energy_j"]) == {"total", "by_component", "by_layer"}
    assert set(summary["area_mm2"]) == {"total", "by_component"}
    assert set(summary["power_w"]) == {"mean", "static", "peak"}


def test_what_does_not_apply_is_null() -> None:
    summary = printed(*MLP, "--values", "off")
    empty = {name for name, value in summary.items() if value is None}
    assert empty == {
        "initiation_interval_cycles", "history", "inputs", "accuracy", "golden_accuracy", "float_accuracy",
        "outputs_match_golden", "conversions", "clipped_conversions", "formulations", "fast_forward", "trace",
        "training", "decoding", "cache",
        "neuron_cycles", "programming", "programming_j", "load", "networks",
    }  # fmt: skip
    assert summary["compile_s"] == 0


def test_a_run_with_device_values_tells_what_its_converters_did_and_how_it_was_computed() -> None:
    ideal, device = (printed(*MLP, "--images", "2", "--values", mode) for mode in ("ideal", "device"))
    assert {ideal[key] for key in ("conversions", "clipped_conversions", "formulations")} == {None}
    assert device["conversions"] == 2 * (64 + 32 + 10)
    assert device["clipped_conversions"] == 0
    assert {layer["method"] for layer in device["formulations"].values()} == {"bit planes"}
    assert all("can clip or round" in layer["reason"] for layer in device["formulations"].values())
    assert device["cycles"] == ideal["cycles"]
    assert device["fingerprint"] != ideal["fingerprint"]
    clipping = ["--set", "core.adc.range=fixed", "--set", "core.adc.lsb=1"]
    assert printed(*MLP, "--values", "device", *clipping)["clipped_conversions"] > 0


def test_device_values_on_exact_converters_are_golden() -> None:
    parts = {"core.crossbar.encoding": "flip", "core.crossbar.input_form": "bit-serial", "core.adc.bits": 16}
    settings = [option for path, value in parts.items() for option in ("--set", f"{path}={value}")]
    summary = printed(*MLP, "--values", "device", *settings)
    assert summary["outputs_match_golden"] is True
    assert {layer["method"] for layer in summary["formulations"].values()} == {"plain product"}


def test_a_run_reports_its_values_and_where_they_come_from() -> None:
    run = imcsim.run("digits-mlp", "dataflow", images=50)
    s = run.summary
    assert s["outputs_match_golden"] is True
    assert s["inputs"].startswith("first 50 of digits: ")
    assert s["accuracy"] == s["golden_accuracy"]
    assert min(s["accuracy"], s["float_accuracy"]) > 0.9
    assert run.outputs is not None
    assert run.outputs.shape == (50, 10, 1, 1)
    assert run.outputs.dtype.name == "float32"


def test_both_splits_of_the_energy_sum_to_the_total() -> None:
    s = printed(*MLP, "--images", "2")
    for split in ("by_component", "by_layer"):
        assert math.fsum(s["energy_j"][split].values()) == pytest.approx(s["energy_j"]["total"], rel=1e-12)
    assert math.fsum(s["area_mm2"]["by_component"].values()) == pytest.approx(s["area_mm2"]["total"])


def test_states_of_a_unit_sum_to_the_makespan() -> None:
    run = imcsim.run("digits-mlp", "dataflow", images=2)
    assert len(run.units) == run.summary["units"]
    assert {sum(unit.cycles.values()) for unit in run.units} == {run.summary["cycles"]}


def test_one_image_alone_sets_the_throughput() -> None:
    s = printed(*MLP)
    assert s["throughput_per_s"] == pytest.approx(1 / s["time_s"])
    assert s["tops_per_w"] == pytest.approx(2 * s["macs"] / s["energy_j"]["total"] / 1e12)
    assert len(set(s["latency_s"].values())) == 1


def machine_run(accepted: list[int], completed: list[int], makespan: int) -> MachineRun:
    """Return a run at 1 GHz with two ticks a cycle that spent 6 J on 3 mm2."""
    clocks = synchronise([clock_of("core", 10**9), clock_of("link", 2 * 10**9)])
    outcome = Outcome(
        makespan=makespan,
        reference=clocks["core"],
        accounts=(),
        energy=EnergyReport(6.0, {"adc": 6.0}, {"shared": 6.0}, {}),
        area=AreaReport(3.0, {"adc": 3.0}),
        events=0,
        wall_s=0.0,
        activity=None,
    )
    return MachineRun(outcome, accepted, completed, None, 0, {})


ACCEPTED, COMPLETED, MAKESPAN = [0, 20, 40, 60], [100, 140, 200, 240], 240
TICK = Fraction(1, 2 * 10**9)


def test_metrics_of_a_stream_are_those_worked_out_by_hand() -> None:
    stream = stream_metrics(machine_run(ACCEPTED, COMPLETED, MAKESPAN), warmup=0)
    assert stream.interval == 20  # median of 40, 60 and 40 ticks
    assert stream.latency["first"] == pytest.approx(float(100 * TICK))
    assert stream.latency["mean"] == pytest.approx(float(140 * TICK))  # of 100, 120, 160, 180
    assert stream.latency["p50"] == pytest.approx(float(140 * TICK))
    assert stream.latency["p99"] == pytest.approx(float(Fraction("179.4") * TICK))
    assert stream.latency["max"] == pytest.approx(float(180 * TICK))
    assert stream.throughput == pytest.approx(1 / float(40 * TICK))


def test_requests_that_come_over_time_have_the_rate_of_those_that_were_done() -> None:
    """Two bursts of two: the median gap is that within a burst, of which nothing follows for a second."""
    completed = [100, 110, 400, 410]
    line = RequestTimes("mlp", [0, 0, 300, 300], [0, 10, 300, 310], completed, 20, 1)
    run = replace(machine_run([0, 10, 300, 310], completed, 410), load=LoadReport((line,), 420))
    stream = stream_metrics(run, warmup=0)
    assert stream.interval == 5  # median of 10, 290 and 10 ticks
    assert stream.throughput == pytest.approx(3 / float(310 * TICK))
    assert rates(run, stream, macs=7)["tops"] == pytest.approx(14e-12 * 3 / float(310 * TICK))
    assert stream_metrics(run, warmup=2).throughput == pytest.approx(1 / float(10 * TICK))
    assert stream_metrics(run, warmup=3).throughput == pytest.approx(1 / float(10 * TICK))  # the window


def test_an_image_whose_outputs_need_none_of_its_pixels_has_no_latency() -> None:
    stream = stream_metrics(machine_run([0, 60], [10, 40], 60), warmup=0)
    assert (stream.latency["first"], stream.latency["max"]) == (float(10 * TICK), float(10 * TICK))
    assert stream.latency["mean"] == pytest.approx(float(5 * TICK))


def test_what_comes_at_once_has_the_rate_of_its_window_and_what_takes_no_time_has_none() -> None:
    together = stream_metrics(machine_run([0, 0], [40, 40], 40), warmup=0)
    assert together.interval == 0
    assert together.throughput == pytest.approx(1 / float(20 * TICK))
    run = machine_run([0, 0], [0, 0], 0)
    stream = stream_metrics(run, warmup=0)
    assert stream.throughput is None
    found = rates(run, stream, macs=1)
    assert (found["tops"], found["tops_per_mm2"], found["power_w"]["mean"]) == (None, None, None)


def test_a_warmup_leaves_the_first_images_out_of_all_times_and_rates() -> None:
    run = machine_run(ACCEPTED, COMPLETED, MAKESPAN)
    stream = stream_metrics(run, warmup=2)
    assert stream.interval == 20  # the one gap between the last two
    assert stream.latency["first"] == pytest.approx(float(160 * TICK))
    assert stream.window == pytest.approx(float(100 * TICK))  # from the second image's completion to the end
    power = rates(run, stream, macs=1)["power_w"]["mean"]
    assert power == pytest.approx(6.0 * 2 / 4 / float(100 * TICK))


def test_a_warmup_that_leaves_one_image_has_no_interval() -> None:
    stream = stream_metrics(machine_run(ACCEPTED, COMPLETED, MAKESPAN), warmup=3)
    assert stream.interval is None
    assert stream.throughput == pytest.approx(1 / float(40 * TICK))


def test_rates_of_training_are_those_of_whole_batches_with_their_updates() -> None:
    """Batches of two images, 40 ticks apart, that are updated in 20 ticks and then fill the pipeline anew."""
    run = replace(
        machine_run([0, 40, 160, 200], [100, 140, 260, 300], 320),
        training=TrainingReport([160, 320], 16, 1, {}, None),
    )
    stream = stream_metrics(run, warmup=0)
    assert stream.interval == 40  # 320 ticks, two a cycle, for four images
    assert stream.throughput == pytest.approx(4 / float(320 * TICK))
    assert rates(run, stream, macs=1)["power_w"]["mean"] == pytest.approx(6.0 / float(320 * TICK))
    behind = stream_metrics(run, warmup=2)  # the first batch
    assert behind.interval == 40
    assert behind.window == pytest.approx(float(160 * TICK))
    assert behind.throughput == pytest.approx(stream.throughput)
    assert rates(run, behind, macs=1)["power_w"]["mean"] == pytest.approx(6.0 / float(320 * TICK))


def test_rates_are_throughput_and_operations_per_joule_and_area() -> None:
    run = machine_run(ACCEPTED, COMPLETED, MAKESPAN)
    stream = stream_metrics(run, warmup=0)
    r = rates(run, stream, macs=1000)
    assert stream.throughput is not None
    assert r["tops"] == pytest.approx(2 * 1000 * stream.throughput / 1e12)
    assert r["power_w"]["mean"] == pytest.approx(6.0 / float(240 * TICK))
    assert r["tops_per_w"] == pytest.approx(2 * 1000 * len(COMPLETED) / 6.0 / 1e12)
    assert r["tops_per_mm2"] == pytest.approx(r["tops"] / 3.0)


@pytest.mark.parametrize(
    ("arch", "chips", "peak_tops", "static"),
    [
        ("dataflow", 1, 3 * 2 * 256 * 256 / 130e-9 / 1e12, 0.0),
        # of 168 x 12 x 8 arrays, each of 128 x 16 weights, in 16 cycles of 100 ns
        ("isaac", 1, 2 * 168 * 12 * 8 * 128 * 16 / 1600e-9 / 1e12, 10.4),
    ],
)
def test_a_peak_is_that_of_full_arrays_on_whole_chips(
    arch: str, chips: int, peak_tops: float, static: float
) -> None:
    s = printed("run", "digits-mlp", "--arch", arch, "--values", "off", "--images", "2")
    assert s["chips"] == chips
    assert s["peak_tops"] == pytest.approx(peak_tops)
    assert s["utilisation"] == pytest.approx(s["tops"] / peak_tops)
    assert s["power_w"]["static"] == pytest.approx(static)


def test_peak_power_is_that_of_the_most_that_works_at_once_and_needs_a_recording() -> None:
    runs = [
        imcsim.run("digits-mlp", "isaac", values="off", images=2, record=record) for record in (True, False)
    ]
    power, unrecorded = (run.summary["power_w"] for run in runs)
    assert {**power, "peak": None} == unrecorded
    ticks = bin_edges(0, runs[0].recorded.makespan, runs[0].recorded.makespan)
    watts = power_over_time(runs[0].recorded, runs[0].parts, ticks, by_family).watts.sum(axis=0)
    assert power["peak"] == pytest.approx(watts.max())
    assert power["static"] < power["mean"] < power["peak"]


def test_arrays_that_are_full_and_never_rest_are_all_in_use() -> None:
    layers = [
        Input(name="x", shape=(256, 32, 32)),
        Conv2d(name="c", out_channels=256, window=Window.square(1)),
    ]
    s = imcsim.run(Network("full", layers), "dataflow", images=2, values="off").summary
    assert s["initiation_interval_cycles"] == 1024 * 130
    assert s["utilisation"] == pytest.approx(1.0)


def test_no_buffer_ever_holds_more_than_its_slots() -> None:
    settings = ["buffers.rule=minimum"]
    peaks = imcsim.run("digits-resnet", "dataflow", images=3, values="off", settings=settings).summary[
        "buffer_peaks"
    ]
    slots = {
        f"core[{row.stage}].memory.pixel_in[{place}]": depth
        for row in imcsim.map_workload("digits-resnet", "dataflow", settings=settings).rows
        for place, (_, depth, _) in enumerate(row.buffers)
    }
    assert peaks.keys() == slots.keys()
    assert all(1 <= peak <= (slots[path] or 0) for path, peak in peaks.items())
    assert peaks["core[block1-conv2].memory.pixel_in[0]"] >= 17  # two lines of 8 pixels and one make a window
