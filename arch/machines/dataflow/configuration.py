"""What there is to choose about the pipelined dataflow machine."""

from __future__ import annotations

from typing import Self

from pydantic import field_validator, model_validator

from arch.arrays.encoding import Encoding
from arch.arrays.streaming import Streaming
from arch.attention_config import AttentionConfig
from arch.core import CoreConfig, Detail
from arch.fabric.configuration import FabricConfig
from arch.host import SourceConfig
from arch.mapping.balance import BalanceConfig
from arch.mapping.buffers import BufferRule
from arch.mapping.tiling import RowSplit
from arch.request_queue import QueueConfig
from simcore import Config, ConfigError, component_part, param


class BuffersConfig(Config):
    """How deep the input buffers of the cores are."""

    rule: str = param(
        "lines:K+1",
        unit="one of",
        doc="minimum, lines:K, lines:K+N, lines:N, full or unbounded; K+1 lines decouple neighbours, assumed",
    )
    depths: dict[str, int | None] = param(
        {},
        ge=1,
        unit="pixel",
        doc="slots of single buffers over the rule, by sender and reader as in depths.conv1:conv2; null: "
        "unbounded",
    )
    allow_undersized: bool = param(
        False, unit="", doc="whether depths may be less than is known to keep the pipeline moving"
    )

    @field_validator("rule")
    @classmethod
    def _known(cls, rule: str) -> str:
        return BufferRule(rule).text


class MappingConfig(Config):
    """How weights lie on arrays."""

    rows: RowSplit = param(
        "dense",
        unit="one of",
        doc="how the rows of a layer are split: dense fills every array; channel-aligned puts whole input "
        "channels on each, 28 of a 3x3 kernel on 256 rows, so that no two read the same one",
    )
    pixels_per_step: int = param(
        1,
        ge=1,
        unit="pixel",
        doc="adjacent output pixels that a layer gives in one product, by as many shifted copies of its "
        "kernel in the same arrays; no more than a row of its map has",
    )


class LayerConfig(Config):
    """What a user may set for one layer."""

    replication: int | None = param(
        None,
        ge=1,
        unit="copy",
        doc="copies of its arrays, which take windows in turn; null: as balance.strategy says",
    )
    rows: RowSplit | None = param(
        None,
        unit="one of",
        doc="how its rows are split: dense or channel-aligned; null: as mapping.rows says",
    )
    pixels_per_step: int | None = param(
        None, ge=1, unit="pixel", doc="it gives in one product; null: as mapping.pixels_per_step says"
    )


class DataflowConfig(Config):
    """The whole machine."""

    clock_ghz: float = param(1.0, gt=0, le=1e6, unit="GHz", doc="reference clock; core clock of HERMES")
    detail: Detail = param(
        "array", unit="one of", doc="array: a process for each; group: one for those in lock-step"
    )
    weight_bits: int = param(8, ge=2, le=16, unit="bit", doc="of a weight")
    activation_bits: int = param(8, ge=2, le=16, unit="bit", doc="of an activation")
    columns_per_weight: int | None = param(
        None,
        ge=1,
        le=32,
        unit="bitline",
        doc="bitlines that hold a weight: 1 signed, 4 slices offset, 8 those in differential pairs; null: as "
        "core.crossbar.encoding and cell_bits say, with which it must agree",
    )
    input_pixels_per_cycle: int | None = param(
        None,
        ge=1,
        le=512,
        unit="pixel",
        doc="input pixels that come together; null: one every source.pixel_cycles",
    )
    layers: dict[str, LayerConfig] = param({}, unit="", doc="what differs for single layers, by name")
    mapping: MappingConfig = param(MappingConfig(), unit="", doc="how weights lie on arrays")
    balance: BalanceConfig = param(BalanceConfig(), unit="", doc="copies of layers, and cores there are")
    core: CoreConfig = component_part("core", doc="the cores")
    attention: AttentionConfig = param(
        AttentionConfig(), unit="", doc="where products of two computed tensors run, and room for keys"
    )
    buffers: BuffersConfig = param(BuffersConfig(), unit="", doc="depth of the cores' input memories")
    fabric: FabricConfig = param(FabricConfig(), unit="", doc="links between cores")
    source: SourceConfig = component_part("source", doc="where images come from")
    queue: QueueConfig = component_part("queue", doc="where requests wait, in runs with arrivals")

    def row_split(self, layer: str) -> RowSplit:
        """Return how the rows of a layer are split."""
        own = self.layers[layer].rows if layer in self.layers else None
        return own or self.mapping.rows

    def pixels_per_step(self, layer: str) -> int:
        """Return the pixels that a layer gives in one product, if a row of its map has so many."""
        own = self.layers[layer].pixels_per_step if layer in self.layers else None
        return own or self.mapping.pixels_per_step

    @property
    def encoding(self) -> Encoding:
        """How cells hold weights."""
        crossbar = self.core.crossbar
        return Encoding.chosen(
            self.weight_bits, crossbar.encoding, crossbar.cell_bits, self.columns_per_weight
        )

    @property
    def token_encoding(self) -> Encoding:
        """How cells hold keys and values, which have the bits of activations.

        raises : ConfigError for a number of bitlines that fits weights only
        """
        crossbar = self.core.crossbar
        return Encoding.chosen(
            self.activation_bits, crossbar.encoding, crossbar.cell_bits, self.columns_per_weight
        )

    @property
    def streaming(self) -> Streaming:
        """How windows reach the wordlines."""
        return self.core.crossbar.streaming(self.activation_bits)

    @property
    def core_macs(self) -> float:
        """Multiply-accumulates a second of a core whose array is full and never at rest."""
        crossbar = self.core.crossbar
        weights = crossbar.rows * (crossbar.cols // self.encoding.columns_per_weight)
        return weights * self.clock_ghz * 1e9 / self.core.product_cycles(self.streaming)

    @model_validator(mode="after")
    def _arrays_can_do_it(self) -> Self:
        try:
            _ = self.encoding, self.streaming
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return self
