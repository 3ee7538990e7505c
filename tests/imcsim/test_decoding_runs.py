"""`--prompt`: a decoder writes the rest of its sequences, on both machines, and the run tells how fast."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import imcsim
from arch import RunOptions, Values
from arch.machine import machines
from imcsim.results import Run, read_run
from tests.imcsim.command_bench import command, printed, refusal
from workloads import decoded, follows, golden_outputs, lower, quantize
from workloads.npz import write_npz
from workloads.zoo.transformers import decoder

MACHINES = ("dataflow", "isaac")
TOKENS, BLOCKS, FEATURES, ENTRIES = 8, 2, 16, 50
BITS = {"dataflow": 8, "isaac": 16}
PLUGIN = f"""
from workloads import AddEmbedding, Conv2d, Embedding, Input, Network, Window, networks
from workloads.zoo.transformers import decoder

@networks.register("gpt-small")
def gpt_small():
    \"\"\"Return a very small decoder.\"\"\"
    return decoder("gpt-small", tokens={TOKENS}, blocks={BLOCKS}, features={FEATURES}, heads=2,
                   vocabulary={ENTRIES})

@networks.register("gpt-long")
def gpt_long():
    \"\"\"Return what has more tokens than positions.\"\"\"
    return Network("gpt-long", [
        Input(name="ids", shape=(1, 9, 1)),
        Embedding(name="words", entries=5, features=4),
        AddEmbedding(name="positions", entries=8),
        Conv2d(name="head", out_channels=5, window=Window.square(1)),
    ])
