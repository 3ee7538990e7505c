"""What there is to choose about PipeLayer: arrays, memory subarrays, chips, and how layers share them."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal, Self

from pydantic import model_validator

from arch.arrays.encoding import Encoding, Signs
from arch.arrays.streaming import Form, Streaming
from arch.converters import ADCConfig, Range
from arch.core import Detail
from arch.crossbar import AnalogCrossbarConfig
from arch.machines.pipelayer.table import AREA_MM2, BLOCKS, READ_NS, READ_PJ, WRITE_NJ, WRITE_NS
from arch.machines.pipelayer.training_config import TrainingConfig
from simcore import MOST_CYCLES, Config, ConfigError, component_part, param
from simcore.clocks import tick_of

_READ = "read, of Song et al., HPCA 2017"


class SpikingArrayConfig(AnalogCrossbarConfig):
    """A morphable array that computes: 128 x 128 cells of 4 bits, whose inputs come as weighted spikes."""

    rows: int = param(128, ge=1, unit="wordline", doc="elements of an input vector")
    cols: int = param(128, ge=1, unit="bitline", doc="of one array, each a slice of a weight of one sign")
    mvm_cycles: int = param(
        1, ge=1, le=MOST_CYCLES, unit="cycle", doc="one time slot: a spike on each row whose bit is set"
    )
    encoding: Signs | None = param(
        "differential",
        unit="one of",
        doc="how cells hold a signed weight; differential: arrays of their own for positive and negative "
        "parts, whose results are subtracted",
    )
    cell_bits: int | None = param(4, ge=1, le=8, unit="bit", doc="of a weight in one cell")
    input_form: Form = param(
        "bit-serial", unit="one of", doc="how wordlines carry an input; weighted spikes, one for each bit"
    )
    cell_energy_fj: float = param(
        0.0, ge=0, unit="fJ", doc="energy of one cell in a time slot, besides spike_pj; inside that, assumed"
    )
    area_mm2: float = param(0.0, ge=0, unit="mm2", doc="area of one array, besides chip_mm2; inside that")
    spike_pj: float = param(
        READ_PJ,
        ge=0,
        unit="pJ",
        doc=f"energy of a row's driver in a time slot; {_READ}; for each row in use of each array in each "
        "slot, whether there is a spike or not, assumed",
    )


class CounterConfig(ADCConfig):
    """What counts the spikes of a bitline that integrates and fires."""

    bits: int = param(
        16,
        ge=1,
        le=16,
        unit="bit",
        doc="of a count in one time slot; wide enough that none is lost, assumed",
    )
    range: Range = param(
        "full",
        unit="one of",
        doc="what the charge of a spike, the LSB, follows from; full: sums of any weights; LSB 1 if the "
        "counter has bits for them",
    )
    energy_pj: float = param(
        0.0, ge=0, unit="pJ", doc="energy of a count, besides array.spike_pj; inside that, assumed"
    )
    area_mm2: float = param(0.0, ge=0, unit="mm2", doc="area of one, besides chip_mm2; inside that")


class MemoryConfig(Config):
    """Memory subarrays, which hold what layers compute until others have read it."""

    rows: int = param(128, ge=1, unit="wordline", doc="of one subarray, one of which is written at a time")
    cols: int = param(128, ge=1, unit="bitline", doc="of one subarray")
    cell_bits: int = param(4, ge=1, le=8, unit="bit", doc="of a value in one cell")
    writes: Literal["cells", "bits"] = param(
        "cells",
        unit="one of",
        doc="spikes that write a value, one behind the other; cells: one for each of its cells, assumed; "
        "bits: one for each of its bits",
    )
    subarrays: Literal["parallel", "capacity"] = param(
        "parallel",
        unit="one of",
        doc="there are for a layer; parallel: so many that all results of a step are written at once, as "
        "the published time of a layer has it; capacity: the fewest that hold its images; assumed",
    )
    write_nj: float = param(
        WRITE_NJ, ge=0, unit="nJ", doc=f"energy of a spike that writes; {_READ}; for one value, assumed"
    )


class LayerConfig(Config):
    """What a user may set for one layer."""

    replication: int | None = param(
        None, ge=1, unit="copy", doc="its parallelism granularity G: windows at once; null: by the rule"
    )


class PipeLayerConfig(Config):
    """The whole machine."""

    read_ns: float = param(
        READ_NS, gt=0, unit="ns", doc=f"a time slot of a read, and the reference cycle; {_READ}"
    )
    write_ns: float = param(WRITE_NS, gt=0, unit="ns", doc=f"a spike that writes; {_READ}")
    detail: Detail = param(
        "group", unit="one of", doc="array: a process for each array; group: one for those of a layer"
    )
    chips: int | Literal["auto"] = param(
        "auto", ge=1, unit="chip", doc="there are; auto: the fewest that hold each layer once"
    )
    blocks: int = param(
        BLOCKS,
        ge=1,
        unit="",
        doc="arrays that hold a whole weight, with all slices and both signs, in one chip; not published: "
        "so many reach its peak, derived",
    )
    chip_mm2: float = param(AREA_MM2, ge=0, unit="mm2", doc=f"area of one chip, memory and all; {_READ}")
    weight_bits: int = param(16, ge=2, le=16, unit="bit", doc="of a weight")
    activation_bits: int = param(16, ge=2, le=16, unit="bit", doc="of an activation, a time slot each")
    pipeline: Literal["layers", "none"] = param(
        "layers", unit="one of", doc="layers: each works on an image of its own; none: one image at a time"
    )
    parallelism: float = param(
        1.0,
        ge=0,
        unit="",
        doc="what the parallelism granularity of each layer, as many copies as the chips hold for the same "
        "number of steps, is multiplied by, at least 1 copy; more chips if it takes more; 0: one of each",
    )
    layers: dict[str, LayerConfig] = param({}, unit="", doc="what differs for single layers, by name")
    array: SpikingArrayConfig = component_part("spiking-array", doc="the arrays that compute")
    counter: CounterConfig = component_part("spike-counter", doc="of each bitline")
    memory: MemoryConfig = param(MemoryConfig(), unit="", doc="the arrays that store")
    mode: Literal["inference", "training"] = param(
        "inference", unit="one of", doc="training: errors go back, and weights change behind each batch"
    )
    training: TrainingConfig = param(TrainingConfig(), unit="", doc="how weights are changed in that mode")

    @property
    def encoding(self) -> Encoding:
        """How cells hold weights."""
        return Encoding.chosen(self.weight_bits, self.array.encoding, self.array.cell_bits, None)

    @property
    def streaming(self) -> Streaming:
        """How windows reach the wordlines."""
        return self.array.streaming(self.activation_bits)

    @property
    def arrays_per_block(self) -> int:
        """Arrays that hold the slices and signs of the same weights."""
        return self.encoding.columns_per_weight

    @property
    def chip_area_mm2(self) -> float:
        """Area of one chip [mm2], with what is given for single parts."""
        arrays = self.blocks * self.arrays_per_block
        return self.chip_mm2 + arrays * (self.array.area_mm2 + self.array.cols * self.counter.area_mm2)

    # -- time ------------------------------------------------------------------------------------------------

    @property
    def slot(self) -> Fraction:
        """Period of the reference clock [s]: a time slot of a read."""
        return Fraction(str(self.read_ns)) / 10**9

    @property
    def tick(self) -> Fraction:
        """Period of the control clock [s], of which reads and writes take whole numbers."""
        return tick_of([self.slot, Fraction(str(self.write_ns)) / 10**9])

    @property
    def block_macs(self) -> float:
        """Multiply-accumulates a second of a block that is full and never at rest."""
        return float(self.array.rows * self.array.cols / (self.product_ticks * self.tick))

    @property
    def product_ticks(self) -> int:
        """Control cycles of one product of an array."""
        return self.array.product_cycles(self.streaming) * int(self.slot / self.tick)

    @property
    def write_ticks(self) -> int:
        """Control cycles in which a subarray writes a row of values."""
        return self.writes_per_value * int(Fraction(str(self.write_ns)) / 10**9 / self.tick)

    # -- memory subarrays ------------------------------------------------------------------------------------

    @property
    def cells_per_value(self) -> int:
        """Cells that hold an activation."""
        return -(-self.activation_bits // self.memory.cell_bits)

    @property
    def writes_per_value(self) -> int:
        """Spikes that write an activation."""
        return self.cells_per_value if self.memory.writes == "cells" else self.activation_bits

    @property
    def values_per_row(self) -> int:
        """Activations in a row of a subarray, which are written together."""
        return self.memory.cols // self.cells_per_value

    @model_validator(mode="after")
    def _arrays_can_do_it(self) -> Self:
        try:
            _ = self.encoding, self.streaming
        except ConfigError as error:
            raise ValueError(str(error)) from None
        if self.mode == "training" and (self.weight_bits, self.activation_bits) != (16, 16):
            raise ValueError(
                f"has weight_bits {self.weight_bits} and activation_bits {self.activation_bits}, but mode "
                "training computes with 16; set both to 16"
            )
        if not self.values_per_row:
            raise ValueError(
                f"has memory.cols {self.memory.cols}, but a value takes {self.cells_per_value} cells; widen "
                "the subarrays, or take fewer activation_bits"
            )
        return self
