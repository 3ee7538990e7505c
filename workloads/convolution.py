"""The product behind every matrix node, in whatever number type it is asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.window import Window


def convolve(maps: NDArray[Any], weights: NDArray[Any], window: Window) -> NDArray[Any]:
    """Multiply every window of `maps` by its group's matrix; padding reads as zero.

    maps : (images, channels, height, width)
    weights : (groups, rows, cols of one group), rows by position of the window first, by channel second
    returns : (images, groups * cols, output height, output width) of the operands' number type

    One product for each position of the window, so memory stays near that of the maps themselves.
    """
    images, channels, height, width = maps.shape
    groups, rows, cols = weights.shape
    out_height, out_width = window.output_size((height, width))
    by_position = weights.reshape(groups, window.positions, rows // window.positions, cols)
    sums = np.zeros((groups, cols, images * out_height * out_width), dtype=weights.dtype)
    for position, tap in enumerate(window.taps(maps.transpose(1, 0, 2, 3), 0)):
        pixels = np.ascontiguousarray(tap).reshape(groups, channels // groups, -1)
        sums += by_position[:, position].transpose(0, 2, 1) @ pixels
    return sums.reshape(groups * cols, images, out_height, out_width).transpose(1, 0, 2, 3)
