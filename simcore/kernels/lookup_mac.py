"""Multiply-accumulate by lookup: inputs and weights are codes, and a table holds the product of each pair.

Three ways to the same sums, bit for bit. `add_products` accumulates table entries: the fast one.
`count_pairs` counts how often each pair of codes meets, and `multiply_counts` weighs products by counts.
`shift_and_add` does so without multiplying: a count's digits say which shifted copies of the product to add.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.kernels.compiling import compiled

Ints = NDArray[Any]


def product_table(inputs: Ints, weights: Ints) -> NDArray[np.int64]:
    """Return the products of two codebooks of integers: (input codes, weight codes)."""
    return np.multiply.outer(inputs.astype(np.int64), weights.astype(np.int64))


def add_products_reference(codes: Ints, weights: Ints, table: Ints, sums: Ints, slot: int) -> None:
    """Add up the products of a window's inputs with the weights of each column.

    codes : (slots, rows) uint8 or uint16, input codes
    weights : (rows, columns) uint8 or uint16, weight codes
    table : (input codes, weight codes) int64, or int32 where no sum can overflow it
    sums : (slots, columns) of the table's integers, written in row `slot`
    """
    sums[slot] = table[codes[slot][:, None], weights].sum(axis=0)


@compiled
def add_products(codes: Ints, weights: Ints, table: Ints, sums: Ints, slot: int) -> None:
    """Compiled twin of `add_products_reference`."""
    out = sums[slot]
    out[:] = 0
    for row in range(len(weights)):
        products = table[codes[slot, row]]
        cells = weights[row]
        for col in range(len(cells)):
            out[col] += products[cells[col]]


def count_pairs_reference(codes: Ints, weights: Ints, slot: int, counts: Ints) -> None:
    """Count for each column how often each input code meets each weight code.

    codes, weights : as in `add_products_reference`
    counts : (columns, weight codes, input codes) int32
    """
    counts[:] = 0
    for col in range(len(counts)):
        np.add.at(counts[col], (weights[:, col], codes[slot]), 1)


@compiled
def count_pairs(codes: Ints, weights: Ints, slot: int, counts: Ints) -> None:
    """Compiled twin of `count_pairs_reference`."""
    counts[:] = 0
    for row in range(len(weights)):
        code = codes[slot, row]
        for col in range(len(counts)):
            counts[col, weights[row, col], code] += 1


def multiply_counts_reference(counts: Ints, table: Ints, sums: Ints, slot: int) -> None:
    """Weigh each product by how often it occurs.

    counts : (columns, weight codes, input codes) int32
    table, sums : as in `add_products_reference`
    """
    sums[slot] = (counts * table.T).sum(axis=(1, 2))


@compiled
def multiply_counts(counts: Ints, table: Ints, sums: Ints, slot: int) -> None:
    """Compiled twin of `multiply_counts_reference`."""
    columns, weight_codes, input_codes = counts.shape
    for col in range(columns):
        total = np.int64(0)
        for weight in range(weight_codes):
            for code in range(input_codes):
                total += counts[col, weight, code] * np.int64(table[code, weight])
        sums[slot, col] = total


def digits(count: int, signed: bool) -> list[int]:
    """Return a count's digits, lowest first.

    signed : digits -1, 0 and 1 in non-adjacent form, the fewest that are not 0; otherwise 0 and 1

    >>> digits(15, False), digits(15, True)
    ([1, 1, 1, 1], [-1, 0, 0, 0, 1])
    """
    found = []
    while count:
        digit = 2 - count % 4 if signed and count % 2 else count % 2
        found.append(digit)
        count = (count - digit) // 2
    return found


def shift_and_add_reference(
    counts: Ints, table: Ints, signed: bool, sums: Ints, addends: Ints, slot: int
) -> None:
    """Multiply by counts with shifts and additions alone: 15 p = 16 p - p, or 8 p + 4 p + 2 p + p.

    counts, table, sums : as in `multiply_counts_reference`
    signed : whether digits are those of the non-adjacent form, or binary; see `digits`
    addends : (slots, columns) int32, shifted products that were added or subtracted; written in row `slot`

    Source: RAPIDNN counts pairs and adds shifted products, runs of ones as a difference (recalled).
    """
    for col, pairs in enumerate(counts):
        shifted = [
            digit * int(table[code, weight]) << shift
            for (weight, code), count in np.ndenumerate(pairs)
            for shift, digit in enumerate(digits(int(count), signed))
            if digit
        ]
        sums[slot, col], addends[slot, col] = sum(shifted), len(shifted)


@compiled
def shift_and_add(counts: Ints, table: Ints, signed: bool, sums: Ints, addends: Ints, slot: int) -> None:
    """Compiled twin of `shift_and_add_reference`."""
    columns, weight_codes, input_codes = counts.shape
    for col in range(columns):
        total, added = np.int64(0), 0
        for weight in range(weight_codes):
            for code in range(input_codes):
                left, product = np.int64(counts[col, weight, code]), np.int64(table[code, weight])
                while left:
                    if left & 1:
                        digit = 2 - (left & 3) if signed else 1
                        total += digit * product
                        left -= digit
                        added += 1
                    left >>= 1
                    product <<= 1
        sums[slot, col] = total
        addends[slot, col] = added
