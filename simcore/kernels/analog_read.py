"""Reading arrays of real cells: sums of input x conductance as converters sense them, and their products.

Conductances are integers in fixed point, and sums of their bit planes are counts of ones, as in
`simcore.kernels.bit_serial`; so all that is not noise is exact. A block is neighbouring bitlines of one array
with rows that are on at once; each of its reads, one a phase of the inputs, has random numbers of its own.

The kernels call those of `bit_serial`, `device_noise` and `noise_stream`: delete their cached code after
editing these.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.kernels.bit_serial import WORD, add_part, pack_window, pack_window_reference, popcount
from simcore.kernels.compiling import compiled, threaded
from simcore.kernels.device_noise import (
    HALF,
    add_squares,
    normal_numbers,
    sense_columns_reference,
    sense_row,
    square_sums_reference,
)
from simcore.kernels.noise_stream import word_at
from simcore.noise import derive

Ints = NDArray[Any]
Words = NDArray[np.uint64]
Floats = NDArray[np.float32]
Reals = NDArray[np.float64]

#: Columns of a table of blocks.
FIRST_WORD, WORDS, FIRST_PLANE, PLANES, SHIFT, BASE, FIRST_BITLINE, BITLINES = range(8)
ARRAY, FIRST_IN_ARRAY, TURN, ROWS, FIRST_CELL = range(8, 13)
BLOCK_COLUMNS = 13

#: `squared` of cells without noise of their own.
NO_CELLS = np.zeros(0, np.float32)


def read_blocks_reference(
    windows: Ints,
    slot: int,
    wordlines: Ints,
    zero: int,
    split: bool,
    phases: Ints,
    planes: Words,
    squared: Floats,
    blocks: Ints,
    noise: Floats,
    curves: Floats,
    keys: Words,
    image: int,
    pixel: int,
    sensed: Floats,
) -> None:
    """Read all bitlines in all phases of one window.

    windows, slot, wordlines, zero, split, phases : as `multiply_bit_planes_reference` takes them
    planes : uint64, for each block (planes, words, bitlines), lowest bit first
    squared : (cells,) float32, for each block (rows, bitlines) squares of conductances; NO_CELLS if unused
    blocks : (blocks, 13) int64: first word of its wordlines and words; where its planes begin and how many;
        the conductance that a one in the lowest plane is worth, as a power of two, and what all cells have
        besides; its first bitline and how many; its array, the number of its first bitline there, a multiple
        of 4; its turn among groups of rows; its rows, where its squares begin
    noise : (blocks, 2) float32, as `sense_columns` takes it
    curves : (3, bitlines) float32, the same
    keys : (arrays,) uint64 of their reads
    image, pixel : that the window belongs to
    sensed : (phases, bitlines) float32 [LSB], written
    """
    inputs = np.empty(((phases[:, 0] + phases[:, 1]).max(), len(wordlines) // WORD), np.uint64)
    pack_window_reference(windows, slot, wordlines, zero, split, inputs)
    places = np.arange(WORD, dtype=np.uint64)
    for block, levels in zip(blocks, noise, strict=True):
        word, words, plane, count, shift, base, bitline, n, array, first, turn, rows, cell = block.tolist()
        cells = planes[plane : plane + count * words * n].reshape(count, words, n)
        end = bitline + n
        for phase, (bit, bits, _) in enumerate(phases):
            on = inputs[bit : bit + bits, word : word + words]
            ones = np.bitwise_count(on[:, None, :, None] & cells).sum(axis=2, dtype=np.int64)
            worth = np.outer(2 ** np.arange(bits), 2 ** (np.arange(count) + shift))
            driven = int(np.bitwise_count(on).sum(axis=1, dtype=np.int64) @ 2 ** np.arange(bits))
            sums = np.tensordot(worth, ones) + base * driven
            squares = np.zeros((1, n))
            if levels[1] != 0:
                numbers = ((on[:, :, None] >> places) & np.uint64(1)).reshape(bits, -1).astype(np.int64)
                carried = 2 ** np.arange(bits) @ numbers[:, :rows]
                square_sums_reference(
                    carried[None], squared[cell : cell + rows * n].reshape(rows, n), squares
                )
            key = derive(keys[array], image, pixel, turn * len(phases) + phase)
            sense_columns_reference(
                sums[None],
                squares,
                key[None],
                levels,
                curves[:, bitline:end],
                sensed[phase : phase + 1, bitline:end],
                first,
            )


def read_blocks(
    windows: Ints,
    slot: int,
    wordlines: Ints,
    zero: int,
    split: bool,
    phases: Ints,
    planes: Words,
    squared: Floats,
    blocks: Ints,
    noise: Floats,
    curves: Floats,
    keys: Words,
    image: int,
    pixel: int,
    sensed: Floats,
) -> None:
    """Compiled twin of `read_blocks_reference`."""
    _read_blocks(
        windows,
        slot,
        wordlines,
        zero,
        split,
        phases,
        planes,
        squared,
        blocks,
        noise,
        curves,
        keys,
        image,
        pixel,
        sensed,
        normal_numbers(),
    )


@threaded
def _read_blocks(
    windows: Ints,
    slot: int,
    wordlines: Ints,
    zero: int,
    split: bool,
    phases: Ints,
    planes: Words,
    squared: Floats,
    blocks: Ints,
    noise: Floats,
    curves: Floats,
    keys: Words,
    image: int,
    pixel: int,
    sensed: Floats,
    table: Floats,
) -> None:
    inputs = np.empty(((phases[:, 0] + phases[:, 1]).max(), len(wordlines) // WORD), np.uint64)
    pack_window(windows, slot, wordlines, zero, split, inputs)
    room = blocks[:, BITLINES].max()
    sums, squares = np.empty(room, np.int64), np.zeros(room, np.float64)
    z, words_of_four = np.zeros(room, np.float32), np.empty((room + 3) >> 2, np.uint64)
    for i in range(len(blocks)):
        block = blocks[i]
        words, count, n, rows = block[WORDS], block[PLANES], block[BITLINES], block[ROWS]
        cells = planes[block[FIRST_PLANE] : block[FIRST_PLANE] + count * words * n]
        column, cell = noise[i, 0], noise[i, 1]
        # a row, then a part of it: a part of two rows at once would not vectorise
        bitline, end = block[FIRST_BITLINE], block[FIRST_BITLINE] + n
        step, droop, offset = curves[0][bitline:end], curves[1][bitline:end], curves[2][bitline:end]
        key = word_at(word_at(keys[block[ARRAY]], np.uint64(image)), np.uint64(pixel))
        for phase in range(len(phases)):
            bit, bits = phases[phase, 0], phases[phase, 1]
            on = inputs[bit : bit + bits, block[FIRST_WORD] : block[FIRST_WORD] + words]
            driven = 0
            for place in range(bits):
                for word in range(words):
                    driven += popcount(on[place, word]) << place
            sums[:n] = block[BASE] * driven
            for place in range(bits):
                for plane in range(0, count, 2):
                    for word in range(0, words, 4):
                        add_part(on[place], cells, n, count, plane, word, place + plane + block[SHIFT], sums)
            if cell != 0:
                squares[:n] = 0
                for row in range(rows):
                    carried = np.int64(0)
                    for place in range(bits):
                        one = (on[place, row // WORD] >> np.uint64(row % WORD)) & np.uint64(1)
                        carried += np.int64(one) << place
                    first = block[FIRST_CELL] + row * n
                    add_squares(np.float64(carried), squared[first : first + n], squares)
            sense_row(
                sums[:n],
                squares,
                word_at(key, np.uint64(block[TURN] * len(phases) + phase)),
                block[FIRST_IN_ARRAY] >> 2,
                column,
                cell,
                step,
                droop,
                offset,
                sensed[phase][bitline:end],
                z,
                words_of_four,
                table,
            )


def recombine_codes_reference(
    sensed: Floats,
    low: int,
    high: int,
    factors: Ints,
    terms: Ints,
    weights: Reals,
    start: Ints,
    sums: Ints,
    slot: int,
) -> int:
    """Round what converters sensed to codes, and make products of them; return how many were out of range.

    sensed : (phases, bitlines) float32 [LSB]; a code is floor(sensed + 1/2)
    low, high : smallest and largest code
    factors : (phases,) int64, what the codes of a phase count
    terms : (2, terms) int64, bitline and column of `sums`
    weights : (terms,) float64, what a bitline's codes count in that column
    start : (columns,) int64 that sums begin with
    sums : (slots, columns) int32 or int64; row `slot` is written, each sum rounded once, halves to even
    """
    codes = np.floor(sensed + HALF)
    kept = np.clip(codes, np.float32(low), np.float32(high))
    total = factors.astype(np.float64) @ kept.astype(np.float64)
    products = np.zeros(sums.shape[1])
    bitline, column = terms
    np.add.at(products, column, total[bitline] * weights)
    sums[slot] = start + np.rint(products).astype(np.int64)
    return int(np.count_nonzero(codes != kept))


@threaded
def recombine_codes(
    sensed: Floats,
    low: int,
    high: int,
    factors: Ints,
    terms: Ints,
    weights: Reals,
    start: Ints,
    sums: Ints,
    slot: int,
) -> int:
    """Compiled twin of `recombine_codes_reference`."""
    first, last = np.float32(low), np.float32(high)
    total, products = np.zeros(sensed.shape[1]), np.zeros(sums.shape[1])
    clipped = 0
    for phase in range(len(sensed)):
        clipped += _add_codes(sensed[phase], first, last, np.float64(factors[phase]), total)
    bitline, column = terms[0], terms[1]
    for i in range(len(weights)):
        products[column[i]] += total[bitline[i]] * weights[i]
    for c in range(len(products)):
        sums[slot, c] = start[c] + np.int64(np.rint(products[c]))
    return clipped


@compiled
def _add_codes(sensed: Floats, low: np.float32, high: np.float32, factor: float, total: Reals) -> int:
    """Add the codes of one phase to the totals of their bitlines; return how many were out of range."""
    clipped = 0
    for c in range(len(sensed)):
        code = np.floor(sensed[c] + HALF)
        kept = min(max(code, low), high)
        clipped += kept != code
        total[c] += factor * np.float64(kept)
    return clipped
