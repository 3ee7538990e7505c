"""Training on PipeLayer: the published formulas, memory, values, costs, and what a run must not depend on."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch.machines.pipelayer import training_chips
from arch.machines.pipelayer.training_plan import beats_of, buffers_of
from simcore import MappingError
from simcore.errors import ConfigError, WorkloadError
from tests.arch.pipelayer.pipelayer_bench import SLOT, WRITE, pipelayer_settings
from tests.arch.pipelayer.training_bench import equals_reference, report_of, training_bench
from tests.workloads.training.chains import chain, digits_conv, mlp
from workloads import Activation, Conv2d, Layer, Linear, MaxPool2d, Network, Window, networks


def layers(levels: int) -> Network:
    """Return so many fully connected layers, the last one of ten outputs."""
    return mlp([*range(12, 11 + levels), 10])


@st.composite
def chains(draw: st.DrawFn) -> Network:
    """Draw a chain of convolutions with strides, ReLUs and pools, with a classifier."""
    found: list[Layer] = []
    size = 8
    for number in range(draw(st.integers(0, 2))):
        window = Window.square(
            draw(st.integers(1, 3)), stride=draw(st.integers(1, 2)), padding=draw(st.integers(0, 1))
        )
        out = draw(st.integers(1, 4))
        biased = draw(st.booleans())
        found.append(Conv2d(name=f"conv{number}", out_channels=out, window=window, bias=biased))
        size = window.output_size((size, size))[0]
        if draw(st.booleans()):
            found.append(Activation(name=f"relu{number}", function="relu"))
        if size >= 3 and draw(st.booleans()):
            pool = Window.square(draw(st.integers(2, 3)), stride=draw(st.integers(1, 2)))
            found.append(MaxPool2d(name=f"pool{number}", window=pool))
            size = pool.output_size((size, size))[0]
        if size < 3:
            break
    for number in range(draw(st.integers(0, 2))):
        found.append(Linear(name=f"fc{number}", out_features=draw(st.integers(1, 9))))
        if draw(st.booleans()):
            found.append(Activation(name=f"fc-relu{number}", function="relu"))
    return chain(*found, Linear(name="last", out_features=draw(st.integers(2, 10))))


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
@given(chains(), pipelayer_settings(), st.integers(1, 20), st.integers(1, 9), st.data())
def test_any_chain_keeps_the_formulas_and_equals_the_reference(
    network: Network, machine: dict[str, Any], images: int, batch: int, data: st.DataObject
) -> None:
    rule = {
        "loss": data.draw(st.sampled_from(("softmax", "squared"))),
        "rows_written": data.draw(st.sampled_from((1, 128))),
        "headroom_bits": data.draw(st.integers(0, 5)),
    }
    subject = training_bench(network, machine, batch=batch, **rule)
    values = subject.values(images)
    run = subject.run(images, values, shuffle=data.draw(st.integers(0, 99)))
    assert equals_reference(run, values)
    pipelined = machine["pipeline"] == "layers"
    levels, update = subject.placed.levels, subject.placed.update_beats
    assert report_of(run).beats == beats_of(images, batch, levels, pipelined=pipelined, update=update)
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
    assert subject.placed.update_beats == -(-update // subject.placed.beat)
    assert report_of(subject.run(8)).beats == 2 * (2 * 3 + 4 + subject.placed.update_beats)


def test_gradients_of_a_large_batch_are_added_up_in_several_reads() -> None:
    small, large = (training_bench(layers(1), batch=batch).placed for batch in (128, 129))
    assert (small.update_read, large.update_read) == (16 * SLOT, 2 * 16 * SLOT)


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
