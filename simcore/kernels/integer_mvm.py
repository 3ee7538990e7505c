"""Exact integer products of one window with the weights that arrays hold.

A window has 17 bits at most and a weight 16, sign included, so that one product fits into 32 bits; sums are
as wide as their array. A vector unit multiplies and adds pairs of 16 bit integers in one instruction, which
needs each window and each column's weights in one run of memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.kernels.compiling import compiled

Ints = NDArray[Any]


def multiply_window_reference(windows: Ints, weights: Ints, sums: Ints, slot: int) -> None:
    """Multiply a window by a matrix, column by column.

    windows : (slots, rows) int16 or int32
    weights : (columns, rows) int8 or int16
    sums : (slots, columns) int64, or int32 where no sum can overflow it, written in row `slot`
    """
    sums[slot] = weights.astype(np.int64) @ windows[slot].astype(np.int64)


@compiled
def multiply_window(windows: Ints, weights: Ints, sums: Ints, slot: int) -> None:
    """Compiled twin of `multiply_window_reference`."""
    number = sums.dtype.type
    window = windows[slot]
    for col in range(len(weights)):
        cells = weights[col]
        total = number(0)
        for row in range(len(cells)):
            total = number(total + np.int32(np.int32(window[row]) * np.int32(cells[row])))
        sums[slot, col] = total


def multiply_channels_reference(windows: Ints, weights: Ints, sums: Ints, slot: int) -> None:
    """Multiply each channel of a window by weights of its own, and add up its positions.

    windows : (slots, positions x channels) int16 or int32, by position first, by channel second
    weights : (positions, channels) int8 or int16
    sums : (slots, channels) int64, or int32 where no sum can overflow it, written in row `slot`
    """
    sums[slot] = (windows[slot].reshape(weights.shape).astype(np.int64) * weights).sum(axis=0)


@compiled
def multiply_channels(windows: Ints, weights: Ints, sums: Ints, slot: int) -> None:
    """Compiled twin of `multiply_channels_reference`."""
    positions, channels = weights.shape
    out = sums[slot]
    out[:] = 0
    for position in range(positions):
        window = windows[slot, position * channels : (position + 1) * channels]
        cells = weights[position]
        for channel in range(channels):
            out[channel] += np.int32(np.int32(window[channel]) * np.int32(cells[channel]))


def multiply_block_reference(
    windows: Ints, weights: Ints, rows: Ints, first_col: int, sums: Ints, slot: int
) -> None:
    """Add an array's products to the sums of its columns.

    windows : (slots, elements) int16 or int32
    weights : (array rows, array columns) int8 or int16
    rows : (array rows,) int32, the window's element on each wordline
    first_col : column of `sums` that belongs to the array's first bitline
    sums : (slots, columns) int64, or int32 where no sum can overflow it; row `slot` is added to
    """
    products = windows[slot, rows].astype(np.int64) @ weights.astype(np.int64)
    sums[slot, first_col : first_col + weights.shape[1]] += products.astype(sums.dtype)


@compiled
def multiply_block(windows: Ints, weights: Ints, rows: Ints, first_col: int, sums: Ints, slot: int) -> None:
    """Compiled twin of `multiply_block_reference`; skips inputs of zero, common behind a ReLU."""
    window = windows[slot]
    out = sums[slot, first_col : first_col + weights.shape[1]]  # a view without offsets vectorises
    for row in range(len(rows)):
        x = np.int32(window[rows[row]])
        if x != 0:
            cells = weights[row]
            for col in range(len(cells)):
                out[col] += np.int32(x * np.int32(cells[col]))
