"""Transformers on the dataflow machine: when tokens come out, what is done for them, what memories see."""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch import MachineRun
from arch.machine import CacheTraffic
from imcsim.metrics import fingerprint
from simcore import MappingError
from tests.arch.dataflow_bench import Bench, bench, machine_settings, quantized
from tests.arch.pipeline_recurrence import Recurrence, keys_seen
from tests.arch.test_fast_forward import MEMORIES, insist_on_equal, skipped
from tests.strategies import NetworkCase
from tests.token_networks import token_networks
from workloads import (
    AttentionMix,
    AttentionScores,
    Conv2d,
    Embedding,
    Input,
    Layer,
    LoweredNetwork,
    MatrixNode,
    MixNode,
    Network,
    ScoresNode,
    Select,
    Softmax,
    Window,
    lower,
)
from workloads import networks as shipped
from workloads.zoo.transformers import decoder

# Defaults, in cycles: see the machine's configuration.
SOURCE, LINK = 130, 1


def sequence(features: int, tokens: int, *layers: Layer) -> Network:
    """Return a network of layers on tokens that come in."""
    return Network("tokens", [Input(name="tokens", shape=(features, tokens, 1)), *layers])


def lone_scores(heads: int, features: int, tokens: int) -> Network:
    """Return the scores of a sequence with itself, which need no weights."""
    scores = AttentionScores(name="scores", inputs=("tokens", "tokens"), heads=heads)
    return sequence(heads * features, tokens, scores)


def small_decoder(tokens: int = 12, blocks: int = 1, heads: int = 2) -> Network:
    """Return a decoder with causal blocks of 8 features."""
    return decoder("decoder", tokens=tokens, blocks=blocks, features=8, heads=heads, vocabulary=20)


def attention(
    tokens: int,
    keys: int,
    heads: int,
    key_heads: int,
    features: int,
    *,
    causal: int | None = None,
) -> Network:
    """Return attention of tokens to some of them, some more than once, or to all."""
    point, places = Window.square(1), tuple(key % tokens for key in range(keys))
    return sequence(
        3,
        tokens,
        Conv2d(name="query", out_channels=heads * features, window=point),
        Select(name="seen", inputs=("tokens",), rows=places),
        Conv2d(name="key", inputs=("seen",), out_channels=key_heads * features, window=point),
        Conv2d(name="value", inputs=("seen",), out_channels=key_heads * features, window=point),
        AttentionScores(name="scores", inputs=("query", "key"), heads=heads, key_heads=key_heads),
        Softmax(name="shares", groups=heads, causal=causal),
        AttentionMix(name="mix", inputs=("shares", "value"), heads=heads, key_heads=key_heads),
    )


# -- the recurrence ------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=200)
@given(token_networks(), st.integers(1, 3), machine_settings())
def test_every_image_and_every_buffer_are_as_the_recurrence_says(
    case: NetworkCase, images: int, machine: dict[str, Any]
) -> None:
    """With any buffers, the least ones that are allowed among them: no run deadlocks."""
    subject = bench(case.network, machine)
    run = subject.run(images)
    expected = Recurrence(subject.machine.config, subject.placed, images)
    assert run.completed == expected.completed
    assert run.peaks == {
        f"core[{stage}].memory.pixel_in[{place}]": peak for (stage, place), peak in expected.peaks.items()
    }
    assert run.outcome.makespan == run.completed[-1]


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 9), st.integers(1, 2), machine_settings(["unbounded", "minimum"]))
def test_decoders_are_as_the_recurrence_says(tokens: int, blocks: int, machine: dict[str, Any]) -> None:
    subject = bench(small_decoder(tokens, blocks), machine)
    assert subject.run(2).completed == Recurrence(subject.machine.config, subject.placed, 2).completed


