"""Beat by beat: the published formulas, lateness, values, and what a run must not depend on."""

from dataclasses import replace
from math import ceil
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch import MachineRun
from arch.machines.pipelayer import PipeLayerConfig
from tests.arch.dataflow_bench import quantized, residual, tangles
from tests.arch.isaac.isaac_bench import convolution, mlp, starts
from tests.arch.pipelayer.pipelayer_bench import SLOT, WRITE, Bench, bench, pipelayer_settings
from tests.arch.test_dataflow import drawn, same
from tests.strategies import NetworkCase, networks
from workloads import Conv2d, Layer, Network, Window, lower


def outputs_of(run: MachineRun) -> np.ndarray[Any, Any]:
    assert run.outputs is not None
    return run.outputs


# -- the published formulas ----------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 7), st.integers(1, 9))
def test_images_take_as_many_beats_as_there_are_and_as_layers_less_one(levels: int, images: int) -> None:
    subject = bench(mlp(*range(9, 9 + levels + 1)))
    run, beat = subject.run(images), 16 * SLOT + 4 * WRITE
    assert subject.placed.beat == beat
    assert run.completed == [(image + levels) * beat for image in range(images)]  # N + L - 1 in all
    assert run.accepted == [image * beat for image in range(images)]


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 7), st.integers(1, 9))
def test_without_a_pipeline_each_image_takes_a_beat_a_layer(levels: int, images: int) -> None:
    subject = bench(mlp(*range(9, 9 + levels + 1)), {"pipeline": "none"})
    run = subject.run(images)
    assert run.completed == [
        (image + 1) * levels * subject.placed.beat for image in range(images)
    ]  # N L in all
    assert run.accepted == [image * levels * subject.placed.beat for image in range(images)]


@settings(deadline=None, max_examples=60)
@given(tangles(), pipelayer_settings(), st.integers(1, 5))
def test_any_graph_keeps_the_formulas_with_its_longest_way_for_layers(
    network: Network, machine: dict[str, Any], images: int
) -> None:
    placed = (subject := bench(network, machine)).placed
    run = subject.run(images)
    each = placed.levels if machine["pipeline"] == "none" else 1
    assert run.completed == [(placed.levels + image * each) * placed.beat for image in range(images)]
    for layer in placed.layers.values():
        held = max(tensor.images for tensor in layer.stored)
        pixels = sum(tensor.shape[1] * tensor.shape[2] for tensor in layer.stored)
        assert run.peaks[f"layer[{layer.name}].memory"] <= held * pixels


def test_layers_begin_with_the_beat_and_wait_for_it_by_name() -> None:
    """Two layers of 8 and of 2 steps: the second one works for a part of its beat, and waits for the rest."""
    layers: list[Layer] = [Conv2d(name="fast", out_channels=1, window=Window.square(1))]
    layers += [Conv2d(name="slow", out_channels=1, window=Window.square(1))]
    case = drawn(*layers, shape=(1, 4, 4))
    machine = {"layers": {"fast": {"replication": 8}, "slow": {"replication": 2}}}
    subject = bench(case.network, machine)
    run = subject.run(2, record=True)
    beat = 8 * 16 * SLOT + 4 * WRITE
    assert subject.placed.beat == beat
    fast, slow = (starts(run, f"layer[{name}].arrays", "busy:mvm") for name in ("fast", "slow"))
    step = 16 * SLOT
    assert fast.tolist() == [0, step, beat, beat + step]
    assert slow.tolist() == [image * beat + k * step for image in (1, 2) for k in range(8)]
    written = starts(run, "layer[slow].memory", "busy:write")
    assert written.tolist() == [start + step for start in slow.tolist()]  # while arrays do the next step
    accounts = {account.path: account.ticks for account in run.outcome.accounts}
    waited = accounts["layer[slow].sequencer"]["wait-resource:beat"]
    assert waited == beat - (2 * step + 4 * WRITE)  # the first image came early, the second one is waited for


