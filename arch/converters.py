"""Analog-to-digital converters: from bitline sums to numbers."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from arch.cost import ADC_AREA, CONVERSION
from arch.crossbar import AnalogCrossbar
from arch.tokens import Sums
from arch.transfer import WIDEST_LSB
from simcore import (
    MOST_CYCLES,
    Component,
    In,
    Operation,
    Out,
    PartConfig,
    Process,
    components,
    param,
    process,
)

Range = Literal["full", "weights", "fixed"]


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
        "fixed: lsb is given; assumed",
    )
    lsb: int | None = param(
        None, ge=1, le=WIDEST_LSB, unit="", doc="step of a fixed range [level x input]; null for the others"
    )
    energy_pj: float = param(
        CONVERSION.value, ge=0, unit="pJ", doc=f"energy of one conversion; {CONVERSION.source}"
    )
    area_mm2: float = param(ADC_AREA.value, ge=0, unit="mm2", doc=f"area of one converter; {ADC_AREA.source}")

    @model_validator(mode="after")
    def _one_range(self) -> Self:
        if self.range == "fixed" and self.lsb is None:
            raise ValueError(
                f"has range fixed, but no lsb; set lsb in [1, {WIDEST_LSB}], or range to full or weights"
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

    crossbar : the arrays that it converts for; None while it stands alone, as in a test
    """

    Config = ADCConfig
    family = "adc"
    config: ADCConfig

    crossbar: AnalogCrossbar | None = None

    @property
    def widest(self) -> int:
        """Most bitlines in use in one array; a unit bitline has a converter to itself."""
        return self.crossbar.widest if self.crossbar is not None else 1

    @property
    def reads(self) -> int:
        """Reads of one product, each to be converted."""
        crossbar = self.crossbar
        return crossbar.config.reads(crossbar.streaming) if crossbar is not None else 1

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


@components.register("shared-adc")
class SharedADC(ADC):
    """Converters that take turns over several bitlines behind each product, while the array does the next."""

    Config = SharedADCConfig
    config: SharedADCConfig

    sums_in = In(Sums, doc="held bitline sums of one product")
    sums_out = Out(Sums, doc="the same, as numbers")
    convert = Operation(doc="all turns of one product's conversion")

    @property
    def converters(self) -> int:
        """Converters in all."""
        crossbar = self.crossbar
        if crossbar is None:
            return 1
        return crossbar.arrays * -(-crossbar.config.cols // self.config.bitlines)

    @process
    def serve(self) -> Process:
        """Take sums, let the bitlines take their turns after each read, hand the numbers on."""
        cycles = min(self.config.bitlines, self.widest) * self.reads * self.config.cycles
        while True:
            sums = yield self.sums_in.get()
            yield self.convert.hold(cycles)
            yield self.sums_out.put(sums)
