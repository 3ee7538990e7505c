"""Parts of machines on resistive crossbars that are compared with each other: what there is to choose.

Both have them under the same names and with the same defaults, so that a comparison is of how crossbars are
used. A machine adds what only it has.
"""

from __future__ import annotations

from arch.arrays.streaming import Form
from arch.converters import ADC, ADCConfig, Range
from arch.crossbar import AnalogCrossbarConfig
from arch.resistive_costs import (
    ADC_AREA,
    ARRAY_AREA,
    CELL_READ,
    CHANNEL_PASS,
    MAP_BYTE,
    MEMORY_AREA,
    PULSES,
    ROW_AREA,
    ROW_DRIVE,
    SHIFT_ADD,
    SHIFT_ADD_AREA,
    UNIT_AREA,
    WRITE_PULSE,
    conversion_pj,
)
from simcore import MOST_CYCLES, Config, components, param

#: Bitlines of a converter, where nothing else is said.
COLUMNS_PER_ADC = 8


class ResistiveArrayConfig(AnalogCrossbarConfig):
    """One crossbar with the drivers of its rows."""

    rows: int = param(128, ge=1, unit="wordline", doc="elements of an input vector; NeuroSim's, assumed")
    cols: int = param(128, ge=1, unit="bitline", doc="of one crossbar; NeuroSim's, assumed")
    mvm_cycles: int = param(
        1,
        ge=1,
        le=MOST_CYCLES,
        unit="cycle",
        doc="one read, of an input bit on all rows, with its conversions; assumed",
    )
    input_form: Form = param(
        "bit-serial", unit="one of", doc="how wordlines carry an input; a bit in each read, assumed"
    )
    cell_energy_fj: float = param(
        CELL_READ.value, ge=0, unit="fJ", doc=f"energy of one cell in one read; {CELL_READ.source}"
    )
    row_energy_fj: float = param(
        ROW_DRIVE.value, ge=0, unit="fJ", doc=f"energy of one row's driver in one read; {ROW_DRIVE.source}"
    )
    area_mm2: float = param(ARRAY_AREA.value, ge=0, unit="mm2", doc=f"area of one array; {ARRAY_AREA.source}")
    row_area_mm2: float = param(
        ROW_AREA.value, ge=0, unit="mm2", doc=f"area of one row's driver; {ROW_AREA.source}"
    )


class SweepingADCConfig(ADCConfig):
    """A converter of several columns."""

    bits: int = param(5, ge=1, le=16, unit="bit", doc="resolution; DNN+NeuroSim V1.3")
    columns_per_adc: int | None = param(
        None,
        ge=1,
        unit="bitline",
        doc=f"that share a converter; null: {COLUMNS_PER_ADC}, DNN+NeuroSim V1.3, or 1 where a machine "
        "converts each by itself",
    )
    range: Range = param(
        "calibrated",
        unit="one of",
        doc="what the LSB covers; calibrated: sums seen on the calibration inputs, for few bits cover little "
        "of what columns could sum up to; assumed",
    )
    energy_pj: float | None = param(  # type: ignore[assignment]  # null where it follows from the bits
        None,
        ge=0,
        unit="pJ",
        doc="energy of one conversion; null: by its bits, geometric between 0.7 pJ for 4, 2 pJ for 8 and "
        "2.25 pJ for 9, component powers of PIMSYN; 0.91 pJ for 5",
    )
    area_mm2: float = param(ADC_AREA.value, ge=0, unit="mm2", doc=f"area of one; {ADC_AREA.source}")

    @property
    def sharing(self) -> int:
        """Neighbouring bitlines that one converter serves."""
        return self.columns_per_adc or COLUMNS_PER_ADC

    @property
    def conversion_pj(self) -> float:
        """Energy of one conversion [pJ]."""
        return conversion_pj(self.bits) if self.energy_pj is None else self.energy_pj


@components.register("sweeping-adc")
class SweepingADC(ADC):
    """Converters that sweep over their columns within a read: no time of their own."""

    Config = SweepingADCConfig
    config: SweepingADCConfig

    def action_energy(self) -> dict[str, float]:
        """Return the energy of a conversion [J]."""
        return {"conversion": self.config.conversion_pj * 1e-12}


class PulsesConfig(Config):
    """Write-verify: incremental pulses, each followed by a read that tells whether the cell is there."""

    pulses: float = param(
        PULSES.value, ge=1, le=1e6, unit="pulse", doc=f"that a cell takes on average; {PULSES.source}"
    )
    write_pj: float = param(
        WRITE_PULSE.value,
        ge=0,
        unit="pJ",
        doc=f"energy of one pulse, behind which the cell is read; {WRITE_PULSE.source}",
    )


class MapBufferConfig(Config):
    """The memory of whole maps, which all crossbars share."""

    port_bits: int | None = param(
        None,
        ge=1,
        unit="bit",
        doc="of inputs that are read in a cycle; null: as many as there are, in no time, for the source is "
        "silent",
    )
    byte_energy_pj: float = param(
        MAP_BYTE.value, ge=0, unit="pJ", doc=f"energy of a byte in or out; {MAP_BYTE.source}"
    )
    area_mm2_per_kib: float = param(
        MEMORY_AREA.value, ge=0, unit="mm2", doc=f"area of a KiB; {MEMORY_AREA.source}"
    )


class OutputUnitConfig(Config):
    """What becomes of sums: a shift-and-add for each converter, and one unit that makes outputs."""

    channels_per_cycle: int | None = param(
        None,
        ge=1,
        unit="channel",
        doc="that the unit requantises, pools or adds in a cycle; null: all, in no time",
    )
    shift_add_energy_pj: float = param(
        SHIFT_ADD.value, ge=0, unit="pJ", doc=f"energy of a shift-and-add; {SHIFT_ADD.source}"
    )
    shift_add_area_mm2: float = param(
        SHIFT_ADD_AREA.value, ge=0, unit="mm2", doc=f"of one, for each converter; {SHIFT_ADD_AREA.source}"
    )
    channel_energy_pj: float = param(
        CHANNEL_PASS.value, ge=0, unit="pJ", doc=f"energy of one pass of one channel; {CHANNEL_PASS.source}"
    )
    area_mm2: float = param(
        UNIT_AREA.value, ge=0, unit="mm2", doc=f"area of the unit of outputs; {UNIT_AREA.source}"
    )


def area_by_part(
    crossbars: int,
    array: ResistiveArrayConfig,
    adc: SweepingADCConfig,
    digital: OutputUnitConfig,
    buffer: MapBufferConfig,
    buffer_bytes: int,
) -> dict[str, float]:
    """Return the area of what all machines have by the part that takes it [mm2]."""
    converters = crossbars * -(-array.cols // adc.sharing)
    return {
        "crossbar": crossbars * array.area_mm2,
        "dac": crossbars * array.rows * array.row_area_mm2,
        "adc": converters * adc.area_mm2,
        "shift-add": converters * digital.shift_add_area_mm2,
        "digital": digital.area_mm2,
        "buffer": buffer_bytes / 1024 * buffer.area_mm2_per_kib,
    }
