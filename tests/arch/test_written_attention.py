"""Attention in arrays that are written token by token, on the whole dataflow machine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch import Dataflow, DataflowConfig, Values
from simcore import MappingError
from tests.arch.attention_networks import attention
from tests.arch.dataflow_bench import bench, machine_settings, quantized
from tests.arch.test_fabric_runs import BUSY, TIMED, fabrics_drawn
from tests.strategies import NetworkCase, random_parameters
from tests.token_networks import token_networks
from workloads import Network, lower


def in_arrays(writing: dict[str, Any] | None = None, **others: Any) -> dict[str, Any]:
    """Return settings with products in arrays, by default written at once in ten cycles."""
    fast = {"parallel": "crossbar", "pulses": 1, "pulse_cycles": 10, "verify_cycles": 0}
    return {"attention": {"products": "arrays", "writing": {**fast, **(writing or {})}}, **others}


# -- what lies where -----------------------------------------------------------------------------------------


def test_keys_and_values_lie_in_cores_of_their_own_a_set_for_each_bank() -> None:
    network = attention(tokens=300, features=4, heads=6, key_heads=3)
    for banks in (1, 3):
        placed = bench(network, in_arrays({"banks": banks})).placed
        rows = {row.stage: row for row in placed.rows}
        # Three heads of 4 features and 300 keys: two arrays across each, or two down each.
        assert (rows["scores"].rows, rows["scores"].cols, rows["scores"].arrays) == (4, 300, 6 * banks)
        assert (rows["mix"].rows, rows["mix"].cols, rows["mix"].arrays) == (300, 4, 6 * banks)
        assert placed.resources["core"] == 3 + 12 * banks
        assert next(size for _, _, size in rows["scores"].buffers) == 0


def test_cores_of_written_arrays_are_part_of_a_budget() -> None:
    network = attention(tokens=4, heads=2)
    needed = bench(network, in_arrays()).placed.resources["core"]
    with pytest.raises(MappingError, match=f"balance.cores={needed - 1} is too few.*{needed} or more"):
        bench(network, in_arrays(balance={"cores": needed - 1}))
    budget = in_arrays(balance={"strategy": "budget", "cores": needed + 3})
    assert bench(network, budget).placed.resources["core"] == needed


# -- time ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("causal", "banks", "write"), [(None, 2, 400), (None, 1, 400), (0, 2, 400), (1, 3, 900), (None, 2, 7)]
)
def test_images_follow_at_the_interval_of_the_map(causal: int | None, banks: int, write: int) -> None:
    """Writes of a key take longer than a product here, or both hide behind the input's pace."""
    tokens, product = 6, 2 * 130
    network = attention(tokens, features=3, heads=4, key_heads=2, causal=causal)
    machine = bench(network, in_arrays({"banks": banks, "pulse_cycles": write}))
    run = machine.run(images=8)
    between = (
        sum(token + (causal or 0) + 1 < tokens - 1 for token in range(tokens)) if causal is not None else 0
    )
    both = tokens * write + between * product if write > product else 0
    expected = tokens * (write + product) if banks == 1 else max(tokens * product, both)
    assert machine.placed.interval is not None
    assert machine.placed.interval.cycles == expected
    gaps = np.diff(run.completed)[3:]
    if banks == 1:  # and what a token takes through the memory, which nothing hides
        assert set(gaps) == {expected + 1}
    else:
        assert set(gaps) == {expected}


@pytest.mark.parametrize(
    ("causal", "write", "expected"),
    [(0, 250, 10 * 250 + 6 * 260), (2, 250, 10 * 250 + 6 * 260), (0, 7, 10 * 7 + 6 * 260), (None, 250, 2500)],
)
def test_products_of_few_tokens_hold_up_writes_of_many_keys(
    causal: int | None, write: int, expected: int
) -> None:
    """Six tokens and ten keys: behind a mask no token waits for the last key, fast as writes are."""
    network = attention(6, features=3, heads=4, key_heads=2, causal=causal, more_keys=4)
    machine = bench(network, in_arrays({"pulse_cycles": write}))
    assert machine.placed.interval is not None
    assert machine.placed.interval.cycles == expected
    assert set(np.diff(machine.run(images=8).completed)[3:]) == {expected}


