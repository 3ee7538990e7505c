"""The machine: a plan, chips built by it, and a run of images through them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import partial

from arch.arrays.array_parts import ArrayParts
from arch.arrays.device_report import values_report
from arch.machine import RunOptions, SharedMap, register_machine
from arch.machines.isaac.chips import IsaacChips, SharedIsaac
from arch.machines.isaac.configuration import IsaacConfig
from arch.machines.isaac.layer import ARRAYS, DIGITAL
from arch.machines.isaac.plan import IsaacMap, map_network, map_networks
from arch.pipelined_machine import PipelinedMachine
from simcore import Clock, Component, PartConfig, Simulation, clock
from workloads import LoweredNetwork


@register_machine("isaac-ce", "the same by the name of its design point, the densest for its area")
@register_machine("isaac", "tiles of bit-serial arrays with eDRAM, at a mesh: ISAAC-CE (Shafiee et al. 2016)")
class Isaac(PipelinedMachine[IsaacChips]):
    """Layers pinned to tiles of bit-serial arrays, pixels streamed through all of them at once."""

    Config = IsaacConfig
    config: IsaacConfig
    device_values = True
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

    def _clocks(self) -> Sequence[Clock]:
        return [clock(ARRAYS, self.reference_hz), clock(DIGITAL, self.config.digital_hz)]

    def _prepare(self, simulation: Simulation, pipelines: Sequence[IsaacChips], options: RunOptions) -> None:
        mesh = pipelines[0].mesh
        simulation.laws.append(lambda: ("flits out of the mesh = flits into it", *mesh.flits_in_and_out()))
        for own in pipelines:
            simulation.laws.append(partial(_law_of_pixels, own))

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


def _law_of_pixels(chips: IsaacChips) -> tuple[str, int, int]:
    return ("pixels landed = pixels that set out", *chips.pixels_carried())
