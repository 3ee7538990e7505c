"""Reading windows out of a circular pixel memory: gather them for a product, or reduce them for a pool.

A memory holds pixel k of a stream in row k mod size. A geometry is (kernel height, kernel width, dilation
height, dilation width, map height, map width) int64; `base` is the stream index of the image's first pixel,
(y, x) the window's top left corner in the map, which may lie in the padding. All kernels write into row
`slot` of their output.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.kernels.compiling import compiled

Ints = NDArray[Any]


def _taps(geometry: Ints, y: int, x: int) -> list[tuple[int, int]]:
    """Return the map coordinates of every kernel position, row by row, padding included."""
    kernel_h, kernel_w, dilation_h, dilation_w = (int(v) for v in geometry[:4])
    return [(y + i * dilation_h, x + j * dilation_w) for i in range(kernel_h) for j in range(kernel_w)]


def gather_window_reference(
    memory: Ints, base: int, y: int, x: int, geometry: Ints, zero: int, window: Ints, slot: int
) -> None:
    """Copy a window, zero point taken off, to `window[slot]`: by position first, by channel second.

    memory : (size, channels) int32 codes
    zero : code of real zero, which is what padding reads as
    window : (slots, positions x channels) int32, written in row `slot`
    """
    height, width = geometry[4:]
    pixels = [
        memory[(base + row * width + col) % len(memory)] - zero
        if 0 <= row < height and 0 <= col < width
        else np.zeros(memory.shape[1], memory.dtype)
        for row, col in _taps(geometry, y, x)
    ]
    window[slot] = np.concatenate(pixels)


@compiled
def gather_window(
    memory: Ints, base: int, y: int, x: int, geometry: Ints, zero: int, window: Ints, slot: int
) -> None:
    """Compiled twin of `gather_window_reference`."""
    size, channels = memory.shape
    height, width = geometry[4], geometry[5]
    at = 0
    for i in range(geometry[0]):
        row = y + i * geometry[2]
        for j in range(geometry[1]):
            col = x + j * geometry[3]
            if 0 <= row < height and 0 <= col < width:
                pixel = (base + row * width + col) % size
                for channel in range(channels):
                    window[slot, at + channel] = memory[pixel, channel] - zero
            else:
                for channel in range(channels):
                    window[slot, at + channel] = 0
            at += channels


def sum_window_reference(
    memory: Ints, base: int, y: int, x: int, geometry: Ints, zero: int, sums: Ints, slot: int
) -> None:
    """Add up a window's pixels inside the map, zero point off, in `sums[slot]`, (slots, channels) int64."""
    height, width = geometry[4:]
    sums[slot] = 0
    for row, col in _taps(geometry, y, x):
        if 0 <= row < height and 0 <= col < width:
            sums[slot] += memory[(base + row * width + col) % len(memory)].astype(np.int64) - zero


@compiled
def sum_window(
    memory: Ints, base: int, y: int, x: int, geometry: Ints, zero: int, sums: Ints, slot: int
) -> None:
    """Compiled twin of `sum_window_reference`."""
    size, channels = memory.shape
    height, width = geometry[4], geometry[5]
    for channel in range(channels):
        sums[slot, channel] = 0
    for i in range(geometry[0]):
        row = y + i * geometry[2]
        for j in range(geometry[1]):
            col = x + j * geometry[3]
            if 0 <= row < height and 0 <= col < width:
                pixel = (base + row * width + col) % size
                for channel in range(channels):
                    sums[slot, channel] += np.int64(memory[pixel, channel]) - zero


def max_window_reference(
    memory: Ints, base: int, y: int, x: int, geometry: Ints, largest: Ints, slot: int
) -> None:
    """Take the largest code of a window's pixels inside the map in `largest[slot]`, (slots, channels) int64.

    A window wholly in the padding gives -1, below every code.
    """
    height, width = geometry[4:]
    largest[slot] = -1
    for row, col in _taps(geometry, y, x):
        if 0 <= row < height and 0 <= col < width:
            np.maximum(largest[slot], memory[(base + row * width + col) % len(memory)], out=largest[slot])


@compiled
def max_window(memory: Ints, base: int, y: int, x: int, geometry: Ints, largest: Ints, slot: int) -> None:
    """Compiled twin of `max_window_reference`."""
    size, channels = memory.shape
    height, width = geometry[4], geometry[5]
    for channel in range(channels):
        largest[slot, channel] = -1
    for i in range(geometry[0]):
        row = y + i * geometry[2]
        for j in range(geometry[1]):
            col = x + j * geometry[3]
            if 0 <= row < height and 0 <= col < width:
                pixel = (base + row * width + col) % size
                for channel in range(channels):
                    if memory[pixel, channel] > largest[slot, channel]:
                        largest[slot, channel] = memory[pixel, channel]
