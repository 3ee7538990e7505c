"""The chip: cores, source and sink, wired as the plan says, with the values behind their tokens.

Where several networks share it, each has its pipeline of cores, and all meet in the fabric and at the host.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from arch.activation_memory import ActivationMemory, Buffer
from arch.arrays.array_parts import ArrayParts
from arch.attention_cache import keys_read
from arch.core import Core
from arch.fabric.interconnect import Interconnect
from arch.fabric.network import Network, StageEntry
from arch.host import Sink, Source
from arch.machine import Values
from arch.machines.dataflow.configuration import DataflowConfig
from arch.machines.dataflow.plan import DataflowMap
from arch.parts import chosen
from arch.pipelined_machine import Pipeline
from arch.written_arrays import Writing, WritingMeter
from simcore import Component, PartConfig

if TYPE_CHECKING:  # its kernels load when values are computed
    from arch.run_values import RunValues


class DataflowChip(Pipeline):
    """The chip: one core a stage, a source in front and a sink behind."""

    settings: DataflowConfig
    placed: DataflowMap

    def lay_out(
        self, config: DataflowConfig, placed: DataflowMap, images: int, fabric: Network | None = None
    ) -> None:
        """Build and wire all cores.

        fabric : where pixels of other networks are under way, too; None makes one of its own if it is timed
        """
        self.settings, self.placed, self.stages = config, placed, placed.stages
        network = placed.network
        self.source = self.add(chosen(config.source, Source), "source", config.source)
        self.source.images = images
        self.source.pixels = network.input_shape[1] * network.input_shape[2]
        self.source.together = config.input_pixels_per_cycle
        self.cores: dict[str, Core] = {}
        core_kind = chosen(config.core, Core)
        for stage in placed.stages:
            core = self.add(core_kind, f"core[{stage.name}]", config.core, layer=placed.full_name(stage.name))
            buffers = [
                Buffer(o.source, placed.depths[stage.name, place], o.pixel_bytes(config.activation_bits))
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
                config.encoding if stage.written is None else config.token_encoding,
                placed.replication.get(stage.name, 1),
                config.attention,
            )
            self.cores[stage.name] = core
        self.writing = Writing([core.written for core in self.cores.values() if core.written is not None])
        if self.writing.pairs:
            self.writing.meet(self.add(WritingMeter, "writing", PartConfig()))
        self.sink = self.add(Sink, "sink", PartConfig())
        self.sink.images = images
        last = placed.stages[-1]
        self.sink.pixels = last.pixels
        self._connect(config, placed, fabric)

    def _connect(self, config: DataflowConfig, placed: DataflowMap, shared: Network | None) -> None:
        """Let pixels go from stage to stage: within a core, by a host port, or over the fabric."""
        fabric, interconnect = config.fabric, placed.interconnect
        carried: dict[str, list[tuple[str, Any, int | None]]] = {}
        for stage in placed.stages:
            memory = self.cores[stage.name].memory
            for entry, buffer in zip(memory.entries, memory.buffers, strict=True):
                port, depth, sender = entry.port, entry.depth, buffer.source
                key = placed.full_name(sender), placed.full_name(stage.name)
                if key not in interconnect.keys:
                    self._link(sender, port, depth, fabric.latency_cycles)
                elif fabric.timed:
                    carried.setdefault(sender, []).append((stage.name, port, depth))
                else:
                    flits = fabric.flits(self.cores[sender].links.pixel_bits)
                    links, routers = interconnect.length(key), interconnect.routers_on(key)
                    cycles = fabric.zero_load_cycles(links, routers, flits)
                    self._link(sender, port, depth, cycles)
        self._link(placed.stages[-1].name, self.sink.pixel_in, None, fabric.latency_cycles)
        self.entries: dict[str, StageEntry] = {}
        if carried:
            network = shared or add_fabric(self, config, interconnect)
            for sender, readers in carried.items():
                self.entries[sender] = self._enter(network, placed, sender, readers)

    def _enter(
        self, network: Network, placed: DataflowMap, sender: str, readers: list[tuple[str, Any, int | None]]
    ) -> StageEntry:
        """Let a stage send to readers (stage, port, depth) over the fabric; return where its pixels enter."""
        core, name = self.cores[sender], placed.full_name(sender)
        ways = [(name, placed.full_name(reader)) for reader, _, _ in readers]
        entry = network.entry(name, core.links.pixel_bits, core.digital.latency_cycles, ways)
        out = core.digital.pixel_out
        entry.connect([self.carry(out, port, depth, entry, i) for i, (_, port, depth) in enumerate(readers)])
        return entry

    @property
    def memories(self) -> Iterable[ActivationMemory]:
        """The memories of its cores."""
        return [core.memory for core in self.cores.values()]

    @property
    def caches(self) -> Iterable[tuple[ActivationMemory, int]]:
        """The memories of keys or values, and what was read of them."""
        cores = (core for core in self.cores.values() if core.attention is not None)
        return [(core.memory, keys_read(core.memory)) for core in cores]

    def macs(self) -> int:
        """Return the multiply-accumulates that the arrays did so far."""
        return sum(core.macs() for core in self.cores.values())

    def begun(self) -> int:
        """Return how many images some part works for already, or waits for."""
        read = max(memory.read.count // memory.stage.steps for memory in self.memories)
        arrived = 0 if self.queue is None else self.queue.begun()
        return max(arrived, self.source.begun, 1 + read, 1 + len(self.sink.completed))

    def end_after(self, images: int) -> None:
        """Let the run be over after so many images, no fewer than have begun."""
        self.source.images = self.sink.images = images
        if self.queue is not None:
            self.queue.end_after(images)
        for core in self.cores.values():
            core.memory.images = images

    def _link(self, sender: str, target: Any, depth: int | None, latency: int) -> None:
        core = self.cores.get(sender)
        if core is None:
            self.connect(self.source.pixel_out, target, depth, latency)
        else:
            core.links.readers += 1
            self.connect(core.digital.pixel_out, target, depth, latency + core.digital.latency_cycles)

    def attach(self, values: Values) -> RunValues:
        """Give every part its values, and return them.

        raises : MappingError for weights that the cells cannot hold, and for device values of what is written
        """
        self.writing.check(values)
        from arch.run_values import RunValues

        config, placed = self.settings, self.placed
        parts = ArrayParts(config.encoding, config.core.crossbar, config.core.adc, values.seed)
        run = RunValues(placed.stages, placed.network.input, values, parts)
        for stage in placed.stages:
            core = self.cores[stage.name]
            tiling = placed.tilings.get(stage.name)
            blocks, copies = tiling.blocks if tiling else (), placed.replication.get(stage.name, 1)
            work = run.attach(stage, core.memory, core.digital, core.registers, blocks, copies)
            for number, replica in enumerate(core.replicas if stage.written is None else ()):
                held = [block for crossbar in replica for block in crossbar.blocks]
                meter = work.meter(number, held, config.encoding, config.streaming)
                replica[0].multiply = meter.ahead_of(work.multiplier(number, held))
                for crossbar in replica:
                    crossbar.charge = partial(meter.charge, crossbar.blocks)
            if stage.name in self.entries:
                most = min(self.entries[stage.name].most_under_way, len(values.codes) * stage.pixels)
                self.entries[stage.name].load = run.carry(stage.name, most)
        return run


class SharedDataflow(Component):
    """Several networks on one chip: a pipeline of each, a fabric for all, and one link from the host.

    The host sends a pixel every `source.pixel_cycles`, or as many as `input_pixels_per_cycle` says each
    cycle, to whichever network's turn it is; a pixel that finds no room waits where it holds up no other one.

    chips : the pipelines, by the name of their network
    """

    def lay_out(
        self, config: DataflowConfig, maps: Mapping[str, DataflowMap], images: Mapping[str, int]
    ) -> None:
        """Build and wire all pipelines."""
        fabric = None
        interconnect = next(iter(maps.values())).interconnect
        if config.fabric.timed and interconnect.keys:
            fabric = add_fabric(self, config, interconnect)
        self.chips: dict[str, DataflowChip] = {}
        for name, placed in maps.items():
            self.chips[name] = self.add(DataflowChip, name, PartConfig())
            self.chips[name].lay_out(config, placed, images[name], fabric)
        self.share([chip.source.share_link() for chip in self.chips.values()], "host")
        sinks = [chip.sink for chip in self.chips.values()]
        for sink in sinks:
            sink.beside = [other for other in sinks if other is not sink]


def add_fabric(owner: Component, config: DataflowConfig, interconnect: Interconnect) -> Network:
    """Return a new fabric, a child of a component, with the ways of an interconnect."""
    network = owner.add(_network(config.fabric.fidelity), "fabric", PartConfig())
    network.lay_out(config.fabric, config.core.links, interconnect)
    return network


def _network(fidelity: str) -> type[Network]:
    """Return the timed fabric of a fidelity."""
    if fidelity == "flit":
        from arch.fabric.flit_carrier import FlitCarrier  # loads kernels

        return FlitCarrier
    from arch.fabric.link_network import LinkNetwork

    return LinkNetwork
