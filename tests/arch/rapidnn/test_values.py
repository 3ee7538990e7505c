"""Values on RNAs: equal to the composed network's reference in every bit, whatever the hardware is like."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch.lookup import addends_of
from tests.arch.rapidnn.rapidnn_bench import bench, composed, outputs, rapidnn_settings, trained, values_of
from tests.arch.trained_networks import TRAINED, run_in_both_details
from tests.strategies import NetworkCase, networks
from workloads import MatrixNode, datasets, lower
from workloads import networks as zoo
from workloads.composition import ComposedReference, ComposeOptions, compose


@pytest.mark.parametrize("network", TRAINED)
def test_trained_networks_equal_the_composed_reference_bit_for_bit(network: str) -> None:
    group, array = run_in_both_details(network, "rapidnn", 3)
    assert array["neuron_cycles"] == group["neuron_cycles"]


@settings(deadline=None, max_examples=40)
@given(networks(), rapidnn_settings())
def test_random_networks_equal_the_composed_reference_on_any_machine(
    case: NetworkCase, machine: dict[str, Any]
) -> None:
    clusters = machine["clusters"]
    network = composed(case, clusters["weights"], clusters["inputs"], machine["bits"])
    subject = bench(case.network, machine)
    for stage in subject.placed.stages:  # tables are as large as the mapping says without values
        if stage.output in network.blocks:
            bits = subject.placed.places[stage.name].table_bits
            assert bits == 8 * network.table_bytes[stage.output]
    golden = ComposedReference(network).outputs(case.images)
    run = subject.run(len(case.images), values_of(case, network))
    assert np.array_equal(outputs(run), golden)
    other = "array" if machine["detail"] == "group" else "group"
    twin = bench(case.network, {**machine, "detail": other}).run(len(case.images), values_of(case, network))
    assert twin.completed == run.completed
    assert twin.outcome.energy.total == pytest.approx(run.outcome.energy.total)
    stock = subject.run(len(case.images), values_of(case, network), engine="stock", shuffle=3)
    assert stock.completed == run.completed
    assert np.array_equal(outputs(stock), golden)


@pytest.mark.parametrize(("weights", "inputs"), [(256, 256), (256, 16), (16, 256), (128, 128)])
def test_as_many_codes_as_there_can_be_equal_the_composed_reference(weights: int, inputs: int) -> None:
    network = zoo["digits-mlp"]()
    some = datasets["digits-train"]().first(100)
    tables = compose(network, some, ComposeOptions(weights, inputs)).at()
    case = NetworkCase(network, some.inputs[:4])
    machine = {"clusters": {"weights": weights, "inputs": inputs}, "rna": {"encoding": {"rows": 256}}}
    run = bench(network, machine).run(4, values_of(case, tables))
    assert np.array_equal(outputs(run), ComposedReference(tables).outputs(case.images))


def test_ideal_values_are_those_of_a_nearest_search_and_noise_is_a_finding() -> None:
    case, network = trained("digits-mlp", 40)
    golden = ComposedReference(network).outputs(case.images)
    near = {"rna": {"encoding": {"match": "nearest"}, "activation": {"match": "nearest"}}}
    noisy = {"rna": {"encoding": {"match": "nearest", "noise": 300.0}}}
    runs = [
        bench(case.network, machine).run(40, values_of(case, network, device=device))
        for machine, device in ((near, True), ({}, False), (noisy, False), (noisy, True))
    ]
    same = [bool(np.array_equal(outputs(run), golden)) for run in runs]
    assert same == [True, True, True, False]
    again = bench(case.network, {**noisy, "detail": "array"}).run(40, values_of(case, network, device=True))
    assert np.array_equal(outputs(again), outputs(runs[-1]))


def test_stuck_cells_are_each_neurons_own() -> None:
    case, network = trained("digits-mlp", 8)
    stuck = {"rna": {"encoding": {"match": "nearest", "stuck_at_0": 0.05}}}
    golden = ComposedReference(network).outputs(case.images)
    run = bench(case.network, stuck).run(8, values_of(case, network, device=True))
    assert not np.array_equal(outputs(run), golden)
    twin = bench(case.network, {**stuck, "detail": "array"}).run(8, values_of(case, network, device=True))
    assert np.array_equal(outputs(run), outputs(twin))


def test_times_of_neurons_follow_from_the_counts_of_their_codes() -> None:
    """Counted anew from the reference's codes: largest bucket, digits of counts, levels, bits, searches."""
    case, network = trained("digits-mlp", 3)
    subject = bench(case.network)
    run = subject.run(3, values_of(case, network))
    tensors = ComposedReference(network).tensors(case.images)
    assert run.neurons is not None
    for name, block in network.blocks.items():
        node, products = block.block.total, block.products
        assert isinstance(node, MatrixNode)
        assert products is not None
        expected: dict[int, int] = {}
        for image in range(3):
            codes = tensors[node.inputs[0]][image].ravel()
            for column in range(node.cols):
                own = products.codes[0, :, column].astype(int)
                pairs = np.zeros((64, 64), int)
                np.add.at(pairs, (own, codes), 1)
                operands = 1 + sum(addends_of(int(n), signed=True) for n in pairs.ravel())
                cycles = np.bincount(own).max() + subject.machine.config.addition_cycles(operands)
                cycles += 2 if block.encoder is not None else 0
                expected[int(cycles)] = expected.get(int(cycles), 0) + 1
        found = run.neurons[subject.placed.stages[list(network.blocks).index(name)].name]
        assert dict(zip(found.cycles.tolist(), found.neurons.tolist(), strict=True)) == expected


