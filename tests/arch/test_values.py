"""The integers that values are held in: as narrow as is exact, and never narrower."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest

from arch.mapping.stages import stages_of
from arch.pixel_memory import memory_of
from arch.values import StageValues
from tests.arch.dataflow_bench import Quantized, bench, quantized
from tests.arch.untimed_stages import UntimedStages
from tests.strategies import NetworkCase, random_parameters
from workloads import AttentionScores, Conv2d, Input, Linear, Network, Window


def stage_values(case: Quantized) -> StageValues:
    """Return the memories and registers of a network's only stage."""
    (stage,) = stages_of(case.network.lowered)
    source = np.zeros((1, stage.operands[0].shape[0]), np.int32)
    memories = [memory_of(operand, None, source, lambda: 0, case.network) for operand in stage.operands]
    return StageValues(stage, case.network, memories, 2)


def assert_golden(case: Quantized) -> None:
    network = case.network
    widths = {"weight_bits": network.weight_bits, "activation_bits": network.activation_bits}
    run = bench(network.lowered, {**widths, "detail": "group"}).run(len(case.expected), case.values)
    assert run.outputs is not None
    assert np.array_equal(run.outputs, case.expected)


def sum_of(inputs: int, weight_bits: int, activation_bits: int) -> Quantized:
    """Return a layer that adds up its inputs, all weights and codes as large as can be."""
    parameters = {"sum": {"weight": np.ones((1, inputs), np.float32), "bias": np.zeros(1, np.float32)}}
    layers = [Input(name="image", shape=(inputs, 1, 1)), Linear(name="sum", out_features=1)]
    network = Network("sum", layers, parameters=lambda: parameters)
    return quantized(
        NetworkCase(network, np.ones((1, inputs, 1, 1), np.float32)), weight_bits, activation_bits
    )


@pytest.mark.parametrize(("bits", "inputs"), [((8, 8), 2**31 // (127 * 256)), ((4, 12), 2**31 // (7 * 4096))])
def test_sums_are_of_32_bits_up_to_the_last_input_that_cannot_overflow_them(
    bits: tuple[int, int], inputs: int
) -> None:
    for more, number in ((0, np.int32), (1, np.int64)):
        case = sum_of(inputs + more, *bits)
        assert stage_values(case).sums.dtype == number
        assert_golden(case)


def scores_of(features: int) -> Quantized:
    """Return queries times keys, both one token that is its own, all codes as large as can be."""
    layers = [
        Input(name="image", shape=(features, 1, 1)),
        AttentionScores(name="scores", inputs=("image", "image"), heads=1),
    ]
    network = Network("scores", layers, parameters=dict)
    return quantized(NetworkCase(network, np.ones((1, features, 1, 1), np.float32)))


def test_sums_of_attention_are_of_32_bits_where_twice_the_largest_fits() -> None:
    most = 2**31 // (2 * 256 * 256) - 1
    for terms, number in ((most, np.int32), (most + 1, np.int64)):
        case = scores_of(terms)
        values = UntimedStages(case)
        assert np.array_equal(values.run(Random(0)), case.expected)
        assert values.turns["scores"].stored.work.sums.dtype == number


@pytest.mark.parametrize(
    ("activation_bits", "codes"), [(2, np.uint8), (8, np.uint8), (9, np.uint16), (16, np.uint16)]
)
def test_codes_take_one_byte_or_two(activation_bits: int, codes: type[Any]) -> None:
    case = sum_of(3, 8, activation_bits)
    assert stage_values(case).output.dtype == codes
    assert_golden(case)


@pytest.mark.parametrize("bits", [(8, 8), (16, 15), (2, 16), (16, 16)])
@pytest.mark.parametrize(("groups", "out_channels"), [(1, 6), (2, 6), (6, 6), (6, 12)])
def test_products_are_golden_for_all_groups_and_widths(
    bits: tuple[int, int], groups: int, out_channels: int
) -> None:
    rng = np.random.default_rng(groups)
    window = Window.square(3, stride=2, padding=1)
    conv = Conv2d(name="conv", out_channels=out_channels, window=window, groups=groups)
    layers = [Input(name="image", shape=(6, 7, 5)), conv]
    parameters = random_parameters(Network("conv", layers), rng)
    network = Network("conv", layers, parameters=lambda: parameters)
    case = NetworkCase(network, rng.normal(size=(2, 6, 7, 5)).astype(np.float32))
    assert_golden(quantized(case, *bits))
