"""What arrays cost that convert every bit of every sum: 256 x 256, 8-bit inputs and weights, cells of 2 bits.

A layer of 256 x 256 weights in differential pairs lies on eight such arrays; inputs come bit by bit, and each
of 2 048 bitlines is converted to 8 bits in each of eight phases. That some conversions provably change
nothing is left unused: all ones are counted. The other side does the same with a float32 matrix product for
each bit of the inputs, on one thread, and one compiled pass that converts, shifts and adds.

With read noise, mismatch of gains and offsets and bitlines that droop, arrays are compared with themselves
without.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import Thread
from time import perf_counter
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arch import DeviceConfig, IRDropConfig, ReadoutConfig, devices
from arch.arrays.analog_cells import Physics
from arch.arrays.analog_product import AnalogProduct
from arch.arrays.array_parts import Placement
from arch.arrays.array_product import ArrayProduct
from arch.arrays.device_config import ReadNoiseConfig
from arch.arrays.encoding import Encoding
from arch.arrays.streaming import Streaming
from arch.arrays.transfer import Transfer
from benchmarks.compare import Bench, benches, cpu_times
from simcore.noise import stream_key

ROWS = WEIGHTS = 256
ARRAY_WEIGHTS = 32
WINDOWS = 64
REPEATS = 24
THREAD_REPEATS = 48
ADC_BITS = 8
ENCODING = Encoding("differential", 8, 2)
VECTOR_POPCOUNT = "avx512_vpopcntdq"

Array = NDArray[Any]


def _has_vector_popcount() -> bool:
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and VECTOR_POPCOUNT in cpuinfo.read_text()


def _placements(weights: Array) -> list[Placement]:
    """Return the weights on their arrays."""
    return [
        Placement(weights[:, first : first + ARRAY_WEIGHTS], np.arange(ROWS), first)
        for first in range(0, WEIGHTS, ARRAY_WEIGHTS)
    ]


@cache
def _layer() -> tuple[ArrayProduct, Array, Array]:
    """Return the layer on its arrays, its weights and windows."""
    rng = np.random.default_rng(0)
    weights = rng.integers(-127, 128, (ROWS, WEIGHTS)).astype(np.int8)
    windows = rng.integers(0, 256, (WINDOWS, ROWS)).astype(np.int16)
    product = ArrayProduct(
        _placements(weights), WEIGHTS, ENCODING, Streaming(8), Transfer(ADC_BITS), method="bit planes"
    )
    return product, weights, windows


@cache
def _real_layer() -> AnalogProduct:
    """Return the same layer with read noise, mismatch and IR drop that depends on the inputs."""
    placements = _placements(_layer()[1])
    physics = Physics(
        devices["generic"](DeviceConfig(read=ReadNoiseConfig(column=0.01)), 2),
        IRDropConfig(bitline=1e-5, gated=True),
        ReadoutConfig(gain_sigma=0.01, offset_sigma=0.3),
    )
    return AnalogProduct(
        placements,
        WEIGHTS,
        ENCODING,
        Streaming(8),
        [Transfer(ADC_BITS)] * len(placements),
        physics,
        [stream_key(0, array) for array in range(len(placements))],
    )


def _sums() -> Array:
    return np.zeros((WINDOWS, WEIGHTS), np.int64)


def batched(repeats: int = REPEATS) -> Callable[[], Array]:
    """Return what multiplies all windows in one call, several times."""
    product, _, windows = _layer()
    sums = _sums()

    def run() -> Array:
        for _ in range(repeats):
            product.multiply(windows, sums, 0, WINDOWS)
        return sums

    return run


def one_by_one() -> Callable[[], Array]:
    """Return what makes a call for each window."""
    product, _, windows = _layer()
    sums = _sums()

    def run() -> Array:
        for _ in range(REPEATS):
            for slot in range(WINDOWS):
                product.multiply(windows, sums, slot)
        return sums

    return run


def with_effects() -> Callable[[], Array]:
    """Return what makes a call for each window of real arrays."""
    product, (_, _, windows) = _real_layer(), _layer()
    sums = _sums()

    def run() -> Array:
        for _ in range(REPEATS):
            for slot in range(WINDOWS):
                product.multiply(windows, sums, slot, 0, slot)
        return sums

    return run


@njit(cache=True)
def _convert(analog: Array, largest: int, bit: int, totals: Array) -> None:
    for window in range(analog.shape[0]):
        for bitline in range(analog.shape[1]):
            code = min(np.int32(analog[window, bitline] + np.float32(0.5)), np.int32(largest))
            totals[window, bitline] += code << bit


def by_matrix_products() -> Callable[[], Array]:
    """Return the other side: a float32 matrix product a bit, and a compiled converter."""
    _, weights, windows = _layer()
    encoded = ENCODING.encode(weights)
    levels = encoded.levels.astype(np.float32)
    analog = np.empty((WINDOWS, levels.shape[1]), np.float32)
    totals = np.empty(analog.shape, np.int32)

    def run() -> Array:
        for _ in range(REPEATS):
            totals[:] = 0
            for bit in range(8):
                on = ((windows >> bit) & 1).astype(np.float32)
                np.matmul(on, levels, out=analog)
                _convert(analog, 2**ADC_BITS - 1, bit, totals)
            parts = totals.reshape(WINDOWS, -1, WEIGHTS)
            products = np.zeros((WINDOWS, WEIGHTS), np.int32)
            for part, worth in enumerate(encoded.coefficient[::WEIGHTS]):
                products += parts[:, part] * np.int32(worth)
        return products

    return run


def _with_threads() -> tuple[float, float]:
    """Return how long two threads take for half of the work each, and one thread for all [s of the clock]."""
    times = []
    for threads in (2, 1):
        workers = [Thread(target=batched(THREAD_REPEATS // threads)) for _ in range(threads)]
        start = perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        times.append(perf_counter() - start)
    return times[0], times[1]


for _bench in (
    Bench(
        "crossbar-exact",
        "256 x 256 arrays, 8b/8b, 2-bit cells, differential, 8-bit ADC, against bit planes in BLAS",
        "speed-up",
        6 if _has_vector_popcount() else 2.5,
        cpu_times(batched, by_matrix_products),
    ),
    Bench(
        "crossbar-token-call",
        "the same: a call for each window against one call for 64",
        "cost",
        1.25,
        cpu_times(one_by_one, batched),
    ),
    Bench(
        "crossbar-effects",
        "arrays of crossbar-exact: read noise, gain, offset and IR drop of first order on, against off",
        "cost",
        3,
        cpu_times(with_effects, one_by_one),
    ),
    Bench(
        "crossbar-threads",
        "the same: two threads against one, by the clock",
        "speed-up",
        1.7,
        _with_threads,
    ),
):
    benches.register(_bench.name)(_bench)
