"""The checks of noise pass what is normal and independent, and find what is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.normal_samples import assert_independent, assert_normal, assert_tails, assert_uncorrelated

Array = NDArray[Any]


def sample(seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal((400, 250))


def test_normal_numbers_pass() -> None:
    for seed in range(5):
        z = sample(seed)
        assert_normal(3 + 2 * z, 3, 2)
        assert_tails(z)
        assert_independent(z)
        assert_uncorrelated(z, sample(seed + 100))


def shared_by_tokens(z: Array) -> Array:
    return np.asarray(np.sqrt(0.98) * z + np.sqrt(0.02) * z[:, :1])


def shared_by_columns(z: Array) -> Array:
    return np.asarray(np.sqrt(0.98) * z + np.sqrt(0.02) * z[:1])


def two_columns_alike(z: Array) -> Array:
    z[:, 200] = z[:, 3]
    return z


def two_tokens_alike(z: Array) -> Array:
    z[17] = -z[300]
    return z


def loud_and_quiet_tokens(z: Array) -> Array:
    return z * np.where(np.arange(len(z)) % 2, 1.05, 0.95)[:, None]


@pytest.mark.parametrize("spoil", [shared_by_tokens, shared_by_columns, two_columns_alike, two_tokens_alike])
def test_what_goes_together_is_found(spoil: Callable[[Array], Array]) -> None:
    with pytest.raises(AssertionError):
        assert_independent(spoil(sample()))


@pytest.mark.parametrize(
    ("spoil", "check"),
    [
        (lambda z: z + 0.02, lambda z: assert_normal(z, 0, 1)),
        (lambda z: 1.02 * z, lambda z: assert_normal(z, 0, 1)),
        (lambda z: np.clip(z, -2.9, 2.9), assert_tails),
        (lambda z: np.where(abs(z) > 2.5, 1.1 * z, z), assert_tails),
        (lambda z: z, lambda z: assert_uncorrelated(z, z + sample(1) * 20)),
    ],
)
def test_wrong_moments_tails_and_ties_are_found(
    spoil: Callable[[Array], Array], check: Callable[[Array], None]
) -> None:
    with pytest.raises(AssertionError):
        check(spoil(sample()))
