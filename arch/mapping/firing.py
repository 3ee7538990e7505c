"""When a stage may fire: which pixels of an operand each step needs, and which it leaves behind for good.

A step is one output pixel, or several adjacent ones (for a global pool, one input pixel). Pixels arrive in
row-major order, so what a step needs is a count, and what it leaves behind is a prefix: exactly what a
circular line buffer can express.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from workloads import SelectNode, Window


@dataclass(frozen=True, eq=False)
class Firing:
    """One operand's part in a stage's firing rule, for each step of one image.

    pixels : pixels of the operand in one image
    need : (steps,) pixels that must have arrived before the step, from the image's first on
    live : (steps,) first pixel that this step or a later one reads
    columns : (steps,) columns of kernel height that are read from the memory
    """

    pixels: int
    need: NDArray[np.int64]
    live: NDArray[np.int64]
    columns: NDArray[np.int64]

    @property
    def steps(self) -> int:
        """Steps of one image."""
        return len(self.need)

    @cached_property
    def freed(self) -> NDArray[np.int64]:
        """First pixel still live after each step; after the last, the first that the next image needs."""
        return np.append(self.live[1:], self.pixels + self.live[0])

    @cached_property
    def least_depth(self) -> int:
        """Fewest slots with which every step's window still fits; at least one."""
        return max(1, int((self.need - self.live).max()))

    def grouped(self, across: int, together: int) -> Firing:
        """Return the rule for so many steps at once, those `across` a row apart from the next row's."""
        rows = self.steps // across
        first = np.add.outer(np.arange(rows) * across, np.arange(0, across, together)).ravel()
        last = np.append(first[1:], self.steps) - 1
        return Firing(self.pixels, self.need[last], self.live[first], np.add.reduceat(self.columns, first))


def elementwise(pixels: int) -> Firing:
    """Return the rule of an operand of which step n reads pixel n."""
    steps = np.arange(pixels, dtype=np.int64)
    return Firing(pixels, steps + 1, steps, np.ones(pixels, np.int64))


def picking(select: SelectNode) -> Firing:
    """Return the rule of an operand of which each step reads the pixel that a selection picks, if any."""
    picked = select.picked_pixels
    reads = picked >= 0
    pixels = select.in_shapes[0][1] * select.in_shapes[0][2]
    first = np.where(reads, picked, pixels)
    need = np.maximum.accumulate(np.where(reads, picked + 1, 0))
    live = np.minimum.accumulate(first[::-1])[::-1]
    return Firing(pixels, need, live, reads.astype(np.int64))


def attending(visible: NDArray[np.int64], keys: int) -> Firing:
    """Return the rule of keys, or values, of which each step reads the first ones that its token sees.

    All stay until the last step of the image.
    """
    steps = len(visible)
    return Firing(keys, visible, np.zeros(steps, np.int64), visible)


def led_by(tokens: int, pixels: int) -> Firing:
    """Return the rule of an operand of which step n reads pixel n - tokens, as others stand in front."""
    steps = np.arange(tokens + pixels, dtype=np.int64)
    first = np.maximum(steps - tokens, 0)
    return Firing(pixels, np.maximum(steps + 1 - tokens, 0), first, (steps >= tokens).astype(np.int64))


def sliding(window: Window, size: tuple[int, int]) -> Firing:
    """Return the rule of a window that slides over a map of `size` (height, width).

    The window register keeps the columns that it has: a step reads those of its window that the one before
    did not have, the first of a row all of them. A window wholly in the padding needs nothing.
    """
    height, width = size
    rows, cols = window.output_size(size)
    top, left = window.padding[:2]
    y0 = np.arange(rows) * window.stride[0] - top
    x0 = np.arange(cols) * window.stride[1] - left
    last_y, any_y = _reach(y0, window.kernel[0], window.dilation[0], height, last=True)
    last_x, any_x = _reach(x0, window.kernel[1], window.dilation[1], width, last=True)
    first_y, _ = _reach(y0, window.kernel[0], window.dilation[0], height, last=False)
    first_x, _ = _reach(x0, window.kernel[1], window.dilation[1], width, last=False)
    reads = np.logical_and.outer(any_y, any_x).ravel()
    need = np.where(reads, np.add.outer(last_y * width, last_x + 1).ravel(), 0)
    first = np.where(reads, np.add.outer(first_y * width, first_x).ravel(), height * width)
    live = np.minimum.accumulate(first[::-1])[::-1]
    moved, gap = divmod(window.stride[1], window.dilation[1])
    columns = np.full((rows, cols), window.kernel[1] if gap else min(moved, window.kernel[1]), np.int64)
    columns[:, 0] = window.kernel[1]
    # A later step never needs less: a producer that is ahead of need stays ahead.
    return Firing(height * width, np.maximum.accumulate(need), live, columns.ravel())


def _reach(
    start: NDArray[np.int64], kernel: int, dilation: int, size: int, *, last: bool
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return each window's last (or first) coordinate inside [0, size) on an axis, and whether it has one."""
    taps = start[:, None] + np.arange(kernel) * dilation
    inside = (taps >= 0) & (taps < size)
    bounded = np.where(inside, taps, -1 if last else size)
    reached = bounded.max(axis=1) if last else bounded.min(axis=1)
    return reached, np.asarray(inside.any(axis=1))
