"""What converters make of analog sums, by counting ones: 64 wordlines are a word, a product is AND and count.

Rows that are on at once and the bitlines that cross them are a block; each block is converted on its own. Of
each phase of a window, every bitline has the sum of input x cell level, exact, and its converter turns it
into a code, half up: code x LSB is what the digital side works with. Converted sums are added over phases,
and over bitlines with a coefficient each.

Sums and steps stay far below 2**50, where float64 holds integers and (n + 1/2) x (1 / LSB) lies on the right
side of every whole number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import config, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from simcore.kernels.compiling import compiled, threaded

Ints = NDArray[Any]
Words = NDArray[np.uint64]
Floats = NDArray[np.float64]

#: Wordlines in a word.
WORD = 64

#: Columns of a table of blocks.
FIRST_WORD, WORDS, FIRST_PLANE, FIRST_BITLINE, BITLINES, FIRST_SHARE, SHARES, WHOLE = range(8)

#: Rows of a table of bitlines, and of a table of shares in the unit bitline.
COLUMN, COEFFICIENT = range(2)

#: Rows of a table of converters.
LSB, INVERSE_LSB = range(2)


def _popcount(typing_context: Any, word: Any) -> Any:
    """Tell numba of LLVM's instruction, which it vectorises; numba has none of its own."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


def _popcount_uncompiled(word: np.uint64) -> int:
    return int(word).bit_count()


_settings: Any = config
popcount: Any = _popcount_uncompiled if _settings.DISABLE_JIT else intrinsic(_popcount)


def pack_levels_reference(levels: Ints, base: int, planes: Words) -> None:
    """Pack cells into bit planes.

    levels : (rows, bitlines) of any integers from -base on
    base : added to each level
    planes : (bits of a level, words, bitlines) uint64; bit r of a word is a bit of the cell on its wordline r
    """
    bits, words, bitlines = planes.shape
    raised = np.zeros((words * WORD, bitlines), np.uint64)
    raised[: len(levels)] = (levels.astype(np.int64) + base).astype(np.uint64)
    place = np.arange(WORD, dtype=np.uint64)[:, None]
    for bit in range(bits):
        ones = (raised >> np.uint64(bit)) & np.uint64(1)
        planes[bit] = np.bitwise_or.reduce(ones.reshape(words, WORD, bitlines) << place, axis=1)


@compiled
def pack_levels(levels: Ints, base: int, planes: Words) -> None:
    """Compiled twin of `pack_levels_reference`."""
    planes[:] = 0
    for row in range(len(levels)):
        word, place = row // WORD, np.uint64(row % WORD)
        for bit in range(len(planes)):
            out = planes[bit, word]
            for bitline in range(len(out)):
                one = ((np.int64(levels[row, bitline]) + base) >> bit) & 1
                out[bitline] |= np.uint64(one) << place


