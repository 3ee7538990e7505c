from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simcore.errors import WorkloadError
from tests.strategies import NetworkCase, networks
from tests.workloads.network_twins import forward_layers
from workloads import (
    Activation,
    Add,
    AddNode,
    Affine,
    AffineNode,
    AvgPool2d,
    AvgPoolNode,
    BatchNorm,
    Clamp,
    Conv2d,
    GlobalAvgPool,
    Input,
    Layer,
    Linear,
    LocalResponseNorm,
    LoweredNetwork,
    MatrixNode,
    MaxPool2d,
    Mul,
    Network,
    Select,
    Shape,
    Softmax,
    TableNode,
    Window,
    float_outputs,
    float_reference,
    float_tensors,
    lower,
)
from workloads import (
    networks as built_in,
)
from workloads.activation_functions import apply_clip

IMAGE = Input(name="image", shape=(4, 6, 6))


def lowered(*layers: Layer) -> LoweredNetwork:
    return lower(Network("net", [IMAGE, *layers]))


def conv(name: str, *inputs: str) -> Conv2d:
    return Conv2d(name=name, inputs=inputs, out_channels=4, window=Window.square(3, padding=1))


def act(name: str, function: str, *inputs: str) -> Activation:
    return Activation(name=name, inputs=inputs, function=function)


def kinds(network: LoweredNetwork) -> list[tuple[str, type]]:
    return [(node.name, type(node)) for node in network.nodes]


@pytest.mark.parametrize(("elements", "pixels"), [(2**19, 512), (1, 3)])
@settings(deadline=None)
@given(networks())
def test_lowering_changes_no_value(elements: int, pixels: int, case: NetworkCase) -> None:
    parameters = case.network.load_parameters()
    with patch.multiple(float_reference, BLOCK_ELEMENTS=elements, BLOCK_PIXELS=pixels):
        outputs = float_outputs(lower(case.network), parameters, case.images)
    for image, output in zip(case.images, outputs, strict=True):
        expected = forward_layers(case.network, parameters, image)[case.network.output]
        np.testing.assert_allclose(output, expected, rtol=1e-9, atol=1e-9)


def test_values_that_are_held_stay_as_they_are() -> None:
    network = built_in["digits-resnet"]()
    lowered, parameters = lower(network), network.load_parameters()
    images = np.random.default_rng(0).random((2, *network.input_shape))
    held = dict(float_tensors(lowered, parameters, images))
    for name, values in float_tensors(lowered, parameters, images):
        assert np.array_equal(held[name], values)


@settings(deadline=None)
@given(networks())
def test_lowering_keeps_macs_and_the_shape_of_the_result(case: NetworkCase) -> None:
    network = lower(case.network)
    assert network.macs == case.network.macs
    assert network.shapes[network.output] == case.network.shapes[case.network.output]
    for node in network.nodes:
        assert node.in_shapes == tuple(network.shapes[source] for source in node.inputs)


def test_batch_norms_and_clipping_join_the_matrix_before_them() -> None:
    network = lowered(conv("a"), BatchNorm(name="n1"), BatchNorm(name="n2"), act("relu", "relu"))
    (node,) = network.nodes
    assert isinstance(node, MatrixNode)
    assert [norm.name for norm in node.norms] == ["n1", "n2"]
    assert node.clip == (0.0, None)
    assert network.output == "a"


def test_clippings_chain_to_their_common_range() -> None:
    network = lowered(Add(name="add", inputs=("image", "image")), act("a", "relu6"), act("b", "relu"))
    assert kinds(network) == [("add", AddNode)]
    assert network["add"].clip == (0.0, 6.0)


def test_a_second_reader_keeps_a_result_as_it_is() -> None:
    network = lowered(conv("a"), BatchNorm(name="norm"), Add(name="add", inputs=("a", "norm")))
    assert kinds(network) == [("a", MatrixNode), ("norm", AffineNode), ("add", AddNode)]
    assert network.consumers == {"image": ("a",), "a": ("norm", "add"), "norm": ("add",), "add": ()}


