"""Searches of a content-addressable memory: which row holds the key, or lies closest to it.

Among rows that do equally well the priority encoder takes the lowest; its number has `ROW_BITS` bits. Where
rows are compared by distance, the number below the distance in one word makes that a minimum of integers.

Every kernel answers the keys from `slot` up to `stop` of a register `keys` in the same rows of `found`. What
neighbouring rows hold lies side by side in memory, so that a vector unit compares several at once.

Noisy cells disturb the distance that a row's sense amplifier sees, a fresh number for each row of each search
and stage, drawn from a counter-based stream: it depends on the search alone, not on batches or their order.
The model leaves out what rows or neighbouring cells have in common.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simcore.errors import ConfigError
from simcore.kernels.compiling import compiled
from simcore.kernels.noise_stream import normal_at, word_at
from simcore.noise import NORMAL_FRACTION_BITS, derive, normal_fixed_reference, normal_table

Ints = NDArray[Any]

ROW_BITS = 16
ROW_MASK = (1 << ROW_BITS) - 1
#: Sensed distances are counted in units of 2**-8 of a distance of one.
SENSE_BITS = 8
#: A row matches if the distance it is sensed at lies below one half.
HALF = 1 << (SENSE_BITS - 1)
FARTHEST = np.iinfo(np.int64).max

ONES_2, ONES_4 = np.uint64(0x5555555555555555), np.uint64(0x3333333333333333)
ONES_8, ONE_A_BYTE = np.uint64(0x0F0F0F0F0F0F0F0F), np.uint64(0x0101010101010101)
SHIFT_1, SHIFT_2, SHIFT_4, TOP_BYTE = np.uint64(1), np.uint64(2), np.uint64(4), np.uint64(56)


class Noise(NamedTuple):
    """Disturbance of sensed distances; see `sensing_noise`.

    stream : (1,) uint64, key of the memory's own stream
    sigma : standard deviation [2**-8 of a distance of one]; 0 draws nothing
    normal : what `normal_table` returns
    """

    stream: NDArray[np.uint64]
    sigma: int
    normal: NDArray[np.int32]


def sensing_noise(stream: int | np.uint64 = 0, sigma: float = 0.0) -> Noise:
    """Return noise of a standard deviation, in distances of one (a bit, a level, a step of the key)."""
    return Noise(np.array([stream], np.uint64), round(sigma * (1 << SENSE_BITS)), normal_table())


def sense_reference(distances: Ints, rows: Ints, key: Any, noise: Noise) -> Ints:
    """Return distances (n,) as the sense amplifiers of `rows` see them [2**-8], `key` being the search's."""
    draws = normal_fixed_reference(key, rows).astype(np.int64) * noise.sigma
    return (distances.astype(np.int64) << SENSE_BITS) + (draws >> NORMAL_FRACTION_BITS)


@compiled
def _sense(distance: Any, row: int, key: np.uint64, noise: Noise) -> Any:
    draw = np.int64(normal_at(key, np.uint64(row), noise.normal)) * noise.sigma
    return (np.int64(distance) << SENSE_BITS) + (draw >> NORMAL_FRACTION_BITS)


@compiled
def _lowest(distances: Ints, search: int, noise: Noise) -> Any:
    """Return the lowest row at the smallest sensed distance."""
    best: Any = FARTHEST
    if noise.sigma == 0:
        for row in range(len(distances)):
            best = min(best, (np.int64(distances[row]) << ROW_BITS) | row)
    else:
        key = word_at(noise.stream[0], np.uint64(search))
        for row in range(len(distances)):
            best = min(best, (_sense(distances[row], row, key, noise) << ROW_BITS) | row)
    return best & ROW_MASK


# -- nearest key ---------------------------------------------------------------------------------------------


def key_type(bits: int) -> type[Any]:
    """Return the integers that a register holds keys of so many bits in."""
    if bits <= 8:
        return np.uint8
    return np.uint16 if bits <= 16 else np.uint32


def stored_type(bits: int) -> type[Any]:
    """Return the integers of a table of such keys, with room for a row's number beside a distance."""
    return np.uint32 if bits <= 16 else np.uint64


