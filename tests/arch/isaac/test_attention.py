"""Products of attention on ISAAC: time of each part, bytes of keys, and what a run must not depend on."""

from math import ceil
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import imcsim
from arch import MachineRun
from arch.machines.isaac.timing import TileReads
from simcore import MappingError
from tests.arch.dataflow_bench import quantized
from tests.arch.isaac.isaac_bench import Bench, bench, isaac_settings, mlp, starts
from tests.arch.test_dataflow import same
from tests.strategies import NetworkCase
from tests.token_networks import token_inputs, token_networks
from workloads import (
    AttentionMix,
    AttentionScores,
    Conv2d,
    Embedding,
    Input,
    Layer,
    Network,
    Softmax,
    Window,
    lower,
)
from workloads import networks as built_in
from workloads.zoo.transformers import decoder

#: Ticks: the digital clock of 1.2 GHz ticks 120 times in a cycle of 100 ns.
CYCLE = 120


def projections(tokens: int, features: int, *names: str) -> list[Layer]:
    """Return an input of tokens, and products with weights for each of them."""
    layers: list[Layer] = [Input(name="tokens", shape=(8, tokens, 1))]
    window = Window.square(1)
    return layers + [Conv2d(name=n, inputs=("tokens",), out_channels=features, window=window) for n in names]


def scores(tokens: int, features: int, heads: int = 1) -> Network:
    """Return the first product of attention alone."""
    product = AttentionScores(name="scores", inputs=("query", "key"), heads=heads)
    return Network("scores", [*projections(tokens, features, "query", "key"), product])


def attention(tokens: int, features: int, heads: int = 1, causal: int | None = None) -> Network:
    """Return attention to all tokens, or to those before."""
    return Network(
        "attention",
        [
            *projections(tokens, features, "query", "key", "value"),
            AttentionScores(name="scores", inputs=("query", "key"), heads=heads),
            Softmax(name="shares", groups=heads, causal=causal),
            AttentionMix(name="mix", inputs=("shares", "value"), heads=heads),
        ],
    )


def one_copy(**machine: Any) -> dict[str, Any]:
    """Return a machine whose layers have one copy each."""
    return {"replication": "none", **machine}


def tiles_of(subject: Bench, stage: str) -> list[int]:
    return list(subject.placed.tiles(stage))


# -- one token -----------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 6), st.integers(1, 3), st.integers(1, 40), st.sampled_from((32, 64, 256)))
def test_a_token_is_fetched_with_its_keys_then_multiplied_then_finished(
    tokens: int, heads: int, features: int, bits: int
) -> None:
    """The last token's parts follow one another at once, each as long as its formula says."""
    channels = heads * features
    unit = {"macs": 16, "pass_cycles": 3}
    machine = one_copy(tile={"bus_bits": bits, "edram_cycles": 1}, attention={"unit": unit})
    subject = bench(scores(tokens, channels, heads), machine)
    run = subject.run(record=True)
    (tile,) = tiles_of(subject, "scores")
    fetched = starts(run, f"layer[scores].fetch[{tile}]", "busy:read")
    multiplied = starts(run, "layer[scores].attention", "busy:product")
    finished = starts(run, "layer[scores].digital", "busy:finish")
    assert len(fetched) == len(multiplied) == len(finished) == tokens
    size = 2 * channels * (tokens + 1)  # all keys, and the token
    fetch = ceil(8 * size / bits)
    product = ceil(tokens * channels / 16) * 3
    finish = ceil(heads * tokens / 2)
    assert fetched[0] % CYCLE == 0
    assert multiplied[0] - fetched[0] == fetch
    assert finished[0] - multiplied[0] == product
    steps = [fetched[0] + fetch + product + finish]
    for _ in range(1, tokens):  # at the pace of the slowest part, once the first is through
        steps.append(steps[-1] + max(fetch, product, finish))
    assert finished[-1] + finish <= steps[-1] + tokens * CYCLE  # choosing tokens begins where a cycle does
    assert run.completed[0] == CYCLE * (ceil((finished[-1] + finish) / CYCLE) + 1)