# -- closed forms --------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    heads=st.integers(1, 3),
    features=st.integers(1, 5),
    tokens=st.integers(1, 9),
    macs=st.integers(1, 40),
    passes=st.integers(1, 3),
    key=st.integers(0, 5),
    lanes=st.integers(1, 8),
    source=st.integers(1, 100),
)
def test_scores_begin_with_the_last_key_and_end_a_slowest_part_for_each_token_later(
    heads: int, features: int, tokens: int, macs: int, passes: int, key: int, lanes: int, source: int
) -> None:
    """Three parts in a row: memory, multipliers, digital unit; the slowest one takes all tokens in turn."""
    machine: dict[str, Any] = {
        "core": {"memory": {"column_cycles": key}, "digital": {"lanes": lanes}},
        "attention": {"unit": {"macs": macs, "pass_cycles": passes}},
        "source": {"pixel_cycles": source},
        "buffers": {"rule": "full"},
    }
    subject = bench(lone_scores(heads, features, tokens), machine)
    read = tokens * key
    multiply = ceil(heads * tokens * features / macs) * passes
    finish = ceil(heads * tokens / lanes)
    last_key = (tokens - 1) * source + LINK
    slowest = max(read, multiply, finish)
    (first,) = subject.run().completed
    assert first == last_key + read + multiply + finish + (tokens - 1) * slowest + LINK


@pytest.mark.parametrize("rule", ["minimum", "lines:K+1", "unbounded"])
@pytest.mark.parametrize(
    ("heads", "features", "tokens", "macs"), [(1, 4, 8, 1), (2, 3, 5, 2), (3, 8, 16, 4), (1, 64, 30, 7)]
)
def test_images_follow_as_fast_as_slow_scores_are_done(
    heads: int, features: int, tokens: int, macs: int, rule: str
) -> None:
    """One image's keys come in while the one before is multiplied, and no cycle is lost between them."""
    subject = bench(
        lone_scores(heads, features, tokens),
        {
            "attention": {"unit": {"macs": macs, "pass_cycles": 9}},
            "source": {"pixel_cycles": 3},
            "buffers": {"rule": rule},
        },
    )
    product = ceil(heads * tokens * features / macs) * 9
    completed = subject.run(5).completed
    assert np.diff(completed).tolist() == [tokens * product] * 4
    assert subject.placed.interval is not None
    assert subject.placed.interval.cycles == tokens * product


@pytest.mark.parametrize("macs", [16, 64])
@pytest.mark.parametrize("name", ["bert-tiny", "vit-tiny"])
def test_whole_transformers_are_paced_by_their_slowest_part(name: str, macs: int) -> None:
    """Memories of 128 or 197 keys, one a cycle, or their multipliers."""
    tokens, of_token = {"bert-tiny": (128, 2 * 64 * 128), "vit-tiny": (197, 3 * 64 * 197)}[name]
    subject = bench(
        lower(shipped[name]()),
        {
            "detail": "group",
            "attention": {"unit": {"macs": macs}},
            "input_pixels_per_cycle": 16,
        },
    )
    completed = subject.run(3).completed
    slowest = tokens * max(tokens, 130, ceil(of_token / macs))
    assert completed[2] - completed[1] == slowest
    assert subject.placed.interval is not None
    assert subject.placed.interval.cycles == slowest


@pytest.mark.parametrize("macs", [256, 48, 24])
def test_a_decoder_whose_attention_keeps_up_is_paced_by_its_arrays(macs: int) -> None:
    network = decoder("d", tokens=96, blocks=2, features=32, heads=4, vocabulary=40)
    subject = bench(network, {"attention": {"unit": {"macs": macs}}})
    assert np.diff(subject.run(4).completed).tolist() == [96 * 130] * 3


def test_tokens_see_only_keys_before_them_and_multipliers_need_no_longer() -> None:
    """Of a causal sequence the first token takes a key's time, the last one all keys'."""
    subject = bench(attention(6, 6, 1, 1, 4, causal=0), {"attention": {"unit": {"macs": 1}}})
    run = subject.run(record=True)
    for stage in ("scores", "mix"):
        assert durations(run, f"core[{stage}].attention", "busy:product") == [4, 8, 12, 16, 20, 24]
        assert durations(run, f"core[{stage}].memory", "busy:read") == [1, 2, 3, 4, 5, 6]


