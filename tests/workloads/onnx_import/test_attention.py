"""Transformers from ONNX, in the forms that exporters write: ONNX Runtime's results, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, NodeProto, TensorProto
from onnxruntime.quantization import QuantFormat, quantize_static

from simcore.errors import WorkloadError
from tests.workloads.onnx_import.error_bound import error_bound
from tests.workloads.onnx_import.models import (
    Array,
    by_network,
    channels_first,
    imported,
    model,
    node,
    random_images,
    runtime_outputs,
)
from tests.workloads.onnx_import.test_quantised import Images
from tests.workloads.onnx_import.token_graphs import Form, features_model, picture_model, text_model
from workloads import (
    AddEmbedding,
    AttentionMix,
    AttentionScores,
    ClassToken,
    Embedding,
    Layer,
    LayerNorm,
    LayerNormNode,
    Network,
    Softmax,
    golden_outputs,
    lower,
    quantize,
)


@st.composite
def forms(draw: st.DrawFn) -> Form:
    key_heads = draw(st.integers(1, 3))
    opset = draw(st.sampled_from((13, 17, 21)))
    return Form(
        tokens=draw(st.integers(1, 6)),
        heads=key_heads * draw(st.integers(1, 2)),
        key_heads=key_heads,
        features=draw(st.integers(1, 4)),
        packed=draw(st.booleans()),
        scaled=draw(st.sampled_from(("scores", "queries", "both"))),
        causal=draw(st.sampled_from((None, "add", "where", "where-hidden"))),
        written_out=opset < 17 or draw(st.booleans()),
        gelu=draw(st.sampled_from(("op", "erf", "tanh"))),
        flat=draw(st.booleans()),
        opset=opset,
    )


def inputs_of(kind: str, form: Form, seed: int) -> Array:
    match kind:
        case "features":
            return random_images((form.tokens, 6), seed=seed)
        case "text":
            return np.random.default_rng(seed).integers(0, 11, (2, form.tokens))
    return random_images((3, 4, 2 * form.tokens), seed=seed)


MODELS: dict[str, Callable[[Form, int], ModelProto]] = {
    "features": features_model,
    "text": text_model,
    "picture": picture_model,
}


def compared(made: ModelProto, inputs: Array, folder: Path) -> tuple[Network, Array, Array, Array]:
    """Return the network, its inputs, ONNX Runtime's results and those of the float reference."""
    network = imported(made, folder)
    expected = channels_first(network, "output", runtime_outputs(made, inputs))
    images = channels_first(network, "input", inputs)
    return network, images, expected, by_network(network, images).reshape(expected.shape)


@settings(deadline=None, max_examples=60)
@given(forms(), st.sampled_from(sorted(MODELS)), st.integers(0, 2**16))
def test_any_form_agrees_with_onnx_runtime_in_reals_and_in_integers(form: Form, kind: str, seed: int) -> None:
    with TemporaryDirectory() as folder:
        network, images, expected, in_reals = compared(
            MODELS[kind](form, seed), inputs_of(kind, form, seed), Path(folder)
        )
        np.testing.assert_allclose(in_reals, expected, rtol=1e-4, atol=1e-4)
        quantized = quantize(lower(network), network.load_parameters(), images, 16, 16)
        bound = error_bound(network, quantized, images)
        found = quantized.output_quantization.dequantize(golden_outputs(quantized, images))
        assert (np.abs(found - expected) <= bound + 1e-4).all()


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize(("bits", "error"), [(8, 0.06), (16, 0.0005)])
def test_integers_are_close_to_onnx_runtime(kind: str, bits: int, error: float, tmp_path: Path) -> None:
    form = Form(tokens=6, heads=4, key_heads=2, features=3, causal="add")
    network, images, expected, _ = compared(MODELS[kind](form, 1), inputs_of(kind, form, 1), tmp_path)
    quantized = quantize(lower(network), network.load_parameters(), images, bits, bits)
    found = quantized.output_quantization.dequantize(golden_outputs(quantized, images))
    assert np.abs(found - expected).max() < error * np.abs(expected).max()


