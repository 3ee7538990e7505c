"""The values of a run: each pass adds what its slice contributes to the sums of its window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arch.machine import Values
from arch.machines.basisn.passes import LayerPasses
from arch.machines.basisn.plan import BasisNMap
from arch.mapping.stages import Stage
from arch.stored_maps import StoredMaps, StoredStage


class BasisValues:
    """Values of all stages, added one by one in their order."""

    def __init__(self, placed: BasisNMap, values: Values) -> None:
        self.placed, self.network = placed, values.network
        self.maps = StoredMaps(placed.stages, placed.network.input, values, None)

    def stage(
        self, stage: Stage, passes: LayerPasses | None
    ) -> tuple[Callable[[int, int], None] | None, Callable[[int, int], None]]:
        """Return what takes a pass over, of (image, pass), and what finishes a step, of (image, step).

        passes : None for a stage without weights, which has none
        """
        depths = [operand.firing.pixels for operand in stage.operands]  # maps of one image
        slots = stage.steps if passes is not None else 1
        stored = self.maps.add(stage, depths, (), 1, slots)
        if passes is None:
            return None, lambda image, step: stored.fire(image)
        layer = LayerSums(stored, passes, self.network)
        return layer.add, layer.finish


class LayerSums:
    """Sums of the windows of one layer, which lie in the buffer of maps until all slices have been added.

    begun : windows of the present image whose sums were set to zero
    """

    def __init__(self, stored: StoredStage, passes: LayerPasses, network: Any) -> None:
        self.stored, self.work, self.steps = stored, stored.work, stored.stage.steps
        self.active = passes.active.tolist()
        self.begun = np.zeros(self.steps, np.bool_)
        self.products = SliceProducts(stored.stage, passes, network)

    def add(self, image: int, number: int) -> None:
        """Add what a pass contributes."""
        step, place = divmod(number, len(self.active))
        self._begin(image, step)
        self.products.multiply(self.work.windows, self.work.products_of_steps, step, self.active[place])

    def finish(self, image: int, step: int) -> None:
        """Make a pixel of a window's sums."""
        self._begin(image, step)  # which no slice has, if all coefficients are zero
        self.begun[step] = False
        self.stored.finish(image * self.steps + step)

    def _begin(self, image: int, step: int) -> None:
        """Read a window from the maps when its first pass is there."""
        if not self.begun[step]:
            self.begun[step] = True
            self.work.capture(image * self.steps + step, image, step)
            self.work.products_of_steps[step] = 0


class SliceProducts:
    """What slices of a window are multiplied by: combinations of basis vectors."""

    def __init__(self, stage: Stage, passes: LayerPasses, network: Any) -> None:
        node = stage.matrix
        assert node is not None
        layer, length = passes.layer, network.basis.length
        channels = node.in_shapes[0][0]
        of_group = channels // node.groups
        basis = network.basis.vectors.astype(np.int64)
        values = network.coefficients[stage.name].values.astype(np.int64)
        per_group = layer.counts.slices // node.groups
        self._slices: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any], slice]] = []
        for number, (rows, first) in enumerate(zip(layer.rows, layer.first_kernels, strict=True)):
            group, place = divmod(number, per_group)
            row = place * length + np.arange(rows)
            wordlines = row // of_group * channels + group * of_group + row % of_group
            self._slices.append(
                (wordlines, basis[:, :rows], values[number], slice(first, first + layer.counts.kernels))
            )

    def multiply(self, windows: NDArray[Any], sums: NDArray[Any], slot: int, number: int) -> None:
        """Add the products of one slice of a window with all kernels of its group to their sums."""
        wordlines, basis, coefficients, kernels = self._slices[number]
        sums[slot, kernels] += coefficients @ (basis @ windows[slot, wordlines])
