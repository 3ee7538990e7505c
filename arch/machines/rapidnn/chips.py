"""All chips: layers on RNAs, the buses between them, source and sink, wired as the plan says."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from arch.activation_memory import Buffer
from arch.host import Sink, Source, SourceConfig
from arch.machine import Values
from arch.machines.rapidnn.configuration import RapidnnConfig
from arch.machines.rapidnn.layer import Layer
from arch.machines.rapidnn.plan import RapidnnMap
from arch.machines.rapidnn.rnas import Broadcast
from arch.meter import Meter, meter_of
from simcore import Component, PartConfig

if TYPE_CHECKING:  # its kernels load when values are computed
    from arch.machines.rapidnn.values import RunCodes


class RapidnnChips(Component):
    """As many chips as there are, as one pipeline of layers."""

    def lay_out(self, config: RapidnnConfig, placed: RapidnnMap, images: int) -> None:
        """Build and wire all layers."""
        self.settings, self.placed = config, placed
        channels, height, width = placed.network.input_shape
        self.source = self.add(Source, "source", SourceConfig(pixel_cycles=config.send_cycles(channels)))
        self.source.images, self.source.pixels = images, height * width
        self.source.feed.set_by = ("broadcast.codes_per_cycle",)
        self.input = self.add(Broadcast, "input", PartConfig())
        self.input.codes, self.input.cycles = channels, config.send_cycles(channels)
        self.input_depth = max(1, config.broadcast.depth // channels)
        # Images become codes as they come, one search behind the other.
        self.connect(
            self.source.pixel_out, self.input.pixel_in, self.input_depth, config.encoding.search_cycles
        )
        self.layers: dict[str, Layer] = {}
        code_bytes = -(-(config.input_codes - 1).bit_length() // 8)
        for stage in placed.stages:
            buffers = [
                Buffer(o.source, placed.depths[stage.name, number], o.shape[0] * code_bytes)
                for number, o in enumerate(stage.operands)
            ]
            layer = self.add(Layer, f"layer[{stage.name}]", PartConfig(), layer=stage.name)
            layer.lay_out(config, stage, placed.places[stage.name], buffers, images)
            self.layers[stage.name] = layer
        self.sink = self.add(Sink, "sink", PartConfig())
        self.sink.images, self.sink.pixels = images, self.layers[self.output].stage.pixels
        self._connect()
        self._share_buses()
        self._add_meters()

    @property
    def senders(self) -> dict[str, Broadcast]:
        """What sends the codes of each stage, and of the input."""
        return {self.placed.network.input: self.input} | {
            n: layer.broadcast for n, layer in self.layers.items()
        }

    def _connect(self) -> None:
        """Let codes get into the memories of all that read them, and the output out."""
        senders = self.senders
        for layer in self.layers.values():
            for buffer, port in zip(layer.memory.buffers, layer.memory.pixel_in, strict=True):
                self.connect(senders[buffer.source].pixel_out, port, buffer.depth)
        self.connect(self.layers[self.output].broadcast.pixel_out, self.sink.pixel_in, None)

    @property
    def output(self) -> str:
        """Name of the stage that gives the output."""
        return next(s.name for s in self.placed.stages if s.output == self.placed.form.lowered.output)

    def _share_buses(self) -> None:
        """Let senders that meet in some tile take turns there.

        Tiles in which the same senders meet are as one.
        """
        heard: dict[int, list[str]] = {}
        for name, sender in self.senders.items():
            tiles = sorted(
                {t for reader in self.placed.readers(name) for t in self.placed.places[reader].tiles}
            )
            sender.tiles = len(tiles)
            for tile in tiles:
                heard.setdefault(tile, []).append(name)
        buses = dict.fromkeys(tuple(names) for _, names in sorted(heard.items()) if len(names) > 1)
        ports: dict[int, list[Any]] = {}
        for name, sender in self.senders.items():
            own = [number for number, names in enumerate(buses) if name in names]
            for number, port in zip(own, sender.take_part(own), strict=True):
                ports.setdefault(number, []).append(port)
        for number, taking in ports.items():
            self.share(taking, "bus" if len(ports) == 1 else f"bus[{number}]")

    def _add_meters(self) -> None:
        """Add what costs energy or area and takes no time of its own; unused RNAs have their area, too."""
        config = self.settings
        for layer in self.layers.values():
            layer.add_meters()
        for name, sender in self.senders.items():
            meter: Meter = self.add(meter_of("buffer"), f"chips.codes[{name}]", PartConfig(), layer=None)
            meter.counted = partial(_codes_heard, sender)
            meter.charge("code", config.broadcast.code_pj)
        channels = self.placed.network.input_shape[0]
        encoder: Meter = self.add(meter_of("cam"), "chips.input-encoding", PartConfig())
        memory = config.encoding
        search_pj = memory.rows * memory.key_bits * memory.cell_search_fj / 1e3
        encoder.counted = lambda: self.input.send.count * channels
        encoder.charge("search", search_pj)
        for name, mm2 in config.area_by_part.items():
            meter = self.add(meter_of(name), f"chips.{name}", PartConfig())
            meter.mm2 = mm2 * self.placed.chips

    def attach(self, values: Values) -> RunCodes:
        """Give every layer its values, and return them."""
        from arch.machines.rapidnn.values import RunCodes

        run = RunCodes(self.layers, self.placed.network.input, self.output, values)
        self.sink.pixel_in.store = run.collect  # type: ignore[attr-defined]
        return run

    def macs(self) -> int:
        """Return the multiply-accumulates that all RNAs did."""
        return sum(layer.macs() for layer in self.layers.values())


def _codes_heard(sender: Broadcast) -> int:
    """Return the codes that a buffer sent, in each tile that listens."""
    return sender.send.count * sender.codes * sender.tiles
