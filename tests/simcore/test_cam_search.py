"""Searches of a content-addressable memory: kernel, twin and a slow definition in plain Python agree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from simcore import ConfigError
from simcore.kernels import cam_search
from simcore.kernels.cam_search import (
    HALF,
    ROW_BITS,
    Noise,
    StagingCost,
    find_in_table,
    find_nearest,
    find_nearest_noisy,
    find_staged,
    key_table,
    key_type,
    pack_bits,
    sensing_noise,
    stage_groups,
    staging_cost,
    stored_type,
)
from simcore.noise import derive, normal_fixed_reference

Array = NDArray[Any]
UNTOUCHED = -77
QUIET = sensing_noise()
ALL = np.uint64(2**64 - 1)

noises = st.builds(
    sensing_noise, st.integers(0, 2**64 - 1), st.sampled_from([0.0, 0.01, 0.3, 1.0, 40.0, 3e4])
)
searches = st.integers(0, 2**40)


@pytest.fixture(autouse=True, scope="module")
def _let_words_wrap() -> Iterator[None]:
    # With NUMBA_DISABLE_JIT=1 the kernels run as Python, where numpy warns of what they do on purpose.
    with np.errstate(over="ignore"):
        yield


def found_by(name: str, arguments: Sequence[Any], searches: int, shape: tuple[int, ...] = ()) -> Array:
    """Answer all searches but the first and the last slot by a kernel and its twin, which must agree."""
    results = []
    for kernel in (getattr(cam_search, name), getattr(cam_search, f"{name}_reference")):
        found = np.full((searches + 2, *shape), UNTOUCHED, np.int32)
        kernel(*arguments, found, 1, searches + 1)
        assert (found[[0, -1]] == UNTOUCHED).all()
        results.append(found[1:-1])
    compiled, specified = results
    np.testing.assert_array_equal(compiled, specified)
    return compiled


def in_slots(keys: Array) -> Array:
    """Put keys into a register, with others around them."""
    return np.concatenate([keys[-1:], keys, keys[:1]])


def sensed(distance: int, row: int, noise: Noise, *search: int) -> int:
    """Return a distance as a row's amplifier sees it, by the definition of the noise."""
    draw = int(normal_fixed_reference(derive(noise.stream[0], *search), row))
    return distance * 256 + draw * noise.sigma // 2**20


# -- nearest key ---------------------------------------------------------------------------------------------


@st.composite
def key_tables(draw: st.DrawFn) -> tuple[int, list[int], list[int]]:
    """Draw the bits of a key, keys stored and keys searched for; ends of the range and ties are likely."""
    bits = draw(st.sampled_from([1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32]))
    top = 2**bits - 1
    middle = draw(st.integers(0, top))
    near = st.integers(-3, 3).map(lambda step: min(max(middle + step, 0), top))
    keys = st.one_of(st.sampled_from([0, top]), near, st.integers(0, top))
    return bits, draw(st.lists(keys, min_size=1, max_size=70)), draw(st.lists(keys, min_size=1, max_size=9))


def as_arrays(bits: int, stored: list[int], keys: list[int]) -> tuple[Array, Array]:
    return np.array(stored, stored_type(bits)), in_slots(np.array(keys, key_type(bits)))


@settings(deadline=None)
@given(key_tables())
def test_the_nearest_row_is_the_lowest_of_those_at_the_smallest_distance(
    case: tuple[int, list[int], list[int]],
) -> None:
    _, stored, keys = case
    distances = [[abs(key - each) for each in stored] for key in keys]
    expected = [row.index(min(row)) for row in distances]
    assert found_by("find_nearest", as_arrays(*case), len(keys)).tolist() == expected


@settings(deadline=None)
@given(key_tables(), noises, searches)
def test_noise_disturbs_the_distance_of_each_row_in_each_search(
    case: tuple[int, list[int], list[int]], noise: Noise, search: int
) -> None:
    _, stored, keys = case
    answers = found_by("find_nearest_noisy", (*as_arrays(*case), noise, search), len(keys))
    for number, (key, answer) in enumerate(zip(keys, answers, strict=True)):
        seen = [sensed(abs(key - each), row, noise, search + number) for row, each in enumerate(stored)]
        assert answer == seen.index(min(seen))


