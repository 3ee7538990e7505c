"""Transformers in stages: bit-equal to the golden reference, whatever the order and the memories."""

from __future__ import annotations

from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.arch.dataflow_bench import Quantized, quantized
from tests.arch.untimed_stages import UntimedStages
from tests.strategies import NetworkCase
from tests.token_networks import token_networks

seeds = st.integers(0, 2**32 - 1)


def assert_golden_in_any_memory(case: Quantized, seed: int, slots: int = 1) -> None:
    """Run with room for everything, then again with the slots that this order of turns has filled."""
    roomy = UntimedStages(case, slots=slots)
    assert np.array_equal(roomy.run(Random(seed)), case.expected)
    exact = UntimedStages(case, roomy.filled, slots)
    assert np.array_equal(exact.run(Random(seed)), case.expected)


@settings(deadline=None)
@given(token_networks(), st.integers(2, 16), st.integers(2, 16), st.integers(1, 3), seeds)
def test_networks_of_tokens_are_golden(
    case: NetworkCase, weight_bits: int, activation_bits: int, slots: int, seed: int
) -> None:
    assert_golden_in_any_memory(quantized(case, weight_bits, activation_bits), seed, slots)
