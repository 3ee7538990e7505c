"""The machine: a plan, a chip built by it, and a run of images through it; and its presets."""

from __future__ import annotations

from fractions import Fraction

from arch.arrays.array_parts import ArrayParts
from arch.arrays.device_report import values_report
from arch.attention_cache import cache_traffic
from arch.machine import (
    Machine,
    MachineRun,
    NetworkMap,
    RunOptions,
    Values,
    images_of_pixels,
    register_machine,
)
from arch.machines.dataflow.chip import DataflowChip
from arch.machines.dataflow.configuration import DataflowConfig
from arch.machines.dataflow.plan import DataflowMap, map_network
from simcore import PartConfig, clock
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
        return map_network(self.config, network)

    def simulate(
        self, placed: NetworkMap, images: int, values: Values | None, options: RunOptions
    ) -> MachineRun:
        """Build the chip, stream `images` through it and collect what comes out."""
        assert isinstance(placed, DataflowMap)
        hertz = Fraction(str(self.config.clock_ghz)) * 10**9
        simulation = options.simulation([clock("core", hertz)])
        chip = simulation.build(DataflowChip, PartConfig())
        chip.lay_out(self.config, placed, images, options.seed)
        chip.source.arrivals = [cycle * simulation.reference.ticks for cycle in options.arrivals or ()]
        if options.prompt is not None:
            chip.source.decode(chip.sink, options.prompt)
        computed = chip.attach(self.config, placed, values) if values is not None else None
        outputs = computed.collect(chip.sink, placed.stages[-1]) if computed is not None else None
        cores = chip.cores.values()

        def macs() -> int:
            return sum(core.macs() for core in cores)

        simulation.laws.append(
            lambda: ("MACs done = MACs of the network x images", placed.network.macs * images, macs())
        )
        if chip.writing.pairs:
            simulation.laws.append(lambda: chip.writing.law(images))
        if options.fast_forward:
            simulation.fast_forward(chip.begun, chip.end_after)
        if options.built is not None:
            options.built()
        outcome = simulation.run()
        accepted, completed = chip.source.accepted, chip.sink.completed
        if outcome.fast_forward is not None:
            accepted, completed = map(outcome.fast_forward.unrolled, (accepted, completed))
        return MachineRun(
            outcome=outcome,
            accepted=accepted,
            completed=completed,
            outputs=None if outputs is None else images_of_pixels(outputs, placed.stages[-1].shape),
            macs=macs(),
            peaks={
                port.path: peak
                for core in cores
                for port, peak in zip(core.memory.pixel_in, core.memory.peaks, strict=True)
            },
            programming=chip.writing.report(outcome),
            cache=chip.writing.traffic or cache_traffic(core.memory for core in cores),
            arrays=computed.array_report() if computed is not None and computed.values.device else None,
            decoded=chip.sink.decoded(None if computed is None else computed.inputs),
        )