@pytest.mark.parametrize(
    ("heads", "machine", "own", "others"),
    [
        # bus of 8 wires: bytes of keys and tokens, read and written, and of inputs of the keys' layer
        (1, {"tile": {"bus_bits": 8, "edram_cycles": 1}}, 12 * 13 * 192 * 2, 12 * (2 * 192 * 2 + 2 * 16)),
        (1, {"attention": {"unit": {"macs": 1}}}, 12 * 12 * 192, 0),
        (192, {"tile": {"sigmoid_units": 1}}, 12 * 192 * 12, 0),
    ],
    ids=["fetch", "product", "finish"],
)
def test_images_follow_at_the_pace_of_the_slowest_part(
    heads: int, machine: dict[str, Any], own: int, others: int
) -> None:
    """A narrow bus, few multipliers or slow units: the time of all 12 tokens of an image in that part."""
    subject = bench(scores(12, 192, heads), one_copy(**machine))
    run = subject.run(8)
    apart = int(run.completed[4] - run.completed[3])  # while others are written behind it
    assert own > 12 * 16 * CYCLE  # more than the arrays take
    assert own + others - CYCLE < apart < own + others + CYCLE
    predicted = subject.placed.interval
    assert predicted is not None
    assert predicted.layer_cycles == ceil(own / CYCLE)


def test_multipliers_of_all_tiles_share_a_token() -> None:
    """Keys that need four tiles are read and multiplied in a quarter of the time."""
    case = scores(8, 64)
    times = {}
    for kib in (64, 1):
        subject = bench(case, one_copy(tile={"edram_kib": kib}, attention={"unit": {"macs": 8}}))
        run = subject.run(record=True)
        tiles = tiles_of(subject, "scores")
        (account,) = (a for a in run.outcome.accounts if a.path == "layer[scores].attention")
        times[len(tiles)] = account.ticks["busy:product"]
    (one, several) = sorted(times)
    assert one == 1 < several
    assert times[one] == 8 * 8 * 64 // 8
    assert times[several] == 8 * ceil(8 * 64 / (8 * several))


# -- where keys lie ------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    st.integers(1, 5),
    st.integers(1, 9),
    st.lists(st.integers(1, 9), min_size=1, max_size=6),
    st.integers(1, 3),
)
def test_each_tile_reads_what_was_written_to_it(tiles: int, keys: int, seen: list[int], images: int) -> None:
    """Pixels are written by turns, over all images."""
    visible = [min(keys, count) for count in seen]
    written = [number % tiles for number in range(images * keys)]
    tokens = [number % tiles for number in range(images * len(visible))]
    for tile in range(tiles):
        reads = TileReads(tile, tiles, visible, keys, 6, 10)
        for image in range(images):
            for token, count in enumerate(visible):
                step = image * len(visible) + token
                own = written[image * keys :][:count].count(tile)
                assert reads.kept(step) == 6 * own
                assert reads.size(step) == 6 * own + 10 * (tokens[step] == tile)


def test_a_sequence_that_needs_more_edram_gets_more_tiles() -> None:
    """Keys and values of ViT's 197 tokens are 75 648 bytes each, more than the 64 KiB of a tile."""
    placed = bench(built_in["vit-tiny"](), one_copy()).placed
    for block in range(1, 13):
        for kept, product in (("key", "scores"), ("value", "mix")):
            (row,) = (row for row in placed.rows if row.stage == f"block{block}-{product}")
            name, depth, size = row.buffers[0]
            assert name == f"block{block}-{kept}"
            assert depth is not None
            assert depth >= 197
            assert size == depth * 192 * 2
            home = placed.homes[row.stage]
            (home_row,) = (row for row in placed.rows if row.stage == home)
            assert home_row.resources["tile"] == len(placed.tiles(home)) >= ceil(197 * 192 * 2 / 65536) == 2


# -- whole networks ------------------------------------------------------------------------------------------


def cache_by_formula(network: Network, images: int, value_bytes: int) -> tuple[int, int]:
    """Return the bytes of keys and values that are written, and those that are read."""
    written = read = 0
    for stage in lower(network).nodes:
        if hasattr(stage, "visible") and hasattr(stage, "keys"):
            token = stage.in_shapes[1][0] * value_bytes
            written += images * stage.keys * token
            read += images * int(stage.visible.sum()) * token
    return written, read


