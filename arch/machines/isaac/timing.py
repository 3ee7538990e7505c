"""How long the parts of a layer take if nobody is in the way: for the plan, and for the chip built by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from arch.machines.isaac.configuration import IsaacConfig
from arch.machines.isaac.floor_plan import Copy, Place, Site, input_elements
from arch.machines.isaac.ways import Way, Ways
from arch.mapping.stages import Join, Stage
from workloads import AvgPoolNode, MaxPoolNode

#: Bytes of a partial sum on its way from tile to tile, assumed.
SUM_BYTES = 4


class DigitalUnits(NamedTuple):
    """Max-pool units, adders or sigmoid units of some tiles.

    pj : energy of a value [pJ]
    """

    number: int
    pj: float


@dataclass(frozen=True, eq=False)
class Timing:
    """Times of one mapping; `cycle` is of arrays, `digital cycle` of all other parts."""

    config: IsaacConfig
    stages: Sequence[Stage]
    homes: Mapping[str, str]
    places: Mapping[str, Place]

    def in_cycles(self, digital: int) -> int:
        """Return the cycles in which so many digital ones are over."""
        return -(-digital // self.config.digital_cycles)

    def input_cycles(self, channels: int) -> int:
        """Return the digital cycles from one input pixel to the next, by all links of a chip."""
        size = -(-channels * self.config.value_bytes // self.config.hypertransport.links)
        return self.config.hypertransport_cycles(size)

    def fetch_cycles(self, sites: Sequence[Site]) -> int:
        """Return the digital cycles in which the inputs of a copy's arrays in one tile are read."""
        return self.config.edram_cycles(self.input_bytes(sites))

    def input_bytes(self, sites: Sequence[Site]) -> int:
        """Return the bytes of those inputs."""
        return input_elements(sites) * self.config.value_bytes

    def write_cycles(self, channels: int) -> int:
        """Return the digital cycles in which a pixel is written."""
        return self.config.edram_cycles(channels * self.config.value_bytes)

    def sum_cycles(self, copies: Sequence[Copy]) -> int:
        """Return the cycles in which partial sums go on through the tiles of a copy."""
        array = self.config.array
        width = self.config.weights_per_array // array.rows
        hop = self.config.mesh_cycles(1, self.config.flits(width * SUM_BYTES))
        return self.in_cycles(max((copy.further_tiles for copy in copies), default=0) * hop)

    def tiles(self, stage: str) -> range:
        """Return the tiles that a stage is done in."""
        return self.places[self.homes[stage]].tiles

    def units(self, stage: Stage) -> DigitalUnits:
        """Return the digital units that share the channels of a stage's pixels."""
        tiles, tile = len(self.tiles(stage.name)), self.config.tile
        if isinstance(stage.head, MaxPoolNode):
            return DigitalUnits(tile.pool_units * tiles, tile.pool_pj)
        if isinstance(stage.head, AvgPoolNode | Join):
            return DigitalUnits(tiles, tile.adder_pj)
        return DigitalUnits(tile.sigmoid_units * tiles, tile.sigmoid_pj)

    def way(self, sender: str, reader: str) -> Way:
        """Return the way from one stage to another."""
        return self._ways.longest(self.tiles(sender), self.tiles(reader))

    @cached_property
    def _ways(self) -> Ways:
        return Ways(self.config)

    def pixel_bytes(self, stage: Stage) -> int:
        """Return the bytes of a pixel."""
        return stage.shape[0] * self.config.value_bytes

    def makers(self, stage: Stage) -> list[list[tuple[int, int]]]:
        """Return the tiles that make a pixel and the bytes each makes of it, pixel by pixel in turn.

        Those of a copy make the channels whose sums are complete there; without arrays tiles take turns.
        """
        copies = self.places[stage.name].copies if stage.name in self.places else ()
        size = self.pixel_bytes(stage)
        if not copies:
            return [[(tile, size)] for tile in self.tiles(stage.name)]
        return [_shares(size, copy.outputs) for copy in copies]

    def packet_bytes(self, sender: Stage) -> int:
        """Return the most bytes of a pixel that one tile sends."""
        return max(size for shares in self.makers(sender) for _, size in shares)

    def held_pixels(self, stage: Stage) -> int:
        """Return the pixels that the output registers of a stage's tiles hold."""
        tile = self.config.tile.imas * self.config.output_bytes
        return max(1, len(self.tiles(stage.name)) * tile // self.pixel_bytes(stage))

    def way_cycles(self, sender: Stage, reader: str) -> int:
        """Return the digital cycles of a pixel from one stage to another."""
        return self.way(sender.name, reader).cycles(self.config, self.packet_bytes(sender))

    def finish_cycles(self, stage: Stage) -> int:
        """Return the digital cycles of a stage's head for one step."""
        head, passes = stage.head, 1
        if isinstance(head, MaxPoolNode | AvgPoolNode) and not stage.accumulates:
            passes = head.window.positions
        return passes * -(-head.shape[0] // self.units(stage).number)

    def windows_together(self, stage: Stage) -> int:
        """Return the windows that a stage without arrays takes while arrays do an operation."""
        together = self.config.interval * self.config.digital_cycles // self.finish_cycles(stage)
        return min(max(together, 1), stage.steps)

    def latency_cycles(self, stage: Stage) -> int:
        """Return the cycles from a window until its pixel may be read by the farthest reader."""
        readers = [r.name for r in self.stages for o in r.operands if o.source == stage.name]
        ways = (self.way_cycles(stage, reader) for reader in readers)
        digital = self.finish_cycles(stage) + max(ways, default=0)
        behind = self.in_cycles(digital) + self.config.tile.write_cycles
        copies = self.places[stage.name].copies if stage.name in self.places else ()
        if not copies:
            return behind
        fetch = max(self.fetch_cycles(sites) for copy in copies for sites in copy.by_tile.values())
        ima = self.config.ima
        arrays = self.config.interval + ima.adc_cycles + ima.shift_add_cycles + self.sum_cycles(copies)
        return self.in_cycles(fetch) + arrays + behind


def _shares(size: int, outputs: Mapping[int, int]) -> list[tuple[int, int]]:
    """Return the bytes of a pixel that each tile sends: as many as it has of the columns."""
    columns, before, shares = sum(outputs.values()), 0, []
    for tile, count in outputs.items():
        sent, before = size * before // columns, before + count
        shares.append((tile, size * before // columns - sent))
    return [(tile, share) for tile, share in shares if share]
