"""A token that an output chooses enters when it is out, and not before; the wait has a name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch import Isaac, IsaacConfig, MachineRun, RunOptions
from simcore import Deadlock
from tests.arch.dataflow_bench import Bench, bench, machine_settings
from workloads import Conv2d, Input, Network, Window, lower
from workloads.zoo.transformers import decoder

FEATURES, PIXEL_CYCLES = 3, 150  # slower than the 130 cycles of a product, so that nothing holds prompts up
TOKEN_WISE = Window.square(1)


def tokens(count: int, *windows: Window) -> Network:
    """Return a chain of windows over a sequence."""
    layers = [
        Conv2d(name=f"conv{i}", out_channels=FEATURES, window=window) for i, window in enumerate(windows)
    ]
    return Network("chain", [Input(name="x", shape=(FEATURES, count, 1)), *layers])


def chain(count: int, **source: int) -> Bench:
    return bench(tokens(count, TOKEN_WISE, TOKEN_WISE), {"source": {"pixel_cycles": PIXEL_CYCLES, **source}})


def out(run: MachineRun) -> np.ndarray[Any, Any]:
    assert run.decoded is not None
    return run.decoded.out


ALONE = chain(1).run().completed[0]  # an unloaded machine, from a token to its output


def expected(images: int, count: int, prompt: int, turn: int) -> tuple[list[int], list[list[int]]]:
    """Return when sequences begin and outputs come: prompts stream, each other token waits for an output."""
    begins, rows, at = [], [], 0
    for _ in range(images):
        begins.append(at)
        row: list[int] = []
        for place in range(count):
            if place >= prompt:
                at = max(at, row[-1] + turn)
            row.append(at + ALONE)
            at += PIXEL_CYCLES
        rows.append(row)
    return begins, rows


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_each_decoded_token_takes_what_it_would_alone_and_the_turn_of_the_host(data: st.DataObject) -> None:
    count, images = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 3))
    prompt, turn = data.draw(st.integers(1, count)), data.draw(st.sampled_from((0, 1, 77)))
    engine = data.draw(st.sampled_from(("lean", "stock")))
    run = chain(count, turn_cycles=turn).run(images, prompt=prompt, engine=engine)
    begins, rows = expected(images, count, prompt, turn)
    assert run.accepted == begins
    assert out(run).tolist() == rows
    assert run.completed == [row[-1] for row in rows]
    assert ALONE > PIXEL_CYCLES
    source = next(account for account in run.outcome.accounts if account.path == "source")
    assert sum(source.ticks.values()) == run.outcome.makespan
    waited = images * (count - prompt) * (ALONE + turn - PIXEL_CYCLES)
    assert source.ticks.get("wait-input:token_in", 0) == waited


@pytest.mark.parametrize("together", [1, 2, 4])
def test_pixels_that_come_together_wait_for_outputs_too(together: int) -> None:
    subject = bench(tokens(6, TOKEN_WISE), {"input_pixels_per_cycle": together})
    alone = bench(tokens(1, TOKEN_WISE)).run().completed[0]
    decoded = out(subject.run(2, prompt=3))
    assert (np.diff(decoded[:, 2:]) == alone).all()


def simulate(machine: str, count: int, images: int = 1, **options: Any) -> MachineRun:
    if machine == "dataflow":
        return chain(count).run(images, **options)
    isaac = Isaac(IsaacConfig())
    placed = isaac.map(lower(tokens(count, TOKEN_WISE, TOKEN_WISE)))
    return isaac.simulate(placed, images, None, RunOptions(**options))


@pytest.mark.parametrize("machine", ["dataflow", "isaac"])
@pytest.mark.parametrize("prompt", [1, 3])
def test_both_engines_and_any_order_of_processes_agree_on_when_tokens_come(machine: str, prompt: int) -> None:
    runs = [
        simulate(machine, 5, 2, prompt=prompt, **options)
        for options in ({}, {"engine": "stock"}, {"shuffle": 1}, {"shuffle": 2}, {"record": True})
    ]
    assert all((out(run) == out(runs[0])).all() for run in runs)
    assert all(run.outcome.accounts == runs[0].outcome.accounts for run in runs)
    assert (np.diff(out(runs[0])) > 0).all()


@pytest.mark.parametrize("machine", ["dataflow", "isaac"])
def test_a_prompt_of_all_tokens_changes_nothing(machine: str) -> None:
    plain, whole = (simulate(machine, 5, 2, prompt=prompt) for prompt in (None, 5))
    assert plain.decoded is None
    assert (whole.accepted, whole.completed) == (plain.accepted, plain.completed)
    assert whole.outcome.accounts == plain.outcome.accounts
    assert whole.outcome.energy == plain.outcome.energy
    assert out(whole)[:, -1].tolist() == plain.completed


@pytest.mark.parametrize("machine", ["dataflow", "isaac"])
def test_a_shorter_prompt_is_never_faster(machine: str) -> None:
    runs = [simulate(machine, 6, prompt=prompt).completed[0] for prompt in range(1, 7)]
    assert runs == sorted(runs, reverse=True)
    assert runs[0] > runs[-1]


@settings(deadline=None, max_examples=25)
@given(machine_settings(), st.integers(1, 5), st.integers(1, 2))
def test_no_machine_of_any_buffers_and_speeds_stands_still(
    machine: dict[str, Any], prompt: int, images: int
) -> None:
    network = decoder("small", tokens=5, blocks=1, features=4, heads=2, vocabulary=6)
    subject = bench(network, machine)
    runs = [subject.run(images, prompt=prompt, engine=engine) for engine in ("lean", "stock")]
    assert (out(runs[0]) == out(runs[1])).all()
    assert runs[0].outcome.accounts == runs[1].outcome.accounts
    assert (np.diff(out(runs[0])) > 0).all()
    whole = subject.run(images)
    assert all(late >= early for late, early in zip(runs[0].completed, whole.completed, strict=True))
    assert runs[0].cache is not None
    assert whole.cache is not None
    assert (runs[0].cache.written, runs[0].cache.read) == (whole.cache.written, whole.cache.read)


@pytest.mark.parametrize("fidelity", ["ideal", "link", "flit"])
def test_tokens_are_decoded_over_any_fabric(fidelity: str) -> None:
    network = decoder("small", tokens=5, blocks=1, features=4, heads=2, vocabulary=6)
    fabric = {"fidelity": fidelity, "topology": {"kind": "mesh"}, "width_bits": 16, "router_cycles": 4}
    subject = bench(network, {"fabric": fabric})
    decoded = subject.run(2, prompt=2)
    assert decoded.completed == subject.run(2, prompt=2, engine="stock", shuffle=5).completed
    assert decoded.completed[-1] > subject.run(2).completed[-1]


def test_a_network_that_looks_ahead_is_a_deadlock_that_names_source_and_sink() -> None:
    ahead = Window(kernel=(2, 1), padding=(0, 0, 1, 0))
    with pytest.raises(Deadlock, match=r"source waits for input from sink since \d+") as caught:
        bench(tokens(4, ahead)).run(prompt=2)
    assert "sink waits for input from core[conv0].digital" in str(caught.value)