@settings(deadline=None, max_examples=40)
@given(token_networks(), isaac_settings(), st.integers(1, 3))
def test_bytes_of_keys_and_values_follow_their_closed_forms(
    case: NetworkCase, machine: dict[str, Any], images: int
) -> None:
    subject = bench(case.network, machine)
    run = subject.run(images)
    value_bytes = ceil(machine["activation_bits"] / 8)
    assert run.cache is not None
    assert (run.cache.written, run.cache.read) == cache_by_formula(case.network, images, value_bytes)
    assert run.macs == images * lower(case.network).macs
    assert len(run.completed) == images


@settings(deadline=None, max_examples=25)
@given(token_networks(), isaac_settings(), st.integers(0, 2**16))
def test_engine_order_recording_and_detail_change_nothing(
    case: NetworkCase, machine: dict[str, Any], seed: int
) -> None:
    subject = bench(case.network, machine)
    reference = subject.run(2)
    for options in ({"engine": "stock"}, {"shuffle": seed}, {"record": True}):
        run = subject.run(2, **options)
        same(run, reference)
        assert run.cache == reference.cache
    other = "group" if machine["detail"] == "array" else "array"
    run = bench(case.network, {**machine, "detail": other}).run(2)
    assert run.completed == reference.completed
    assert run.outcome.area == reference.outcome.area
    assert run.outcome.energy.by_component == pytest.approx(reference.outcome.energy.by_component)


def bytes_moved(run: MachineRun, layer: str) -> tuple[int, int]:
    actions = run.outcome.energy.actions
    return actions[f"layer[{layer}].edram"]["edram"], actions[f"layer[{layer}].bus"]["bus"]


def test_each_byte_is_paid_for_once() -> None:
    """Keys and queries are written once, and read by each token: its own query, and the keys that it sees."""
    run = bench(attention(7, 24, 2, causal=0)).run(2)
    token = 24 * 2
    seen = sum(range(1, 8))
    assert bytes_moved(run, "scores") == (2 * token * (2 * 7 + seen + 7),) * 2
    shares = 2 * 7 * 2
    assert bytes_moved(run, "mix") == (2 * (7 * (token + shares) + seen * token + 7 * shares),) * 2
    assert run.cache is not None
    assert run.cache.read == 2 * 2 * seen * token


def test_products_that_a_causal_softmax_hides_are_neither_done_nor_paid_for() -> None:
    full, causal = (bench(attention(6, 12, causal=hidden)).run() for hidden in (None, 0))
    done = [run.outcome.energy.actions["layer[mix].attention"] for run in (full, causal)]
    assert [actions["multiply-accumulate"] for actions in done] == [12 * 36, 12 * 21]
    joules = 12 * 21 * 0.23e-12 * (16 / 8) ** 2  # of 8 bits each, with the square of the bits
    unit = causal.outcome.energy.by_component["digital"]
    assert unit > 2 * joules


def test_ids_take_as_many_bytes_as_ids_take() -> None:
    for entries, size in ((256, 1), (257, 2)):
        layers = [
            Input(name="ids", shape=(1, 5, 1)),
            Embedding(name="words", entries=entries, features=4),
            Conv2d(name="conv", out_channels=2, window=Window.square(1)),
        ]
        run = bench(Network("ids", layers)).run()
        moved, _ = bytes_moved(run, "words")
        assert moved == 2 * 5 * size + 5 * 4 * 2  # written and read, and rows of the table


# -- area, refusals ------------------------------------------------------------------------------------------


def test_networks_without_attention_have_no_units_for_it() -> None:
    plain, wide = (bench(mlp(64, 10), {"attention": {"unit": {"macs": n}}}).run() for n in (1, 4096))
    assert plain.outcome.area == wide.outcome.area
    assert plain.outcome.energy == wide.outcome.energy
    assert plain.cache is None


