"""What training rounds to, and what a contest is; trained networks themselves come with the simulator."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from simcore.errors import ConfigError, WorkloadError
from workloads import datasets, networks
from workloads.basis.basis_options import TrainingOptions
from workloads.basis.basis_training import (
    check_trainable,
    contested,
    nearest_coefficients,
    nearest_elements,
)

shapes = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 6))
seeds = st.integers(0, 2**32 - 1)


def reals(shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    """Return numbers in and beyond the range of integers, of which many are halves or equally large."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(scale=rng.choice([1.0, 8.0, 200.0]), size=shape)
    return np.where(rng.random(shape) < 0.5, np.rint(2 * numbers) / 2, numbers).astype(np.float32)


@settings(deadline=None)
@given(shapes, seeds, st.integers(2, 8), st.integers(1, 6))
def test_the_largest_coefficients_become_the_nearest_integers_and_others_zero(
    shape: tuple[int, ...], seed: int, bits: int, nonzeros: int
) -> None:
    numbers = reals(shape, seed)
    found = nearest_coefficients(numbers, bits, nonzeros)
    assert found.dtype == np.int8
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    for row, integers in zip(
        numbers.reshape(-1, numbers.shape[-1]), found.reshape(-1, found.shape[-1]), strict=True
    ):
        ranked = sorted(range(len(row)), key=lambda place: (-abs(row[place]), place))
        expected = [0] * len(row)
        for place in ranked[:nonzeros]:
            expected[place] = min(high, max(low, round(float(row[place]))))  # halves to even
        assert integers.tolist() == expected


@settings(deadline=None)
@given(shapes, seeds, st.integers(2, 8))
def test_elements_are_the_nearest_of_integers_that_have_a_negative(
    shape: tuple[int, ...], seed: int, bits: int
) -> None:
    numbers = reals(shape, seed)
    most = 2 ** (bits - 1) - 1
    found = nearest_elements(numbers, bits)
    assert found.dtype == np.int16
    codes = np.arange(-most, most + 1)
    distances = np.abs(numbers[..., None].astype(np.float64) - codes)
    assert np.array_equal(np.abs(numbers - found.astype(np.float64)), distances.min(axis=-1))


@settings(deadline=None)
@given(shapes, seeds, st.integers(1, 6))
def test_coefficients_above_an_even_share_are_in_contests(
    shape: tuple[int, ...], seed: int, nonzeros: int
) -> None:
    uses = np.random.default_rng(seed).integers(0, 2, shape)
    slices, kernels, vectors = uses.shape
    share = -(-kernels * nonzeros // vectors)
    loads = [sum(uses[s, :, v].tolist()) for s in range(slices) for v in range(vectors)]
    assert contested(uses, nonzeros) == sum(max(0, load - share) for load in loads)


@pytest.mark.parametrize(
    ("name", "value"),
    [("rounds", -1), ("epochs", 0), ("fine_tuning", -1), ("contest", -0.1), ("contest", float("nan"))],
)
def test_options_of_training_have_least_values(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"{name} of a training must be at least [01], got {value}"):
        TrainingOptions(**{name: value})  # type: ignore[arg-type]


def test_without_labels_that_fit_nothing_is_trained() -> None:
    network, data = networks["digits-cnn"](), datasets["digits-train"]()
    assert data.labels is not None
    with pytest.raises(
        WorkloadError, match="digits-train has no labels to train digits-cnn by; add an array"
    ):
        check_trainable(network, replace(data, labels=None))
    with pytest.raises(
        WorkloadError, match="has labels up to 10, but digits-cnn tells 10 classes; give labels"
    ):
        check_trainable(network, replace(data, labels=data.labels + 1))
    with pytest.raises(WorkloadError, match=r"digits-cnn takes images of shape \(1, 8, 8\)"):
        check_trainable(network, replace(data, inputs=data.inputs[:, :, :4]))


def test_without_torch_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(
        ConfigError, match=r"training digits-cnn needs PyTorch .*pip install 'imcsim\[train\]'"
    ):
        check_trainable(networks["digits-cnn"](), datasets["digits-train"]())
