"""How fast content-addressable search is: 16-bit keys, 64 rows, nearest absolute distance.

The other side is what one would write first and compile: a loop over the rows that keeps the smallest
distance and its row. Both sides are numba's; what is measured is the form of the search.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.compare import Bench, Setup, benches, cpu_times

BITS, ROWS, KEYS = 16, 64, 2_000_000

Search = Callable[[], object]


@cache
def _operands() -> tuple[NDArray[np.uint32], NDArray[np.uint16], NDArray[np.int32]]:
    """Return a table, keys to search for and room for the rows found."""
    random = np.random.default_rng(0)
    stored = random.integers(0, 1 << BITS, ROWS).astype(np.uint32)
    keys = random.integers(0, 1 << BITS, KEYS).astype(np.uint16)
    return stored, keys, np.zeros(KEYS, np.int32)


@cache
def _naive() -> Any:
    from numba import njit

    def search(stored: Any, keys: Any, found: Any) -> None:
        for i in range(len(keys)):
            best: Any = 1 << BITS
            nearest = 0
            for row in range(len(stored)):
                distance = abs(np.int64(keys[i]) - np.int64(stored[row]))
                if distance < best:
                    best, nearest = distance, row
            found[i] = nearest

    return njit(search)


def naive() -> Search:
    """Return the search that goes row by row."""
    search, operands = _naive(), _operands()
    return lambda: search(*operands)


def scan() -> Search:
    """Return the search that compares several rows at once."""
    from simcore.kernels.cam_search import find_nearest

    operands = _operands()
    return lambda: find_nearest(*operands, 0, KEYS)


def table() -> Search:
    """Return the search that looks up what the scan found for each key."""
    from simcore.kernels.cam_search import find_in_table, find_nearest, key_table

    stored, keys, found = _operands()
    rows = key_table(lambda *register: find_nearest(stored, *register), BITS)
    return lambda: find_in_table(rows, keys, found, 0, KEYS)


_SIDES: tuple[tuple[str, str, float, Setup], ...] = (
    ("cam-table", "looked up in a table of all keys", 20, table),
    ("cam-scan", "distances and rows packed into one minimum", 2, scan),
)

for _name, _how, _bound, _ours in _SIDES:
    benches.register(_name)(
        Bench(
            _name,
            f"nearest of {ROWS} rows for {BITS}-bit keys, {_how}, against a loop in numba",
            "speed-up",
            _bound,
            cpu_times(_ours, naive),
        )
    )
