"""The machine: a plan, chips built by it, and a run of images through them."""

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
from arch.machines.isaac.chips import IsaacChips
from arch.machines.isaac.configuration import IsaacConfig
from arch.machines.isaac.layer import ARRAYS, DIGITAL
from arch.machines.isaac.plan import IsaacMap, map_network
from simcore import PartConfig, clock
from workloads import LoweredNetwork


@register_machine("isaac-ce", "the same by the name of its design point, the densest for its area")
@register_machine("isaac", "tiles of bit-serial arrays with eDRAM, at a mesh: ISAAC-CE (Shafiee et al. 2016)")
class Isaac(Machine):
    """Layers pinned to tiles of bit-serial arrays, pixels streamed through all of them at once."""

    Config = IsaacConfig
    config: IsaacConfig
    device_values = True
    awaits_arrivals = True

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

        raises : MappingError for a network without layers, or one that the chips do not hold
        """
        return map_network(self.config, network)

    def simulate(
        self, placed: NetworkMap, images: int, values: Values | None, options: RunOptions
    ) -> MachineRun:
        """Build the chips, stream `images` through them and collect what comes out."""
        assert isinstance(placed, IsaacMap)
        simulation = options.simulation(
            [clock(ARRAYS, self.reference_hz), clock(DIGITAL, self.config.digital_hz)]
        )
        chips = simulation.build(IsaacChips, PartConfig())
        chips.lay_out(self.config, placed, images)
        if options.arrivals is not None:
            chips.queue_up(options.arrivals, images)
        last = placed.stages[-1]
        computed = chips.attach(values) if values is not None else None
        outputs = computed.collect(chips.sink, last) if computed is not None else None
        simulation.laws.append(
            lambda: ("MACs done = MACs of the network x images", placed.network.macs * images, chips.macs())
        )
        simulation.laws.append(lambda: ("pixels landed = pixels that set out", *chips.pixels_carried()))
        mesh = chips.mesh
        simulation.laws.append(lambda: ("flits out of the mesh = flits into it", *mesh.flits_in_and_out()))
        if options.built is not None:
            options.built()
        outcome = simulation.run()
        return MachineRun(
            outcome=outcome,
            accepted=chips.source.accepted,
            completed=chips.sink.completed,
            outputs=None if outputs is None else images_of_pixels(outputs, last.shape),
            macs=chips.macs(),
            peaks={
                port.path: peak
                for layer in chips.layers.values()
                for port, peak in zip(layer.memory.pixel_in, layer.memory.peaks, strict=True)
            },
            arrays=computed.array_report() if computed is not None and computed.values.device else None,
            load=None if chips.queue is None else chips.queue.report(),
        )