@settings(deadline=None)
@given(key_tables().filter(lambda case: case[0] <= 16))
def test_a_table_of_all_keys_answers_as_the_search_that_filled_it(
    case: tuple[int, list[int], list[int]],
) -> None:
    bits, stored, keys = case
    rows = np.array(stored, stored_type(bits))
    nearest = key_table(lambda *register: find_nearest(rows, *register), bits)
    assert nearest.shape == (2 ** (8 if bits <= 8 else 16),)
    arrays = as_arrays(*case)
    scanned = found_by("find_nearest", arrays, len(keys))
    np.testing.assert_array_equal(found_by("find_in_table", (nearest, arrays[1]), len(keys)), scanned)
    staged = key_table(
        lambda *register: find_staged(rows, register[0], bits, 3, QUIET, 0, *register[1:]), bits
    )
    scanned = found_by("find_staged", (*arrays, bits, 3, QUIET, 0), len(keys))
    np.testing.assert_array_equal(found_by("find_in_table", (staged, arrays[1]), len(keys)), scanned)


@pytest.mark.parametrize("bits", [16, 32])
def test_the_last_row_and_the_largest_distance_fit_beside_each_other(bits: int) -> None:
    stored = np.zeros(1 << ROW_BITS, stored_type(bits))
    for row, key, expected in ((2**bits - 1, 2**bits - 1, 65535), (1, 0, 0), (0, 2**bits - 1, 0)):
        stored[-1] = row
        keys = in_slots(np.array([key], key_type(bits)))
        assert found_by("find_nearest", (stored, keys), 1).tolist() == [expected]


def test_ties_between_neighbours_on_both_sides_go_to_the_lowest_row() -> None:
    keys = np.array([15], np.uint16)
    for stored, row in (([10, 20], 0), ([20, 10], 0), ([9, 20, 10, 20], 1)):
        found = found_by("find_nearest", (np.array(stored, np.uint32), in_slots(keys)), 1)
        assert found.tolist() == [row]


# -- nearest key in stages -----------------------------------------------------------------------------------


def staged(stored: list[int], key: int, bits: int, stage_bits: int, noise: Noise, search: int) -> int:
    """Search in stages, on numbers written in binary."""

    def groups(number: int) -> list[int]:
        digits = f"{number:0{bits}b}"
        return [int(digits[i : i + stage_bits], 2) for i in range(0, bits, stage_bits)]

    left = list(range(len(stored)))
    for stage, wanted in enumerate(groups(key)):
        seen = {
            row: sensed(abs(groups(stored[row])[stage] - wanted), row, noise, search, stage) for row in left
        }
        left = [row for row in left if seen[row] == min(seen.values())]
    return left[0]


@settings(deadline=None)
@given(key_tables(), st.integers(1, 32), noises, searches)
def test_rows_that_lose_a_stage_are_switched_off(
    case: tuple[int, list[int], list[int]], stage_bits: int, noise: Noise, search: int
) -> None:
    bits, stored, keys = case
    answers = found_by("find_staged", (*as_arrays(*case), bits, stage_bits, noise, search), len(keys))
    assert answers.tolist() == [
        staged(stored, key, bits, stage_bits, noise, search + number) for number, key in enumerate(keys)
    ]


@settings(deadline=None)
@given(key_tables())
def test_a_single_stage_finds_the_nearest_row(case: tuple[int, list[int], list[int]]) -> None:
    bits, _, keys = case
    arrays = as_arrays(*case)
    single = found_by("find_staged", (*arrays, bits, bits, QUIET, 0), len(keys))
    np.testing.assert_array_equal(single, found_by("find_nearest", arrays, len(keys)))


def test_staging_by_hand() -> None:
    # The first byte of 0x01F0 equals the key's, so 0x00FF drops out, although it lies 1 away and not 240.
    # Then 0x0200 and 0x0000 tie in the first byte for 0x01xx, and the second byte alone decides.
    for stored, key, nearest, by_stages in (
        ([0x00FF, 0x01F0], 0x0100, 0, 1),
        ([0x0200, 0x00FF], 0x01FE, 0, 1),
        ([0x1234, 0x1236], 0x1235, 0, 0),
        ([0xFFFF, 0x8000], 0x7FFF, 1, 1),
        ([0x0010, 0x0100, 0x0110], 0x0111, 2, 2),
    ):
        arrays = (np.array(stored, np.uint32), in_slots(np.array([key], np.uint16)))
        assert found_by("find_nearest", arrays, 1).tolist() == [nearest]
        assert found_by("find_staged", (*arrays, 16, 8, QUIET, 0), 1).tolist() == [by_stages]


def test_groups_start_at_the_most_significant_bit() -> None:
    assert stage_groups(16, 8) == [(8, 8), (0, 8)]
    assert stage_groups(20, 8) == [(12, 8), (4, 8), (0, 4)]
    assert stage_groups(5, 8) == [(0, 5)]


