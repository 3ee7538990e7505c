"""Every way to lay weights on arrays gives the same values, in the time that the recurrence says."""

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch import MachineRun, Values
from arch.mapping.stages import Stage
from simcore import ConfigError, MappingError
from tests.arch.dataflow_bench import (
    bench,
    chain,
    machine_settings,
    quantized,
    residual,
    tangles,
    weight_mappings,
)
from tests.arch.pipeline_recurrence import Recurrence, reads_of
from tests.strategies import NetworkCase, networks, random_parameters
from workloads import Conv2d, Input, Linear, MatrixNode, Network, Window, lower


@given(networks(max_images=3), machine_settings(), st.data())
@settings(max_examples=150, deadline=None)
def test_values_are_golden_in_the_cycles_of_the_recurrence_however_weights_lie(
    case: NetworkCase, machine: dict[str, Any], data: st.DataObject
) -> None:
    """Nothing is lost, doubled or late: outputs, completions and buffers tell."""
    network = lower(case.network)
    if not network.nodes:
        return
    machine = {**machine, **data.draw(weight_mappings(network, machine["core"]["crossbar"]["rows"]))}
    q = quantized(case)
    subject, images = bench(network, machine), len(q.expected)
    run = subject.run(images, q.values)
    assert run.outputs is not None
    assert np.array_equal(run.outputs, q.expected)
    expected = Recurrence(subject.machine.config, subject.placed, images)
    assert run.completed == expected.completed
    assert list(run.peaks.values()) == list(expected.peaks.values())
    assert run.macs == images * network.macs


@given(networks(max_images=2), st.integers(0, 2**16), st.data())
@settings(max_examples=60, deadline=None)
def test_copies_engines_and_details_change_no_value_however_weights_lie(
    case: NetworkCase, seed: int, data: st.DataObject
) -> None:
    network = lower(case.network)
    if not network.nodes:
        return
    mapping = data.draw(weight_mappings(network, 16))
    for layer in mapping["layers"].values():
        layer["replication"] = data.draw(st.integers(1, 4))
    machine = {
        **mapping,
        "columns_per_weight": data.draw(st.sampled_from([1, 4])),
        "input_pixels_per_cycle": data.draw(st.none() | st.integers(1, 3)),
        "core": {
            "crossbar": {"rows": 16, "cols": 32},
            "memory": {"kind": data.draw(st.sampled_from(["activation-memory", "direct-memory"]))},
        },
        "buffers": {"rule": data.draw(st.sampled_from(["minimum", "lines:K+1", "full", "unbounded"]))},
    }
    q = quantized(case)
    images = len(q.expected)
    run = bench(network, machine).run(images, q.values)
    assert run.outputs is not None
    assert np.array_equal(run.outputs, q.expected)
    assert run.macs == images * network.macs
    stock = bench(network, machine).run(images, engine="stock", shuffle=seed)
    group = bench(network, {**machine, "detail": "group"}).run(images)
    assert run.completed == stock.completed == group.completed
    assert run.outcome.accounts == stock.outcome.accounts


def steps_for_an_image(stages: Sequence[Stage]) -> dict[str, int]:
    """Return how many steps of each stage an image's output waits for, not those of what crops leave out."""
    sent = {stage.name: 0 for stage in stages} | {stages[-1].name: stages[-1].pixels}
    steps = {}
    for stage in reversed(stages):
        pixels = sent[stage.name]
        steps[stage.name] = int(stage.finishing_steps[pixels - 1]) + 1 if pixels else 0
        for operand in stage.operands:
            needed = int(operand.firing.need[steps[stage.name] - 1]) if pixels else 0
            sent[operand.source] = max(sent.get(operand.source, 0), needed)
    return steps


@given(networks(max_images=2), machine_settings(), st.data())
@settings(max_examples=60, deadline=None)
def test_no_run_is_shorter_than_the_steps_of_any_of_its_layers(
    case: NetworkCase, machine: dict[str, Any], data: st.DataObject
) -> None:
    """The ideal schedule: a layer's products one behind the other, ceil(OW / m) for each row of its map."""
    network = lower(case.network)
    if not network.nodes:
        return
    mapping = data.draw(weight_mappings(network, machine["core"]["crossbar"]["rows"]))
    subject = bench(network, {**machine, **mapping})
    product = machine["core"]["crossbar"]["mvm_cycles"] * reads_of(subject.machine.config)
    makespan = subject.run(2).outcome.makespan
    last_image = steps_for_an_image(subject.placed.stages)
    for row in subject.placed.rows:
        node = network[row.stage]
        if isinstance(node, MatrixNode):
            pixels = min(mapping["layers"][row.stage]["pixels_per_step"], node.shape[2])
            assert row.pixels_per_step == pixels
            assert row.steps == node.shape[1] * ceil(node.shape[2] / pixels)
            if last_image[row.stage]:
                assert makespan >= (row.steps + last_image[row.stage]) * product