def pack_window_reference(
    windows: Ints, slot: int, wordlines: Ints, zero: int, split: bool, inputs: Words
) -> None:
    """Pack the inputs of one window into bit planes.

    windows : (slots, elements) of any integers
    wordlines : (words x 64,) the window's element on each wordline, -1 for none
    zero : added to every element in use
    split : planes are those of the positive part, then as many of the negative one; else of two's complement
    inputs : (bits, words) uint64, lowest bit first
    """
    on = np.where(wordlines >= 0, windows[slot, wordlines].astype(np.int64) + zero, 0)
    parts = [np.maximum(on, 0), np.maximum(-on, 0)] if split else [on]
    bits = np.concatenate([[(part >> bit) & 1 for bit in range(len(inputs) // len(parts))] for part in parts])
    places = np.arange(WORD, dtype=np.uint64)
    inputs[:] = np.bitwise_or.reduce(bits.astype(np.uint64).reshape(*inputs.shape, WORD) << places, axis=2)


@compiled
def pack_window(windows: Ints, slot: int, wordlines: Ints, zero: int, split: bool, inputs: Words) -> None:
    """Compiled twin of `pack_window_reference`."""
    planes, words = inputs.shape
    bits = planes // 2 if split else planes
    on = np.empty(WORD, np.int64)
    for word in range(words):
        for row in range(WORD):
            element = wordlines[word * WORD + row]
            on[row] = np.int64(windows[slot, element]) + zero if element >= 0 else 0
        for plane in range(planes):
            sign = -1 if plane >= bits else 1
            bit = np.uint64(plane % bits)
            packed = np.uint64(0)
            for row in range(WORD):
                number = max(sign * on[row], 0) if split else on[row]
                packed |= ((np.uint64(number) >> bit) & np.uint64(1)) << np.uint64(row)
            inputs[plane, word] = packed


def multiply_bit_planes_reference(
    windows: Ints,
    first: int,
    count: int,
    sums: Ints,
    wordlines: Ints,
    zero: int,
    split: bool,
    phases: Ints,
    planes: Words,
    cell_bits: int,
    base: int,
    blocks: Ints,
    bitlines: Ints,
    shares: Ints,
    converters: Floats,
    low: int,
    high: int,
    start: Ints,
) -> int:
    """Multiply windows by cells through converters; return how many conversions clipped.

    windows : (slots, elements) of any integers, of which `count` from slot `first` on are meant
    sums : (slots, columns) int32 or int64, the rows of those windows are written
    wordlines, zero, split : as `pack_window` takes them; each block has words of its own
    phases : (phases, 3) int64: first bit of the inputs, bits that a DAC drives at once, factor of their sums
    planes : uint64, for each block (cell_bits, words, bitlines) as `pack_levels` gives them for `base`
    blocks : (blocks, 8) int64: first word and words, where its planes begin, its first bitline and how many,
        the first share and how many, whether every LSB is 1; with shares, the last bitline is a unit bitline
    bitlines : (2, bitlines) int64: column of `sums` that each belongs to, and its coefficient
    shares : (2, shares) int64: column that gets a share of the unit bitline's sum, and its coefficient
    converters : (2, bitlines) float64: LSB, a whole number, and 1 / LSB
    low, high : smallest and largest code
    start : (columns,) int64 that sums begin with; or empty: then they hold the exact product already, and
        what conversion changes is added

    Source: bit-serial inputs, shift and add, unit column of ISAAC (Shafiee et al., ISCA 2016).
    """
    clipped = 0
    inputs = np.empty(((phases[:, 0] + phases[:, 1]).max(), len(wordlines) // WORD), np.uint64)
    for slot in range(first, first + count):
        pack_window_reference(windows, slot, wordlines, zero, split, inputs)
        if start.size:
            sums[slot] = start
        for word, words, plane, bitline, n, share, some, _ in blocks:
            cells = planes[plane : plane + cell_bits * words * n].reshape(cell_bits, 1, words, n)
            lsb = converters[LSB, bitline : bitline + n].astype(np.int64)
            total = np.zeros(n, np.int64)
            for bit, bits, factor in phases:
                on = inputs[bit : bit + bits, word : word + words]
                ones = np.bitwise_count(on[:, :, None] & cells).sum(axis=2, dtype=np.int64)
                analog = np.tensordot(np.outer(2 ** np.arange(cell_bits), 2 ** np.arange(bits)), ones)
                analog -= base * int(np.bitwise_count(on).sum(axis=1, dtype=np.int64) @ 2 ** np.arange(bits))
                codes = (analog + lsb // 2) // lsb
                clipped += int(((codes < low) | (codes > high)).sum())
                total += factor * (np.clip(codes, low, high) * lsb - (0 if start.size else analog))
            column, coefficient = bitlines[:, bitline : bitline + n]
            np.add.at(sums[slot], column, total * coefficient)
            column, coefficient = shares[:, share : share + some]
            np.add.at(sums[slot], column, total[-1] * coefficient)
    return clipped


@threaded
def multiply_bit_planes(
    windows: Ints,
    first: int,
    count: int,
    sums: Ints,
    wordlines: Ints,
    zero: int,
    split: bool,
    phases: Ints,
    planes: Words,
    cell_bits: int,
    base: int,
    blocks: Ints,
    bitlines: Ints,
    shares: Ints,
    converters: Floats,
    low: int,
    high: int,
    start: Ints,
) -> int:
    """Compiled twin of `multiply_bit_planes_reference`; a block stays in the cache for all windows."""
    inputs = np.empty((count, (phases[:, 0] + phases[:, 1]).max(), len(wordlines) // WORD), np.uint64)
    for i in range(count):
        pack_window(windows, first + i, wordlines, zero, split, inputs[i])
        if start.size:
            sums[first + i, :] = start
    room = blocks[:, BITLINES].max()
    analog, total = np.empty(room, np.int64), np.empty(room, np.int64)
    exact = -1 if start.size == 0 else 0  # the bits of a sum to take off its conversion
    clipped = 0
    for block in blocks:
        words, n = block[WORDS], block[BITLINES]
        cells = planes[block[FIRST_PLANE] : block[FIRST_PLANE] + cell_bits * words * n]
        bitline, share, some = block[FIRST_BITLINE], block[FIRST_SHARE], block[SHARES]
        # a row, then a part of it: a part of two rows at once would not vectorise
        lsb, inverse_lsb = (
            converters[LSB][bitline : bitline + n],
            converters[INVERSE_LSB][bitline : bitline + n],
        )
        column, coefficient = (
            bitlines[COLUMN][bitline : bitline + n],
            bitlines[COEFFICIENT][bitline : bitline + n],
        )
        sharer, shared = shares[COLUMN][share : share + some], shares[COEFFICIENT][share : share + some]
        whole = block[WHOLE] and low == 0 and base == 0
        for i in range(count):
            on = inputs[i, :, block[FIRST_WORD] : block[FIRST_WORD] + words]
            total[:n] = 0
            for bit, bits, factor in phases:
                driven = on[bit : bit + bits]
                if not driven.any():
                    continue  # a sum of zero is converted to zero
                if whole and bits == 1 and cell_bits == 2 and words == 4:
                    clipped += _convert_256_rows(driven[0], cells, n, high, factor, exact, total)
                    continue
                _add_sums(driven, cells, n, cell_bits, base, analog)
                clipped += _convert(analog, lsb, inverse_lsb, n, low, high, factor, exact, total)
            out = sums[first + i]
            for c in range(n):
                out[column[c]] += total[c] * coefficient[c]
            for c in range(some):
                out[sharer[c]] += total[n - 1] * shared[c]
    return clipped


@compiled
def _convert_256_rows(
    on: Words, cells: Words, n: int, high: int, factor: int, exact: int, total: Ints
) -> int:
    """Add and convert in one go what four words and cells of two bits give; sums need no rounding."""
    x0, x1, x2, x3 = on[0], on[1], on[2], on[3]
    a0, a1, a2, a3 = cells[:n], cells[n : 2 * n], cells[2 * n : 3 * n], cells[3 * n : 4 * n]
    b0, b1, b2, b3 = cells[4 * n : 5 * n], cells[5 * n : 6 * n], cells[6 * n : 7 * n], cells[7 * n : 8 * n]
    clipped = 0
    for c in range(n):
        low_bits = popcount(x0 & a0[c]) + popcount(x1 & a1[c]) + popcount(x2 & a2[c]) + popcount(x3 & a3[c])
        high_bits = popcount(x0 & b0[c]) + popcount(x1 & b1[c]) + popcount(x2 & b2[c]) + popcount(x3 & b3[c])
        analog = low_bits + 2 * high_bits
        clipped += analog > high
        total[c] += (min(analog, high) - (analog & exact)) * factor
    return clipped


@compiled
def _add_sums(driven: Words, cells: Words, n: int, cell_bits: int, base: int, analog: Ints) -> None:
    """Set `analog` to the sums of input x level of one phase, four words of a plane at a time."""
    bits, words = driven.shape
    ones = 0
    for bit in range(bits):
        for word in range(words):
            ones += popcount(driven[bit, word]) << bit
    analog[:n] = -base * ones
    for bit in range(bits):
        on = driven[bit]
        for cell_bit in range(cell_bits):
            place = bit + cell_bit
            word = 0
            while word < words:
                at = (cell_bit * words + word) * n
                if word + 4 <= words:
                    _add_four(
                        on[word], on[word + 1], on[word + 2], on[word + 3], cells[at:], n, place, analog
                    )
                    word += 4
                else:
                    _add_one(on[word], cells[at:], n, place, analog)
                    word += 1


@compiled
def _add_four(x0: Any, x1: Any, x2: Any, x3: Any, cells: Words, n: int, place: int, analog: Ints) -> None:
    a0, a1, a2, a3 = cells[:n], cells[n : 2 * n], cells[2 * n : 3 * n], cells[3 * n : 4 * n]
    for c in range(n):
        ones = popcount(x0 & a0[c]) + popcount(x1 & a1[c]) + popcount(x2 & a2[c]) + popcount(x3 & a3[c])
        analog[c] += ones << place


@compiled
def _add_one(x: Any, cells: Words, n: int, place: int, analog: Ints) -> None:
    for c in range(n):
        analog[c] += popcount(x & cells[c]) << place


@compiled
def _convert(
    analog: Ints,
    lsb: Floats,
    inverse_lsb: Floats,
    n: int,
    low: int,
    high: int,
    factor: int,
    exact: int,
    total: Ints,
) -> int:
    """Convert the sums of one phase, half up, and add them to the totals of their bitlines."""
    span = float(high - low)
    clipped = 0
    for c in range(n):
        above = analog[c] - low * lsb[c] + np.floor(lsb[c] / 2)  # a whole number, negative only if it clips
        code = np.floor((above + 0.5) * inverse_lsb[c])
        inside = min(max(code, 0.0), span)
        clipped += inside != code
        total[c] += (np.int64((inside + low) * lsb[c]) - (analog[c] & exact)) * factor
    return clipped
