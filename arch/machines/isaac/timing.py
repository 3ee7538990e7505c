"""How long the parts of a layer take if nobody is in the way: for the plan, and for the chip built by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import gcd, lcm
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from arch.attention_config import AttentionUnitConfig
from arch.digital_unit import DigitalUnitConfig
from arch.machines.isaac.configuration import IsaacConfig
from arch.machines.isaac.floor_plan import Copy, Place, Site, input_elements
from arch.machines.isaac.ways import Way, Ways
from arch.mapping.sizes import bytes_of
from arch.mapping.stages import Join, Operand, Stage
from arch.mapping.tiling import tile
from arch.mapping.written_operands import cycles_of_image, products_of_token, token_parts
from workloads import AvgPoolNode, LoweredNetwork, MaxPoolNode

#: Bytes of a partial sum on its way from tile to tile, assumed.
SUM_BYTES = 4


class DigitalUnits(NamedTuple):
    """Max-pool units, adders or sigmoid units of some tiles.

    pj : energy of a value [pJ]
    set_by : parameter that says how many there are of a tile; none where a tile has one
    """

    number: int
    pj: float
    set_by: tuple[str, ...] = ()


class TileReads(NamedTuple):
    """What one tile reads of its eDRAM for the steps of a product of attention.

    Pixels are written to a stage's tiles by turns, so each has a part of the keys that a token sees, and one
    has the token.

    tile, tiles : which of the stage's tiles
    visible : keys that each token sees
    keys : of an image
    key_bytes, token_bytes : of a key, or value, and of a token, or its shares
    """

    tile: int
    tiles: int
    visible: Sequence[int]
    keys: int
    key_bytes: int
    token_bytes: int

    @classmethod
    def of(cls, stage: Stage, timing: Timing, tile: int) -> TileReads:
        """Return what one of a stage's tiles reads."""
        node, (stored, moving) = stage.attention, stage.operands
        assert node is not None
        sizes = timing.stored_bytes(stored), timing.stored_bytes(moving)
        return cls(tile, len(timing.tiles(stage.name)), node.visible.tolist(), node.keys, *sizes)

    @property
    def period(self) -> int:
        """Steps until a tile reads the same again: of images until key and token lie in the first tile."""
        steps, tiles = len(self.visible), self.tiles
        return steps * lcm(tiles // gcd(tiles, self.keys), tiles // gcd(tiles, steps))

    def kept(self, step: int) -> int:
        """Return the bytes of keys that a step reads; steps are counted over all images."""
        image, token = divmod(step, len(self.visible))
        first = image * self.keys
        lies_here = first + (self.tile - first) % self.tiles
        return len(range(lies_here, first + self.visible[token], self.tiles)) * self.key_bytes

    def token(self, step: int) -> int:
        """Return the bytes of the step's token that lie here: all or none."""
        return self.token_bytes if step % self.tiles == self.tile else 0

    def size(self, step: int) -> int:
        """Return all bytes that a step reads."""
        return self.kept(step) + self.token(step)


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

    def input_cycles(self, network: LoweredNetwork) -> int:
        """Return the digital cycles from one pixel of the input to the next, by all links of a chip."""
        readers = (o for stage in self.stages for o in stage.operands if o.source == network.input)
        bits = next((o.id_bits for o in readers if o.id_bits), self.config.stored_bits)
        size = bytes_of(network.input_shape[0] * bits)
        return self.config.hypertransport_cycles(-(-size // self.config.hypertransport.links))

    def written_banks(self, stage: Stage) -> tuple[Copy, ...]:
        """Return where the banks of a stage's keys or values lie; none where it has none in arrays."""
        return self.places[stage.name].copies if stage.written is not None else ()

    def write_cycles_of_token(self, stage: Stage) -> int:
        """Return the digital cycles in which a token of a stage is written to its arrays."""
        assert stage.written is not None
        array, columns = self.config.array, self.config.token_encoding.columns_per_weight
        parts = token_parts(stage, tile(stage.written, array.rows, array.cols, columns))
        return self.config.attention.writing.token_cycles(parts)

    def token_bytes(self, stage: Stage, sites: Sequence[Site]) -> int:
        """Return the bytes that written arrays in one tile take of a token, for all its products."""
        return products_of_token(stage) * self.input_bytes(sites)

    def fetch_cycles(self, sites: Sequence[Site]) -> int:
        """Return the digital cycles in which the inputs of a copy's arrays in one tile are read."""
        return self.config.edram_cycles(self.input_bytes(sites))

    def input_bytes(self, sites: Sequence[Site]) -> int:
        """Return the bytes of those inputs."""
        return input_elements(sites) * self.config.value_bytes

    def write_cycles(self, operand: Operand) -> int:
        """Return the digital cycles in which a pixel of what a stage reads is written."""
        return self.config.edram_cycles(self.arriving_bytes(operand))

    def arriving_bytes(self, operand: Operand) -> int:
        """Return the bytes that are written of a pixel as it comes, on its way to cells or not."""
        return self.stored_bytes(replace(operand, in_cells=False))

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
            return DigitalUnits(tile.pool_units * tiles, tile.pool_pj, ("tile.pool_units",))
        if isinstance(stage.head, AvgPoolNode | Join):
            return DigitalUnits(tiles, tile.adder_pj)
        return DigitalUnits(tile.sigmoid_units * tiles, tile.sigmoid_pj, ("tile.sigmoid_units",))

    def way(self, sender: str, reader: str) -> Way:
        """Return the way from one stage to another."""
        return self._ways.longest(self.tiles(sender), self.tiles(reader))

    @cached_property
    def _ways(self) -> Ways:
        return Ways(self.config)

    def pixel_bytes(self, stage: Stage) -> int:
        """Return the bytes of a pixel that a stage sends."""
        return bytes_of(stage.pixel_bits(self.config.stored_bits))

    def stored_bytes(self, operand: Operand) -> int:
        """Return the bytes of a pixel of what a stage reads, as it lies in eDRAM."""
        return operand.pixel_bytes(self.config.stored_bits)

    def makers(self, stage: Stage) -> list[list[tuple[int, int]]]:
        """Return the tiles that make a pixel and the bytes each makes of it, pixel by pixel in turn.

        Those of a copy make the channels whose sums are complete there; without arrays tiles take turns.
        """
        copies = self.places[stage.name].copies if stage.name in self.places else ()
        size = self.pixel_bytes(stage)
        if stage.written is not None:  # images take banks in turn
            return [_shares(size, bank.outputs) for bank in copies for _ in range(stage.pixels)]
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

    def digital(self, stage: Stage) -> DigitalUnitConfig:
        """Return one of the digital units that share a stage's pixels: a value in each of its cycles."""
        pj = self.units(stage).pj
        return DigitalUnitConfig(lanes=1, pass_cycles=1, channel_energy_pj=pj, area_mm2=0.0)

    def finish_cycles(self, stage: Stage) -> int:
        """Return the digital cycles of a stage's head for one step."""
        return self.digital(stage).step_cycles(stage, self.units(stage).number)

    def windows_together(self, stage: Stage) -> int:
        """Return the windows that a stage without arrays takes while arrays do an operation.

        A product of attention takes one after the other.
        """
        if stage.attention is not None:
            return 1
        return min(max(self._operation // self.finish_cycles(stage), 1), stage.steps)

    @property
    def _operation(self) -> int:
        """Digital cycles of an operation of arrays."""
        return self.config.interval * self.config.digital_cycles

    def multipliers(self, stage: Stage) -> AttentionUnitConfig:
        """Return the attention units of all tiles of a stage, which share each token, as one."""
        unit = self.config.attention.unit
        return unit.model_copy(update={"macs": unit.macs * len(self.tiles(stage.name))})

    def attention_parts(self, stage: Stage) -> NDArray[np.int64]:
        """Return the digital cycles of each step of a product of attention in each of its parts, (3, steps).

        They are: reading the token and the keys that it sees, in the tile that has most of them; the product,
        by the attention units of all tiles; and all passes of the digital units. Of the first image, as which
        tile has most may differ in others.
        """
        assert stage.attention is not None
        finish = self.digital(stage).finish_cycles(stage, self.units(stage).number)
        if stage.written is not None:
            sites = Copy(tuple(site for bank in self.written_banks(stage) for site in bank.sites)).by_tile
            size = max(self.token_bytes(stage, part) for part in sites.values())
            operations = products_of_token(stage) * self._operation
            each = (self.config.edram_cycles(size), operations, finish)
            return np.array([np.broadcast_to(part, stage.steps) for part in each])
        tiles, steps = len(self.tiles(stage.name)), range(stage.steps)
        reads = [TileReads.of(stage, self, place) for place in range(tiles)]
        fetch = [max(self.config.edram_cycles(read.size(step)) for read in reads) for step in steps]
        product = self.multipliers(stage).cycles(stage.attention)
        return np.array([fetch, product, np.broadcast_to(finish, stage.steps)])

    def durations(self, stage: Stage) -> NDArray[np.float64]:
        """Return the operations of arrays from each step of a product of attention to its next, (steps,)."""
        longest: NDArray[np.int64] = self.attention_parts(stage).max(axis=0)
        return longest / self._operation

    def image_cycles(self, stage: Stage) -> int:
        """Return the cycles of a product of attention from image to image: of its slowest part, or writes."""
        parts = self.attention_parts(stage)
        cycles = int(parts.sum(axis=1).max())
        if stage.written is not None:
            write, banks = self.write_cycles_of_token(stage), self.config.attention.writing.banks
            cycles = cycles_of_image(stage, cycles, write, int(parts[1, 0]), banks)
        return self.in_cycles(cycles)

    @property
    def writing(self) -> dict[str, float]:
        """Operations of arrays in which a token is written, of each stage that has keys or values in some."""
        stages = (stage for stage in self.stages if stage.written is not None)
        return {stage.name: self.write_cycles_of_token(stage) / self._operation for stage in stages}

    def latency_cycles(self, stage: Stage) -> int:
        """Return the cycles from a window until its pixel may be read by the farthest reader."""
        readers = [r.name for r in self.stages for o in r.operands if o.source == stage.name]
        ways = (self.way_cycles(stage, reader) for reader in readers)
        digital = self.finish_cycles(stage) + max(ways, default=0)
        behind = self.in_cycles(digital) + self.config.tile.write_cycles
        if stage.attention is not None:
            fetch, product, _ = self.attention_parts(stage)
            if stage.written is not None:
                ima, banks = self.config.ima, self.written_banks(stage)
                behind += ima.adc_cycles + ima.shift_add_cycles + self.sum_cycles(banks)
            return self.in_cycles(int((fetch + product).max())) + behind
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
    for number, count in outputs.items():
        sent, before = size * before // columns, before + count
        shares.append((number, size * before // columns - sent))
    return [(number, share) for number, share in shares if share]
