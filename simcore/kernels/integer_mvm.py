"""Exact integer products of one window with the weights that one array holds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.kernels.compiling import compiled

Ints = NDArray[Any]


def multiply_block_reference(
    window: Ints, weights: Ints, rows: Ints, first_col: int, sums: Ints, slot: int
) -> None:
    """Add an array's products to the sums of its columns.

    window : (slots, elements) int32
    weights : (array rows, array columns) int8 or int16
    rows : (array rows,) int32, the window's element on each wordline
    first_col : column of `sums` that belongs to the array's first bitline
    sums : (slots, columns) int64, or int32 where no sum can overflow it; row `slot` is added to
    """
    products = window[slot, rows].astype(np.int64) @ weights.astype(np.int64)
    sums[slot, first_col : first_col + weights.shape[1]] += products.astype(sums.dtype)


@compiled
def multiply_block(window: Ints, weights: Ints, rows: Ints, first_col: int, sums: Ints, slot: int) -> None:
    """Compiled twin of `multiply_block_reference`; skips inputs of zero, common behind a ReLU."""
    inputs = window[slot]
    out = sums[slot, first_col : first_col + weights.shape[1]]  # a view without offsets vectorises
    for row in range(len(rows)):
        x = inputs[rows[row]]
        if x != 0:
            cells = weights[row]
            for col in range(len(cells)):
                # 17 bits times 15 fit into 32, where vector units multiply fastest
                out[col] += np.int32(x * np.int32(cells[col]))
