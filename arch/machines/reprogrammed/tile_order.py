"""Where sets of tiles begin: tiles stay in the order of their layers, and so many are there at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import accumulate, pairwise

#: Cycles of computing a batch on tiles `first` to `end` of a layer.
PartCycles = Callable[[int, int, int], int]


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
    """Return the sets with which writing and computing a batch takes the fewest cycles, and fewest of those.

    write : cycles of writing a set
    part_cycles : of (layer, first, end), computing a batch on these of its tiles
    overlap : a set is written while the one before is computed on; then this is the time of one batch alone

    Exact: the cycles of a set depend on nothing but where it begins and ends, so the best way to the end of
    one is the best way to its begin and the set itself.
    """
    total = sum(tiles)
    compute = _set_cycles(tiles, part_cycles)
    best: list[tuple[int, int, int]] = [(0, 0, 0)]  # cycles, sets, begin of the last one
    for end in range(1, total + 1):
        ways = []
        for begin in range(max(0, end - most), end):
            cycles = compute(begin, end)
            if not overlap:
                cycles += write
            elif end < total:
                cycles = max(cycles, write)
            ways.append((best[begin][0] + cycles, best[begin][1] + 1, begin))
        best.append(min(ways))
    sets: list[range] = []
    end = total
    while end:
        sets.append(range(best[end][2], end))
        end = best[end][2]
    return sets[::-1]


def _set_cycles(tiles: Sequence[int], part_cycles: PartCycles) -> Callable[[int, int], int]:
    """Return what tells the cycles of computing a batch on tiles `begin` to `end` of all."""
    firsts = list(accumulate(tiles, initial=0))
    layer_of = [layer for layer, count in enumerate(tiles) for _ in range(count)]
    whole = list(accumulate((part_cycles(n, 0, count) for n, count in enumerate(tiles)), initial=0))
    part = cache(part_cycles)

    def cycles(begin: int, end: int) -> int:
        one, other = layer_of[begin], layer_of[end - 1]
        if one == other:
            return part(one, begin - firsts[one], end - firsts[one])
        tail = part(one, begin - firsts[one], tiles[one])
        return tail + whole[other] - whole[one + 1] + part(other, 0, end - firsts[other])

    return cycles
