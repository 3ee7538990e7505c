"""Analog-to-digital converters: from bitline sums to numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from arch.arrays.readout import ReadoutConfig
from arch.arrays.transfer import WIDEST_LSB
from arch.cost import ADC_AREA, CONVERSION
from arch.crossbar import AnalogCrossbar
from arch.tokens import Sums
from simcore import (
    MOST_CYCLES,
    Component,
    In,
    ModelError,
    Operation,
    Out,
    PartConfig,
    Process,
    components,
    param,
    process,
)
from simcore.noise import NORMAL_FRACTION_BITS, normal_fixed_reference, stream_key

Reals = NDArray[np.float32]
Range = Literal["full", "weights", "calibrated", "fixed"]


class ADCConfig(PartConfig):
    """What every converter has."""

    bits: int = param(
        8,
        ge=1,
        le=16,
        unit="bit",
        doc="resolution; 8 is that of the open model of HERMES' core in GVSoC",
    )
    range: Range = param(
        "weights",
        unit="one of",
        doc="what the LSB, one an array, covers: full, sums of any weights; weights, sums of those it holds; "
        "calibrated, sums seen on the calibration inputs; fixed: lsb is given; assumed",
    )
    lsb: int | None = param(
        None, ge=1, le=WIDEST_LSB, unit="", doc="step of a fixed range [level x input]; null for the others"
    )
    readout: ReadoutConfig = param(
        ReadoutConfig(), unit="", doc="mismatch, noise and nonlinearity, by themselves none"
    )
    energy_pj: float = param(
        CONVERSION.value, ge=0, unit="pJ", doc=f"energy of one conversion; {CONVERSION.source}"
    )
    area_mm2: float = param(ADC_AREA.value, ge=0, unit="mm2", doc=f"area of one converter; {ADC_AREA.source}")

    @property
    def sharing(self) -> int:
        """Neighbouring bitlines that take turns on one converter."""
        return 1

    @model_validator(mode="after")
    def _one_range(self) -> Self:
        if self.range == "fixed" and self.lsb is None:
            raise ValueError(
                f"has range fixed, but no lsb; set lsb in [1, {WIDEST_LSB}], or range to full, weights or "
                "calibrated"
            )
        if self.range != "fixed" and self.lsb is not None:
            raise ValueError(
                f"has lsb {self.lsb}, but range {self.range}, which chooses it; set range to fixed, or leave "
                "lsb out"
            )
        return self


class ADC(Component):
    """The converters of one array, or of all arrays of a layer in lock-step; base of all kinds.

    A converter that takes time of its own declares the ports `sums_in` and `sums_out` and a process, and
    stands behind its array; one that does not is driven by the array and counts with it.

    One with a transfer curve of its own overrides `transfer`, and may override `compiled` with a faster
    function that returns the same bits; `imcsim.testing.check_component` compares the two.

    crossbar : the arrays that it converts for; None while it stands alone, as in a test
    """

    Config = ADCConfig
    family = "adc"
    config: ADCConfig

    crossbar: AnalogCrossbar | None = None

    @staticmethod
    def transfer(sums: Reals, config: Any) -> Reals:
        """Return what the converter takes sums for, before it rounds them and keeps them in range.

        sums : (phases, bitlines) float32 [LSB], with noise, gain, offset and nonlinearity
        config : the converter's
        returns : the same shape, finite; codes that lie outside the range count as clipped
        """
        return sums

    @staticmethod
    def compiled(sums: Reals, config: Any) -> Reals:
        """Return the same as `transfer`, faster; it is not called unless a subclass has one."""
        return sums

    @classmethod
    def own_transfer(cls) -> Callable[[Reals, Any], Reals] | None:
        """Return its transfer curve, in the fastest way there is; None where it has none of its own.

        It raises ModelError, with the class's name, where it does not return a finite number for each sum.
        """
        if cls.transfer is ADC.transfer:
            return None
        of_compiled, of_transfer = (
            next(base for base in cls.__mro__ if name in vars(base)) for name in ("compiled", "transfer")
        )
        name = "compiled" if issubclass(of_compiled, of_transfer) else "transfer"
        return lambda sums, config: _numbers(cls, name, sums, config)

    @property
    def widest(self) -> int:
        """Most bitlines in use in one array; a unit bitline has a converter to itself."""
        return self.crossbar.widest if self.crossbar is not None else 1

    @property
    def reads(self) -> int:
        """Reads of one window, each to be converted."""
        crossbar = self.crossbar
        return crossbar.products * crossbar.config.reads(crossbar.streaming) if crossbar is not None else 1

    @property
    def converters(self) -> int:
        """Converters in all."""
        return self.crossbar.arrays * self.crossbar.config.cols if self.crossbar is not None else 1

    def actions(self) -> dict[str, int]:
        """Add conversions: those of the arrays' sums."""
        crossbar = self.crossbar
        conversions = crossbar.mvm.count * crossbar.conversions if crossbar is not None else 0
        return {**super().actions(), "conversion": conversions}

    def action_energy(self) -> dict[str, float]:
        """Return the energy of a conversion [J]."""
        return {"conversion": self.config.energy_pj * 1e-12}

    def area(self) -> float:
        """Return the area of all converters [mm2]."""
        return self.converters * self.config.area_mm2


