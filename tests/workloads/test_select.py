"""Selections pick values by their places, and identity shortcuts are selections: no code changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simcore.errors import WorkloadError
from tests.strategies import random_parameters
from tests.workloads.network_twins import forward_layers, golden_by_hand
from workloads import (
    Activation,
    Add,
    AvgPool2d,
    Clamp,
    Conv2d,
    GlobalAvgPool,
    Input,
    Layer,
    Linear,
    LoweredNetwork,
    MatrixNode,
    MaxPool2d,
    Network,
    QuantizedSelect,
    Select,
    SelectNode,
    Shape,
    Shortcut,
    Window,
    float_outputs,
    golden,
    lower,
    networks,
    quantize,
)


def network(shape: Shape, *layers: Layer) -> Network:
    return Network("net", [Input(name="image", shape=shape), *layers])


@settings(deadline=None)
@given(
    st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 5)),
    st.integers(1, 3),
    st.integers(0, 3),
    st.booleans(),
)
def test_shortcut_gives_every_nth_pixel_and_zeros_in_reals_and_in_codes(
    shape: Shape, stride: int, further: int, clips: bool
) -> None:
    layers: list[Layer] = [Shortcut(name="skip", stride=stride, channels=shape[0] + further)]
    if clips and (stride, further) != (1, 0):
        layers.append(Activation(name="relu", function="relu"))
    net = network(shape, *layers)
    images = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    quantised = quantize(lower(net), {}, images)
    codes = golden(quantised, images)[quantised.lowered.output]
    for image, real, integer in zip(images, float_outputs(lower(net), {}, images), codes, strict=True):
        np.testing.assert_array_equal(real, forward_layers(net, {}, image)[net.output])
        np.testing.assert_array_equal(integer, golden_by_hand(quantised, image)[quantised.lowered.output])


# -- what joins what -----------------------------------------------------------------------------------------

SHAPE = (3, 4, 5)


def lowered(*layers: Layer) -> LoweredNetwork:
    return lower(network(SHAPE, *layers))


def selects(draw: st.DrawFn, name: str, shape: Shape) -> Select:
    axes = [
        draw(st.none() | st.lists(st.integers(-1, size - 1), min_size=1, max_size=6).map(tuple))
        for size in shape
    ]
    return Select(name=name, channels=axes[0], rows=axes[1], columns=axes[2])


@settings(deadline=None)
@given(st.data(), st.booleans())
def test_selections_of_selections_pick_from_what_the_first_reads(data: st.DataObject, shared: bool) -> None:
    """Also where others read the first; what nobody reads any more vanishes."""
    draw: Any = data.draw
    layers: list[Layer] = [selects(draw, "first", SHAPE)]
    layers.append(selects(draw, "second", layers[0].output_shape([SHAPE])))
    layers.append(selects(draw, "third", layers[1].output_shape([layers[0].output_shape([SHAPE])])))
    if shared:
        flat = [Linear(name=f"fc-{name}", inputs=(name,), out_features=1) for name in ("first", "third")]
        layers += [*flat, Add(name="sum", inputs=("fc-first", "fc-third"))]
    net = network(SHAPE, *layers)
    parameters = random_parameters(net, np.random.default_rng(0))
    images = np.random.default_rng(1).normal(size=(1, *SHAPE))
    expected = forward_layers(net, parameters, images[0])[net.output]
    np.testing.assert_allclose(float_outputs(lower(net), parameters, images)[0], expected, atol=1e-12)
    found = [node for node in lower(net).nodes if isinstance(node, SelectNode)]
    assert len(found) <= 1 + shared
    assert all(node.inputs == ("image",) for node in found)


def test_a_selection_undone_is_one_of_everything() -> None:
    last_first = tuple(range(4))[::-1]
    (node,) = lowered(Select(name="there", rows=last_first), Select(name="back", rows=last_first)).nodes
    assert isinstance(node, SelectNode)
    assert (node.channels, node.rows, node.columns) == (None, None, None)


def test_a_selection_of_a_clipped_selection_stays_behind_it() -> None:
    net = lowered(
        Select(name="first", rows=(-1, 0)),
        Activation(name="relu", function="relu"),
        Select(name="second", rows=(1, 1)),
    )
    assert [(node.name, node.inputs, node.clip[0]) for node in net.nodes] == [
        ("first", ("image",), 0.0),
        ("second", ("first",), None),
    ]


def pad(name: str, *inputs: str, top: int = 1, left: int = 2, bottom: int = 0, right: int = 3) -> Select:
    rows = (-1,) * top + tuple(range(SHAPE[1])) + (-1,) * bottom
    columns = (-1,) * left + tuple(range(SHAPE[2])) + (-1,) * right
    return Select(name=name, inputs=inputs, rows=rows, columns=columns)


def conv(name: str, *inputs: str, padding: int = 1) -> Conv2d:
    window = Window.square(3, padding=padding)
    return Conv2d(name=name, inputs=inputs, out_channels=2, window=window)


def test_zeros_around_a_map_join_the_convolution_behind_them() -> None:
    (node,) = lowered(pad("pad"), conv("conv")).nodes
    assert isinstance(node, MatrixNode)
    assert (node.inputs, node.in_shapes) == (("image",), (SHAPE,))
    assert node.window.padding == (2, 3, 1, 4)
    assert node.name == "conv"


def test_zeros_around_zeros_join_as_well() -> None:
    around = Select(name="again", rows=(-1, *range(5)), columns=(*range(10), -1))
    (node,) = lowered(pad("pad"), around, conv("conv", padding=0)).nodes
    assert isinstance(node, MatrixNode)
    assert node.window.padding == (2, 2, 0, 4)


@pytest.mark.parametrize(
    "layers",
    [
        [pad("pad"), conv("conv"), GlobalAvgPool(name="a"), GlobalAvgPool(name="b", inputs=("pad",))],
        [pad("pad"), Clamp(name="clip", low=-1.0), conv("conv")],
        [replace(pad("pad"), channels=(0, 1)), conv("conv")],
        [replace(pad("pad"), rows=(-1, 0, 1, 2)), conv("conv")],
        [replace(pad("pad"), rows=(-1, -1)), conv("conv")],
        [replace(pad("pad"), rows=(0, 1, -1, 2, 3)), conv("conv")],
        [pad("pad"), AvgPool2d(name="pool", window=Window.square(2))],
        [pad("pad"), MaxPool2d(name="pool", window=Window.square(2))],
        [pad("pad"), Linear(name="fc", out_features=2)],
    ],
    ids=["second-reader", "clip", "channels", "cut", "nothing", "inside", "mean", "largest", "linear"],
)
def test_other_selections_and_those_in_front_of_others_stay_what_they_are(layers: list[Layer]) -> None:
    if len(layers) == 4:
        ends = [Linear(name=f"fc-{name}", inputs=(name,), out_features=1) for name in ("a", "b")]
        layers = [*layers, *ends, Add(name="sum", inputs=("fc-a", "fc-b"))]
    net = network(SHAPE, *layers)
    assert isinstance(lower(net)["pad"], SelectNode)
    parameters = random_parameters(net, np.random.default_rng(0))
    images = np.random.default_rng(1).normal(size=(1, *SHAPE))
    expected = forward_layers(net, parameters, images[0])[net.output]
    np.testing.assert_allclose(float_outputs(lower(net), parameters, images)[0], expected, atol=1e-12)


def test_padded_convolutions_give_the_codes_of_zeros_that_are_stored() -> None:
    """Padding reads as real zero, whatever its code, so that zeros which join a window change nothing."""
    joined = network(SHAPE, pad("pad"), conv("conv"))
    second = [Activation(name="abs", inputs=("pad",), function="abs"), GlobalAvgPool(name="mean")]
    spread = Select(name="spread", channels=(0, 1), rows=(0,) * 5, columns=(0,) * 10)
    apart = network(
        SHAPE, pad("pad"), conv("conv"), *second, spread, Add(name="add", inputs=("conv", "spread"))
    )
    parameters = random_parameters(joined, np.random.default_rng(0))
    images = np.random.default_rng(1).normal(1.0, 1.0, size=(2, *SHAPE))
    one, other = (golden(quantize(lower(net), parameters, images), images)["conv"] for net in (joined, apart))
    assert np.array_equal(one, other)


@pytest.mark.parametrize("low", [0.5, 2.0])
def test_a_clip_that_shuts_out_zero_is_no_selection_of_codes(low: float) -> None:
    """The input's scale need not reach its bounds."""
    for first in (Select(name="first", rows=(-1, 0)), MaxPool2d(name="first", window=Window.square(2))):
        net = network(SHAPE, first, Clamp(name="clamp", low=low))
        quantised = quantize(lower(net), {}, images := np.full((1, *SHAPE), 0.125))
        values = quantised.output_quantization.dequantize(golden(quantised, images)["clamp"])
        np.testing.assert_allclose(values, low, rtol=1e-6)


