"""Sets of tiles: all are there once and in order, and the optimal ones are the best there are."""

from collections.abc import Callable
from itertools import chain, combinations, pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from arch.machines.reprogrammed.closed_forms import turns_cycles
from arch.machines.reprogrammed.tile_order import PartCycles, greedy_sets, layer_sets, optimal_sets

TILES = st.lists(st.integers(1, 5), min_size=1, max_size=5)


Part = Callable[[int, int, int], int]


def each(part: Part) -> PartCycles:
    """Return what tells the cycles of several parts."""
    return lambda layer, firsts, end: np.array([part(layer, first, end) for first in firsts])


def set_cycles(tiles: list[int], held: range, part: Part) -> int:
    """Return the cycles of computing on a set, layer by layer."""
    firsts = [sum(tiles[:layer]) for layer in range(len(tiles) + 1)]
    here = [(max(a, held.start), min(b, held.stop)) for a, b in pairwise(firsts)]
    return sum(
        part(layer, begin - firsts[layer], end - firsts[layer])
        for layer, (begin, end) in enumerate(here)
        if begin < end
    )


@settings(deadline=None)
@given(TILES, st.integers(1, 7))
def test_every_order_has_all_tiles_once_and_no_set_too_many(tiles: list[int], most: int) -> None:
    orders = [
        layer_sets(tiles, most),
        greedy_sets(tiles, most),
        optimal_sets(tiles, most, 10, each(lambda layer, first, end: layer + 1), overlap=False),
    ]
    for sets in orders:
        assert list(chain(*sets)) == list(range(sum(tiles)))
        assert all(1 <= len(held) <= most for held in sets)
    by_layer, greedy, _ = orders
    assert len(greedy) == -(-sum(tiles) // most)
    assert len(by_layer) == sum(-(-count // most) for count in tiles)


@settings(deadline=None, max_examples=100)
@given(
    TILES.filter(lambda tiles: sum(tiles) <= 9),
    st.integers(1, 6),
    st.integers(0, 30),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_the_optimal_order_is_the_best_of_all_that_there_are(
    tiles: list[int], most: int, write: int, overlap: bool, random: object
) -> None:
    """Parts of a layer cost anything, as ports may make them; every choice of begins is tried.

    What counts is a batch between others: with overlap its last set is computed while the next one's first is
    written.
    """
    costs: dict[tuple[int, int, int], int] = {}

    def part(layer: int, first: int, end: int) -> int:
        return costs.setdefault((layer, first, end), random.randint(0, 20))  # type: ignore[attr-defined]

    def cycles(sets: list[range]) -> int:
        turns = [(write, set_cycles(tiles, held, part)) for held in sets]
        two, three = (turns_cycles(turns * batches, overlap=overlap) for batches in (2, 3))
        return three - two

    total = sum(tiles)
    every = [
        [range(a, b) for a, b in pairwise((0, *inner, total))]
        for count in range(total)
        for inner in combinations(range(1, total), count)
    ]
    allowed = [sets for sets in every if max(map(len, sets)) <= most]
    best = min(map(cycles, allowed))
    found = optimal_sets(tiles, most, write, each(part), overlap=overlap)
    assert cycles(found) == best
    assert len(found) == min(len(sets) for sets in allowed if cycles(sets) == best)
    assert best <= min(cycles(greedy_sets(tiles, most)), cycles(layer_sets(tiles, most)))


def test_it_is_better_than_both_where_neither_is_right() -> None:
    """Full sets cut the large layer in two, which is computed twice; three sets do not, and cost a write."""
    tiles, windows, write = [1, 2, 1], [1, 100, 1], 10

    def cycles(sets: list[range]) -> int:
        return sum(write + set_cycles(tiles, held, lambda layer, *_: windows[layer]) for held in sets)

    assert cycles(greedy_sets(tiles, 2)) == 2 * write + 1 + 100 + 100 + 1
    assert cycles(layer_sets(tiles, 2)) == 3 * write + 1 + 100 + 1
    found = optimal_sets(tiles, 2, write, each(lambda layer, *_: windows[layer]), overlap=False)
    assert cycles(found) == 3 * write + 102
    cheap = optimal_sets(tiles, 2, 101, each(lambda layer, *_: windows[layer]), overlap=False)
    assert len(cheap) == 2


def test_cycles_of_any_size_are_weighed_exactly() -> None:
    """Beyond 64 bits, where a difference of one decides."""
    write = 2**70
    for more, sets in ((-1, 2), (1, 3)):
        computed = (1, write + more, 1)
        found = optimal_sets([1, 2, 1], 2, write, each(lambda n, *_, c=computed: c[n]), overlap=False)
        assert len(found) == sets
