"""The machine: a plan, chips built by it, and a run of images through them."""

from __future__ import annotations

from arch.arrays.array_parts import ArrayParts
from arch.arrays.device_report import values_report
from arch.machine import (
    BuiltMachine,
    Machine,
    MachineRun,
    NetworkMap,
    RunOptions,
    TrainingReport,
    TrainingValues,
    Values,
    images_of_pixels,
    register_machine,
)
from arch.machines.pipelayer.chips import PipeLayerChips
from arch.machines.pipelayer.configuration import PipeLayerConfig
from arch.machines.pipelayer.plan import PipeLayerMap, map_network
from arch.machines.pipelayer.training_chips import TrainingChips
from arch.machines.pipelayer.training_plan import TrainingMap, map_training
from simcore import Clock, Outcome, PartConfig, clock
from workloads import LoweredNetwork
from workloads.training import TrainingRule

#: Clock domains: time slots of reads are the reference, all parts count in the divisor of reads and writes.
SLOTS, CONTROL = "slot", "control"


@register_machine(
    "pipelayer", "spiking arrays in main memory, a layer pipeline image by image (Song et al. 2017)"
)
class PipeLayer(Machine):
    """Layers pinned to arrays, each at work on another image; what they compute goes through memory."""

    Config = PipeLayerConfig
    config: PipeLayerConfig
    device_values = True

    @property
    def bits(self) -> tuple[int, int]:
        """Bits of a weight and of an activation."""
        return self.config.weight_bits, self.config.activation_bits

    def values_report(self) -> tuple[tuple[str, str], ...]:
        """Return what decides on device values and how products are computed, in words."""
        config = self.config
        parts = ArrayParts(config.encoding, config.array, config.counter)
        return values_report(parts, config.activation_bits)

    def map(self, network: LoweredNetwork) -> PipeLayerMap:
        """Give every layer its copies, its level and its memory.

        raises : MappingError for a network without layers, or one that the chips do not hold
        """
        return (map_training if self.training else map_network)(self.config, network)

    def build(
        self, placed: NetworkMap, images: int, values: Values | None, options: RunOptions
    ) -> BuiltMachine:
        """Build the chips, for `images` that pass through them."""
        assert isinstance(placed, PipeLayerMap)
        simulation = options.simulation(self.clocks)
        chips = simulation.build(PipeLayerChips, PartConfig(), clock=CONTROL)
        chips.lay_out(self.config, placed, images)
        computed = chips.attach(values) if values is not None else None
        simulation.laws.append(
            lambda: ("MACs done = MACs of the network x images", placed.network.macs * images, chips.macs())
        )

        def collect(outcome: Outcome) -> MachineRun:
            first = min(chips.layers.values(), key=lambda layer: layer.plan.level)
            outputs = computed.maps.outputs if computed is not None else None
            return MachineRun(
                outcome=outcome,
                accepted=first.sequencer.begun,
                completed=chips.outputs.completed,
                outputs=None if outputs is None else images_of_pixels(outputs, placed.stages[-1].shape),
                macs=chips.macs(),
                peaks={
                    layer.memory.path: layer.memory.peak * layer.plan.stored_pixels
                    for layer in chips.layers.values()
                },
                arrays=computed.maps.array_report() if computed is not None else None,
            )

        return BuiltMachine(simulation, collect)

    @property
    def training(self) -> TrainingRule | None:
        """How it changes weights, None in inference."""
        return self.config.training.rule if self.config.mode == "training" else None

    def build_training(
        self, placed: NetworkMap, images: int, values: TrainingValues | None, options: RunOptions
    ) -> BuiltMachine:
        """Build the chips, for `images` that pass through them forward and back."""
        assert isinstance(placed, TrainingMap)
        simulation = options.simulation(self.clocks)
        chips = simulation.build(TrainingChips, PartConfig(), clock=CONTROL)
        chips.lay_out(self.config, placed, images)
        computed = chips.attach(values) if values is not None else None
        simulation.laws.append(
            lambda: ("MACs done = forward + error + gradient x images", placed.macs * images, chips.macs())
        )

        def collect(outcome: Outcome) -> MachineRun:
            return MachineRun(
                outcome=outcome,
                accepted=chips.layers[0].sequencer.begun,
                completed=chips.end.completed,
                outputs=None if computed is None else computed.outputs,
                macs=chips.macs(),
                peaks={
                    layer.memory.path: layer.memory.peak * layer.plan.stored_pixels for layer in chips.layers
                },
                training=TrainingReport(
                    updates=chips.end.updates,
                    beats=chips.end.updates[-1] // placed.beat,
                    update_beats=placed.update_beats(chips.batches[0]),
                    held={
                        layer.plan.name: (layer.memory.peak, max(layer.memory.held)) for layer in chips.layers
                    },
                    weights=None if computed is None else computed.final_weights(),
                ),
            )

        return BuiltMachine(simulation, collect)

    @property
    def clocks(self) -> list[Clock]:
        """Clocks of reads and of control."""
        return [clock(SLOTS, 1 / self.config.slot), clock(CONTROL, 1 / self.config.tick)]