def find_nearest_reference(stored: Ints, keys: Ints, found: Ints, slot: int, stop: int) -> None:
    """Find the row whose key has the smallest absolute distance.

    stored : (rows,) uint32 for keys of 16 bits, uint64 for keys of 32
    keys : (slots,) unsigned
    found : (slots,) int32, row numbers
    """
    distances = np.abs(keys[slot:stop, None].astype(np.int64) - stored.astype(np.int64))
    found[slot:stop] = distances.argmin(axis=1)


@compiled
def find_nearest(stored: Ints, keys: Ints, found: Ints, slot: int, stop: int) -> None:
    """Compiled twin of `find_nearest_reference`."""
    number = stored.dtype.type
    shift, mask = number(ROW_BITS), number(ROW_MASK)
    for i in range(slot, stop):
        key = number(keys[i])
        best = number(~number(0))
        for row in range(len(stored)):
            distance = number(max(key, stored[row]) - min(key, stored[row]))
            best = min(best, number(number(distance << shift) | number(row)))
        found[i] = best & mask


def find_nearest_noisy_reference(
    stored: Ints, keys: Ints, noise: Noise, search: int, found: Ints, slot: int, stop: int
) -> None:
    """Find the row that is sensed at the smallest absolute distance.

    search : number of the search in `slot`, which its noise belongs to
    others : as in `find_nearest_reference`
    """
    rows = np.arange(len(stored))
    for i in range(slot, stop):
        distances = np.abs(stored.astype(np.int64) - int(keys[i]))
        key = derive(noise.stream[0], search + i - slot)
        found[i] = sense_reference(distances, rows, key, noise).argmin()


@compiled
def find_nearest_noisy(
    stored: Ints, keys: Ints, noise: Noise, search: int, found: Ints, slot: int, stop: int
) -> None:
    """Compiled twin of `find_nearest_noisy_reference`."""
    distances = np.empty(len(stored), np.int64)
    for i in range(slot, stop):
        key = np.int64(keys[i])
        for row in range(len(stored)):
            distances[row] = abs(np.int64(stored[row]) - key)
        found[i] = _lowest(distances, search + i - slot, noise)


def find_in_table_reference(table: Ints, keys: Ints, found: Ints, slot: int, stop: int) -> None:
    """Look up what a search without noise would find: table (keys there are,), from `key_table`."""
    found[slot:stop] = table[keys[slot:stop]]


@compiled
def find_in_table(table: Ints, keys: Ints, found: Ints, slot: int, stop: int) -> None:
    """Compiled twin of `find_in_table_reference`."""
    for i in range(slot, stop):
        found[i] = table[keys[i]]


def key_table(find: Callable[[Ints, Ints, int, int], None], bits: int) -> NDArray[np.uint16]:
    """Return what a search finds for whatever a register of keys can hold: (256,) or (65536,) rows.

    find : the search, called with keys, found, slot and stop; the table is as exact as it is, ties included
    bits : of a key, 16 at most
    """
    number = key_type(bits)
    keys = np.arange(np.iinfo(number).max + 1, dtype=number)
    found = np.empty(len(keys), np.int32)
    find(keys, found, 0, len(keys))
    return found.astype(np.uint16)


# -- nearest key in stages -----------------------------------------------------------------------------------


def stage_groups(bits: int, stage_bits: int) -> list[tuple[int, int]]:
    """Return the lowest bit and the width of each stage's group, most significant first.

    >>> stage_groups(20, 8)
    [(12, 8), (4, 8), (0, 4)]
    """
    tops = range(bits, 0, -stage_bits)
    return [(max(top - stage_bits, 0), min(top, stage_bits)) for top in tops]


def find_staged_reference(
    stored: Ints,
    keys: Ints,
    bits: int,
    stage_bits: int,
    noise: Noise,
    search: int,
    found: Ints,
    slot: int,
    stop: int,
) -> None:
    """Search in stages: a stage compares one group of bits, and rows not at its smallest distance drop out.

    That is not always the nearest row: 0x01F0 is equal to 0x0100 in the first byte and wins over 0x00FF.

    bits, stage_bits : of a key, and of one stage's group; the most significant group goes first
    noise : disturbs every stage anew, in distances of one within its group
    others : as in `find_nearest_noisy_reference`

    Source: RAPIDNN's nearest-distance memory, eight bits a stage (recalled).
    """
    for i in range(slot, stop):
        alive = np.arange(len(stored))
        for stage, (low, width) in enumerate(stage_groups(bits, stage_bits)):
            mask = (1 << width) - 1
            group, key = (stored.astype(np.int64) >> low) & mask, (int(keys[i]) >> low) & mask
            stream = derive(noise.stream[0], search + i - slot, stage)
            sensed = sense_reference(np.abs(group[alive] - key), alive, stream, noise)
            alive = alive[sensed == sensed.min()]
        found[i] = alive[0]


