"""Reading windows out of a circular pixel memory: gather them for a product, or reduce them for a pool.

A memory holds pixel k of a stream, image after image, in row k mod size. Windows lie at the steps of an image
as `geometry` says, (11,) int64: kernel height and width, dilation, stride, padding above and on the left, map
height and width, and how many windows lie side by side. All kernels write into row `slot` of their output.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.kernels.compiling import compiled

Ints = NDArray[Any]


def _pixels_reference(memory: Ints, geometry: Ints, image: int, step: int) -> list[Ints | None]:
    """Return the pixel (channels,) at every kernel position, row by row; None in the padding."""
    kernel_h, kernel_w, dilation_h, dilation_w, stride_h, stride_w, top, left, height, width, across = (
        int(v) for v in geometry
    )
    y, x = step // across * stride_h - top, step % across * stride_w - left
    taps = [(y + i * dilation_h, x + j * dilation_w) for i in range(kernel_h) for j in range(kernel_w)]
    return [
        memory[((image * height + row) * width + col) % len(memory)]
        if 0 <= row < height and 0 <= col < width
        else None
        for row, col in taps
    ]


@compiled
def _corner(geometry: Ints, step: int) -> tuple[int, int]:
    """Return the map coordinates of a window's top left corner, which may lie in the padding."""
    across = geometry[10]
    return step // across * geometry[4] - geometry[6], step % across * geometry[5] - geometry[7]


def gather_window_reference(
    memory: Ints, geometry: Ints, image: int, step: int, zero: int, windows: Ints, slot: int
) -> None:
    """Copy a window, zero point taken off, to `windows[slot]`: by position first, by channel second.

    memory : (size, channels), codes
    zero : code of real zero, which is what padding reads as
    windows : (slots, positions x channels) int32, or int16 where codes have 15 bits at most
    """
    padding = np.zeros(memory.shape[1], np.int32)
    pixels = _pixels_reference(memory, geometry, image, step)
    windows[slot] = np.concatenate([padding if p is None else p.astype(np.int32) - zero for p in pixels])


@compiled
def gather_window(
    memory: Ints, geometry: Ints, image: int, step: int, zero: int, windows: Ints, slot: int
) -> None:
    """Compiled twin of `gather_window_reference`."""
    size, channels = memory.shape
    height, width = geometry[8], geometry[9]
    y, x = _corner(geometry, step)
    first = 0
    for i in range(geometry[0]):
        row = y + i * geometry[2]
        for j in range(geometry[1]):
            col = x + j * geometry[3]
            part = windows[slot, first : first + channels]
            if 0 <= row < height and 0 <= col < width:
                pixel = memory[((image * height + row) * width + col) % size]
                for channel in range(channels):
                    part[channel] = np.int32(pixel[channel]) - zero
            else:
                part[:] = 0
            first += channels


def sum_window_reference(
    memory: Ints, geometry: Ints, image: int, step: int, zero: int, sums: Ints, slot: int
) -> None:
    """Add up a window's pixels inside the map, zero point off, in `sums[slot]`, (slots, channels) int64."""
    sums[slot] = 0
    for pixel in _pixels_reference(memory, geometry, image, step):
        if pixel is not None:
            sums[slot] += pixel.astype(np.int64) - zero


@compiled
def sum_window(memory: Ints, geometry: Ints, image: int, step: int, zero: int, sums: Ints, slot: int) -> None:
    """Compiled twin of `sum_window_reference`."""
    size, channels = memory.shape
    height, width = geometry[8], geometry[9]
    y, x = _corner(geometry, step)
    total = sums[slot]
    total[:] = 0
    for i in range(geometry[0]):
        row = y + i * geometry[2]
        for j in range(geometry[1]):
            col = x + j * geometry[3]
            if 0 <= row < height and 0 <= col < width:
                pixel = memory[((image * height + row) * width + col) % size]
                for channel in range(channels):
                    total[channel] += np.int64(pixel[channel]) - zero


def max_window_reference(
    memory: Ints, geometry: Ints, image: int, step: int, largest: Ints, slot: int
) -> None:
    """Take the largest code of a window's pixels inside the map in `largest[slot]`, (slots, channels) int32.

    A window wholly in the padding gives -1, below every code.
    """
    largest[slot] = -1
    for pixel in _pixels_reference(memory, geometry, image, step):
        if pixel is not None:
            np.maximum(largest[slot], pixel, out=largest[slot])


@compiled
def max_window(memory: Ints, geometry: Ints, image: int, step: int, largest: Ints, slot: int) -> None:
    """Compiled twin of `max_window_reference`."""
    size, channels = memory.shape
    height, width = geometry[8], geometry[9]
    y, x = _corner(geometry, step)
    found = largest[slot]
    found[:] = -1
    for i in range(geometry[0]):
        row = y + i * geometry[2]
        for j in range(geometry[1]):
            col = x + j * geometry[3]
            if 0 <= row < height and 0 <= col < width:
                pixel = memory[((image * height + row) * width + col) % size]
                for channel in range(channels):
                    found[channel] = max(found[channel], np.int32(pixel[channel]))
