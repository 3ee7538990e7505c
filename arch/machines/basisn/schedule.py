"""Passes onto crossbars: list scheduling, in the order of pixels, onto the one that is free first."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapreplace


def lanes_of_passes(cycles: Sequence[int], pixels: int, lanes: int) -> list[int]:
    """Return the lane of each pass of a layer: slices of the first pixel, then of the next.

    cycles : of a pass of each slice; where all are equal, passes take lanes in turn, in ceil(passes / lanes)
        rounds
    """
    passes = pixels * len(cycles)
    if len(set(cycles)) <= 1:
        return [number % lanes for number in range(passes)]
    free = [(0, lane) for lane in range(lanes)]
    taken = []
    for number in range(passes):
        begin, lane = free[0]
        taken.append(lane)
        heapreplace(free, (begin + cycles[number % len(cycles)], lane))
    return taken


def passes_of_lanes(lanes_of: Sequence[int], lanes: int) -> list[list[int]]:
    """Return the passes of each lane, in order."""
    passes: list[list[int]] = [[] for _ in range(lanes)]
    for number, lane in enumerate(lanes_of):
        passes[lane].append(number)
    return passes
