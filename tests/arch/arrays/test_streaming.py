"""Inputs arrive in phases, and what phases give adds up to the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arch.arrays.streaming import Phase, Streaming
from simcore import ConfigError

streamings = st.builds(
    Streaming,
    st.integers(2, 16),
    st.integers(1, 8),
    st.sampled_from(["bit-serial", "pulse-width"]),
    st.sampled_from(["unsigned", "twos-complement", "split"]),
)


@given(streamings, st.integers(0, 2**32 - 1))
def test_phases_add_up_to_the_inputs(streaming: Streaming, seed: int) -> None:
    rng = np.random.default_rng(seed)
    inputs = np.append(
        rng.integers(streaming.low, streaming.high + 1, 20), [streaming.low, 0, streaming.high]
    )
    carried = streaming.stream(inputs)
    assert carried.min() >= 0
    assert carried.max() == streaming.largest
    np.testing.assert_array_equal(streaming.recombine(carried), inputs)


@pytest.mark.parametrize(
    ("streaming", "phases"),
    [
        (Streaming(8), 8),
        (Streaming(8, 3), 3),
        (Streaming(8, 1, "pulse-width"), 1),
        (Streaming(16, 1, sign="twos-complement"), 16),  # ISAAC's
        (Streaming(9, 4, sign="twos-complement"), 3),
        (Streaming(8, 4, sign="split"), 4),
        (Streaming(8, 1, "pulse-width", "split"), 2),
    ],
)
def test_phases_of_a_product(streaming: Streaming, phases: int) -> None:
    assert len(streaming.phases) == phases


def test_the_sign_is_streamed_last_and_subtracted() -> None:
    assert Streaming(3, 2, sign="twos-complement").phases == (Phase(0, 2, 1), Phase(2, 1, -4))
    assert Streaming(3, 2, sign="twos-complement").stream(np.array([-3, 2])).tolist() == [[1, 2], [1, 0]]
    assert Streaming(3, 2, sign="split").phases == (
        Phase(0, 2, 1),
        Phase(2, 1, 4),
        Phase(3, 2, -1),
        Phase(5, 1, -4),
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"bits": 1}, r"input bits must be in \[2, 16\] bit, got 1"),
        ({"dac_bits": 9}, r"dac_bits must be in \[1, 8\] bit, got 9"),
        ({"form": "spikes"}, "form of the inputs must be one of bit-serial, pulse-width, got 'spikes'"),
        ({"sign": "biased"}, "sign of the inputs must be one of unsigned, twos-complement, split, got"),
    ],
)
def test_impossible_streamings_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Streaming(**{"bits": 8, **fields})
