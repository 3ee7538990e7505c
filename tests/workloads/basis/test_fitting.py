"""Fits recover what is made of a basis, and miss less the more there is to combine."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simcore.errors import ConfigError, WorkloadError
from tests.workloads.basis.made_of_a_basis import sparse_network
from workloads import Conv2d, Input, MaxPool2d, Network, Window, lower, networks
from workloads.basis import BasisFit, BasisOptions, matrix_of
from workloads.basis import fitting as fitting_module
from workloads.basis.fitting import fit_basis, rounded
from workloads.folding import folded_matrix
from workloads.nodes import MatrixNode


def fit(name: str = "digits-cnn", **options: Any) -> BasisFit:
    return fit_basis(networks[name](), BasisOptions(**options))


def error_of(found: BasisFit) -> float:
    assert found.error is not None
    return found.error


@pytest.mark.parametrize(
    ("length", "nonzeros", "bits", "most"),
    [
        (96, 1, 4, 1e-5),  # a slice each, whose kernel's own scale makes it exact
        (97, 3, 4, 1e-5),
        (200, 2, 2, 1e-5),
        (12, 2, 8, 0.01),  # slices of a kernel share its scale, in whose steps some of 8 bit are to hit
        (7, 1, 8, 0.01),
    ],
)
def test_a_network_made_of_a_basis_is_recovered_where_there_is_a_vector_for_every_slice(
    length: int, nonzeros: int, bits: int, most: float
) -> None:
    network = sparse_network(length, vectors=10, nonzeros=nonzeros)
    slices = 6 * -(-36 // length) + 5 * -(-96 // length)
    found = fit_basis(
        network, BasisOptions(length=length, vectors=slices, vector_bits=8, bits=bits, nonzeros=1)
    )
    assert error_of(found) < most
    assert found.nonzeros == 1


def test_a_sparse_network_is_found_out_by_fewer_vectors_than_slices() -> None:
    network = sparse_network(length=96, vectors=3, nonzeros=1)
    few, enough = (
        error_of(fit_basis(network, BasisOptions(length=96, vectors=vectors, nonzeros=1)))
        for vectors in (2, 6)  # 11 slices of 3 vectors, of which those of conv see the first 36 elements
    )
    assert enough < 1e-5 < 0.1 < few


@pytest.mark.parametrize(
    ("what", "numbers"),
    [("nonzeros", (1, 2, 4, 8, 16)), ("bits", (2, 3, 4, 6)), ("vectors", (16, 32, 64, 128, 256))],
)
def test_errors_fall_with_all_that_there_is_to_combine(what: str, numbers: tuple[int, ...]) -> None:
    options: list[dict[str, Any]] = [{"vectors": 64, "rounds": 2, what: number} for number in numbers]
    errors = [error_of(fit(**each)) for each in options]
    assert all(more < less for less, more in pairwise(errors))


def test_rounds_miss_less() -> None:
    none, some = (error_of(fit(rounds=rounds)) for rounds in (0, 8))
    assert some < 0.8 * none


def test_spreading_lowers_the_largest_loads_at_a_small_cost_of_error() -> None:
    fits = [fit("digits-resnet", spread=share) for share in (0.0, 0.01, 0.05)]
    largest = [np.concatenate([layer.loads().max(axis=1) for layer in each.layers.values()]) for each in fits]
    for less, more in pairwise(largest):
        assert more.max() < less.max()
        assert more.mean() < 0.9 * less.mean()
    assert largest[2].max() <= 0.5 * largest[0].max()
    assert max(map(error_of, fits)) < 1.05 * error_of(fits[0])


def test_errors_are_those_of_the_weights() -> None:
    network = networks["digits-resnet"]()
    found = fit("digits-resnet", rounds=1)
    squares, weights = 0.0, 0
    for node in lower(network).nodes:
        if isinstance(node, MatrixNode):
            wanted = folded_matrix(node, network.load_parameters()).weights.astype(np.float64)
            layer = found.layers[node.name]
            scales = layer.scales.reshape(node.groups, 1, -1)
            made = matrix_of(found.basis, layer.coefficients, node) * scales
            error = np.sqrt(np.square(wanted - made).sum() / np.square(wanted).sum())
            assert layer.error == pytest.approx(error, rel=1e-5)
            squares, weights = squares + error**2 * wanted.size, weights + wanted.size
    assert error_of(found) == pytest.approx(np.sqrt(squares / weights), rel=1e-5)


def test_a_large_network_is_learned_from_some_of_its_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, first = (fit(rounds=rounds, vectors=16) for rounds in (4, 0))
    monkeypatch.setattr(fitting_module, "MOST_SLICES", 110)
    some = fit(rounds=4, vectors=16)
    assert error_of(whole) < error_of(some) < error_of(first)
    assert some.histogram.sum() == 16 + 2 * 32 + 3 * 32 + 10


@settings(deadline=None, max_examples=60)
@given(st.integers(2, 8), st.integers(0, 2**32 - 1), st.floats(1e-6, 1e6))
def test_vectors_of_integers_are_rounded_to_themselves_whatever_their_scale(
    bits: int, seed: int, factor: float
) -> None:
    most = 2 ** (bits - 1) - 1
    rng = np.random.default_rng(seed)
    integers = rng.integers(-most, most + 1, (5, 9)) * rng.integers(0, 2, (5, 1))
    found = rounded(np.asarray(integers * factor, np.float64), bits).vectors
    assert np.abs(found).max() <= most
    ratios = np.abs(found).max(axis=1) / np.maximum(np.abs(integers).max(axis=1), 1)
    assert np.allclose(found, integers * ratios[:, None], rtol=1e-6, atol=0)


def test_kernels_that_are_as_good_as_none_take_no_coefficients() -> None:
    weight = np.random.default_rng(0).normal(size=(4, 2, 3, 3))
    weight[1], weight[2] = 0.0, weight[2] * 1e-9
    layers = [
        Input(name="image", shape=(2, 5, 5)),
        Conv2d(name="conv", out_channels=4, window=Window.square(3), bias=False),
    ]
    found = fit_basis(Network("dead", layers, lambda: {"conv": {"weight": weight}})).layers["conv"]
    assert np.count_nonzero(found.coefficients.values, axis=(0, 2)).tolist()[1:3] == [0, 0]
    assert (found.scales > 1e-6).all()
    for factor in (0.0, 1e-30):
        nothing = {"conv": {"weight": weight * factor}}
        zeros = fit_basis(Network("zeros", layers, lambda n=nothing: n)).layers["conv"]  # type: ignore[misc]
        assert zeros.coefficients.nonzeros == 0
        assert zeros.error == 0.0
        assert (zeros.scales == 1.0).all()


def test_networks_without_kernels_or_weights_are_refused() -> None:
    pool = [Input(name="image", shape=(1, 4, 4)), MaxPool2d(name="pool", window=Window.square(2))]
    with pytest.raises(WorkloadError, match="plain has no kernels to fit a basis to; fit another network"):
        fit_basis(Network("plain", pool, dict))
    structure = Network("bare", networks["digits-mlp"]().layers.values())
    with pytest.raises(WorkloadError, match="bare is structure only; give it parameters"):
        fit_basis(structure)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": 0}, r"rows of a basis \(--rows\) must be in \[1, 4096\], got 0"),
        ({"vectors": 8193}, r"vectors of a basis \(--vectors\) must be in \[1, 8192\], got 8193"),
        ({"vector_bits": 9}, r"vector bits of a basis \(--vector-bits\) must be in \[2, 8\], got 9"),
        ({"bits": 1}, r"bits of a basis \(--bits\) must be in \[2, 8\], got 1"),
        ({"vectors": 4, "nonzeros": 5}, r"must be at most its vectors, got 5 of 4"),
        ({"spread": -0.1}, r"spread of a basis \(--spread\) must be in \[0, 1\], got -0.1"),
        ({"spread": float("nan")}, r"spread of a basis \(--spread\) must be in \[0, 1\], got nan"),
        ({"rounds": -1}, r"rounds of a basis \(--rounds\) must be in \[0, 1000\], got -1"),
    ],
)
def test_options_out_of_bounds_are_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        BasisOptions(**options)


def digest(found: BasisFit) -> str:
    """Return a number for all of a fit."""
    parts = [found.basis.vectors.tobytes()]
    for layer in found.layers.values():
        parts += [layer.coefficients.values.tobytes(), layer.scales.tobytes(), layer.bias.tobytes()]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def test_fits_are_alike_in_any_number_of_threads() -> None:
    code = (
        "from tests.workloads.basis.test_fitting import digest, fit; "
        "print(digest(fit('digits-mlp', rounds=1)))"
    )
    found = {digest(fit("digits-mlp", rounds=1))}
    for threads in ("1", "2"):
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        env = os.environ | dict.fromkeys(names, threads)
        done = subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
        )
        found.add(done.stdout.strip())
    assert len(found) == 1