def test_with_one_bank_an_image_takes_longer_where_its_keys_are_not_ready() -> None:
    """All but those in registers, and under way to these, come as the layers before make them."""
    network = attention(6, features=3, heads=4, key_heads=2)
    machine = bench(network, in_arrays({"banks": 1, "pulse_cycles": 7}))
    interval = machine.placed.interval
    assert interval is not None
    assert interval.at_least
    (gap,) = set(np.diff(machine.run(images=8).completed)[3:])
    assert interval.cycles + 1 < gap < interval.cycles + 130
    two = bench(network, in_arrays({"pulse_cycles": 7})).placed.interval
    assert two is not None
    assert not two.at_least


def test_a_bank_that_is_read_when_it_is_to_be_written_is_named() -> None:
    run = bench(attention(tokens=6, causal=0), in_arrays({"pulse_cycles": 400})).run()
    states = {account.path: account.ticks for account in run.outcome.accounts}
    assert states["core[scores].writer"]["wait-resource:bank[0]"] > 0
    assert states["core[scores].crossbar"]["wait-resource:bank[0]"] > 0
    assert states["core[scores].writer"]["programming:write"] == 6 * 400


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_any_run_ends_keeps_its_laws_and_is_the_same_on_both_engines(data: st.DataObject) -> None:
    """MACs, cells written and tokens in and out are laws of every run; buffers need no more than planned."""
    case: NetworkCase = data.draw(token_networks())
    banks, pulses = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    writing = {
        "banks": banks,
        "registers": data.draw(st.integers(1, 3)),
        "pulse_cycles": data.draw(st.integers(1, 300)),
        "parallel": data.draw(st.sampled_from(("cell", "row", "crossbar"))),
        "spread": data.draw(st.sampled_from(("fixed", "geometric"))),
        "pulses": pulses,
    }
    drawn = data.draw(machine_settings())
    machine = bench(case.network, {**drawn, **in_arrays(writing)})
    images = data.draw(st.integers(1, 3))
    run = machine.run(images, shuffle=data.draw(st.integers(0, 9)))
    stock = machine.run(images, engine="stock")
    assert (stock.completed, stock.outcome.accounts) == (run.completed, run.outcome.accounts)
    report, cache = run.programming, run.cache
    assert report is not None
    assert cache is not None
    stages = [stage for stage in machine.placed.stages if stage.attention is not None]
    nodes = [stage.attention for stage in stages if stage.attention is not None]
    elements = [node.key_heads * node.features for node in nodes]
    cells = sum(size * node.keys for size, node in zip(elements, nodes, strict=True))
    assert report.cells == images * cells
    assert cache.written == images * sum(size * node.keys for size, node in zip(elements, nodes, strict=True))
    assert cache.read == 0
    assert cache.most_tokens <= banks * max(node.keys for node in nodes)
    assert report.rounds == images * len(nodes)
    assert report.most_writes == -(-images // banks)
    if writing["spread"] == "fixed":
        assert report.pulses == images * cells * pulses


# -- values --------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=25)
@given(token_networks(), st.data())
def test_values_are_those_of_the_integer_reference(case: NetworkCase, data: st.DataObject) -> None:
    ideal = quantized(case)
    writing = {"banks": data.draw(st.integers(1, 2)), "pulse_cycles": data.draw(st.integers(1, 300))}
    machine = bench(case.network, {**data.draw(machine_settings()), **in_arrays(writing)})
    run = machine.run(len(case.images), ideal.values)
    assert run.outputs is not None
    assert np.array_equal(run.outputs, ideal.expected)


@settings(deadline=None, max_examples=15)
@given(token_networks(), st.sampled_from(TIMED).flatmap(fabrics_drawn), st.integers(1, 2))
def test_keys_that_come_over_a_fabric_are_those_that_are_multiplied(
    case: NetworkCase, fabric: dict[str, Any], banks: int
) -> None:
    ideal = quantized(case)
    run = bench(case.network, {**BUSY, **in_arrays({"banks": banks}), "fabric": fabric}).run(
        len(case.images), ideal.values
    )
    assert run.outputs is not None
    assert np.array_equal(run.outputs, ideal.expected)


@settings(deadline=None, max_examples=15)
@given(token_networks(), st.integers(1, 2), st.integers(1, 40))
def test_a_memory_that_drives_the_wordlines_itself_keeps_tokens_through_their_products(
    case: NetworkCase, banks: int, write: int
) -> None:
    ideal = quantized(case)
    settings_ = in_arrays({"banks": banks, "pulse_cycles": write}, core={"memory": {"kind": "direct-memory"}})
    run = bench(case.network, settings_).run(len(case.images), ideal.values)
    assert run.outputs is not None
    assert np.array_equal(run.outputs, ideal.expected)


# -- steady state --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("banks", [1, 2, 3])
@pytest.mark.parametrize("causal", [None, 0])
def test_skipping_what_repeats_changes_nothing(banks: int, causal: int | None) -> None:
    machine = bench(attention(tokens=4, causal=causal), in_arrays({"banks": banks, "pulse_cycles": 200}))
    whole, skipped = machine.run(60), machine.run(60, fast_forward=True)
    assert skipped.outcome.fast_forward is not None
    assert skipped.outcome.fast_forward.items > 0
    assert skipped.outcome.accounts == whole.outcome.accounts
    assert skipped.completed == whole.completed
    assert skipped.programming == whole.programming
    assert skipped.cache == whole.cache
    assert skipped.outcome.energy == whole.outcome.energy


def test_drawn_pulses_do_not_repeat() -> None:
    machine = bench(attention(tokens=4), in_arrays({"spread": "geometric", "pulses": 3}))
    run = machine.run(20, fast_forward=True)
    assert run.outcome.fast_forward is not None
    assert run.outcome.fast_forward.items == 0
    assert run.completed == machine.run(20).completed


# -- what is refused -----------------------------------------------------------------------------------------


def test_device_values_are_refused() -> None:
    rng = np.random.default_rng(0)
    sketch = attention(tokens=4)
    parameters = random_parameters(sketch, rng)
    network = Network("attention", sketch.layers.values(), parameters=lambda: parameters)
    case = NetworkCase(network, rng.normal(size=(1, *network.input_shape)).astype(np.float32))
    ideal = quantized(case)
    machine = bench(case.network, in_arrays())
    values = Values(ideal.network, ideal.values.codes, device=True)
    with pytest.raises(MappingError, match=r"scores: device values of arrays.*attention\.products=digital"):
        machine.run(1, values)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"core": {"kind": "job-core"}}, "which no job-core does; set core.kind=core"),
        (
            {"buffers": {"depths": {"keys:scores": 9}}},
            "buffers.depths.keys:scores: these pixels lie in arrays",
        ),
        ({"layers": {"scores": {"replication": 2}}}, "layers.scores: .* no layer with weights"),
    ],
)
def test_what_written_arrays_cannot_do_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(MappingError, match=message):
        bench(attention(tokens=4), in_arrays(**changed))


def test_a_number_of_bitlines_that_fits_weights_only_is_refused() -> None:
    config = in_arrays(columns_per_weight=4, activation_bits=12, core={"crossbar": {"cell_bits": 2}})
    with pytest.raises(MappingError, match="keys and values of 12 bit"):
        Dataflow(DataflowConfig.parse(config)).map(lower(attention(tokens=4)))
