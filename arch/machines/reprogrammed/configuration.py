"""What there is to choose about a machine with too few crossbars: how many, how and when they are written."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal, Self

from pydantic import model_validator

from arch.arrays.encoding import Encoding
from arch.arrays.streaming import Form, Streaming
from arch.converters import ADCConfig
from arch.core import Detail
from arch.cost import BUFFER_AREA, BUFFER_BYTE, DIGITAL_AREA
from arch.crossbar import AnalogCrossbarConfig
from arch.machines.reprogrammed.table import (
    ADC_AREA,
    ARRAY_AREA,
    PULSE,
    VERIFY,
)
from arch.resistive_costs import (
    CELL_READ,
    CHANNEL_PASS,
    PULSES,
    ROW_DRIVE,
    SHIFT_ADD,
    WRITE_PULSE,
    conversion_pj,
)
from simcore import MOST_CYCLES, Config, ConfigError, component_part, param

#: When a new set of tiles begins.
TileOrder = Literal["layer", "greedy", "optimal"]


class RewritableArrayConfig(AnalogCrossbarConfig):
    """A crossbar whose cells are written again and again."""

    rows: int = param(128, ge=1, unit="wordline", doc="elements of an input vector; NeuroSim's, assumed")
    cols: int = param(128, ge=1, unit="bitline", doc="of one crossbar; NeuroSim's, assumed")
    mvm_cycles: int = param(
        1, ge=1, le=MOST_CYCLES, unit="cycle", doc="one read, of an input bit on all rows; assumed"
    )
    input_form: Form = param(
        "bit-serial", unit="one of", doc="how wordlines carry an input; a bit at a time, assumed"
    )
    cell_energy_fj: float = param(
        CELL_READ.value, ge=0, unit="fJ", doc=f"energy of one cell in one read; {CELL_READ.source}"
    )
    drive_pj: float = param(
        ROW_DRIVE.value / 1e3,
        ge=0,
        unit="pJ",
        doc=f"energy of a row's driver in one read; {ROW_DRIVE.source}",
    )
    area_mm2: float = param(
        ARRAY_AREA.value, ge=0, unit="mm2", doc=f"area of one crossbar; {ARRAY_AREA.source}"
    )


class SweepingADCConfig(ADCConfig):
    """A converter that sweeps over its columns within a read."""

    bits: int = param(5, ge=1, le=16, unit="bit", doc="resolution; DNN+NeuroSim V1.3")
    columns_per_adc: int = param(
        8, ge=1, unit="bitline", doc="neighbouring bitlines of one converter; DNN+NeuroSim V1.3"
    )
    energy_pj: float | None = param(  # type: ignore[assignment]
        None,
        ge=0,
        unit="pJ",
        doc="energy of one conversion; null: by its bits, 0.91 for 5 bit; PIMSYN, assumed",
    )
    shift_add_pj: float = param(
        SHIFT_ADD.value, ge=0, unit="pJ", doc=f"energy to add up one conversion; {SHIFT_ADD.source}"
    )
    area_mm2: float = param(ADC_AREA.value, ge=0, unit="mm2", doc=f"area of one converter; {ADC_AREA.source}")

    @property
    def sharing(self) -> int:
        """Neighbouring bitlines that take turns on one converter."""
        return self.columns_per_adc

    @property
    def conversion_pj(self) -> float:
        """Energy of one conversion [pJ]."""
        return conversion_pj(self.bits) if self.energy_pj is None else self.energy_pj


class WriteConfig(Config):
    """Write-verify: incremental pulses, each followed by a read that tells whether the cell is there."""

    pulses: float = param(
        PULSES.value, ge=1, le=1e6, unit="pulse", doc=f"that a cell takes on average; {PULSES.source}"
    )
    pulse_cycles: int = param(
        int(PULSE.value), ge=1, le=MOST_CYCLES, unit="cycle", doc=f"of one pulse; {PULSE.source} at 1 GHz"
    )
    verify_cycles: int = param(
        int(VERIFY.value), ge=0, le=MOST_CYCLES, unit="cycle", doc=f"of the read behind it; {VERIFY.source}"
    )
    parallel: Literal["cell", "row", "crossbar"] = param(
        "cell",
        unit="one of",
        doc="cells of a crossbar that take pulses together; crossbars of a set always do; assumed",
    )
    spread: Literal["fixed", "geometric"] = param(
        "fixed",
        unit="one of",
        doc="fixed: every cell takes the mean; geometric: a pulse succeeds with probability 1/pulses, and "
        "cells that are written together wait for the slowest",
    )
    most_pulses: int = param(
        64, ge=1, le=4096, unit="pulse", doc="after which a cell is given up, with spread geometric; assumed"
    )
    write_pj: float = param(
        WRITE_PULSE.value, ge=0, unit="pJ", doc=f"energy of one pulse; {WRITE_PULSE.source}"
    )
    endurance_writes: int = param(
        10_000_000,
        ge=1,
        unit="op",
        doc="times that a cell can be written, each with all its pulses; 10^6 to 10^9, assumed",
    )

    @property
    def mean_pulses(self) -> Fraction:
        """Pulses that a cell takes on average, exactly."""
        return Fraction(str(self.pulses))

    @property
    def step_cycles(self) -> int:
        """Cycles of a pulse and the read behind it."""
        return self.pulse_cycles + self.verify_cycles


class BufferConfig(Config):
    """Memory of whole maps, for all images of a batch, and of sums that wait for other sets."""

    port_bytes: int | None = param(
        None, ge=1, unit="byte", doc="of windows that are read in a cycle; null: a whole window, in no time"
    )
    sum_bytes: int = param(4, ge=1, le=8, unit="byte", doc="of a sum that waits for other sets; assumed")
    byte_energy_pj: float = param(
        BUFFER_BYTE.value, ge=0, unit="pJ", doc=f"energy to write or read a byte; {BUFFER_BYTE.source}"
    )
    area_mm2_per_kib: float = param(
        BUFFER_AREA.value, ge=0, unit="mm2", doc=f"area of a KiB; {BUFFER_AREA.source}"
    )


class DigitalConfig(Config):
    """The unit that scales, activates, pools and adds."""

    lanes: int | None = param(
        None, ge=1, unit="channel", doc="channels that it passes over in a cycle; null: all, in no time"
    )
    channel_energy_pj: float = param(
        CHANNEL_PASS.value, ge=0, unit="pJ", doc=f"energy of one pass of one channel; {CHANNEL_PASS.source}"
    )
    area_mm2: float = param(
        DIGITAL_AREA.value, ge=0, unit="mm2", doc=f"area of the unit; {DIGITAL_AREA.source}"
    )


class ReprogrammedConfig(Config):
    """The whole machine."""

    clock_ghz: float = param(1.0, gt=0, le=1e6, unit="GHz", doc="of all parts; logic of DNN+NeuroSim V1.3")
    crossbars: int = param(64, ge=1, le=1_000_000, unit="", doc="that there are")
    weight_bits: int = param(8, ge=2, le=16, unit="bit", doc="of a weight")
    activation_bits: int = param(8, ge=2, le=16, unit="bit", doc="of an activation, a read each")
    columns_per_weight: int | None = param(
        None,
        ge=1,
        le=32,
        unit="bitline",
        doc="bitlines that hold a weight: 1 signed, 4 slices offset, 8 those in differential pairs; null: as "
        "array.encoding and cell_bits say, 1 by themselves",
    )
    batch: int = param(
        1,
        ge=1,
        le=1_000_000,
        unit="image",
        doc="that are computed on a set of tiles before the next is written",
    )
    overlap: bool = param(
        False, unit="", doc="whether one half of the crossbars is written while the other one computes"
    )
    tile_order: TileOrder = param(
        "greedy",
        unit="one of",
        doc="when a new set of tiles begins; layer: with each layer; greedy: when the crossbars are full; "
        "optimal: where a whole batch takes the fewest cycles in a long run",
    )
    detail: Detail = param(
        "group",
        unit="one of",
        doc="array: a process for each crossbar; group: for those written at once",
    )
    array: RewritableArrayConfig = component_part("rewritable-array", doc="the crossbars")
    adc: SweepingADCConfig = component_part("sweeping-adc", doc="their converters")
    write: WriteConfig = param(WriteConfig(), unit="", doc="how cells are written")
    buffer: BufferConfig = param(BufferConfig(), unit="", doc="memory of activations and sums")
    digital: DigitalConfig = param(DigitalConfig(), unit="", doc="what finishes pixels")

    @property
    def encoding(self) -> Encoding:
        """How cells hold weights."""
        array = self.array
        return Encoding.chosen(self.weight_bits, array.encoding, array.cell_bits, self.columns_per_weight)

    @property
    def streaming(self) -> Streaming:
        """How windows reach the wordlines."""
        return self.array.streaming(self.activation_bits)

    @property
    def product_cycles(self) -> int:
        """Cycles of one product."""
        return self.array.product_cycles(self.streaming)

    @property
    def crossbar_macs(self) -> float:
        """Multiply-accumulates a second of a crossbar that is full and never at rest."""
        weights = self.array.rows * (self.array.cols // self.encoding.columns_per_weight)
        return weights * self.clock_ghz * 1e9 / self.product_cycles

    def passes_cycles(self, *channels: int) -> int:
        """Return the cycles of passes over so many channels each."""
        lanes = self.digital.lanes
        return 0 if lanes is None else sum(-(-each // lanes) for each in channels)

    @model_validator(mode="after")
    def _can_be_done(self) -> Self:
        try:
            _ = self.encoding, self.streaming
        except ConfigError as error:
            raise ValueError(str(error)) from None
        if self.overlap and self.crossbars < 2:
            raise ValueError(
                f"has overlap, but {self.crossbars} crossbar, of which there is no half; set crossbars to "
                "2 or more, or overlap to false"
            )
        return self
