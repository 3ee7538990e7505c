from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from random import Random
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from simcore.kernels.noise_stream import normal_fixed, normal_rows, uniform_below
from simcore.noise import (
    NORMAL_FRACTION_BITS,
    derive,
    mix,
    normal_fixed_reference,
    normal_table,
    stable_hash,
    stream_key,
    uniform_below_reference,
    words_reference,
)
from tests.normal_samples import assert_independent, assert_tails, assert_uncorrelated

UNIT = 2.0**-NORMAL_FRACTION_BITS
keys = st.integers(0, 2**64 - 1).map(np.uint64)
counter_arrays = hnp.arrays(np.int64, st.integers(0, 40), elements=st.integers(-(2**63), 2**63 - 1))


@pytest.fixture(autouse=True, scope="module")
def _let_words_wrap() -> Iterator[None]:
    # With NUMBA_DISABLE_JIT=1 the kernels run as Python, where numpy warns of what they do on purpose.
    with np.errstate(over="ignore"):
        yield


def splitmix64_in_plain_integers(key: int, counter: int) -> int:
    mask = 2**64 - 1
    z = (key + (counter + 1) * 0x9E3779B97F4A7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)


def test_words_are_the_published_splitmix64_sequence() -> None:
    # The first outputs of the public-domain C version (Vigna) seeded with 1234567.
    assert words_reference(1234567, np.arange(3)).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


@given(keys, st.integers(-(2**63), 2**63 - 1))
def test_words_equal_python_integers(key: np.uint64, counter: int) -> None:
    assert int(words_reference(key, np.int64(counter))) == splitmix64_in_plain_integers(int(key), counter)


@given(keys, counter_arrays, st.integers(1, 2**32))
@settings(deadline=None)
def test_compiled_uniform_equals_its_twin(key: np.uint64, counters: np.ndarray, bound: int) -> None:
    expected = uniform_below_reference(key, counters, bound)
    assert np.array_equal(uniform_below(key, counters, bound), expected)
    assert np.all((expected >= 0) & (expected < bound))


@given(keys, counter_arrays)
@settings(deadline=None)
def test_compiled_normal_equals_its_twin(key: np.uint64, counters: np.ndarray) -> None:
    compiled, specification = normal_fixed(key, counters), normal_fixed_reference(key, counters)
    assert compiled.dtype == specification.dtype == np.int32
    assert np.array_equal(compiled, specification)


@given(hnp.arrays(np.uint64, st.integers(0, 6)), st.integers(0, 70))
@settings(deadline=None)
def test_compiled_rows_equal_their_twin(row_keys: np.ndarray, columns: int) -> None:
    expected = normal_fixed_reference(row_keys[:, None], np.arange(columns))
    assert np.array_equal(normal_rows(row_keys, columns), expected)


def test_numbers_stay_as_they_are_from_release_to_release() -> None:
    # Recorded from the first release: a change here changes every noisy result ever published with a seed.
    key = derive(stream_key(7, "conv1", 0, 2, "read"), 3, 11)
    assert int(key) == 13151758976986030486
    assert normal_fixed_reference(key, np.arange(4)).tolist() == [-379357, -981000, 830144, 1277343]
    assert uniform_below_reference(key, np.arange(4), 1000).tolist() == [888, 727, 983, 711]
    assert (
        sha256(normal_table().astype("<i4").tobytes()).hexdigest()
        == "ad1da46987d612a1f543fad54b7529983788bcea82bf937e8a6fb488b9acd9a9"
    )


def test_identity_tells_words_from_numbers_and_where_one_ends() -> None:
    identities: list[tuple[str | int, ...]] = [
        (1,),
        ("1",),
        ("ab",),
        ("a", "b"),
        ("a", "b", 0),
        ("a,b",),
        (),
        ("",),
        ("é",),
    ]
    assert len({stable_hash(*identity) for identity in identities}) == len(identities)
    assert stable_hash("conv", np.int64(3)) == stable_hash("conv", 3)  # type: ignore[arg-type]


def test_hash_does_not_depend_on_the_process() -> None:
    code = "from simcore.noise import stable_hash; print(stable_hash('conv1', 0, 2))"
    for seed in ("1", "2"):
        environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)}
        out = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
        )
        assert int(out.stdout) == stable_hash("conv1", 0, 2)


def test_specification_needs_no_compiler() -> None:
    code = "import sys, simcore.noise as n; n.normal_fixed_reference(1, 5); print('numba' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


def test_coordinates_do_not_commute_and_nothing_collides() -> None:
    image, pixel = np.meshgrid(np.arange(200), np.arange(200))
    grid = derive(stream_key(0, "conv"), image, pixel)
    assert np.unique(grid).size == 200 * 200
    assert grid[3, 7] == derive(stream_key(0, "conv"), 7, 3)
    assert derive(stream_key(0, "conv")) == stream_key(0, "conv")


