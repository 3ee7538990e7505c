"""Neurons of tables: what a window's codes add up to, and what it takes to count and to add them.

For each column the pairs of weight and input code are counted. A count stands for as many shifted products as
it has digits that are not 0, so a pair that occurs once more adds or saves some: nothing but the pairs that
occur is ever looked at.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.kernels.compiling import compiled
from simcore.kernels.lookup_mac import digits

Ints = NDArray[Any]


def addend_steps(most: int, signed: bool) -> NDArray[np.int8]:
    """Return how many addends more a count takes than the one before it: of 1 to `most`, (most,).

    signed : whether a count's digits are those of the non-adjacent form, or binary

    >>> addend_steps(4, False).tolist(), addend_steps(4, True).tolist()
    ([1, 0, 1, -1], [1, 0, 1, -1])
    """
    counts = np.arange(most + 1, dtype=np.int64)
    taken = np.bitwise_count(3 * counts ^ counts if signed else counts)
    return np.diff(taken.astype(np.int8))


def count_neurons_reference(
    window: Ints,
    positions: int,
    weights: Ints,
    groups: int,
    table: Ints,
    signed: bool,
    lanes: int,
    first: int,
    step: int,
    sums: Ints,
    addends: Ints,
    buckets: Ints,
) -> None:
    """Add up a window's products for every `step`-th column from `first` on.

    window : (positions x channels,) input codes, each one more than it is; 0 where there is no input
    weights : (columns, rows) weight codes, rows by position first, by channel of their group second
    groups : of columns and channels
    table : (codebooks, weight codes, input codes) products, one codebook for all columns or one for each
    signed : whether a count's digits are those of the non-adjacent form, or binary
    lanes : weight code j is counted in lane j mod lanes
    sums : (columns,) int64, of products
    addends : (columns,) int64, shifted products that make the sum
    buckets : (columns,) int64, inputs in the fullest lane
    """
    columns, rows = weights.shape
    channels = window.reshape(positions, groups, rows // positions)
    for column in range(first, columns, step):
        codes = channels[:, column // (columns // groups)].ravel()
        there = codes > 0
        own, inputs = weights[column, there].astype(np.int64), codes[there].astype(np.int64) - 1
        book = table[column if len(table) > 1 else 0]
        pairs = np.zeros(book.shape, np.int64)
        np.add.at(pairs, (own, inputs), 1)
        sums[column] = (pairs * book).sum()
        addends[column] = sum(np.count_nonzero(digits(int(n), signed)) for n in pairs.ravel())
        buckets[column] = np.bincount(own % lanes, minlength=1).max()


@compiled
def count_neurons(
    window: Ints,
    positions: int,
    weights: Ints,
    groups: int,
    table: Ints,
    steps: Ints,
    fullest: Ints,
    lanes: int,
    first: int,
    step: int,
    counts: Ints,
    sums: Ints,
    addends: Ints,
    buckets: Ints,
) -> None:
    """Compiled twin of `count_neurons_reference`.

    steps : (rows,) int8, `addend_steps` of as many
    fullest : (columns,) int64, inputs in the fullest lane if there are all
    counts : (weight codes x input codes) uint16 or uint32 zeros, which it leaves as zeros
    """
    columns, rows = weights.shape
    channels, per_group = rows // positions, columns // groups
    codes = np.uint32(table.shape[2])
    lane = np.zeros(lanes, np.int64)
    pairs = np.empty(rows, np.uint32)
    places, inputs = np.empty(rows, np.uint32), np.empty(rows, np.uint32)
    there, known = 0, -1
    for column in range(first, columns, step):
        group = column // per_group
        if group != known:  # what a group's columns read, absent inputs left out
            there, known = 0, group
            for row in range(rows):
                position, channel = row // channels, row % channels
                code = window[(position * groups + group) * channels + channel]
                if code > 0:
                    places[there], inputs[there] = row, code - 1
                    there += 1
        book = table[column if len(table) > 1 else 0].ravel()
        own = weights[column]
        total, added = np.int64(0), np.int64(0)
        for place in range(there):
            pair = np.uint32(own[places[place]]) * codes + inputs[place]
            pairs[place] = pair
            count = counts[pair]
            counts[pair] = count + 1
            added += steps[count]
            total += book[pair]
        sums[column] = total
        addends[column] = added
        for place in range(there):
            counts[pairs[place]] = 0
        if there == rows:
            buckets[column] = fullest[column]
            continue
        lane[:] = 0
        for place in range(there):
            lane[pairs[place] // codes % lanes] += 1
        buckets[column] = lane.max()
