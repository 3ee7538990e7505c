"""All chips: layers on RNAs, the buses between them, source and sink, wired as the plan says."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from arch.activation_memory import ActivationMemory, ActivationMemoryConfig, Buffer
from arch.host import Sink, Source, SourceConfig
from arch.machine import Values
from arch.machines.rapidnn.configuration import RapidnnConfig
from arch.machines.rapidnn.plan import Place, RapidnnMap
from arch.machines.rapidnn.rnas import Broadcast, CodePicker, Controller, Rnas
from arch.mapping.stages import Stage
from arch.meter import Meter, meter_of
from simcore import Component, PartConfig
from workloads import MatrixNode, MaxPoolNode

if TYPE_CHECKING:  # its kernels load when values are computed
    from arch.machines.rapidnn.values import RunCodes

#: Blocks of memory for the codes that positions are picked from; picking and reading are no time of their own.
_LINE_BUFFERS = ActivationMemoryConfig(
    window="whole-window", column_cycles=0, byte_energy_pj=0.0, area_mm2_per_kib=0.0
)


class Layer(Component):
    """One stage: the memory of its codes, copies of its RNAs, and the buffer that sends its own codes on.

    parts : RNAs of each copy, in one process or in one for each; a picker where there are none
    windows, pixels : that may be under way from the memory to the RNAs, and from these to their readers
    """

    def lay_out(
        self, config: RapidnnConfig, stage: Stage, place: Place, buffers: list[Buffer], images: int
    ) -> None:
        """Build the parts."""
        self.settings, self.stage, self.place = config, stage, place
        self.memory = self.add(ActivationMemory, "memory", _LINE_BUFFERS)
        self.memory.lay_out(stage, buffers, images)
        self.parts: list[list[Any]] = []
        starts: list[Any] = []
        for copy in range(place.copies):
            parts, start = self._copy(f"copy[{copy}].")
            self.parts.append(parts)
            starts.append(start)
        self.broadcast = self.add(Broadcast, "broadcast", PartConfig())
        self.broadcast.codes = stage.shape[0]
        self.broadcast.cycles = config.send_cycles(stage.shape[0])
        depth = max(1, config.broadcast.depth // stage.shape[0] // place.copies)
        if place.copies == 1:
            self.connect(self.memory.window_out, starts[0])
        else:
            self.deal(self.memory.window_out, [[start] for start in starts])
        self.collect(
            [[part.code_out for part in parts] for parts in self.parts], self.broadcast.pixel_in, depth=depth
        )
        self.windows = 4 + 3 * place.copies
        self.pixels = 4 + (depth + 3) * place.copies

    def _copy(self, prefix: str) -> tuple[list[Any], Any]:
        """Add a copy; return its parts, and the port that positions enter by."""
        config, place = self.settings, self.place
        if not place.rnas:
            picker = self.add(CodePicker, f"{prefix}picker", PartConfig())
            return [picker], picker.window_in
        if config.detail == "group":
            rnas = self._add_rnas(f"{prefix}rnas", place.neurons)
            return [rnas], rnas.window_in
        parts = []
        for number in range(place.rnas):
            neurons = len(range(number, place.neurons, place.rnas))
            parts.append(self._add_rnas(f"{prefix}rna[{number}]", neurons))
        controller = self.add(Controller, f"{prefix}controller", PartConfig())
        for part in parts:
            self.connect(controller.start_out, part.window_in)
        self.gather([part.tell_done() for part in parts], controller.done_in)
        return parts, controller.window_in

    def _add_rnas(self, name: str, neurons: int) -> Rnas:
        rnas = self.add(Rnas, name, PartConfig())
        each = self.place.phases
        turns = neurons if self.settings.detail == "array" else self.place.turns
        load = each.load + self.place.reload
        # All neurons of an RNA count, add and search in turn; here phase by phase.
        rnas.phases = type(each)(*(turns * cycles for cycles in each._replace(load=load)))
        rnas.neurons = neurons
        return rnas

    # -- what it did -----------------------------------------------------------------------------------------

    @property
    def rnas(self) -> list[Rnas]:
        """All processes of RNAs."""
        return [part for parts in self.parts for part in parts if isinstance(part, Rnas)]

    @property
    def neurons(self) -> int:
        """Neurons that were computed so far."""
        return sum(part.positions * part.neurons for part in self.rnas)

    def macs(self) -> int:
        """Return the multiply-accumulates that counting and adding stood for."""
        head = self.stage.head
        return self.neurons * head.rows if isinstance(head, MatrixNode) else 0

    def add_meters(self) -> None:
        """Add the blocks that RNAs are made of, which count with them."""
        config, rna, phases = self.settings, self.settings.rna, self.place.phases
        in_use = self.place.rnas * self.place.copies
        if not in_use:
            return
        self._meter(
            "crossbar",
            "crossbar",
            "adding cycle",
            rna.crossbar_pj,
            lambda: sum(r.added.count for r in self.rnas),
        )
        counter = self._meter(
            "counter",
            "counter",
            "counting cycle",
            rna.counter_pj,
            lambda: sum(r.counted.count for r in self.rnas),
        )
        counter.watts = in_use * rna.counter_idle_uw * 1e-6
        for name, memory, cycles in (
            ("activation", config.activation, phases.activate),
            ("encoding", config.encoding, phases.encode),
        ):
            stages = cycles // memory.stage_cycles
            stage_pj = memory.rows * memory.stage_bits * memory.cell_search_fj / 1e3
            meter = self._meter(
                f"{name}-memory",
                "cam",
                "stage of a search",
                stage_pj,
                lambda stages=stages: self.neurons * stages,
            )
            meter.watts = in_use * memory.idle_power_uw * 1e-6
        writes = phases.load if isinstance(self.stage.head, MaxPoolNode) else 0
        if writes:
            cells = writes // rna.encoding.write_cycles * (config.input_codes - 1).bit_length()
            self._meter(
                "pool", "cam", "cell write", rna.encoding.cell_write_fj / 1e3, lambda: self.neurons * cells
            )
        if self.place.reload:
            products = config.weight_codes * config.input_codes * config.width
            self._meter(
                "reload",
                "crossbar",
                "cell write",
                config.cell_write_fj / 1e3,
                lambda: self.neurons * products,
            )

    def _meter(self, name: str, family: str, action: str, pj: float, counted: Callable[[], int]) -> Meter:
        meter: Meter = self.add(meter_of(family), name, PartConfig())
        meter.counted = counted
        meter.charge(action, pj)
        return meter


class RapidnnChips(Component):
    """As many chips as there are, as one pipeline of layers."""

    def lay_out(self, config: RapidnnConfig, placed: RapidnnMap, images: int) -> None:
        """Build and wire all layers."""
        self.settings, self.placed = config, placed
        channels, height, width = placed.network.input_shape
        self.source = self.add(Source, "source", SourceConfig(pixel_cycles=config.send_cycles(channels)))
        self.source.images, self.source.pixels = images, height * width
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
            meter.counted = lambda sender=sender: sender.send.count * sender.codes * sender.tiles
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

        return RunCodes(self, values)

    def macs(self) -> int:
        """Return the multiply-accumulates that all RNAs did."""
        return sum(layer.macs() for layer in self.layers.values())
