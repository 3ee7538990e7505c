from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simcore.errors import WorkloadError
from tests.strategies import NetworkCase, networks, random_parameters
from tests.workloads.network_twins import golden_by_hand
from workloads import (
    Conv2d,
    Input,
    Linear,
    MatrixNode,
    Network,
    Window,
    float_tensors,
    golden,
    golden_outputs,
    lower,
    nodes,
    quantize,
    requantize,
)
from workloads.integer_reference import exact_sums


@settings(deadline=None)
@given(networks(), st.integers(2, 16), st.integers(2, 16))
def test_golden_equals_scalar_arithmetic_on_every_node(
    case: NetworkCase, weight_bits: int, activation_bits: int
) -> None:
    parameters = case.network.load_parameters()
    # one image calibrates, so that the others leave its range and saturate
    quantized = quantize(lower(case.network), parameters, case.images[:1], weight_bits, activation_bits)
    codes = golden(quantized, case.images)
    for i, image in enumerate(case.images):
        for name, expected in golden_by_hand(quantized, image).items():
            assert np.array_equal(codes[name][i], expected), name


@settings(deadline=None)
@given(networks())
def test_sixteen_bits_stay_close_to_real_numbers(case: NetworkCase) -> None:
    lowered, parameters = lower(case.network), case.network.load_parameters()
    quantized = quantize(lowered, parameters, case.images, weight_bits=16, activation_bits=16)
    codes = golden(quantized, case.images)
    largest = 1.0  # errors of one tensor reach the next, so the largest so far is the yardstick
    for name, exact in float_tensors(lowered, parameters, case.images):
        largest = max(largest, float(np.abs(exact).max()))
        error = np.abs(quantized.tensors[name].dequantize(codes[name]) - exact).max()
        assert error <= 0.01 * largest, name


@settings(deadline=None)
@given(networks(max_images=4))
def test_an_image_does_not_depend_on_its_batch(case: NetworkCase) -> None:
    lowered = lower(case.network)
    quantized = quantize(lowered, case.network.load_parameters(), case.images)
    together = golden(quantized, case.images)
    for i in range(len(case.images)):
        alone = golden(quantized, case.images[i : i + 1])
        assert all(np.array_equal(alone[name][0], together[name][i]) for name in lowered.shapes)


def test_batches_split_by_memory_give_the_same_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network("split", [Input(name="image", shape=(2, 3, 3)), Linear(name="fc", out_features=4)])
    rng = np.random.default_rng(0)
    images = rng.normal(size=(7, 2, 3, 3))
    quantized = quantize(lower(network), random_parameters(network, rng), images)
    whole = golden(quantized, images)
    monkeypatch.setattr(nodes, "ELEMENTS_AT_ONCE", 40)
    parts = golden(quantized, images)
    assert all(np.array_equal(whole[name], parts[name]) for name in whole)
    assert np.array_equal(golden_outputs(quantized, images), whole["fc"])


@pytest.mark.parametrize("largest_code", [1, 2**15, 2**50])
def test_sums_are_exact_below_and_above_what_doubles_hold(largest_code: int) -> None:
    node = MatrixNode(
        name="fc",
        inputs=("image",),
        in_shapes=((3, 1, 1),),
        shape=(2, 1, 1),
        window=Window.square(1),
        groups=1,
        cols=2,
    )
    codes = np.array([largest_code, largest_code - 1, -largest_code], dtype=np.int64).reshape(1, 3, 1, 1)
    weights = np.array([[[127, -127], [126, 3], [5, 7]]], dtype=np.int16)
    expected = [
        sum(int(code) * int(weight) for code, weight in zip(codes.flat, weights[0, :, col], strict=True))
        for col in (0, 1)
    ]
    assert exact_sums(codes, weights, node).flatten().tolist() == expected


def test_requantisation_rounds_halves_to_even_then_shifts_then_clips() -> None:
    scaled = np.array([0.5, 1.5, 2.5, -0.5, -1.5, 300.0, -300.0], dtype=np.float32)
    assert requantize(scaled, 10, 3, 200).tolist() == [10, 12, 12, 10, 8, 200, 3]


def test_padding_reads_as_real_zero_even_where_zero_is_not_code_zero() -> None:
    layers = [
        Input(name="image", shape=(1, 1, 1)),
        Conv2d(name="conv", out_channels=1, window=Window.square(3, padding=1), bias=False),
    ]
    weight = np.full((1, 1, 3, 3), 9.0)
    weight[0, 0, 1, 1] = 1.0
    network = Network("padded", layers, parameters=lambda: {"conv": {"weight": weight}})
    calibration = np.array([-1.0, 1.0]).reshape(2, 1, 1, 1)
    quantized = quantize(lower(network), network.load_parameters(), calibration)
    output = quantized.output_quantization.dequantize(golden_outputs(quantized, calibration[1:]))
    assert output.item() == pytest.approx(1.0, abs=0.08)


def test_images_of_another_shape_are_refused() -> None:
    network = Network("small", [Input(name="image", shape=(1, 2, 2)), Linear(name="fc", out_features=1)])
    parameters = random_parameters(network, np.random.default_rng(0))
    quantized = quantize(lower(network), parameters, np.ones((1, 1, 2, 2)))
    with pytest.raises(
        WorkloadError, match=r"small takes inputs of shape \(images, 1, 2, 2\).* got \(1, 2, 1, 2\)"
    ):
        golden(quantized, np.ones((1, 2, 1, 2)))
    with pytest.raises(WorkloadError, match="finite"):
        golden_outputs(quantized, np.full((1, 1, 2, 2), np.nan))
