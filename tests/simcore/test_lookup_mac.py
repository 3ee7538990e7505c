"""Multiplying by lookup, by counting and by shifting is integer arithmetic on what the codes stand for."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from simcore.kernels import lookup_mac
from simcore.kernels.lookup_mac import digits, product_table

Array = NDArray[Any]
UNTOUCHED = -77
SLOT = 1


@st.composite
def coded(draw: st.DrawFn) -> tuple[Array, Array, Array, Array]:
    """Draw codebooks of inputs and weights, codes (3, rows) and weight codes (rows, columns)."""
    books = [draw(st.lists(st.integers(-(2**15), 2**15), min_size=1, max_size=64)) for _ in range(2)]
    rows, columns = draw(st.integers(1, 300)), draw(st.integers(1, 9))
    kind = draw(st.sampled_from([np.uint8, np.uint16]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    # Few of the codes are common, so that counts of every size occur.
    used = [rng.choice(len(book), draw(st.integers(1, 3)) if draw(st.booleans()) else 64) for book in books]
    codes, weights = rng.choice(used[0], (3, rows)), rng.choice(used[1], (rows, columns))
    return np.array(books[0]), np.array(books[1]), codes.astype(kind), weights.astype(kind)


def sums_of(case: tuple[Array, Array, Array, Array]) -> Array:
    """Return the sums (columns,) of the slot's inputs in plain integer arithmetic."""
    inputs, weights, codes, weight_codes = case
    sums: Array = inputs[codes[SLOT]] @ weights[weight_codes]
    return sums


def written(name: str, *arguments: Any, outs: list[Array]) -> list[Array]:
    """Run a kernel and its twin on copies of `outs`, in place of each Ellipsis; return what both wrote."""
    results = []
    for kernel in (getattr(lookup_mac, name), getattr(lookup_mac, f"{name}_reference")):
        copies = [out.copy() for out in outs]
        left = iter(copies)
        kernel(*(next(left) if argument is ... else argument for argument in arguments))
        results.append(copies)
    for compiled, specified in zip(*results, strict=True):
        np.testing.assert_array_equal(compiled, specified)
    return results[0]


def register(columns: int, number: type[Any] = np.int64) -> Array:
    return np.full((3, columns), UNTOUCHED, number)


def only_the_slot(out: Array) -> Array:
    assert (out[[0, 2]] == UNTOUCHED).all()
    row: Array = out[SLOT]
    return row


def counted(case: tuple[Array, Array, Array, Array]) -> Array:
    inputs, weights, codes, weight_codes = case
    columns = weight_codes.shape[1]
    out = np.full((columns, len(weights), len(inputs)), UNTOUCHED, np.int32)
    (counts,) = written("count_pairs", codes, weight_codes, SLOT, ..., outs=[out])
    return counts


@settings(deadline=None)
@given(coded())
def test_accumulated_products_are_the_product_of_codebook_values(
    case: tuple[Array, Array, Array, Array],
) -> None:
    inputs, weights, codes, weight_codes = case
    table = product_table(inputs, weights)
    for number in (np.int64, np.int32) if np.abs(table).max() * len(weight_codes) < 2**31 else (np.int64,):
        out = register(weight_codes.shape[1], number)
        arguments = (codes, weight_codes, table.astype(number), ..., SLOT)
        (sums,) = written("add_products", *arguments, outs=[out])
        assert (only_the_slot(sums) == sums_of(case)).all()


@settings(deadline=None)
@given(coded())
def test_counts_times_products_are_the_same_sums(case: tuple[Array, Array, Array, Array]) -> None:
    inputs, weights, codes, weight_codes = case
    counts = counted(case)
    assert (counts.sum(axis=(1, 2)) == len(weight_codes)).all()
    assert counts[0, weight_codes[0, 0], codes[SLOT, 0]] >= 1
    out = register(weight_codes.shape[1])
    (sums,) = written("multiply_counts", counts, product_table(inputs, weights), ..., SLOT, outs=[out])
    assert (only_the_slot(sums) == sums_of(case)).all()


@settings(deadline=None)
@given(coded(), st.booleans())
def test_shifted_additions_are_the_same_sums_and_as_many_as_digits(
    case: tuple[Array, Array, Array, Array], signed: bool
) -> None:
    inputs, weights, _, weight_codes = case
    counts, columns = counted(case), weight_codes.shape[1]
    sums, addends = written(
        "shift_and_add",
        counts,
        product_table(inputs, weights),
        signed,
        ...,
        ...,
        SLOT,
        outs=[register(columns), register(columns, np.int32)],
    )
    assert (only_the_slot(sums) == sums_of(case)).all()
    for column, added in zip(counts, only_the_slot(addends), strict=True):
        assert added == sum(np.count_nonzero(digits(count, signed)) for count in column.ravel().tolist())


@given(st.integers(0, 2**40))
def test_digits_write_the_count_with_the_fewest_that_are_not_0(count: int) -> None:
    binary, signed = digits(count, False), digits(count, True)
    assert set(binary) <= {0, 1}
    assert set(signed) <= {-1, 0, 1}
    for found in (binary, signed):
        assert sum(digit << place for place, digit in enumerate(found)) == count
    # No two neighbours are there, which only one way of writing has, and none has fewer.
    assert not any(a and b for a, b in pairwise(signed))
    assert np.count_nonzero(signed) <= np.count_nonzero(binary)


def test_by_hand() -> None:
    # Weights 3 and -2, inputs 0 and 5: a column of weights 3, 3, -2 on inputs 5, 5, 5 gives 20.
    inputs, weights = np.array([0, 5]), np.array([3, -2])
    codes, weight_codes = np.ones((3, 3), np.uint8), np.array([[0], [0], [1]], np.uint8)
    case = (inputs, weights, codes, weight_codes)
    assert product_table(inputs, weights).tolist() == [[0, 0], [15, -10]]
    assert counted(case).tolist() == [[[0, 2], [0, 1]]]
    assert sums_of(case).tolist() == [20]


@pytest.mark.parametrize(("signed", "addends"), [(False, 4), (True, 2)])
def test_fifteen_times_a_product_is_sixteen_times_less_once(signed: bool, addends: int) -> None:
    counts, table = np.array([[[15]]], np.int32), np.array([[-7]])
    sums, added = written(
        "shift_and_add", counts, table, signed, ..., ..., SLOT, outs=[register(1), register(1, np.int32)]
    )
    assert (sums[SLOT, 0], added[SLOT, 0]) == (-105, addends)
