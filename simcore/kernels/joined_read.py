"""Reading bitlines that switches join in front of converters: what each converter senses of their charge.

All groups of bitlines meet the same inputs. In one read a bitline gives each group that it is in the same
charge, but noise of its own: groups take turns. Charges are integers in fixed point, exact in double
precision, unless idle rows are cut off; `simcore.kernels.analog_read` reads every bitline by itself.

The kernel calls those of `device_noise` and `noise_stream`: delete its cached code after editing these.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.kernels.compiling import compiled, threaded
from simcore.kernels.device_noise import (
    add_squares,
    normal_numbers,
    sense_columns_reference,
    sense_row,
    square_sums_reference,
)
from simcore.kernels.noise_stream import word_at
from simcore.noise import derive

Ints = NDArray[Any]
Floats = NDArray[np.float32]
Reals = NDArray[np.float64]

#: Columns of a table of reads, and of one of their noise.
FIRST_ROW, END_ROW, FIRST_BIT, BITS = range(4)
BITLINE, CELL, CONVERSION = range(3)

#: Reads that `largest_joined` adds up at a time; at a power of two bitlines would share lines of the cache.
AT_ONCE = 500


def read_joined_reference(
    numbers: Ints,
    reads: Ints,
    droops: Reals,
    cells: Ints,
    squared: Floats,
    groups: Ints,
    members: Ints,
    noise: Reals,
    key: np.uint64,
    token: tuple[int, int, int],
    converters: Ints,
    curves: Floats,
    sensed: Floats,
) -> None:
    """Sense all groups in all reads of one vector of inputs.

    numbers : (rows,) int64, whose bits wordlines carry, the lowest first
    reads : (reads, 4) int64: first row that is on and the one behind the last; first bit, and bits at once
    droops : (reads,) what a charge v loses along its bitline: v becomes v / (1 + droop * v) [1 / unit]
    cells : (rows, bitlines) int32 [unit], conductances
    squared : (rows, bitlines) float32 [unit^2], of all devices of a cell; any if they have no noise
    groups : (groups + 1,) int32, where the members of each begin; none is empty
    members : (n,) int32, bitlines that are joined
    noise : (reads, 3) standard deviation of a bitline's charge [unit], of a cell over its conductance, and of
        what a converter adds [unit]; each is 0 in all reads or in none
    key, token : of all reads of the array, and of these ones: read i has the key derive(key, *token, i)
    converters : (groups,) int32, column of `curves` that belongs to the converter of each group
    curves : (3, converters) float32, as `sense_columns` takes them; no droop
    sensed : (reads, groups) float32 [LSB], written
    """
    group = np.repeat(np.arange(len(groups) - 1), np.diff(groups))
    for i, ((first, end, bit, bits), droop) in enumerate(zip(reads, droops, strict=True)):
        bitline, cell, conversion = noise[i].tolist()
        carried = (numbers[first:end] >> bit) & (2**bits - 1)
        charges = (carried @ cells[first:end].astype(np.int64)).astype(np.float64)
        if droop != 0:
            charges = charges / (1.0 + droop * np.maximum(charges, 0.0))
        squares = np.zeros((1, cells.shape[1]))
        if cell != 0:
            square_sums_reference(carried[None], squared[first:end], squares)
        sums, variances = np.zeros((2, 1, len(groups) - 1))
        np.add.at(sums[0], group, charges[members])
        own = bitline * bitline + cell * cell * squares[0]
        np.add.at(variances[0], group, own[members])
        keys = np.atleast_1d(derive(key, *token, i))
        levels = np.array([conversion, float(bitline != 0 or cell != 0)], np.float32)
        sense_columns_reference(sums, variances, keys, levels, curves[:, converters], sensed[i : i + 1])


def read_joined(
    numbers: Ints,
    reads: Ints,
    droops: Reals,
    cells: Ints,
    squared: Floats,
    groups: Ints,
    members: Ints,
    noise: Reals,
    key: np.uint64,
    token: tuple[int, int, int],
    converters: Ints,
    curves: Floats,
    sensed: Floats,
) -> None:
    """Compiled twin of `read_joined_reference`."""
    operands = (cells, squared, groups, members, noise, np.uint64(key), token, converters, curves, sensed)
    _read_joined(numbers, reads, droops, *operands, normal_numbers())


@threaded
def _read_joined(
    numbers: Ints,
    reads: Ints,
    droops: Reals,
    cells: Ints,
    squared: Floats,
    groups: Ints,
    members: Ints,
    noise: Reals,
    key: np.uint64,
    token: tuple[int, int, int],
    converters: Ints,
    curves: Floats,
    sensed: Floats,
    table: Floats,
) -> None:
    key = word_at(word_at(word_at(key, np.uint64(token[0])), np.uint64(token[1])), np.uint64(token[2]))
    of_reads, bitlines, count = len(reads), cells.shape[1], len(groups) - 1
    charges, squares = np.zeros((of_reads, bitlines)), np.zeros((of_reads, bitlines))
    for i in range(of_reads):
        bit, mask, droop = reads[i, FIRST_BIT], (1 << reads[i, BITS]) - 1, droops[i]
        charge = charges[i]
        for row in range(reads[i, FIRST_ROW], reads[i, END_ROW]):
            carried = np.float64((numbers[row] >> bit) & mask)
            if carried != 0:
                conductances = cells[row]
                for b in range(bitlines):
                    charge[b] += carried * conductances[b]
                if noise[i, CELL] != 0:
                    add_squares(carried, squared[row], squares[i])
        if droop != 0:
            for b in range(bitlines):
                charge[b] /= 1.0 + droop * max(charge[b], 0.0)
        own, cell = noise[i, BITLINE] * noise[i, BITLINE], noise[i, CELL] * noise[i, CELL]
        for b in range(bitlines):
            squares[i, b] = own + cell * squares[i, b]
    sums, variances = np.empty((of_reads, count)), np.empty((of_reads, count))
    _join(charges, groups, members, sums)
    if noise[:, :CONVERSION].any():
        _join(squares, groups, members, variances)
    step, offset, droopless = (
        np.empty(count, np.float32),
        np.empty(count, np.float32),
        np.zeros(count, np.float32),
    )
    for group in range(count):
        step[group], offset[group] = curves[0, converters[group]], curves[2, converters[group]]
    z, words = np.zeros(count, np.float32), np.empty((count + 3) >> 2, np.uint64)
    for i in range(of_reads):
        sense_row(
            sums[i],
            variances[i],
            word_at(key, np.uint64(i)),
            0,
            np.float32(noise[i, CONVERSION]),
            np.float32(noise[i, BITLINE] != 0 or noise[i, CELL] != 0),
            step,
            droopless,
            offset,
            sensed[i],
            z,
            words,
            table,
        )


@compiled
def _join(bitlines: Reals, groups: Ints, members: Ints, sums: Reals) -> None:
    """Add up what the members of each group have in every read: all reads of a bitline lie together."""
    reads = len(bitlines)
    by_bitline, total = bitlines.T.copy(), np.empty(reads)
    for group in range(len(groups) - 1):
        total[:] = 0
        for member in range(groups[group], groups[group + 1]):
            own = by_bitline[members[member]]
            for i in range(reads):
                total[i] += own[i]
        for i in range(reads):
            sums[i, group] = total[i]


def largest_joined_reference(charges: Reals, groups: Ints, members: Ints) -> float:
    """Return the largest size of a sum of joined bitlines.

    charges : (bitlines, n) float64, of n reads
    groups, members : as `read_joined` takes them
    """
    sums = np.zeros((len(groups) - 1, charges.shape[1]))
    np.add.at(sums, np.repeat(np.arange(len(sums)), np.diff(groups)), charges[members])
    return float(np.abs(sums).max(initial=0))


@compiled
def largest_joined(charges: Reals, groups: Ints, members: Ints) -> float:
    """Compiled twin of `largest_joined_reference`: some reads at a time, which a first-level cache keeps."""
    total, most = np.empty(AT_ONCE), np.zeros(AT_ONCE)
    for first in range(0, charges.shape[1], AT_ONCE):
        some = charges[:, first : first + AT_ONCE].copy()
        reads = some.shape[1]
        for group in range(len(groups) - 1):
            total[:] = 0
            for member in range(groups[group], groups[group + 1]):
                own = some[members[member]]
                for i in range(reads):
                    total[i] += own[i]
            for i in range(reads):
                most[i] = max(most[i], abs(total[i]))
    return float(most.max())
