"""All chips: layers on their tiles, source and sink, wired as the plan says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arch.arrays.array_parts import ArrayParts
from arch.host import Sink, Source, SourceConfig
from arch.machine import Values
from arch.machines.isaac.budgets import Budgets
from arch.machines.isaac.configuration import IsaacConfig
from arch.machines.isaac.layer import DIGITAL, Layer
from arch.machines.isaac.plan import IsaacMap
from arch.machines.isaac.table import IMA, TILE
from arch.machines.isaac.tile_parts import ResultWrite, Tile
from arch.machines.isaac.timing import Timing
from arch.mapping.stages import Stage
from arch.meter import Meter, meter_of
from simcore import Component, PartConfig

if TYPE_CHECKING:  # its kernels load when values are computed
    from arch.run_values import RunValues

#: What reports add the table's rows up as, where they call it by another name.
FAMILIES = {
    "input-register": "register",
    "output-register": "register",
    "tile-register": "register",
    "edram": "buffer",
    "sigmoid": "digital",
    "tile-adder": "digital",
    "max-pool": "digital",
}


class IsaacChips(Component):
    """As many chips as there are, as one pipeline of layers."""

    def lay_out(self, config: IsaacConfig, placed: IsaacMap, images: int) -> None:
        """Build and wire all layers."""
        self.settings, self.placed = config, placed
        self.timing = Timing(config, placed.stages, placed.homes, placed.places)
        channels, height, width = placed.network.input_shape
        incoming = SourceConfig(pixel_cycles=self.timing.input_cycles(channels))
        self.source = self.add(Source, "source", incoming, clock=DIGITAL)
        self.source.images, self.source.pixels = images, height * width
        self.layers: dict[str, Layer] = {}
        for stage in placed.stages:
            layer = self.layers[stage.name] = self.add(
                Layer, f"layer[{stage.name}]", PartConfig(), layer=stage.name
            )
            layer.lay_out(config, placed, self.timing, stage, images)
            readers = [s.name for s in placed.stages for o in s.operands if o.source == stage.name]
            layer.add_links(sum(self.timing.way(stage.name, reader).routers > 0 for reader in readers))
        self.sink = self.add(Sink, "sink", PartConfig())
        self.sink.images, self.sink.pixels = images, placed.stages[-1].pixels
        self._connect()
        self._share_edrams()
        self._add_meters()

    def _connect(self) -> None:
        """Let pixels go from stage to stage, into the eDRAM of each reader."""
        for layer in self.layers.values():
            for buffer, write, port in zip(
                layer.memory.buffers, layer.writes, layer.memory.pixel_in, strict=True
            ):
                self._send(buffer.source, layer.stage, write)
                behind = self._write_cycles if buffer.source in self.layers else 0
                self.connect(write.pixel_out, port, buffer.depth, behind)
        last = self.layers[self.placed.stages[-1].name]
        self.connect(last.digital.pixel_out, self.sink.pixel_in, None, self._write_cycles)

    def _send(self, sender: str, reader: Stage, write: ResultWrite) -> None:
        """Let a stage's pixels, or the source's, get to where they are written."""
        if sender not in self.layers:
            self.connect(self.source.pixel_out, write.pixel_in)
            return
        layer = self.layers[sender]
        cycles, gap, out = self.timing.way_cycles(layer.stage, reader.name), 1, layer.digital.pixel_out
        if cycles and layer.links is not None:
            gap, out = layer.links.cycles, layer.links.pixel_out
            cycles = max(cycles - gap, 0)
        under_way = 1 + cycles // max(gap, layer.digital.finish_cycles)
        layer.registers += under_way
        self.connect(out, write.pixel_in, under_way, cycles)

    @property
    def _write_cycles(self) -> int:
        """Digital cycles of the pipeline's stage in which results are written."""
        return self.settings.tile.write_cycles * self.settings.digital_cycles

    def _share_edrams(self) -> None:
        """Let all that reads or writes in a tile take turns on its eDRAM."""
        users: dict[int, list[Any]] = {}
        for name, layer in self.layers.items():
            for fetches in layer.fetches:
                for tile, fetch in fetches.items():
                    users.setdefault(tile, []).append(fetch.edram)
            for write in layer.writes:
                for tile, port in zip(self.timing.tiles(name), write.edrams, strict=True):
                    users.setdefault(tile, []).append(port)
        for tile, ports in sorted(users.items()):
            self.add(Tile, f"tile[{tile}]", PartConfig()).share(ports, "edram")

    def _add_meters(self) -> None:
        """Add what costs energy or area and takes no time of its own; unused tiles have their area, too."""
        budgets, chips = Budgets(self.settings), self.placed.chips
        crossing: list[tuple[Layer, int]] = []
        for layer in self.layers.values():
            size = layer.stage.shape[0] * self.settings.value_bytes
            readers = [s.name for s in self.placed.stages for o in s.operands if o.source == layer.stage.name]
            ways = [self.timing.way(layer.stage.name, reader) for reader in readers]
            layer.add_meters(self.settings.flits(size) * sum(way.routers for way in ways))
            crossing.append((layer, size * sum(way.chips for way in ways)))
        for row in (*IMA, *TILE):
            meter: Meter = self.add(meter_of(FAMILIES.get(row, row)), f"chips.{row}", PartConfig())
            meter.mm2 = budgets.of_chip(row).mm2 * chips
        links = self.add(meter_of("hypertransport"), "chips.hypertransport", PartConfig())
        links.counted = lambda: sum(layer.digital.pixels * size for layer, size in crossing)
        links.charge("byte", 0.0)  # its power does not follow what it does
        links.watts, links.mm2 = budgets.links.mw * chips / 1e3, budgets.links.mm2 * chips

    def attach(self, values: Values) -> RunValues:
        """Give every part its values, and return them."""
        from arch.run_values import RunValues

        config, placed = self.settings, self.placed
        parts = ArrayParts(config.encoding, config.array, config.adc, values.seed)
        run = RunValues(placed.stages, placed.network.input, values, parts)
        for name, layer in self.layers.items():
            blocks = placed.tilings[name].blocks if layer.copies else ()
            copies = len(layer.copies) or 1
            work = run.attach(layer.stage, layer.memory, layer.digital, layer.registers, blocks, copies)
            for number, adder in enumerate(layer.adders):
                adder.multiply = work.multiplier(number, blocks)
        return run

    def macs(self) -> int:
        """Return the multiply-accumulates that all arrays did."""
        return sum(layer.macs() for layer in self.layers.values())
