"""What BasisN computes: golden outputs, on any machine, in the time that its coefficients take."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch import MachineRun
from arch.machines.basisn import BasisN, BasisNConfig
from tests.arch.basisn.basisn_bench import Bench, basisn_settings, bench, loaded_of, on_basis, ports, rates
from tests.arch.dataflow_bench import Quantized
from tests.arch.test_dataflow import drawn
from tests.strategies import NetworkCase, networks
from workloads import Conv2d, Window

SEEDS = st.integers(0, 2**16)


@st.composite
def settings_with_basis(draw: st.DrawFn) -> tuple[dict[str, Any], int, int]:
    """Draw a machine, and a basis that takes all of its columns and rows or a part of them."""
    shared, speeds = draw(ports()), draw(rates())
    digital = {"digital": {**speeds["digital"], **shared["digital"]}}
    machine = {**draw(basisn_settings()), **shared, **digital}
    machine["detail"] = draw(st.sampled_from(("pass", "slot")))
    config = BasisNConfig.parse(machine)
    return machine, draw(st.integers(1, config.vectors)), draw(st.integers(1, config.array.rows))


def computed(
    case: NetworkCase, chosen: tuple[dict[str, Any], int, int], seed: int
) -> tuple[Bench, Quantized] | None:
    """Return a machine with a random basis for a network, and its integers; None without layers."""
    machine, vectors, length = chosen
    integers = on_basis(case, BasisNConfig.parse(machine), seed, vectors, length)
    lowered = integers.network.lowered
    if not lowered.nodes:
        return None
    return bench(lowered, machine, loaded_of(integers.network)), integers


def outputs_of(run: MachineRun) -> np.ndarray[Any, Any]:
    assert run.outputs is not None
    return run.outputs


@settings(deadline=None, max_examples=50)
@given(networks(), settings_with_basis(), SEEDS)
def test_outputs_are_those_of_the_golden_reference(
    case: NetworkCase, chosen: tuple[dict[str, Any], int, int], seed: int
) -> None:
    if (found := computed(case, chosen, seed)) is None:
        return
    subject, integers = found
    run = subject.run(len(case.images), integers.values)
    assert np.array_equal(outputs_of(run), integers.expected)


@settings(deadline=None, max_examples=25)
@given(networks(), settings_with_basis(), SEEDS)
def test_values_change_no_cycle_of_a_loaded_basis(
    case: NetworkCase, chosen: tuple[dict[str, Any], int, int], seed: int
) -> None:
    if (found := computed(case, chosen, seed)) is None:
        return
    subject, integers = found
    images = len(case.images)
    unloaded = bench(integers.network.lowered, chosen[0])
    reference = subject.run(images)
    for machine in (subject, unloaded):  # time follows from what is computed with
        run = machine.run(images, integers.values)
        assert run.outcome.accounts == reference.outcome.accounts
        assert run.outcome.energy == reference.outcome.energy


@settings(deadline=None, max_examples=30)
@given(networks(), settings_with_basis(), SEEDS)
def test_values_depend_neither_on_engine_nor_on_order(
    case: NetworkCase, chosen: tuple[dict[str, Any], int, int], seed: int
) -> None:
    if (found := computed(case, chosen, seed)) is None:
        return
    subject, integers = found
    for options in ({"engine": "stock"}, {"shuffle": seed}):
        run = subject.run(len(case.images), integers.values, **options)
        assert np.array_equal(outputs_of(run), integers.expected)


@settings(deadline=None, max_examples=25)
@given(networks(max_images=1), settings_with_basis(), SEEDS)
def test_wide_converters_on_perfect_cells_lose_nothing_and_count_what_time_counts(
    case: NetworkCase, chosen: tuple[dict[str, Any], int, int], seed: int
) -> None:
    machine, *size = chosen
    converters = {"bits": 16, "range": "full"}
    machine = {**machine, "adc": {**machine["adc"], **converters}}
    if (found := computed(case, (machine, size[0], size[1]), seed)) is None:
        return
    subject, integers = found
    run = subject.run(1, replace(integers.values, device=True))
    assert np.array_equal(outputs_of(run), integers.expected)
    assert run.arrays is not None
    assert run.arrays.clipped == 0
    counted = [actions.get("conversion", 0) for actions in run.outcome.energy.actions.values()]
    assert run.arrays.conversions == sum(counted)


def test_narrow_converters_clip_and_change_outputs() -> None:
    conv = Conv2d(name="conv", out_channels=8, window=Window.square(3))
    case = drawn(conv, shape=(8, 6, 6), images=1)
    integers = on_basis(case, BasisNConfig(), 1, 128, 128, densities=(1.0,))
    subject = bench(integers.network.lowered)
    run = subject.run(1, replace(integers.values, device=True))
    assert not np.array_equal(outputs_of(run), integers.expected)
    assert run.completed == subject.run(1, integers.values).completed


def test_all_coefficients_zero_take_no_time_and_give_biases_alone() -> None:
    conv = Conv2d(name="conv", out_channels=3, window=Window.square(3))
    integers = on_basis(drawn(conv, images=1), BasisNConfig(), 0, 16, 16, densities=(0.0,))
    run = bench(integers.network.lowered).run(1, integers.values)
    assert run.outcome.cycles == 0
    assert run.macs == integers.network.lowered.macs  # as of any weights that are zero
    assert np.array_equal(outputs_of(run), integers.expected)
    assert len(np.unique(outputs_of(run)[0].reshape(3, -1), axis=1).T) == 1


def test_defaults_are_those_of_the_reconstruction() -> None:
    config = BasisN(BasisNConfig()).config
    assert (config.array.rows, config.array.cols, config.vectors, config.crossbars) == (128, 128, 128, 64)
    assert (config.adc.bits, config.converters, config.capacity) == (5, 16, 16)
    assert (config.coefficient_bits, config.nonzeros, config.activation_bits) == (4, 8, 8)
    assert config.adc.conversion_pj == pytest.approx(0.91, abs=0.005)


@pytest.mark.parametrize("variant", ["analog", "digital"])
def test_what_decides_on_device_values_is_told_of_vectors(variant: str) -> None:
    report = dict(BasisN(BasisNConfig.parse({"variant": variant})).values_report())
    assert list(report) == ["vectors", "inputs", "converters", "real", "products"]
    assert report["vectors"] == "4 bit, signed, bitlines: 1"
    assert report["products"].startswith("conductances: ")
    assert ("joined" in report["products"]) == (variant == "analog")
