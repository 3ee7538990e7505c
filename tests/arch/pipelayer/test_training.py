"""Training on PipeLayer: the published formulas, memory, values, costs, and what a run must not depend on."""

from dataclasses import replace
from fractions import Fraction
from math import ceil
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from arch.machines.pipelayer import training_chips
from arch.machines.pipelayer.training_plan import beats_of, buffers_of
from simcore import MappingError
from simcore.errors import ConfigError, WorkloadError
from tests.arch.pipelayer.pipelayer_bench import SLOT, WRITE, pipelayer_settings
from tests.arch.pipelayer.training_bench import equals_reference, report_of, training_bench
from tests.workloads.training.chains import chain, digits_conv, mlp
from workloads import Activation, Conv2d, Layer, Linear, MaxPool2d, Network, Window, networks
from workloads.training import fixed_training


def layers(levels: int) -> Network:
    """Return so many fully connected layers, the last one of ten outputs."""
    return mlp([*range(12, 11 + levels), 10])


@st.composite
def windows(draw: st.DrawFn, size: tuple[int, int]) -> Window:
    """Draw a window of any form that fits into maps of a size and sees at least a pixel wherever it is."""
    kernel = draw(st.tuples(*(st.integers(1, min(3, side)) for side in size)))
    fits = [side >= 2 * k - 1 for side, k in zip(size, kernel, strict=True)]
    return Window(
        kernel=kernel,
        stride=draw(st.tuples(st.integers(1, 2), st.integers(1, 2))),
        padding=draw(st.tuples(*(st.integers(0, k - 1) for k in (*kernel, *kernel)))),
        dilation=draw(st.tuples(*(st.integers(1, 1 + fit) for fit in fits))),
    )


@st.composite
def chains(draw: st.DrawFn) -> Network:
    """Draw convolutions of any window, ReLUs and pools over maps of any shape, with a classifier behind."""
    found: list[Layer] = []
    shape = draw(st.tuples(st.integers(1, 3), st.integers(1, 8), st.integers(1, 8)))
    size = shape[1:]
    for number in range(draw(st.integers(0, 2))):
        window = draw(windows(size))
        out, biased = draw(st.integers(1, 4)), draw(st.booleans())
        found.append(Conv2d(name=f"conv{number}", out_channels=out, window=window, bias=biased))
        size = window.output_size(size)
        if draw(st.booleans()):
            found.append(Activation(name=f"relu{number}", function="relu"))
        if draw(st.booleans()):
            pool = replace(draw(windows(size)), dilation=(1, 1))
            found.append(MaxPool2d(name=f"pool{number}", window=pool))
            size = pool.output_size(size)
    for number in range(draw(st.integers(0, 2))):
        biased = draw(st.booleans())
        found.append(Linear(name=f"fc{number}", out_features=draw(st.integers(1, 9)), bias=biased))
        if draw(st.booleans()):
            found.append(Activation(name=f"fc-relu{number}", function="relu"))
    return chain(*found, Linear(name="last", out_features=draw(st.integers(2, 10))), shape=shape)


#: Some fill neither an array nor a run, others both.
BATCHES = st.integers(1, 9) | st.integers(10, 60)