def test_units_have_an_area_in_each_tile() -> None:
    each = 256 * 318e-6 * (16 / 8) ** 2
    case = scores(8, 64)
    for kib in (64, 1):
        subject = bench(case, one_copy(tile={"edram_kib": kib}))
        areas = [
            bench(case, one_copy(tile={"edram_kib": kib}, attention={"unit": unit})).run().outcome.area.total
            for unit in ({}, {"mac_area_mm2": 0.0})
        ]
        assert areas[0] - areas[1] == pytest.approx(len(tiles_of(subject, "scores")) * each)


def test_sequences_beyond_the_cache_are_refused() -> None:
    machine = {"attention": {"cache_tokens": 8}}
    bench(attention(8, 4), machine)
    with pytest.raises(MappingError, match=r"cache_tokens=8 is the limit.*reads 9 tokens"):
        bench(attention(9, 4), machine)


@pytest.mark.parametrize("fidelity", ["ideal", "link"])
def test_chips_are_as_many_as_a_network_needs(fidelity: str) -> None:
    """With few tiles a chip, what BERT's layers send goes from chip to chip."""
    machine = one_copy(tiles=10, mesh={"fidelity": fidelity})
    subject = bench(built_in["bert-tiny"](), machine)
    assert subject.placed.chips > 1
    run = subject.run()
    assert run.macs == 58_736_640
    more = bench(built_in["bert-tiny"](), {**machine, "chips": subject.placed.chips + 1})
    assert more.placed.chips == subject.placed.chips + 1
    with pytest.raises(MappingError, match=rf"set chips to {subject.placed.chips} or auto"):
        bench(built_in["bert-tiny"](), {**machine, "chips": 1})


# -- values --------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(token_networks(), isaac_settings())
def test_outputs_are_those_of_the_golden_reference(case: NetworkCase, machine: dict[str, Any]) -> None:
    integers = quantized(case, 16, 16)
    subject = bench(integers.network.lowered, machine)
    images = len(case.images)
    run = subject.run(images, integers.values)
    assert run.outputs is not None
    assert np.array_equal(run.outputs, integers.expected)
    reference = subject.run(images)
    assert run.outcome.accounts == reference.outcome.accounts  # values change no cycle
    assert run.outcome.energy == reference.outcome.energy


@pytest.mark.parametrize("fidelity", ["ideal", "link"])
def test_a_decoder_computes_its_golden_outputs_on_several_chips(fidelity: str) -> None:
    network = decoder("small", tokens=32, blocks=2, features=32, heads=4, vocabulary=100)
    inputs = token_inputs(network, 2, np.random.default_rng(1))
    integers = quantized(NetworkCase(network, inputs), 16, 16)
    subject = bench(integers.network.lowered, one_copy(tiles=8, mesh={"fidelity": fidelity}))
    assert subject.placed.chips > 1
    run = subject.run(2, integers.values)
    assert run.outputs is not None
    assert np.array_equal(run.outputs, integers.expected)
    assert run.cache is not None
    seen = 32 * 33 // 2
    assert run.cache.written == 2 * 2 * 2 * 32 * 32 * 2  # images, blocks, keys and values
    assert run.cache.read == 2 * 2 * 2 * seen * 32 * 2


@pytest.mark.slow
@pytest.mark.parametrize(("network", "detail"), [("bert-tiny", "array"), ("vit-tiny", "group")])
def test_built_in_transformers_compute_their_golden_outputs(network: str, detail: str) -> None:
    run = imcsim.run(network, "isaac", settings=["replication=none", f"detail={detail}"])
    assert run.summary["outputs_match_golden"]


@given(
    st.integers(1, 12),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(0, 8),
    st.integers(0, 200),
    st.data(),
)
def test_what_a_tile_reads_of_keys_comes_again_after_some_images(
    tiles: int, tokens: int, keys: int, size: int, step: int, data: st.DataObject
) -> None:
    tile = data.draw(st.integers(0, tiles - 1))
    visible = data.draw(st.lists(st.integers(0, keys), min_size=tokens, max_size=tokens))
    reads = TileReads(tile, tiles, visible, keys, size, 3)
    assert reads.period % tokens == 0
    assert reads.size(step) == reads.size(step + reads.period)
