from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simcore.errors import WorkloadError
from tests.strategies import NetworkCase, networks, random_parameters
from tests.workloads.network_twins import SCALAR_FUNCTIONS
from workloads import (
    Activation,
    Add,
    Concat,
    Conv2d,
    Input,
    Layer,
    Linear,
    MaxPool2d,
    Network,
    Quantization,
    QuantizedMatrix,
    QuantizedNetwork,
    QuantizedTable,
    Window,
    activations,
    convolution,
    float_reference,
    folding,
    golden,
    integer_reference,
    lower,
    quantization,
    quantize,
)
from workloads import networks as networks_by_name
from workloads.photograph import photo_crops
from workloads.quantization import _rounded_out, quantize_matrix

RNG = np.random.default_rng(5)
IMAGES = RNG.normal(size=(4, 3, 4, 4))


def quantized(*layers: Layer, bits: int = 8) -> QuantizedNetwork:
    network = Network("net", [Input(name="image", shape=(3, 4, 4)), *layers])
    parameters = random_parameters(network, np.random.default_rng(0))
    return quantize(lower(network), parameters, IMAGES, bits, bits)


ranges = st.tuples(st.floats(-1e6, 0.0), st.floats(0.0, 1e6)) | st.tuples(st.just(1e3), st.floats(1e3, 1e6))


@given(ranges, st.integers(2, 16), st.integers(0, 2**16))
def test_values_in_range_come_back_within_one_step_and_zero_exactly(
    ends: tuple[float, float], bits: int, seed: int
) -> None:
    low, high = min(ends[0], 0.0), max(ends[1], 0.0)
    quantization = Quantization.of_range(low, high, bits)
    values = np.random.default_rng(seed).uniform(low, high, size=20)
    codes = quantization.quantize(values)
    assert 0 <= codes.min() <= codes.max() <= 2**bits - 1
    # half a step of rounding, and at the ends another half by which the zero point shifts the range
    error = np.abs(quantization.dequantize(codes) - values)
    assert error.max() <= quantization.scale * 1.01
    assert quantization.dequantize(quantization.quantize(np.zeros(1))).item() == 0.0


@given(ranges, st.integers(2, 16))
def test_codes_survive_the_way_to_real_numbers_and_back(ends: tuple[float, float], bits: int) -> None:
    quantization = Quantization.of_range(*ends, bits)
    codes = np.arange(2**bits)
    assert np.array_equal(quantization.quantize(quantization.dequantize(codes)), codes)


def test_values_out_of_range_take_the_end_codes_and_halves_the_even_one() -> None:
    quantization = Quantization(scale=2.0, zero=3, bits=4)
    assert quantization.quantize(np.array([-1e30, 1e30, 1.0, 3.0, -1.0])).tolist() == [0, 15, 3, 5, 3]


def test_range_without_extent_gets_a_scale_all_the_same() -> None:
    assert Quantization.of_range(0.0, 0.0, 8) == Quantization(1.0, 0, 8)


@given(st.integers(2, 16), st.integers(0, 2**16))
def test_weights_are_symmetric_and_within_half_a_step_of_their_channel(bits: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(2, 5, 3)) * rng.uniform(0.01, 10.0, size=(2, 1, 3))
    codes, bias, scales = quantize_matrix(weights, np.zeros(6), 0.1, bits)
    assert np.abs(codes).max(axis=1).flatten().tolist() == [2 ** (bits - 1) - 1] * 6
    steps = scales.reshape(2, 1, 3)
    assert (np.abs(codes * steps - weights) <= steps / 2 * 1.000001).all()
    assert not bias.any()


@given(st.floats(1e-3, 1e3), st.floats(-1e3, 1e3), st.sampled_from([0.0, 1e-12, 1.0]))
def test_bias_is_within_half_a_step_even_beside_tiny_weights(
    input_scale: float, bias: float, weight: float
) -> None:
    _, codes, scales = quantize_matrix(np.full((1, 2, 1), weight), np.array([bias]), input_scale, 8)
    step = input_scale * scales[0]
    assert abs(int(codes[0])) <= 2**30
    assert abs(codes[0] * step - bias) <= step / 2 * 1.000001


