from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workloads.network_twins import SCALAR_FUNCTIONS
from workloads import Clip, activations
from workloads.activation_functions import apply_clip, chain_clips

X = np.concatenate([np.linspace(-8.0, 8.0, 97), [-700.0, 700.0]])


@pytest.mark.parametrize("name", activations.names())
def test_every_function_equals_its_scalar_formula(name: str) -> None:
    function = activations[name]
    alpha, beta = (0.0 if each is None else each for each in (function.alpha, function.beta))
    expected = [SCALAR_FUNCTIONS[name](float(x)) for x in X]
    np.testing.assert_allclose(function.evaluate(X, alpha, beta), expected, rtol=1e-9, atol=1e-12)
    if function.clip is not None:
        assert np.array_equal(apply_clip(X, function.clip), expected)


bounds = st.one_of(st.none(), st.integers(-5, 5).map(float))


def ordered(low: float | None, high: float | None) -> Clip:
    return (high, low) if low is not None and high is not None and low > high else (low, high)


clips = st.builds(ordered, bounds, bounds)


@given(clips, clips)
def test_two_clippings_equal_their_chain(first: Clip, second: Clip) -> None:
    assert np.array_equal(apply_clip(apply_clip(X, first), second), apply_clip(X, chain_clips(first, second)))
