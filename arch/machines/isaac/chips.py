"""All chips: layers on their tiles, source and sink, wired as the plan says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from arch.activation_memory import ActivationMemory
from arch.arrays.array_parts import ArrayParts
from arch.host import Sink, Source, SourceConfig
from arch.machine import Values
from arch.machines.isaac.budgets import Budgets
from arch.machines.isaac.configuration import IsaacConfig
from arch.machines.isaac.layer import DIGITAL, Layer
from arch.machines.isaac.mesh import Mesh
from arch.machines.isaac.pixel_ways import Departure, Landing
from arch.machines.isaac.plan import IsaacMap
from arch.machines.isaac.table import IMA, TILE
from arch.machines.isaac.tile_parts import Tile
from arch.machines.isaac.timing import Timing
from arch.meter import Meter, meter_of
from arch.pipelined_machine import Pipeline
from arch.written_arrays import Writing, WritingMeter
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


class IsaacChips(Pipeline):
    """As many chips as there are, as one pipeline of layers."""

    settings: IsaacConfig
    placed: IsaacMap

    def lay_out(self, config: IsaacConfig, placed: IsaacMap, images: int, mesh: Mesh | None = None) -> None:
        """Build and wire all layers.

        mesh : that packets of other networks take, too; None makes one, with all that chips have besides
        """
        self.settings, self.placed, self.stages = config, placed, placed.stages
        self.timing = Timing(config, placed.stages, placed.homes, placed.places)
        _, height, width = placed.network.input_shape
        incoming = SourceConfig(pixel_cycles=self.timing.input_cycles(placed.network))
        self.source = self.add(Source, "source", incoming, clock=DIGITAL)
        self.source.images, self.source.pixels = images, height * width
        self.source.feed.set_by = ("hypertransport.gb_per_s", "hypertransport.links", "activation_bits")
        self.layers: dict[str, Layer] = {}
        for stage in placed.stages:
            layer = self.layers[stage.name] = self.add(
                Layer, f"layer[{stage.name}]", PartConfig(), layer=placed.full_name(stage.name)
            )
            layer.lay_out(config, placed, self.timing, stage, images)
        layers = self.layers.values()
        self.writing = Writing([layer.written for layer in layers if layer.written is not None])
        if self.writing.pairs:
            self.writing.meet(self.add(WritingMeter, "writing", PartConfig()))
        self.sink = self.add(Sink, "sink", PartConfig())
        self.sink.images, self.sink.pixels = images, placed.stages[-1].pixels
        self.mesh = mesh or add_mesh(self, config, [placed], [images])
        self.departures: dict[str, Departure] = {}
        self._connect()
        self._share_edrams()
        for layer in self.layers.values():
            layer.add_meters()
        if mesh is None:
            add_chips(self, config, placed.chips, self.mesh)

    def _connect(self) -> None:
        """Let pixels go from stage to stage over the mesh, into the eDRAM of each reader, and sums, too."""
        readers: dict[str, list[tuple[Layer, int]]] = {}
        for layer in self.layers.values():
            for place, operand in enumerate(layer.stage.operands):
                readers.setdefault(operand.source, []).append((layer, place))
        for sender, operands in readers.items():
            self._send(sender, operands)
        for layer in self.layers.values():
            layer.send_sums(self.mesh)
        last = self.layers[self.placed.stages[-1].name]
        self.connect(last.digital.pixel_out, self.sink.pixel_in, None, self._write_cycles)

    def _send(self, sender: str, operands: list[tuple[Layer, int]]) -> None:
        """Let a stage's pixels, or the source's, get to the buffers of some layers."""
        if sender in self.layers:
            layer, behind = self.layers[sender], self._write_cycles
            makers, held = self.timing.makers(layer.stage), self.timing.held_pixels(layer.stage)
            send = layer.add_send()
            out = send.pixel_out
            send.departure = departure = Departure(self.mesh, sender, makers, held)
        else:  # from where the host's links lead to, into each tile
            out, behind = self.source.pixel_out, 0
            departure = Departure(self.mesh, sender, [()], 1)
        self.departures[sender] = departure
        ends = []
        for place, (reader, number) in enumerate(operands):
            port, depth, _, _ = reader.memory.entries[number]
            ends.append(self.carry(out, port, depth, departure, place))
            writes = reader.writes[number]
            tiles = self.timing.tiles(reader.stage.name)
            landing = Landing(self.simulation.engine, tiles, writes, behind, port.owner.clock.ticks)
            departure.add(landing)
        departure.connect(ends)

    @property
    def _write_cycles(self) -> int:
        """Digital cycles of the pipeline's stage in which results are written."""
        return self.settings.tile.write_cycles * self.settings.digital_cycles

    def _share_edrams(self) -> None:
        """Let all that reads or writes in a tile take turns on its eDRAM."""
        users: dict[int, list[Any]] = {}
        for name, layer in self.layers.items():
            for fetches in layer.all_fetches:
                for tile, fetch in fetches.items():
                    users.setdefault(tile, []).append(fetch.edram)
            for writes in layer.writes:
                for tile, write in zip(self.timing.tiles(name), writes, strict=True):
                    users.setdefault(tile, []).append(write.edram)
        for tile, ports in sorted(users.items()):
            self.add(Tile, f"tile[{tile}]", PartConfig()).share(ports, "edram")

    @property
    def memories(self) -> Iterable[ActivationMemory]:
        """The memories of its layers."""
        return [layer.memory for layer in self.layers.values()]

    @property
    def caches(self) -> Iterable[tuple[ActivationMemory, int]]:
        """The memories of keys or values, and what was read of them."""
        layers = (layer for layer in self.layers.values() if layer.attention is not None)
        return [(layer.memory, layer.keys_read) for layer in layers]

    def attach(self, values: Values) -> RunValues:
        """Give every part its values, and return them.

        raises : MappingError for weights that the cells cannot hold, and for device values of what is written
        """
        self.writing.check(values)
        from arch.run_values import RunValues

        config, placed = self.settings, self.placed
        parts = ArrayParts(config.encoding, config.array, config.adc, values.seed)
        run = RunValues(placed.stages, placed.network.input, values, parts)
        for name, layer in self.layers.items():
            blocks = placed.tilings[name].blocks if layer.copies else ()
            copies = len(layer.copies) or 1
            work = run.attach(layer.stage, layer.memory, layer.digital, layer.registers, blocks, copies)
            for number, adder in enumerate(layer.adders if layer.copies else ()):
                adder.multiply = work.multiplier(number, blocks)
            if name in self.departures:
                departure = self.departures[name]
                departure.load = run.carry(name, departure.most_under_way)
        return run

    def pixels_carried(self) -> tuple[int, int]:
        """Return the pixels that set out for readers, and those that came to them."""
        buffers = [p.channel for layer in self.layers.values() for p, *_ in layer.memory.entries]
        return sum(buffer.sent for buffer in buffers), sum(buffer.landed for buffer in buffers)

    def macs(self) -> int:
        """Return the multiply-accumulates that all arrays and attention units did."""
        return sum(layer.macs() for layer in self.layers.values())