"""


def gpt_small() -> Any:
    return decoder("gpt-small", tokens=TOKENS, blocks=BLOCKS, features=FEATURES, heads=2, vocabulary=ENTRIES)


@pytest.fixture
def plugin(tmp_path: Path) -> tuple[str, ...]:
    file = tmp_path / "decoders.py"
    file.write_text(PLUGIN)
    return "gpt-small", "--plugin", str(file)


def some_ids(sequences: int) -> np.ndarray[Any, Any]:
    shape = (sequences, 1, TOKENS, 1)
    return np.random.default_rng(7).integers(0, ENTRIES, shape).astype(np.float32)


# -- what is written -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("prompt", [1, 5, TOKENS])
def test_a_run_writes_what_the_loop_of_a_pass_for_each_token_writes(
    machine: str, prompt: int, tmp_path: Path
) -> None:
    ids, network = some_ids(3), gpt_small()
    write_npz(tmp_path / "ids.npz", {"inputs": ids})
    run = imcsim.run(network, machine, images=3, prompt=prompt, data=tmp_path / "ids.npz")
    quantized = quantize(lower(network), network.load_parameters(), ids, BITS[machine], BITS[machine])
    expected = decoded(lambda known: golden_outputs(quantized, known), ids[:, 0, :, 0], prompt)
    np.testing.assert_array_equal(run.tokens, expected)
    outputs = golden_outputs(quantized, expected[:, None, :, None].astype(np.float32))
    np.testing.assert_array_equal(run.quantised, outputs)
    assert run.summary["outputs_match_golden"]
    noted = any("ids of the data behind the prompt" in note for note in run.summary["notes"])
    assert noted == (prompt < TOKENS)


@pytest.mark.parametrize("machine", MACHINES)
def test_ids_behind_the_prompt_are_not_looked_at(machine: str) -> None:
    network, ids = gpt_small(), some_ids(2)
    quantized = quantize(lower(network), network.load_parameters(), ids, BITS[machine], BITS[machine])
    preset = machines[machine]
    subject = preset.machine(preset.machine.Config.parse(preset.values), machine)
    given = ids[:1].repeat(2, axis=0).astype(np.int32)
    given[1, :, 3:] = ids[1, :, 3:]
    before = given.copy()
    run = subject.simulate(subject.map(lower(network)), 2, Values(quantized, given), RunOptions(prompt=3))
    assert run.decoded is not None
    assert run.decoded.ids is not None
    np.testing.assert_array_equal(run.decoded.ids[0], run.decoded.ids[1])
    np.testing.assert_array_equal(given, before)  # whose they are keeps them


@pytest.mark.parametrize(("machine", "converter"), [("dataflow", "core.adc.bits=4"), ("isaac", "adc.bits=5")])
def test_tokens_are_those_that_the_machine_s_own_outputs_choose(machine: str, converter: str) -> None:
    ideal = imcsim.run(gpt_small(), machine, images=2, prompt=3)
    real = imcsim.run(gpt_small(), machine, images=2, prompt=3, values="device", settings=[converter])
    assert ideal.tokens is not None
    for run in (ideal, real):
        assert run.tokens is not None
        assert run.quantised is not None
        assert run.outputs is not None
        assert follows(run.tokens, run.quantised, 3)
        assert follows(run.tokens, run.outputs, 3)
    assert (real.tokens[:, :3] == ideal.tokens[:, :3]).all()  # type: ignore[index]
    assert (real.tokens != ideal.tokens).any()  # type: ignore[union-attr]
    assert not real.summary["outputs_match_golden"]


@pytest.mark.parametrize("machine", MACHINES)
def test_gpt_tiny_decodes_as_many_tokens_as_its_prompt_has(machine: str, tmp_path: Path) -> None:
    run = imcsim.run("gpt-tiny", machine, prompt=32, out=tmp_path / "run")
    s = run.summary
    assert s["outputs_match_golden"]
    assert (s["decoding"]["prompt"], s["decoding"]["generated"]) == (32, 32)
    size = BITS[machine] // 8
    blocks, tokens, features = 2, 64, 128
    assert s["cache"] == {
        "bytes_written": 2 * blocks * tokens * features * size,
        "bytes_read": 2 * blocks * features * size * tokens * (tokens + 1) // 2,
        "most_tokens": tokens,
    }
    back = read_run(tmp_path / "run")
    with np.load(tmp_path / "run" / "outputs.npz") as arrays:
        np.testing.assert_array_equal(arrays["tokens"], run.tokens)
    np.testing.assert_array_equal(back.tokens, run.tokens)
    assert run.tokens is not None
    assert run.tokens.shape == (1, 64)
    assert len(set(run.tokens[0, 32:].tolist())) > 16  # it does not say one thing for ever


@pytest.mark.parametrize("machine", MACHINES)
def test_the_cache_sees_the_same_with_a_prompt_as_without(machine: str) -> None:
    runs = [without_values(machine, 2, prompt=prompt) for prompt in (None, 3, TOKENS)]
    size = BITS[machine] // 8
    for run in runs:
        assert run.summary["cache"]["bytes_written"] == 2 * 2 * BLOCKS * TOKENS * FEATURES * size
        assert (
            run.summary["cache"]["bytes_read"]
            == 2 * 2 * BLOCKS * FEATURES * size * TOKENS * (TOKENS + 1) // 2
        )
        assert TOKENS <= run.summary["cache"]["most_tokens"] <= 2 * TOKENS


# -- when ----------------------------------------------------------------------------------------------------


def without_values(machine: str, images: int = 1, **options: Any) -> Run:
    return imcsim.run(gpt_small(), machine, images=images, values="off", **options)


@pytest.mark.parametrize("machine", MACHINES)
def test_times_are_the_same_without_values(machine: str) -> None:
    runs = [
        imcsim.run(gpt_small(), machine, images=2, prompt=3, values=values, record=True)
        for values in ("ideal", "off")
    ]
    for key in ("cycles", "decoding", "cache", "latency_s", "history"):
        assert runs[0].summary[key] == runs[1].summary[key]
    assert runs[1].tokens is None


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("warmup", [0, 1])
def test_times_of_tokens_are_those_of_their_outputs(machine: str, warmup: int) -> None:
    images, prompt = 3, 3
    run = without_values(machine, images, prompt=prompt, warmup=warmup, record=True)
    s, d = run.summary, run.summary["decoding"]
    out = np.array(d["out_s"])
    assert (np.diff(out) > 0).all()
    assert len(out) == TOKENS
    assert d["generated"] == TOKENS - prompt
    assert d["time_to_first_token_s"]["mean"] == pytest.approx(out[prompt - 1], rel=1e-12)
    assert d["token_interval_s"]["mean"] == pytest.approx(np.diff(out[prompt - 1 :]).mean(), rel=1e-9)
    assert s["latency_s"]["mean"] == pytest.approx(out[-1], rel=1e-12)
    assert d["token_interval_s"]["p50"] <= d["token_interval_s"]["p99"] <= d["token_interval_s"]["max"]
    if warmup == 0:
        assert d["tokens_per_s"] == pytest.approx(images * d["generated"] / s["time_s"], rel=1e-12)


@pytest.mark.parametrize("machine", MACHINES)
def test_a_prompt_of_one_decodes_all_others_and_a_whole_one_none(machine: str) -> None:
    plain, one, whole = (without_values(machine, prompt=prompt) for prompt in (None, 1, TOKENS))
    assert plain.summary["decoding"] is None
    assert whole.summary["decoding"]["token_interval_s"] is None
    assert whole.summary["decoding"]["tokens_per_s"] is None
    assert one.summary["decoding"]["generated"] == TOKENS - 1
    different = {"fingerprint", "history", "decoding", "events"}
    watched = {"wall_s", "setup_s", "compile_s", "peak_rss_mb"}
    for key in plain.summary.keys() - different - watched:
        assert whole.summary[key] == plain.summary[key], key
    assert whole.summary["fingerprint"] != plain.summary["fingerprint"]
    assert one.summary["cycles"] > whole.summary["cycles"]


@pytest.mark.parametrize("machine", MACHINES)
def test_both_engines_and_any_order_of_processes_write_the_same(machine: str) -> None:
    runs = [
        imcsim.run(gpt_small(), machine, images=2, prompt=4, **options)
        for options in ({}, {"engine": "stock"}, {"shuffle": 3}, {"record": False})
    ]
    assert len({run.summary["fingerprint"] for run in runs}) == 1


def test_the_host_may_take_its_time() -> None:
    quick, slow = (
        without_values("dataflow", prompt=3, settings=[f"source.turn_cycles={turn}"]) for turn in (0, 1000)
    )
    added = np.diff(
        np.array(slow.summary["decoding"]["out_s"]) - np.array(quick.summary["decoding"]["out_s"])
    )
    np.testing.assert_allclose(added * quick.summary["clock_hz"], [0, 0, *[1000] * 5], atol=1e-3)


# -- the command ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("machine", MACHINES)
def test_the_command_prints_times_of_tokens_and_repeats_a_run(
    machine: str, plugin: tuple[str, ...], tmp_path: Path
) -> None:
    given = ("run", *plugin, "--arch", machine, "--prompt", "3", "--images", "2", "--values", "off")
    text = command(*given, "--out", tmp_path / "run")
    assert text.exit_code == 0
    assert "first token" in text.stdout
    assert "behind a prompt of 3" in text.stdout
    assert "bytes written" in text.stdout
    first, again = printed(*given), printed("run", tmp_path / "run" / "config.yaml")
    assert first["fingerprint"] == again["fingerprint"]
    assert again["decoding"]["prompt"] == 3
    other = printed("run", tmp_path / "run" / "config.yaml", "--prompt", "4")
    assert other["fingerprint"] != first["fingerprint"]


def test_a_trace_of_a_decoder_decodes_too(plugin: tuple[str, ...], tmp_path: Path) -> None:
    workload, *options = plugin
    trace = tmp_path / "decoder.jsonl"
    captured = command("trace", "capture", workload, "-o", trace, "--images", "2", "--tensors", *options)
    assert (captured.exit_code, captured.output) == (0, "")
    direct = printed("run", *plugin, "--arch", "dataflow", "--prompt", "3", "--images", "2")
    replay = printed("run", trace, "--arch", "dataflow", "--prompt", "3")
    assert replay["outputs_match_golden"]
    assert replay["fingerprint"] == direct["fingerprint"]
    assert replay["decoding"] == direct["decoding"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--prompt", "0"), "prompt must be >= 1 token, got 0"),
        (("--prompt", "-4"), "prompt must be >= 1 token, got -4"),
        (("--prompt", "9"), "prompt must be from 1 to 8, the tokens of gpt-small, got 9; choose one"),
        (("--prompt", "3.5"), "Invalid value for '--prompt': '3.5' is not a valid integer"),
        (
            ("--prompt", "3", "--fast-forward"),
            "fast_forward skips sequences, but each of their tokens waits for the one before it, got "
            "prompt 3; leave out --fast-forward",
        ),
        (
            ("--set", "attention.cache_tokens=7"),
            "attention.cache_tokens=7 is the limit, but gpt-small.block1-scores reads 8 tokens; set it to "
            "8 or more, or shorten the sequence",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("machine", MACHINES)
def test_wrong_prompts_and_caches_are_one_line_with_a_next_step(
    machine: str, given: tuple[str, ...], message: str, plugin: tuple[str, ...]
) -> None:
    assert refusal("run", *plugin, "--arch", machine, "--values", "off", *given).startswith(message)


def test_a_cache_of_just_the_sequence_is_enough(plugin: tuple[str, ...]) -> None:
    for machine in MACHINES:
        s = printed("run", *plugin, "--arch", machine, "--values", "off", "--set", "attention.cache_tokens=8")
        assert s["cache"]["most_tokens"] >= TOKENS


def test_sequences_longer_than_the_table_of_positions_are_refused(plugin: tuple[str, ...]) -> None:
    _, *options = plugin
    for machine in MACHINES:
        told = refusal("run", "gpt-long", *options, "--arch", machine, "--prompt", "3")
        assert told.startswith("gpt-long.positions: its table has 8 entries, but 9 tokens take rows 0 to 8")


@pytest.mark.parametrize(
    ("workload", "message"),
    [
        ("digits-mlp", "digits-mlp reads no token ids, so it has no successors to choose, got prompt 2"),
        ("vit-tiny", "vit-tiny reads no token ids"),
        ("bert-tiny", "bert-tiny.block1-scores: token 0 sees 128 tokens, so tokens cannot be decoded one by"),
    ],
)  # fmt: skip
def test_networks_that_do_not_decode_are_refused(workload: str, message: str) -> None:
    told = refusal("run", workload, "--arch", "dataflow", "--prompt", "2", "--values", "off")
    assert told.startswith(message)


@pytest.mark.parametrize("machine", ["rapidnn", "basisn", "reprogrammed", "pipelayer"])
def test_machines_that_take_whole_sequences_say_so(machine: str) -> None:
    told = refusal("run", "gpt-tiny", "--arch", machine, "--prompt", "32", "--values", "off")
    assert told == f"{machine} takes whole sequences, got prompt 32; leave out --prompt"


def test_gpt_tiny_is_listed_and_described() -> None:
    assert "gpt-tiny" in {row["name"] for row in printed("list", "workloads")["workloads"]}
    assert "929,280 weights" in command("describe", "gpt-tiny").output
