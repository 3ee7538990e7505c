"""A network that brings its scales is quantised with them, to the last bit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simcore.errors import WorkloadError
from tests.strategies import NetworkCase, networks, random_parameters
from workloads import (
    Activation,
    Affine,
    Clamp,
    Conv2d,
    Input,
    Layer,
    Linear,
    MaxPool2d,
    Network,
    QuantizedMatrix,
    Select,
    Window,
    golden,
    lower,
    quantization,
    quantize,
)
from workloads.scales import GivenScales, Quantization

SHAPE = (2, 4, 4)
IMAGES = np.random.default_rng(0).normal(size=(2, *SHAPE))
ONE, TWO = Quantization(0.03125, 100, 8), Quantization(0.25, 3, 8)


def network(*layers: Layer, scales: GivenScales) -> Network:
    """Return layers behind an image with random weights."""
    every = [Input(name="image", shape=SHAPE), *layers]
    parameters = random_parameters(Network("net", every), np.random.default_rng(1))
    return Network("net", every, parameters=lambda: parameters, scales=scales)


def tensors(*layers: Layer, **given: Quantization) -> dict[str, Quantization]:
    """Return how the tensors of a network are quantised that brings these scales."""
    net = network(*layers, scales=GivenScales(given))
    return dict(quantize(lower(net), net.load_parameters(), IMAGES).tensors)


def conv(name: str = "conv", channels: int = 2) -> Conv2d:
    return Conv2d(name=name, out_channels=channels, window=Window.square(3, padding=1))


def _by_last_layer(network: Network, tensors: Mapping[str, Quantization]) -> dict[str, Quantization]:
    """Return scales of nodes under the last layer that each stands for: what joins it comes before them."""
    node = {network.input: network.input}
    last = dict(node)
    for name, layer in network.layers.items():
        if name != network.input:
            node[name] = name if name in tensors else node[layer.inputs[0]]
        if not isinstance(layer, Select) or name in tensors:  # zeros around a map leave no scale behind
            last[node[name]] = name
    return {last[name]: scale for name, scale in tensors.items()}


@settings(deadline=None)
@given(networks(), st.integers(2, 16), st.integers(2, 16))
def test_scales_that_a_calibration_found_give_the_same_codes_without_it(
    case: NetworkCase, weight_bits: int, activation_bits: int
) -> None:
    """Also from other images, which decide about nothing any more."""
    bits, parameters = (weight_bits, activation_bits), case.network.load_parameters()
    found = quantize(lower(case.network), parameters, case.images, *bits)
    layers, scales = case.network.layers.values(), GivenScales(_by_last_layer(case.network, found.tensors))
    bringing = Network("bringing", layers, parameters=lambda: parameters, scales=scales)
    again = quantize(lower(bringing), parameters, case.images[:1] * 7.0, *bits)
    assert again.tensors == found.tensors
    expected = golden(found, case.images)
    assert all(np.array_equal(codes, expected[name]) for name, codes in golden(again, case.images).items())


scales = st.floats(2.0**-20, 2.0**4, width=32)


@settings(deadline=None)
@given(
    bits=st.integers(2, 16),
    of_tensors=st.tuples(scales, scales),
    of_weights=st.lists(scales, min_size=3, max_size=3),
    number=st.sampled_from((np.float32, np.float64)),
    seed=st.integers(0, 2**32 - 1),
    limit=st.sampled_from((0, quantization.DOUBLE_PRECISION_MACS)),
)
def test_integers_come_back_from_scales_times_integers_exactly(
    bits: int, of_tensors: tuple[float, float], of_weights: list[float], number: Any, seed: int, limit: int
) -> None:
    """Weights down to -2**(bits - 1), in reals of 32 or 64 bit, calibrated in either; biases of 32 bit."""
    rng, step = np.random.default_rng(seed), np.array(of_weights, np.float32)
    weights = rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (3, 2, 3, 3))
    weights.flat[:2] = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    bias = rng.integers(-(2**31), 2**31, 3)
    parameters = {
        "conv": {
            "weight": (weights * step[:, None, None, None].astype(np.float64)).astype(number),
            "bias": bias * (np.float64(of_tensors[0]) * step),
        }
    }
    source, target = (Quantization(scale, zero, 8) for scale, zero in zip(of_tensors, (7, 250), strict=True))
    net = Network(
        "net",
        [Input(name="image", shape=SHAPE), conv(channels=3)],
        parameters=lambda: parameters,
        scales=GivenScales({"image": source, "conv": target}, {"conv": step}),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quantization, "DOUBLE_PRECISION_MACS", limit)
        quantised = quantize(lower(net), net.load_parameters(), IMAGES, bits, 8)
    node = quantised.nodes["conv"]
    assert isinstance(node, QuantizedMatrix)
    assert np.array_equal(node.weights[0], weights.transpose(2, 3, 1, 0).reshape(18, 3))
    assert np.array_equal(node.bias, bias)
    multiplier = [np.float32(source.scale) * each / np.float32(target.scale) for each in step]
    assert node.multiplier.dtype == np.float32
    assert node.multiplier.tolist() == multiplier
    assert quantised.tensors == {"image": source, "conv": target}


# -- where scales go when layers are joined ------------------------------------------------------------------


def test_the_scale_of_the_last_layer_that_joined_a_node_is_that_of_its_output() -> None:
    layers = (conv(), Activation(name="relu", function="relu"), Clamp(name="top", high=1.0))
    assert tensors(*layers, relu=TWO)["conv"] == TWO
    assert tensors(*layers, conv=TWO)["conv"] == TWO
    assert tensors(*layers, conv=TWO, relu=TWO, top=TWO)["conv"] == TWO


def test_nothing_joins_across_a_scale_but_a_clip_that_keeps_it() -> None:
    layers = (conv(), Activation(name="relu", function="relu"), Clamp(name="top", high=1.0))
    found = tensors(*layers, conv=ONE, relu=TWO)
    assert (found["conv"], found["relu"]) == (ONE, TWO)
    apart = tensors(*layers, relu=TWO, top=ONE)
    assert (apart["conv"], apart["top"]) == (TWO, ONE)
    assert "scale" in tensors(conv(), Affine(name="scale"), conv=ONE)
    assert "scale" not in tensors(conv(), Affine(name="scale"), scale=ONE)


def test_the_scale_of_a_layer_that_changes_nothing_is_that_of_what_it_reads() -> None:
    layers = (conv(), Activation(name="same", function="identity"), Select(name="all", channels=(0, 1)))
    assert tensors(*layers, same=TWO) == {**tensors(*layers), "conv": TWO}


def test_a_matrix_that_brings_scales_takes_no_factors_of_channels() -> None:
    step = np.array([0.5, 0.25], np.float32)
    for scales, nodes in ((GivenScales(), ["conv"]), (GivenScales({}, {"conv": step}), ["conv", "scale"])):
        lowered = lower(network(conv(), Affine(name="scale"), scales=scales))
        assert [node.name for node in lowered.nodes] == nodes


@pytest.mark.parametrize(
    "keeper", [MaxPool2d(name="keeper", window=Window.square(2)), Select(name="keeper", rows=(2, 1))]
)
def test_what_moves_codes_keeps_the_scale_of_its_input_and_takes_no_other(keeper: Layer) -> None:
    assert (
        tensors(keeper, image=ONE) == tensors(keeper, image=ONE, keeper=ONE) == {"image": ONE, "keeper": ONE}
    )
    with pytest.raises(
        WorkloadError, match=r"net\.keeper brings .*scale=0\.25.* its input has .*scale=0\.03"
    ):
        tensors(keeper, image=ONE, keeper=TWO)


def test_a_clip_of_its_own_keeps_its_inputs_scale_unless_it_brings_one() -> None:
    clip = Activation(name="relu", function="relu")
    assert tensors(clip, image=ONE)["relu"] == ONE
    assert tensors(clip, image=ONE, relu=TWO) == {"image": ONE, "relu": TWO}


def test_zeros_that_joined_a_convolution_take_their_scale_with_them() -> None:
    around = Select(name="pad", rows=(-1, *range(4), -1))
    assert tensors(around, conv(), image=ONE, pad=ONE, conv=TWO) == {"image": ONE, "conv": TWO}


# -- refusals ------------------------------------------------------------------------------------------------


def test_scales_of_another_width_are_refused_with_the_one_that_fits() -> None:
    net = network(conv(), scales=GivenScales({"conv": ONE}))
    with pytest.raises(WorkloadError, match=r"net\.conv brings a scale for codes of 8 bit, .* have 4; .* 8$"):
        quantize(lower(net), net.load_parameters(), IMAGES, 8, 4)


def halves(*integers: int) -> Network:
    """Return a layer whose weights are so many halves, and bring that scale."""
    weight = np.array([integers]) * 0.5
    return Network(
        "net",
        [Input(name="image", shape=(len(integers), 1, 1)), Linear(name="fc", out_features=1, bias=False)],
        parameters=lambda: {"fc": {"weight": weight}},
        scales=GivenScales({}, {"fc": np.array([0.5], np.float32)}),
    )


@pytest.mark.parametrize("integers", [(-8, 7), (7, 7), (-8, -8), (0, 0)])
def test_weights_that_just_fit_are_taken(integers: tuple[int, int]) -> None:
    net = halves(*integers)
    node = quantize(lower(net), net.load_parameters(), np.ones((1, 2, 1, 1)), 4, 8).nodes["fc"]
    assert isinstance(node, QuantizedMatrix)
    assert node.weights.ravel().tolist() == list(integers)


@pytest.mark.parametrize(
    ("smallest", "largest", "needed"),
    [(-9, 7, 5), (-8, 8, 5), (-128, 3, 8), (0, 128, 9), (-(2**15), 0, 16)],
)
def test_weights_wider_than_the_machines_are_refused_with_the_width_that_fits(
    smallest: int, largest: int, needed: int
) -> None:
    net, images = halves(smallest, largest), np.ones((1, 2, 1, 1))
    with pytest.raises(
        WorkloadError,
        match=rf"net\.fc: by the given scales its weights are {smallest} to {largest}, which takes {needed} "
        rf"bit, but weights have 4; let the machine hold {needed}",
    ):
        quantize(lower(net), net.load_parameters(), images, 4, 8)
    quantize(lower(net), net.load_parameters(), images, needed, 8)


def test_weights_that_no_machine_holds_are_told_to_take_larger_scales() -> None:
    net = network(conv(), scales=GivenScales({}, {"conv": np.full(2, 1e-9, np.float32)}))
    with pytest.raises(WorkloadError, match=r"net\.conv: .* but weights have 16; give larger scales"):
        quantize(lower(net), net.load_parameters(), IMAGES, 16, 8)


@pytest.mark.parametrize(
    ("scales", "message"),
    [
        (GivenScales({"cnov": ONE}), r"scales are given for 'cnov', which is no layer; did you mean 'conv'"),
        (GivenScales({}, {"conv": np.ones(3, np.float32)}), r"net\.conv: .* each of 2 output .* got \(3,\)"),
        (GivenScales({}, {"image": np.ones(2, np.float32)}), r"net\.image: weights take a scale"),
        (GivenScales({"conv": Quantization(0.0, 0, 8)}), r"net\.conv: scales must be positive .* got 0\.0"),
        (GivenScales({}, {"conv": np.array([1, -2], np.float32)}), r"net\.conv: scales must .* got -2\.0"),
        (GivenScales({}, {"conv": np.array([1, np.inf], np.float32)}), r"net\.conv: scales must .* got inf"),
    ],
)
def test_scales_of_nothing_and_what_is_no_scale_are_refused(scales: GivenScales, message: str) -> None:
    with pytest.raises(WorkloadError, match=message):
        network(conv(), scales=scales)