# -- lateness ------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 5), st.integers(1, 6), st.integers(1, 40_000))
def test_a_layer_that_does_not_end_within_the_beat_is_a_whole_number_of_beats_late(
    levels: int, images: int, beat: int
) -> None:
    """With a beat too short for any layer each takes several: the formulas hold with those as the beat."""
    subject = bench(mlp(*range(9, 9 + levels + 1))).with_beat(beat)
    several = ceil((16 * SLOT + 4 * WRITE) / beat) * beat
    assert subject.run(images).completed == [(image + levels) * several for image in range(images)]


@settings(deadline=None, max_examples=30)
@given(networks(), pipelayer_settings(), st.integers(1, 100))
def test_lateness_corrupts_no_value(case: NetworkCase, machine: dict[str, Any], percent: int) -> None:
    integers = quantized(case, 16, 16)
    if not integers.network.lowered.nodes:
        return
    subject = bench(integers.network.lowered, machine)
    late = subject.with_beat(max(1, subject.placed.beat * percent // 100))
    run = late.run(len(case.images), integers.values)
    assert np.array_equal(outputs_of(run), integers.expected)
    assert all(tick % late.placed.beat == 0 for tick in (*run.completed, *run.accepted))


def blocked(run: MachineRun, path: str) -> int:
    return next(a.ticks for a in run.outcome.accounts if a.path == path).get("blocked-output:sums_out", 0)


def test_too_few_subarrays_set_the_beat_and_are_named_as_the_cause() -> None:
    """A step's 32 x 64 results are 64 rows; four subarrays hold an image of 256 pixels: 16 row writes."""
    case = convolution(1, 64, (16, 16))
    layers = {"layers": {"conv": {"replication": 32}}}
    parallel, few = (bench(case, {**layers, "memory": {"subarrays": s}}) for s in ("parallel", "capacity"))
    assert few.placed.layers["conv"].subarrays == 256 * 64 // (128 * 32)
    assert parallel.placed.beat == 8 * 16 * SLOT + 4 * WRITE
    assert few.placed.beat == 16 * SLOT + 8 * 16 * 4 * WRITE
    assert blocked(parallel.run(2), "layer[conv].arrays") == 0
    assert blocked(few.run(2), "layer[conv].arrays") > few.placed.beat


# -- whole networks ------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(networks(), pipelayer_settings())
def test_outputs_are_those_of_the_golden_reference_at_any_width(
    case: NetworkCase, machine: dict[str, Any]
) -> None:
    integers = quantized(case, 16, 16)
    if not integers.network.lowered.nodes:
        return
    subject = bench(integers.network.lowered, machine)
    images = len(case.images)
    run = subject.run(images, integers.values)
    assert np.array_equal(outputs_of(run), integers.expected)
    reference = subject.run(images)
    assert run.outcome.accounts == reference.outcome.accounts  # values change no cycle
    assert run.outcome.energy == reference.outcome.energy


@settings(deadline=None, max_examples=30)
@given(networks(), pipelayer_settings(), st.integers(0, 2**16))
def test_engine_order_recording_and_detail_change_nothing(
    case: NetworkCase, machine: dict[str, Any], seed: int
) -> None:
    if not (network := lower(case.network)).nodes:
        return
    subject = bench(network, machine)
    reference = subject.run(2)
    for options in ({"engine": "stock"}, {"shuffle": seed}, {"record": True}):
        same(subject.run(2, **options), reference)
    other = "group" if machine["detail"] == "array" else "array"
    run = bench(case.network, {**machine, "detail": other}).run(2)
    assert (run.completed, run.macs) == (reference.completed, reference.macs)
    assert run.outcome.energy.by_component == pytest.approx(reference.outcome.energy.by_component)
    assert run.outcome.area == reference.outcome.area


# -- device values -------------------------------------------------------------------------------------------


def device_run(machine: dict[str, Any]) -> tuple[MachineRun, bool]:
    """Run a layer with device values; return whether its outputs are the golden ones, too."""
    conv = Conv2d(name="conv", out_channels=8, window=Window.square(3))
    integers = quantized(drawn(conv, shape=(64, 4, 4), images=2), 16, 16)
    run = bench(integers.network.lowered, machine).run(2, replace(integers.values, device=True))
    return run, np.array_equal(outputs_of(run), integers.expected)


def test_counters_lose_nothing_unless_they_are_narrower_than_the_largest_sum() -> None:
    """128 rows of cells of at most 15: sums up to 1920, for which 11 bits will do."""
    run, golden = device_run({})
    assert golden
    assert run.arrays is not None
    assert run.arrays.clipped == 0
    assert run.arrays.conversions == run.outcome.energy.actions["layer[conv].counter"]["conversion"]
    assert device_run({"counter": {"bits": 11}})[1]
    assert not device_run({"counter": {"bits": 10}})[1]


def test_cells_with_noise_change_outputs_but_no_cycle() -> None:
    run, golden = device_run({"array": {"device": {"kind": "rram"}}})
    assert not golden
    assert run.completed == device_run({})[0].completed


def test_wires_that_resist_change_outputs() -> None:
    run, golden = device_run({"array": {"wires": {"bitline": 1e-3}}})
    assert not golden
    assert run.completed == device_run({})[0].completed


def test_copies_of_a_layer_have_cells_of_their_own() -> None:
    noisy = {"array": {"device": {"kind": "rram"}}}
    outputs = [
        outputs_of(device_run({**noisy, "layers": {"conv": {"replication": copies}}})[0])
        for copies in (1, 1, 2)
    ]
    assert np.array_equal(outputs[0], outputs[1])
    assert not np.array_equal(outputs[0], outputs[2])


# -- energy and area -----------------------------------------------------------------------------------------


def test_energy_is_that_of_spikes_that_read_and_spikes_that_write() -> None:
    run = bench(mlp(256, 32)).run(3)  # 2 blocks, of 8 arrays
    row_slots, cell_writes = 3 * 256 * 8 * 16, 3 * 32 * 4
    assert run.outcome.energy.actions["layer[fc0].arrays"]["row slot"] == row_slots
    assert run.outcome.energy.actions["layer[fc0].memory"] == {"write": 3, "cell write": cell_writes}
    found = run.outcome.energy.by_component
    assert found["crossbar"] == pytest.approx(row_slots * 1.08e-12)
    assert found["memory"] == pytest.approx(cell_writes * 3.91e-9)
    assert run.outcome.energy.total == pytest.approx(found["crossbar"] + found["memory"])
    bits = bench(mlp(256, 32), {"memory": {"writes": "bits"}}).run(3)
    assert bits.outcome.energy.by_component["memory"] == pytest.approx(4 * found["memory"])


def test_energy_of_parts_that_the_paper_does_not_split_is_none_unless_it_is_given() -> None:
    machine = {"array": {"cell_energy_fj": 2.0}, "counter": {"energy_pj": 3.0}}
    run = bench(mlp(256, 32), machine).run()
    products = 8 * 256 * 32 * 16
    found, usual = (r.outcome.energy.by_component for r in (run, bench(mlp(256, 32)).run()))
    assert found["crossbar"] - usual["crossbar"] == pytest.approx(products * 2e-15)
    assert found["adc"] == pytest.approx(2 * 8 * 32 * 16 * 3e-12)


def test_area_is_that_of_whole_chips() -> None:
    def mm2(subject: Bench) -> float:
        return subject.run().outcome.area.total

    assert mm2(bench(mlp(784, 512, 512, 10))) == pytest.approx(82.63)
    assert mm2(bench(mlp(784, 512, 512, 10), {"blocks": 20})) == pytest.approx(3 * 82.63)
    parts = {"blocks": 1, "array": {"area_mm2": 0.5}, "counter": {"area_mm2": 0.001}}
    assert mm2(bench(mlp(4, 4), parts)) == pytest.approx(82.63 + 8 * (0.5 + 128 * 0.001))


def test_a_residual_is_added_beats_later() -> None:
    layers = residual(3, 3, shape=(2, 4, 4)).layers.values()
    integers = quantized(drawn(*list(layers)[1:], shape=(2, 4, 4)), 16, 16)
    run = bench(integers.network.lowered).run(5, integers.values)
    assert np.array_equal(outputs_of(run), integers.expected)


def test_defaults_are_the_published_ones() -> None:
    config = PipeLayerConfig()
    assert (config.array.rows, config.array.cols, config.array.cell_bits) == (128, 128, 4)
    assert config.encoding.slices == 4
    assert config.arrays_per_block == 8