@given(keys, st.integers(1, 200), st.randoms(use_true_random=False))
def test_results_depend_on_neither_batching_nor_order(key: np.uint64, count: int, random: Random) -> None:
    whole = normal_fixed_reference(key, np.arange(count))
    order = np.arange(count)
    random.shuffle(order)  # type: ignore[arg-type]
    assert np.array_equal(normal_fixed_reference(key, order), whole[order])
    assert np.array_equal(normal_fixed(key, order), whole[order])
    one_by_one = [int(normal_fixed_reference(key, column)) for column in range(min(count, 9))]
    assert one_by_one == whole[:9].tolist()


def test_bound_out_of_range_is_refused() -> None:
    for draw in (uniform_below, uniform_below_reference):
        for bound in (0, -1, 2**32 + 1):
            with pytest.raises(ValueError, match=r"bound must be in \[1, 2\*\*32\]"):
                draw(np.uint64(1), np.arange(3), bound)


def test_table_is_the_inverse_normal_to_within_one_unit() -> None:
    inverse = NormalDist().inv_cdf
    table = normal_table()
    for i in [*range(0, 300), *range(300, 65536, 97), *range(65300, 65536)]:
        assert abs(table[i] * UNIT - inverse((i + 0.5) / 65536)) <= UNIT, i


def test_table_is_antisymmetric_rising_and_read_only() -> None:
    table = normal_table()
    assert table.dtype == np.int32
    assert table.shape == (65536,)
    assert np.array_equal(table, -table[::-1])
    assert np.all(np.diff(table) > 0)
    with pytest.raises(ValueError, match="read-only"):
        table[0] = 0


def test_moments_of_the_table_are_those_of_a_normal_number_with_cut_tails() -> None:
    z = normal_table() * UNIT
    assert z.sum() == 0
    assert z.max() == pytest.approx(4.3249, abs=1e-4)
    assert np.mean(z**2) == pytest.approx(1.0, abs=3e-5)
    assert np.mean(z**4) == pytest.approx(3.0, abs=2e-3)


def test_drawn_normal_numbers_pass_moments_and_kolmogorov_smirnov() -> None:
    # One fixed seed; each bound is what a true normal sample exceeds with probability 1e-6.
    n = 1 << 18
    z = normal_fixed(stream_key(2024, "moments"), np.arange(n)) * UNIT
    assert abs(z.mean()) < 4.9 / math.sqrt(n)
    assert abs(z.var() - 1) < 4.9 * math.sqrt(2 / n) + 3e-5
    assert abs(np.mean(z**3)) < 4.9 * math.sqrt(15 / n)
    ordered = np.sort(z)
    distribution = 0.5 * (1 + np.vectorize(math.erf)(ordered / math.sqrt(2)))
    rank = np.arange(n)
    distance = max(np.max(distribution - rank / n), np.max((rank + 1) / n - distribution))
    # Kolmogorov: P(sqrt(n) D > t) ~ 2 exp(-2 t**2), 1e-6 at t = 2.69; a table's steps add 2**-17.
    assert distance < 2.69 / math.sqrt(n) + 2**-17


def test_uniform_integers_fill_their_range_evenly() -> None:
    n, bound = 200_000, 10
    counts = np.bincount(uniform_below(stream_key(5, "even"), np.arange(n), bound), minlength=bound)
    chi_square = float(np.sum((counts - n / bound) ** 2) / (n / bound))
    assert chi_square < 45.1  # chi-square with 9 degrees of freedom exceeds this with probability 1e-6


def test_drawn_normal_numbers_have_the_tails_of_the_table() -> None:
    z = normal_fixed(stream_key(2024, "tails"), np.arange(1 << 20)) * UNIT
    assert_tails(z)
    assert abs(z).max() == normal_table().max() * UNIT  # drawn once in 32 768


def test_no_two_keys_columns_or_lanes_are_correlated() -> None:
    z = normal_rows(derive(stream_key(1, "neighbours"), np.arange(1024)), 64) * UNIT
    assert_independent(z)
    for a, b in ((z[:-1], z[1:]), (z[:, :-1], z[:, 1:]), (z[:, :-4], z[:, 4:]), (z[1:, 1:], z[:-1, :-1])):
        assert_uncorrelated(a, b)


def test_no_two_purposes_images_or_pixels_are_correlated() -> None:
    seeds, purposes, images, pixels = np.arange(3), ("cells", "read"), np.arange(7), np.arange(11)
    bases = np.array([stream_key(int(seed), purpose) for seed in seeds for purpose in purposes])
    keys = derive(bases[:, None, None], images[:, None], pixels).ravel()
    assert_independent(normal_rows(keys, 700) * UNIT)


def test_one_flipped_input_bit_flips_half_of_the_output() -> None:
    words = words_reference(stream_key(9), np.arange(4096))
    for bit in range(64):
        flipped = mix(words) ^ mix(words ^ np.uint64(1 << bit))
        assert np.bitwise_count(flipped).mean() == pytest.approx(32, abs=0.7)
