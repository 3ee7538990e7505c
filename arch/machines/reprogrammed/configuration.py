"""What there is to choose about a machine with too few crossbars: how many, how and when they are written."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from arch.arrays.encoding import Encoding
from arch.arrays.streaming import Streaming
from arch.cell_writing import WriteConfig
from arch.core import Detail
from arch.resistive_parts import (
    MapBufferConfig,
    OutputUnitConfig,
    ResistiveArrayConfig,
    SweepingADCConfig,
)
from simcore import Config, ConfigError, component_part, param

#: When a new set of tiles begins.
TileOrder = Literal["layer", "greedy", "optimal"]


class BufferConfig(MapBufferConfig):
    """Memory of whole maps, for all images of a batch, and of sums that wait for other sets."""

    sum_bytes: int = param(4, ge=1, le=8, unit="byte", doc="of a sum that waits for other sets; assumed")


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
    array: ResistiveArrayConfig = component_part("rewritable-array", doc="the crossbars")
    adc: SweepingADCConfig = component_part("sweeping-adc", doc="their converters")
    write: WriteConfig = param(WriteConfig(), unit="", doc="how cells are written")
    buffer: BufferConfig = param(BufferConfig(), unit="", doc="memory of activations and sums")
    digital: OutputUnitConfig = param(OutputUnitConfig(), unit="", doc="what finishes pixels")

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
