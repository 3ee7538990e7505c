from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from simcore.errors import WorkloadError
from tests.strategies import NetworkCase, networks
from workloads import (
    Activation,
    AvgPool2d,
    BatchNorm,
    Conv2d,
    Input,
    Layer,
    LayerNorm,
    Linear,
    LocalResponseNorm,
    MaxPool2d,
    Mul,
    Network,
    Select,
    Softmax,
    Window,
    float_tensors,
    lower,
)
from workloads import networks as zoo
from workloads.activation_functions import OPEN
from workloads.composition import Composable, composable
from workloads.composition.folded_weights import fold_weights, tensors_before_clipping
from workloads.nodes import ConcatNode, MaxPoolNode, SelectNode, SoftmaxNode

IMAGE = Input(name="image", shape=(2, 6, 6))
CONV = Conv2d(name="conv", out_channels=3, window=Window.square(3))
RELU = Activation(name="relu", function="relu")
POOL = MaxPool2d(name="pool", window=Window.square(2, stride=2))
FC = Linear(name="fc", out_features=4)


def form_of(*layers: Layer) -> Composable:
    """Return the composable form of a chain behind an image of 2x6x6."""
    return composable(lower(Network("net", [IMAGE, *layers])))


@settings(deadline=None)
@given(networks())
def test_blocks_and_moves_compute_what_the_network_does(case: NetworkCase) -> None:
    lowered, parameters = lower(case.network), case.network.load_parameters()
    try:
        form = composable(lowered)
    except WorkloadError:
        return
    exact = dict(float_tensors(lowered, parameters, case.images))
    weights = fold_weights(lowered, form, parameters)
    found = dict(tensors_before_clipping(form, weights, case.images))
    output = form.lowered.output
    largest = max(1.0, *(float(np.abs(tensor).max()) for tensor in exact.values()))
    if isinstance(lowered[lowered.output], SoftmaxNode):
        shares = np.exp(found[output] - found[output].max(axis=1, keepdims=True))
        found[output], output = shares / shares.sum(axis=1, keepdims=True), lowered.output
        found[output] = found[form.lowered.output]
    assert np.abs(found[output] - exact[output]).max() <= 1e-4 * largest


@settings(deadline=None)
@given(networks())
def test_moves_clip_nothing_and_share_the_codebook_of_what_they_read(case: NetworkCase) -> None:
    try:
        form = composable(lower(case.network))
    except WorkloadError:
        return
    for step in form.steps:
        if isinstance(step, MaxPoolNode | SelectNode | ConcatNode):
            assert step.clip == OPEN
            assert {form.codebook_of[name] for name in (step.name, *step.inputs)} == {
                form.codebook_of[step.name]
            }
    read = {source for block in form.blocks.values() for source in block.total.inputs}
    assert read <= form.codebook_of.keys()


def test_a_clipping_behind_a_pool_moves_into_the_sum_before() -> None:
    form = form_of(CONV, POOL, RELU, FC)
    assert list(form.blocks) == ["conv", "fc"]
    assert form.blocks["conv"].total.clip == (0.0, None)


def test_a_function_is_looked_up_by_the_sum_itself() -> None:
    form = form_of(CONV, Activation(name="tanh", function="tanh"), FC)
    assert [(b.total.name, b.function and b.function.name) for b in form.blocks.values()] == [
        ("conv", "tanh"),
        ("fc", None),
    ]


def test_the_softmax_at_the_end_is_left_out() -> None:
    assert form_of(FC, Softmax(name="shares")).lowered.output == "fc"


def test_a_norm_that_no_matrix_takes_becomes_one() -> None:
    form = form_of(POOL, BatchNorm(name="norm"), FC)
    assert list(form.blocks) == ["norm", "fc"]
    assert not form.blocks["norm"].is_fully_connected


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (
            [FC, Softmax(name="shares"), Linear(name="fc2", out_features=2)],
            "net.shares is of the kind Softmax",
        ),
        ([FC, Softmax(name="shares", groups=2)], "net.shares is of the kind Softmax"),
        ([CONV, LayerNorm(name="norm"), FC], "net.norm is of the kind LayerNorm"),
        ([LocalResponseNorm(name="lrn", size=3, alpha=1.0, beta=0.75, k=1.0), FC], "kind LocalResponseNorm"),
        ([CONV, Mul(name="square", inputs=("conv", "conv")), FC], "net.square is of the kind Mul"),
        ([CONV, POOL], "net ends in pool, which adds nothing up"),
        (
            [
                CONV,
                AvgPool2d(name="mean", window=Window.square(3, padding=1), count_include_pad=False),
                FC,
            ],
            "net.mean divides by 4 to 9 pixels",
        ),
        (
            [Select(name="pad", rows=(-1, 0, 1), columns=(0, 1, 2)), POOL, FC],
            "net.pool compares with the zeros that pad puts in",
        ),
    ],
)
def test_what_tables_cannot_do_is_refused(layers: list[Layer], message: str) -> None:
    with pytest.raises(WorkloadError, match=message):
        form_of(*layers)


#: What attends is in no table of one code.
TRANSFORMERS = {"bert-tiny", "gpt-tiny", "vit-tiny"}


@pytest.mark.parametrize("name", [name for name in zoo.names() if name not in TRANSFORMERS])
def test_every_network_of_the_zoo_but_transformers_can_be_composed(name: str) -> None:
    lowered = lower(zoo[name]())
    form = composable(lowered)
    assert sum(block.total.macs for block in form.blocks.values()) >= lowered.macs
