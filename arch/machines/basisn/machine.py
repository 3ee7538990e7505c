"""The machine: a plan, a chip built by it, and a run of images through it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Self

from arch.arrays.device_report import parts_report
from arch.machine import (
    BuiltMachine,
    Machine,
    MachineRun,
    NetworkMap,
    RunOptions,
    Values,
    images_of_pixels,
    register_machine,
)
from arch.machines.basisn.basis_numbers import BasisNumbers
from arch.machines.basisn.chip import BasisNChip
from arch.machines.basisn.configuration import BasisNConfig
from arch.machines.basisn.costs import programming_j
from arch.machines.basisn.passes import LayerPasses, layer_passes
from arch.machines.basisn.plan import BasisNMap, LoadedBasis, map_network
from arch.numbers import KnownNetwork, Numbers
from simcore import ConfigError, Outcome, PartConfig, clock
from simcore.laws import Law
from workloads import LoweredNetwork
from workloads.basis import BasisFit, BasisOptions
from workloads.prepared import PreparedNetwork


@register_machine(
    "basisn", "kernels of all layers combine basis vectors written once (Eldebiky et al. 2024, reconstructed)"
)
class BasisN(Machine):
    """Crossbars that hold one basis, and combine its vectors to the kernels of layer after layer."""

    Config = BasisNConfig
    config: BasisNConfig
    device_values = True
    data_decide = True
    reads = (BasisFit,)

    loaded_basis: LoadedBasis | None = None

    @property
    def bits(self) -> tuple[int, int]:
        """Bits of a coefficient and of an activation."""
        return self.config.coefficient_bits, self.config.activation_bits

    def numbers(self, known: KnownNetwork) -> Numbers:
        """Return a network on a basis: the one it was fitted to, or one it is fitted to now."""
        config = self.config
        options = BasisOptions(
            config.array.rows,
            config.vectors,
            config.element_bits,
            config.coefficient_bits,
            config.nonzeros,
        )
        return BasisNumbers(known, options, config.activation_bits)

    def loaded(self, prepared: PreparedNetwork) -> Self:
        """Return the machine with a basis in its crossbars, and coefficients of as many bits as those have.

        raises : ConfigError for a basis that the crossbars do not hold
        """
        assert isinstance(prepared, BasisFit)
        machine = type(self)(loaded_config(self.config, prepared), self.name)
        coefficients = {name: layer.coefficients for name, layer in prepared.layers.items()}
        machine.loaded_basis = LoadedBasis(prepared.basis, coefficients)
        return machine

    def values_report(self) -> tuple[tuple[str, str], ...]:
        """Return what decides on device values, in words."""
        digital = self.config.variant == "digital"
        joined = "every column by itself" if digital else "columns joined, bit plane by bit plane"
        report = parts_report(self.config.parts(), self.config.activation_bits, "vectors")
        return (*report, ("products", f"conductances: {joined}"))

    def map(self, network: LoweredNetwork) -> BasisNMap:
        """Cut all layers into slices.

        raises : MappingError for a network without layers, or one that the loaded basis is not of
        """
        return map_network(self.config, network, self.loaded_basis)

    def build(
        self, placed: NetworkMap, images: int, values: Values | None, options: RunOptions
    ) -> BuiltMachine:
        """Build the chip, for `images` that pass through it layer by layer."""
        assert isinstance(placed, BasisNMap)
        loaded = placed.loaded
        if values is not None:  # time follows from the coefficients that are computed with
            loaded = LoadedBasis(values.network.basis, values.network.coefficients)
            placed = map_network(self.config, placed.network, loaded)
        passes = {
            name: layer_passes(self.config, placed, name, options.seed, loaded) for name in placed.layers
        }
        simulation = options.simulation([clock("core", self.config.hertz)])
        chip = simulation.build(BasisNChip, PartConfig())
        chip.lay_out(self.config, placed, passes, images)
        computed = chip.attach(values) if values is not None else None
        macs = placed.network.macs * images
        simulation.laws.append(lambda: ("MACs done = MACs of the network x images", macs, chip.macs()))
        simulation.laws += pass_laws(chip, passes, images)

        def collect(outcome: Outcome) -> MachineRun:
            outputs = computed.maps.outputs if computed is not None else None
            return MachineRun(
                outcome=outcome,
                accepted=chip.sequencer.begun,
                completed=chip.sequencer.completed,
                outputs=None if outputs is None else images_of_pixels(outputs, placed.stages[-1].shape),
                macs=chip.macs(),
                peaks={"buffer": placed.maps[0]},
                arrays=computed.array_report(chip.done) if computed is not None else None,
                programming_j=programming_j(self.config),
            )

        return BuiltMachine(simulation, collect)


def pass_laws(chip: BasisNChip, passes: Mapping[str, LayerPasses], images: int) -> Iterator[Law]:
    """Yield what lanes must have done: all passes of every slice that has slots, and all of their slots."""
    for name, of_layer in passes.items():
        expected = of_layer.passes * images
        yield lambda name=name, expected=expected: (  # type: ignore[misc]
            f"passes of {name} = pixels x slices with slots x images",
            expected,
            int(chip.done(name).sum()),
        )
    if chip.settings.detail == "slot":
        slots = images * sum(int(each.slots.sum()) * each.layer.counts.pixels for each in passes.values())
        yield lambda: ("slots converted = slots of all passes x images", slots, chip.slots_converted())


def loaded_config(config: BasisNConfig, fit: BasisFit) -> BasisNConfig:
    """Return a configuration with the bits of a fit.

    raises : ConfigError where the crossbars do not hold its basis, or for a parameter that it decides on and
        that is given otherwise
    """
    vectors, length = fit.basis.vectors.shape
    basis = f"the basis of {fit.network.name}"
    for what, found, most, where in (
        ("elements", length, config.array.rows, "array.rows"),
        ("vectors", vectors, config.vectors, "array.cols, or crossbars with basis=distinct"),
    ):
        if found > most:
            raise ConfigError(
                f"{basis} has {found} {what}, but the crossbars hold {most}; "
                f"raise {where}, or fit the network to a smaller basis"
            )
    given = config.coefficients
    nonzeros = max(fit.nonzeros, 1)
    for name, value, has in (
        ("vector_bits", config.vector_bits, fit.basis.bits),
        ("coefficients.bits", given.bits, fit.bits),
        ("coefficients.nonzeros", given.nonzeros, nonzeros),
        ("coefficients.drawn", given.drawn, None),
    ):
        if value is not None and value != has:
            own = "coefficients of its own" if has is None else has
            raise ConfigError(
                f"{name} is {value}, but {basis} has {own}; leave {name} out, or fit the network anew"
            )
    written = config.canonical()
    written["vector_bits"] = fit.basis.bits
    written["coefficients"] |= {"bits": fit.bits, "nonzeros": nonzeros}
    return BasisNConfig.parse(written, "basisn")
