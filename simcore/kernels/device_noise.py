"""From analog column sums to codes: read noise, then the converter's gain, droop, offset and nonlinearity.

Sums are integers, noise comes from the counter-based stream and what follows is float32 in a fixed order,
each operation rounded once: the outcome is the same whatever the batching, the threads and the machine, and
the compiled kernels equal their twins in every bit.

`quantize_columns` calls `simcore.kernels.noise_stream`: see there when editing that.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.kernels.compiling import compiled
from simcore.kernels.noise_stream import word_at
from simcore.noise import NORMAL_FRACTION_BITS, normal_fixed_reference, normal_table

Ints = NDArray[Any]
Floats = NDArray[np.float32]

NORMAL_UNIT = np.float32(2.0**-NORMAL_FRACTION_BITS)
#: `squares` of a readout whose single cells have no noise, and `inl` of a linear converter.
NO_SQUARES = np.zeros((0, 0), np.int64)
NO_INL = np.zeros(0, np.float32)


def square_sums_reference(inputs: Ints, squared: NDArray[np.int64], sums: NDArray[np.int64]) -> None:
    """Add up input^2 * conductance^2 along each bitline: the variance of noise that each cell has of its own.

    inputs : (n, rows) integers
    squared : (rows, columns) int64, squares of conductances
    sums : (n, columns) int64, written
    """
    sums[:] = inputs.astype(np.int64) ** 2 @ squared


@compiled
def square_sums(inputs: Ints, squared: NDArray[np.int64], sums: NDArray[np.int64]) -> None:
    """Compiled twin of `square_sums_reference`; skips inputs of zero."""
    sums[:] = 0
    for i in range(len(inputs)):
        out = sums[i]
        for row in range(len(squared)):
            x = np.int64(inputs[i, row])
            if x != 0:
                cells = squared[row]
                for column in range(len(cells)):
                    out[column] += x * x * cells[column]


def quantize_columns_reference(
    sums: Ints,
    squares: NDArray[np.int64],
    keys: NDArray[np.uint64],
    noise: Floats,
    curves: Floats,
    inl: Floats,
    low: int,
    high: int,
    codes: NDArray[np.int32],
) -> None:
    """Read sums out as codes: v + noise -> v * (gain - droop * v) + offset -> round -> clip.

    sums : (n, columns) int32 or int64 [any fixed-point unit]
    squares : (n, columns) from `square_sums` [unit^2], or NO_SQUARES where noise[1] is 0
    keys : (n,) uint64, one a token and phase; column c takes the normal number at counter c
    noise : (2,) standard deviation of a column [unit], and of a cell over its conductance
    curves : (3, columns) gain [LSB / unit], droop [LSB / unit^2] and offset [LSB]
    inl : (high - low + 1,) integral nonlinearity at each code [LSB], added to what is read as that code
        before it is rounded; or NO_INL
    low, high : range of the codes, less than 2^23 in size
    codes : (n, columns) int32, written
    """
    v = sums.astype(np.float32)
    column, cell = noise
    if column != 0 or cell != 0:
        z = normal_fixed_reference(keys[:, None], np.arange(sums.shape[1])).astype(np.float32) * NORMAL_UNIT
        spread = np.sqrt(column * column + cell * cell * squares.astype(np.float32)) if cell != 0 else column
        v = v + spread * z
    gain, droop, offset = curves
    y = v * (gain - droop * v) + offset
    first, last = np.float32(low), np.float32(high)
    code = np.clip(np.rint(y), first, last)
    if len(inl):
        code = np.clip(np.rint(y + inl[code.astype(np.int64) - low]), first, last)
    codes[:] = code


def quantize_columns(
    sums: Ints,
    squares: NDArray[np.int64],
    keys: NDArray[np.uint64],
    noise: Floats,
    curves: Floats,
    inl: Floats,
    low: int,
    high: int,
    codes: NDArray[np.int32],
) -> None:
    """Compiled twin of `quantize_columns_reference`."""
    _quantize_columns(sums, squares, keys, noise, curves, inl, low, high, codes, _normals())


@functools.cache
def _normals() -> Floats:
    """Return the table of normal numbers [standard deviation]; as float32 they are exact."""
    return normal_table().astype(np.float32) * NORMAL_UNIT


@compiled
def _quantize_columns(
    sums: Ints,
    squares: NDArray[np.int64],
    keys: NDArray[np.uint64],
    noise: Floats,
    curves: Floats,
    inl: Floats,
    low: int,
    high: int,
    codes: NDArray[np.int32],
    table: Floats,
) -> None:
    columns = sums.shape[1]
    column, cell = noise[0], noise[1]
    gain, droop, offset = curves[0], curves[1], curves[2]
    first, last = np.float32(low), np.float32(high)
    z = np.zeros(columns, np.float32)
    words = np.empty((columns + 3) >> 2, np.uint64)
    lanes = words.view(np.uint16)  # the lowest lane first: numba compiles for little-endian machines only
    for i in range(len(sums)):
        if column != 0 or cell != 0:
            key = keys[i]
            for j in range(len(words)):
                words[j] = word_at(key, np.uint64(j))
            for c in range(columns):
                z[c] = table[lanes[c]]
            if cell != 0:
                for c in range(columns):
                    z[c] *= np.sqrt(column * column + cell * cell * np.float32(squares[i, c]))
            else:
                for c in range(columns):
                    z[c] *= column
        row, out = sums[i], codes[i]
        if len(inl):
            for c in range(columns):
                v = np.float32(row[c]) + z[c]
                y = v * (gain[c] - droop[c] * v) + offset[c]
                code = min(max(np.rint(y), first), last)
                out[c] = np.int32(min(max(np.rint(y + inl[np.int64(code) - low]), first), last))
        else:
            for c in range(columns):
                v = np.float32(row[c]) + z[c]
                y = v * (gain[c] - droop[c] * v) + offset[c]
                out[c] = np.int32(min(max(np.rint(y), first), last))
