"""Exact products of one token with the keys, or the values, of those that it sees, for all heads at once.

Keys and values lie in a circular memory, a row for each token with its heads one behind the other: those of
an image start in row `first`, and token s of it lies in row (first + s) mod size. Head h of the token reads
head h / (heads / key_heads), rounded down, of the memory. Zero points are taken off on both sides; sums are
int64, or int32 where the largest of them, twice as large, would still fit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.kernels.compiling import compiled

Ints = NDArray[Any]


def _seen_reference(memory: Ints, first: int, visible: int, zero: int, key_heads: int) -> Ints:
    """Return what a token sees, (key_heads, visible, features) int64."""
    rows = memory[(first + np.arange(visible)) % len(memory)].astype(np.int64) - zero
    return rows.reshape(visible, key_heads, -1).swapaxes(0, 1)


def multiply_keys_reference(
    windows: Ints,
    memory: Ints,
    first: int,
    visible: int,
    zero: int,
    heads: int,
    key_heads: int,
    sums: Ints,
    slot: int,
) -> None:
    """Multiply a token's queries by the first `visible` keys; hidden keys get a sum of 0.

    windows : (slots, heads x features) int16 or int32, queries
    memory : (size, key_heads x features), codes of keys
    zero : code of real zero in the memory
    sums : (slots, heads x keys), written in row `slot`
    """
    keys = np.repeat(_seen_reference(memory, first, visible, zero, key_heads), heads // key_heads, axis=0)
    queries = windows[slot].reshape(heads, -1, 1).astype(np.int64)
    of_head = sums[slot].reshape(heads, -1)
    of_head[:] = 0
    of_head[:, :visible] = (keys @ queries)[..., 0]


@compiled
def multiply_keys(
    windows: Ints,
    memory: Ints,
    first: int,
    visible: int,
    zero: int,
    heads: int,
    key_heads: int,
    sums: Ints,
    slot: int,
) -> None:
    """Compiled twin of `multiply_keys_reference`; the keys' zero point is taken off each sum at its end."""
    number = sums.dtype.type
    size, features = len(memory), memory.shape[1] // key_heads
    keys, per_head = sums.shape[1] // heads, heads // key_heads
    for head in range(heads):
        queries = windows[slot, head * features : (head + 1) * features]
        out = sums[slot, head * keys : (head + 1) * keys]
        total = number(0)
        for feature in range(features):
            total = number(total + queries[feature])
        offset = number(total * number(zero))
        column = head // per_head * features
        row = first % size
        for s in range(visible):
            key = memory[row, column : column + features]
            total = number(0)
            for feature in range(features):
                total = number(total + number(number(queries[feature]) * number(key[feature])))
            out[s] = total - offset
            row = row + 1 if row + 1 < size else 0
        out[visible:] = 0


def weigh_values_reference(
    windows: Ints,
    memory: Ints,
    first: int,
    visible: int,
    zero: int,
    heads: int,
    key_heads: int,
    sums: Ints,
    slot: int,
) -> None:
    """Add up the first `visible` values, each times a token's share of it.

    windows : (slots, heads x keys) int16 or int32, shares, of which hidden ones are not read
    memory : (size, key_heads x features), codes of values
    zero : code of real zero in the memory
    sums : (slots, heads x features), written in row `slot`
    """
    values = np.repeat(_seen_reference(memory, first, visible, zero, key_heads), heads // key_heads, axis=0)
    shares = windows[slot].reshape(heads, 1, -1)[..., :visible].astype(np.int64)
    sums[slot] = (shares @ values).ravel()


@compiled
def weigh_values(
    windows: Ints,
    memory: Ints,
    first: int,
    visible: int,
    zero: int,
    heads: int,
    key_heads: int,
    sums: Ints,
    slot: int,
) -> None:
    """Compiled twin of `weigh_values_reference`; skips shares of zero, common among many tokens."""
    number = sums.dtype.type
    size, features = len(memory), memory.shape[1] // key_heads
    keys, per_head = windows.shape[1] // heads, heads // key_heads
    for head in range(heads):
        shares = windows[slot, head * keys : head * keys + visible]
        out = sums[slot, head * features : (head + 1) * features]
        column = head // per_head * features
        total = number(0)
        for s in range(visible):
            total = number(total + shares[s])
        out[:] = number(-total * number(zero))
        row = first % size
        for s in range(visible):
            share = number(shares[s])
            if share != 0:
                value = memory[row, column : column + features]
                for feature in range(features):
                    out[feature] += number(share * number(value[feature]))
            row = row + 1 if row + 1 < size else 0