def test_batch_norm_cannot_pass_a_clipping() -> None:
    network = lowered(conv("a"), act("relu", "relu"), BatchNorm(name="norm"), act("r2", "relu"))
    assert kinds(network) == [("a", MatrixNode), ("norm", AffineNode)]
    assert network["norm"].clip == (0.0, None)


def test_clipping_straight_behind_the_input_becomes_a_table() -> None:
    assert kinds(lowered(act("relu", "relu"))) == [("relu", TableNode)]


bounds = st.none() | st.integers(-8, 8).map(lambda n: n / 4)


@st.composite
def clamps(draw: st.DrawFn) -> Clamp:
    low, high = draw(bounds), draw(bounds)
    if low is not None and high is not None:
        low, high = sorted((low, high))
    return Clamp(name="clamp", low=low, high=high)


@given(st.lists(clamps(), max_size=4))
def test_clamps_in_a_row_are_one_that_does_the_same(several: list[Clamp]) -> None:
    layers = [replace(clamp, name=f"clamp{i}") for i, clamp in enumerate(several)]
    (node,) = lowered(conv("a"), *layers).nodes
    values = np.linspace(-3.0, 3.0, 97)
    expected = values
    for clamp in several:
        expected = np.clip(expected, clamp.low, clamp.high)
    assert np.array_equal(apply_clip(values, node.clip), expected)
    if all(clamp.low is None for clamp in several):
        assert node.clip[0] is None


def test_a_clamp_is_the_same_work_as_the_function_that_clips_alike() -> None:
    for layers in (conv("a"),), ():
        clamp, relu6 = (
            lowered(*layers, last) for last in (Clamp(name="c", low=0.0, high=6.0), act("r", "relu6"))
        )
        assert clamp.canonical() == relu6.canonical()


def test_factors_of_channels_join_a_matrix_in_order_with_batch_norms() -> None:
    network = lowered(conv("a"), Affine(name="scale"), BatchNorm(name="norm"), Affine(name="last"))
    (node,) = network.nodes
    assert isinstance(node, MatrixNode)
    assert [norm.name for norm in node.norms] == ["scale", "norm", "last"]
    alone = lowered(Affine(name="scale"), BatchNorm(name="norm"))
    assert kinds(alone) == [("scale", AffineNode)]


def test_only_a_sum_that_takes_off_has_signs() -> None:
    inputs = ("image", "image")
    first, second, third = (
        lowered(Add(name="sum", inputs=inputs, signs=signs)).canonical() for signs in ((), (1, 1), (1, -1))
    )
    assert first == second != third


@settings(deadline=None)
@given(
    st.tuples(st.integers(1, 7), st.integers(1, 3), st.integers(1, 3)),
    st.integers(1, 9),
    st.tuples(*[st.floats(0.1, 2.0)] * 3),
    st.integers(0, 2**16),
)
def test_local_response_norms_equal_their_scalar_formula(
    shape: Shape, size: int, numbers: tuple[float, float, float], seed: int
) -> None:
    alpha, beta, k = numbers
    norm = LocalResponseNorm(name="norm", size=size, alpha=alpha, beta=beta, k=k)
    network = Network("net", [Input(name="image", shape=shape), norm])
    images = np.random.default_rng(seed).normal(size=(2, *shape))
    for image, output in zip(images, float_outputs(lower(network), {}, images), strict=True):
        expected = forward_layers(network, {}, image)["norm"]
        np.testing.assert_allclose(output, expected, rtol=1e-12)


KINDS_OF_WORK: list[list[Layer]] = [
    [Select(name="x", channels=(1, 0, 2, 3))],
    [Select(name="x", channels=(0, 1, 3, 2))],
    [Select(name="x", rows=(1, 0, 2, 3, 4, 5))],
    [Select(name="x", columns=(1, 0, 2, 3, 4, 5))],
    [Mul(name="x", inputs=("image", "image"))],
    [Add(name="x", inputs=("image", "image"))],
    [Add(name="x", inputs=("image", "image"), signs=(1, -1))],
    [Add(name="x", inputs=("image", "image"), signs=(-1, 1))],
    [Clamp(name="x", low=0.0)],
    [Clamp(name="x", low=0.0, high=1.0)],
    [Affine(name="x")],
    [Softmax(name="x")],
    [LocalResponseNorm(name="x", size=3)],
    [LocalResponseNorm(name="x", size=5)],
    [LocalResponseNorm(name="x", size=3, k=2.0)],
    [Activation(name="x", function="hard-sigmoid")],
    [Activation(name="x", function="hard-sigmoid", alpha=0.25)],
    [Activation(name="x", function="hard-sigmoid", beta=0.25)],
]