@compiled
def find_staged(
    stored: Ints,
    keys: Ints,
    bits: int,
    stage_bits: int,
    noise: Noise,
    search: int,
    found: Ints,
    slot: int,
    stop: int,
) -> None:
    """Compiled twin of `find_staged_reference`."""
    rows = len(stored)
    sensed = np.empty(rows, np.int64)
    alive = np.empty(rows, np.bool_)
    for i in range(slot, stop):
        alive[:] = True
        stream = word_at(noise.stream[0], np.uint64(search + i - slot))
        top, stage = bits, 0
        while top > 0:
            low = max(top - stage_bits, 0)
            mask = (1 << (top - low)) - 1
            key = (np.int64(keys[i]) >> low) & mask
            draws = word_at(stream, np.uint64(stage))
            best: Any = FARTHEST
            for row in range(rows):
                distance: Any = abs(((np.int64(stored[row]) >> low) & mask) - key)
                if noise.sigma != 0:
                    distance = _sense(distance, row, draws, noise)
                sensed[row] = distance
                best = min(best, distance if alive[row] else FARTHEST)
            for row in range(rows):
                alive[row] &= sensed[row] == best
            top, stage = low, stage + 1
        found[i] = np.argmax(alive)


class StagingCost(NamedTuple):
    """What staging does to a search's answers.

    share : of keys for which another row is found than the nearest
    excess : mean over all keys of how much farther away the row found is [steps of the key]
    """

    share: float
    excess: float


def staging_cost(stored: Ints, keys: Ints, bits: int, stage_bits: int) -> StagingCost:
    """Compare staged with ideal search.

    stored : (rows,) unsigned, 1 row at least
    keys : (n,) unsigned, 1 at least: as they come in a workload, or every key once
    """
    if not len(stored) or not len(keys):
        raise ConfigError(f"staging_cost takes at least one row and one key, got {len(stored)}, {len(keys)}")
    stored, keys = stored.astype(stored_type(bits)), keys.astype(key_type(bits))
    nearest, staged = np.empty((2, len(keys)), np.int32)
    find_nearest(stored, keys, nearest, 0, len(keys))
    find_staged(stored, keys, bits, stage_bits, sensing_noise(), 0, staged, 0, len(keys))
    far, near = (np.abs(keys.astype(np.int64) - stored[rows].astype(np.int64)) for rows in (staged, nearest))
    return StagingCost(float((staged != nearest).mean()), float((far - near).mean()))


# -- bits and levels -----------------------------------------------------------------------------------------


