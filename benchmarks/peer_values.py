"""What arrays return, against aihwkit, an independent published simulator of values, on equal settings.

    pip install aihwkit==1.1.0 torch==2.10.0
    python -m benchmarks.peer_values

prints the tables of docs/validation.md, in two minutes. The second version matters: aihwkit's wheels are
compiled against one PyTorch and accept others that they do not work with. They are for Linux and Python 3.10
to 3.12.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from arch import DeviceConfig, IRDropConfig, PCMConfig, ReadoutConfig, RRAMConfig, devices
from arch.arrays.analog_cells import Physics
from arch.arrays.analog_product import AnalogProduct
from arch.arrays.array_parts import Placement
from arch.arrays.array_product import ArrayProduct
from arch.arrays.device import FLICKER, NORMAL_UNIT, DeviceModel, row_keys
from arch.arrays.encoding import Encoding
from arch.arrays.streaming import Streaming
from arch.arrays.transfer import Transfer
from benchmarks.cell_effects import Effects
from simcore.noise import normal_fixed_reference, stream_key
from workloads.scales import Quantization

if TYPE_CHECKING:
    from benchmarks.aihwkit_peer import AIHWKit

INSTALL = "pip install aihwkit==1.1.0 torch==2.10.0"

#: Standard errors of an interval that holds the true ratio in 99.9 % of cases.
CONFIDENT = NormalDist().inv_cdf(1 - 0.5e-3)

ROWS, COLUMNS, WINDOWS = 128, 64, 5000
INPUT_BITS, CELL_BITS = 4, 4
TOP = 2**CELL_BITS - 1
ENCODING = Encoding("signed", CELL_BITS + 1)
STREAMING = Streaming(INPUT_BITS, form="pulse-width")
FINE = Transfer(16, signed=True)
#: What weights and inputs are divided by for the peer's converters: by powers of two nothing is rounded.
LARGEST = 2**CELL_BITS, 2**INPUT_BITS

CELLS = (1000, 1000)
AGED_COLUMNS, READS = 50_000, 10_000
TIMES = {"20 s": 20.0, "1 hour": 3600.0, "1 day": 86400.0, "30 days": 30 * 86400.0}
WAN_TIMES = {"1 s": 1.0, "1 day": 86400.0, "2 days": 2 * 86400.0}
#: Noise at every read: of a cell [g_max], and of a converter [g_max times the largest input].
CELL_NOISE, CONVERTER_NOISE = 0.01, 0.1
KEY = stream_key(1, "peer")

Array = NDArray[Any]


ALL = Effects(1.0, 1.0, 1.0)


# -- products and converters ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Differences:
    """Where two sides' codes differ, of `count`.

    halves : where a value half-way between two codes becomes the one here, the other there
    low_end : where ours has a code below the peer's lowest
    otherwise : for no such reason
    largest : largest difference [code]
    """

    what: str
    count: int
    halves: int
    low_end: int
    otherwise: int
    largest: float

    @classmethod
    def of(cls, what: str, ours: Array, theirs: Array, exact: Array, low: float = -np.inf) -> Differences:
        """Compare codes.

        exact : what was converted [code]
        low : the peer's lowest code
        """
        apart = abs(ours - theirs)
        below = (ours == low - 1) & (theirs == low)
        half = ~below & (exact - np.floor(exact) == 0.5) & (apart == 1)
        rest = (apart > 0) & ~below & ~half
        halves, low_end, otherwise = (int(np.count_nonzero(each)) for each in (half, below, rest))
        return cls(what, ours.size, halves, low_end, otherwise, float(apart.max()))

    def row(self) -> str:
        """Return a row of the table."""
        differ = self.halves + self.low_end + self.otherwise
        numbers = (self.count, differ, self.halves, self.low_end, self.otherwise)
        return f"| {self.what} | " + " | ".join(f"{n:,}" for n in numbers) + f" | {self.largest:g} |"


def compare_values(peer: AIHWKit) -> Iterator[Differences]:
    """Compare exact products, codes of inputs, then codes of products."""
    random = np.random.default_rng(0)
    weights = random.integers(-TOP, TOP + 1, (ROWS, COLUMNS)).astype(np.int8)
    inputs = random.integers(0, 2**INPUT_BITS, (WINDOWS, ROWS)).astype(np.int16)
    shares, unit = (weights / LARGEST[0], inputs / LARGEST[1]), 1 / (LARGEST[0] * LARGEST[1])
    exact = inputs.astype(np.int64) @ weights
    yield Differences.of("exact products", _sums(weights, inputs, FINE), peer.products(*shares) / unit, exact)
    for bits in (4, 8):
        quantization = Quantization(1 / (2**bits - 1), 0, bits)
        reals = random.uniform(0, 1.1, (WINDOWS, COLUMNS)).astype(np.float32)
        theirs = peer.converted(np.eye(COLUMNS), reals, input_steps=2**bits - 1)
        yield Differences.of(
            f"inputs, {bits} bit",
            quantization.quantize(reals),
            np.rint(theirs * (2**bits - 1)),
            reals.astype(np.float64) / quantization.scale,
        )
    for bits, lsb in ((8, 33), (8, 32), (8, 8), (6, 128), (4, 512)):
        high = 2 ** (bits - 1) - 1
        theirs = peer.converted(*shares, input_steps=LARGEST[1], bound=high * lsb * unit, steps=high)
        yield Differences.of(
            f"sums, {bits} bit, LSB {lsb}",
            _sums(weights, inputs, Transfer(bits, signed=True, lsb=lsb)) // lsb,
            np.rint(theirs / (lsb * unit)),
            exact / lsb,
            -high,
        )


def _sums(weights: Array, inputs: Array, transfer: Transfer) -> Array:
    """Return what an ideal array with those converters gives."""
    placement = Placement(weights, np.arange(ROWS), 0)
    product = ArrayProduct([placement], COLUMNS, ENCODING, STREAMING, transfer)
    sums = np.zeros((len(inputs), COLUMNS), np.int64)
    product.multiply(inputs, sums, 0, len(inputs))
    return sums


# -- noise ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """A number and its standard error."""

    value: float
    error: float

    def over(self, other: Measured) -> Measured:
        """Return the ratio of two."""
        ratio = self.value / other.value
        return Measured(
            ratio, ratio * sqrt((self.error / self.value) ** 2 + (other.error / other.value) ** 2)
        )


@dataclass(frozen=True)
class Moments:
    """Mean and spread (standard deviation) of a sample of any distribution."""

    mean: Measured
    spread: Measured

    @classmethod
    def of(cls, sample: Array, independent: int | None = None) -> Moments:
        """Measure a sample.

        independent : numbers that it is made of, if fewer than it has
        """
        n = min(sample.size, independent or sample.size)
        mean = float(sample.mean())
        squares = (sample - mean) ** 2
        spread = sqrt(float(squares.mean()))
        of_variance = sqrt(float(squares.var()) / n)
        return cls(Measured(mean, spread / sqrt(n)), Measured(spread, of_variance / (2 * spread)))


@dataclass(frozen=True)
class Noise:
    """Moments of both sides: of conductances [g_max], or of sums over the ideal ones."""

    effect: str
    time: str
    of: str
    ours: Moments
    theirs: Moments

    def row(self) -> str:
        """Return a row of the table."""
        ours, theirs = self.ours, self.theirs
        figures = (
            f"{100 * ours.mean.value:.3f} %",
            _ratio(ours.mean, theirs.mean),
            f"{100 * ours.spread.value:.3f} %",
            _ratio(ours.spread, theirs.spread),
        )
        return f"| {' | '.join([self.effect, self.time, self.of, *figures])} |"


def _ratio(ours: Measured, theirs: Measured) -> str:
    """Return a ratio with half its 99.9 % interval, in bold if that leaves 1 out."""
    ratio = ours.over(theirs)
    margin = CONFIDENT * ratio.error
    text = f"{ratio.value:.4f} ± {margin:.4f}"
    return text if abs(ratio.value - 1) <= margin else f"**{text}**"


def compare_cells(peer: AIHWKit) -> Iterator[Noise]:
    """Compare conductances: each effect of PCM alone, then all together, then RRAM."""
    for name, effects, times, levels in (
        ("programming", Effects(programming=1.0), ["20 s"], (0, 1, 5, 10, 15)),
        ("drift", Effects(drift=1.0), ["1 hour", "30 days"], (1, 5, 15)),
        ("1/f noise", Effects(flicker=1.0), ["20 s", "30 days"], (1, 15)),
        ("all", ALL, TIMES, (0, 1, 5, 15)),
    ):
        for time in times:
            for level in levels:
                ours = programmed("pcm", np.full(CELLS, level, np.uint8), TIMES[time], effects)
                theirs = peer.conductances("pcm", level / TOP, TIMES[time], effects, ours.size)
                yield _cells(f"PCM, {name}", time, level, ours, theirs)
    for time in ("20 s", "30 days"):
        for level in (0, 1, 5, 15):
            ours = flicker_of_programmed(np.full(CELLS, level, np.uint8), TIMES[time])
            theirs = peer.conductances("pcm", level / TOP, TIMES[time], ALL, ours.size)
            yield _cells("PCM, all, Q of what was programmed", time, level, ours, theirs)
    for time, time_s in WAN_TIMES.items():
        for level in (1, 5, 10, 15):
            ours = programmed("rram", np.full(CELLS, level, np.uint8), time_s, ALL)
            theirs = peer.conductances("rram", level / TOP, time_s, ALL, ours.size)
            yield _cells("RRAM", time, level, ours, theirs)


def _cells(effect: str, time: str, level: int, ours: Array, theirs: Array) -> Noise:
    of = f"cell at {level}/{TOP}" if 0 < level < TOP else f"cell at {level // TOP}"
    return Noise(effect, time, of, Moments.of(ours), Moments.of(theirs))


def device_model(kind: str, time_s: float, effects: Effects) -> DeviceModel:
    """Return a preset as the peer has it: cells that can be off, and no ceiling within their reach."""
    as_there: dict[str, object] = {"time_s": time_s, "on_off_ratio": None, "ceiling": 4.0}
    if kind == "rram":
        return devices[kind](RRAMConfig.parse({**as_there, "read": {"column": 0.0}}), CELL_BITS)
    scales = {name: {"scale": getattr(effects, name)} for name in ("programming", "drift", "flicker")}
    return devices[kind](PCMConfig.parse({**as_there, **scales}), CELL_BITS)


def programmed(kind: str, levels: Array, time_s: float, effects: Effects) -> Array:
    """Return our conductances [g_max]."""
    model = device_model(kind, time_s, effects)
    return np.asarray(model.program(levels, KEY) / model.full)


def flicker_of_programmed(levels: Array, time_s: float) -> Array:
    """Return PCM with all effects [g_max], but with the Q of what was programmed instead of the target's.

    So does the peer's code, while its documentation has the target, as we have.
    """
    aimed, drifted = (
        device_model("pcm", time, Effects(programming=1.0, drift=1.0)).conductances(levels, KEY) / TOP
        for time in (0.0, time_s)
    )
    law = PCMConfig().flicker
    q = np.minimum(law.sigma / np.maximum(aimed, 1e-9) ** law.exponent, law.most)
    grown = sqrt(log((time_s + law.read_s) / (2 * law.read_s)))
    rows, bitlines = levels.shape
    z = normal_fixed_reference(row_keys(KEY, FLICKER, rows), np.arange(bitlines)) * NORMAL_UNIT
    return np.asarray(np.maximum(drifted * (1 + q * grown * z), 0))


def compare_sums(peer: AIHWKit) -> Iterator[Noise]:
    """Compare sums over the ideal ones: of aged cells, then with noise that is new at every read."""
    random = np.random.default_rng(1)
    weights = random.integers(1, TOP + 1, (ROWS, AGED_COLUMNS)).astype(np.int8)
    window = random.integers(0, 2**INPUT_BITS, (1, ROWS)).astype(np.int16)
    ideal = window.astype(np.int64) @ weights
    for kind, time in (("pcm", "1 hour"), ("pcm", "1 day"), ("rram", "1 day")):
        aged = Moments.of(real_sums(device_model(kind, TIMES[time], ALL), weights, window) / ideal)
        for of, by_tile in (("sum", False), ("sum, by its tile", True)):
            theirs = peer.aged(kind, weights / TOP, window, TIMES[time], ALL, by_tile=by_tile)
            yield Noise(f"{kind.upper()}, all", time, of, aged, Moments.of(theirs * TOP / ideal))
    weights = weights[:, :COLUMNS]
    for effect, cell, converter, active in (
        ("noise of reads", CELL_NOISE, 0.0, ROWS),
        ("noise of reads", CELL_NOISE, 0.0, ROWS // 2),
        ("noise of conversions", 0.0, CONVERTER_NOISE, ROWS),
    ):
        on = np.zeros((READS, ROWS), np.int16)
        on[:, :active] = 1
        quiet = devices["generic"](DeviceConfig.parse({"read": {"column": cell}}), CELL_BITS)
        ours = real_sums(quiet, weights, on * STREAMING.high, converter * TOP * STREAMING.high)
        theirs = peer.read(weights / TOP, on, cell=cell, converter=converter) * TOP * STREAMING.high
        ideal = on.astype(np.int64) @ weights * STREAMING.high
        yield Noise(
            effect,
            "",
            f"sum, {active} rows on",
            Moments.of(ours / ideal),
            Moments.of(theirs / ideal, peer.noise_list),
        )


def real_sums(device: DeviceModel, weights: Array, windows: Array, noise: float = 0.0) -> Array:
    """Return what a real array with converters of 16 bit gives.

    noise : of one conversion [LSB], which is a level
    """
    rows, columns = weights.shape
    physics = Physics(device, IRDropConfig(), ReadoutConfig(noise=noise))
    placement = Placement(weights, np.arange(rows), 0)
    product = AnalogProduct([placement], columns, ENCODING, STREAMING, [FINE], physics, [KEY])
    sums = np.zeros((len(windows), columns), np.int64)
    for slot in range(len(windows)):
        product.multiply(windows, sums, slot, 0, slot)
    return sums


def tables(peer: AIHWKit) -> str:
    """Return the tables of docs/validation.md."""
    values = (
        "| codes | count | differ | half-way | low end | otherwise | largest |",
        "|---|---|---|---|---|---|---|",
        *(differences.row() for differences in compare_values(peer)),
    )
    noise = (
        "| effect | time | of | mean | ours / theirs | spread | ours / theirs |",
        "|---|---|---|---|---|---|---|",
        *(noise.row() for noise in (*compare_cells(peer), *compare_sums(peer))),
    )
    return "\n".join([peer.name, "", *values, "", *noise])


def main() -> None:
    """Print the tables, or what to install."""
    try:
        from benchmarks.aihwkit_peer import AIHWKit
    except ModuleNotFoundError as missing:
        raise SystemExit(f"error: {missing.name} is not installed; run: {INSTALL}") from None
    print(tables(AIHWKit()))


if __name__ == "__main__":
    main()