def test_the_canonical_form_tells_every_kind_of_work_apart_and_knows_it_again() -> None:
    forms = [json.dumps(lowered(*layers).canonical()) for layers in KINDS_OF_WORK]
    assert len(set(forms)) == len(forms)
    renamed = [[replace(layer, name="y") for layer in layers] for layers in KINDS_OF_WORK]
    assert [json.dumps(lowered(*layers).canonical()) for layers in renamed] == forms


def test_layers_that_change_nothing_disappear_without_hiding_who_reads_what() -> None:
    network = lowered(
        conv("a"),
        MaxPool2d(name="same", window=Window.square(1)),
        act("same2", "identity"),
        Clamp(name="open"),
        Select(name="all", channels=(0, 1, 2, 3), columns=tuple(range(6))),
        act("relu", "relu"),
        Add(name="add", inputs=("relu", "a")),
        AvgPool2d(name="end", window=Window.square(1)),
    )
    assert kinds(network) == [("a", MatrixNode), ("relu", TableNode), ("add", AddNode)]
    assert network.output == "add"


def test_network_of_nothing_gives_its_input() -> None:
    network = lowered(MaxPool2d(name="same", window=Window.square(1)))
    assert network.nodes == ()
    assert network.output == "image"


def test_linear_and_global_pool_are_windows_over_the_whole_map() -> None:
    network = lowered(conv("a"), Linear(name="fc", out_features=5))
    node = network["fc"]
    assert isinstance(node, MatrixNode)
    assert node.window == Window(kernel=(6, 6))
    assert (node.rows, node.cols, node.macs) == (4 * 36, 5, 4 * 36 * 5)
    pool = lowered(GlobalAvgPool(name="pool"))["pool"]
    assert isinstance(pool, AvgPoolNode)
    assert pool.counts.tolist() == [[36]]


def test_average_counts_padding_only_if_asked_and_never_what_ceil_mode_adds() -> None:
    window = Window.square(2, stride=2, padding=1)
    plain, counted = (
        lowered(AvgPool2d(name="pool", window=window, ceil_mode=True, count_include_pad=include))["pool"]
        for include in (False, True)
    )
    assert isinstance(plain, AvgPoolNode)
    assert isinstance(counted, AvgPoolNode)
    assert plain.counts[0].tolist() == [1, 2, 2, 1]
    assert counted.counts[0].tolist() == [4, 4, 4, 4]
    odd = lowered(AvgPool2d(name="pool", window=Window.square(4, stride=3), ceil_mode=True))["pool"]
    assert isinstance(odd, AvgPoolNode)
    assert odd.counts.tolist() == [[16, 12], [12, 9]]


def test_canonical_form_knows_work_but_no_names() -> None:
    first = lowered(conv("a"), BatchNorm(name="norm"), act("relu", "relu")).canonical()
    renamed = lowered(conv("b"), act("clip", "relu")).canonical()
    other = lowered(conv("a")).canonical()
    assert json.dumps(first) == json.dumps(renamed) != json.dumps(other)


def test_every_built_in_network_lowers_without_weights() -> None:
    for name, build in built_in.items().items():
        network = build()
        structure = Network(name, network.layers.values())
        assert lower(structure).canonical() == lower(network).canonical()


def test_layer_kinds_of_ones_own_say_that_no_machine_knows_them() -> None:
    class Magic(BatchNorm):
        pass

    class Unknown(Layer):
        def output_shape(self, inputs: Sequence[Shape]) -> Shape:
            return inputs[0]

    assert kinds(lowered(Magic(name="magic"))) == [("magic", AffineNode)]
    with pytest.raises(WorkloadError, match="unknown: no machine knows the layer kind Unknown; build"):
        lowered(Unknown(name="unknown"))
