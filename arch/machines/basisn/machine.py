"""The machine: a plan, a chip built by it, and a run of images through it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from arch.machine import (
    Machine,
    MachineRun,
    NetworkMap,
    RunOptions,
    Values,
    images_of_pixels,
    register_machine,
)
from arch.machines.basisn.chip import BasisNChip
from arch.machines.basisn.configuration import BasisNConfig
from arch.machines.basisn.passes import LayerPasses, layer_passes
from arch.machines.basisn.plan import BasisNMap, LoadedBasis, map_network
from simcore import PartConfig, clock
from simcore.laws import Law
from workloads import LoweredNetwork


@register_machine(
    "basisn", "kernels of all layers combine basis vectors written once (Eldebiky et al. 2024, reconstructed)"
)
class BasisN(Machine):
    """Crossbars that hold one basis, and combine its vectors to the kernels of layer after layer."""

    Config = BasisNConfig
    config: BasisNConfig

    loaded_basis: LoadedBasis | None = None

    @property
    def bits(self) -> tuple[int, int]:
        """Bits of a coefficient and of an activation."""
        return self.config.coefficients.bits, self.config.activation_bits

    def map(self, network: LoweredNetwork) -> BasisNMap:
        """Cut all layers into slices.

        raises : MappingError for a network without layers, or one that the loaded basis is not of
        """
        return map_network(self.config, network, self.loaded_basis)

    def simulate(
        self, placed: NetworkMap, images: int, values: Values | None, options: RunOptions
    ) -> MachineRun:
        """Build the chip, let `images` pass through it layer by layer, and collect what comes out."""
        assert isinstance(placed, BasisNMap)
        loaded = placed.loaded
        if values is not None:  # time follows from the coefficients that are computed with
            loaded = LoadedBasis(values.network.basis, values.network.coefficients)
            placed = map_network(self.config, placed.network, loaded)
        passes = {
            name: layer_passes(self.config, placed, name, options.seed, loaded) for name in placed.layers
        }
        simulation = options.simulation([clock("cycle", 1 / self.config.cycle)])
        chip = simulation.build(BasisNChip, PartConfig())
        chip.lay_out(self.config, placed, passes, images)
        computed = chip.attach(values) if values is not None else None
        macs = placed.network.macs * images
        simulation.laws.append(lambda: ("MACs done = MACs of the network x images", macs, chip.macs()))
        simulation.laws += pass_laws(chip, passes, images)
        if options.built is not None:
            options.built()
        outcome = simulation.run()
        outputs = computed.maps.outputs if computed is not None else None
        return MachineRun(
            outcome=outcome,
            accepted=chip.sequencer.begun,
            completed=chip.sequencer.completed,
            outputs=None if outputs is None else images_of_pixels(outputs, placed.stages[-1].shape),
            macs=chip.macs(),
            peaks={"buffer": placed.maps[0]},
        )


def pass_laws(chip: BasisNChip, passes: Mapping[str, LayerPasses], images: int) -> Iterator[Law]:
    """Yield what lanes must have done of each layer: all passes of every slice that has slots."""
    for name, of_layer in passes.items():
        expected = of_layer.passes * images
        yield lambda name=name, expected=expected: (  # type: ignore[misc]
            f"passes of {name} = pixels x slices with slots x images",
            expected,
            int(chip.done(name).sum()),
        )