def test_scores_and_their_softmax_pass_over_what_a_token_sees() -> None:
    """One pass of all scores to codes, and three of the softmax; of two lanes."""
    subject = bench(attention(5, 5, 2, 1, 4, causal=0), {"core": {"digital": {"lanes": 4}}})
    run = subject.run(record=True)
    assert durations(run, "core[scores].digital", "busy:finish") == [4 * ceil(2 * n / 4) for n in range(1, 6)]
    actions = run.outcome.energy.actions
    assert actions["core[scores].digital"]["channel pass"] == 4 * 2 * (1 + 2 + 3 + 4 + 5)
    assert actions["core[mix].digital"]["channel pass"] == 5 * 2 * 4


def durations(run: MachineRun, unit: str, state: str) -> list[int]:
    """Return for how long a unit was in a state, each time."""
    activity = run.outcome.activity
    assert activity is not None
    chosen = activity.unit == activity.units.index(unit)
    chosen &= activity.state == activity.states.index(state)
    return [int(ticks) for ticks in activity.duration[chosen]]


# -- what is done, moved and kept ----------------------------------------------------------------------------

SHAPES = [
    # tokens, keys, heads, key heads, features, causal
    (1, 1, 1, 1, 1, None),
    (5, 1, 2, 2, 3, None),
    (1, 7, 2, 1, 3, None),
    (4, 9, 4, 2, 5, None),
    (6, 6, 3, 1, 4, 0),
    (3, 8, 2, 2, 2, 5),
    (8, 3, 2, 1, 2, 0),
]


@pytest.mark.parametrize("detail", ["array", "group"])
@pytest.mark.parametrize("shape", SHAPES)
def test_macs_and_bytes_of_the_cache_are_those_of_closed_forms(shape: tuple[Any, ...], detail: str) -> None:
    """Each key and value is written once an image, and read by each token that sees it."""
    tokens, keys, heads, key_heads, features, causal = shape
    network, images = attention(*shape[:5], causal=causal), 3
    subject = bench(network, {"detail": detail})
    run = subject.run(images)
    seen = sum(keys_seen(causal, keys, token) for token in range(tokens))
    weights = 3 * features * (tokens * heads + 2 * keys * key_heads)
    assert run.macs == images * (weights + 2 * heads * features * seen)
    width = key_heads * features
    assert run.cache is not None
    assert run.cache.written == images * 2 * keys * width
    assert run.cache.read == images * 2 * seen * width
    last = keys_seen(causal, keys, tokens - 1)
    assert last <= run.cache.most_tokens <= 2 * keys + 1
    actions = run.outcome.energy.actions
    for stage in ("scores", "mix"):
        done = actions[f"core[{stage}].attention"]["multiply-accumulate"]
        assert done == images * heads * features * seen


@settings(deadline=None, max_examples=60)
@given(token_networks(), st.integers(1, 3), machine_settings())
def test_the_cache_of_any_network_is_that_of_its_products(
    case: NetworkCase, images: int, machine: dict[str, Any]
) -> None:
    network = lower(case.network)
    run = bench(network, machine).run(images)
    assert run.cache is not None
    assert (run.cache.written, run.cache.read) == cache_bytes(network, images)
    assert run.macs == images * macs_one_by_one(network)


def products_of(network: LoweredNetwork) -> list[ScoresNode | MixNode]:
    return [node for node in network.nodes if isinstance(node, ScoresNode | MixNode)]


def cache_bytes(network: LoweredNetwork, images: int) -> tuple[int, int]:
    """Return the bytes that are written and read of keys and values of 8 bit."""
    written = read = 0
    for node in products_of(network):
        channels, height, width = node.in_shapes[1]
        written += channels * height * width
        tokens = node.shape[1] * node.shape[2]
        read += channels * sum(keys_seen(node.causal, height * width, token) for token in range(tokens))
    return images * written, images * read


