"""What converters sense of analog column sums: read noise, droop, step, offset and nonlinearity.

Sums are integers, noise comes from the counter-based stream and what follows is float32 in a fixed order,
each operation rounded once: the outcome is the same whatever the batching, the threads and the machine, and
the compiled kernels equal their twins in every bit. A code is floor(sensed + 1/2), kept in range.

`sense_row` calls `simcore.kernels.noise_stream`, and `simcore.kernels.analog_read` calls `sense_row`: delete
the cached code of both after editing what they call.
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
Reals = NDArray[np.float64]

NORMAL_UNIT = np.float32(2.0**-NORMAL_FRACTION_BITS)
HALF = np.float32(0.5)
#: `squares` of a readout whose single cells have no noise.
NO_SQUARES = np.zeros((0, 0), np.float64)


def square_sums_reference(inputs: Ints, squared: Floats, sums: Reals) -> None:
    """Add up input^2 * conductance^2 along each bitline: the variance of noise that each cell has of its own.

    inputs : (n, rows) integers of 16 bits at most
    squared : (rows, columns) float32, squares of conductances
    sums : (n, columns) float64, written; added up row by row
    """
    sums[:] = 0
    for row, cells in enumerate(squared):
        sums += inputs[:, row, None].astype(np.float64) ** 2 * cells


@compiled
def square_sums(inputs: Ints, squared: Floats, sums: Reals) -> None:
    """Compiled twin of `square_sums_reference`; skips inputs of zero."""
    sums[:] = 0
    for i in range(len(inputs)):
        for row in range(len(squared)):
            add_squares(np.float64(inputs[i, row]), squared[row], sums[i])


@compiled
def add_squares(x: float, squared: Floats, sums: Reals) -> None:
    """Add one row's x^2 * conductance^2 to the sums of its bitlines."""
    if x != 0:
        for column in range(len(squared)):
            sums[column] += x * x * squared[column]


def sense_columns_reference(
    sums: Ints,
    squares: Reals,
    keys: NDArray[np.uint64],
    noise: Floats,
    curves: Floats,
    sensed: Floats,
    first: int = 0,
) -> None:
    """Turn sums into what a converter rounds: v + noise -> v / (step + droop * max(v, 0)) + offset.

    sums : (n, columns) int64 [any fixed-point unit]
    squares : (n, columns) from `square_sums` [unit^2], or NO_SQUARES where noise[1] is 0
    keys : (n,) uint64, one a token and read; column c takes the normal number at counter first + c
    noise : (2,) standard deviation of a column [unit], and of a cell over its conductance
    curves : (3, columns) step [unit / LSB], droop [1 / LSB] and offset [LSB]
    sensed : (n, columns) float32 [LSB], written
    """
    v = sums.astype(np.float32)
    column, cell = noise
    if column != 0 or cell != 0:
        places = first + np.arange(sums.shape[1])
        z = normal_fixed_reference(keys[:, None], places).astype(np.float32) * NORMAL_UNIT
        spread = np.sqrt(column * column + cell * cell * squares.astype(np.float32)) if cell != 0 else column
        v = v + spread * z
    step, droop, offset = curves
    sensed[:] = v / (step + droop * np.maximum(v, np.float32(0))) + offset


def sense_columns(
    sums: Ints, squares: Reals, keys: NDArray[np.uint64], noise: Floats, curves: Floats, sensed: Floats
) -> None:
    """Compiled twin of `sense_columns_reference` for bitlines from the first of an array on."""
    _sense_columns(sums, squares, keys, noise, curves, sensed, normal_numbers())


@functools.cache
def normal_numbers() -> Floats:
    """Return the table of normal numbers [standard deviation]; as float32 they are exact."""
    return normal_table().astype(np.float32) * NORMAL_UNIT


@compiled
def _sense_columns(
    sums: Ints,
    squares: Reals,
    keys: NDArray[np.uint64],
    noise: Floats,
    curves: Floats,
    sensed: Floats,
    table: Floats,
) -> None:
    columns = sums.shape[1]
    none = np.zeros(0, np.float64)
    z, words = np.zeros(columns, np.float32), np.empty((columns + 3) >> 2, np.uint64)
    for i in range(len(sums)):
        row_squares = squares[i] if noise[1] != 0 else none
        sense_row(
            sums[i],
            row_squares,
            keys[i],
            0,
            noise[0],
            noise[1],
            curves[0],
            curves[1],
            curves[2],
            sensed[i],
            z,
            words,
            table,
        )


@compiled
def sense_row(
    sums: Ints,
    squares: Reals,
    key: np.uint64,
    first_word: int,
    column: np.float32,
    cell: np.float32,
    step: Floats,
    droop: Floats,
    offset: Floats,
    sensed: Floats,
    z: Floats,
    words: NDArray[np.uint64],
    table: Floats,
) -> None:
    """Sense one read of neighbouring bitlines; see `sense_columns_reference`.

    first_word : a quarter of the counter of the first of them, for four share a word of the stream
    z, words : room for a number a bitline and a word for four; z holds zeros where there is no noise
    table : `normal_numbers()`
    """
    n = len(sums)
    if column != 0 or cell != 0:
        for j in range((n + 3) >> 2):
            words[j] = word_at(key, np.uint64(first_word + j))
        lanes = words.view(np.uint16)  # the lowest lane first: numba compiles for little-endian machines only
        for c in range(n):
            z[c] = table[lanes[c]]
        if cell != 0:
            for c in range(n):
                z[c] *= np.sqrt(column * column + cell * cell * np.float32(squares[c]))
        else:
            for c in range(n):
                z[c] *= column
    for c in range(n):
        v = np.float32(sums[c]) + z[c]
        sensed[c] = v / (step[c] + droop[c] * max(v, np.float32(0))) + offset[c]


def add_nonlinearity_reference(sensed: Floats, inl: Floats, low: int) -> None:
    """Add the integral nonlinearity of a converter, which stands in its table by code.

    sensed : (n, columns) float32 [LSB], changed
    inl : (codes,) float32 [LSB], of the code that a sum would be read as
    low : smallest code
    """
    codes = np.clip(np.floor(sensed + HALF) - np.float32(low), 0, len(inl) - 1)
    sensed += inl[codes.astype(np.int64)]


@compiled
def add_nonlinearity(sensed: Floats, inl: Floats, low: int) -> None:
    """Compiled twin of `add_nonlinearity_reference`."""
    first, last = np.float32(low), np.float32(len(inl) - 1)
    for row in sensed:
        for c in range(len(row)):
            code = np.floor(row[c] + HALF) - first
            row[c] += inl[np.int64(min(max(code, np.float32(0)), last))]