def test_the_cost_of_staging_is_the_share_of_other_rows_and_the_mean_excess_distance() -> None:
    # Keys 0 to 3 and two rows, 1 and 2, in stages of one bit: rows split by the first bit, as halves do.
    every_key = np.arange(4)
    assert staging_cost(np.array([1, 2]), every_key, 2, 1) == StagingCost(0.0, 0.0)
    # Rows 1 and 3: 2 shares its first bit with 3 and lies 1 away from both: another row, but no farther.
    assert staging_cost(np.array([1, 3]), every_key, 2, 1) == StagingCost(0.25, 0.0)
    # Rows 0x00FF and 0x01F0, key 0x0100: 240 instead of 1.
    assert staging_cost(np.array([0xFF, 0x1F0]), np.array([0x100]), 16, 8) == StagingCost(1.0, 239.0)


@settings(deadline=None)
@given(key_tables(), st.integers(1, 32))
def test_the_cost_of_staging_is_never_negative_and_nothing_in_one_stage(
    case: tuple[int, list[int], list[int]], stage_bits: int
) -> None:
    bits, stored, keys = case
    cost = staging_cost(np.array(stored), np.array(keys), bits, stage_bits)
    assert 0 <= cost.share <= 1
    assert cost.excess >= 0
    if stage_bits >= bits:
        assert cost == (0, 0)


@pytest.mark.parametrize(("rows", "keys"), [(0, 3), (3, 0)])
def test_the_cost_of_staging_of_nothing_is_refused(rows: int, keys: int) -> None:
    with pytest.raises(ConfigError, match=f"at least one row and one key, got {rows}, {keys}"):
        staging_cost(np.zeros(rows, np.uint32), np.zeros(keys, np.uint16), 16, 8)


# -- bits ----------------------------------------------------------------------------------------------------


@st.composite
def bit_tables(draw: st.DrawFn) -> tuple[Array, Array, Array, Array]:
    """Draw stored bits, which of them count, keys, and which of their bits count; duplicates are likely.

    returns : (rows, bits) twice and (searches, bits) twice, of bool
    """
    bits, rows = draw(st.sampled_from([1, 5, 63, 64, 65, 130])), draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    stored = rng.integers(0, 2, (rows, bits)).astype(bool)[rng.integers(0, rows, rows)]
    keys = stored[rng.integers(0, rows, 6)] ^ (rng.random((6, bits)) < draw(st.sampled_from([0, 0.02, 0.5])))
    shares = st.sampled_from([0.0, 0.05, 0.5, 1.0])
    care = rng.random(stored.shape) >= draw(shares)
    asked = rng.random(keys.shape) >= draw(shares)
    return stored, care, keys, asked


def packed(case: tuple[Array, Array, Array, Array]) -> tuple[Array, ...]:
    stored, care, keys, asked = case
    return (
        pack_bits(stored).T.copy(),
        pack_bits(care).T.copy(),
        in_slots(pack_bits(keys)),
        in_slots(pack_bits(asked)),
    )


def mismatches(case: tuple[Array, Array, Array, Array]) -> list[list[int]]:
    """Count mismatches of every search with every row, bit by bit."""
    stored, care, keys, asked = (array.tolist() for array in case)
    return [
        [
            sum(s != k and c and a for s, c, k, a in zip(row, cares, key, ask, strict=True))
            for row, cares in zip(stored, care, strict=True)
        ]
        for key, ask in zip(keys, asked, strict=True)
    ]


@settings(deadline=None)
@given(bit_tables(), st.integers(1, 5))
def test_rows_match_that_differ_in_no_bit_that_matters(
    case: tuple[Array, Array, Array, Array], most: int
) -> None:
    found = found_by("find_matches", (*packed(case), QUIET, 0), len(case[2]), (most,))
    for differing, answer in zip(mismatches(case), found.tolist(), strict=True):
        matching = [row for row, count in enumerate(differing) if count == 0]
        assert answer == (matching + [-1] * most)[:most]


@settings(deadline=None)
@given(bit_tables(), noises, searches)
def test_a_row_matches_if_it_is_sensed_closer_than_half_a_bit(
    case: tuple[Array, Array, Array, Array], noise: Noise, search: int
) -> None:
    most = len(case[0])
    found = found_by("find_matches", (*packed(case), noise, search), len(case[2]), (most,))
    for number, (differing, answer) in enumerate(zip(mismatches(case), found.tolist(), strict=True)):
        seen = [sensed(count, row, noise, search + number) for row, count in enumerate(differing)]
        assert [row for row in answer if row >= 0] == [row for row in range(most) if seen[row] < HALF]


