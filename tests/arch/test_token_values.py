"""Transformers in stages: bit-equal to the golden reference, whatever the order and the memories."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch.mapping.stages import stages_of
from arch.pointwise_values import pixel_work
from simcore import BrokenLawError
from tests.arch.dataflow_bench import Quantized, bench, quantized
from tests.arch.untimed_stages import UntimedStages
from tests.strategies import NetworkCase, random_parameters
from tests.token_networks import token_inputs, token_networks
from workloads import (
    Activation,
    Add,
    AddEmbedding,
    Affine,
    AttentionMix,
    AttentionScores,
    ClassToken,
    Conv2d,
    Embedding,
    Input,
    Layer,
    LayerNorm,
    Linear,
    Network,
    Select,
    Softmax,
    Window,
)
from workloads.zoo.transformers import decoder

seeds = st.integers(0, 2**32 - 1)
POINT = Window.square(1)


def case_of(*layers: Layer, images: int = 3, weight_bits: int = 8, activation_bits: int = 8) -> Quantized:
    """Return a network with random weights, in integers, with images or token ids."""
    rng = np.random.default_rng(len(layers))
    parameters = random_parameters(Network("tokens", list(layers)), rng)
    network = Network("tokens", list(layers), parameters=lambda: parameters)
    case = NetworkCase(network, token_inputs(network, images, rng))
    return quantized(case, weight_bits, activation_bits)


def encoder(block: str, source: str, features: int, heads: int) -> list[Layer]:
    """Return a block of an encoder with norms in front, as ViT has it."""

    def each(name: str, channels: int, reads: str) -> Conv2d:
        return Conv2d(name=f"{block}-{name}", inputs=(reads,), out_channels=channels, window=POINT)

    return [
        LayerNorm(name=f"{block}-norm1", inputs=(source,)),
        *(each(name, features, f"{block}-norm1") for name in ("query", "key", "value")),
        AttentionScores(name=f"{block}-scores", inputs=(f"{block}-query", f"{block}-key"), heads=heads),
        Softmax(name=f"{block}-shares", groups=heads),
        AttentionMix(name=f"{block}-mix", inputs=(f"{block}-shares", f"{block}-value"), heads=heads),
        each("out", features, f"{block}-mix"),
        Add(name=f"{block}-add1", inputs=(f"{block}-out", source)),
        LayerNorm(name=f"{block}-norm2"),
        each("fc1", 4 * features, f"{block}-norm2"),
        Activation(name=f"{block}-gelu", function="gelu"),
        each("fc2", features, f"{block}-gelu"),
        Add(name=block, inputs=(f"{block}-fc2", f"{block}-add1")),
    ]


def assert_golden(case: Quantized, seed: int = 0, slots: int = 1) -> None:
    """Run with room for everything, then again with the slots that this order of turns has filled."""
    roomy = UntimedStages(case, slots=slots)
    assert np.array_equal(roomy.run(Random(seed)), case.expected)
    exact = UntimedStages(case, roomy.filled, slots)
    assert np.array_equal(exact.run(Random(seed)), case.expected)


@settings(deadline=None)
@given(token_networks(), st.integers(2, 16), st.integers(2, 16), st.integers(1, 3), seeds)
def test_networks_of_tokens_are_golden(
    case: NetworkCase, weight_bits: int, activation_bits: int, slots: int, seed: int
) -> None:
    assert_golden(quantized(case, weight_bits, activation_bits), seed, slots)


def test_an_encoder_of_a_picture_is_golden() -> None:
    layers = [
        Input(name="image", shape=(3, 12, 8)),
        Conv2d(name="patches", out_channels=12, window=Window.square(4, stride=4)),
        ClassToken(name="class-token"),
        AddEmbedding(name="positions", entries=7),
        *encoder("block1", "positions", 12, 3),
        *encoder("block2", "block1", 12, 3),
        LayerNorm(name="norm"),
        Select(name="first-token", rows=(0,)),
        Linear(name="head", out_features=5),
    ]
    assert_golden(case_of(*layers), slots=2)


def test_an_encoder_of_text_is_golden() -> None:
    layers = [
        Input(name="ids", shape=(1, 6, 1)),
        Embedding(name="words", entries=300, features=8),
        AddEmbedding(name="positions", entries=9),
        AddEmbedding(name="kinds", entries=2, places=(0, 0, 0, 1, 1, 1)),
        LayerNorm(name="norm"),
        *encoder("block1", "norm", 8, 2),
        Select(name="first-token", rows=(0,)),
        Linear(name="pooler", out_features=4),
        Activation(name="tanh", function="tanh"),
    ]
    assert_golden(case_of(*layers))


@pytest.mark.parametrize("activation_bits", [2, 8, 11, 16])
def test_a_decoder_is_golden(activation_bits: int) -> None:
    network = decoder("decoder", tokens=7, blocks=2, features=8, heads=2, vocabulary=29)
    images = token_inputs(network, 3, np.random.default_rng(0))
    assert_golden(quantized(NetworkCase(network, images), 8, activation_bits), slots=2)


def test_a_decoder_is_golden_in_memories_that_grow() -> None:
    network = decoder("decoder", tokens=7, blocks=1, features=8, heads=2, vocabulary=29)
    case = quantized(NetworkCase(network, token_inputs(network, 4, np.random.default_rng(0))))
    run = bench(case.network.lowered, {"buffers": {"rule": "unbounded"}}).run(4, case.values)
    assert run.outputs is not None
    assert np.array_equal(run.outputs, case.expected)


@pytest.mark.parametrize(("entries", "activation_bits"), [(2**16, 2), (2**16, 8), (200, 12)])
def test_ids_that_are_picked_keep_all_their_bits(entries: int, activation_bits: int) -> None:
    """They have bits of their own, more or fewer than activations."""
    layers = [
        Input(name="ids", shape=(1, 4, 1)),
        Select(name="reversed", rows=(3, 2, 1, 0)),
        Embedding(name="words", entries=entries, features=3),
    ]
    case = case_of(*layers, activation_bits=activation_bits)
    assert case.network.tensors["reversed"].bits == max(8, int(entries - 1).bit_length())
    assert_golden(case)


def test_keys_and_values_cut_out_of_one_tensor_are_worked_on_as_they_are_stored() -> None:
    """One matrix for queries, keys and values: each reader picks its channels and does what follows."""
    layers = [
        Input(name="image", shape=(4, 5, 1)),
        Conv2d(name="qkv", out_channels=12, window=POINT),
        *(
            Select(name=name, inputs=("qkv",), channels=tuple(range(first, first + 4)))
            for name, first in (("query", 0), ("key", 4), ("value", 8))
        ),
        Activation(name="key-gelu", inputs=("key",), function="gelu"),
        Affine(name="value-norm", inputs=("value",)),
        AttentionScores(name="scores", inputs=("query", "key-gelu"), heads=2),
        Softmax(name="shares", groups=2, causal=0),
        AttentionMix(name="mix", inputs=("shares", "value-norm"), heads=2),
    ]
    case = case_of(*layers)
    stages = {stage.name: stage for stage in stages_of(case.network.lowered, of_tokens=True)}
    assert [node.name for node in stages["scores"].operands[0].before] == ["key", "key-gelu"]
    assert [node.name for node in stages["mix"].operands[0].before] == ["value", "value-norm"]
    assert_golden(case, slots=2)


def test_scores_that_others_read_too_are_there_behind_what_a_softmax_hides() -> None:
    """The softmax is a stage of its own then, and adds up the first keys only."""
    layers = [
        Input(name="image", shape=(4, 3, 1)),
        AttentionScores(name="scores", inputs=("image", "image"), heads=2),
        Softmax(name="shares", groups=2, causal=0),
        Add(name="both", inputs=("shares", "scores")),
    ]
    case = case_of(*layers)
    assert "shares" in [stage.name for stage in stages_of(case.network.lowered, of_tokens=True)]
    assert_golden(case)


@pytest.mark.parametrize("pixels", [1, 2, 3])
def test_adjacent_pixels_of_a_step_each_get_their_own_row_and_see_their_own_keys(pixels: int) -> None:
    layers = [
        Input(name="image", shape=(2, 3, 5)),
        Conv2d(name="conv", out_channels=6, window=Window.square(3, padding=1)),
        AddEmbedding(name="positions", entries=15),
        Softmax(name="shares", groups=2, causal=0),
    ]
    case = case_of(*layers)
    run = bench(case.network.lowered, {"layers": {"conv": {"pixels_per_step": pixels}}}).run(3, case.values)
    assert run.outputs is not None
    assert np.array_equal(run.outputs, case.expected)


def test_a_token_more_than_there_are_registers_is_refused() -> None:
    case = case_of(
        Input(name="image", shape=(2, 3, 1)),
        AttentionScores(name="scores", inputs=("image", "image"), heads=1),
    )
    work = UntimedStages(case, slots=2).turns["scores"].stored.work
    for token in range(2):
        work.capture(token, 0, token)
    with pytest.raises(BrokenLawError, match="scores has registers for 2 windows, but reads window 2"):
        work.capture(2, 0, 2)


def test_work_on_pixels_is_refused_for_what_needs_more_than_one() -> None:
    case = case_of(
        Input(name="image", shape=(2, 3, 1)),
        AttentionScores(name="scores", inputs=("image", "image"), heads=1),
    )
    with pytest.raises(TypeError, match="scores: ScoresNode is no work on single pixels"):
        pixel_work(case.network.lowered["scores"], case.network)
