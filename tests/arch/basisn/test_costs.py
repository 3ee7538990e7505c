"""Energy and area of BasisN: closed forms, and what is counted slice by slice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch.machines.basisn.closed_forms import (
    address_bits,
    column_conversions,
    grouped_conversions,
    packed_slots,
    sparse_store_bits,
)
from arch.machines.basisn.passes import LayerPasses
from arch.resistive_costs import conversion_pj
from tests.arch.basisn.basisn_bench import Bench, basisn_settings, bench, loaded_of, on_basis
from tests.arch.isaac.isaac_bench import mlp
from tests.strategies import NetworkCase, networks
from workloads import lower


def total(actions: dict[str, dict[str, int]], action: str) -> int:
    """Return how often all parts did an action."""
    return sum(counts.get(action, 0) for counts in actions.values())


@pytest.mark.parametrize("variant", ["analog", "digital"])
@settings(deadline=None, max_examples=40)
@given(case=networks(), machine=basisn_settings(), images=st.integers(1, 3), most=st.integers(1, 12))
def test_actions_of_packed_kernels_are_those_of_the_closed_forms(
    variant: str, case: NetworkCase, machine: dict[str, Any], images: int, most: int
) -> None:
    """One column a vector, all rows at once, an input bit a read: what the formulas are of."""
    nonzeros = min(most, machine["array"]["cols"])
    array = {name: machine["array"][name] for name in ("rows", "cols", "mvm_cycles")}
    coefficients = {**machine["coefficients"], "drawn": "packed", "nonzeros": nonzeros}
    changed = {"array": array, "variant": variant, "basis": "replicated", "coefficients": coefficients}
    adc = machine["adc"] if variant == "analog" else {}
    lowered = lower(case.network)
    if not lowered.nodes:
        return
    subject = bench(lowered, {**machine, **changed, "adc": adc})
    config, vectors = subject.machine.config, subject.placed.vectors
    layers = [layer.counts for layer in subject.placed.layers.values()]
    bits, inputs = config.coefficient_bits, config.activation_bits
    actions = subject.run(images).outcome.energy.actions
    products = sum(layer.products for layer in layers)
    slots = sum(
        layer.counts.pixels
        * sum(layer.rows)
        * packed_slots(layer.counts.kernels, nonzeros, vectors, config.capacity)
        for layer in subject.placed.layers.values()
    )
    rows = sum(layer.counts.pixels * sum(layer.rows) for layer in subject.placed.layers.values())
    if variant == "analog":
        expected = {
            "conversion": grouped_conversions(layers, bits, inputs),
            "shift-add": grouped_conversions(layers, bits, inputs),
            "column joined": products * nonzeros * bits,
            "bit": products * nonzeros * bits * (address_bits(vectors) + 1),
            "row drive": slots * bits * inputs,
            "cell read": slots * bits * inputs * vectors,
        }
    else:
        expected = {
            "conversion": column_conversions(layers, vectors, inputs),
            "shift-add": products * nonzeros * bits * inputs,
            "column joined": 0,
            "bit": products * nonzeros * (address_bits(vectors) + bits),
            "row drive": rows * inputs,
            "cell read": rows * inputs * vectors,
        }
    expected["bit read"] = rows * inputs
    for action, count in expected.items():
        assert total(actions, action) == images * count


def counted(passes: LayerPasses, number: int) -> dict[str, int]:
    """Count what a pass of one slice does, slot by slot and kernel by kernel."""
    config, encoding = passes.config, passes.config.encoding
    found = dict.fromkeys(("slots", "conversions", "switched", "bits"), 0)
    crossbars = -(-passes.vectors // config.vectors_per_array)
    reads = len(config.streaming.phases) * config.array.turns(passes.layer.rows[number])
    for _ in range(passes.repeats):
        for slot_of, used, arrays in zip(passes.slot_of, passes.used, passes.arrays, strict=True):
            for slot in range(slot_of[number].max(initial=-1) + 1):
                found["slots"] += 1
                for kernel in np.flatnonzero(slot_of[number] == slot):
                    kinds = encoding.columns_per_weight
                    found["conversions"] += int(arrays[number, kernel]) * kinds * reads
                    found["switched"] += int(used[number, kernel]) * kinds
                    each = 1 + (passes.vectors - 1).bit_length()
                    found["bits"] += int(passes.nonzeros[number, kernel]) * each
    if found["slots"]:
        found["conversions"] += encoding.unit_bitlines * crossbars * reads
    return found


@settings(deadline=None, max_examples=40)
@given(networks(), basisn_settings(), st.integers(0, 2**16), st.booleans())
def test_figures_of_a_pass_are_those_of_its_slots_one_by_one(
    case: NetworkCase, machine: dict[str, Any], seed: int, loaded: bool
) -> None:
    machine = {**machine, "variant": "analog", "adc": {"columns_per_adc": 1}}
    lowered = lower(case.network)
    if not lowered.nodes:
        return
    subject = bench(lowered, machine)
    if loaded:
        config = subject.machine.config
        subject = bench(
            lowered,
            machine,
            loaded_of(on_basis(case, config, seed, config.vectors, config.array.rows).network),
        )
    for passes in subject.passes(seed).values():
        for number in range(passes.layer.counts.slices):
            found = counted(passes, number)
            assert passes.slots[number] == found["slots"]
            assert passes.conversions[number] == found["conversions"]
            assert passes.switched[number] == found["switched"]
            assert passes.coefficient_bits[number] == found["bits"] == sum(passes.bits_of_slots(number))


def joules(subject: Bench) -> dict[str, float]:
    return subject.run().outcome.energy.by_component


def test_energy_is_the_sum_of_its_parts() -> None:
    """128 kernels of 8 of 128 columns: 2 passes of 8 slots for each of 4 planes, 8 reads each."""
    found = joules(bench(mlp(256, 128), {"coefficients": {"drawn": "packed"}}))
    reads, kernels = 2 * 8 * 4 * 8, 2 * 128 * 4
    assert found["crossbar"] == pytest.approx(reads * 128 * 128 * 1.831e-15, rel=1e-3)
    assert found["dac"] == pytest.approx(reads * 128 * 11.7e-15)
    assert found["adc"] == pytest.approx(kernels * 8 * conversion_pj(5) * 1e-12)
    assert found["switch"] == pytest.approx(kernels * 8 * 1e-15)
    assert found["coefficients"] == pytest.approx(kernels * 8 * 8 * 0.08e-12, rel=1e-3)
    assert found["buffer"] == pytest.approx((256 + 256 + 128) * 0.64e-12)  # in, as windows, out
    assert found["shift-add"] == pytest.approx(kernels * 8 * 0.4e-12)
    assert found["digital"] == pytest.approx(128 * 7.314e-12, rel=1e-3)


def test_energy_goes_by_the_number_of_reads_and_not_of_crossbars() -> None:
    one, many = (joules(bench(mlp(512, 128), {"crossbars": crossbars})) for crossbars in (1, 32))
    assert one == pytest.approx(many)


def test_conversions_cost_what_is_known_and_what_lies_between() -> None:
    assert [conversion_pj(bits) for bits in (4, 8, 9)] == pytest.approx([0.7, 2.0, 2.25])
    assert conversion_pj(6) ** 2 == pytest.approx(0.7 * 2.0)
    assert conversion_pj(5) == pytest.approx(0.9101, abs=1e-4)
    rising = [conversion_pj(bits) for bits in range(1, 17)]
    assert rising == sorted(rising)
    assert rising[0] > 0


def test_area_is_that_of_all_crossbars_and_of_the_memories() -> None:
    area = bench(mlp(256, 128), {"crossbars": 10}).run().outcome.area.by_component
    assert area["crossbar"] == pytest.approx(10 * 0.0002 / 8)
    assert area["adc"] == pytest.approx(10 * 16 * 0.0012)
    hardware = sum(area[name] for name in ("crossbar", "dac", "adc", "shift-add"))
    assert area["dac"] == pytest.approx(10 * 128 * 0.00017 / 1024)
    assert area["shift-add"] == pytest.approx(10 * 16 * 0.00024 / 4)
    assert area["switch"] == pytest.approx(0.05 * hardware)
    store = sparse_store_bits(2 * 128, 8, 128, 4)
    assert area["coefficients"] == pytest.approx(store / 8192 * 0.083 / 64)
    assert area["buffer"] == pytest.approx((256 + 128) / 1024 * 0.083 / 64)


def test_writing_the_basis_once_is_told_apart_from_what_runs_take() -> None:
    """All cells of 3 crossbars of 8 x 4, 6 pulses each, with a read of 2 fJ behind every one of 0.5 pJ."""
    machine = {
        "crossbars": 3,
        "array": {"rows": 8, "cols": 4, "cell_energy_fj": 2.0},
        "coefficients": {"nonzeros": 1},
        "write": {"pulses": 6.0, "write_pj": 0.5},
    }
    run = bench(lower(mlp(8, 4)), machine).run(1)
    assert run.programming_j == pytest.approx(3 * 8 * 4 * 6 * 0.502e-12)
    dearer = bench(lower(mlp(8, 4)), {**machine, "write": {"pulses": 60.0}}).run(1)
    assert dearer.outcome.energy == run.outcome.energy
    assert dearer.outcome.cycles == run.outcome.cycles