@given(tangles(), machine_settings(), st.data())
@settings(max_examples=100, deadline=None)
def test_branches_of_any_lag_never_deadlock_however_weights_lie(
    graph: Network, machine: dict[str, Any], data: st.DataObject
) -> None:
    """Pixels come in bursts then, and joins wait for the slowest of their branches."""
    network = lower(graph)
    machine = {**machine, **data.draw(weight_mappings(network, machine["core"]["crossbar"]["rows"]))}
    subject = bench(network, machine)
    run, expected = subject.run(2), Recurrence(subject.machine.config, subject.placed, 2)
    assert run.completed == expected.completed
    assert list(run.peaks.values()) == list(expected.peaks.values())


# -- closed forms --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("pixels", "steps"), [(1, 64), (2, 32), (3, 24), (8, 8), (100, 8)])
def test_images_follow_at_the_steps_of_rows_cut_into_pixels(pixels: int, steps: int) -> None:
    """OH x ceil(OW / m) products an image; a row of 8 pixels has no more than 8 to give at once."""
    network = chain(Window.square(3, padding=1), shape=(2, 8, 8))
    machine = {"mapping": {"pixels_per_step": pixels}, "input_pixels_per_cycle": 1}
    subject = bench(network, machine)
    assert subject.placed.interval is not None
    assert subject.placed.interval.steps == steps
    run = subject.run(3)
    assert run.completed[2] - run.completed[1] == steps * 130


def test_pixels_of_a_step_leave_one_after_the_other() -> None:
    """Four pixels of 5 channels on 2 lanes take three passes each behind one product."""
    network = chain(Window.square(1), shape=(1, 1, 4), channels=5)
    core = {"digital": {"lanes": 2, "pass_cycles": 7}}
    machine = {"core": core, "mapping": {"pixels_per_step": 4}, "input_pixels_per_cycle": 4}
    assert bench(network, machine).run().completed == [1 + 4 + 130 + 4 * 3 * 7 + 1]


def test_cells_between_the_copies_are_read_and_their_products_count_for_nothing() -> None:
    """Rows of 5 pixels, 3 a step: 2 products a row, of 4 + 2 copies' work where cells are of 6."""
    network = chain(Window.square(3, padding=1), shape=(2, 4, 5), channels=3)
    subject = bench(network, {"mapping": {"pixels_per_step": 3}})
    run = subject.run(2)
    (row,) = subject.placed.rows
    assert (row.rows, row.cols, row.steps, row.arrays) == (2 * 3 * 5, 9, 8, 1)
    assert row.utilisation == pytest.approx(3 * 18 * 3 / 256**2)
    actions = run.outcome.energy.actions
    assert actions["core[conv0].crossbar[0,0]"]["cell read"] == 2 * 8 * 30 * 9
    assert actions["core[conv0].adc[0,0]"]["conversion"] == 2 * 8 * 9
    assert actions["core[conv0].digital"]["finish"] == 2 * 20
    assert run.macs == 2 * 20 * 18 * 3 == 2 * subject.placed.network.macs


def test_a_window_of_several_pixels_reads_their_columns_once() -> None:
    """Rows of 8 pixels, 2 a step: 4 columns, then 2 more for each of the other steps."""
    network = chain(Window.square(3, padding=1), shape=(5, 8, 8))
    memory = (
        bench(network, {"mapping": {"pixels_per_step": 2}}).run().outcome.energy.actions["core[conv0].memory"]
    )
    assert memory["byte read"] == 8 * (4 + 3 * 2) * 3 * 5
    assert memory["byte written"] == 64 * 5