@settings(deadline=None, max_examples=20)
@given(networks(), rapidnn_settings(), st.integers(2, 5))
def test_neurons_that_share_an_rna_give_the_same_values_later(
    case: NetworkCase, drawn: dict[str, Any], sharing: int
) -> None:
    clusters = drawn["clusters"]
    network = composed(case, clusters["weights"], clusters["inputs"], drawn["bits"])
    machine = {**drawn, "replication": "none", "chips": "auto", "tiles": 32, "rnas": 1000}
    alone, shared = (
        bench(case.network, {**machine, "sharing": neurons}).run(1, values_of(one_image(case), network))
        for neurons in (1, sharing)
    )
    assert np.array_equal(outputs(alone), outputs(shared))
    assert shared.completed[0] >= alone.completed[0]
    other = {**machine, "sharing": sharing, "detail": "array" if drawn["detail"] == "group" else "group"}
    twin = bench(case.network, other).run(1, values_of(one_image(case), network))
    assert twin.completed == shared.completed
    assert twin.outcome.energy.total == pytest.approx(shared.outcome.energy.total)


MEMORIES = st.fixed_dictionaries(
    {
        "match": st.sampled_from(("nearest", "staged")),
        "noise": st.sampled_from((0.0, 0.7, 40.0)),
        "stuck_at_0": st.sampled_from((0.0, 0.03)),
        "stuck_at_1": st.sampled_from((0.0, 0.02)),
        "stage_bits": st.sampled_from((3, 8)),
    }
)


@settings(deadline=None, max_examples=25)
@given(networks(), rapidnn_settings(), MEMORIES, MEMORIES)
def test_device_values_of_random_networks_are_the_same_in_every_detail(
    case: NetworkCase, drawn: dict[str, Any], activation: dict[str, Any], encoding: dict[str, Any]
) -> None:
    clusters = drawn["clusters"]
    network = composed(case, clusters["weights"], clusters["inputs"], drawn["bits"])
    rna = {**drawn["rna"], "activation": activation, "encoding": {**drawn["rna"]["encoding"], **encoding}}
    group, array = (
        bench(case.network, {**drawn, "rna": rna, "detail": detail}).run(
            len(case.images), values_of(case, network, device=True)
        )
        for detail in ("group", "array")
    )
    assert np.array_equal(outputs(group), outputs(array))
    assert group.completed == array.completed
    exact = {"match": "nearest", "noise": 0.0, "stuck_at_0": 0.0, "stuck_at_1": 0.0}
    if all({**memory, **exact} == memory for memory in (activation, encoding)):
        assert np.array_equal(outputs(group), ComposedReference(network).outputs(case.images))


def one_image(case: NetworkCase) -> NetworkCase:
    """Return the same network with its first image only."""
    return replace(case, images=case.images[:1])


def test_multiply_accumulates_are_those_of_the_composed_form() -> None:
    case, network = trained("digits-cnn", 2)
    run = bench(case.network).run(2, values_of(case, network))
    assert run.macs == 2 * lower(case.network).macs
