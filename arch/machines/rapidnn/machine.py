"""The machine: a plan, chips built by it, and a run of images through them."""

from __future__ import annotations

from typing import Self

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
from arch.machines.rapidnn.chips import RapidnnChips
from arch.machines.rapidnn.composed_numbers import ComposedNumbers
from arch.machines.rapidnn.configuration import RapidnnConfig
from arch.machines.rapidnn.plan import RapidnnMap, map_network
from arch.numbers import KnownNetwork, Numbers
from simcore import ConfigError, Outcome, PartConfig, clock
from workloads import LoweredNetwork
from workloads.composition.composition import Composition
from workloads.prepared import PreparedNetwork


@register_machine(
    "rapidnn", "lookup neurons: codes counted, products added in memory (Imani et al. 2018, recalled)"
)
class Rapidnn(Machine):
    """A network of tables on RNAs, each of which is a neuron or an output channel."""

    Config = RapidnnConfig
    config: RapidnnConfig
    device_values = True
    data_decide = True
    reads = (Composition,)

    @property
    def bits(self) -> tuple[int, int]:
        """Bits of a code of weights and of one of inputs."""
        config = self.config
        return (config.weight_codes - 1).bit_length(), (config.input_codes - 1).bit_length()

    def numbers(self, known: KnownNetwork) -> Numbers:
        """Return a network as tables: those it was composed to, or those it is composed to now."""
        return ComposedNumbers(known, self.config)

    def loaded(self, prepared: PreparedNetwork) -> Self:
        """Return the machine with as many clusters and bits as a composition has, where none are given."""
        assert isinstance(prepared, Composition)
        config, composition = self.config, prepared
        clusters = {
            "weights": config.clusters.weights or composition.clusters[0],
            "inputs": config.clusters.inputs or composition.clusters[1],
        }
        try:  # refuses what it does not have
            composition.at(clusters["weights"], clusters["inputs"], config.bits)
        except ConfigError as error:
            raise ConfigError(f"{error}; see clusters.weights, clusters.inputs and bits") from None
        changes = {"clusters": clusters, "bits": config.bits or composition.bits}
        parsed = RapidnnConfig.parse({**config.canonical(), **changes}, self.name or "rapidnn")
        return type(self)(parsed, self.name)

    def values_report(self) -> tuple[tuple[str, str], ...]:
        """Return what decides on device values, in words."""
        rows = []
        for name, memory in (("activation", self.config.activation), ("encoding", self.config.encoding)):
            text = (
                f"{memory.match}, {memory.stages} stages of {memory.stage_bits} bit, noise {memory.noise:g}"
            )
            stuck = memory.stuck_at_0 + memory.stuck_at_1
            rows.append((f"{name} memory", f"{text}, {stuck:.3g} of its cells stuck"))
        return tuple(rows)

    def map(self, network: LoweredNetwork) -> RapidnnMap:
        """Give every stage its RNAs, their copies and its buffers.

        raises : MappingError for a network without layers, or one that the chips do not hold; WorkloadError
            for what tables cannot do
        """
        return map_network(self.config, network)

    def build(
        self, placed: NetworkMap, images: int, values: Values | None, options: RunOptions
    ) -> BuiltMachine:
        """Build the chips, for `images` that are streamed through them."""
        assert isinstance(placed, RapidnnMap)
        simulation = options.simulation([clock("cycle", 1 / self.config.cycle)])
        chips = simulation.build(RapidnnChips, PartConfig())
        chips.lay_out(self.config, placed, images)
        computed = chips.attach(values) if values is not None else None
        macs = placed.form.lowered.macs * images
        simulation.laws.append(lambda: ("MACs done = MACs of the network x images", macs, chips.macs()))

        def collect(outcome: Outcome) -> MachineRun:
            last = chips.layers[chips.output].stage
            return MachineRun(
                outcome=outcome,
                accepted=chips.source.accepted,
                completed=chips.sink.completed,
                outputs=None if computed is None else images_of_pixels(computed.outputs, last.shape),
                macs=chips.macs(),
                peaks={
                    port.path: peak
                    for layer in chips.layers.values()
                    for port, peak in zip(layer.memory.pixel_in, layer.memory.peaks, strict=True)
                },
                neurons=None if computed is None else computed.neuron_times(),
                programming_j=self.programming_j(placed),
            )

        return BuiltMachine(simulation, collect)

    def programming_j(self, placed: RapidnnMap) -> float:
        """Return the energy of writing the tables of all RNAs once [J], drivers left out."""
        bits = sum(place.rnas * place.copies * place.table_bits for place in placed.places.values())
        return bits * self.config.cell_write_fj * 1e-15
