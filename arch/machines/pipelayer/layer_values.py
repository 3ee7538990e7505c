"""The values of a run: what the steps of each layer make of whole images in memory.

A step's windows are computed one by one when its sums are there, with all that stands behind them in the
layer.
"""

from __future__ import annotations

from collections.abc import Callable

from arch.arrays.array_parts import ArrayParts
from arch.machine import Values
from arch.machines.pipelayer.configuration import PipeLayerConfig
from arch.machines.pipelayer.plan import PipeLayerMap
from arch.machines.pipelayer.schedule import LayerPlan
from arch.mapping.stages import Stage
from arch.mapping.tiling import Block, tile
from arch.stored_maps import StoredMaps, StoredStage


class LayerValues:
    """Values of all layers, added one by one in their order."""

    def __init__(
        self, config: PipeLayerConfig, placed: PipeLayerMap, values: Values, parts: ArrayParts
    ) -> None:
        self.config, self.placed = config, placed
        self.maps = StoredMaps(placed.stages, placed.network.input, values, parts)

    def layer(self, plan: LayerPlan) -> Callable[[int, int], None]:
        """Return what computes one step, of (image, step)."""
        links = {stage.name: _Link(self._stored(plan, stage)) for stage in plan.stages}
        for link in links.values():
            link.within = [
                (links[o.source].stored, o.firing.need.tolist(), o.firing.pixels)
                for o in link.stored.stage.operands
                if o.source in links
            ]
        first, *behind = links.values()

        def compute(image: int, step: int) -> None:
            start = step * plan.copies
            for _ in range(start, min(start + plan.copies, plan.windows)):
                first.stored.fire(image)
                for link in behind:
                    while link.may_fire(image):
                        link.stored.fire(image)

        return compute

    def _stored(self, plan: LayerPlan, stage: Stage) -> StoredStage:
        """Return a stage of a layer, with memories as deep as the plan has them."""
        depths = [self.placed.depths[stage.name, place] for place in range(len(stage.operands))]
        return self.maps.add(stage, depths, self._blocks(stage), plan.copies)

    def _blocks(self, stage: Stage) -> tuple[Block, ...]:
        """Return the arrays of one copy, as many bitlines wide as they are.

        An array of a block holds one slice of each weight; here it holds all slices of fewer weights, which
        is the same to all but wires: they see which columns lie side by side.
        """
        if stage.matrix is None:
            return ()
        array, slices = self.config.array, self.config.arrays_per_block
        if array.cols < slices:
            return self.placed.tilings[stage.name].blocks
        return tile(stage.matrix, array.rows, array.cols, slices).blocks


class _Link:
    """One stage of a layer.

    within : for what it reads of its own layer: who makes it, pixels that each step needs, pixels of an image
    """

    def __init__(self, stored: StoredStage) -> None:
        self.stored = stored
        self.within: list[tuple[StoredStage, list[int], int]] = []

    def may_fire(self, image: int) -> bool:
        """Whether all pixels of its next step are there, and the step is of this image."""
        steps = self.stored.stage.steps
        step = self.stored.fired - image * steps
        return step < steps and all(
            not need[step] or sender.made >= image * pixels + need[step]
            for sender, need, pixels in self.within
        )
