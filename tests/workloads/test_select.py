"""Identity shortcuts with a stride: pixels are picked, zero channels stand behind them, no code changes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simcore.errors import WorkloadError
from tests.workloads.network_twins import forward_layers, golden_by_hand
from workloads import (
    Activation,
    Add,
    Conv2d,
    Input,
    Layer,
    Network,
    QuantizedSelect,
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
