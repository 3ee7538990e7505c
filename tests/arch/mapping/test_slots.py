"""Slots of random kernels: valid, within their bounds, and as a twin and an exact search have them."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from arch.mapping.slots import (
    drawn_supports,
    packed_supports,
    share_slots,
    slot_bounds,
    support_columns,
    support_words,
)
from simcore.kernels.slot_colouring import colour_slots, colour_slots_reference


@st.composite
def contests(draw: st.DrawFn, most: int = 40) -> tuple[NDArray[np.bool_], int]:
    """Draw which columns each kernel uses, sparse or dense or none, over several words; and a capacity."""
    kernels, columns = draw(st.integers(1, most)), draw(st.integers(1, 150))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    density = rng.choice([0.0, 0.01, 0.05, 0.3, 1.0], size=(kernels, 1))
    return rng.random((kernels, columns)) < density, draw(st.integers(1, 20))


@settings(deadline=None)
@given(contests())
def test_slots_are_valid_and_within_their_bounds(contest: tuple[NDArray[np.bool_], int]) -> None:
    columns, capacity = contest
    slots = share_slots(support_words(columns), capacity)
    has_support = columns.any(axis=1)
    assert np.array_equal(slots >= 0, has_support)  # every kernel with a support has one slot, no other has
    used = range(slots.max(initial=-1) + 1)
    for slot in used:
        assert 1 <= (slots == slot).sum() <= capacity
        assert columns[slots == slot].sum(axis=0).max() == 1  # no column twice
    least, most = slot_bounds(columns, capacity)
    assert least <= len(used) <= most
    assert least >= -(-int(columns.sum()) // columns.shape[1])
    assert least >= -(-int(has_support.sum()) // capacity)


@cache
def _fewest(kernels: tuple[int, ...], capacity: int, slots: tuple[tuple[int, int], ...] = ()) -> int:
    """Return the fewest slots of all ways to add kernels, bits of columns, to some (columns, kernels)."""
    if not kernels:
        return len(slots)
    first, rest = kernels[0], kernels[1:]
    into = [i for i, (columns, held) in enumerate(slots) if not columns & first and held < capacity]
    ways = [(*slots[:i], (slots[i][0] | first, slots[i][1] + 1), *slots[i + 1 :]) for i in into] + [
        (*slots, (first, 1))
    ]
    return min(_fewest(rest, capacity, tuple(sorted(way))) for way in ways)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 2**7 - 1), min_size=1, max_size=7), st.integers(1, 4))
def test_greedy_is_no_better_than_the_best_and_that_no_better_than_the_bound(
    kernels: list[int], capacity: int
) -> None:
    columns = (np.array(kernels)[:, None] >> np.arange(7) & 1).astype(np.bool_)
    best = _fewest(tuple(kernels), capacity)
    greedy = int(share_slots(support_words(columns), capacity).max()) + 1
    least, most = slot_bounds(columns, capacity)
    assert least <= best <= greedy <= most


def test_greedy_may_be_worse_than_the_best() -> None:
    """Each kernel of one side meets all of the other but its partner, which greedy puts beside it."""
    met = [(left, right) for left in range(3) for right in range(3) if left != right]
    crown = np.zeros((6, len(met)), np.bool_)
    for column, (left, right) in enumerate(met):
        crown[[2 * left, 2 * right + 1], column] = True
    assert share_slots(support_words(crown), 6).tolist() == [0, 0, 1, 1, 2, 2]
    assert _fewest(tuple((crown @ (1 << np.arange(len(met)))).tolist()), 6) == 2


@settings(deadline=None)
@given(st.lists(contests(12), min_size=1, max_size=3))
def test_compiled_colouring_equals_its_twin(drawn: list[tuple[NDArray[np.bool_], int]]) -> None:
    for columns, capacity in drawn:
        supports = support_words(columns)[None]
        found, expected = (np.zeros(supports.shape[:2], np.int32) for _ in range(2))
        colour_slots(supports, capacity, found)
        colour_slots_reference(supports, capacity, expected)
        assert np.array_equal(found, expected)


@settings(deadline=None)
@given(st.integers(1, 3), st.integers(1, 60), st.integers(1, 150), st.data())
def test_packed_supports_fill_the_fewest_slots(
    slices: int, kernels: int, columns: int, data: st.DataObject
) -> None:
    nonzeros, capacity = data.draw(st.integers(1, columns)), data.draw(st.integers(1, 20))
    supports = packed_supports(slices, kernels, columns, nonzeros, capacity)
    assert (support_columns(supports, columns).sum(axis=-1) == nonzeros).all()
    slots = share_slots(supports, capacity)
    fewest = -(-kernels // min(columns // nonzeros, capacity))
    assert (slots.max(axis=-1) + 1 == fewest).all()


@settings(deadline=None)
@given(st.integers(0, 2**40), st.integers(1, 4), st.integers(1, 9), st.integers(1, 150), st.data())
def test_drawn_supports_have_so_many_columns_and_depend_on_nothing_else(
    seed: int, slices: int, kernels: int, columns: int, data: st.DataObject
) -> None:
    nonzeros = data.draw(st.integers(1, columns))
    supports = drawn_supports(seed, "conv", slices, kernels, columns, nonzeros)
    used = support_columns(supports, columns)
    assert (used.sum(axis=-1) == nonzeros).all()
    assert np.array_equal(support_words(used), supports)
    fewer = drawn_supports(seed, "conv", 1, 1, columns, nonzeros)
    assert np.array_equal(supports[:1, :1], fewer)  # whatever other slices and kernels there are


def test_all_columns_are_drawn_equally_often() -> None:
    """20 000 draws of 3 of 10: each column 6000 times, with a standard deviation of 65."""
    used = support_columns(drawn_supports(7, "conv", 20, 1000, 10, 3), 10).sum(axis=(0, 1))
    assert used.sum() == 60_000
    assert np.abs(used - 6000).max() < 5 * 65
    other = drawn_supports(8, "conv", 20, 1000, 10, 3)
    assert not np.array_equal(other, drawn_supports(7, "conv", 20, 1000, 10, 3))
    assert not np.array_equal(other, drawn_supports(8, "fc", 20, 1000, 10, 3))


def test_no_support_takes_no_slot() -> None:
    assert share_slots(support_words(np.zeros((2, 5, 9), np.bool_)), 3).tolist() == [[-1] * 5] * 2
    assert slot_bounds(np.zeros((5, 9), np.bool_), 3) == (0, 0)


@pytest.mark.parametrize("capacity", [1, 3])
def test_dense_kernels_take_a_slot_each(capacity: int) -> None:
    dense = np.ones((12, 70), np.bool_)
    assert sorted(share_slots(support_words(dense), capacity)) == list(range(12))
    assert slot_bounds(dense, capacity) == (12, 12)
