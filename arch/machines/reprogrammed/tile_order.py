"""Where sets of tiles begin: tiles stay in the order of their layers, and so many are there at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Cycles of computing a batch on tiles `first` to `end` of a layer, for each of several firsts.
PartCycles = Callable[[int, Sequence[int], int], NDArray[Any]]


def layer_sets(tiles: Sequence[int], most: int) -> list[range]:
    """Return sets of at most `most` tiles, of which none holds tiles of two layers.

    tiles : of each layer

    >>> layer_sets([3, 1], 2)
    [range(0, 2), range(2, 3), range(3, 4)]
    """
    sets: list[range] = []
    for first, end in pairwise(accumulate(tiles, initial=0)):
        sets += [range(begin, min(begin + most, end)) for begin in range(first, end, most)]
    return sets


def greedy_sets(tiles: Sequence[int], most: int) -> list[range]:
    """Return sets that are all full, but for the last.

    >>> greedy_sets([3, 2], 2)
    [range(0, 2), range(2, 4), range(4, 5)]
    """
    total = sum(tiles)
    return [range(begin, min(begin + most, total)) for begin in range(0, total, most)]


def optimal_sets(
    tiles: Sequence[int], most: int, write: int, part_cycles: PartCycles, *, overlap: bool
) -> list[range]:
    """Return the sets with which a whole batch takes the fewest cycles in a long run, and fewest of those.

    write : cycles of writing a set
    part_cycles : of computing a batch on parts of a layer
    overlap : a set is written while the one before is computed on, so that the longer of both counts

    Exact: what a set adds depends on nothing but where it begins and ends, so the best way to the end of one
    is the best way to its begin and the set itself. All begins of a set are weighed at once.
    """
    firsts = list(accumulate(tiles, initial=0))
    layer_of = np.repeat(np.arange(len(tiles)), tiles)
    wholes = [int(part_cycles(n, [0], count)[0]) for n, count in enumerate(tiles)]
    number = np.int64 if firsts[-1] * (write + sum(wholes)) < 2**60 else object  # of any size
    whole = np.array(list(accumulate(wholes, initial=0)), number)
    tails = np.concatenate([part_cycles(n, range(count), count) for n, count in enumerate(tiles)])
    cycles = np.zeros(firsts[-1] + 1, number)
    sets, begins = (np.zeros(firsts[-1] + 1, np.int64) for _ in range(2))
    for layer, (first, last) in enumerate(pairwise(firsts)):
        # of sets that begin in a layer before and go on to the begin of this one
        before = tails[:first] + whole[layer] - whole[layer_of[:first] + 1]
        for end in range(first + 1, last + 1):
            least = max(0, end - most)
            inside = range(max(least - first, 0), end - first)
            compute = np.concatenate(
                [
                    before[least:] + part_cycles(layer, [0], end - first)[0],
                    part_cycles(layer, inside, end - first),
                ]
            ).astype(number)
            ways = cycles[least:end] + (np.maximum(compute, write) if overlap else compute + write)
            best = np.flatnonzero(ways == ways.min()) + least
            begin = best[np.argmin(sets[best])]
            cycles[end], sets[end], begins[end] = ways[begin - least], sets[begin] + 1, begin
    ends = [firsts[-1]]
    while ends[-1]:
        ends.append(int(begins[ends[-1]]))
    return [range(begin, end) for begin, end in pairwise(ends[::-1])]