def macs_one_by_one(network: LoweredNetwork) -> int:
    macs = sum(node.macs for node in network.nodes if isinstance(node, MatrixNode))
    for node in products_of(network):
        channels, height, width = node.in_shapes[1]
        tokens = node.shape[1] * node.shape[2]
        seen = sum(keys_seen(node.causal, height * width, token) for token in range(tokens))
        macs += node.heads * (channels // node.key_heads) * seen
    return macs


@pytest.mark.parametrize(
    ("name", "blocks", "tokens", "features"), [("bert-tiny", 2, 128, 128), ("vit-tiny", 12, 197, 192)]
)
def test_caches_of_whole_transformers(name: str, blocks: int, tokens: int, features: int) -> None:
    network = lower(shipped[name]())
    run = bench(network, {"detail": "group"}).run(2)
    assert run.macs == 2 * network.macs
    cache = run.cache
    assert cache is not None
    assert cache.written == 2 * blocks * 2 * tokens * features
    assert cache.read == 2 * blocks * 2 * tokens**2 * features


def test_an_id_takes_as_many_bytes_as_its_vocabulary_and_a_look_up_reads_a_row() -> None:
    """30 522 entries are 15 bits; a row has 128 codes of 8 bit, and positions and kinds bring as many."""
    actions = bench(lower(shipped["bert-tiny"]()), {"detail": "group"}).run().outcome.energy.actions
    words = actions["core[words].memory"]
    assert words["byte written"] == 128 * 2
    assert words["byte read"] == 128 * (2 + 128 + 128 + 128)


@pytest.mark.parametrize(("entries", "size"), [(1, 1), (256, 1), (257, 2), (2**16, 2)])
def test_ids_that_something_picks_are_sent_as_ids(entries: int, size: int) -> None:
    network = Network(
        "ids",
        [
            Input(name="ids", shape=(1, 4, 1)),
            Select(name="reversed", rows=(3, 2, 1, 0)),
            Embedding(name="words", entries=entries, features=5),
        ],
    )
    bits = max(1, (entries - 1).bit_length())
    actions = bench(network).run().outcome.energy.actions
    assert actions["core[reversed].links"]["bit sent"] == 4 * bits
    assert actions["core[words].memory"] == {"read": 4, "byte written": 4 * size, "byte read": 4 * (size + 5)}


def test_networks_without_attention_have_no_cache() -> None:
    network = sequence(2, 3, Conv2d(name="a", out_channels=2, window=Window.square(1)))
    assert bench(network).run().cache is None


# -- nothing else decides ------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(token_networks(), st.integers(1, 3), machine_settings(), st.integers(0, 99))
def test_engines_and_orders_of_processes_change_nothing(
    case: NetworkCase, images: int, machine: dict[str, Any], seed: int
) -> None:
    subject = bench(case.network, machine)
    expected = told(subject, subject.run(images))
    for options in ({"engine": "stock"}, {"shuffle": seed}, {"engine": "stock", "shuffle": seed}):
        assert told(subject, subject.run(images, **options)) == expected


def told(subject: Bench, run: MachineRun) -> tuple[str, CacheTraffic | None]:
    return fingerprint(subject.machine, subject.placed.network, "off", 0, run), run.cache


@settings(deadline=None, max_examples=30)
@given(token_networks(), st.integers(8, 20), machine_settings(["minimum", "lines:K+1"]))
def test_periods_that_are_left_out_change_nothing(
    case: NetworkCase, images: int, machine: dict[str, Any]
) -> None:
    subject = bench(case.network, machine)
    run = insist_on_equal(subject, images)
    assert run.cache is not None
    assert (run.cache.written, run.cache.read) == cache_bytes(subject.placed.network, images)


def test_most_images_of_a_transformer_are_left_out() -> None:
    assert skipped(insist_on_equal(bench(small_decoder()), 40)) > 20


def test_copies_of_matrices_beside_attention_shorten_the_interval_until_attention_sets_it() -> None:
    """Eight tokens of 130 cycles take half the time on two copies, and products of attention as before."""
    times = {}
    for copies, macs in ((1, 256), (2, 256), (2, 1)):
        machine = {
            "layers": {name: {"replication": copies} for name in ("query", "key", "value")},
            "attention": {"unit": {"macs": macs}},
            "source": {"pixel_cycles": 1},
        }
        subject = bench(attention(8, 8, 2, 2, 16), machine)
        run = subject.run(6)
        assert subject.placed.interval is not None
        times[copies, macs] = int(np.diff(run.completed)[-1])
        assert times[copies, macs] == subject.placed.interval.cycles
    assert times == {(1, 256): 8 * 130, (2, 256): 4 * 130, (2, 1): 8 * 2 * 16 * 8}


@pytest.mark.parametrize("fidelity", ["ideal", "link", "flit"])
@pytest.mark.parametrize("kind", ["mesh", "5pp"])
def test_wide_tokens_travel_over_any_fabric(fidelity: str, kind: str) -> None:
    """Scores of 3 heads and 40 keys are wider than any other token."""
    network = attention(10, 40, 3, 1, 4)
    machine = {"fabric": {"topology": {"kind": kind}, "fidelity": fidelity, "width_bits": 32}}
    run = bench(network, machine).run(3)
    assert run.macs == 3 * lower(network).macs
    assert run.cache is not None
    assert (run.cache.written, run.cache.read) == cache_bytes(lower(network), 3)


# -- values --------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(token_networks(), machine_settings(), st.integers(2, 8), st.sampled_from(MEMORIES))
def test_values_are_those_of_the_golden_reference_on_any_machine(
    case: NetworkCase, machine: dict[str, Any], bits: int, memory: str
) -> None:
    work = quantized(case, 8, bits)
    machine["activation_bits"] = bits
    machine["core"]["memory"]["kind"] = memory
    subject = bench(work.network.lowered, machine)
    run = subject.run(len(case.images), work.values)
    assert run.outputs is not None
    assert np.array_equal(run.outputs, work.expected)
    assert run.completed == subject.run(len(case.images)).completed


@settings(deadline=None, max_examples=15)
@given(token_networks(), machine_settings(["minimum"]), st.sampled_from(["link", "flit"]))
def test_values_survive_the_fabric(case: NetworkCase, machine: dict[str, Any], fidelity: str) -> None:
    work = quantized(case)
    machine["fabric"] = {"topology": {"kind": "mesh"}, "fidelity": fidelity}
    run = bench(work.network.lowered, machine).run(len(case.images), work.values)
    assert run.outputs is not None
    assert np.array_equal(run.outputs, work.expected)


def test_keys_without_a_window_register_stay_until_they_are_multiplied() -> None:
    """Three keys, and room for no more: the next image's come in when the last token's products are done."""
    product, times = 3 * 20, {}
    for kind in MEMORIES:
        machine = {
            "core": {"memory": {"kind": kind, "column_cycles": 0}},
            "attention": {"unit": {"macs": 1}},
            "source": {"pixel_cycles": 1},
            "buffers": {"depths": {"tokens:scores": 3}, "allow_undersized": True},
        }
        times[kind] = np.diff(bench(lone_scores(1, 20, 3), machine).run(4).completed).tolist()
    assert times["activation-memory"] == [3 * product] * 3
    assert times["direct-memory"] == [3 * product + 2 * 1 + LINK] * 3


# -- refusals ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "room", "named"),
    [((4, 9, 1, 1, 2), 8, r"tokens\.scores reads 9"), ((5, 2, 1, 1, 2), 1, r"tokens\.scores reads 2")],
)
def test_a_sequence_longer_than_the_cache_is_refused(shape: tuple[Any, ...], room: int, named: str) -> None:
    with pytest.raises(MappingError, match=rf"attention\.cache_tokens={room} is the limit.*{named} tokens"):
        bench(attention(*shape), {"attention": {"cache_tokens": room}})
    bench(attention(*shape), {"attention": {"cache_tokens": room + 1}})
