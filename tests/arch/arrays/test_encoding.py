"""Weights lie in cells as levels, and come back from column sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arch.arrays.encoding import UNIT, Encoding, Signs
from arch.arrays.transfer import bits_for
from simcore import ConfigError, MappingError

SIGNS: tuple[Signs, ...] = ("signed", "differential", "offset", "flip")


@st.composite
def weights_in_cells(draw: st.DrawFn, signs: Any = SIGNS) -> tuple[Encoding, Any]:
    encoding = Encoding(draw(st.sampled_from(signs)), draw(st.integers(2, 16)), draw(st.integers(1, 8)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.integers(1, 40)), draw(st.integers(1, 6))
    weights = rng.integers(encoding.low, encoding.high + 1, shape)
    ends = rng.choice([encoding.low, encoding.high], shape)
    return encoding, np.where(rng.random(shape) < draw(st.sampled_from([0.0, 0.3, 0.95])), ends, weights)


@given(weights_in_cells(), st.integers(0, 2**32 - 1))
def test_column_sums_come_back_as_the_product(case: tuple[Encoding, Any], seed: int) -> None:
    encoding, weights = case
    inputs = np.random.default_rng(seed).integers(0, 2**16, (3, len(weights)))
    encoded = encoding.encode(weights)
    sums = inputs @ encoded.levels.astype(np.int64)
    np.testing.assert_array_equal(encoded.recombine(sums), inputs @ weights)


@given(weights_in_cells())
def test_cells_hold_levels_that_there_are_and_columns_are_counted_right(case: tuple[Encoding, Any]) -> None:
    encoding, weights = case
    encoded = encoding.encode(weights)
    unit = encoding.signs in ("offset", "flip")
    assert encoded.has_unit == unit
    assert encoded.levels.shape == (len(weights), encoding.columns_per_weight * weights.shape[1] + unit)
    assert encoded.levels.flags.c_contiguous
    if encoding.signs != "signed":
        assert encoded.levels.dtype == np.uint8
        assert encoded.levels.max() < 2**encoding.cell_bits
    if unit:
        assert (encoded.levels[:, -1] == 1).all()
        assert encoded.column[-1] == UNIT


@given(weights_in_cells(["flip"]), st.integers(1, 8))
def test_a_flipped_column_never_needs_the_top_bit(case: tuple[Encoding, Any], dac_bits: int) -> None:
    encoding, weights = case
    largest_input = 2**dac_bits - 1
    full = len(weights) * largest_input * (2**encoding.cell_bits - 1)
    sums = encoding.encode(weights).levels.sum(axis=0, dtype=np.int64) * largest_input
    assert bits_for(int(sums[:-1].max())) < bits_for(full)
    if encoding.cell_bits > 1:  # the unit bitline alone is no fuller than the fullest of one bit
        assert bits_for(int(sums[-1])) < bits_for(full)
    assert sums.max() <= encoding.largest_sum(len(weights), largest_input)


@given(weights_in_cells(), st.integers(1, 8))
def test_no_sum_is_larger_than_the_largest(case: tuple[Encoding, Any], dac_bits: int) -> None:
    encoding, weights = case
    levels = np.abs(encoding.encode(weights).levels.astype(np.int64))
    largest = encoding.largest_sum(len(weights), 2**dac_bits - 1)
    assert levels.sum(axis=0).max() * (2**dac_bits - 1) <= largest


@pytest.mark.parametrize(
    ("signs", "weight_bits", "cell_bits", "columns"),
    [
        ("signed", 8, 2, 1),
        ("offset", 8, 2, 4),
        ("flip", 8, 2, 4),
        ("differential", 8, 2, 8),
        ("flip", 16, 2, 8),  # ISAAC's
        ("differential", 8, 1, 14),
        ("differential", 9, 8, 2),
    ],
)
def test_columns_of_a_weight_follow_from_its_slices(
    signs: Signs, weight_bits: int, cell_bits: int, columns: int
) -> None:
    encoding = Encoding(signs, weight_bits, cell_bits)
    assert encoding.columns_per_weight == columns
    encoding.check_columns(columns)
    with pytest.raises(ConfigError, match=f"columns_per_weight must be {columns}, .* got {columns + 1}"):
        encoding.check_columns(columns + 1)


def test_levels_of_a_few_weights() -> None:
    weights = np.array([[-6], [0], [7]])
    assert Encoding("differential", 4, 2).encode(weights).levels.tolist() == [
        [0, 2, 0, 1],
        [0, 0, 0, 0],
        [3, 0, 1, 0],
    ]
    assert Encoding("offset", 4, 2).encode(weights).levels.tolist() == [[2, 0, 1], [0, 2, 1], [3, 3, 1]]
    # the mean of the low slices is above one and a half, and so is that of the high ones
    assert Encoding("flip", 4, 2).encode(weights).levels.tolist() == [[1, 3, 1], [3, 1, 1], [0, 0, 1]]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"weight_bits": 17}, r"weight_bits must be in \[2, 16\] bit, got 17"),
        ({"cell_bits": 9}, r"cell_bits must be in \[1, 8\] bit, got 9"),
        ({"signs": "biased"}, "signs must be one of signed, differential, offset, flip, got 'biased'"),
        ({"slices": 3}, r"slices must be 4 or more: 8 bit offset weights have 8 bit .*, got 3"),
        ({"slices": -1}, "slices must be 4 or more"),
    ],
)
def test_impossible_encodings_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Encoding(**{"signs": "offset", "weight_bits": 8, "cell_bits": 2, **fields})


@pytest.mark.parametrize("signs", [s for s in SIGNS if s != "differential"])
def test_all_encodings_but_pairs_hold_the_most_negative_weight(signs: Any) -> None:
    weights = np.array([[-128, 127], [5, -128]])
    encoded = Encoding(signs, 8).encode(weights)
    inputs = np.array([3, 200])
    assert encoded.recombine(inputs @ encoded.levels.astype(np.int64)).tolist() == (inputs @ weights).tolist()


def test_weights_that_do_not_fit_are_refused() -> None:
    with pytest.raises(
        MappingError, match=r"must be in \[-127, 127\], got -128; .* or let encoding be offset"
    ):
        Encoding("differential", 8).encode(np.array([[-128, 3]]))
    with pytest.raises(MappingError, match=r"must be in \[-8, 7\], got 8"):
        Encoding("offset", 4).encode(np.array([[8]]))
