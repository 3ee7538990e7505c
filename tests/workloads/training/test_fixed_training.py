"""Training in fixed point: gradients against differences of the float loss, and losses that fall."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from simcore.errors import WorkloadError
from tests.workloads.training.chains import RULE, chain, digits, digits_conv, mlp, trained_by
from workloads import (
    Activation,
    AvgPool2d,
    Conv2d,
    Linear,
    MaxPool2d,
    Network,
    Window,
    accuracy,
    float_outputs,
    lower,
    networks,
)
from workloads.training import (
    TrainingPlan,
    TrainingRule,
    batch_losses,
    batches,
    chain_macs,
    forward_outputs,
    plan_training,
    train,
    trained_stages,
)
from workloads.training.losses import real_output_error
from workloads.training.stage_arithmetic import (
    error_before_stage_ends,
    gradient_sums,
    input_error_sums,
    pooled,
    rectified,
    weighted_sums,
)


def planned(network: Network, rule: TrainingRule = RULE, images: int = 640) -> TrainingPlan:
    return plan_training(network, rule, *digits(images))


def float_loss(plan: TrainingPlan, weights: tuple[np.ndarray, ...], images: int) -> float:
    """Return the mean loss by the float reference; weights are codes, which may have a fraction."""
    inputs, labels = digits(images)
    parameters = {}
    for stage, own, codes in zip(plan.stages, plan.numbers, weights, strict=True):
        real = codes * 2.0**-own.weights
        kernels = real[:-1].reshape(stage.matrix.window.positions, stage.in_shape[0], -1)
        shapes = plan.network.parameter_shapes[stage.name]
        parameters[stage.name] = {
            "weight": kernels.transpose(2, 1, 0).reshape(shapes["weight"]),
            "bias": real[-1],
        }
    y = float_outputs(lower(plan.network), parameters, inputs).reshape(images, -1)
    wanted = np.arange(y.shape[1]) == labels[:, None]
    if plan.rule.loss == "squared":
        return float(0.5 * ((y - wanted) ** 2).sum(axis=1).mean())
    return float((np.log(np.exp(y).sum(axis=1)) - y[wanted]).mean())


@pytest.mark.parametrize("loss", ["softmax", "squared"])
@pytest.mark.parametrize("make", [lambda: mlp([16, 12, 10]), digits_conv])
def test_gradients_equal_differences_of_the_float_loss_but_for_a_64th_of_the_largest(
    make: Callable[[], Network], loss: str
) -> None:
    """The start leaves 12 of 15 bits to the largest of each tensor; roundings of 3 stages take below 6."""
    images = 8
    rule = trained_by(batch=images, loss=loss, learning_rate_shift=0)
    plan = planned(make(), rule, images)
    inputs, labels = digits(images)
    behind = train(plan, plan.input_codes(inputs), labels).weights
    random = np.random.default_rng(0)
    for stage, (own, start) in enumerate(zip(plan.numbers, plan.start, strict=True)):
        # at a learning rate of 1 an update takes off the mean gradient
        gradient = (start - behind[stage]) * 2.0**-own.weights
        step = 2.0**-6  # of a weight's code, so that hardly any ReLU changes sides
        for index in random.permutation(np.argwhere(gradient))[:12]:
            place = tuple(index)
            losses = []
            for sign in (1, -1):
                moved = [codes.astype(np.float64) for codes in plan.start]
                moved[stage][place] += sign * step
                losses.append(float_loss(plan, tuple(moved), images))
            slope = (losses[0] - losses[1]) / (2 * step * 2.0**-own.weights)
            rounding = 2.0**-own.weights + 2.0**-own.gradients
            assert abs(slope - gradient[place]) <= np.abs(gradient).max() / 64 + rounding


@pytest.mark.parametrize("loss", ["softmax", "squared"])
def test_reported_losses_are_those_of_the_float_reference_but_for_roundings(loss: str) -> None:
    plan = planned(mlp([16, 10]), trained_by(loss=loss), 32)
    inputs, labels = digits(32)
    found = train(plan, plan.input_codes(inputs), labels)
    assert found.losses.shape == (1,)
    assert found.losses[0] == pytest.approx(float_loss(plan, plan.start, 32), abs=2e-3)


def float_training(plan: TrainingPlan, inputs: np.ndarray, labels: np.ndarray) -> list[float]:
    """Return the loss of each batch when the same start is trained in double precision."""
    weights = [codes * 2.0**-own.weights for codes, own in zip(plan.start, plan.numbers, strict=True)]
    losses = []
    for batch in batches(len(inputs), plan.rule.batch):
        read, maps = [inputs[batch].astype(np.float64)], []
        for stage, w in zip(plan.stages, weights, strict=True):
            maps.append(pooled(stage, rectified(stage, weighted_sums(stage, read[-1], w, 1.0))))
            read.append(maps[-1][-1])
        y = read.pop().reshape(len(read[0]), -1)
        losses.append(float(np.mean(np.log(np.exp(y).sum(axis=1)) - y[np.arange(len(y)), labels[batch]])))
        error = real_output_error(y, labels[batch], "softmax").reshape(maps[-1][-1].shape)
        for i in reversed(range(len(weights))):
            error = error_before_stage_ends(plan.stages[i], maps[i], error)
            gradient = gradient_sums(plan.stages[i], read[i], error, 1.0).mean(axis=0)
            if not plan.biased[i]:
                gradient[-1] = 0.0
            error = input_error_sums(plan.stages[i], error, weights[i])
            weights[i] = weights[i] - 2.0**-plan.rule.learning_rate_shift * gradient
    return losses


@pytest.mark.parametrize("make", [lambda: networks["digits-mlp"](), digits_conv])
@pytest.mark.parametrize("seed", range(4))
def test_sixteen_bits_follow_double_precision_over_twenty_batches(
    make: Callable[[], Network], seed: int
) -> None:
    """At a small rate, where 16 bits would starve first: larger ones make more of any difference."""
    plan, (inputs, labels) = planned(make(), trained_by(learning_rate_shift=4, seed=seed)), digits(640)
    found = train(plan, plan.input_codes(inputs), labels).losses
    assert np.abs(found - float_training(plan, inputs, labels)).max() < 0.01


@pytest.mark.parametrize(("make", "share"), [(lambda: networks["digits-mlp"](), 0.5), (digits_conv, 0.7)])
def test_over_twenty_batches_the_loss_falls_by_half_and_unseen_digits_are_told_better(
    make: Callable[[], Network], share: float
) -> None:
    plan, (unseen, classes) = planned(make()), digits(360, "digits")
    inputs, labels = digits(640)
    found = train(plan, plan.input_codes(inputs), labels)
    assert len(found.losses) == 20
    assert found.losses[-1] < share * found.losses[0]

    def told(weights: tuple[np.ndarray, ...]) -> float:
        return accuracy(forward_outputs(plan, weights, plan.input_codes(unseen)), classes)

    assert told(found.weights) > told(plan.start) + 0.2


def test_trained_weights_are_parameters_of_the_network() -> None:
    network = digits_conv()
    plan, (inputs, labels) = planned(network), digits(64)
    found = train(plan, plan.input_codes(inputs), labels)
    parameters = plan.parameters(found.weights)
    assert {layer: set(arrays) for layer, arrays in parameters.items()} == {
        "conv1": {"weight", "bias"},
        "conv2": {"weight", "bias"},
        "fc": {"weight"},  # which has no biases, and was given none
    }
    trained = Network("trained", network.layers.values(), parameters=lambda: parameters)
    real = float_outputs(lower(trained), trained.load_parameters(), inputs).reshape(64, -1)
    codes = forward_outputs(plan, found.weights, plan.input_codes(inputs))
    assert np.abs(codes * 2.0 ** -plan.numbers[-1].outputs - real).max() < 0.02


def test_a_last_batch_of_fewer_images_counts_by_its_own_mean() -> None:
    plan = planned(mlp([10]), trained_by(batch=8), 8)
    inputs, labels = digits(11)
    codes = plan.input_codes(inputs)
    assert [slice_.stop - slice_.start for slice_ in batches(11, 8)] == [8, 3]
    found = train(plan, codes, labels)
    assert found.losses.shape == (2,)
    twice = np.concatenate([codes, codes[8:]])  # the last three twice have the same mean
    doubled = train(plan, twice, np.concatenate([labels, labels[8:]]))
    assert [w.tolist() for w in doubled.weights] == [w.tolist() for w in found.weights]
    assert batch_losses(plan, found.outputs, labels).tolist() == found.losses.tolist()


def test_start_weights_come_from_the_training_seed_alone() -> None:
    one, same = (planned(mlp([10]), images=32) for _ in range(2))
    other = planned(mlp([10]), trained_by(seed=1), 32)
    assert one.start[0].tolist() == same.start[0].tolist() != other.start[0].tolist()


def test_every_stage_multiplies_three_times_but_the_first_which_sends_no_error() -> None:
    stages = trained_stages(lower(mlp([64, 32, 10])))
    assert chain_macs(stages) == 2 * 64 * 64 + 3 * (64 * 32 + 32 * 10)


LINEAR = Linear(name="fc", out_features=10)


@pytest.mark.parametrize(
    ("network", "told"),
    [
        (networks["digits-cnn"], "digits-cnn.conv1-norm is a BatchNorm, whose statistics change"),
        (
            partial(chain, AvgPool2d(name="mean", window=Window.square(2)), LINEAR),
            "chain.mean is of kind AvgPool",
        ),
        (
            partial(chain, MaxPool2d(name="max", window=Window.square(2)), LINEAR),
            "chain.max is of kind MaxPool",
        ),
        (
            partial(chain, Activation(name="sigmoid", function="sigmoid"), LINEAR),
            "chain.sigmoid is of kind Table",
        ),
        (
            partial(
                chain, Linear(name="fc1", out_features=8), Activation(name="r6", function="relu6"), LINEAR
            ),
            "chain.fc1 clips its output to",
        ),
        (partial(chain, Conv2d(name="conv", out_channels=2, window=Window.square(3))), "chain gives"),
    ],
)
def test_what_cannot_be_trained_is_named(network: Callable[[], Network], told: str) -> None:
    with pytest.raises(WorkloadError) as raised:
        trained_stages(lower(network()))
    assert told in str(raised.value)


def test_networks_that_branch_and_convolutions_of_groups_are_named() -> None:
    plain = lower(networks["resnet20"]())
    with pytest.raises(WorkloadError, match="BatchNorm"):
        trained_stages(plain)
    grouped = Conv2d(name="conv", out_channels=4, groups=2, window=Window.square(3))
    with pytest.raises(WorkloadError, match="has 2 groups"):
        trained_stages(lower(chain(grouped, LINEAR, shape=(2, 8, 8))))


def test_labels_beyond_the_outputs_are_refused() -> None:
    with pytest.raises(WorkloadError, match="chain has 4 outputs, but a label is 9"):
        planned(mlp([4]))
