"""The machine: a plan, chips built by it, and a run of images through them."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from arch.arrays.array_parts import ArrayParts
from arch.arrays.device_report import values_report
from arch.attention_cache import cache_traffic
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
from arch.machines.isaac.chips import IsaacChips, SharedIsaac
from arch.machines.isaac.configuration import IsaacConfig
from arch.machines.isaac.layer import ARRAYS, DIGITAL
from arch.machines.isaac.plan import IsaacMap, map_network, map_networks
from arch.request_line import Line
from arch.request_queue import RequestQueue, queue_on
from simcore import Component, Outcome, PartConfig, Simulation, clock
from workloads import LoweredNetwork


@register_machine("isaac-ce", "the same by the name of its design point, the densest for its area")
@register_machine("isaac", "tiles of bit-serial arrays with eDRAM, at a mesh: ISAAC-CE (Shafiee et al. 2016)")
class Isaac(Machine):
    """Layers pinned to tiles of bit-serial arrays, pixels streamed through all of them at once."""

    Config = IsaacConfig
    config: IsaacConfig
    device_values = True
    awaits_arrivals = True
    decodes = True
    shares = True
    shared_parts = ("chips", "host", "mesh", "queue")

    @property
    def bits(self) -> tuple[int, int]:
        """Bits of a weight and of an activation."""
        return self.config.weight_bits, self.config.activation_bits

    @property
    def reference_hz(self) -> Fraction:
        """Frequency of the arrays' clock [Hz]."""
        return 1 / self.config.cycle

    def values_report(self) -> tuple[tuple[str, str], ...]:
        """Return what decides on device values and how products are computed, in words."""
        config = self.config
        return values_report(ArrayParts(config.encoding, config.array, config.adc), config.activation_bits)

    def map(self, network: LoweredNetwork) -> IsaacMap:
        """Give every stage its copies, tiles and buffers.

        raises : MappingError for a network without layers, one that the chips do not hold, or products of
            attention that they have no part for
        """
        return map_network(self.config, network)

    def map_together(self, networks: Mapping[str, LoweredNetwork]) -> SharedMap:
        """Place networks in tiles behind one another.

        raises : as with `map`, with what each network takes
        """
        maps = map_networks(self.config, dict(sorted(networks.items())))
        chips, peak = next((placed.chips, placed.peak_macs) for placed in maps.values())
        taken = {
            kind: sum(placed.resources[kind] for placed in maps.values()) for kind in ("tile", "IMA", "array")
        }
        return SharedMap(maps, chips, {"chip": chips, **taken}, peak)

    def simulate(
        self, placed: NetworkMap, images: int, values: Values | None, options: RunOptions
    ) -> MachineRun:
        """Build the chips, stream `images` through them and collect what comes out."""
        stream = ImageStream(images, values, options.arrivals, options.prompt)
        return self._simulated({placed.name: placed}, {placed.name: stream}, options)[placed.name]

    def simulate_together(
        self, placed: SharedMap, streams: Mapping[str, ImageStream], options: RunOptions
    ) -> dict[str, MachineRun]:
        """Build the chips with all networks on them, stream the images of each and collect what comes out."""
        return self._simulated(placed.networks, streams, options)

    def _simulated(
        self, maps: Mapping[str, NetworkMap], streams: Mapping[str, ImageStream], options: RunOptions
    ) -> dict[str, MachineRun]:
        simulation = options.simulation(
            [clock(ARRAYS, self.reference_hz), clock(DIGITAL, self.config.digital_hz)]
        )
        placed = {name: m for name, m in maps.items() if isinstance(m, IsaacMap)}
        whole, chips = self._built(simulation, placed, {name: streams[name].images for name in placed})
        queue = None
        if any(stream.arrivals is not None for stream in streams.values()):
            queue = queue_on(whole, self.config.queue, [each.called for each in placed.values()])
        pipelines = {
            name: _Pipeline(own, placed[name], streams[name], queue, simulation)
            for name, own in chips.items()
        }
        for own in chips.values():
            own.writing.draw_by(options.seed)
        mesh = next(iter(chips.values())).mesh
        simulation.laws.append(lambda: ("flits out of the mesh = flits into it", *mesh.flits_in_and_out()))
        if options.built is not None:
            options.built()
        outcome = simulation.run()
        return {name: pipeline.run(outcome) for name, pipeline in pipelines.items()}

    def _built(
        self, simulation: Simulation, maps: Mapping[str, IsaacMap], images: Mapping[str, int]
    ) -> tuple[Component, Mapping[str, IsaacChips]]:
        """Build the pipelines and return them behind the whole; that of a single network is the whole."""
        if len(maps) > 1:
            shared = simulation.build(SharedIsaac, PartConfig())
            shared.lay_out(self.config, maps, images)
            return shared, shared.chips
        ((name, placed),) = maps.items()
        chips = simulation.build(IsaacChips, PartConfig())
        chips.lay_out(self.config, placed, images[name])
        return chips, {name: chips}


class _Pipeline:
    """One network's layers in a run: what they are fed, and what comes of it."""

    def __init__(
        self,
        chips: IsaacChips,
        placed: IsaacMap,
        stream: ImageStream,
        queue: RequestQueue | None,
        simulation: Simulation,
    ) -> None:
        self.chips, self.last = chips, placed.stages[-1]
        self.line: Line | None = None
        if queue is not None and stream.arrivals is not None:
            self.line = chips.queue_up(queue, stream.arrivals, stream.images)
        if stream.prompt is not None:
            chips.source.decode(chips.sink, stream.prompt)
        self.computed = chips.attach(stream.values) if stream.values is not None else None
        self.outputs = self.computed.collect(chips.sink, self.last) if self.computed is not None else None
        done, whose = placed.network.macs * stream.images, chips.path or "the network"
        simulation.laws.append(lambda: (f"MACs done = MACs of {whose} x images", done, chips.macs()))
        simulation.laws.append(lambda: ("pixels landed = pixels that set out", *chips.pixels_carried()))
        if chips.writing.pairs:
            simulation.laws.append(lambda: chips.writing.law(stream.images))

    def run(self, outcome: Outcome) -> MachineRun:
        """Return what came of a run that is over."""
        chips, computed, outputs = self.chips, self.computed, self.outputs
        return MachineRun(
            outcome=outcome,
            accepted=chips.source.accepted,
            completed=chips.sink.completed,
            outputs=None if outputs is None else images_of_pixels(outputs, self.last.shape),
            macs=chips.macs(),
            peaks={
                port.path: peak
                for layer in chips.layers.values()
                for port, peak in zip(layer.memory.pixel_in, layer.memory.peaks, strict=True)
            },
            arrays=computed.array_report() if computed is not None and computed.values.device else None,
            decoded=chips.sink.decoded(None if computed is None else computed.inputs),
            programming=chips.writing.report(outcome),
            load=None if self.line is None else self.line.report(),
            cache=chips.writing.traffic
            or cache_traffic(
                (layer.memory, layer.keys_read)
                for layer in chips.layers.values()
                if layer.attention is not None
            ),
        )