@components.register("column-adc")
class ColumnADC(ADC):
    """One converter a bitline, which integrates while the wordlines pulse: no time of its own.

    Source: current-controlled-oscillator converters, 256 a core, as in HERMES; their time is part of its
    130 ns.
    """


class SharedADCConfig(ADCConfig):
    """A converter that several bitlines share."""

    bitlines: int = param(8, ge=1, unit="bitline", doc="bitlines that take turns on one converter")
    cycles: int = param(1, ge=1, le=MOST_CYCLES, unit="cycle", doc="time of one conversion")

    @property
    def sharing(self) -> int:
        """Neighbouring bitlines that take turns on one converter."""
        return self.bitlines


@components.register("shared-adc")
class SharedADC(ADC):
    """Converters that take turns over several bitlines behind each product, while the array does the next."""

    Config = SharedADCConfig
    config: SharedADCConfig

    sums_in = In(Sums, doc="held bitline sums of one product")
    sums_out = Out(Sums, doc="the same, as numbers")
    convert = Operation(
        doc="all turns of one product's conversion",
        set_by=(
            "cycles",
            "bitlines",
            "core.crossbar.active_rows",
            "core.crossbar.rows",
            "core.crossbar.dac_bits",
            "activation_bits",
        ),
    )

    @property
    def converters(self) -> int:
        """Converters in all."""
        crossbar = self.crossbar
        if crossbar is None:
            return 1
        return crossbar.arrays * -(-crossbar.config.cols // self.config.bitlines)

    def lasts(self) -> Mapping[str, Sequence[int]]:
        """Return the cycles of a conversion, which is like any other."""
        return {"convert": (min(self.config.bitlines, self.widest) * self.reads * self.config.cycles,)}

    @process
    def serve(self) -> Process:
        """Take sums, let the bitlines take their turns after each read, hand the numbers on."""
        (cycles,) = self.lasts()["convert"]
        while True:
            sums = yield self.sums_in.get()
            yield self.convert.hold(cycles)
            yield self.sums_out.put(sums)

    def phase(self, items: int) -> tuple[int, ...]:
        """Return nothing: a conversion is like any other."""
        return ()


def check_transfer(cls: type[ADC], config: PartConfig | None = None, *, trials: int = 8) -> None:
    """Check a converter's own transfer curve on random sums, among them those of one read or bitline.

    config : its configuration; the defaults if left out
    raises : ModelError that names the first sum for which it returns no number, or another number when it is
        called again, with fewer sums, or compiled
    """
    settled: Any = cls.Config() if config is None else config
    for trial in range(trials):
        shape = ((1, 1), (1, 37), (5, 1))[trial] if trial < 3 else (trial, 16 * trial + 3)
        places = np.arange(shape[0] * shape[1]).reshape(shape)
        random = normal_fixed_reference(stream_key(trial, "check_transfer"), places)
        sums = (random * 2.0**-NORMAL_FRACTION_BITS * 2.0**settled.bits).astype(np.float32)
        specified = _numbers(cls, "transfer", sums, settled)
        others = {
            "a second call of it": _numbers(cls, "transfer", sums, settled),
            "a call for the last read alone": _numbers(cls, "transfer", sums[-1:], settled),
        }
        if cls.compiled is not ADC.compiled:
            others["compiled"] = _numbers(cls, "compiled", sums, settled)
        for name, found in others.items():
            rows = slice(len(sums) - len(found), None)
            _insist_on_equal(cls, name, sums[rows], specified[rows], found)


def _numbers(cls: type[ADC], name: str, sums: Reals, config: Any) -> Reals:
    """Return what one of a class's functions takes sums for; whatever goes wrong there names both."""
    try:
        found = np.asarray(getattr(cls, name)(sums.copy(), config))
    except Exception as error:
        raise ModelError(
            f"{cls.__name__}.{name} failed on sums of shape {sums.shape}: {type(error).__name__}: {error}"
        ) from error
    real = found.dtype.kind in "iuf"
    with np.errstate(over="ignore"):  # what single precision cannot hold becomes infinite, and is refused
        numbers = found.astype(np.float32) if real else np.zeros(0, np.float32)
    if numbers.shape != sums.shape or not np.isfinite(numbers).all():
        got = f"type {found.dtype}" if not real else f"shape {found.shape}"
        got = "nan or infinity" if real and found.shape == sums.shape else got
        raise ModelError(
            f"{cls.__name__}.{name} must return a finite number for each of {sums.shape} sums, got {got}"
        )
    return np.ascontiguousarray(numbers)


def _insist_on_equal(cls: type[ADC], name: str, sums: Reals, a: Reals, b: Reals) -> None:
    if not np.array_equal(a, b):
        read, bitline = np.argwhere(a != b)[0]
        raise ModelError(
            f"{cls.__name__}: transfer and {name} differ first at a sum of {sums[read, bitline]} LSB: "
            f"{a[read, bitline]} and {b[read, bitline]}; both must return the same bits"
        )