class SharedIsaac(Component):
    """Several networks on the same chips: a pipeline of each in tiles of its own, one mesh, one host.

    The host's pixels come by all HyperTransport links of a chip at once, as those of a single network do:
    to whichever network's turn it is, for as long as one of its pixels takes.

    chips : the pipelines, by the name of their network
    """

    def lay_out(self, config: IsaacConfig, maps: Mapping[str, IsaacMap], images: Mapping[str, int]) -> None:
        """Build and wire all pipelines."""
        self.mesh = add_mesh(self, config, list(maps.values()), [images[name] for name in maps])
        self.chips: dict[str, IsaacChips] = {}
        for name, placed in maps.items():
            self.chips[name] = self.add(IsaacChips, name, PartConfig())
            self.chips[name].lay_out(config, placed, images[name], self.mesh)
        self.share([chips.source.share_link() for chips in self.chips.values()], "host")
        sinks = [chips.sink for chips in self.chips.values()]
        for sink in sinks:
            sink.beside = [other for other in sinks if other is not sink]
        add_chips(self, config, next(iter(maps.values())).chips, self.mesh)


def add_mesh(owner: Component, config: IsaacConfig, maps: Sequence[IsaacMap], images: Sequence[int]) -> Mesh:
    """Return a new mesh around the tiles of networks, a child of a component."""
    mesh = owner.add(Mesh, "mesh", PartConfig(), clock=DIGITAL)
    sent = sum(
        count * prod(o.shape[1:])
        for placed, count in zip(maps, images, strict=True)
        for stage in placed.stages
        for o in stage.operands
    )
    mesh.lay_out(config, max(p.tiles.stop for placed in maps for p in placed.places.values()), sent)
    return mesh


def add_chips(owner: Component, config: IsaacConfig, chips: int, mesh: Mesh) -> None:
    """Add what chips cost beside their layers, as children; tiles that nobody uses have their area, too."""
    budgets = Budgets(config)
    for row in (*IMA, *TILE):
        meter: Meter = owner.add(meter_of(FAMILIES.get(row, row)), f"chips.{row}", PartConfig())
        meter.mm2 = budgets.of_chip(row).mm2 * chips
        if row == "router":  # those that are units count by themselves
            meter.counted = lambda: mesh.flits_routed
            meter.charge("flit", budgets.energies[row])
    links = owner.add(meter_of("hypertransport"), "chips.hypertransport", PartConfig())
    links.counted = lambda: mesh.bytes_between + sum(link.size.count for link in mesh.between_chips)
    links.charge("byte", 0.0)  # its power does not follow what it does
    links.watts, links.mm2 = budgets.links.mw * chips / 1e3, budgets.links.mm2 * chips
