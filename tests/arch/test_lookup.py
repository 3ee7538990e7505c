"""Closed forms of multiplying by lookup, against their definitions and against tables derived elsewhere."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arch.lookup import (
    addends_of,
    addition_cycles,
    carry_save_levels,
    carry_save_passes,
    expected_addends,
    expected_largest_bucket,
    expected_pairs,
)
from simcore.kernels.lookup_mac import digits


def test_levels_grow_at_the_known_numbers_of_operands() -> None:
    # Dadda's and Wallace's breakpoints, taken upwards by the tree's own rule.
    smallest = [3, 4, 5, 7, 10, 14, 20, 29, 43, 64, 95, 142, 212, 317, 475, 712, 1067, 1600, 2399, 3598]
    for levels, operands in enumerate(smallest, 1):
        assert (carry_save_levels(operands - 1), carry_save_levels(operands)) == (levels - 1, levels)


@given(st.integers(0, 2**40), st.booleans())
def test_a_count_takes_an_addend_for_each_digit_that_is_not_0(count: int, signed: bool) -> None:
    assert addends_of(count, signed=signed) == sum(digit != 0 for digit in digits(count, signed))


@given(st.integers(0, 10_000))
def test_every_adder_takes_one_operand_away(operands: int) -> None:
    triples, left = 0, operands
    for _ in range(carry_save_levels(operands)):
        triples += left // 3
        left -= left // 3
    assert triples == max(operands - 2, 0)
    assert left == min(operands, 2)


@pytest.mark.parametrize(
    ("operands", "narrow", "wide"), [(3, 221, 429), (64, 338, 546), (784, 416, 624), (8192, 494, 702)]
)
def test_additions_take_thirteen_cycles_a_level_and_a_bit(operands: int, narrow: int, wide: int) -> None:
    assert addition_cycles(operands, 16) == narrow
    assert addition_cycles(operands, 32) == wide


@given(st.integers(0, 1), st.integers(1, 32), st.none() | st.integers(1, 9))
def test_one_operand_is_its_own_sum(operands: int, bits: int, at_once: int | None) -> None:
    assert addition_cycles(operands, bits, at_once=at_once) == 0


@given(st.integers(2, 5000), st.integers(1, 32), st.integers(1, 20), st.integers(1, 50))
def test_fewer_triples_at_once_take_their_passes(operands: int, bits: int, step: int, at_once: int) -> None:
    passes = carry_save_passes(operands, at_once)
    assert addition_cycles(operands, bits, step, at_once) == step * (passes + bits)


@pytest.mark.parametrize(
    ("inputs", "codes", "pairs", "binary", "signed"),
    [
        (576, 4, 16.0, 47.7, 40.9),
        (576, 64, 537.4, 539.0, 539.0),
        (784, 16, 244.1, 355.2, 349.2),
        (4608, 64, 2766.4, 3106.8, 3106.2),
        (25088, 4, 16.0, 89.6, 72.4),
        (25088, 64, 4087.0, 7705.2, 7110.7),
    ],
)
def test_expectations_equal_those_derived_elsewhere(
    inputs: int, codes: int, pairs: float, binary: float, signed: float
) -> None:
    assert expected_pairs(inputs, codes, codes) == pytest.approx(pairs, abs=0.051)
    assert expected_addends(inputs, codes, codes, signed=False) == pytest.approx(binary, abs=0.051)
    assert expected_addends(inputs, codes, codes, signed=True) == pytest.approx(signed, abs=0.051)


def test_expectations_equal_the_mean_over_every_outcome() -> None:
    # Three inputs, two weight codes and one input code: 2^3 outcomes.
    counts = np.array([[bin(k).count("1"), 3 - bin(k).count("1")] for k in range(8)])
    assert expected_pairs(3, 2, 1) == pytest.approx((counts > 0).sum(axis=1).mean())
    for signed in (False, True):
        each = [sum(addends_of(count, signed=signed) for count in row) for row in counts.tolist()]
        assert expected_addends(3, 2, 1, signed=signed) == pytest.approx(np.mean(each))


def test_a_single_pair_of_codes_takes_every_input() -> None:
    assert expected_pairs(15, 1, 1) == 1
    assert expected_addends(15, 1, 1, signed=False) == 4
    assert expected_addends(15, 1, 1, signed=True) == 2


@given(st.integers(1, 500), st.integers(1, 20), st.integers(1, 20))
def test_no_more_pairs_are_expected_than_can_be(inputs: int, weight_codes: int, input_codes: int) -> None:
    assert (
        0
        < expected_pairs(inputs, weight_codes, input_codes)
        <= min(inputs, weight_codes * input_codes) * (1 + 1e-12)
    )


@given(st.integers(0, 5000), st.integers(1, 5000))
def test_passes_are_levels_if_all_triples_add_at_once_and_triples_if_one_does(n: int, some: int) -> None:
    assert carry_save_passes(n, 5000) == carry_save_levels(n)
    assert carry_save_passes(n, 1) == max(n - 2, 0)
    assert carry_save_levels(n) <= carry_save_passes(n, some) <= max(n - 2, 0)


@pytest.mark.parametrize(("inputs", "lanes"), [(1, 4), (2, 2), (5, 3), (7, 4), (6, 5)])
def test_the_fullest_lane_is_that_of_all_ways_to_fill_lanes(inputs: int, lanes: int) -> None:
    ways = np.array(list(product(range(lanes), repeat=inputs)))
    fullest = [np.bincount(way).max() for way in ways]
    assert expected_largest_bucket(inputs, lanes) == pytest.approx(np.mean(fullest))


@pytest.mark.parametrize(
    ("inputs", "lanes", "fullest"),
    [
        # converged values of simulations with thousands of trials
        *((576, 4, 156.4), (576, 16, 46.9), (576, 64, 16.8), (784, 4, 210.6), (784, 16, 61.7)),
        *((784, 64, 21.2), (4608, 4, 1187.1), (4608, 16, 318.4), (4608, 64, 92.7), (25088, 64, 438.9)),
    ],
)
def test_the_fullest_lane_of_many_inputs_is_the_simulated_one(
    inputs: int, lanes: int, fullest: float
) -> None:
    assert expected_largest_bucket(inputs, lanes) == pytest.approx(fullest, rel=5e-3)


def test_the_series_meets_the_exact_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    for inputs, lanes in ((257, 4), (300, 16), (257, 64), (400, 256)):
        series = expected_largest_bucket(inputs, lanes)
        with monkeypatch.context() as exact:
            exact.setattr("arch.lookup.EXACT_INPUTS", 10**6)
            expected_largest_bucket.cache_clear()
            assert series == pytest.approx(expected_largest_bucket(inputs, lanes), rel=2e-3)
        expected_largest_bucket.cache_clear()
