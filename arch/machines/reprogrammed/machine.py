"""The machine: a plan, a chip built by it, and a run of images through it."""

from __future__ import annotations

from fractions import Fraction

from arch.arrays.array_parts import ArrayParts
from arch.arrays.device_report import values_report
from arch.cell_writing import pulse_energy
from arch.machine import (
    BuiltMachine,
    Machine,
    MachineRun,
    NetworkMap,
    ProgrammingReport,
    RunOptions,
    Values,
    images_of_pixels,
    register_machine,
)
from arch.machines.reprogrammed.chip import ReprogrammedChip
from arch.machines.reprogrammed.configuration import ReprogrammedConfig
from arch.machines.reprogrammed.plan import ReprogrammedMap, map_network
from arch.machines.reprogrammed.writing import WriteLedger
from simcore import Outcome, PartConfig, clock
from workloads import LoweredNetwork


@register_machine(
    "reprogrammed",
    "too few crossbars, rewritten with write-verify (what BasisN is compared with)",
)
class Reprogrammed(Machine):
    """Layers computed one after the other on crossbars that are written anew in between."""

    Config = ReprogrammedConfig
    config: ReprogrammedConfig
    device_values = True

    @property
    def bits(self) -> tuple[int, int]:
        """Bits of a weight and of an activation."""
        return self.config.weight_bits, self.config.activation_bits

    def values_report(self) -> tuple[tuple[str, str], ...]:
        """Return what decides on device values and how products are computed, in words."""
        config = self.config
        parts = ArrayParts(config.encoding, config.array, config.adc)
        return values_report(parts, config.activation_bits)

    def map(self, network: LoweredNetwork) -> ReprogrammedMap:
        """Cut layers into tiles, and tiles into sets.

        raises : MappingError for a network without layers, or crossbars that do not hold one weight
        """
        return map_network(self.config, network)

    def build(
        self, placed: NetworkMap, images: int, values: Values | None, options: RunOptions
    ) -> BuiltMachine:
        """Build the chip, for `images` that pass through it batch by batch."""
        assert isinstance(placed, ReprogrammedMap)
        hertz = Fraction(str(self.config.clock_ghz)) * 10**9
        simulation = options.simulation([clock("core", hertz)])
        chip = simulation.build(ReprogrammedChip, PartConfig())
        chip.lay_out(self.config, placed, images, options.seed)
        computed = chip.attach(values) if values is not None else None
        simulation.laws += [
            lambda: ("MACs done = MACs of the network x images", placed.network.macs * images, chip.macs()),
            lambda: (
                "tiles written = tiles of all sets",
                crossbar_writes(placed, images),
                chip.ledger.total.crossbars,
            ),
        ]

        def collect(outcome: Outcome) -> MachineRun:
            return MachineRun(
                outcome=outcome,
                accepted=chip.sequencer.accepted,
                completed=chip.finisher.completed,
                outputs=None
                if computed is None
                else images_of_pixels(computed.maps.outputs, placed.stages[-1].shape),
                macs=chip.macs(),
                batch=placed.batch,
                peaks={"buffer": placed.buffer_pixels},
                arrays=computed.maps.array_report() if computed is not None else None,
                programming=self._programming(placed, chip, outcome, images),
                programming_j=self._beforehand_j(placed, options.seed) if placed.schedule.resident else None,
            )

        return BuiltMachine(simulation, collect)

    def _programming(
        self, placed: ReprogrammedMap, chip: ReprogrammedChip, outcome: Outcome, images: int
    ) -> ProgrammingReport:
        """Return what writing took in the run."""
        written = chip.ledger.total
        return ProgrammingReport(
            cycles=sum(chip.write_cycles.values()),
            sets=len(placed.schedule.sets),
            rounds=sum(turn.writes for turn in placed.schedule.turns(images)),
            batch=placed.schedule.batch,
            cells=written.cells,
            pulses=written.pulses,
            failed=written.failed,
            most_writes=max((arrays.write.count for arrays in chip.arrays), default=0),
            images_until_worn=placed.images_until_worn,
            energy_j=outcome.energy.by_component.get("programming", 0.0),
        )

    def _beforehand_j(self, placed: ReprogrammedMap, seed: int) -> float:
        """Return the energy of writing all tiles before a run [J]."""
        ledger = WriteLedger(self.config, seed)
        for layer in placed.layers:
            ledger.write(layer.name, layer.blocks, 0)
        energy = pulse_energy(self.config.write, self.config.array.cell_energy_fj)
        return float(ledger.total.pulses) * sum(energy.values())


def crossbar_writes(placed: ReprogrammedMap, images: int) -> int:
    """Return the crossbars that are written in a run, each as often as it is."""
    return sum(
        len(visit.blocks)
        for turn in placed.schedule.turns(images)
        if turn.writes
        for visit in placed.schedule.sets[turn.index]
    )
