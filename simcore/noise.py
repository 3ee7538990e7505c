"""Random numbers of a run: one counter-based stream, so that a number depends only on what it is for.

A key names the purpose (seed, array, operation, then image and pixel), a counter the element (the column).
The number is a hash of both: it is the same whatever the order of events, the batching, the number of threads
or the components added elsewhere. All of it is integer arithmetic, tables included, so every platform and the
compiled twins in `simcore.kernels.noise_stream` agree bit for bit. It is for simulation, not for secrets.

Source of the mixing: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), the constants of its Java version.
"""

from __future__ import annotations

import functools
import json
import operator
from hashlib import blake2b
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Integers: TypeAlias = "int | np.integer | NDArray[np.integer]"

#: A normal number is an int32 in units of 2**-20 standard deviations.
NORMAL_FRACTION_BITS = 20

GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)


def stable_hash(*identity: str | int) -> int:
    """Return 64 bits that stand for the words and numbers of `identity`, the same in every process.

    1 and "1" differ, as do ("ab",) and ("a", "b").
    """
    canonical = json.dumps([part if isinstance(part, str) else operator.index(part) for part in identity])
    return int.from_bytes(blake2b(canonical.encode("ascii"), digest_size=8).digest(), "little")


def stream_key(seed: int, *identity: str | int) -> np.uint64:
    """Return the key of one purpose: the run's seed, then layer, replica, block and operation.

    Numbers under one key are one sequence: ask for normal and for uniform ones under different operations.
    """
    return np.uint64(stable_hash(seed, *identity))


def mix(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64-bit words: SplitMix64's finaliser, one-to-one."""
    words = (words ^ (words >> np.uint64(30))) * MIX_1
    words = (words ^ (words >> np.uint64(27))) * MIX_2
    return words ^ (words >> np.uint64(31))


def words_reference(key: Integers, counters: Integers) -> NDArray[np.uint64]:
    """Return the 64 random bits at `counters` of the stream `key`; the two broadcast.

    key : uint64, from `stream_key` or `derive`
    counters : any int64 or uint64
    """
    # Arrays of one element at least: numpy wraps them silently, but warns when a scalar overflows.
    keys = np.atleast_1d(np.asarray(key)).astype(np.uint64)
    steps = np.atleast_1d(np.asarray(counters)).astype(np.uint64)
    words = mix(keys + (steps + np.uint64(1)) * GOLDEN_GAMMA)
    return words.reshape(np.broadcast_shapes(np.shape(key), np.shape(counters)))


def derive(key: Integers, *coordinates: Integers) -> NDArray[np.uint64]:
    """Return the keys of the sub-streams of `key` at `coordinates` (image, pixel), which broadcast.

    The order of the coordinates counts: derive(key, 3, 7) is not derive(key, 7, 3).
    """
    keys = np.asarray(key, dtype=np.uint64)
    for coordinate in coordinates:
        keys = words_reference(keys, coordinate)
    return keys


def uniform_below_reference(key: Integers, counters: Integers, bound: int) -> NDArray[np.int64]:
    """Return integers in [0, bound), all equally likely to within bound / 2**32.

    key, counters : as in `words_reference`
    bound : 1 to 2**32
    raises : ValueError if `bound` is out of range
    """
    check_bound(bound)
    high = words_reference(key, counters) >> np.uint64(32)
    return ((high * np.uint64(bound)) >> np.uint64(32)).astype(np.int64)


def normal_fixed_reference(key: Integers, counters: Integers) -> NDArray[np.int32]:
    """Return standard normal numbers in fixed point, cut at 4.325 standard deviations; see `normal_table`.

    key, counters : as in `words_reference`; four neighbouring counters share one word, 16 bits each
    returns : int32 [2**-20 standard deviations]
    """
    steps = np.asarray(counters).astype(np.uint64)
    words = words_reference(key, steps >> np.uint64(2))
    lanes = (words >> (np.uint64(16) * (steps & np.uint64(3)))) & np.uint64(0xFFFF)
    return normal_table()[lanes.astype(np.int64)]


def check_bound(bound: int) -> None:
    """Raise ValueError unless uniform integers below `bound` can be made from 32 random bits."""
    if not 1 <= bound <= 1 << 32:
        raise ValueError(f"bound must be in [1, 2**32], got {bound}")


@functools.cache
def normal_table() -> NDArray[np.int32]:
    """Return the normal distribution's inverse at (i + 1/2) / 65536 for i = 0 .. 65535.

    returns : (65536,) int32 [2**-20 standard deviations], read-only, within one unit of the true inverse

    The ends lie 4.325 standard deviations out: there the tails are cut, which costs 2e-5 of the variance. The
    table is antisymmetric, so its mean is exactly 0.

    Construction, from integers alone: on a grid of step d = 2**-12 the density's neighbours have the ratio
    exp(-d*d*(k + 1/2)), itself a geometric sequence in k, so two products a step give the density. Its
    running sum, scaled until the half line weighs one half, is the distribution; interpolation inverts it.
    """
    step_bits, precision = 12, 128
    one = 1 << precision
    term, half_ratio = one, one  # exp(-d*d/2) by its series, where d*d/2 = 2**-25
    for n in range(1, 8):
        term = -(term >> (2 * step_bits + 1)) // n
        half_ratio += term
    ratio, quotient = half_ratio, (half_ratio * half_ratio) >> precision
    density, running, sums = one, 0, [0]
    while density >> (precision - 64):  # beyond 9 standard deviations nothing is left that 64 bits could show
        following = (density * ratio) >> precision
        running += density + following  # trapezoids, twice their area
        sums.append(running)
        density, ratio = following, (ratio * quotient) >> precision
    # The half line weighs 2**52: an interpolated remainder times 2**9 then fits into 63 bits.
    weights = np.array([(value << 52) // running for value in sums], dtype=np.int64)
    targets = (2 * np.arange(1 << 15, dtype=np.int64) + 1) << (52 - 16)
    cell = np.searchsorted(weights, targets, side="right") - 1
    width = weights[cell + 1] - weights[cell]
    unit = 1 << (NORMAL_FRACTION_BITS - step_bits)
    inside = (2 * unit * (targets - weights[cell]) + width) // (2 * width)
    upper = (cell * unit + inside).astype(np.int32)
    table = np.concatenate([-upper[::-1], upper])
    table.flags.writeable = False
    return table
