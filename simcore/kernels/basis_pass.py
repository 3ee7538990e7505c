"""Exact integer products of a window's slice with kernels that are combinations of basis vectors.

The slice is multiplied by every vector once; each kernel then adds up a few of these projections, each with a
coefficient. Integers wrap where they overflow, so what lies between does not matter where the sums fit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.kernels.compiling import compiled

Ints = NDArray[Any]


def multiply_basis_reference(
    windows: Ints,
    slot: int,
    wordlines: Ints,
    basis: Ints,
    kernels: Ints,
    vectors: Ints,
    coefficients: Ints,
    first_col: int,
    projections: Ints,
    sums: Ints,
) -> None:
    """Add the products of one slice of a window with all kernels of its group to their sums.

    windows : (slots, elements) int16 or int32
    wordlines : (rows,) int32, the window's element on each wordline of the slice
    basis : (vectors, length) int8 or int16, of which a slice that is shorter meets the first elements
    kernels : (kernels + 1,) int32, where the coefficients of each begin
    vectors, coefficients : (n,) int32 and int8 or int16, what each kernel takes, and how often
    first_col : column of `sums` that belongs to the first kernel
    projections : (vectors,) of the type of `sums`, written
    sums : (slots, columns) int64, or int32 where no sum can overflow it; row `slot` is added to
    """
    inputs = windows[slot, wordlines].astype(np.int64)
    exact = basis[:, : len(wordlines)].astype(np.int64) @ inputs
    projections[:] = exact.astype(sums.dtype)
    products = exact[vectors] * coefficients
    totals = np.zeros(len(kernels) - 1, np.int64)
    np.add.at(totals, np.repeat(np.arange(len(totals)), np.diff(kernels)), products)
    sums[slot, first_col : first_col + len(totals)] += totals.astype(sums.dtype)


@compiled
def multiply_basis(
    windows: Ints,
    slot: int,
    wordlines: Ints,
    basis: Ints,
    kernels: Ints,
    vectors: Ints,
    coefficients: Ints,
    first_col: int,
    projections: Ints,
    sums: Ints,
) -> None:
    """Compiled twin of `multiply_basis_reference`."""
    number = sums.dtype.type
    rows = len(wordlines)
    window, inputs = windows[slot], np.empty(rows, windows.dtype)
    for row in range(rows):
        inputs[row] = window[wordlines[row]]
    for vector in range(len(basis)):
        cells = basis[vector][:rows]
        total = number(0)
        for row in range(len(cells)):
            total = number(total + np.int32(np.int32(inputs[row]) * np.int32(cells[row])))
        projections[vector] = total
    out = sums[slot, first_col : first_col + len(kernels) - 1]
    for kernel in range(len(kernels) - 1):
        total = number(0)
        for i in range(kernels[kernel], kernels[kernel + 1]):
            total = number(total + number(coefficients[i]) * projections[vectors[i]])
        out[kernel] += total
