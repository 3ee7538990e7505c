"""What memories of keys and values saw of them."""

from __future__ import annotations

from collections.abc import Iterable

from arch.activation_memory import ActivationMemory
from arch.machine import CacheTraffic


def cache_traffic(caches: Iterable[tuple[ActivationMemory, int]]) -> CacheTraffic | None:
    """Return what those of products of attention saw of what stays in them; None if there are none.

    caches : each memory, and the bytes of keys, or values, that were read of it
    """
    found = list(caches)
    if not found:
        return None
    return CacheTraffic(
        written=sum(memory.bytes_written(0) for memory, _ in found),
        read=sum(read for _, read in found),
        most_tokens=max(memory.peaks[0] for memory, _ in found),
    )


def keys_read(memory: ActivationMemory) -> int:
    """Return the bytes of keys, or values, that a memory itself has read for its tokens."""
    return memory.read_so_far(memory.stage.operands[0].firing.columns * memory.buffers[0].pixel_bytes)
