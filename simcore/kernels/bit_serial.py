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
NO_WORD, ALL_WORD = np.uint64(0), np.uint64(2**64 - 1)

#: Columns of a table of blocks.
FIRST_WORD, WORDS, FIRST_PLANE, FIRST_BITLINE, BITLINES, FIRST_SHARE, SHARES, WHOLE = range(8)

#: Rows of a table of bitlines, and of a table of shares in the unit bitline.
COLUMN, COEFFICIENT = range(2)

#: Rows of a table of converters.
LSB, INVERSE_LSB, SHIFT = range(3)


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
    converters : (3, bitlines) float64: LSB, a whole number; 1 / LSB; floor(LSB / 2) - low x LSB + 1/2, which
        brings a sum to count from the lowest code, and off the edges between codes
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
        end = bitline + n
        lsb, inverse_lsb = converters[LSB][bitline:end], converters[INVERSE_LSB][bitline:end]
        shift = converters[SHIFT][bitline:end]
        column, coefficient = bitlines[COLUMN][bitline:end], bitlines[COEFFICIENT][bitline:end]
        sharer, shared = shares[COLUMN][share : share + some], shares[COEFFICIENT][share : share + some]
        only_clips = block[WHOLE] and low == 0 and base == 0 and cell_bits <= 2 and words <= 4
        for i in range(count):
            on = inputs[i, :, block[FIRST_WORD] : block[FIRST_WORD] + words]
            total[:n] = 0
            for bit, bits, factor in phases:
                driven = on[bit : bit + bits]
                if not driven.any():
                    continue  # a sum of zero is converted to zero
                if only_clips and bits == 1:
                    clipped += _clip_sums(driven[0], cells, n, cell_bits, high, factor, exact, total)
                    continue
                _add_sums(driven, cells, n, cell_bits, base, analog)
                clipped += _convert(analog, lsb, inverse_lsb, shift, n, low, high, factor, exact, total)
            out = sums[first + i]
            for c in range(n):
                out[column[c]] += total[c] * coefficient[c]
            for c in range(some):
                out[sharer[c]] += total[n - 1] * shared[c]
    return clipped


@compiled
def _plane(cells: Words, n: int, cell_bits: int, words: int, cell_bit: int, word: int) -> Words:
    """Return one bit of 64 cells of every bitline, or any where there is none: its input is 0."""
    first = (cell_bit * words + word) * n if cell_bit < cell_bits and word < words else 0
    return cells[first : first + n]


@compiled
def _input(on: Words, word: int) -> Any:
    """Return one bit of 64 inputs, 0 behind the last."""
    return on[word] if word < len(on) else NO_WORD


@compiled
def _clip_sums(
    on: Words, cells: Words, n: int, cell_bits: int, high: int, factor: int, exact: int, total: Ints
) -> int:
    """Add and convert in one go up to four words and two bits a cell, for converters that only clip."""
    words = len(on)
    x0, x1, x2, x3 = _input(on, 0), _input(on, 1), _input(on, 2), _input(on, 3)
    a0, a1 = _plane(cells, n, cell_bits, words, 0, 0), _plane(cells, n, cell_bits, words, 0, 1)
    a2, a3 = _plane(cells, n, cell_bits, words, 0, 2), _plane(cells, n, cell_bits, words, 0, 3)
    b0, b1 = _plane(cells, n, cell_bits, words, 1, 0), _plane(cells, n, cell_bits, words, 1, 1)
    b2, b3 = _plane(cells, n, cell_bits, words, 1, 2), _plane(cells, n, cell_bits, words, 1, 3)
    second = NO_WORD if cell_bits == 1 else ALL_WORD
    y0, y1, y2, y3 = x0 & second, x1 & second, x2 & second, x3 & second
    clipped = 0
    for c in range(n):
        lows = popcount(x0 & a0[c]) + popcount(x1 & a1[c]) + popcount(x2 & a2[c]) + popcount(x3 & a3[c])
        highs = popcount(y0 & b0[c]) + popcount(y1 & b1[c]) + popcount(y2 & b2[c]) + popcount(y3 & b3[c])
        analog = lows + 2 * highs
        clipped += analog > high
        total[c] += (min(analog, high) - (analog & exact)) * factor
    return clipped


@compiled
def _add_sums(driven: Words, cells: Words, n: int, cell_bits: int, base: int, analog: Ints) -> None:
    """Set `analog` to the sums of input x level of one phase."""
    bits, words = driven.shape
    ones = 0
    for bit in range(bits):
        for word in range(words):
            ones += popcount(driven[bit, word]) << bit
    analog[:n] = -base * ones
    for bit in range(bits):
        for cell_bit in range(0, cell_bits, 2):
            for word in range(0, words, 4):
                add_part(driven[bit], cells, n, cell_bits, cell_bit, word, bit + cell_bit, analog)


@compiled
def add_part(
    on: Words, cells: Words, n: int, cell_bits: int, cell_bit: int, word: int, place: int, analog: Ints
) -> None:
    """Add what up to four words and two bits a cell give, from those on."""
    words = len(on)
    x0, x1, x2, x3 = _input(on, word), _input(on, word + 1), _input(on, word + 2), _input(on, word + 3)
    a0 = _plane(cells, n, cell_bits, words, cell_bit, word)
    a1 = _plane(cells, n, cell_bits, words, cell_bit, word + 1)
    a2 = _plane(cells, n, cell_bits, words, cell_bit, word + 2)
    a3 = _plane(cells, n, cell_bits, words, cell_bit, word + 3)
    b0 = _plane(cells, n, cell_bits, words, cell_bit + 1, word)
    b1 = _plane(cells, n, cell_bits, words, cell_bit + 1, word + 1)
    b2 = _plane(cells, n, cell_bits, words, cell_bit + 1, word + 2)
    b3 = _plane(cells, n, cell_bits, words, cell_bit + 1, word + 3)
    second = NO_WORD if cell_bit + 1 == cell_bits else ALL_WORD
    y0, y1, y2, y3 = x0 & second, x1 & second, x2 & second, x3 & second
    for c in range(n):
        lows = popcount(x0 & a0[c]) + popcount(x1 & a1[c]) + popcount(x2 & a2[c]) + popcount(x3 & a3[c])
        highs = popcount(y0 & b0[c]) + popcount(y1 & b1[c]) + popcount(y2 & b2[c]) + popcount(y3 & b3[c])
        analog[c] += (lows + 2 * highs) << place


@compiled
def _convert(
    analog: Ints,
    lsb: Floats,
    inverse_lsb: Floats,
    shift: Floats,
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
        code = np.floor((analog[c] + shift[c]) * inverse_lsb[c])  # counted from the lowest
        inside = min(max(code, 0.0), span)
        clipped += inside != code
        total[c] += (np.int64((inside + low) * lsb[c]) - (analog[c] & exact)) * factor
    return clipped
