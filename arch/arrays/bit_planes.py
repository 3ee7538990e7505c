"""How bit planes of cells lie in memory, so that kernels that count ones read them fast."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.kernels.bit_serial import WORD

Words = NDArray[np.uint64]

#: Words of cells that one block holds at most, 32 KiB: what a first-level cache keeps for all phases.
BLOCK_WORDS = 4096

#: Words in a cache line, which is also the widest vector.
CACHE_LINE = 8


def whole_lines(words: int) -> int:
    """Return whole cache lines, as words."""
    return -(-words // CACHE_LINE) * CACHE_LINE


def words_of(rows: int) -> int:
    """Return the words that hold a bit for each row."""
    return -(-rows // WORD)


def in_words(wordlines: NDArray[Any]) -> NDArray[np.int32]:
    """Return the elements on wordlines with -1 for none up to a whole word."""
    missing = words_of(len(wordlines)) * WORD - len(wordlines)
    return np.pad(wordlines.astype(np.int32), (0, missing), constant_values=-1)


def widest_block(planes: int, rows: int) -> int:
    """Return how many bitlines of so many planes and rows one block holds."""
    return max(BLOCK_WORDS // (max(planes, 1) * words_of(rows)), CACHE_LINE)


def cut(bitlines: int, widest: int) -> Iterator[slice]:
    """Yield parts of so many bitlines, each of whole cache lines but the last, none wider than `widest`."""
    width = whole_lines(-(-bitlines // -(-bitlines // widest)))
    for first in range(0, bitlines, width):
        yield slice(first, min(first + width, bitlines))


def joined(parts: Sequence[tuple[int, Words]], words: int) -> Words:
    """Return parts at their places in memory that begins on a cache line: vectors across two load slower."""
    room = np.zeros(words + CACHE_LINE, np.uint64)
    start = -room.ctypes.data // room.itemsize % CACHE_LINE
    whole = room[start : start + words]
    for place, part in parts:
        whole[place : place + len(part)] = part
    return whole
