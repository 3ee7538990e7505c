"""What memories held over time as a page carries it: every change, or of very many the span between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.activity import BufferTrace
from traces.packed_columns import Packed, pack_columns

#: Entries of all memories together, and of one.
_ALL, _MOST, _LEAST = 1 << 21, 1 << 14, 1 << 8


@dataclass(frozen=True)
class Occupancy:
    """What a memory held from each tick until the next one: between `low` and `high` tokens.

    They are equal where it is known exactly, which is everywhere in a memory of few changes.
    """

    tick: NDArray[np.int64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]


def thinned(buffer: BufferTrace, makespan: int, most: int) -> Occupancy:
    """Return what a memory held in at most so many entries, an even number.

    Of too many changes those of each stretch of time become two entries: the span of all that it held from
    the first to the last of them, and what it held behind the last.
    """
    tick, held = buffer.tick, buffer.held.astype(np.int64)
    if len(tick) <= most:
        return Occupancy(tick, held, held)
    width = -(-max(makespan, int(tick[-1]) + 1) // (most // 2))
    first = np.flatnonzero(np.diff(tick // width, prepend=-1))
    last = np.concatenate([first[1:], [len(tick)]]) - 1
    low, high = np.minimum.reduceat(held, first), np.maximum.reduceat(held, first)
    several = last > first
    entries = [
        np.stack([a, b], axis=1).reshape(-1)[np.stack([np.ones_like(several), several], axis=1).reshape(-1)]
        for a, b in ((tick[first], tick[last]), (low, held[last]), (high, held[last]))
    ]
    return Occupancy(*entries)


def pack_buffers(buffers: Sequence[BufferTrace], makespan: int) -> tuple[list[dict[str, Any]], Packed]:
    """Return a line about each memory, with how many of its changes are shown, and what they held.

    The block has `step`, from each tick to the next one, `low` and `high`, one memory behind the other.
    """
    most = int(np.clip(_ALL // max(len(buffers), 1), _LEAST, _MOST)) & ~1
    shown = [thinned(buffer, makespan, most) for buffer in buffers]
    about = [
        {"path": b.path, "slots": b.slots, "entries": len(s.tick), "exact": len(s.tick) == len(b.tick)}
        for b, s in zip(buffers, shown, strict=True)
    ]
    nothing = np.zeros(0, dtype=np.int64)
    return about, pack_columns(
        {
            "step": np.concatenate([nothing, *(np.diff(s.tick, prepend=0) for s in shown)]),
            "low": np.concatenate([nothing, *(s.low for s in shown)]),
            "high": np.concatenate([nothing, *(s.high for s in shown)]),
        }
    )