def test_rows_go_by_position_first_and_by_channel_second() -> None:
    layers = [
        Input(name="image", shape=(4, 3, 3)),
        Conv2d(name="conv", out_channels=6, window=Window(kernel=(2, 3)), groups=2, bias=False),
    ]
    # each weight's value is unique within its channel, and the largest is the same for all
    weight = np.stack([np.roll(np.arange(1, 13), shift) for shift in range(6)]).reshape(6, 2, 2, 3) * 10.0
    network = Network("net", layers)
    node = quantize(lower(network), {"conv": {"weight": weight}}, np.ones((1, 4, 3, 3))).nodes["conv"]
    assert isinstance(node, QuantizedMatrix)
    assert node.weights.shape == (2, 12, 3)
    expected = np.rint(weight / 120.0 * 127)
    for cols, ky, kx, channel in np.ndindex(6, 2, 3, 2):
        row = (ky * 3 + kx) * 2 + channel
        assert node.weights[cols // 3, row, cols % 3] == expected[cols, channel, ky, kx]


def test_linear_layer_reads_its_input_channel_by_channel() -> None:
    layers = [Input(name="image", shape=(2, 1, 3)), Linear(name="fc", out_features=1, bias=False)]
    weight = np.array([[1.0, 2.0, 3.0, 40.0, 50.0, 127.0]])
    node = quantize(lower(Network("net", layers)), {"fc": {"weight": weight}}, np.ones((1, 2, 1, 3))).nodes[
        "fc"
    ]
    assert isinstance(node, QuantizedMatrix)
    assert node.weights.flatten().tolist() == [1, 40, 2, 50, 3, 127]


def test_max_pools_and_unfused_clippings_keep_their_inputs_quantisation() -> None:
    network = quantized(
        MaxPool2d(name="pool", window=Window.square(3, stride=1, padding=1)),
        Activation(name="relu", function="relu", inputs=("image",)),
        Concat(name="concat", inputs=("pool", "relu", "image")),
    )
    assert network.tensors["pool"] == network.tensors["relu"] == network.tensors["image"]
    codes = golden(network, IMAGES)
    assert np.array_equal(codes["relu"], np.maximum(codes["image"], network.tensors["image"].zero))
    if network.tensors["concat"] == network.tensors["image"]:  # equal ranges: a concatenation passes codes on
        joined = np.concatenate([codes[name] for name in ("pool", "relu", "image")], axis=1)
        assert np.array_equal(codes["concat"], joined)


def test_concatenation_of_equal_quantisations_passes_codes_on() -> None:
    network = quantized(Concat(name="concat", inputs=("image", "image")))
    codes = golden(network, IMAGES)
    assert network.tensors["concat"] == network.tensors["image"]
    assert np.array_equal(codes["concat"], np.concatenate([codes["image"], codes["image"]], axis=1))


def test_fused_clipping_narrows_the_codes() -> None:
    network = quantized(Add(name="add", inputs=("image", "image")), Activation(name="relu", function="relu"))
    assert network.tensors["add"].zero == network.nodes["add"].low == 0
    pool = quantized(MaxPool2d(name="pool", window=Window.square(2)), Activation(name="r", function="relu"))
    assert pool.nodes["pool"].low == pool.tensors["image"].zero > 0
    assert golden(pool, IMAGES)["pool"].min() >= pool.tensors["image"].zero


@pytest.mark.parametrize("function", [name for name in activations.names() if name != "identity"])
def test_tables_hold_the_function_of_each_code(function: str) -> None:
    network = quantized(Activation(name="act", function=function))
    node, source, target = network.nodes["act"], network.tensors["image"], network.tensors["act"]
    assert isinstance(node, QuantizedTable)
    for code in range(256):
        value = SCALAR_FUNCTIONS[function]((code - source.zero) * source.scale)
        ideal = min(max(value / target.scale + target.zero, 0), 255)
        assert abs(node.table[code] - ideal) <= 0.5 + 1e-9


@settings(deadline=None)
@given(networks())
def test_calibration_covers_what_it_saw(case: NetworkCase) -> None:
    """Every tensor's end codes stand for values just about the least and the largest."""
    lowered, parameters = lower(case.network), case.network.load_parameters()
    tensors = quantize(lowered, parameters, case.images).tensors
    image = tensors[lowered.input]
    assert abs(image.dequantize(np.array(image.max_code)) - max(case.images.max(), 0)) <= image.scale
    assert abs(image.dequantize(np.array(0)) - min(case.images.min(), 0)) <= image.scale
    assert tensors.keys() == lowered.shapes.keys()


@pytest.mark.parametrize(("weight_bits", "activation_bits"), [(1, 8), (17, 8), (8, 1), (8, 17)])
def test_widths_out_of_bounds_are_refused(weight_bits: int, activation_bits: int) -> None:
    lowered = lower(Network("net", [Input(name="image", shape=(3, 4, 4))]))
    with pytest.raises(WorkloadError, match=r"net: .*_bits must be in \[2, 16\] bit, got (1|17)"):
        quantize(lowered, {}, IMAGES, weight_bits, activation_bits)


def test_calibration_needs_an_image() -> None:
    lowered = lower(Network("net", [Input(name="image", shape=(3, 4, 4))]))
    with pytest.raises(WorkloadError, match=r"net takes inputs .* at least one image, got \(0, 3, 4, 4\)"):
        quantize(lowered, {}, IMAGES[:0])


@pytest.mark.parametrize(("end", "rounded"), [(0.0, 0.0), (1.0, 1.0), (1.001, 1.0078125), (-300.5, -302.0)])
def test_ends_of_large_networks_grow_to_eight_significant_bits(end: float, rounded: float) -> None:
    assert _rounded_out(end) == rounded


def test_calibration_in_single_precision_gives_nearly_equal_scales(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = networks_by_name["resnet20"]()
    images = photo_crops(network.input_shape, 3).inputs
    double = quantize(lower(network), network.load_parameters(), images).tensors
    monkeypatch.setattr(quantization, "DOUBLE_PRECISION_MACS", 0)
    single = quantize(lower(network), network.load_parameters(), images).tensors
    for name in double:
        assert 0.9999 <= single[name].scale / double[name].scale <= 1.01


def test_calibration_in_batches_equals_calibration_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    network = networks_by_name["digits-resnet"]()
    images = np.random.default_rng(0).random((5, *network.input_shape))
    whole = quantize(lower(network), network.load_parameters(), images)
    monkeypatch.setattr(quantization, "CALIBRATION_ELEMENTS", 1)
    single = quantize(lower(network), network.load_parameters(), images)
    assert single.tensors == whole.tensors
    outputs = golden(whole, images)
    assert all(np.array_equal(codes, outputs[name]) for name, codes in golden(single, images).items())


def test_weights_in_parts_equal_weights_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    network = networks_by_name["digits-cnn"]()
    images = np.random.default_rng(0).random((4, *network.input_shape))
    whole = quantize(lower(network), network.load_parameters(), images)
    outputs = golden(whole, images)
    monkeypatch.setattr(folding, "WEIGHTS_AT_ONCE", 1000)
    monkeypatch.setattr(integer_reference, "WEIGHTS_AT_ONCE", 1000)
    monkeypatch.setattr(convolution, "ELEMENTS_LAID_OUT", 700)
    monkeypatch.setattr(float_reference, "BLOCK_ELEMENTS", 700)
    monkeypatch.setattr(float_reference, "BLOCK_PIXELS", 1)
    parts = quantize(lower(network), network.load_parameters(), images)
    for name, node in whole.nodes.items():
        other = parts.nodes[name]
        if isinstance(node, QuantizedMatrix):
            assert isinstance(other, QuantizedMatrix)
            assert np.array_equal(node.weights, other.weights)
            assert np.array_equal(node.bias, other.bias)
    for name, codes in golden(parts, images).items():
        assert np.array_equal(codes, outputs[name])


@pytest.mark.parametrize("weight", [1e30, 1e200, np.inf])
def test_values_that_no_scale_can_hold_are_refused_with_their_layer(weight: float) -> None:
    net = Network(
        "net",
        [
            Input(name="image", shape=(1, 2, 2)),
            Conv2d(name="large", out_channels=1, window=Window.square(1), bias=False),
            Conv2d(name="larger", out_channels=1, window=Window.square(1), bias=False),
        ],
    )
    parameters = {name: {"weight": np.full((1, 1, 1, 1), weight)} for name in ("large", "larger")}
    with pytest.raises(WorkloadError, match=r"net\.larger? takes values from .* scale weights or inputs"):
        quantize(lower(net), parameters, np.ones((1, 1, 2, 2)))
