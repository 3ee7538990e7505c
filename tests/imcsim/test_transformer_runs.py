"""Whole transformers on the dataflow machine: values end to end, what `imcsim map` tells, what is refused."""

from __future__ import annotations

import pytest

import imcsim
from tests.imcsim.command_bench import command, printed, refusal
from workloads.zoo.transformers import decoder

BERT = ["bert-tiny", "--arch", "dataflow"]


@pytest.mark.parametrize("detail", ["array", "group"])
def test_bert_tiny_is_golden(detail: str) -> None:
    run = imcsim.run("bert-tiny", "dataflow", images=2, settings=[("detail", detail)])
    assert run.summary["outputs_match_golden"]


def test_a_decoder_is_golden() -> None:
    network = decoder("decoder", tokens=24, blocks=2, features=32, heads=4, vocabulary=50)
    assert imcsim.run(network, "dataflow", images=3).summary["outputs_match_golden"]


@pytest.mark.slow
def test_vit_tiny_is_golden() -> None:
    run = imcsim.run("vit-tiny", "dataflow", settings=[("detail", "group")], record=False)
    assert run.summary["outputs_match_golden"]


def test_the_map_tells_where_everything_of_a_block_is_done() -> None:
    rows = {row["stage"]: row for row in printed("map", *BERT)["stages"]}
    assert rows["words"]["work"] == "embedding + add rows + layer norm"
    assert rows["block1-scores"]["work"] == "scores + softmax"
    assert rows["block1-mix"]["work"] == "mix"
    assert rows["block1-out"]["work"] == "matrix + add + layer norm"
    assert [rows[f"block1-{name}"]["arrays"] for name in ("scores", "mix")] == [0, 0]


def test_the_machine_describes_what_there_is_to_choose_about_attention() -> None:
    text = command("describe", "dataflow").stdout
    for name in ("attention.products", "attention.cache_tokens", "attention.unit.macs"):
        assert name in text


def test_a_sequence_that_is_longer_than_the_cache_is_refused_with_numbers() -> None:
    told = refusal("run", *BERT, "--set", "attention.cache_tokens=100")
    assert told == (
        "attention.cache_tokens=100 is the limit, but bert-tiny.block1-scores reads 128 tokens; "
        "set it to 128 or more, or shorten the sequence"
    )
