"""The values of machines that keep whole maps in memory: what stages read lies there, and where pixels go.

A stage's windows are read, multiplied and finished as its machine tells it to, and each finished pixel goes
to the memories of all who read it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from arch.arrays.array_parts import ArrayParts
from arch.machine import ArrayReport, Values
from arch.mapping.stages import Stage
from arch.mapping.tiling import Block
from arch.run_values import RunValues
from arch.values import StageValues, Work


class StoredMaps:
    """Values of all stages, added one by one in their order.

    outputs : (images x pixels, channels) int32
    readers : what takes each finished pixel of a stage over, by its name; those of stages that are added
    """

    def __init__(
        self, stages: Sequence[Stage], source: str, values: Values, parts: ArrayParts | None
    ) -> None:
        """Take the images over.

        source : name of the network's input
        parts : of the arrays; None where a machine has products of its own
        """
        self.images, self.device = len(values.codes), values.device
        self._run = RunValues(stages, source, values, parts)
        self._last = stages[-1]
        self.outputs: NDArray[np.int32] = np.zeros(
            (self.images * self._last.pixels, self._last.shape[0]), np.int32
        )
        self.readers: dict[str, list[Work]] = {stage.name: [] for stage in stages}

    def add(
        self, stage: Stage, depths: Sequence[int], blocks: Sequence[Block], copies: int, slots: int = 1
    ) -> StoredStage:
        """Return a stage, whose pixels go to those of its readers that are added later.

        depths : slots [pixel] of each operand's memory; an input that nobody sends is there as a whole
        blocks, copies : what the arrays of one copy hold, and copies; none for products of the machine's own
        slots : windows that may be read and not finished
        """
        work = self._add(stage, depths, blocks, copies, slots)
        multiply: list[Work] = []
        if blocks:
            multiply = [work.multiplier(copy, blocks) for copy in range(copies if self.device else 1)]
        return StoredStage(stage, work, multiply, self.readers[stage.name])

    def add_in_parts(
        self, stage: Stage, depths: Sequence[int], parts: Sequence[Sequence[Block]], slots: int, windows: int
    ) -> PartedStage:
        """Return a stage whose arrays are there part by part, as `add` does.

        parts : what the arrays of each hold
        windows : whose sums may wait for another part
        """
        work = self._add(stage, depths, (), 0, slots)
        return PartedStage(stage, work, self.readers[stage.name], parts, windows, self._run)

    def _add(
        self, stage: Stage, depths: Sequence[int], blocks: Sequence[Block], copies: int, slots: int
    ) -> StageValues:
        """Return the work of a stage, connected with those it reads."""
        sent = [operand.source in self.readers for operand in stage.operands]
        memories = [
            self._run.memory(o, depth if is_sent else o.firing.pixels * self.images, lambda: 0)
            for o, depth, is_sent in zip(stage.operands, depths, sent, strict=True)
        ]
        work = self._run.add(stage, memories, slots, blocks, copies)
        for operand, memory, is_sent in zip(stage.operands, memories, sent, strict=True):
            if is_sent:
                self.readers[operand.source].append(memory.store)
            else:  # the inputs lie in memory from the start
                for pixel in range(self.images * operand.firing.pixels):
                    memory.store(pixel)
        if stage is self._last:
            self.readers[stage.name].append(
                lambda pixel: self.outputs.__setitem__(pixel, work.output[pixel % work.rows])
            )
        return work

    def array_report(self) -> ArrayReport | None:
        """Return what all arrays did with device values; None without."""
        return self._run.array_report() if self.device else None


class StoredStage:
    """One stage, and who reads its pixels.

    multiply : of each copy of its arrays, or one for all of them; none without arrays
    readers : take a finished pixel over
    fired, made : steps and pixels so far
    """

    def __init__(self, stage: Stage, work: StageValues, multiply: list[Work], readers: list[Work]) -> None:
        self.stage, self.work, self.multiply, self.readers = stage, work, multiply, readers
        self.fired = self.made = 0

    def fire(self, image: int) -> None:
        """Do its next step, of this image."""
        window = self.fired
        step = window - image * self.stage.steps
        self.work.capture(window, image, step)
        if self.multiply:
            self.multiply[step % len(self.multiply)](window)
        self.finish(window)

    def finish(self, window: int) -> None:
        """Finish a step whose products are there, and hand the pixel on if that is finished."""
        self.work.finish(window)
        self.fired += 1
        pixels, unfinished = divmod(window + 1, self.stage.steps_per_pixel)
        if not unfinished:
            for reader in self.readers:
                reader(pixels - 1)
            self.made += 1


class PartedStage(StoredStage):
    """A stage whose arrays are there part by part: all windows of a batch pass one, then all pass the next.

    Sums wait for those of the last part, by which windows are finished.

    multiply : of each part, as it was written last
    """

    def __init__(
        self,
        stage: Stage,
        work: StageValues,
        readers: list[Work],
        parts: Sequence[Sequence[Block]],
        windows: int,
        run: RunValues,
    ) -> None:
        exact = [] if run.values.device else _exact(work, parts)
        super().__init__(stage, work, exact, readers)
        self._parts, self._run, self._several = parts, run, len(parts) > 1
        if self._several:
            work.keep_sums(windows)

    def write(self, part: int, time: int) -> None:
        """Write the arrays of a part for the n-th time, n = `time` from 0 on: real cells are others then.

        All parts are written for the first time in their order.
        """
        real = self._run.parts if self._run.values.device else None
        if real is None or (time and not real.physics.effects):
            return
        arrays = self._run.products(self.stage, self._parts[part], range(time, time + 1))
        self.work.arrays[part : part + 1] = arrays
        self.multiply[part : part + 1] = map(self.work.product_of, arrays)

    def put_aside(self, window: int) -> None:
        """Let the sums of a window wait for those of other parts."""
        self.work.put_aside(window)

    def finish(self, window: int) -> None:
        """Finish a window whose products of the last part are there."""
        if self._several:
            self.work.take_up(window)
        super().finish(window)


def _exact(work: StageValues, parts: Sequence[Sequence[Block]]) -> list[Work]:
    """Return the exact work of each part, the fastest there is for all at once."""
    if len(parts) == 1:
        return [work.multiplier(0, parts[0])]
    return [work.product_of_blocks(blocks) for blocks in parts]
