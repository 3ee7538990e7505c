"""Kernels that share a slot: a greedy colouring of those whose columns meet, largest degree first.

Kernels whose supports have a column in common are neighbours and need different slots; a slot has room for so
many kernels. Each kernel, in the order of falling degree and among equals in their own, takes the first slot
that has room and no neighbour of it. One without a support takes none.

Supports are words of 64 columns each, the lowest bit first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.kernels.bit_serial import popcount
from simcore.kernels.compiling import compiled

Words = NDArray[np.uint64]
Ints = NDArray[Any]

#: Slot of a kernel without a support.
NO_SLOT = -1

_ONE, _NOTHING = np.uint64(1), np.uint64(0)


def colour_slots_reference(supports: Words, capacity: int, slots: Ints) -> None:
    """Give the kernels of each graph their slots.

    supports : (graphs, kernels, words) uint64, columns of each kernel
    capacity : kernels that a slot has room for, at least 1
    slots : (graphs, kernels) int32, written
    """
    for graph, own in zip(supports, slots, strict=True):
        columns = [int.from_bytes(words.tobytes(), "little") for words in graph]
        degrees = [sum(bool(one & other) for other in columns) - 1 for one in columns]
        held: list[list[int]] = []
        own[:] = NO_SLOT
        for kernel in sorted(range(len(columns)), key=lambda kernel: -degrees[kernel]):
            if not columns[kernel]:
                continue
            fitting = (
                slot
                for slot, others in enumerate(held)
                if len(others) < capacity and not any(columns[kernel] & columns[other] for other in others)
            )
            own[kernel] = next(fitting, len(held))
            if own[kernel] == len(held):
                held.append([])
            held[own[kernel]].append(kernel)


@compiled
def colour_slots(supports: Words, capacity: int, slots: Ints) -> None:
    """Compiled twin of `colour_slots_reference`."""
    graphs, kernels, words = supports.shape
    degrees = np.empty(kernels, np.int64)
    taken = np.empty((kernels, words), np.uint64)
    room = np.empty(kernels, np.int64)
    for graph in range(graphs):
        _count_neighbours(supports[graph], degrees)
        used = full = 0
        for kernel in np.argsort(-degrees, kind="mergesort"):
            slots[graph, kernel] = NO_SLOT
            if degrees[kernel] < 0:
                continue
            slot = full
            while slot < used:
                met = _NOTHING
                for word in range(words):
                    met |= supports[graph, kernel, word] & taken[slot, word]
                if met == _NOTHING and room[slot] > 0:
                    break
                slot += 1
            if slot == used:
                used += 1
                taken[slot] = _NOTHING
                room[slot] = capacity
            for word in range(words):
                taken[slot, word] |= supports[graph, kernel, word]
            room[slot] -= 1
            slots[graph, kernel] = slot
            while full < used and room[full] == 0:
                full += 1


@compiled
def _count_neighbours(supports: Words, degrees: Ints) -> None:
    """Count for each kernel those that share a column with it; -1 for one without a support."""
    kernels, words = supports.shape
    users = np.zeros((64 * words, -(-kernels // 64)), np.uint64)  # of each column, as bits
    for kernel in range(kernels):
        for word in range(words):
            left, column = supports[kernel, word], 64 * word
            while left != _NOTHING:
                if left & _ONE != _NOTHING:
                    users[column, kernel >> 6] |= _ONE << np.uint64(kernel & 63)
                left >>= _ONE
                column += 1
    neighbours = np.empty(users.shape[1], np.uint64)
    for kernel in range(kernels):
        neighbours[:] = _NOTHING
        for word in range(words):
            left, column = supports[kernel, word], 64 * word
            while left != _NOTHING:
                if left & _ONE != _NOTHING:
                    for group in range(len(neighbours)):
                        neighbours[group] |= users[column, group]
                left >>= _ONE
                column += 1
        degrees[kernel] = -1
        for word in range(len(neighbours)):
            degrees[kernel] += popcount(neighbours[word])
