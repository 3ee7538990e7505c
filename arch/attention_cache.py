"""What memories of keys and values saw of them."""

from __future__ import annotations

from collections.abc import Iterable

from arch.activation_memory import ActivationMemory
from arch.machine import CacheTraffic


def cache_traffic(memories: Iterable[ActivationMemory]) -> CacheTraffic | None:
    """Return what those of products of attention saw of what stays in them; None if there are none."""
    caches = [memory for memory in memories if memory.stage.attention is not None]
    if not caches:
        return None
    return CacheTraffic(
        written=sum(cache.bytes_written(0) for cache in caches),
        read=sum(
            cache.read_so_far(cache.stage.operands[0].firing.columns * cache.buffers[0].pixel_bytes)
            for cache in caches
        ),
        most_tokens=max(cache.peaks[0] for cache in caches),
    )
