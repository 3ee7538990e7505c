"""The machine: a plan, a chip built by it, and a run of images through it; and its presets."""

from __future__ import annotations

from fractions import Fraction

from arch.arrays.array_parts import ArrayParts
from arch.arrays.device_report import values_report
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

    def simulate(
        self, placed: NetworkMap, images: int, values: Values | None, options: RunOptions
    ) -> MachineRun:
        """Build the chip, stream `images` through it and collect what comes out."""
        assert isinstance(placed, DataflowMap)
        simulation = options.simulation([clock("core", self.reference_hz)])
        chip = simulation.build(DataflowChip, PartConfig())
        chip.lay_out(self.config, placed, images)
        if options.arrivals is not None:
            chip.queue_up(self.config, placed, options.arrivals, images)
        computed = chip.attach(self.config, placed, values) if values is not None else None
        outputs = computed.collect(chip.sink, placed.stages[-1]) if computed is not None else None
        crossbars = [crossbar for core in chip.cores.values() for crossbar in core.crossbars]

        def macs() -> int:
            return sum(crossbar.macs() for crossbar in crossbars)

        simulation.laws.append(
            lambda: ("MACs done = MACs of the network x images", placed.network.macs * images, macs())
        )
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
                for core in chip.cores.values()
                for port, peak in zip(core.memory.pixel_in, core.memory.peaks, strict=True)
            },
            arrays=computed.array_report() if computed is not None and computed.values.device else None,
            load=None if chip.queue is None else chip.queue.report(),
        )