# -- shortcuts -----------------------------------------------------------------------------------------------


def test_shortcut_keeps_its_inputs_quantisation() -> None:
    net = network((2, 4, 4), Shortcut(name="skip", stride=2, channels=5))
    images = np.random.default_rng(1).normal(size=(1, 2, 4, 4))
    quantised = quantize(lower(net), {}, images)
    node = quantised.nodes["skip"]
    assert isinstance(node, QuantizedSelect)
    assert quantised.tensors["skip"] == quantised.tensors["image"]
    assert node.zero == quantised.tensors["image"].zero > 0
    codes = golden(quantised, images)
    assert np.array_equal(codes["skip"][:, :2], codes["image"][:, :, ::2, ::2])
    assert (codes["skip"][:, 2:] == node.zero).all()


def test_shortcut_that_changes_nothing_disappears() -> None:
    assert lower(network((2, 4, 4), Shortcut(name="skip", stride=1, channels=2))).nodes == ()


def test_shortcut_cannot_drop_channels() -> None:
    with pytest.raises(WorkloadError, match=r"net\.skip: .* keeps its input's 4 channels, got channels=2"):
        network((4, 2, 2), Shortcut(name="skip", stride=2, channels=2))
    with pytest.raises(WorkloadError, match="stride must be at least 1"):
        network((4, 2, 2), Shortcut(name="skip", stride=0, channels=4))


