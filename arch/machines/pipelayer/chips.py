"""All chips: layers, inputs and outputs, wired as the plan says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arch.arrays.array_parts import ArrayParts
from arch.machine import Values
from arch.machines.pipelayer.configuration import PipeLayerConfig
from arch.machines.pipelayer.layer import Layer
from arch.machines.pipelayer.parts import Inputs, Outputs
from arch.machines.pipelayer.plan import PipeLayerMap
from arch.meter import Meter, meter_of
from simcore import Component, PartConfig

if TYPE_CHECKING:  # its kernels load when values are computed
    from arch.machines.pipelayer.layer_values import LayerValues


class PipeLayerChips(Component):
    """As many chips as there are, as one pipeline of layers."""

    def lay_out(self, config: PipeLayerConfig, placed: PipeLayerMap, images: int) -> None:
        """Build and wire all layers."""
        self.settings, self.placed, self.images = config, placed, images
        one_by_one = config.pipeline == "none"
        self.inputs = self.add(Inputs, "inputs", PartConfig())
        self.inputs.lay_out(one_by_one=one_by_one)
        self.layers = {name: self._layer(name) for name in placed.layers}
        self.outputs = self.add(Outputs, "outputs", PartConfig())
        self.outputs.beat = placed.beat
        self.outputs.lay_out(one_by_one=one_by_one)
        self.inputs.images = self.outputs.images = images
        self._connect()
        if one_by_one:
            self.connect(self.outputs.done_out, self.inputs.done_in)
        meter: Meter = self.add(meter_of("chip"), "chips", PartConfig())
        meter.mm2 = config.chip_area_mm2 * placed.chips

    def _layer(self, name: str) -> Layer:
        """Build a layer, with what its readers hold of its results."""
        placed, plan = self.placed, self.placed.layers[name]
        layer = self.add(Layer, f"layer[{name}]", PartConfig(), layer=name)
        tiling = placed.tilings.get(name)
        layer.lay_out(self.settings, plan, tiling.blocks if tiling is not None else (), placed.beat)
        held = [reader.sources[name] for reader in placed.layers.values() if name in reader.sources]
        if plan is placed.output:
            held.append(next(t.images for t in plan.stored if t.stage == placed.stages[-1].name))
        layer.memory.lay_out(held, releases=any(source in placed.layers for source in plan.sources))
        layer.sequencer.images = layer.memory.images = self.images
        return layer

    def _connect(self) -> None:
        """Let complete images be told to their readers, and room that these make be told back."""
        free = {name: iter(layer.memory.released_in) for name, layer in self.layers.items()}
        for layer in self.layers.values():
            for port, (source, images) in zip(
                layer.sequencer.image_in, layer.plan.sources.items(), strict=True
            ):
                if source not in self.layers:
                    self.connect(self.inputs.image_out, port, depth=self.images)  # all are there
                    continue
                self.connect(self.layers[source].memory.image_out, port, depth=images)
                self.connect(layer.memory.release_out, next(free[source]), depth=images + 1)
        last = self.layers[self.placed.output.name].memory
        self.connect(last.image_out, self.outputs.image_in)
        self.connect(self.outputs.release_out, next(free[self.placed.output.name]), depth=last.held[-1] + 1)

    def attach(self, values: Values) -> LayerValues:
        """Give every layer its values, and return them."""
        from arch.machines.pipelayer.layer_values import LayerValues

        config = self.settings
        parts = ArrayParts(config.encoding, config.array, config.counter, values.seed)
        computed = LayerValues(config, self.placed, values, parts)
        for layer in self.layers.values():
            layer.memory.compute = computed.layer(layer.plan)
        return computed

    def macs(self) -> int:
        """Return the multiply-accumulates that all arrays did."""
        return sum(layer.macs() for layer in self.layers.values())
