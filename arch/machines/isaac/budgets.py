"""Power, area and peak of an IMA, a tile and a chip, added up from what their parts cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from arch.machines.isaac.configuration import IsaacConfig
from arch.machines.isaac.table import IMA, TILE, Budget, total


@dataclass(frozen=True)
class Budgets:
    """What one of each costs with these sizes and energies: power if it never rests, and area."""

    config: IsaacConfig

    @property
    def counts(self) -> Mapping[str, float]:
        """Instances of each row of the table in one IMA, or in one tile besides."""
        config = self.config
        arrays, array, tile = config.ima.arrays, config.array, config.tile
        return {
            "adc": arrays,
            "dac": arrays * array.rows,
            "sample-hold": arrays * array.cols,
            "crossbar": arrays,
            "shift-add": arrays / 2,
            "input-register": arrays * array.rows * config.value_bytes,
            "output-register": config.output_bytes,
            "edram": tile.edram_kib,
            "bus": tile.bus_bits,
            "router": 1 / config.mesh.concentration,
            "sigmoid": tile.sigmoid_units,
            "tile-adder": 1,
            "max-pool": tile.pool_units,
            "tile-register": tile.imas * config.output_bytes,
        }

    @property
    def energies(self) -> Mapping[str, float]:
        """Energy of an action of each row [pJ]."""
        array, ima, tile = self.config.array, self.config.ima, self.config.tile
        return {
            "adc": self.config.adc.energy_pj,
            "dac": ima.dac_pj,
            "sample-hold": ima.sample_pj,
            "crossbar": array.cell_energy_fj * array.rows * array.cols / 1e3,
            "shift-add": ima.shift_add_pj,
            "input-register": ima.input_register_pj,
            "output-register": ima.output_register_pj,
            "edram": tile.edram_pj,
            "bus": tile.bus_pj,
            "router": self.config.mesh.flit_pj,
            "sigmoid": tile.sigmoid_pj,
            "tile-adder": tile.adder_pj,
            "max-pool": tile.pool_pj,
            "tile-register": tile.register_pj,
        }

    def part(self, name: str) -> Budget:
        """Return what all instances of a row in one IMA, or in one tile, cost."""
        row = (IMA | TILE)[name]
        areas = {"crossbar": self.config.array.area_mm2, "adc": self.config.adc.area_mm2}
        busy = self.energies[name] * row.per_cycle / row.count / self.config.cycle_ns
        return Budget(busy, areas.get(name, row.instance.mm2)) * self.counts[name]

    @property
    def ima(self) -> Budget:
        """An IMA."""
        return total([self.part(name) for name in IMA])

    @property
    def periphery(self) -> Budget:
        """A tile without its IMAs, with its share of a router."""
        return total([self.part(name) for name in TILE])

    @property
    def tile(self) -> Budget:
        """A tile."""
        return total([self.periphery, self.ima * self.config.tile.imas])

    @property
    def links(self) -> Budget:
        """HyperTransport of a chip."""
        return Budget(self.config.hypertransport.watts * 1e3, self.config.hypertransport.area_mm2)

    @property
    def chip(self) -> Budget:
        """A chip."""
        return total([self.tile * self.config.tiles, self.links])

    def of_chip(self, name: str) -> Budget:
        """Return what a row costs in a whole chip."""
        tiles = self.config.tiles * (self.config.tile.imas if name in IMA else 1)
        return self.part(name) * tiles

    @property
    def gops(self) -> float:
        """Operations of a chip whose arrays are full and never rest [GOPS], two for each product."""
        config = self.config
        arrays = config.tiles * config.arrays_per_tile
        return 2 * arrays * config.weights_per_array / (config.interval * config.cycle_ns)

    @property
    def weights_mib(self) -> float:
        """Weights that a chip holds [MiB]."""
        config = self.config
        arrays = config.tiles * config.arrays_per_tile
        return arrays * config.weights_per_array * config.weight_bits / 8 / 2**20
