"""Requantisation is defined in single precision: cases in which double precision would round otherwise."""

from __future__ import annotations

import numpy as np

from workloads import (
    Add,
    Conv2d,
    GlobalAvgPool,
    Input,
    Linear,
    LoweredNetwork,
    Network,
    Quantization,
    QuantizedAvgPool,
    QuantizedJoin,
    QuantizedMatrix,
    QuantizedNetwork,
    QuantizedNode,
    Window,
    golden_outputs,
    lower,
    quantize,
)

EIGHT_BITS = Quantization(scale=1.0, zero=2, bits=8)


def output(lowered: LoweredNetwork, node: QuantizedNode, codes: list[int]) -> int:
    """Return the only output code of a network of one node, for an image of these codes."""
    tensors = dict.fromkeys(lowered.shapes, EIGHT_BITS)
    network = QuantizedNetwork(lowered, 8, 8, tensors, {lowered.output: node})
    image = EIGHT_BITS.dequantize(np.array(codes)).reshape(1, *lowered.input_shape)
    return int(golden_outputs(network, image).item())


def test_an_accumulator_loses_the_digits_that_single_precision_cannot_hold() -> None:
    layers = [Input(name="image", shape=(1, 1, 1)), Linear(name="fc", out_features=1)]
    node = QuantizedMatrix(
        low=0,
        high=255,
        weights=np.ones((1, 1, 1), dtype=np.int16),
        bias=np.array([2**24]),
        multiplier=np.array([2.0**-25], dtype=np.float32),
        input_zero=2,
        output_zero=10,
    )
    # acc = 2**24 + 1 becomes 2**24, whose half is even; the exact product would be just above 0.5
    assert output(lower(Network("net", layers)), node, [3]) == 10


def test_operands_of_a_sum_are_added_from_first_to_last_in_single_precision() -> None:
    layers = [Input(name="image", shape=(1, 1, 1)), Add(name="add", inputs=("image", "image", "image"))]

    def total(*multipliers: float) -> int:
        node = QuantizedJoin(
            low=0,
            high=255,
            multipliers=np.array(multipliers, dtype=np.float32),
            input_zeros=np.array([2, 2, 2]),
            output_zero=10,
        )
        return output(lower(Network("net", layers)), node, [3])

    assert total(2.0**24, 1.0, -(2.0**24)) == 10  # 2**24 + 1 is no float32, so the one is lost
    assert total(2.0**24, -(2.0**24), 1.0) == 11


def test_multipliers_are_ratios_of_the_scales_on_both_sides() -> None:
    layers = [
        Input(name="image", shape=(2, 3, 3)),
        Conv2d(name="conv", out_channels=2, window=Window.square(1), bias=False),
        Add(name="add", inputs=("conv", "image")),
        GlobalAvgPool(name="pool"),
    ]
    weight = np.array([[1.0, -2.0], [0.5, 0.25]]).reshape(2, 2, 1, 1)
    images = np.random.default_rng(0).normal(size=(3, 2, 3, 3))
    network = quantize(lower(Network("net", layers)), {"conv": {"weight": weight}}, images)
    scale = {name: tensor.scale for name, tensor in network.tensors.items()}
    conv, add, pool = (network.nodes[name] for name in ("conv", "add", "pool"))
    assert isinstance(conv, QuantizedMatrix)
    assert isinstance(add, QuantizedJoin)
    assert isinstance(pool, QuantizedAvgPool)
    expected = [scale["image"] * largest / 127 / scale["conv"] for largest in (2.0, 0.5)]
    np.testing.assert_allclose(conv.multiplier, expected, rtol=1e-7)
    expected = [scale[name] / scale["add"] for name in ("conv", "image")]
    np.testing.assert_allclose(add.multipliers, expected, rtol=1e-7)
    np.testing.assert_allclose(pool.multiplier, [[scale["add"] / scale["pool"] / 9]], rtol=1e-7)