def pack_bits(bits: Ints) -> NDArray[np.uint64]:
    """Pack (n, bits) zeros and ones into (n, words), bit 0 lowest; what is left of the last word is 0."""
    words = -(-bits.shape[1] // 64)
    wide = np.zeros((len(bits), words * 64), np.uint8)
    wide[:, : bits.shape[1]] = bits
    return np.packbits(wide, axis=1, bitorder="little").view("<u8").astype(np.uint64)


def mismatches_reference(stored: Ints, care: Ints, key: Ints, asked: Ints) -> Ints:
    """Count the bits in which each of (rows,) differs from a key, where both row and search care."""
    differing = (stored ^ key[:, None]) & care & asked[:, None]
    mismatches: Ints = np.bitwise_count(differing).sum(axis=0, dtype=np.int32)
    return mismatches


@compiled
def _mismatches(stored: Ints, care: Ints, key: Ints, asked: Ints, distances: Ints) -> None:
    distances[:] = 0
    for word in range(len(stored)):
        bits, cares = stored[word], care[word]
        wanted, cared = key[word], asked[word]
        for row in range(len(bits)):
            # Compilers know this way of counting ones and have an instruction for it.
            ones = (bits[row] ^ wanted) & cares[row] & cared
            ones -= (ones >> SHIFT_1) & ONES_2
            ones = (ones & ONES_4) + ((ones >> SHIFT_2) & ONES_4)
            ones = (ones + (ones >> SHIFT_4)) & ONES_8
            distances[row] += np.int32((ones * ONE_A_BYTE) >> TOP_BYTE)


def find_matches_reference(
    stored: Ints,
    care: Ints,
    keys: Ints,
    asked: Ints,
    noise: Noise,
    search: int,
    found: Ints,
    slot: int,
    stop: int,
) -> None:
    """Find the rows that equal a key in every bit that both the row and the search care about.

    stored, care : (words, rows) uint64; exact search cares about every bit of every row
    keys, asked : (slots, words) uint64
    found : (slots, most) int32, matching rows from the lowest on, then -1
    others : as in `find_nearest_noisy_reference`
    """
    rows = np.arange(stored.shape[1])
    for i in range(slot, stop):
        distances = mismatches_reference(stored, care, keys[i], asked[i])
        key = derive(noise.stream[0], search + i - slot)
        matching = rows[sense_reference(distances, rows, key, noise) < HALF][: found.shape[1]]
        found[i] = -1
        found[i, : len(matching)] = matching


@compiled
def find_matches(
    stored: Ints,
    care: Ints,
    keys: Ints,
    asked: Ints,
    noise: Noise,
    search: int,
    found: Ints,
    slot: int,
    stop: int,
) -> None:
    """Compiled twin of `find_matches_reference`."""
    rows, most = stored.shape[1], found.shape[1]
    distances = np.empty(rows, np.int32)
    for i in range(slot, stop):
        _mismatches(stored, care, keys[i], asked[i], distances)
        key = word_at(noise.stream[0], np.uint64(search + i - slot))
        found[i] = -1
        matches = 0
        for row in range(rows):
            distance: Any = np.int64(distances[row]) << SENSE_BITS
            if noise.sigma != 0:
                distance = _sense(distances[row], row, key, noise)
            if distance < HALF:
                found[i, matches] = row
                matches += 1
                if matches == most:
                    break


def find_hamming_reference(
    stored: Ints,
    care: Ints,
    keys: Ints,
    asked: Ints,
    noise: Noise,
    search: int,
    found: Ints,
    slot: int,
    stop: int,
) -> None:
    """Find the row with the fewest mismatches.

    found : (slots,) int32
    others : as in `find_matches_reference`
    """
    rows = np.arange(stored.shape[1])
    for i in range(slot, stop):
        distances = mismatches_reference(stored, care, keys[i], asked[i])
        key = derive(noise.stream[0], search + i - slot)
        found[i] = sense_reference(distances, rows, key, noise).argmin()


@compiled
def find_hamming(
    stored: Ints,
    care: Ints,
    keys: Ints,
    asked: Ints,
    noise: Noise,
    search: int,
    found: Ints,
    slot: int,
    stop: int,
) -> None:
    """Compiled twin of `find_hamming_reference`."""
    distances = np.empty(stored.shape[1], np.int32)
    for i in range(slot, stop):
        _mismatches(stored, care, keys[i], asked[i], distances)
        found[i] = _lowest(distances, search + i - slot, noise)


def find_closest_reference(
    stored: Ints, keys: Ints, noise: Noise, search: int, found: Ints, slot: int, stop: int
) -> None:
    """Find the row with the smallest sum of absolute differences over cells of several levels (L1).

    stored : (cells, rows) uint8
    keys : (slots, cells) uint8
    others : as in `find_nearest_noisy_reference`
    """
    rows = np.arange(stored.shape[1])
    for i in range(slot, stop):
        distances = np.abs(stored.astype(np.int64) - keys[i, :, None]).sum(axis=0)
        key = derive(noise.stream[0], search + i - slot)
        found[i] = sense_reference(distances, rows, key, noise).argmin()


@compiled
def find_closest(
    stored: Ints, keys: Ints, noise: Noise, search: int, found: Ints, slot: int, stop: int
) -> None:
    """Compiled twin of `find_closest_reference`."""
    distances = np.empty(stored.shape[1], np.int32)
    for i in range(slot, stop):
        distances[:] = 0
        for cell in range(len(stored)):
            level, levels = np.int32(keys[i, cell]), stored[cell]
            for row in range(len(levels)):
                distances[row] += np.int32(abs(np.int32(np.int32(levels[row]) - level)))
        found[i] = _lowest(distances, search + i - slot, noise)
