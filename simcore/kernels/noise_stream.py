"""Compiled twins of the random streams whose specification is `simcore.noise`.

`mix`, `word_at` and `normal_at` are for other kernels to call. Numba's cache does not notice when a callee in
another file changes: after editing them, delete the callers' cached code.

Every operand is a uint64: mixed with an int64, numba would make it signed.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from simcore.noise import GOLDEN_GAMMA, MIX_1, MIX_2, check_bound, normal_table

ONE, TWO, THREE, SIXTEEN = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(16)
SHIFT_1, SHIFT_2, SHIFT_3, HALF_WORD = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(32)
LANE, THREE_LANES = np.uint64(0xFFFF), np.uint64(48)


@njit(cache=True)
def mix(word: np.uint64) -> np.uint64:
    """Compiled twin of `simcore.noise.mix` for one word."""
    word = (word ^ (word >> SHIFT_1)) * MIX_1
    word = (word ^ (word >> SHIFT_2)) * MIX_2
    return word ^ (word >> SHIFT_3)


@njit(cache=True)
def word_at(key: np.uint64, counter: np.uint64) -> np.uint64:
    """Compiled twin of `simcore.noise.words_reference` for one word."""
    return mix(key + (counter + ONE) * GOLDEN_GAMMA)


@njit(cache=True)
def normal_at(key: np.uint64, counter: np.uint64, table: NDArray[np.int32]) -> np.int32:
    """Compiled twin of `simcore.noise.normal_fixed_reference` for one number; `table` is `normal_table()`."""
    return np.int32(table[(word_at(key, counter >> TWO) >> (SIXTEEN * (counter & THREE))) & LANE])


def uniform_below(key: np.uint64, counters: NDArray[np.int64], bound: int) -> NDArray[np.int64]:
    """Compiled twin of `simcore.noise.uniform_below_reference` for one key and (n,) counters."""
    check_bound(bound)
    return _uniform_below(np.uint64(key), counters, np.uint64(bound))


def normal_fixed(key: np.uint64, counters: NDArray[np.int64]) -> NDArray[np.int32]:
    """Compiled twin of `simcore.noise.normal_fixed_reference` for one key and (n,) counters."""
    return _normal_fixed(np.uint64(key), counters, normal_table())


def normal_rows(keys: NDArray[np.uint64], columns: int) -> NDArray[np.int32]:
    """Return a row of normal numbers for each key, at the counters 0 to columns - 1: one for each bitline.

    keys : (n,) uint64
    returns : (n, columns) int32, equal to normal_fixed_reference(keys[:, None], np.arange(columns))
    """
    return _normal_rows(keys, columns, normal_table())


@njit(cache=True)
def _uniform_below(key: np.uint64, counters: NDArray[np.int64], bound: np.uint64) -> NDArray[np.int64]:
    out = np.empty(len(counters), np.int64)
    for i in range(len(counters)):
        out[i] = np.int64(((word_at(key, np.uint64(counters[i])) >> HALF_WORD) * bound) >> HALF_WORD)
    return out


@njit(cache=True)
def _normal_fixed(key: np.uint64, counters: NDArray[np.int64], table: NDArray[np.int32]) -> NDArray[np.int32]:
    out = np.empty(len(counters), np.int32)
    for i in range(len(counters)):
        out[i] = normal_at(key, np.uint64(counters[i]), table)
    return out


@njit(cache=True)
def _normal_rows(keys: NDArray[np.uint64], columns: int, table: NDArray[np.int32]) -> NDArray[np.int32]:
    out = np.empty((len(keys), columns), np.int32)
    whole = columns & ~3  # one word serves four neighbours
    for row in range(len(keys)):
        for first in range(0, whole, 4):
            word = word_at(keys[row], np.uint64(first >> 2))
            out[row, first] = table[word & LANE]
            out[row, first + 1] = table[(word >> SIXTEEN) & LANE]
            out[row, first + 2] = table[(word >> HALF_WORD) & LANE]
            out[row, first + 3] = table[word >> THREE_LANES]
        for column in range(whole, columns):
            out[row, column] = normal_at(keys[row], np.uint64(column), table)
    return out
