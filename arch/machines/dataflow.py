"""The pipelined dataflow accelerator: layers pinned to cores, pixels streamed through all of them at once.

Source: Dazzi et al., Front. Comput. Neurosci. 15:674154 (2021), with the core of Khaddam-Aljameh et al.
(HERMES) and the firing rule of Kourtis, Dazzi et al. (arXiv 2003.04293). Left out so far: timed fabrics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from pydantic import field_validator, model_validator

from arch.activation_memory import Buffer
from arch.array_parts import ArrayParts
from arch.core import Core, CoreConfig, Detail
from arch.device_report import values_report
from arch.encoding import Encoding
from arch.fabric.graphs import AllToAll
from arch.fabric.topology import Topology, fabrics
from arch.host import Sink, Source, SourceConfig
from arch.machine import (
    ArrayReport,
    Machine,
    MachineRun,
    MapRow,
    NetworkMap,
    PredictedInterval,
    RunOptions,
    Values,
    register_machine,
)
from arch.mapping.balance import BalanceConfig, Load, balanced
from arch.mapping.buffers import BufferRule, Pace, buffer_depths, least_depths
from arch.mapping.layer_graph import graph_of_stages
from arch.mapping.placement import Placement, place_layers
from arch.mapping.stages import Stage, stages_of
from arch.mapping.tiling import Tiling, tile
from arch.parts import chosen
from arch.streaming import Streaming
from simcore import (
    MOST_CYCLES,
    Component,
    Config,
    ConfigError,
    MappingError,
    PartConfig,
    Simulation,
    clock,
    component_part,
    param,
    part,
)
from simcore.registry import near_miss
from workloads import LoweredNetwork, MatrixNode, sample_windows

if TYPE_CHECKING:  # its kernels load when values are computed
    from arch.values import StageValues


class BuffersConfig(Config):
    """How deep the input buffers of the cores are."""

    rule: str = param(
        "lines:K+1",
        unit="one of",
        doc="minimum, lines:K, lines:K+N, lines:N, full or unbounded; K+1 lines decouple neighbours, assumed",
    )

    @field_validator("rule")
    @classmethod
    def _known(cls, rule: str) -> str:
        return BufferRule(rule).text


class FabricConfig(Config):
    """How pixels get from core to core."""

    fidelity: Literal["ideal"] = param("ideal", unit="one of", doc="ideal: point to point, latency only")
    latency_cycles: int = param(
        1, ge=0, le=MOST_CYCLES, unit="cycle", doc="from digital unit to memory, one hop, assumed"
    )
    topology: Topology = part(
        "all-to-all", lookup=fabrics.__getitem__, doc="channels between cores; of no effect on times yet"
    )
    search_seconds: float = param(10.0, gt=0, unit="s", doc="that a search for a placement may take")


class LayerConfig(Config):
    """What a user may set for one layer."""

    replication: int | None = param(
        None,
        ge=1,
        unit="copy",
        doc="copies of its arrays, which take windows in turn; null: as balance.strategy says",
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
    balance: BalanceConfig = param(BalanceConfig(), unit="", doc="copies of layers, and cores there are")
    core: CoreConfig = component_part("core", doc="the cores")
    buffers: BuffersConfig = param(BuffersConfig(), unit="", doc="depth of the cores' input memories")
    fabric: FabricConfig = param(FabricConfig(), unit="", doc="links between cores")
    source: SourceConfig = component_part("source", doc="where images come from")

    @property
    def encoding(self) -> Encoding:
        """How cells hold weights."""
        crossbar = self.core.crossbar
        return Encoding.chosen(
            self.weight_bits, crossbar.encoding, crossbar.cell_bits, self.columns_per_weight
        )

    @property
    def streaming(self) -> Streaming:
        """How windows reach the wordlines."""
        return self.core.crossbar.streaming(self.activation_bits)

    @model_validator(mode="after")
    def _arrays_can_do_it(self) -> Self:
        try:
            _ = self.encoding, self.streaming
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return self


@dataclass(frozen=True, eq=False)
class DataflowMap(NetworkMap):
    """Stages with their arrays, buffer depths [pixel], and how many copies each layer with weights has."""

    stages: tuple[Stage, ...]
    tilings: dict[str, Tiling]
    depths: dict[tuple[str, int], int | None]
    replication: Mapping[str, int]

    def stage(self, name: str) -> Stage:
        """Return the stage called `name`."""
        return next(stage for stage in self.stages if stage.name == name)


class DataflowChip(Component):
    """The chip: one core a stage, a source in front and a sink behind."""

    def lay_out(self, config: DataflowConfig, placed: DataflowMap, images: int) -> None:
        """Build and wire all cores."""
        network = placed.network
        self.source = self.add(chosen(config.source, Source), "source", config.source)
        self.source.images = images
        self.source.pixels = network.input_shape[1] * network.input_shape[2]
        self.source.together = config.input_pixels_per_cycle
        self.cores: dict[str, Core] = {}
        self.values: list[StageValues] = []
        core_kind = chosen(config.core, Core)
        for stage in placed.stages:
            core = self.add(core_kind, f"core[{stage.name}]", config.core, layer=stage.name)
            buffers = [
                Buffer(o.source, placed.depths[stage.name, place], _bytes(o.shape[0], config.activation_bits))
                for place, o in enumerate(stage.operands)
            ]
            tiling = placed.tilings.get(stage.name)
            core.lay_out(
                stage,
                tiling,
                buffers,
                images,
                config.detail,
                config.activation_bits,
                config.encoding,
                placed.replication.get(stage.name, 1),
            )
            self.cores[stage.name] = core
        self.sink = self.add(Sink, "sink", PartConfig())
        self.sink.images = images
        last = placed.stages[-1]
        self.sink.pixels = last.pixels
        latency = config.fabric.latency_cycles
        for stage in placed.stages:
            memory = self.cores[stage.name].memory
            for port, buffer in zip(memory.pixel_in, memory.buffers, strict=True):
                self._link(buffer.source, port, buffer.depth, latency)
        self._link(last.name, self.sink.pixel_in, None, latency)

    def _link(self, sender: str, target: Any, depth: int | None, latency: int) -> None:
        core = self.cores.get(sender)
        if core is None:
            self.connect(self.source.pixel_out, target, depth, latency)
        else:
            core.links.readers += 1
            self.connect(core.digital.pixel_out, target, depth, latency)

    def attach(self, config: DataflowConfig, placed: DataflowMap, values: Values) -> np.ndarray[Any, Any]:
        """Give every part its values; return where outputs go, (images x pixels, channels) int32."""
        from arch.array_values import layer_products
        from arch.values import StageValues, pixel_memory

        parts = ArrayParts(config.encoding, config.core.crossbar, config.core.adc, values.seed)
        samples = {}
        if values.device and config.core.adc.range == "calibrated":
            known = values.codes if values.calibration is None else values.calibration
            samples = sample_windows(values.network, known)
        images, channels = values.codes.shape[:2]
        pixels = np.ascontiguousarray(values.codes.reshape(images, channels, -1).transpose(0, 2, 1))
        registers = {placed.network.input: pixels.reshape(-1, channels)}
        for stage in placed.stages:
            core = self.cores[stage.name]
            memories = [
                pixel_memory(o, b.depth, registers[o.source], lambda channel=port.channel: channel.freed)  # type: ignore[misc]
                for o, b, port in zip(stage.operands, core.memory.buffers, core.memory.pixel_in, strict=True)
            ]
            for port, memory in zip(core.memory.pixel_in, memories, strict=True):
                port.channel.store = memory.store
            arrays: list[Any] = []
            if values.device and isinstance(stage.head, MatrixNode):
                blocks, name = placed.tilings[stage.name].blocks, stage.head.name
                copies, seen = placed.replication.get(stage.name, 1), samples.get(name)
                arrays = layer_products(stage.head, values.network, blocks, parts, copies, seen)
            work = StageValues(stage, values.network, memories, core.registers, arrays)
            self.values.append(work)
            core.memory.capture = work.capture
            core.digital.finish = work.finish
            for number, replica in enumerate(core.replicas):
                held = [block for crossbar in replica for block in crossbar.blocks]
                meter = work.meter(number, held, config.encoding, config.streaming)
                replica[0].multiply = meter.ahead_of(work.multiplier(number, held))
                for crossbar in replica:
                    crossbar.charge = partial(meter.charge, crossbar.blocks)
            registers[stage.name] = work.output
        last = placed.stages[-1]
        result = np.zeros((images * last.pixels, last.shape[0]), np.int32)
        register = registers[last.name]

        def collect(pixel: int) -> None:
            result[pixel] = register[pixel % len(register)]

        self.sink.pixel_in.store = collect  # type: ignore[attr-defined]
        return result

    def array_report(self) -> ArrayReport:
        """Return what all arrays did with device values."""
        layers = [(work, work.arrays[0]) for work in self.values if work.arrays]
        return ArrayReport(
            conversions=sum(work.products * arrays.conversions for work, arrays in layers),
            clipped=sum(work.clipped for work, _ in layers),
            formulations={
                work.stage.name: (arrays.formulation.method, arrays.formulation.reason)
                for work, arrays in layers
            },
        )


@register_machine(
    "dataflow", "CNN layers pinned to crossbar cores, pixels streamed through a pipeline (Dazzi et al. 2021)"
)
class Dataflow(Machine):
    """The machine of this file's first line."""

    Config = DataflowConfig
    config: DataflowConfig
    device_values = True

    @property
    def bits(self) -> tuple[int, int]:
        """Bits of a weight and of an activation."""
        return self.config.weight_bits, self.config.activation_bits

    def values_report(self) -> tuple[tuple[str, str], ...]:
        """Return what decides on device values and how products are computed, in words."""
        core = self.config.core
        return values_report(
            ArrayParts(self.config.encoding, core.crossbar, core.adc), self.config.activation_bits
        )

    def map(self, network: LoweredNetwork) -> DataflowMap:
        """Give every stage its arrays and buffers.

        raises : MappingError for a network without layers, too few cores, or a buffer rule that is too small
            for a kernel
        """
        stages = stages_of(network)
        if not stages:
            raise MappingError(
                f"{network.name} has no layers, so there is nothing to map; give it at least one"
            )
        config = self.config
        crossbar = config.core.crossbar
        columns = config.encoding.columns_per_weight
        tilings = {
            s.name: tile(s.head, crossbar.rows, crossbar.cols, columns)
            for s in stages
            if isinstance(s.head, MatrixNode)
        }
        pixels = network.input_shape[1] * network.input_shape[2]
        for name in config.layers:
            if name not in tilings:
                raise MappingError(
                    f"layers.{name}: {network.name} has no layer with weights of that name; "
                    f"{near_miss(name, list(tilings))}"
                )
        loads = {s.name: Load(s.steps, len(tilings[s.name].blocks)) for s in stages if s.name in tilings}
        given = {name: layer.replication for name, layer in config.layers.items() if layer.replication}
        balance = balanced(config.balance, loads, given)
        pace = Pace(
            {s.name: self._latency_steps(tilings.get(s.name)) for s in stages},
            balance.copies,
            config.input_pixels_per_cycle or 1,
        )
        least = least_depths(stages, network.input, pixels, pace)
        depths = buffer_depths(BufferRule(config.buffers.rule), stages, least)
        rows = tuple(
            _row(s, tilings.get(s.name), balance.copies.get(s.name, 1), depths, config.activation_bits)
            for s in stages
        )
        interval = PredictedInterval(
            balance.interval,
            balance.interval * crossbar.product_cycles(config.streaming),
            self._input_cycles(pixels),
        )
        return DataflowMap(
            network,
            rows,
            tuple(stages),
            tilings,
            depths,
            balance.copies,
            interval=interval,
            placement=self._placement(stages),
        )

    def _placement(self, stages: list[Stage]) -> Placement | None:
        """Return which layer lies on which core of the topology, if that makes a difference."""
        fabric = self.config.fabric
        if isinstance(fabric.topology, AllToAll):
            return None
        graph = graph_of_stages(stages, self.config.activation_bits)
        return place_layers(graph, fabric.topology, fabric.search_seconds)

    def _input_cycles(self, pixels: int) -> int:
        """Return the cycles in which so many input pixels come in."""
        together = self.config.input_pixels_per_cycle
        return pixels * self.config.source.pixel_cycles if together is None else -(-pixels // together)

    def _latency_steps(self, tiling: Tiling | None) -> int:
        """Return the steps from a core's firing until its reader may see the pixel, at least."""
        core = self.config.core
        product = core.crossbar.product_cycles(self.config.streaming)
        hops = tiling.row_blocks - 1 if tiling is not None else 0
        cycles = (
            product
            + hops * core.partial_sum_cycles
            + core.digital.pass_cycles
            + self.config.fabric.latency_cycles
        )
        return -(-cycles // product)

    def simulate(
        self, placed: NetworkMap, images: int, values: Values | None, options: RunOptions
    ) -> MachineRun:
        """Build the chip, stream `images` through it and collect what comes out."""
        assert isinstance(placed, DataflowMap)
        hertz = Fraction(str(self.config.clock_ghz)) * 10**9
        simulation = Simulation(
            [clock("core", hertz)],
            engine=options.engine,
            record=options.record,
            shuffle=options.shuffle,
            limits=options.limits,
            observe=options.observe,
        )
        chip = simulation.build(DataflowChip, PartConfig())
        chip.lay_out(self.config, placed, images)
        outputs = chip.attach(self.config, placed, values) if values is not None else None
        crossbars = [crossbar for core in chip.cores.values() for crossbar in core.crossbars]

        def macs() -> int:
            return sum(crossbar.macs() for crossbar in crossbars)

        simulation.laws.append(
            lambda: ("MACs done = MACs of the network x images", placed.network.macs * images, macs())
        )
        if options.built is not None:
            options.built()
        outcome = simulation.run()
        shape = placed.stages[-1].shape
        return MachineRun(
            outcome=outcome,
            accepted=chip.source.accepted,
            completed=chip.sink.completed,
            outputs=None
            if outputs is None
            else outputs.reshape(images, -1, shape[0]).transpose(0, 2, 1).reshape(images, *shape),
            macs=macs(),
            peaks={
                port.path: peak
                for core in chip.cores.values()
                for port, peak in zip(core.memory.pixel_in, core.memory.peaks, strict=True)
            },
            arrays=chip.array_report() if values is not None and values.device else None,
        )


def _bytes(channels: int, bits: int) -> int:
    return -(-channels * bits // 8)


def _row(
    stage: Stage,
    tiling: Tiling | None,
    copies: int,
    depths: dict[tuple[str, int], int | None],
    bits: int,
) -> MapRow:
    """Return the mapping's figures of one stage."""
    head = stage.head
    buffers = []
    for place, operand in enumerate(stage.operands):
        depth = depths[stage.name, place]
        size = None if depth is None else depth * _bytes(operand.shape[0], bits)
        buffers.append((operand.source, depth, size))
    return MapRow(
        stage=stage.name,
        work=" + ".join(type(node).__name__.removesuffix("Node").lower() for node in stage.nodes),
        shape=stage.shape,
        rows=head.rows if isinstance(head, MatrixNode) else None,
        cols=head.cols_per_group if isinstance(head, MatrixNode) else None,
        copies=copies,
        arrays=len(tiling.blocks) * copies if tiling else 0,
        utilisation=tiling.utilisation if tiling else None,
        steps=stage.steps,
        buffers=tuple(buffers),
    )


#: One cycle is one step: a layer is one unbounded array, a product takes a step, nothing else takes time.
_UNIT = {
    "core": {
        "memory": {"kind": "direct-memory", "column_cycles": 0},
        "crossbar": {"rows": 2**24, "cols": 2**24, "mvm_cycles": 1},
        "digital": {"pass_cycles": 0},
        "partial_sum_cycles": 0,
    },
    "buffers": {"rule": "unbounded"},
    "fabric": {"latency_cycles": 0},
    "source": {"pixel_cycles": 1},
}
register_machine(
    "dataflow-unit", "the same pipeline in ideal steps, for golden values: one cycle is one step", _UNIT
)(Dataflow)