@settings(deadline=None)
@given(bit_tables(), noises, searches)
def test_the_best_match_is_the_lowest_row_with_the_fewest_mismatches(
    case: tuple[Array, Array, Array, Array], noise: Noise, search: int
) -> None:
    found = found_by("find_hamming", (*packed(case), noise, search), len(case[2]))
    for number, (differing, answer) in enumerate(zip(mismatches(case), found, strict=True)):
        seen = [sensed(count, row, noise, search + number) for row, count in enumerate(differing)]
        assert answer == seen.index(min(seen))
        if noise.sigma == 0:
            assert answer == differing.index(min(differing))


def test_don_t_cares_by_hand() -> None:
    # Rows 1x0 and 110 and the key 110: both match, and the first one alone if its last bit is not asked for.
    rows, care = np.array([[1, 0, 0], [1, 1, 0]]), np.array([[1, 0, 1], [1, 1, 1]])
    for key, ask, expected in (
        ([1, 1, 0], [1, 1, 1], [0, 1]),
        ([1, 0, 0], [1, 1, 1], [0, -1]),
        ([1, 0, 0], [1, 0, 1], [0, 1]),
        ([0, 1, 0], [1, 1, 1], [-1, -1]),
        ([0, 1, 1], [0, 1, 0], [0, 1]),
    ):
        case = (rows, care, np.array([key]), np.array([ask]))
        assert found_by("find_matches", (*packed(case), QUIET, 0), 1, (2,)).tolist() == [expected]


def test_bits_are_packed_from_the_lowest_on() -> None:
    bits = np.zeros((2, 70), np.uint8)
    bits[0, [0, 3, 64, 69]] = 1
    assert pack_bits(bits).tolist() == [[0b1001, 0b100001], [0, 0]]


# -- levels --------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    cells=st.integers(1, 40),
    rows=st.integers(1, 40),
    top=st.sampled_from([1, 3, 255]),
    seed=st.integers(0, 2**32 - 1),
    noise=noises,
    search=searches,
)
def test_the_closest_row_has_the_smallest_sum_of_differences(
    cells: int, rows: int, top: int, seed: int, noise: Noise, search: int
) -> None:
    rng = np.random.default_rng(seed)
    stored = rng.integers(0, top + 1, (cells, rows)).astype(np.uint8)
    keys = rng.integers(0, top + 1, (5, cells)).astype(np.uint8)
    keys[:2] = stored[:, rng.integers(0, rows)]
    found = found_by("find_closest", (stored, in_slots(keys), noise, search), len(keys))
    for number, (key, answer) in enumerate(zip(keys.tolist(), found, strict=True)):
        distances = [sum(abs(a - b) for a, b in zip(key, row, strict=True)) for row in stored.T.tolist()]
        seen = [sensed(each, row, noise, search + number) for row, each in enumerate(distances)]
        assert answer == seen.index(min(seen))


# -- noise ---------------------------------------------------------------------------------------------------


def test_answers_depend_on_neither_batches_nor_their_order() -> None:
    rng = np.random.default_rng(1)
    stored, keys = rng.integers(0, 2**16, 64).astype(np.uint32), rng.integers(0, 2**16, 50).astype(np.uint16)
    noise = sensing_noise(3, 500.0)
    whole, alone = np.empty((2, len(keys)), np.int32)
    find_nearest_noisy(stored, keys, noise, 100, whole, 0, len(keys))
    for slot in rng.permutation(len(keys)).tolist():
        find_nearest_noisy(stored, keys, noise, 100 + slot, alone, slot, slot + 1)
    assert (whole == alone).all()
    find_nearest_noisy(stored, keys, noise, 101, alone, 0, len(keys))
    assert (whole != alone).any()


def test_two_rows_are_taken_for_one_another_as_often_as_their_noise_says() -> None:
    # Sensed distances of 0 and 2 differ by 2 with a deviation of sigma x sqrt(2): P(wrong) = 7.865 % at 1.
    # Four standard errors of 100 000 searches are 0.34 %; one run in 15 000 would fall outside by chance.
    stored, keys = np.array([10, 12], np.uint32), np.full(100_000, 10, np.uint16)
    found = np.empty(len(keys), np.int32)
    find_nearest_noisy(stored, keys, sensing_noise(11, 1.0), 0, found, 0, len(keys))
    assert found.mean() == pytest.approx(0.07865, abs=0.0034)


def test_a_table_of_one_row_is_found_whatever_the_key() -> None:
    keys = np.array([0, 2**16 - 1], np.uint16)
    table = np.zeros(2**16, np.uint16)
    found = np.full(2, UNTOUCHED, np.int32)
    find_in_table(table, keys, found, 0, 2)
    assert found.tolist() == [0, 0]