def kinds_of(network: Network) -> list[type[Layer]]:
    wanted = (AddEmbedding, AttentionMix, AttentionScores, ClassToken, Embedding, LayerNorm, Softmax)
    return [type(layer) for layer in network.layers.values() if isinstance(layer, wanted)]


@pytest.mark.parametrize("scaled", ["scores", "queries", "both"])
def test_a_block_becomes_two_products_with_a_softmax_of_heads_between_them(
    scaled: str, tmp_path: Path
) -> None:
    form = Form(tokens=5, heads=4, key_heads=2, features=3, scaled=scaled, causal="where", written_out=True)
    network = imported(picture_model(form, 0), tmp_path)
    block = [LayerNorm, AttentionScores, Softmax, AttentionMix, LayerNorm]
    assert kinds_of(network) == [ClassToken, AddEmbedding, *block, LayerNorm]
    layers = {type(layer): layer for layer in network.layers.values()}
    scores, shares = layers[AttentionScores], layers[Softmax]
    assert isinstance(scores, AttentionScores)
    assert isinstance(shares, Softmax)
    assert (scores.heads, scores.key_heads) == (4, 2)
    assert math.isclose(scores.factor, 1 / math.sqrt(3) if scaled == "scores" else 1.0, rel_tol=1e-6)
    assert (shares.groups, shares.causal) == (4, 0)


def test_factors_and_offsets_of_a_written_out_norm_join_it(tmp_path: Path) -> None:
    form = Form(tokens=5, heads=1, key_heads=1, features=3, written_out=True)
    norms = [
        each
        for each in lower(imported(text_model(form, 0), tmp_path)).nodes
        if isinstance(each, LayerNormNode)
    ]
    assert [len(each.norms) for each in norms] == [2, 2, 2]


def test_ids_are_taken_as_the_file_has_them_and_noted(tmp_path: Path) -> None:
    form = Form(tokens=5, heads=1, key_heads=1, features=3)
    network = imported(text_model(form, 0), tmp_path)
    assert network.input_shape == (1, 1, 5)
    assert (
        "the input 'x' holds integers in the file: runs have the same numbers as real ones" in network.notes
    )
    quantized = quantize(lower(network), network.load_parameters(), np.arange(5.0).reshape(1, 1, 1, 5))
    assert (quantized.input_quantization.scale, quantized.input_quantization.bits) == (1.0, 4)


@pytest.mark.parametrize("kind", ["features", "picture"])
@pytest.mark.parametrize("packed", [True, False])
def test_a_quantised_block_is_within_a_step_of_the_runtime(kind: str, packed: bool, tmp_path: Path) -> None:
    form = Form(tokens=5, heads=2, key_heads=2, features=3, packed=packed)
    inputs = np.concatenate([inputs_of(kind, form, seed) for seed in range(4)])
    onnx.save(MODELS[kind](form, 1), tmp_path / "float.onnx")
    files = str(tmp_path / "float.onnx"), str(tmp_path / "codes.onnx")
    quantize_static(*files, Images(inputs), quant_format=QuantFormat.QDQ)
    made = onnx.load(tmp_path / "codes.onnx")
    network = imported(made, tmp_path)
    images = channels_first(network, "input", inputs)
    quantized = quantize(lower(network), network.load_parameters(), images)
    assert any(isinstance(network.layers[name], AttentionScores) for name in network.scales.tensors)
    expected = quantized.output_quantization.quantize(
        channels_first(network, "output", runtime_outputs(made, inputs))
    )
    steps = np.abs(golden_outputs(quantized, images) - expected)
    assert steps.max() <= 1
    assert (steps == 0).mean() > 0.95


def test_masks_that_hide_nothing_leave_no_trace(tmp_path: Path) -> None:
    plain = imported(model(scores(node("Softmax", "s")), ("N", *TOKENS)), tmp_path)
    zeros: dict[str, Array] = {
        "m": np.zeros((1, 4, 4), np.float32),
        "h": np.ones((4, 4), bool),
        "l": np.array(-np.inf, np.float32),
        "z": np.array(0.0, np.float32),
    }
    hidden = scores(
        node("Add", "s m", "a"),
        node("Where", "h a l", "w"),
        node("Softmax", "w", "p"),
        node("IsNaN", "p", "n"),
        node("Where", "n z p"),
    )
    network = imported(model(hidden, ("N", *TOKENS), zeros), tmp_path)
    assert list(map(type, network.layers.values())) == list(map(type, plain.layers.values()))


