"""Kernels onto slots: which of them use their columns of a crossbar at the same time.

Each kernel of a slice is a sum of some columns, its *support*. In a slot a column serves one kernel, so
those that contest a column need different slots; and a slot has no more kernels than there are converters to
take their sums. Slots are found greedily (`simcore.kernels.slot_colouring`), largest degree first.

Supports are words of 64 columns, the lowest bit first: (..., kernels, words) uint64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.noise import derive, stream_key, uniform_below_reference

Words = NDArray[np.uint64]

_WORD = 64


def support_words(columns: NDArray[np.bool_]) -> Words:
    """Return supports (..., words) of what columns (..., columns) are used."""
    packed = np.packbits(columns, axis=-1, bitorder="little")
    width = 8 * -(-packed.shape[-1] // 8)
    filled = np.zeros((*packed.shape[:-1], width), np.uint8)
    filled[..., : packed.shape[-1]] = packed
    return filled.view("<u8").astype(np.uint64)


def support_columns(supports: Words, columns: int) -> NDArray[np.bool_]:
    """Return which of so many columns (..., columns) supports (..., words) use."""
    packed = np.ascontiguousarray(supports.astype("<u8")).view(np.uint8)
    return np.unpackbits(packed, axis=-1, count=columns, bitorder="little").astype(np.bool_)


def drawn_supports(seed: int, layer: str, slices: int, kernels: int, columns: int, nonzeros: int) -> Words:
    """Return supports (slices, kernels, words) of so many columns each, all sets of them equally likely.

    A support depends on the seed, its layer, slice and kernel alone (Floyd's draw without replacement).
    """
    keys = derive(stream_key(seed, "supports", layer), np.arange(slices))[:, None]
    supports = np.zeros((slices, kernels, -(-columns // _WORD)), np.uint64)
    of_slice, of_kernel = np.ogrid[:slices, :kernels]
    for number, last in enumerate(range(columns - nonzeros, columns)):
        counters = np.arange(kernels) * nonzeros + number
        column = uniform_below_reference(keys, counters, last + 1)
        word, bit = column // _WORD, (column % _WORD).astype(np.uint64)
        drawn_before = supports[of_slice, of_kernel, word] >> bit & np.uint64(1) > 0
        column = np.where(drawn_before, last, column)
        word, bit = column // _WORD, (column % _WORD).astype(np.uint64)
        supports[of_slice, of_kernel, word] |= np.uint64(1) << bit
    return supports


def packed_supports(slices: int, kernels: int, columns: int, nonzeros: int, capacity: int) -> Words:
    """Return supports (slices, kernels, words), each run of which is disjoint for as long as a slot has room.

    They fill ceil(kernels / min(columns // nonzeros, capacity)) slots; of so many columns each, none can do
    with fewer.
    """
    at_once = min(columns // nonzeros, capacity)
    runs = np.arange(kernels)[:, None] % at_once
    places = np.arange(columns) // nonzeros == runs
    return np.repeat(support_words(places)[None], slices, axis=0)


def share_slots(supports: Words, capacity: int) -> NDArray[np.int32]:
    """Return the slot of each kernel, -1 for one without a support: (..., kernels) int32.

    supports : (..., kernels, words), each slice by itself
    capacity : kernels in a slot, at most
    """
    from simcore.kernels.slot_colouring import colour_slots  # compiled where there is something to colour

    *outer, kernels, words = supports.shape
    slots = np.empty((int(np.prod(outer)), kernels), np.int32)
    colour_slots(np.ascontiguousarray(supports).reshape(-1, kernels, words), capacity, slots)
    return slots.reshape(*outer, kernels)


def slot_bounds(columns: NDArray[np.bool_], capacity: int) -> tuple[int, int]:
    """Return what no schedule of a slice's kernels has fewer slots than, and what greedy never has more than.

    columns : (kernels, columns), those of each kernel

    At least the largest load of a column, since each of its kernels needs another slot; that is at least
    ceil(all loads / columns), their mean. And at least ceil(kernels / capacity).

    At most 1 + D + floor((n - 1 - D) / capacity), of n kernels of which none has more than D neighbours. To
    the kernel that opened the last slot, of d neighbours, all other slots were closed: some hold a neighbour,
    so they are no more than d; the others are full of kernels that are neither it nor its neighbours, so they
    are no more than (n - 1 - d) / capacity. The sum of both does not fall with d, and d is no more than D.
    """
    used = columns[columns.any(axis=1)]
    if not len(used):
        return 0, 0
    least = max(int(used.sum(axis=0).max()), -(-len(used) // capacity))
    overlaps: NDArray[Any] = used.astype(np.int64) @ used.T.astype(np.int64)
    degree = int((overlaps > 0).sum(axis=1).max()) - 1
    return least, 1 + degree + (len(used) - 1 - degree) // capacity
