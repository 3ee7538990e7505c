"""What a layer does with one image: steps of its arrays, and results that go to memory behind each of them.

A layer is a stage with weights and all stages without that are done behind it: its activation units subtract,
look up, keep a running maximum and add on the way to memory, in no time of their own. Only what other layers
read is written. A step takes as many windows as there are copies; its results are written while arrays do the
next one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import NDArray

from arch.machines.pipelayer.configuration import PipeLayerConfig
from arch.mapping.stages import Stage
from workloads import Shape


@dataclass(frozen=True)
class Stored:
    """A tensor that a layer leaves in memory subarrays.

    stage : that makes it
    images : of it that are there at a time: one is written while those before it wait to be read
    """

    stage: str
    shape: Shape
    images: int

    @property
    def values(self) -> int:
        """Of one image."""
        return prod(self.shape)


class ImageWork(ABC):
    """What arrays with memory behind them do with one image: steps, and results that are written meanwhile.

    sources : images held of each layer, or of the network's input, that it reads; by name
    copies : of its arrays, each of which takes a window a step
    """

    config: PipeLayerConfig
    sources: Mapping[str, int]
    copies: int

    @property
    @abstractmethod
    def windows(self) -> int:
        """Windows of an image."""

    @property
    @abstractmethod
    def values(self) -> NDArray[np.int64]:
        """Values that are written behind each step, (steps,)."""

    @property
    def steps(self) -> int:
        """Steps of an image."""
        return -(-self.windows // self.copies)

    @property
    def windows_of_steps(self) -> NDArray[np.int64]:
        """Windows that each step takes, (steps,): all copies', but for the last."""
        return np.minimum(self.copies, self.windows - self.copies * np.arange(self.steps))

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """Rows of subarrays that those are, (steps,)."""
        return np.asarray(-(-self.values // self.config.values_per_row))

    @property
    def subarrays(self) -> int:
        """Memory subarrays that take an image's results by turns; further images have as many each."""
        config = self.config
        held = -(-int(self.values.sum()) // (config.values_per_row * config.memory.rows))
        if config.memory.subarrays == "parallel":
            held = max(held, int(self.rows.max(initial=0)))
        return max(held, 1)

    @cached_property
    def write_ticks(self) -> NDArray[np.int64]:
        """Control cycles for which the results of each step are written, (steps,)."""
        return np.asarray(-(-self.rows // self.subarrays) * self.config.write_ticks)

    @cached_property
    def ticks(self) -> int:
        """Control cycles of one image, if nothing holds it up: the last step's results are written."""
        return image_ticks(self.config.product_ticks, self.write_ticks.tolist())


@dataclass(frozen=True, eq=False)
class LayerPlan(ImageWork):
    """One layer.

    stages : it does, the one it is named after first
    level : layers in front of it on the longest way
    stored : what it leaves in memory
    """

    config: PipeLayerConfig
    stages: tuple[Stage, ...]
    sources: Mapping[str, int]
    level: int
    copies: int
    stored: tuple[Stored, ...]

    @property
    def name(self) -> str:
        """Name of its first stage."""
        return self.stages[0].name

    @property
    def has_weights(self) -> bool:
        """Whether it has arrays."""
        return self.stages[0].matrix is not None

    @property
    def windows(self) -> int:
        """Windows of an image."""
        return self.stages[0].steps

    @property
    def stored_pixels(self) -> int:
        """Pixels that it leaves in memory for an image."""
        return sum(tensor.shape[1] * tensor.shape[2] for tensor in self.stored)

    @cached_property
    def finished(self) -> Mapping[str, NDArray[np.int64]]:
        """Pixels that each step finishes, (steps,), by the name of each stored tensor."""
        done = finished_by(self.stages)
        ends = np.minimum(self.windows, self.copies * (1 + np.arange(self.steps)))
        return {
            tensor.stage: np.diff(np.searchsorted(done[tensor.stage], ends, side="right"), prepend=0)
            for tensor in self.stored
        }

    @cached_property
    def values(self) -> NDArray[np.int64]:
        """Values that are written behind each step, (steps,)."""
        written = [self.finished[tensor.stage] * tensor.shape[0] for tensor in self.stored]
        return np.sum(written, axis=0) if written else np.zeros(self.steps, np.int64)


def finished_by(stages: Sequence[Stage]) -> Mapping[str, NDArray[np.int64]]:
    """Return the windows of the first stage behind which each pixel of each stage is finished, (pixels,).

    stages : of one layer; what they read of others is there from the start
    """
    first, *others = stages
    done = {first.name: first.finishing_steps + 1}
    for stage in others:
        due = np.zeros(stage.steps, np.int64)
        for operand in stage.operands:
            if operand.source in done:
                need = operand.firing.need
                made = done[operand.source][np.maximum(need, 1) - 1]
                due = np.maximum(due, np.where(need > 0, made, 0))
        done[stage.name] = np.maximum.accumulate(due)[stage.finishing_steps]
    return done


def image_ticks(product: int, writes: Sequence[int]) -> int:
    """Return the control cycles from the first step of an image until all its results are written.

    product : of a step
    writes : behind each step

    The sums of one step wait at the arrays until memory has written those before; arrays go on meanwhile.
    """
    handed = written = taken = 0
    for write in writes:
        handed = max(handed + product, taken)
        taken = max(handed, written)
        written = taken + write
    return written
