"""Codes with a binary point: rounding, range, and where the point is put."""

import math
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from workloads.training.fixed_point import LARGEST_CODE, codes_of, divided, fraction_for, stored

SUMS = st.lists(st.integers(-(2**44), 2**44), min_size=1, max_size=20)


@given(SUMS, st.integers(1, 2**20))
def test_division_rounds_half_to_even(sums: list[int], denominator: int) -> None:
    found = divided(np.array(sums), denominator)
    assert found.tolist() == [round(Fraction(value, denominator)) for value in sums]


@given(SUMS, st.integers(-8, 30))
def test_what_is_stored_is_rounded_and_then_kept_in_range(sums: list[int], shift: int) -> None:
    exact = [round(value / Fraction(2) ** shift) for value in sums]
    assert stored(np.array(sums), shift).tolist() == [
        max(-LARGEST_CODE, min(LARGEST_CODE, value)) for value in exact
    ]


@given(st.floats(1e-3, 1e3), st.integers(0, 4))
def test_the_largest_value_and_its_headroom_fit_and_no_bit_is_wasted(largest: float, headroom: int) -> None:
    fraction = fraction_for(largest, headroom)
    assert largest * 2.0**headroom * 2.0**fraction < LARGEST_CODE + 1
    assert fraction == 14 or largest * 2.0**headroom * 2.0 ** (fraction + 1) >= LARGEST_CODE + 1 - 1e-9


def test_one_and_zero_have_codes_whatever_is_seen() -> None:
    assert codes_of(np.array([1.0, -1.0, 0.0, 9.0]), fraction_for(0.0, 3)).tolist() == [
        2**14,
        -(2**14),
        0,
        LARGEST_CODE,
    ]
    assert math.ldexp(1.0, fraction_for(1e-6, 0)) <= LARGEST_CODE
