"""The product behind every matrix node, in whatever number type it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.window import Window

#: Elements of the windows that are laid out for one product, few enough for the processor's caches.
ELEMENTS_LAID_OUT = 2**19


def convolve(maps: NDArray[Any], weights: NDArray[Any], window: Window) -> NDArray[Any]:
    """Multiply every window of `maps` by its group's matrix; padding reads as zero.

    maps : (images, channels, height, width)
    weights : (groups, rows, cols of one group), rows by position of the window first, by channel second
    returns : (images, groups * cols, output height, output width) of the weights' number type

    A few rows of windows are laid out at a time, so memory stays near that of the maps themselves.
    """
    images, channels, height, width = maps.shape
    groups, rows, cols = weights.shape
    size = window.output_size((height, width))
    products = np.empty((images, groups, cols, *size), dtype=weights.dtype)
    taps = list(window.taps(maps.reshape(images, groups, channels // groups, height, width), 0))
    by_column = weights.transpose(0, 2, 1)
    for some, lines in _blocks(images, size, groups * rows):
        shape = products[some, :, :, lines].shape
        laid_out = np.empty(
            (groups, len(taps), channels // groups, shape[0], *shape[3:]), dtype=weights.dtype
        )
        for position, tap in enumerate(taps):
            laid_out[:, position] = tap[some, :, :, lines].transpose(1, 2, 0, 3, 4)
        block = by_column @ laid_out.reshape(groups, rows, -1)
        block = block.reshape(groups, cols, shape[0], *shape[3:])
        products[some, :, :, lines] = block.transpose(2, 0, 1, 3, 4)
    return products.reshape(images, groups * cols, *size)


def _blocks(images: int, size: tuple[int, int], elements: int) -> Iterator[tuple[slice, slice]]:
    """Yield images and lines of their outputs, of which each pixel reads so many elements."""
    windows = max(1, ELEMENTS_LAID_OUT // elements)
    lines = min(max(1, windows // size[1]), size[0])
    together = max(1, windows // (size[0] * size[1]))
    for image in range(0, images, together):
        for line in range(0, size[0], lines):
            yield slice(image, image + together), slice(line, line + lines)