# -- the published formulas ----------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [1, 3, 6])
@pytest.mark.parametrize(("images", "batch"), [(1, 1), (8, 1), (8, 4), (16, 16), (64, 32)])
def test_a_batch_takes_twice_the_layers_its_images_and_one_beat(levels: int, images: int, batch: int) -> None:
    subject = training_bench(layers(levels), batch=batch)
    run, beat = subject.run(images), subject.placed.beat
    assert report_of(run).beats == images // batch * (2 * levels + batch + 1)
    assert beat == 16 * SLOT + 4 * WRITE
    length = (2 * levels + batch + 1) * beat
    assert report_of(run).updates == [(number + 1) * length for number in range(images // batch)]
    starts = [image // batch * length + image % batch * beat for image in range(images)]
    assert run.accepted == starts
    assert run.completed == [start + (2 * levels + 1) * beat for start in starts]


@pytest.mark.parametrize("levels", [1, 3, 6])
@pytest.mark.parametrize(("images", "batch"), [(1, 1), (8, 1), (8, 4), (16, 16)])
def test_without_a_pipeline_each_image_goes_all_the_way_alone(levels: int, images: int, batch: int) -> None:
    subject = training_bench(layers(levels), {"pipeline": "none"}, batch=batch)
    run = subject.run(images)
    beats = (2 * levels + 1) * images + images // batch
    assert report_of(run).beats == beats
    assert report_of(run).updates[-1] == beats * subject.placed.beat


@settings(deadline=None, max_examples=40)
@given(chains(), pipelayer_settings(), st.integers(1, 20), BATCHES, st.data())
def test_any_chain_keeps_the_formulas_and_equals_the_reference(
    network: Network, machine: dict[str, Any], images: int, batch: int, data: st.DataObject
) -> None:
    rule = {
        "loss": data.draw(st.sampled_from(("softmax", "squared"))),
        "rows_written": data.draw(st.sampled_from((1, 128))),
        "headroom_bits": data.draw(st.integers(0, 5)),
    }
    subject = training_bench(network, machine, batch=batch, **rule)
    try:
        values = subject.values(images, scale=data.draw(st.sampled_from((2.0**-12, 0.25, 1.0, 4.0))))
    except WorkloadError:  # gradients of large numbers, and much headroom
        reject()
    run = subject.run(images, values, shuffle=data.draw(st.integers(0, 99)))
    assert equals_reference(run, values)
    pipelined = machine["pipeline"] == "layers"
    levels = subject.placed.levels
    assert report_of(run).beats == sum(
        beats_of(b, levels, pipelined=pipelined, update=subject.placed.update_beats(b))
        for b in (min(batch, images - start) for start in range(0, images, batch))
    )
    assert run.macs == subject.placed.macs * images
    for number, (most, room) in enumerate(report_of(run).held.values(), start=1):
        assert room == buffers_of(number, levels)
        assert most == (min(room, batch, images) if pipelined else 1)


def test_a_last_batch_of_fewer_images_takes_fewer_beats() -> None:
    subject = training_bench(layers(3), batch=8)
    run = subject.run(19)
    assert report_of(run).beats == 2 * (2 * 3 + 8 + 1) + (2 * 3 + 3 + 1)
    assert len(report_of(run).updates) == 3


# -- memory --------------------------------------------------------------------------------------------------


def test_a_map_lists_errors_and_gradients_and_counts_the_subarrays_of_all() -> None:
    placed = training_bench(networks["digits-mlp"](), batch=4).placed
    buffers = {row.stage: row.buffers for row in placed.rows}
    assert buffers["fc2"] == (("fc1", 5, 5 * 64 * 2),)  # 2(L - l) + 1 images
    assert buffers["fc2.gradient"] == (("fc3.error", 1, 32 * 2), ("fc2.gradient", 4 * 65, 4 * 65 * 32 * 2))
    assert buffers["fc3.gradient"] == (("output error", 1, 10 * 2), ("fc3.gradient", 4 * 33, 4 * 33 * 10 * 2))
    # rows of 32 values, all of a step in subarrays of their own; one step but for errors' 64 and 32 values
    activations = 5 * 2 + 3 * 1 + 1 * 1
    errors = 2 + 1 + 1
    gradients = 4 * (-(-65 * 64 // 32) + -(-65 * 32 // 32) + -(-33 * 10 // 32))
    assert placed.resources["memory subarray"] == activations + errors + gradients


def test_gradients_of_vgg16_take_more_subarrays_than_its_chips_have_arrays() -> None:
    placed = training_bench(networks["vgg16"](), batch=64).placed
    of_batch = sum(stage.weights for stage in placed.trained) * 64
    assert placed.resources["memory subarray"] > of_batch // (32 * 128) > 10 * placed.resources["array"]


@settings(deadline=None, max_examples=30)
@given(chains(), pipelayer_settings())
def test_arrays_of_a_map_are_those_of_its_rows_and_blocks(network: Network, machine: dict[str, Any]) -> None:
    placed = training_bench(network, machine).placed
    assert placed.resources["array"] == sum(row.arrays for row in placed.rows)
    assert placed.resources["array"] == 8 * placed.resources["block"]


@settings(deadline=None, max_examples=30)
@given(chains(), pipelayer_settings(), BATCHES, st.integers(1, 3))
def test_the_map_tells_how_far_apart_images_are_in_whole_batches(
    network: Network, machine: dict[str, Any], batch: int, count: int
) -> None:
    subject = training_bench(network, {**machine, "detail": "group"}, batch=batch)
    outcome = subject.run(batch * count).outcome
    assert subject.placed.interval is not None
    assert subject.placed.interval.cycles == ceil(
        Fraction(outcome.makespan, batch * count * outcome.reference.ticks)
    )


def test_layers_hold_as_many_images_as_the_published_count_and_use_all_of_them() -> None:
    run = training_bench(layers(5), batch=16).run(32)
    assert list(report_of(run).held.values()) == [(9, 9), (7, 7), (5, 5), (3, 3), (1, 1)]  # 2(L - l) + 1


@pytest.mark.parametrize("fewer", [1, 2])
def test_with_less_memory_images_wait_and_values_stay_right(
    fewer: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = training_bench(layers(4), batch=16)
    values = subject.values(16)
    enough = report_of(subject.run(16, values)).beats
    monkeypatch.setattr(
        training_chips, "buffers_of", lambda level, levels: max(buffers_of(level, levels) - fewer, 1)
    )
    run = subject.run(16, values)
    assert equals_reference(run, values)
    assert report_of(run).beats > enough


# -- costs ---------------------------------------------------------------------------------------------------


def test_writes_and_row_slots_are_those_of_forward_back_and_update() -> None:
    subject = training_bench(networks["digits-mlp"](), batch=4)
    actions = subject.run(8).outcome.energy.actions
    shapes = {"fc1": (64, 64), "fc2": (64, 32), "fc3": (32, 10)}
    for name, (rows, cols) in shapes.items():
        slots = 16 * 8 * 8  # of 8 arrays of a block, for 8 images
        assert actions[f"layer[{name}].arrays"]["row slot"] == rows * slots
        assert actions[f"layer[{name}].memory"]["cell write"] == 4 * cols * 8
        # a wordline carries the error of one output, for each of them
        assert actions[f"gradient[{name}].arrays"]["row slot"] == cols * slots
        assert actions[f"gradient[{name}].memory"]["cell write"] == 4 * (rows + 1) * cols * 8
        update = actions[f"update[{name}]"]
        copies = 1 if name == "fc1" else 2  # the first layer sends no error back
        assert update["cell write"] == 2 * 4 * (rows + 1) * cols * copies
        sums = 8 * -(-(rows + 1) * cols // 32) * 16  # a row of 32 gradients, for each image
        assert update["row slot"] == sums + 2 * rows * 8 * 16
        if name != "fc1":
            assert actions[f"error[{name}].arrays"]["row slot"] == cols * slots
            assert actions[f"error[{name}].memory"]["cell write"] == 4 * rows * 8
    assert actions["output-error"]["cell write"] == 4 * 10 * 8


def test_energy_of_a_layer_includes_its_updates_which_show_as_programming() -> None:
    run = training_bench(networks["digits-mlp"](), batch=4).run(8)
    accounts = {account.path: account.ticks for account in run.outcome.accounts}
    assert accounts["update[fc1]"]["programming:write"] == 2 * 4 * WRITE
    assert accounts["update[fc1]"]["busy:read"] == 2 * 16 * SLOT
    energy = run.outcome.energy
    update = 2 * 4 * 65 * 64 * 3.91e-9
    assert energy.by_layer["fc1"] > update
    assert energy.by_component["update"] > update


def test_rows_written_one_by_one_take_an_update_as_many_beats_as_they_need() -> None:
    subject = training_bench(networks["digits-mlp"](), batch=4, rows_written=1)
    update = 16 * SLOT + 65 * 4 * WRITE
    beats = -(-update // subject.placed.beat)
    assert report_of(subject.run(8)).beats == 2 * (2 * 3 + 4 + beats)
    assert report_of(subject.run(8)).update_beats == beats


@pytest.mark.parametrize(
    ("images", "batch", "beats"),
    [
        (4, 1000, 2 * 3 + 4 + 1),  # as published, for the images there are
        (128, 128, 2 * 3 + 128 + 1),
        (129, 129, 2 * 3 + 129 + 2),  # more images than an array has rows take another product
        (257, 1000, 2 * 3 + 257 + 3),
        (133, 129, 2 * 3 + 129 + 2 + 2 * 3 + 4 + 1),  # the last batch has four
    ],
)
def test_gradients_are_added_up_by_as_many_products_as_the_images_of_the_batch_need(
    images: int, batch: int, beats: int
) -> None:
    run = training_bench(layers(3), batch=batch).run(images)
    assert report_of(run).beats == beats
    several = -(-min(images, batch) // 128)
    accounts = {account.path: account.ticks for account in run.outcome.accounts}
    if images <= batch:
        assert accounts["update[fc1]"]["busy:read"] == several * 16 * SLOT
    assert report_of(run).update_beats == several


def test_a_layer_without_biases_costs_no_row_of_them() -> None:
    """4 images through a layer of 64 x 10: rows of 32 gradients, and a weight's 4 cells."""
    for biased, rows in ((True, 65), (False, 64)):
        layer = Linear(name="fc", out_features=10, bias=biased)
        actions = training_bench(chain(layer), batch=4).run(4).outcome.energy.actions
        assert actions["gradient[fc].memory"]["cell write"] == 4 * rows * 10 * 4
        assert actions["update[fc]"]["cell write"] == 4 * rows * 10
        assert actions["update[fc]"]["row slot"] == (4 * -(-rows * 10 // 32) + 64 * 8) * 16


# -- what a run must not depend on ---------------------------------------------------------------------------


def test_engines_recordings_details_and_orders_give_the_same() -> None:
    subject = training_bench(digits_conv(), {"blocks": 60}, batch=4)
    values = subject.values(10)
    plain = subject.run(10, values)
    assert equals_reference(plain, values)
    for options in ({"engine": "stock"}, {"record": True}, {"shuffle": 3}):
        other = subject.run(10, values, **options)
        assert equals_reference(other, values)
        assert other.completed == plain.completed
        assert other.outcome.accounts == plain.outcome.accounts
        assert other.outcome.energy == plain.outcome.energy
    detailed = training_bench(digits_conv(), {"blocks": 60, "detail": "array"}, batch=4).run(10, values)
    assert equals_reference(detailed, values)
    assert detailed.completed == plain.completed
    assert detailed.outcome.energy.total == pytest.approx(plain.outcome.energy.total, rel=1e-12)


def test_weights_change_only_behind_a_batch() -> None:
    """With one batch, outputs are those of the start weights, whatever the learning rate."""
    outputs = []
    for shift in (0, 14):
        subject = training_bench(mlp([12, 10]), batch=16, learning_rate_shift=shift)
        values = subject.values(16)
        run = subject.run(16, values)
        assert equals_reference(run, values)
        assert run.outputs is not None
        outputs.append(run.outputs.tolist())
    assert outputs[0] == outputs[1]


def off_by_one(codes: np.ndarray) -> np.ndarray:
    return codes + 1


@pytest.mark.parametrize("loss", ["softmax", "squared"])
@pytest.mark.parametrize("function", ["stored", "kept", "loss_error", "updated", "divided"])
def test_an_error_in_any_step_of_the_reference_shows(
    function: str, loss: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine has its own arithmetic, or outputs and weights would be equal and wrong."""
    subject = training_bench(mlp([12, 10]), batch=4, loss=loss)
    values = subject.values(8)
    right = getattr(fixed_training, function)
    assert equals_reference(subject.run(8, values), values)
    monkeypatch.setattr(fixed_training, function, lambda *given: off_by_one(right(*given)))
    assert not equals_reference(subject.run(8, values), values)


# -- what fits, and what does not ----------------------------------------------------------------------------


def test_vgg16_trains_without_values_on_as_many_chips_as_it_needs() -> None:
    subject = training_bench(networks["vgg16"](), batch=4)
    run = subject.run(8)
    assert subject.placed.chips == 14
    assert report_of(run).beats == 2 * (2 * 16 + 4 + 1)
    with pytest.raises(MappingError, match="set chips to 14 or auto"):
        training_bench(networks["vgg16"](), {"chips": 13})


def test_what_cannot_train_is_refused() -> None:
    with pytest.raises(WorkloadError, match="conv1-norm is a BatchNorm"):
        training_bench(networks["digits-cnn"]())
    with pytest.raises(ConfigError, match="mode training computes with 16; set both to 16"):
        training_bench(layers(1), {"activation_bits": 8})
