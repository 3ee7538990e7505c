"""Networks of tokens: reals and integers equal twins that share no code with them, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch.mapping.stages import stages_of
from simcore.errors import MappingError, WorkloadError
from tests.strategies import NetworkCase
from tests.token_networks import token_networks
from tests.workloads.network_twins import forward_layers, golden_by_hand
from workloads import (
    Activation,
    Add,
    AddEmbedding,
    AddEmbeddingNode,
    Affine,
    AttentionMix,
    AttentionScores,
    ClassToken,
    Conv2d,
    Embedding,
    GivenScales,
    Input,
    Layer,
    LayerNorm,
    LayerNormNode,
    MixNode,
    Network,
    Quantization,
    ScoresNode,
    Shape,
    Softmax,
    Window,
    float_outputs,
    float_tensors,
    golden,
    golden_outputs,
    lower,
    quantize,
)
from workloads.zoo.transformers import decoder

POINT = Window.square(1)


@settings(deadline=None, max_examples=60)
@given(token_networks())
def test_real_values_are_those_of_every_layer_by_hand(case: NetworkCase) -> None:
    parameters = case.network.load_parameters()
    found = dict(float_tensors(lower(case.network), parameters, case.images))
    for i, image in enumerate(case.images):
        expected = forward_layers(case.network, parameters, image)
        output = found[lower(case.network).output][i]
        np.testing.assert_allclose(output, expected[case.network.output], rtol=1e-6, atol=1e-8)


@settings(deadline=None, max_examples=60)
@given(token_networks(), st.integers(2, 16), st.integers(2, 16))
def test_codes_are_those_of_a_twin_in_python_integers(case: NetworkCase, weights: int, bits: int) -> None:
    quantized = quantize(lower(case.network), case.network.load_parameters(), case.images, weights, bits)
    found = golden(quantized, case.images)
    for i, image in enumerate(case.images):
        for name, codes in golden_by_hand(quantized, image).items():
            assert np.array_equal(found[name][i], codes), name


@settings(deadline=None, max_examples=60)
@given(token_networks())
def test_the_lowered_network_has_the_macs_of_its_layers_but_for_keys_that_no_token_sees(
    case: NetworkCase,
) -> None:
    hidden = 0
    for node in lower(case.network).nodes:
        if isinstance(node, ScoresNode | MixNode) and node.causal is not None:
            pairs = [(t, s) for t in range(node.tokens) for s in range(node.keys) if s > t + node.causal]
            hidden += node.heads * node.features * len(pairs)
    assert lower(case.network).macs == case.network.macs - hidden


def test_both_products_leave_out_what_a_causal_softmax_hides_unless_others_read_the_scores() -> None:
    network = decoder("tiny", tokens=5, blocks=1, features=8, heads=2, vocabulary=11)
    both = [node for node in lower(network).nodes if isinstance(node, ScoresNode | MixNode)]
    assert [node.causal for node in both] == [0, 0]
    assert [node.macs for node in both] == [2 * 4 * (1 + 2 + 3 + 4 + 5)] * 2
    causal = Softmax(name="shares", inputs=("scores",), groups=1, causal=0)
    seen = [
        Input(name="x", shape=(4, 3, 1)),
        AttentionScores(name="scores", inputs=("x", "x"), heads=1),
        causal,
        Add(name="both", inputs=("scores", "shares")),
    ]
    assert lower(Network("seen", seen))["scores"].macs == 4 * 3 * 3


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 5), st.integers(1, 6), st.integers(1, 7))
def test_both_products_take_a_mac_for_each_feature_of_each_pair_of_tokens(
    key_heads: int, per_group: int, features: int, tokens: int, keys: int
) -> None:
    heads = key_heads * per_group
    queries, others = (heads * features, tokens, 1), (key_heads * features, keys, 1)
    scores = AttentionScores(name="scores", heads=heads, key_heads=key_heads)
    mix = AttentionMix(name="mix", heads=heads, key_heads=key_heads)
    shape = scores.output_shape([queries, others])
    assert shape == (heads * keys, tokens, 1)
    assert mix.output_shape([shape, others]) == queries
    assert scores.macs([queries, others]) == mix.macs([shape, others]) == heads * keys * tokens * features


def test_equal_keys_get_equal_shares_and_unseen_ones_none() -> None:
    layers = [
        Input(name="x", shape=(2, 4, 1)),
        AttentionScores(name="scores", inputs=("x", "x"), heads=2),
        Softmax(name="shares", groups=2, causal=1),
    ]
    shares = float_outputs(lower(Network("net", layers)), {}, np.full((1, 2, 4, 1), 0.5))
    expected = [[1 / 2, 1 / 2, 0, 0], [1 / 3] * 3 + [0], [1 / 4] * 4, [1 / 4] * 4]
    np.testing.assert_allclose(shares[0].reshape(2, 4, 4).swapaxes(1, 2), [expected] * 2)


def test_shares_that_weight_values_are_scaled_to_their_range_and_others_to_one() -> None:
    tokens = np.zeros((1, 2, 50, 1))
    layers = [
        Input(name="x", shape=(2, 50, 1)),
        AttentionScores(name="scores", inputs=("x", "x"), heads=1),
        Softmax(name="shares"),
    ]
    alone = quantize(lower(Network("net", layers)), {}, tokens)
    assert alone.tensors["shares"].scale == np.float32(1 / 255)
    mixed = [*layers, AttentionMix(name="mix", inputs=("shares", "x"), heads=1)]
    assert quantize(lower(Network("net", mixed)), {}, tokens).tensors["shares"].scale == np.float32(
        0.02 / 255
    )


def test_factors_behind_a_layer_norm_and_tables_behind_each_other_join() -> None:
    layers = [
        Input(name="x", shape=(3, 2, 1)),
        AddEmbedding(name="position", entries=4),
        AddEmbedding(name="kind", entries=1, places=(0, 0)),
        LayerNorm(name="norm"),
        Affine(name="affine"),
        Activation(name="relu", function="relu"),
    ]
    added, norm = lower(Network("net", layers)).nodes
    assert isinstance(added, AddEmbeddingNode)
    assert [layer.name for layer in added.layers] == ["position", "kind"]
    assert isinstance(norm, LayerNormNode)
    assert norm.norms == (Affine(name="affine", inputs=("norm",)),)
    assert norm.clip == (0.0, None)


# -- token ids -----------------------------------------------------------------------------------------------


def ids_network(*behind: Layer, entries: int = 300, scales: GivenScales | None = None) -> Network:
    layers = [Input(name="ids", shape=(1, 3, 1)), Embedding(name="embed", entries=entries, features=2)]
    table = np.linspace(-1.0, 1.0, entries * 2).reshape(entries, 2)
    return Network("net", [*layers, *behind], lambda: {"embed": {"weight": table}}, scales=scales)


@pytest.mark.parametrize(("entries", "bits"), [(1, 1), (2, 1), (3, 2), (256, 8), (257, 9), (2**16, 16)])
def test_codes_of_ids_are_the_ids_in_as_many_bits_as_they_take(entries: int, bits: int) -> None:
    network = ids_network(entries=entries)
    ids = np.array([0, entries // 2, entries - 1]).reshape(1, 1, 3, 1)
    quantized = quantize(lower(network), network.load_parameters(), ids)
    assert quantized.input_quantization == Quantization(1.0, 0, bits)
    assert np.array_equal(golden(quantized, ids)["ids"], ids)


def test_an_embedding_is_scaled_to_its_whole_table_whatever_it_is_calibrated_with() -> None:
    network = ids_network()
    quantized = quantize(lower(network), network.load_parameters(), np.full((1, 1, 3, 1), 150.0))
    ids = np.array([0, 150, 299]).reshape(1, 1, 3, 1)
    found = quantized.output_quantization.dequantize(golden_outputs(quantized, ids))
    expected = network.load_parameters()["embed"]["weight"][[0, 150, 299]].T
    np.testing.assert_allclose(found[0, ..., 0], expected, atol=1 / 255)


@pytest.mark.parametrize("wrong", [-1.0, 0.5, 300.0])
def test_ids_outside_the_vocabulary_are_refused(wrong: float) -> None:
    network = ids_network()
    ids = np.full((1, 1, 3, 1), wrong)
    message = rf"whole numbers from 0 to 299, got {wrong:g}; give data"
    with pytest.raises(WorkloadError, match=message):
        quantize(lower(network), network.load_parameters(), ids)
    with pytest.raises(WorkloadError, match=message):
        float_outputs(lower(network), network.load_parameters(), ids)


def test_nothing_but_embeddings_reads_ids() -> None:
    layers = [
        Conv2d(name="conv", inputs=("ids",), out_channels=2, window=POINT),
        AttentionScores(name="scores", inputs=("embed", "conv"), heads=1),
    ]
    with pytest.raises(WorkloadError, match="net: conv reads token ids, which only embeddings may read"):
        lower(ids_network(*layers))


def test_computed_ids_are_refused() -> None:
    layers = [
        Input(name="x", shape=(1, 3, 1)),
        Activation(name="abs", function="abs"),
        Embedding(name="embed", entries=4, features=2),
    ]
    with pytest.raises(WorkloadError, match="embed: an embedding reads the network's input, got ids"):
        lower(Network("net", layers))


def test_a_scale_for_ids_is_refused() -> None:
    network = ids_network(scales=GivenScales({"ids": Quantization(0.5, 0, 8)}))
    with pytest.raises(WorkloadError, match=r"net\.ids brings a scale, but its codes are token ids"):
        quantize(lower(network), network.load_parameters(), np.zeros((1, 1, 3, 1)))


# -- refusals ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "shapes", "message"),
    [
        (AttentionScores(name="s", heads=2), [(4, 3, 1)], "takes 2 inputs, queries and keys, got 1"),
        (AttentionScores(name="s", heads=3, key_heads=2), [(6, 3, 1), (4, 3, 1)], "multiple of key_heads"),
        (AttentionScores(name="s", heads=0), [(6, 3, 1), (6, 3, 1)], "both at least 1, got 0 and 0"),
        (AttentionScores(name="s", heads=2), [(4, 3, 1), (5, 3, 1)], "must divide the 5 channels"),
        (
            AttentionScores(name="s", heads=2),
            [(4, 3, 1), (6, 3, 1)],
            "4 channels of queries in 2 heads",
        ),
        (AttentionMix(name="m", heads=2), [(6, 3, 1), (4, 4, 1)], "take 8 channels of shares, got 6"),
        (Softmax(name="s", groups=2), [(5, 3, 1)], "groups must divide 5 channels, got 2"),
        (Softmax(name="s", causal=-1), [(5, 3, 1)], "the first token would see nothing"),
        (LayerNorm(name="n", eps=0.0), [(5, 3, 1)], "eps must be above 0"),
        (Embedding(name="e", entries=5, features=2), [(2, 3, 1)], "one id a pixel, got 2 channels"),
        (Embedding(name="e", entries=2**16 + 1, features=2), [(1, 3, 1)], "entries must be in"),
        (AddEmbedding(name="p", entries=5), [(2, 3, 2)], "5 entries, but 6 tokens take rows 0 to 5; shorten"),
        (AddEmbedding(name="p", entries=5, places=(1, 2)), [(2, 3, 1)], "a row for each of 3 tokens, got 2"),
        (AddEmbedding(name="p", entries=5, places=(-1,)), [(2, 1, 1)], "take rows -1 to -1"),
        (ClassToken(name="c", tokens=0), [(2, 3, 1)], "tokens must be at least 1"),
    ],
)
def test_what_cannot_work_is_refused_with_its_numbers(
    layer: Layer, shapes: list[Shape], message: str
) -> None:
    with pytest.raises(WorkloadError, match=message):
        layer.output_shape(shapes)


def test_a_layer_norm_whose_sums_leave_64_bits_is_refused() -> None:
    shape = (2**16, 1, 1)
    layers = [Input(name="x", shape=shape), LayerNorm(name="norm")]
    vectors = {"weight": np.ones(2**16), "bias": np.zeros(2**16)}
    network = Network("net", layers, lambda: {"norm": vectors})
    images = np.random.default_rng(0).normal(size=(1, *shape))
    assert quantize(lower(network), network.load_parameters(), images, 8, 15).tensors["norm"].bits == 15
    with pytest.raises(WorkloadError, match="norm: sums over 65536 channels of 16 bit do not fit"):
        quantize(lower(network), network.load_parameters(), images, 8, 16)


@pytest.mark.parametrize(
    "layer",
    [
        AttentionScores(name="layer", inputs=("x", "x"), heads=1),
        LayerNorm(name="layer"),
        AddEmbedding(name="layer", entries=9),
        ClassToken(name="layer"),
        Softmax(name="layer", groups=2),
        Softmax(name="layer", causal=0),
    ],
)
def test_machines_refuse_what_only_transformers_have(layer: Layer) -> None:
    network = Network("net", [Input(name="x", shape=(4, 3, 1)), layer])
    with pytest.raises(MappingError, match=r"net has layers of transformers \(layer\), but no part of"):
        stages_of(lower(network))