def test_shortcut_costs_no_work_and_its_geometry_counts() -> None:
    def canonical(stride: int) -> object:
        return lower(network((2, 5, 5), Shortcut(name="skip", stride=stride, channels=4))).canonical()

    assert network((2, 5, 5), Shortcut(name="skip", stride=2, channels=4)).macs == 0
    assert canonical(3) != canonical(4)  # of one shape


def test_resnets_of_cifar10_skip_without_weights_where_stages_meet() -> None:
    lowered = lower(networks["resnet32"]())
    found = [node for node in lowered.nodes if isinstance(node, SelectNode)]
    assert [(node.name, node.in_shapes[0], node.shape) for node in found] == [
        ("stage2-block1-shortcut", (16, 32, 32), (32, 16, 16)),
        ("stage3-block1-shortcut", (32, 16, 16), (64, 8, 8)),
    ]
    assert lowered["stage2-block1-add"].inputs == ("stage2-block1-conv2", "stage2-block1-shortcut")
    assert all(lowered.consumers[node.name] == (f"{node.name[:13]}-add",) for node in found)


def test_shortcut_beside_a_convolution_equals_its_layers() -> None:
    net = network(
        (2, 6, 6),
        Conv2d(name="conv", out_channels=3, window=Window.square(3, stride=2, padding=1), bias=False),
        Shortcut(name="skip", inputs=("image",), stride=2, channels=3),
        Add(name="add", inputs=("conv", "skip")),
    )
    rng = np.random.default_rng(3)
    parameters = {"conv": {"weight": rng.normal(size=(3, 2, 3, 3))}}
    images = rng.normal(size=(1, 2, 6, 6))
    expected = forward_layers(net, parameters, images[0])["add"]
    np.testing.assert_allclose(float_outputs(lower(net), parameters, images)[0], expected, atol=1e-12)
