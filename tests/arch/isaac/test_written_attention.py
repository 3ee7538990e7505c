"""Attention in arrays that are written token by token, on ISAAC: laws, intervals, values, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch import Values
from arch.machines.isaac.arrays import IsaacArrays
from simcore import MappingError, components
from tests.arch.attention_networks import attention
from tests.arch.dataflow_bench import quantized
from tests.arch.isaac.isaac_bench import bench, isaac_settings
from tests.strategies import NetworkCase, random_parameters
from tests.token_networks import token_networks
from workloads import Network

#: Ticks: the digital clock of 1.2 GHz ticks 120 times in a cycle of 100 ns; an operation takes 16 cycles.
CYCLE, OPERATION = 120, 16 * 120


def in_arrays(writing: dict[str, Any] | None = None, **others: Any) -> dict[str, Any]:
    """Return settings with products in arrays, by default written at once in ten digital cycles."""
    fast = {"parallel": "crossbar", "pulses": 1, "pulse_cycles": 10, "verify_cycles": 0}
    attention_ = {"products": "arrays", "writing": {**fast, **(writing or {})}}
    return {"replication": "none", "attention": attention_, **others}


def test_banks_lie_in_tiles_of_the_stage_and_slices_side_by_side() -> None:
    network = attention(tokens=20, features=4, heads=6, key_heads=3)
    for banks in (1, 2, 60):
        placed = bench(network, in_arrays({"banks": banks})).placed
        rows = {row.stage: row for row in placed.rows}
        # 16 bit in cells of 2: 8 bitlines for each of 20 keys, so that a head takes two arrays.
        assert rows["scores"].arrays == 6 * banks
        assert rows["scores"].resources["tile"] == -(-6 * banks // 96)
        # Four features of three heads, 8 bitlines each, in one array.
        assert rows["mix"].arrays == banks


@pytest.mark.parametrize("causal", [None, 0])
@pytest.mark.parametrize("banks", [1, 2, 3])
@pytest.mark.parametrize("write", [100, 5000])
def test_images_follow_at_the_interval_of_the_map(causal: int | None, banks: int, write: int) -> None:
    """Two query heads share a key head: a token takes two operations."""
    tokens, product = 6, 2 * OPERATION
    machine = bench(
        attention(tokens, 3, heads=4, key_heads=2, causal=causal),
        in_arrays({"banks": banks, "pulse_cycles": write}),
    )
    run = machine.run(images=9)
    between = (tokens - 2) * product if causal is not None and write > product else 0
    expected = max(tokens * product, tokens * write + between)
    if banks == 1:
        expected = tokens * (write + product)
    assert machine.placed.interval is not None
    assert machine.placed.interval.cycles == -(-expected // CYCLE)
    gaps = run.completed[-1] - run.completed[3]
    if banks > 1:  # images are seen where a cycle ends
        assert abs(gaps - 5 * expected) <= CYCLE
    elif causal is None:  # and what a token takes on its way through memory and fetch, which nothing hides
        assert 5 * expected <= gaps <= 5 * (expected + 4 * CYCLE)


@settings(deadline=None, max_examples=12)
@given(token_networks(), isaac_settings(), st.data())
def test_any_run_keeps_its_laws_and_gives_the_values_of_the_integer_reference(
    case: NetworkCase, drawn: dict[str, Any], data: st.DataObject
) -> None:
    banks = data.draw(st.integers(1, 3))
    writing = {
        "banks": banks,
        "registers": data.draw(st.integers(1, 3)),
        "pulse_cycles": data.draw(st.integers(1, 3000)),
        "spread": data.draw(st.sampled_from(("fixed", "geometric"))),
        "pulses": data.draw(st.integers(1, 3)),
    }
    settings_ = {**drawn, **in_arrays(writing)}
    bits = settings_.get("weight_bits", 16), settings_.get("activation_bits", 16)
    ideal = quantized(case, *bits)
    machine = bench(case.network, settings_)
    images = len(case.images)
    run = machine.run(images, ideal.values, shuffle=data.draw(st.integers(0, 9)))
    assert run.outputs is not None
    assert np.array_equal(run.outputs, ideal.expected)
    off, stock = machine.run(images), machine.run(images, engine="stock")
    assert off.completed == stock.completed == run.completed
    assert off.outcome.accounts == stock.outcome.accounts == run.outcome.accounts
    nodes = [s.attention for s in machine.placed.stages if s.attention is not None]
    elements = sum(node.key_heads * node.features * node.keys for node in nodes)
    columns = machine.machine.config.token_encoding.columns_per_weight
    assert run.programming is not None
    assert run.cache is not None
    assert run.programming.cells == images * elements * columns
    assert run.programming.most_writes == -(-images // banks)
    assert run.cache.written == images * elements * -(-bits[1] // 8)  # as they come, over eDRAM and bus
    assert run.cache.read == 0
    assert run.cache.most_tokens <= banks * max(node.keys for node in nodes)


def test_device_values_are_refused() -> None:
    rng = np.random.default_rng(0)
    sketch = attention(tokens=4)
    parameters = random_parameters(sketch, rng)
    network = Network("attention", sketch.layers.values(), parameters=lambda: parameters)
    ideal = quantized(
        NetworkCase(network, rng.normal(size=(1, *network.input_shape)).astype(np.float32)), 16, 16
    )
    values = Values(ideal.network, ideal.values.codes, device=True)
    with pytest.raises(MappingError, match=r"scores: device values of arrays.*attention\.products=digital"):
        bench(network, in_arrays()).run(1, values)


def test_arrays_of_another_kind_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(components, "_entries", dict(components.items()))

    @components.register("own-array")
    class OwnArrays(IsaacArrays):
        """Arrays with a process of their own, which written ones do not have."""

    with pytest.raises(MappingError, match=r"which no own-array does; set array\.kind=isaac-array"):
        bench(attention(tokens=4), in_arrays(array={"kind": "own-array"}))
