"""The values of a run: what the steps of each layer make of whole images in memory.

A step's windows are read, multiplied and finished one by one when its sums are there, with all that stands
behind them in the layer, and each pixel goes to the memories of those who read it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from arch.arrays.array_parts import ArrayParts
from arch.machine import ArrayReport, Values
from arch.machines.pipelayer.configuration import PipeLayerConfig
from arch.machines.pipelayer.plan import PipeLayerMap
from arch.machines.pipelayer.schedule import LayerPlan
from arch.mapping.stages import Stage
from arch.mapping.tiling import Block, tile
from arch.run_values import RunValues
from arch.values import StageValues, Work


class LayerValues:
    """Values of all layers, added one by one in their order.

    outputs : (images x pixels, channels) int32
    """

    def __init__(
        self, config: PipeLayerConfig, placed: PipeLayerMap, values: Values, parts: ArrayParts
    ) -> None:
        self.config, self.placed, self.device = config, placed, values.device
        self.images = len(values.codes)
        self.run = RunValues(placed.stages, placed.network.input, values, parts)
        last = placed.stages[-1]
        self.outputs: NDArray[np.int32] = np.zeros((self.images * last.pixels, last.shape[0]), np.int32)
        self._readers: dict[str, list[Work]] = {stage.name: [] for stage in placed.stages}

    def layer(self, plan: LayerPlan) -> Callable[[int, int], None]:
        """Return what computes one step, of (image, step)."""
        links = {stage.name: self._link(plan, stage) for stage in plan.stages}
        for link in links.values():
            link.within = [
                (links[o.source], o.firing.need.tolist(), o.firing.pixels)
                for o in link.stage.operands
                if o.source in links
            ]
        first, *behind = links.values()

        def compute(image: int, step: int) -> None:
            start = step * plan.copies
            for _ in range(start, min(start + plan.copies, plan.windows)):
                first.fire(image)
                for link in behind:
                    while link.may_fire(image):
                        link.fire(image)

        return compute

    def array_report(self) -> ArrayReport | None:
        """Return what all arrays did with device values; None without."""
        return self.run.array_report() if self.device else None

    def _link(self, plan: LayerPlan, stage: Stage) -> _Link:
        """Return a stage of a layer, whose pixels go to those of its readers that are added later."""
        memories = [self.run.memory(o, self._depth(stage, o.source), lambda: 0) for o in stage.operands]
        blocks = self._blocks(stage)
        work = self.run.add(stage, memories, 1, blocks, plan.copies)
        for operand, memory in zip(stage.operands, memories, strict=True):
            if operand.source in self._readers:
                self._readers[operand.source].append(memory.store)
            else:  # the inputs lie in main memory from the start
                for pixel in range(self.images * operand.firing.pixels):
                    memory.store(pixel)
        readers = self._readers[stage.name]
        if stage is self.placed.stages[-1]:
            readers.append(lambda pixel: self.outputs.__setitem__(pixel, work.output[0]))
        multiply: list[Work] = []
        if stage.matrix is not None:
            replicas = plan.copies if self.device else 1
            multiply = [work.multiplier(copy, blocks) for copy in range(replicas)]
        return _Link(stage, work, multiply, readers)

    def _depth(self, stage: Stage, source: str) -> int:
        """Return the slots [pixel] of what a stage reads; of the inputs there are all images."""
        place = next(place for place, operand in enumerate(stage.operands) if operand.source == source)
        depth = self.placed.depths[stage.name, place]
        return depth * self.images if source == self.placed.network.input else depth

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

    multiply : of each copy of its arrays, or one for all of them; none without arrays
    readers : take a finished pixel over
    within : for what it reads of its own layer: who makes it, pixels that each step needs, pixels of an image
    """

    def __init__(self, stage: Stage, work: StageValues, multiply: list[Work], readers: list[Work]) -> None:
        self.stage, self.work, self.multiply, self.readers = stage, work, multiply, readers
        self.within: list[tuple[_Link, list[int], int]] = []
        self.fired = self.made = 0

    def may_fire(self, image: int) -> bool:
        """Whether all pixels of its next step are there, and the step is of this image."""
        step = self.fired - image * self.stage.steps
        return step < self.stage.steps and all(
            not need[step] or sender.made >= image * pixels + need[step]
            for sender, need, pixels in self.within
        )

    def fire(self, image: int) -> None:
        """Do its next step, and hand the pixel on if that is finished."""
        window, steps = self.fired, self.stage.steps
        step = window - image * steps
        self.work.capture(window, image, step)
        if self.multiply:
            self.multiply[step % len(self.multiply)](window)
        self.work.finish(window)
        self.fired += 1
        if (window + 1) % self.stage.steps_per_pixel == 0:
            for reader in self.readers:
                reader(self.made)
            self.made += 1
