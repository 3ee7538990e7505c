"""What crossbars of basis vectors compute on: a fit that was loaded, or one that is made now."""

from __future__ import annotations

import numpy as np
import pytest

from arch.machines.basisn.basis_numbers import BasisNumbers
from arch.machines.basisn.closed_forms import network_counts
from arch.numbers import KnownNetwork
from simcore.errors import WorkloadError
from workloads import (
    Affine,
    Conv2d,
    Dataset,
    GivenScales,
    Input,
    Network,
    Parameters,
    Window,
    datasets,
    lower,
    networks,
)
from workloads.basis import BasisFit, BasisOptions
from workloads.basis.fitting import fit_basis

OPTIONS = BasisOptions(rounds=1, vectors=64)


def known(network: Network, fit: BasisFit | None = None) -> KnownNetwork:
    def training() -> Dataset:
        raise AssertionError("asked for")

    images = datasets["digits"]().inputs[:16]
    return KnownNetwork(network, lower(network), images, training, fit)


def test_a_network_is_fitted_where_none_is_loaded() -> None:
    network = networks["digits-mlp"]()
    images = datasets["digits"]().inputs[:5]
    fit = fit_basis(network, OPTIONS)
    made, loaded = (BasisNumbers(known(network, given), OPTIONS, 8) for given in (None, fit))
    assert np.array_equal(made.golden(images), loaded.golden(images))
    assert np.array_equal(made.network.basis.vectors, fit.basis.vectors)
    assert (made.encode(images) == made.network.input_quantization.quantize(images)).all()
    assert made.decode(made.golden(images)).shape == (5, 10, 1, 1)
    assert made.known_among(images) == 0


def test_a_loaded_fit_is_taken_whatever_the_options(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = fit_basis(networks["digits-mlp"](), OPTIONS)

    def begun(*anything: object) -> None:
        raise AssertionError("fitting was begun")

    monkeypatch.setattr("workloads.basis.fitting.fit_basis", begun)
    numbers = BasisNumbers(known(fit.network, fit), BasisOptions(), 6)
    assert numbers.network.basis is fit.basis
    assert numbers.network.activation_bits == 6


def test_given_scales_that_keep_factors_apart_are_told_of() -> None:
    layers = [
        Input(name="image", shape=(1, 8, 8)),
        Conv2d(name="conv", out_channels=2, window=Window.square(3), bias=False),
        Affine(name="factors"),
    ]
    factors = {"weight": np.ones(2), "bias": np.ones(2)}
    weights: Parameters = {"conv": {"weight": np.ones((2, 1, 3, 3))}, "factors": factors}
    scales = GivenScales(weights={"conv": np.full(2, 0.5, np.float32)})
    network = Network("given", layers, lambda: weights, scales=scales)
    with pytest.raises(WorkloadError, match=r"given brings scales for weights, .* fit it with imcsim"):
        BasisNumbers(known(network), OPTIONS, 8)
    fit = fit_basis(network, OPTIONS)
    assert BasisNumbers(known(fit.network, fit), OPTIONS, 8).network.nodes.keys() == {"conv"}


def test_no_more_vectors_are_fitted_than_there_are_kernel_slices() -> None:
    """As many as 64 crossbars hold: each slice has a vector of its own."""
    network = networks["digits-mlp"]()
    numbers = BasisNumbers(known(network), BasisOptions(vectors=8192), 8)
    slices = sum(each.kernel_slices for each in network_counts(lower(network), 128).values())
    assert len(numbers.network.basis.vectors) == slices < 128


def test_a_fit_that_takes_long_is_refused_with_what_to_do() -> None:
    network = networks["resnet18-cifar100"]()
    told = r"87,888 kernel slices, and fitting them to 8,192 vectors takes long; fit it once with imcsim fit"
    with pytest.raises(WorkloadError, match=told):
        BasisNumbers(known(network), BasisOptions(vectors=8192), 8)