# -- refusals ------------------------------------------------------------------------------------------------

TOKENS = (4, 6)


def causal_but(change: Any) -> Array:
    mask = np.where(np.tril(np.ones((4, 4), bool)), np.float32(0), np.float32(-np.inf))
    change(mask)
    return mask


def scores(*behind: NodeProto) -> list[NodeProto]:
    return [node("Transpose", "x", "t", perm=[0, 2, 1]), node("MatMul", "x t", "s"), *behind]


def seen_from_behind(mask: Array) -> None:
    mask[:] = mask[::-1].copy()


def with_other_numbers(mask: Array) -> None:
    mask[2, 1] = -3.0


@pytest.mark.parametrize(
    ("nodes", "constants", "message"),
    [
        (
            scores(node("Add", "s m", "a"), node("Softmax", "a")),
            {"m": causal_but(seen_from_behind)},
            "not causal",
        ),
        (
            scores(node("Add", "s m", "a"), node("Softmax", "a")),
            {"m": causal_but(with_other_numbers)},
            "its mask adds other numbers",
        ),
        (
            scores(node("Add", "s m", "a"), node("Relu", "a")),
            {"m": causal_but(lambda _: None)},
            "hides scores, but no softmax reads them",
        ),
        (scores(node("Softmax", "s", axis=1)), {}, "does not hold the channels"),
        (scores(node("Mul", "s m")), {"m": np.ones((4, 4), np.float32) * 2}, "not one number for each of 4"),
        (
            [node("Reshape", "x h", "a"), node("Transpose", "a", "b", perm=[0, 2, 1]), node("MatMul", "a b")],
            {"h": np.array([1, 2, 12], np.int64)},
            "multiplies two computed tensors|across channels and pixels",
        ),
        ([node("LayerNormalization", "x s", axis=1)], {"s": np.ones((4, 6), np.float32)}, "over 2 axes"),
        (
            [node("Concat", "w x v", axis=1)],
            {"w": np.ones((1, 1, 6), np.float32), "v": np.ones((1, 1, 6), np.float32)},
            "is a constant",
        ),
    ],
)
def test_other_forms_are_refused(
    nodes: list[NodeProto], constants: dict[str, Array], message: str, tmp_path: Path
) -> None:
    with pytest.raises(WorkloadError, match=message):
        imported(model(nodes, ("N", *TOKENS), constants), tmp_path)


def test_whole_attention_in_one_operator_is_refused(tmp_path: Path) -> None:
    nodes = [node("Attention", "x x x", q_num_heads=2, kv_num_heads=2)]
    with pytest.raises(WorkloadError, match="whole part of attention in one; export with version 22"):
        imported(model(nodes, ("N", *TOKENS), opset=23), tmp_path)


def test_tables_of_more_than_two_axes_and_of_too_many_rows_are_refused(tmp_path: Path) -> None:
    for shape, message in (
        ((3, 4, 5), r"a table of shape \(3, 4, 5\)"),
        ((2**16 + 1, 1), "entries must be in"),
    ):
        made = model(
            [node("Gather", "w x")], (1, 4), {"w": np.ones(shape, np.float32)}, kind=TensorProto.INT64
        )
        with pytest.raises(WorkloadError, match=message):
            imported(made, tmp_path)


def test_casts_of_ids_to_other_integers_pass_them_on(tmp_path: Path) -> None:
    nodes = [node("Cast", "x", "i", to=TensorProto.INT32), node("Gather", "w i")]
    made = model(nodes, (1, 4), {"w": np.ones((5, 6), np.float32)}, kind=TensorProto.INT64)
    assert kinds_of(imported(made, tmp_path)) == [Embedding]
