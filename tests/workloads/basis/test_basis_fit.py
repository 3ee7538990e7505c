"""A fit's integers are its coefficients times its vectors, and its real weights those times scales."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from simcore.errors import WorkloadError
from tests.strategies import NetworkCase, networks
from tests.workloads.basis.made_of_a_basis import sparse_network, through_the_basis
from workloads import QuantizedMatrix, datasets, float_outputs, golden, golden_outputs, lower
from workloads import networks as zoo
from workloads.basis import BasisFit, BasisOptions, Coefficients, FittedLayer, SharedBasis, matrix_of
from workloads.basis.basis_fit import matrix_nodes, unabsorbed
from workloads.basis.fitting import fit_basis
from workloads.folding import folded_matrix


@st.composite
def fits(draw: st.DrawFn) -> tuple[BasisFit, NetworkCase]:
    """Draw a network with kernels and its fit, of odd sizes as much as of even ones."""
    case = draw(networks(max_steps=3))
    vectors = draw(st.integers(1, 9))
    options = BasisOptions(
        length=draw(st.integers(1, 20)),
        vectors=vectors,
        vector_bits=draw(st.integers(2, 8)),
        bits=draw(st.integers(2, 8)),
        nonzeros=draw(st.integers(1, vectors)),
        spread=draw(st.sampled_from([0.0, 0.05])),
        rounds=draw(st.integers(0, 2)),
    )
    assume(matrix_nodes(lower(case.network)))
    return fit_basis(case.network, options), case


@settings(deadline=None, max_examples=40)
@given(fits(), st.integers(2, 10))
def test_golden_outputs_are_those_by_way_of_the_basis(
    drawn: tuple[BasisFit, NetworkCase], activation_bits: int
) -> None:
    fit, case = drawn
    network = fit.quantized(case.images, activation_bits)
    tensors = golden(network, case.images)
    for name, node in matrix_nodes(network.lowered).items():
        expected = through_the_basis(network, node, tensors[node.inputs[0]])
        assert np.array_equal(tensors[name], expected), name
        integers = network.nodes[name]
        assert isinstance(integers, QuantizedMatrix)
        assert np.array_equal(integers.weights, matrix_of(fit.basis, fit.layers[name].coefficients, node))


@settings(deadline=None, max_examples=40)
@given(fits())
def test_real_weights_are_integers_times_scales_and_biases_those_of_the_network(
    drawn: tuple[BasisFit, NetworkCase],
) -> None:
    fit, case = drawn
    parameters = fit.network.load_parameters()
    for name, node in matrix_nodes(fit.lowered).items():
        made = folded_matrix(node, parameters)
        layer = fit.layers[name]
        scales = layer.scales.reshape(node.groups, 1, -1)
        expected = matrix_of(fit.basis, layer.coefficients, node) * scales
        assert np.allclose(made.weights, expected, rtol=1e-6, atol=0)
        own = folded_matrix(node, case.network.load_parameters())
        assert np.allclose(made.bias, own.bias, rtol=1e-6, atol=0)
    for name in unabsorbed(fit.lowered, fit.network):
        for parameter, array in case.network.load_parameters()[name].items():
            assert np.array_equal(parameters[name][parameter], array)


def test_integers_follow_the_real_network_as_closely_as_their_steps() -> None:
    fit = fit_basis(zoo["digits-cnn"](), BasisOptions(rounds=2))
    images = datasets["digits"]().inputs[:40]
    network = fit.quantized(images, 12)
    found = network.output_quantization.dequantize(golden_outputs(network, images))
    real = float_outputs(fit.lowered, fit.network.load_parameters(), images)
    assert np.abs(found - real).max() < 0.01 * np.abs(real).max()


def test_combinations_beyond_16_bit_are_computed_exactly() -> None:
    network = sparse_network(length=100, vectors=4, nonzeros=1)
    found = fit_basis(network, BasisOptions(length=100, vectors=6, nonzeros=6, bits=8, vector_bits=8))
    largest = np.full((1, 6, 6), 127, np.int8)
    basis = SharedBasis(np.full((6, 100), 127, np.int16), 8)
    layers = {
        name: FittedLayer(Coefficients(largest[:, : len(layer.scales)], 8), layer.scales, layer.bias)
        for name, layer in found.layers.items()
    }
    large = BasisFit.of(network, basis, layers, {}, "made")
    images = np.random.default_rng(0).normal(size=(2, 4, 6, 6)).astype(np.float32)
    integers = large.quantized(images, 16)
    conv = integers.nodes["conv"]
    assert isinstance(conv, QuantizedMatrix)
    assert conv.weights.max() == 6 * 127 * 127 > 2**16
    tensors = golden(integers, images)
    for name, node in matrix_nodes(integers.lowered).items():
        assert np.array_equal(tensors[name], through_the_basis(integers, node, tensors[node.inputs[0]]))
    assert large.error is None  # nobody says what its weights should be


def test_sums_that_64_bits_may_not_hold_are_refused() -> None:
    network = sparse_network(length=100, vectors=4, nonzeros=1)
    found = fit_basis(network, BasisOptions(length=100))
    layer = found.layers["conv"]
    tiny = FittedLayer(layer.coefficients, layer.scales * 1e-25, layer.bias)
    wrong = BasisFit.of(network, found.basis, {**found.layers, "conv": tiny}, {}, "made")
    images = np.ones((1, 4, 6, 6), np.float32)
    with pytest.raises(WorkloadError, match=r"made.conv: sums of kernel . take more than 62 bit in steps of"):
        wrong.quantized(images)
