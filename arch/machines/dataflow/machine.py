"""The machine: a plan, a chip built by it, and a run of images through it; and its presets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from arch.arrays.array_parts import ArrayParts
from arch.arrays.device_report import values_report
from arch.machine import RunOptions, SharedMap, register_machine
from arch.machines.dataflow.chip import DataflowChip, SharedDataflow
from arch.machines.dataflow.configuration import DataflowConfig
from arch.machines.dataflow.plan import DataflowMap, map_network, map_networks
from arch.pipelined_machine import PipelinedMachine
from simcore import Clock, Component, PartConfig, Simulation, clock
from workloads import LoweredNetwork


@register_machine(
    "dataflow", "CNN layers pinned to crossbar cores, pixels streamed through a pipeline (Dazzi et al. 2021)"
)
class Dataflow(PipelinedMachine[DataflowChip]):
    """Layers pinned to cores, pixels streamed through all of them at once."""

    Config = DataflowConfig
    config: DataflowConfig
    device_values = True
    skips_periods = True
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

    def _clocks(self) -> Sequence[Clock]:
        return [clock("core", self.reference_hz)]

    def _prepare(
        self, simulation: Simulation, pipelines: Sequence[DataflowChip], options: RunOptions
    ) -> None:
        if options.fast_forward:
            (chip,) = pipelines
            simulation.fast_forward(chip.begun, chip.end_after)

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
