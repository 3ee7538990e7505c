"""What there is to choose about BasisN: crossbars, basis, coefficients, and what they share."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal, Self

from pydantic import model_validator

from arch.arrays.array_parts import ArrayParts
from arch.arrays.encoding import Encoding, Signs
from arch.arrays.streaming import Streaming
from arch.resistive_costs import COEFFICIENT_BIT, MEMORY_AREA, SWITCH, SWITCH_SHARE
from arch.resistive_parts import (
    MapBufferConfig,
    OutputUnitConfig,
    PulsesConfig,
    ResistiveArrayConfig,
    SweepingADCConfig,
)
from simcore import Config, ConfigError, component_part, param

#: Where nothing is said, and no basis is loaded.
ELEMENT_BITS, COEFFICIENT_BITS, NONZEROS = 4, 4, 8


class BasisArrayConfig(ResistiveArrayConfig):
    """A crossbar that holds basis vectors, one in each column."""

    encoding: Signs | None = param(
        None,
        unit="one of",
        doc="how cells hold an element of a vector; null: signed by itself, a column each; assumed. What "
        "takes several bitlines leaves room for fewer vectors, and each needs a converter for a kernel",
    )


class CoefficientsConfig(Config):
    """How kernels combine basis vectors, and the memory that says so."""

    bits: int | None = param(
        None,
        ge=2,
        le=8,
        unit="bit",
        doc="n_a of a coefficient, in two's complement; null: as a loaded basis has it, else 4, assumed",
    )
    nonzeros: int | None = param(
        None,
        ge=1,
        unit="",
        doc="vectors that a kernel slice combines; null: as a loaded basis has it, else 8, what training "
        "reaches, assumed",
    )
    drawn: Literal["random", "packed"] | None = param(
        None,
        unit="one of",
        doc="which, where no basis is loaded; random: any, by the seed; packed: neighbours share none, as "
        "contest-aware training would have it; null: random",
    )
    port_bits: int | None = param(
        None,
        ge=1,
        unit="bit",
        doc="of coefficients and their columns that are read in a cycle, while the slot before is; null: as "
        "many as a slot takes, for the source is silent; needs detail slot",
    )
    port: Literal["own", "shared"] = param(
        "own",
        unit="one of",
        doc="own: each crossbar has a port to the memory; shared: all take turns on one; assumed",
    )
    bit_energy_pj: float = param(
        COEFFICIENT_BIT.value, ge=0, unit="pJ", doc=f"energy of reading one bit; {COEFFICIENT_BIT.source}"
    )
    area_mm2_per_kib: float = param(
        MEMORY_AREA.value, ge=0, unit="mm2", doc=f"area of a KiB; {MEMORY_AREA.source}"
    )


class DigitalConfig(OutputUnitConfig):
    """Shift-and-add and accumulators of each crossbar, and one unit for all outputs."""

    sums_per_cycle: int | None = param(
        None,
        ge=1,
        unit="value",
        doc="of a pass that the accumulators of a crossbar take over in a cycle, while the next pass is; "
        "null: as they come",
    )
    port_sums: int | None = param(
        None,
        ge=1,
        unit="value",
        doc="that the way to the outputs' unit takes in a cycle, of one crossbar at a time; null: as they "
        "come",
    )


class BasisNConfig(Config):
    """The whole machine."""

    clock_ghz: float = param(1.0, gt=0, le=1e6, unit="GHz", doc="of all parts; logic of DNN+NeuroSim V1.3")
    crossbars: int = param(64, ge=1, unit="crossbar", doc="N, each of which holds basis vectors; assumed")
    detail: Literal["pass", "slot"] = param(
        "pass",
        unit="one of",
        doc="pass: a slice of a pixel is one event of its crossbar; slot: so is each slot's fetch of "
        "coefficients, read and conversion",
    )
    variant: Literal["analog", "digital"] = param(
        "analog",
        unit="one of",
        doc="analog: switches join a kernel's columns before a converter, a bit plane of coefficients at a "
        "time; digital: each column is converted and multiplied; not published, analog assumed",
    )
    basis: Literal["replicated", "distinct"] = param(
        "replicated",
        unit="one of",
        doc="replicated: all crossbars hold the same vectors, and work on passes of their own; distinct: "
        "each holds others, and all work on one pass; not published, replicated assumed",
    )
    vector_bits: int | None = param(
        None,
        ge=2,
        le=8,
        unit="bit",
        doc="of an element of a basis vector; null: as a loaded basis has it, else 4, assumed",
    )
    activation_bits: int = param(8, ge=2, le=16, unit="bit", doc="n_in of an input, a read each")
    array: BasisArrayConfig = component_part("basis-crossbar", doc="the crossbars")
    adc: SweepingADCConfig = component_part("sweeping-adc", doc="the converters")
    write: PulsesConfig = param(
        PulsesConfig(), unit="", doc="how cells are written: once before all runs, in no time of theirs"
    )
    coefficients: CoefficientsConfig = param(CoefficientsConfig(), unit="", doc="of basis vectors")
    buffer: MapBufferConfig = param(MapBufferConfig(), unit="", doc="the memory of maps")
    digital: DigitalConfig = param(DigitalConfig(), unit="", doc="what is behind the converters")
    switch_energy_fj: float = param(
        SWITCH.value, ge=0, unit="fJ", doc=f"energy of joining one column for a slot; {SWITCH.source}"
    )
    switch_share: float = param(
        SWITCH_SHARE.value,
        ge=0,
        unit="",
        doc=f"area of switches, of all that an array has; {SWITCH_SHARE.source}",
    )

    @property
    def element_bits(self) -> int:
        """Bits of an element of a basis vector."""
        return self.vector_bits or ELEMENT_BITS

    @property
    def coefficient_bits(self) -> int:
        """Bits of a coefficient."""
        return self.coefficients.bits or COEFFICIENT_BITS

    @property
    def nonzeros(self) -> int:
        """Vectors that a kernel slice combines."""
        return self.coefficients.nonzeros or NONZEROS

    @property
    def hertz(self) -> Fraction:
        """Clock [1/s]."""
        return Fraction(str(self.clock_ghz)) * 10**9

    @property
    def lanes(self) -> int:
        """Passes that are under way at once."""
        return self.crossbars if self.basis == "replicated" else 1

    @property
    def lockstep(self) -> int:
        """Crossbars that work on the same pass."""
        return self.crossbars // self.lanes

    @property
    def encoding(self) -> Encoding:
        """How cells hold basis vectors."""
        return Encoding.chosen(self.element_bits, self.array.encoding, self.array.cell_bits, None)

    @property
    def streaming(self) -> Streaming:
        """How inputs reach the wordlines."""
        return self.array.streaming(self.activation_bits)

    def parts(self, seed: int = 0) -> ArrayParts:
        """Return what is real about the crossbars; `seed` is of all noise."""
        return ArrayParts(self.encoding, self.array, self.converter, seed)

    @property
    def vectors_per_array(self) -> int:
        """Most basis vectors that a crossbar holds."""
        return self.array.cols // self.encoding.columns_per_weight

    @property
    def vectors(self) -> int:
        """Most basis vectors there are."""
        return self.lockstep * self.vectors_per_array

    @property
    def converter(self) -> SweepingADCConfig:
        """The converters, as many as the variant has."""
        columns = 1 if self.variant == "digital" else self.adc.sharing
        return self.adc.model_copy(update={"columns_per_adc": columns})

    @property
    def converters(self) -> int:
        """Converters of a crossbar."""
        return -(-self.array.cols // self.converter.sharing)

    @property
    def capacity(self) -> int:
        """Most kernels that share a slot: in analog each takes a converter for each kind of its bitlines."""
        if self.variant == "digital":
            return self.vectors
        return self.converters // self.encoding.columns_per_weight

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        coefficients, array = self.coefficients, self.array
        try:
            columns, _ = self.encoding.columns_per_weight, self.streaming
        except ConfigError as error:
            raise ValueError(str(error)) from None
        if not self.vectors:
            raise ValueError(
                f"has array.cols {array.cols}, but a basis vector takes {columns} bitlines; widen the "
                "arrays, or set array.encoding to signed"
            )
        if self.nonzeros > self.vectors:
            raise ValueError(
                f"has coefficients.nonzeros {self.nonzeros}, but {self.vectors} basis vectors; set "
                f"it in [1, {self.vectors}], or widen the arrays"
            )
        if not self.capacity:
            raise ValueError(
                f"has {self.converters} converters, but a kernel takes {columns} of a slot; set "
                f"adc.columns_per_adc to {max(array.cols // columns, 1)} or less"
            )
        if self.variant == "digital" and self.adc.columns_per_adc not in (None, 1):
            raise ValueError(
                f"has variant digital, where each column has a converter, but adc.columns_per_adc "
                f"{self.adc.columns_per_adc}; leave it out, or set variant to analog"
            )
        if self.detail == "pass" and (coefficients.port_bits is not None or coefficients.port == "shared"):
            raise ValueError(
                "has a port of coefficients, but detail pass, which does not fetch them; set detail to slot, "
                "or leave coefficients.port and port_bits out"
            )
        return self
