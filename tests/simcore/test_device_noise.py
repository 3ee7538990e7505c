"""Reading sums out: kernels equal their twins in every bit, and noise has the moments it should."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from simcore.kernels.device_noise import (
    NO_SQUARES,
    add_nonlinearity,
    add_nonlinearity_reference,
    sense_columns,
    sense_columns_reference,
    square_sums,
    square_sums_reference,
)
from simcore.noise import derive, stream_key
from tests.normal_samples import assert_independent, assert_normal, assert_tails

Array = NDArray[Any]


@pytest.fixture(autouse=True, scope="module")
def _let_words_wrap() -> Iterator[None]:
    # With NUMBA_DISABLE_JIT=1 the kernels run as Python, where numpy warns of what they do on purpose.
    with np.errstate(over="ignore"):
        yield


def curves(columns: int, step: float = 1.0, droop: float = 0.0, offset: float = 0.0) -> Array:
    return np.repeat(np.array([[step], [droop], [offset]], np.float32), columns, axis=1)


def read(
    sums: Array, keys: Array, column: float = 0.0, cell: float = 0.0, squares: Array = NO_SQUARES, **more: Any
) -> Array:
    """Return the codes of what the kernel senses, over a range that clips nothing."""
    sensed = np.empty(sums.shape, np.float32)
    noise = np.array([column, cell], np.float32)
    sense_columns(sums, squares, keys, noise, more.get("curves", curves(sums.shape[1])), sensed)
    codes: Array = np.floor(sensed + 0.5).astype(np.int32)
    return codes


@st.composite
def readouts(draw: st.DrawFn) -> tuple[Any, ...]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, columns = draw(st.integers(0, 5)), draw(st.integers(0, 70))
    low, bits = draw(st.integers(-300, 300)), draw(st.integers(1, 12))
    lsb = 2.0 ** draw(st.integers(0, 12)) * draw(st.sampled_from([1.0, 0.7]))
    most = round(lsb * 2**bits)
    number = draw(st.sampled_from([np.int32, np.int64]))
    sums = rng.integers(-most, 2 * most, (n, columns)).astype(number)
    cell = draw(st.sampled_from([0.0, 0.03]))
    squares = rng.integers(0, 2**50, (n, columns)).astype(np.float64) if cell else NO_SQUARES
    noise = np.array([draw(st.sampled_from([0.0, 0.4])) * lsb, cell], np.float32)
    drawn = np.stack(
        [
            rng.normal(1.0, 0.1, columns) * lsb,
            rng.uniform(0, 0.3, columns) * lsb / most,
            rng.normal(low, 2.0, columns),
        ]
    ).astype(np.float32)
    keys = derive(draw(st.integers(0, 2**64 - 1)), np.arange(n))
    return sums, squares, keys, noise, drawn


@settings(deadline=None)
@given(readouts())
def test_sense_columns_equals_its_twin(arguments: tuple[Any, ...]) -> None:
    compiled = np.full(arguments[0].shape, -77, np.float32)
    specified = compiled.copy()
    sense_columns(*(*arguments, compiled))
    sense_columns_reference(*(*arguments, specified))
    np.testing.assert_array_equal(compiled, specified)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(-200, 200), st.integers(0, 40))
def test_add_nonlinearity_equals_its_twin(seed: int, bits: int, low: int, columns: int) -> None:
    rng = np.random.default_rng(seed)
    inl = rng.normal(0, 1, 2**bits).astype(np.float32)
    compiled = (low + rng.uniform(-9, 2**bits + 9, (3, columns))).astype(np.float32)
    specified = compiled.copy()
    add_nonlinearity(compiled, inl, low)
    add_nonlinearity_reference(specified, inl, low)
    np.testing.assert_array_equal(compiled, specified)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 4), st.integers(0, 40), st.integers(0, 40))
def test_square_sums_equal_their_twin(seed: int, n: int, rows: int, columns: int) -> None:
    rng = np.random.default_rng(seed)
    inputs = (rng.integers(-128, 256, (n, rows)) * rng.integers(0, 2, (n, rows))).astype(np.int16)
    squared = (rng.integers(0, 2**17, (rows, columns)) ** 2).astype(np.float32)
    compiled, specified = np.full((2, n, columns), -77.0)
    square_sums(inputs, squared, compiled)
    square_sums_reference(inputs, squared, specified)
    np.testing.assert_array_equal(compiled, specified)


@given(st.integers(0, 2**32 - 1), st.integers(1, 10))
@settings(deadline=None)
def test_without_effects_whole_levels_are_read_as_they_are(seed: int, bits: int) -> None:
    levels = np.random.default_rng(seed).integers(0, 2**16, (3, 20)) % 2**bits
    codes = read(levels << 8, derive(seed, np.arange(3)), curves=curves(20, step=2.0**8))
    np.testing.assert_array_equal(codes, levels)


def test_a_row_is_read_alike_alone_in_any_order_and_with_more_columns() -> None:
    rng = np.random.default_rng(1)
    sums = rng.integers(0, 10**6, (7, 33))
    keys = derive(stream_key(3, "read"), np.arange(7))
    together = read(sums, keys, column=1000.0)
    for row in rng.permutation(7):
        one = slice(row, row + 1)
        np.testing.assert_array_equal(read(sums[one], keys[one], column=1000.0), together[one])
    np.testing.assert_array_equal(read(sums[:, :13], keys, column=1000.0), together[:, :13])


def test_column_noise_has_its_moments_and_tails_and_no_two_tokens_or_columns_share_it() -> None:
    n, columns, sigma = 400, 250, 4096.0
    keys = derive(stream_key(5, "conv", "read"), np.arange(n))
    z = read(np.zeros((n, columns), np.int64), keys, column=sigma) / sigma
    assert_normal(z, 0, 1)
    assert_tails(z)
    assert_independent(z)


def test_images_pixels_and_reads_have_noise_of_their_own() -> None:
    grid = np.meshgrid(np.arange(6), np.arange(9), np.arange(8), indexing="ij")
    keys = derive(stream_key(5, "conv", "read"), *grid).ravel()
    assert_independent(read(np.zeros((keys.size, 200), np.int64), keys, column=4096.0) / 4096.0)


def test_noise_of_cells_adds_up_as_the_squares_of_their_currents() -> None:
    rng = np.random.default_rng(2)
    n, rows, columns, cell, column = 2000, 40, 16, 0.05, 3000.0
    g = rng.integers(0, 256 * 4, (rows, columns)).astype(np.int64)
    x = rng.integers(0, 16, rows).astype(np.int16)
    squares = np.empty((1, columns))
    square_sums(x[None], (g**2).astype(np.float32), squares)
    keys = derive(stream_key(1, "cells"), np.arange(n))
    sums = np.broadcast_to(x.astype(np.int64) @ g, (n, columns)).copy()
    noise = read(sums, keys, column, cell, np.repeat(squares, n, axis=0)) - sums
    expected = column**2 + sum((cell * int(x[i]) * g[i]) ** 2 for i in range(rows))
    z = noise / np.sqrt(expected)
    for own in z.T:
        assert_normal(own, 0, 1)
    assert_tails(z)
    assert_independent(z)


def test_droop_takes_the_square_off_and_nonlinearity_shifts_a_code() -> None:
    sums = np.array([[-100, 0, 100, 200, 1000]], np.int64)
    drawn = curves(5, step=1.0, droop=1e-4, offset=3.0)
    # 100 / 1.01, 200 / 1.02, 1000 / 1.1; what noise brings below 0 does not droop
    assert read(sums, derive(0, np.arange(1)), curves=drawn).tolist() == [[-97, 3, 102, 199, 912]]
    inl = np.zeros(8, np.float32)
    inl[2], inl[7] = 1.5, 4.0
    sensed = np.array([[1, 2, 3, 9]], np.float32)
    add_nonlinearity(sensed, inl, 0)
    assert sensed.tolist() == [[1, 3.5, 3, 13]]