@pytest.mark.parametrize("rule", ["full", "unbounded"])
def test_residual_blocks_of_several_pixels_a_step_keep_their_pace(rule: str) -> None:
    """Rows of 8 pixels in steps of 4 are 2 steps a row."""
    machine = {
        "mapping": {"pixels_per_step": 4},
        "buffers": {"rule": rule},
        "input_pixels_per_cycle": 1,
        "core": {"memory": {"column_cycles": 0}, "digital": {"pass_cycles": 0}},
    }
    run = bench(residual(3, 3, shape=(4, 8, 8)), machine).run(4)
    assert run.completed[3] - run.completed[2] == 8 * 2 * 130


# -- device values -------------------------------------------------------------------------------------------


def drawn(seed: int = 0) -> NetworkCase:
    rng = np.random.default_rng(seed)
    layers = [
        Input(name="image", shape=(2, 7, 7)),
        Conv2d(name="conv", out_channels=4, window=Window.square(3, stride=2, padding=1)),
        Conv2d(name="grouped", out_channels=4, window=Window.square(3, padding=1), groups=2),
        Linear(name="fc", out_features=3),
    ]
    parameters = random_parameters(Network("drawn", layers), rng)
    network = Network("drawn", layers, parameters=lambda: parameters)
    return NetworkCase(network, rng.normal(size=(2, 2, 7, 7)).astype(np.float32))


def device_run(machine: dict[str, Any], **options: Any) -> tuple[MachineRun, Any]:
    """Return a run with device values, and its outputs."""
    q = quantized(drawn())
    values = Values(q.network, q.values.codes, device=True, seed=3)
    run = bench(q.network.lowered, machine).run(2, values, **options)
    return run, run.outputs


@pytest.mark.parametrize("encoding", ["signed", "offset", "differential", "flip"])
@pytest.mark.parametrize(
    "mapping", [{"pixels_per_step": 3}, {"rows": "channel-aligned", "pixels_per_step": 2}]
)
def test_fine_converters_give_golden_values_with_several_pixels_a_step(
    mapping: dict[str, Any], encoding: str
) -> None:
    crossbar = {"rows": 40, "cols": 40, "encoding": encoding, "input_form": "bit-serial"}
    _, outputs = device_run(
        {
            "core": {"crossbar": crossbar, "adc": {"bits": 16, "range": "full"}},
            "mapping": mapping,
            "layers": {"fc": {"rows": "dense"}},
        }
    )
    assert np.array_equal(outputs, quantized(drawn()).expected)


def test_real_cells_give_the_same_values_on_both_engines_with_several_pixels_a_step() -> None:
    """Also with converters calibrated on windows as wide as those of the steps."""
    core = {
        "crossbar": {"rows": 40, "cols": 40, "device": {"kind": "pcm"}},
        "adc": {"range": "calibrated"},
    }
    machine = {"core": core, "mapping": {"pixels_per_step": 3}, "layers": {"conv": {"replication": 2}}}
    runs = [
        device_run({**machine, **change}, **options)
        for change, options in (
            ({}, {}),
            ({}, {"engine": "stock"}),
            ({}, {"shuffle": 5}),
            ({"buffers": {"rule": "full"}}, {}),
        )
    ]
    for _, outputs in runs[1:]:
        assert np.array_equal(outputs, runs[0][1])
    charges = [sum(a.get("cell charge", 0) for a in r.outcome.energy.actions.values()) for r, _ in runs]
    assert len(set(charges)) == 1


# -- errors --------------------------------------------------------------------------------------------------


def test_what_does_not_go_together_is_refused_before_the_run() -> None:
    gaps = chain(Window.square(3, dilation=2))
    with pytest.raises(
        MappingError, match=r"conv0 cannot give 2 pixels a step.*layers\.conv0\.pixels_per_step=1"
    ):
        bench(gaps, {"mapping": {"pixels_per_step": 2}})
    bench(gaps, {"mapping": {"pixels_per_step": 2}, "layers": {"conv0": {"pixels_per_step": 1}}}).run()
    with pytest.raises(ConfigError, match=r"pixels_per_step must be .*1.* got 0"):
        bench(gaps, {"mapping": {"pixels_per_step": 0}})
    with pytest.raises(MappingError, match=r"conv0 has 9 rows for a channel, but an array has 8"):
        bench(
            chain(Window.square(3)),
            {"mapping": {"rows": "channel-aligned"}, "core": {"crossbar": {"rows": 8}}},
        )
