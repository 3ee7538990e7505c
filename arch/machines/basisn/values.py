"""The values of a run: each pass adds what its slice contributes to the sums of its window."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from arch.machine import ArrayReport, Values
from arch.machines.basisn.analog_slices import AnalogSlices
from arch.machines.basisn.configuration import BasisNConfig
from arch.machines.basisn.passes import LayerPasses
from arch.machines.basisn.plan import BasisNMap
from arch.machines.basisn.products import ExactSlices
from arch.machines.basisn.written_basis import write_crossbars
from arch.mapping.stages import Stage
from arch.stored_maps import StoredMaps, StoredStage
from workloads import QuantizedMatrix, sample_windows

#: Takes a pass over: lane, image, and pass of the layer.
AddPass = Callable[[int, int, int], None]
#: Finishes a step: image, and step of the stage.
FinishStep = Callable[[int, int], None]


class BasisValues:
    """Values of all stages, added one by one in their order.

    maps : of all stages
    layers : sums of those with weights, by name
    """

    def __init__(self, config: BasisNConfig, placed: BasisNMap, values: Values) -> None:
        self.config, self.placed, self.values = config, placed, values
        self.network = values.network
        self.maps = StoredMaps(placed.stages, placed.network.input, values, None)
        self.layers: dict[str, LayerSums] = {}
        self._samples: Mapping[str, Any] = {}
        if values.device:
            parts = config.parts(values.seed)
            distinct = config.basis == "distinct"
            self._written = write_crossbars(self.network.basis, parts, config.crossbars, distinct=distinct)
            if parts.adc.range == "calibrated":
                known = values.codes if values.calibration is None else values.calibration
                windows = {s.name: s.matrix.window for s in placed.stages if s.matrix is not None}
                self._samples = sample_windows(self.network, known, windows)

    def stage(self, stage: Stage, passes: LayerPasses | None) -> tuple[AddPass | None, FinishStep]:
        """Return what takes a stage's passes over, None without weights, and what finishes its steps."""
        depths = [operand.firing.pixels for operand in stage.operands]  # maps of one image
        if passes is None:
            stored = self.maps.add(stage, depths, (), 0)
            return None, lambda image, step: stored.fire(image)
        products = self._products(stage, passes)
        stored = self.maps.add(stage, depths, (), 0, stage.steps)
        layer = self.layers[stage.name] = LayerSums(stored, passes, products)
        return layer.add, layer.finish

    def _products(self, stage: Stage, passes: LayerPasses) -> ExactSlices | AnalogSlices:
        """Return the products of a layer's slices, exact or those of real crossbars."""
        node, network = stage.matrix, self.network
        assert node is not None
        coefficients = network.coefficients[stage.name]
        if not self.values.device:
            return ExactSlices(node, network.basis, coefficients)
        quantized = network.nodes[stage.name]
        assert isinstance(quantized, QuantizedMatrix)
        return AnalogSlices(
            node,
            self._written,
            coefficients,
            network.activation_bits,
            int(quantized.input_zero),
            slots=None if passes.digital else passes.slot_of,
            samples=self._samples.get(stage.name),
        )

    def array_report(self, done: Callable[[str], Any]) -> ArrayReport | None:
        """Return what all crossbars did with device values; None without.

        done : tells the passes of a layer, by slice
        """
        if not self.values.device:
            return None
        real = {name: layer.products for name, layer in self.layers.items()}
        return ArrayReport(
            conversions=sum(int(done(name) @ products.conversions) for name, products in real.items()),
            clipped=sum(layer.clipped for layer in self.layers.values()),
            formulations={
                name: (products.formulation.method, products.formulation.reason)
                for name, products in real.items()
            },
        )


class LayerSums:
    """Sums of the windows of one layer, which lie in the buffer of maps until all slices have been added.

    clipped : conversions that were out of range
    """

    def __init__(self, stored: StoredStage, passes: LayerPasses, products: Any) -> None:
        self.stored, self.work, self.products = stored, stored.work, products
        self.steps, self.clipped = stored.stage.steps, 0
        self._active = passes.active.tolist()
        self._begun = np.zeros(self.steps, np.bool_)

    def add(self, lane: int, image: int, number: int) -> None:
        """Add what a pass contributes."""
        step, place = divmod(number, len(self._active))
        self._begin(image, step)
        self.clipped += self.products.multiply(
            self.work.windows, self.work.products_of_steps, step, self._active[place], image, step, lane
        )

    def finish(self, image: int, step: int) -> None:
        """Make a pixel of a window's sums."""
        self._begin(image, step)  # which no pass has, where all coefficients are zero
        self._begun[step] = False
        self.stored.finish(image * self.steps + step)

    def _begin(self, image: int, step: int) -> None:
        """Read a window from the maps when its first pass is there."""
        if not self._begun[step]:
            self._begun[step] = True
            self.work.capture(image * self.steps + step, image, step)
            self.work.products_of_steps[step] = 0
