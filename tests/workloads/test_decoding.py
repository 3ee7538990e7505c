"""Which networks decode, and what they write: the naive loop of a pass for each token says so."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simcore.errors import WorkloadError
from tests.strategies import random_parameters
from tests.token_networks import Sequence, token_inputs
from workloads import (
    Add,
    AttentionMix,
    AttentionScores,
    AvgPool2d,
    ClassToken,
    Concat,
    Conv2d,
    Embedding,
    GlobalAvgPool,
    Input,
    Layer,
    LayerNorm,
    Linear,
    MaxPool2d,
    Network,
    Select,
    Softmax,
    Window,
    check_decodes,
    chosen_ids,
    decoded,
    float_outputs,
    follows,
    golden_outputs,
    lower,
    networks,
    quantize,
)
from workloads.zoo.transformers import decoder

TOKENS, ENTRIES, FEATURES = 6, 7, 4


def behind_embedding(*layers: Layer, head: int = ENTRIES) -> Network:
    """Return a network of ids, some layers, and scores of `head` successors."""
    ends = Conv2d(name="head", out_channels=head, window=Window.square(1))
    ids = Input(name="ids", shape=(1, TOKENS, 1))
    return Network("n", [ids, Embedding(name="words", entries=ENTRIES, features=FEATURES), *layers, ends])


def attention(causal: int | None) -> tuple[Layer, ...]:
    return (
        AttentionScores(name="scores", inputs=("words", "words"), heads=1),
        Softmax(name="shares", causal=causal),
        AttentionMix(name="mix", inputs=("shares", "words"), heads=1),
    )


def column(kernel: int, top: int, bottom: int) -> Window:
    return Window(kernel=(kernel, 1), padding=(top, 0, bottom, 0))


@pytest.mark.parametrize(
    "layers",
    [
        (),
        (LayerNorm(name="norm"),),
        attention(0),
        (Conv2d(name="past", out_channels=3, window=column(3, 2, 0)),),
        (MaxPool2d(name="largest", window=column(2, 1, 0)),),
        (AvgPool2d(name="mean", window=column(2, 1, 0)),),
        (Select(name="shifted", rows=(-1, *range(TOKENS - 1))),),
        (Select(name="some", channels=(2, 0)), Concat(name="both", inputs=("words", "some"))),
        (Select(name="first", rows=(0,) * TOKENS), Add(name="sum", inputs=("words", "first"))),
    ],
)
def test_what_looks_back_only_decodes(layers: tuple[Layer, ...]) -> None:
    check_decodes(lower(behind_embedding(*layers)), 1)
    check_decodes(lower(behind_embedding(*layers)), TOKENS)


@pytest.mark.parametrize(
    ("layers", "at", "reason"),
    [
        (attention(None), "scores", "token 0 sees 6 tokens"),
        (attention(2), "scores", "token 0 sees 3 tokens"),
        ((ClassToken(name="class", tokens=2),), "class", "it puts 2 tokens in front of the 6"),
        (
            (Conv2d(name="both", out_channels=3, window=column(3, 1, 1)),),
            "both",
            "its window of 3 x 1 pixels reads tokens behind its own",
        ),
        (
            (Conv2d(name="next", out_channels=3, window=column(2, 0, 1)),),
            "next",
            "its window of 2 x 1 pixels reads tokens behind its own",
        ),
        (
            (MaxPool2d(name="pool", window=Window(kernel=(2, 1), stride=(2, 1))),),
            "pool",
            "its window of 2 x 1",
        ),
        ((GlobalAvgPool(name="mean"),), "mean", "its window of 6 x 1 pixels"),
        ((Select(name="last", rows=(TOKENS - 1,)),), "last", "it picks 1 of 6 tokens"),
        (
            (Select(name="turned", rows=tuple(reversed(range(TOKENS)))),),
            "turned",
            "it puts token 5 in the place of token 0",
        ),
        (
            (Select(name="later", rows=(0, 1, 3, 3, 4, 5)),),
            "later",
            "it puts token 3 in the place of token 2",
        ),
    ],
)
def test_a_node_that_looks_ahead_is_named(layers: tuple[Layer, ...], at: str, reason: str) -> None:
    lowered = lower(behind_embedding(*layers))
    with pytest.raises(WorkloadError, match=rf"^n\.{at}: {reason}.*leave the prompt out$"):
        check_decodes(lowered, 3)


def test_networks_without_ids_or_with_other_outputs_are_refused() -> None:
    pixels = Network(
        "p", [Input(name="x", shape=(3, 4, 1)), Conv2d(name="c", out_channels=2, window=Window.square(1))]
    )
    with pytest.raises(WorkloadError, match=r"^p reads no token ids.*got prompt 2"):
        check_decodes(lower(pixels), 2)
    with pytest.raises(WorkloadError, match=r"^n\.head scores 8 successors, but only ids below 7"):
        check_decodes(lower(behind_embedding(head=8)), 2)
    check_decodes(lower(behind_embedding(head=5)), 2)
    square = Network(
        "s",
        [Input(name="ids", shape=(1, 2, 2)), Embedding(name="words", entries=3, features=3)],
    )
    with pytest.raises(WorkloadError, match=r"^s must read ids of shape \(1, tokens, 1\).*got \(1, 2, 2\)"):
        check_decodes(lower(square), 2)
    with pytest.raises(WorkloadError, match=r"^bert-tiny\.block1-scores: token 0 sees 128 tokens"):
        check_decodes(lower(networks["bert-tiny"]()), 2)
    classifier = behind_embedding(Linear(name="classes", out_features=3))
    with pytest.raises(WorkloadError, match=r"^n\.classes: its window of 6 x 1 pixels reads tokens behind"):
        check_decodes(lower(classifier), 2)


@pytest.mark.parametrize("prompt", [-1, 0, TOKENS + 1, 10**9])
def test_a_prompt_is_within_the_sequence(prompt: int) -> None:
    with pytest.raises(WorkloadError, match=rf"^prompt must be from 1 to 6, the tokens of n, got {prompt};"):
        check_decodes(lower(behind_embedding()), prompt)


@st.composite
def drawn(draw: st.DrawFn) -> tuple[Network, bool]:
    """Draw a network of ids that scores successors, and tell whether any of its layers looks ahead."""
    sketch = Sequence(draw)
    sketch.append(Input, shape=(1, TOKENS, 1))
    sketch.append(Embedding, entries=ENTRIES, features=FEATURES)
    ahead = False
    for _ in range(draw(st.integers(1, 3))):
        past = sketch.end
        joined = past.startswith("select")  # selections of selections become one
        match draw(st.sampled_from((0, 1, 3) if joined else (0, 1, 2, 3))):
            case 0:
                causal = draw(st.sampled_from((None, 0, 0, 1)))
                sketch.append(AttentionScores, past, past, heads=2)
                sketch.append(Softmax, groups=2, causal=causal)
                sketch.append(AttentionMix, sketch.end, past, heads=2)
                ahead |= causal != 0
            case 1:
                kernel, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 2))
                reach = (kernel - 1) * dilation
                top = draw(st.integers(0, reach) | st.just(reach))
                window = Window(kernel=(kernel, 1), dilation=(dilation, 1), padding=(top, 0, reach - top, 0))
                sketch.append(Conv2d, out_channels=FEATURES, window=window)
                ahead |= top < reach
            case 2:
                rows = [draw(st.integers(-1, place)) for place in range(TOKENS)]
                if draw(st.booleans()):
                    place = draw(st.integers(0, TOKENS - 2))
                    rows[place] = place + 1
                    ahead = True
                sketch.append(Select, rows=tuple(rows))
            case _:
                sketch.feed_forward()
        if draw(st.booleans()):
            sketch.append(Add, sketch.end, past)
    sketch.token_wise(sketch.end, ENTRIES)
    return Network("drawn", sketch.layers), ahead


@settings(deadline=None, max_examples=60)
@given(drawn(), st.integers(1, TOKENS - 1), st.integers(0, 2**16))
def test_no_output_of_what_decodes_depends_on_later_tokens(
    case: tuple[Network, bool], known: int, seed: int
) -> None:
    network, ahead = case
    lowered, rng = lower(network), np.random.default_rng(seed)
    if ahead:
        with pytest.raises(WorkloadError, match="leave the prompt out"):
            check_decodes(lowered, known)
        return
    check_decodes(lowered, known)
    parameters = random_parameters(network, rng)
    ids = token_inputs(network, 1, rng)
    others = ids.copy()
    others[:, :, known:] = token_inputs(network, 1, rng)[:, :, known:]
    outputs = [float_outputs(lowered, parameters, each)[:, :, :known] for each in (ids, others)]
    np.testing.assert_allclose(outputs[0], outputs[1], rtol=1e-9, atol=1e-9)


@pytest.fixture(scope="module", params=["reals", "integers"])
def scores(request: pytest.FixtureRequest) -> Callable[[np.ndarray], np.ndarray]:
    network = small_decoder()
    lowered, parameters = lower(network), network.load_parameters()
    if request.param == "reals":
        return lambda ids: float_outputs(lowered, parameters, ids)
    quantized = quantize(lowered, parameters, token_inputs(network, 4, np.random.default_rng(9)))
    return lambda ids: golden_outputs(quantized, ids)


def small_decoder() -> Network:
    return decoder("small", tokens=TOKENS, blocks=1, features=8, heads=2, vocabulary=20)


@pytest.mark.parametrize("prompt", [1, 2, TOKENS - 1, TOKENS])
def test_one_pass_over_what_the_loop_wrote_proves_it(
    scores: Callable[[np.ndarray], np.ndarray], prompt: int
) -> None:
    given = token_inputs(small_decoder(), 3, np.random.default_rng(prompt))
    written = decoded(scores, given[:, 0, :, 0], prompt)
    np.testing.assert_array_equal(written[:, :prompt], given[:, 0, :prompt, 0])
    assert follows(written, scores(as_inputs(written)), prompt)
    for sequence in range(3):
        for place in range(prompt, TOKENS):
            wrong = written.copy()
            wrong[sequence, place] = (wrong[sequence, place] + 1) % 20
            assert not follows(wrong, scores(as_inputs(wrong)), prompt)


def as_inputs(ids: np.ndarray) -> np.ndarray:
    return ids[:, None, :, None].astype(np.float32)


def test_ids_behind_the_prompt_do_not_matter(scores: Callable[[np.ndarray], np.ndarray]) -> None:
    one, other = token_inputs(small_decoder(), 2, np.random.default_rng(1))[:, 0, :, 0]
    other[:2] = one[:2]
    written = decoded(scores, np.stack([one, other]), 2)
    np.testing.assert_array_equal(written[0], written[1])


def test_the_lowest_of_equal_scores_is_chosen() -> None:
    outputs = np.array([[3, 1], [5, 1], [5, 0]]).reshape(1, 3, 2, 1)
    np.testing.assert_array_equal(chosen_ids(outputs), [[1, 0]])
