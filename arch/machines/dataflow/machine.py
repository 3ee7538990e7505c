"""The machine: a plan, a chip built by it, and a run of images through it; and its presets."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from arch.arrays.array_parts import ArrayParts
from arch.arrays.device_report import values_report
from arch.attention_cache import cache_traffic, keys_read
from arch.machine import (
    ImageStream,
    Machine,
    MachineRun,
    NetworkMap,
    RunOptions,
    SharedMap,
    Values,
    images_of_pixels,
    register_machine,
)
from arch.machines.dataflow.chip import DataflowChip, SharedDataflow
from arch.machines.dataflow.configuration import DataflowConfig
from arch.machines.dataflow.plan import DataflowMap, map_network, map_networks
from arch.request_line import Line
from arch.request_queue import RequestQueue, queue_on
from simcore import Component, Outcome, PartConfig, Simulation, clock
from workloads import LoweredNetwork


@register_machine(
    "dataflow", "CNN layers pinned to crossbar cores, pixels streamed through a pipeline (Dazzi et al. 2021)"
)
class Dataflow(Machine):
    """Layers pinned to cores, pixels streamed through all of them at once."""

    Config = DataflowConfig
    config: DataflowConfig
    device_values = True
    skips_periods = True
    awaits_arrivals = True
    decodes = True
    shares = True
    shared_parts = ("fabric", "host", "queue")

    @property
    def bits(self) -> tuple[int, int]:
        """Bits of a weight and of an activation."""
        return self.config.weight_bits, self.config.activation_bits

    @property
    def reference_hz(self) -> Fraction:
        """Frequency of the one clock [Hz]."""
        return Fraction(str(self.config.clock_ghz)) * 10**9

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
        return map_network(self.config, network)

    def map_together(self, networks: Mapping[str, LoweredNetwork]) -> SharedMap:
        """Place networks beside one another.

        raises : as with `map`, with what each network takes
        """
        maps = map_networks(self.config, dict(sorted(networks.items())))
        cores = sum(placed.resources["core"] for placed in maps.values())
        return SharedMap(maps, 1, {"core": cores}, self.config.core_macs * cores)

    def simulate(
        self, placed: NetworkMap, images: int, values: Values | None, options: RunOptions
    ) -> MachineRun:
        """Build the chip, stream `images` through it and collect what comes out."""
        stream = ImageStream(images, values, options.arrivals, options.prompt)
        return self._simulated({placed.name: placed}, {placed.name: stream}, options)[placed.name]

    def simulate_together(
        self, placed: SharedMap, streams: Mapping[str, ImageStream], options: RunOptions
    ) -> dict[str, MachineRun]:
        """Build the chip with all networks on it, stream the images of each and collect what comes out."""
        return self._simulated(placed.networks, streams, options)

    def _simulated(
        self, maps: Mapping[str, NetworkMap], streams: Mapping[str, ImageStream], options: RunOptions
    ) -> dict[str, MachineRun]:
        simulation = options.simulation([clock("core", self.reference_hz)])
        placed = {name: m for name, m in maps.items() if isinstance(m, DataflowMap)}
        whole, chips = self._built(simulation, placed, {name: streams[name].images for name in placed})
        queue = None
        if any(stream.arrivals is not None for stream in streams.values()):
            queue = queue_on(whole, self.config.queue, [each.called for each in placed.values()])
        pipelines = {
            name: _Pipeline(self.config, chip, placed[name], streams[name], queue, simulation)
            for name, chip in chips.items()
        }
        for chip in chips.values():
            chip.writing.draw_by(options.seed)
        if options.fast_forward:
            (chip,) = chips.values()
            simulation.fast_forward(chip.begun, chip.end_after)
        if options.built is not None:
            options.built()
        outcome = simulation.run()
        return {name: pipeline.run(outcome) for name, pipeline in pipelines.items()}

    def _built(
        self, simulation: Simulation, maps: Mapping[str, DataflowMap], images: Mapping[str, int]
    ) -> tuple[Component, Mapping[str, DataflowChip]]:
        """Build the pipelines and return them behind the whole; that of a single network is the whole."""
        if len(maps) > 1:
            shared = simulation.build(SharedDataflow, PartConfig())
            shared.lay_out(self.config, maps, images)
            return shared, shared.chips
        ((name, placed),) = maps.items()
        chip = simulation.build(DataflowChip, PartConfig())
        chip.lay_out(self.config, placed, images[name])
        return chip, {name: chip}


class _Pipeline:
    """One network's pipeline of cores in a run: what it is fed, and what comes of it."""

    def __init__(
        self,
        config: DataflowConfig,
        chip: DataflowChip,
        placed: DataflowMap,
        stream: ImageStream,
        queue: RequestQueue | None,
        simulation: Simulation,
    ) -> None:
        self.chip, self.placed = chip, placed
        self.line: Line | None = None
        if queue is not None and stream.arrivals is not None:
            self.line = chip.queue_up(queue, placed, stream.arrivals, stream.images)
        if stream.prompt is not None:
            chip.source.decode(chip.sink, stream.prompt)
        values = stream.values
        self.computed = chip.attach(config, placed, values) if values is not None else None
        last = placed.stages[-1]
        self.outputs = self.computed.collect(chip.sink, last) if self.computed is not None else None
        done = placed.network.macs * stream.images
        simulation.laws.append(
            lambda: (f"MACs done = MACs of {chip.path or 'the network'} x images", done, self.macs)
        )
        if chip.writing.pairs:
            simulation.laws.append(lambda: chip.writing.law(stream.images))

    @property
    def macs(self) -> int:
        """Multiply-accumulates that the arrays did so far."""
        return sum(core.macs() for core in self.chip.cores.values())

    def run(self, outcome: Outcome) -> MachineRun:
        """Return what came of a run that is over."""
        chip, computed, outputs = self.chip, self.computed, self.outputs
        cores = chip.cores.values()
        return MachineRun(
            outcome=outcome,
            accepted=chip.source.accepted,
            completed=chip.sink.completed,
            outputs=None if outputs is None else images_of_pixels(outputs, self.placed.stages[-1].shape),
            macs=self.macs,
            peaks={
                port.path: peak
                for core in cores
                for port, peak in zip(core.memory.pixel_in, core.memory.peaks, strict=True)
            },
            programming=chip.writing.report(outcome),
            cache=chip.writing.traffic
            or cache_traffic(
                (core.memory, keys_read(core.memory)) for core in cores if core.attention is not None
            ),
            arrays=computed.array_report() if computed is not None and computed.values.device else None,
            decoded=chip.sink.decoded(None if computed is None else computed.inputs),
            load=None if self.line is None else self.line.report(),
        )
