"""Converters round half up, keep to their range, and count what they clip."""

from __future__ import annotations

from fractions import Fraction
from math import floor, log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arch.arrays.encoding import Encoding
from arch.arrays.transfer import Transfer, bits_for
from simcore import ConfigError


@given(
    st.lists(st.integers(-(2**40), 2**40) | st.integers(-99, 99), min_size=1, max_size=9),
    st.integers(2, 16),
    st.booleans(),
    st.integers(1, 9) | st.integers(1, 2**32),
)
def test_a_conversion_rounds_half_up_and_clips(sums: list[int], bits: int, signed: bool, lsb: int) -> None:
    transfer = Transfer(bits, signed, lsb)
    codes = [floor(Fraction(each, lsb) + Fraction(1, 2)) for each in sums]
    kept = [max(transfer.low, min(code, transfer.high)) for code in codes]
    values, clipped = transfer.convert(np.array(sums))
    assert values.tolist() == [code * lsb for code in kept]
    assert clipped == sum(code != k for code, k in zip(codes, kept, strict=True))
    assert transfer.high - transfer.low + 1 == 2**bits


@given(st.integers(1, 16), st.integers(1, 2**30))
def test_a_range_is_reached_with_the_smallest_step(bits: int, largest: int) -> None:
    transfer = Transfer.of_range(bits, largest)
    assert transfer.high * transfer.lsb >= largest
    assert transfer.lsb == 1 or transfer.high * (transfer.lsb - 1) < largest
    assert transfer.convert(np.array([0, largest]))[1] == 0


def test_calibrated_ranges_give_each_bitline_its_step() -> None:
    transfer = Transfer.of_range(4, np.array([15, 16, 45]))
    assert np.asarray(transfer.lsb).tolist() == [1, 2, 3]
    assert transfer.convert(np.array([[9, 9, 9], [99, 1, 4]]))[0].tolist() == [[9, 10, 9], [15, 2, 3]]


@pytest.mark.parametrize("rows", [16, 128, 256, 512])
@pytest.mark.parametrize("dac_bits", [1, 2, 4])
@pytest.mark.parametrize("cell_bits", [1, 2, 4])
def test_isaacs_law_gives_the_bits_of_every_sum(rows: int, dac_bits: int, cell_bits: int) -> None:
    law = int(log2(rows)) + dac_bits + cell_bits - (dac_bits == 1 or cell_bits == 1)
    largest_input = 2**dac_bits - 1
    assert bits_for(Encoding("offset", 16, cell_bits).largest_sum(rows, largest_input)) == law
    if cell_bits > 1:
        assert bits_for(Encoding("flip", 16, cell_bits).largest_sum(rows, largest_input)) == law - 1


def test_impossible_converters_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"adc bits must be in \[1, 16\] bit if unsigned, got 17"):
        Transfer(17)
    with pytest.raises(ConfigError, match=r"adc bits must be in \[2, 16\] bit if signed, got 1"):
        Transfer(1, signed=True)
    with pytest.raises(ConfigError, match=r"adc lsb must be a whole number .* got 0 to 3"):
        Transfer(8, lsb=np.array([3, 0]))
    with pytest.raises(ConfigError, match="adc range must reach at least 1 level, got 0"):
        Transfer.of_range(8, 0)
