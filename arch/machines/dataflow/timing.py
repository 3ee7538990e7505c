"""What the parts of a placed network take, in cycles, and what follows for buffers and the interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from arch.machine import PredictedInterval
from arch.machines.dataflow.configuration import DataflowConfig
from arch.mapping.balance import Balance
from arch.mapping.buffers import Pace
from arch.mapping.stages import Stage
from arch.mapping.tiling import Tiling
from arch.mapping.written_operands import cycles_of_image, token_parts


@dataclass(frozen=True, eq=False)
class Timing:
    """How long every stage is busy.

    pixels : of the input, in an image
    """

    config: DataflowConfig
    stages: Sequence[Stage]
    tilings: Mapping[str, Tiling]
    balance: Balance
    pixels: int

    @cached_property
    def step(self) -> int:
        """Cycles in one step: the time between two products of the slowest array."""
        return max(self.periods.values(), default=self.config.core.product_cycles(self.config.streaming))

    @cached_property
    def periods(self) -> dict[str, int]:
        """Cycles between two products of each layer's arrays, by its name."""
        core, streaming = self.config.core, self.config.streaming
        return {name: core.period(streaming, tiling.blocks) for name, tiling in self.tilings.items()}

    @cached_property
    def interval(self) -> PredictedInterval:
        """How far apart images follow."""
        loads, copies = self.balance.loads, self.balance.copies
        times = {name: load.steps_on(copies[name]) * self.periods[name] for name, load in loads.items()}
        steps = self.balance.interval
        for stage in self.stages:
            if self.is_paced_by_digital(stage) and self.image_cycles(stage) > max(times.values(), default=0):
                steps = stage.steps
                times[stage.name] = self.image_cycles(stage)
        bound = bool(self.write_cycles) and self.config.attention.writing.banks == 1
        return PredictedInterval(steps, max(times.values(), default=0), self.input_cycles, at_least=bound)

    @property
    def input_cycles(self) -> int:
        """Cycles in which an image comes in."""
        together = self.config.input_pixels_per_cycle
        return (
            self.pixels * self.config.source.pixel_cycles if together is None else -(-self.pixels // together)
        )

    def is_paced_by_digital(self, stage: Stage) -> bool:
        """Whether a stage fires as its digital parts can, and not as arrays do: attention, and slow ones."""
        return stage.attention is not None or int(self._busy[stage.name].max()) > self.step

    def image_cycles(self, stage: Stage) -> int:
        """Return the cycles of a stage's parts for an image, of the slowest at each step; and of writing."""
        multiplying = int(self._busy[stage.name].sum())
        if stage.written is None:
            return multiplying
        _, products, _ = self._parts(stage)
        write, banks = self.write_cycles[stage.name], self.config.attention.writing.banks
        return cycles_of_image(stage, multiplying, write, int(products[0]), banks)

    @cached_property
    def write_cycles(self) -> dict[str, int]:
        """Cycles in which a token is written to cells, by the stages that have keys or values there."""
        writing = self.config.attention.writing
        return {
            stage.name: writing.token_cycles(token_parts(stage, self.tilings[stage.name]))
            for stage in self.stages
            if stage.written is not None
        }

    @cached_property
    def _busy(self) -> dict[str, NDArray[np.int64]]:
        """Cycles for which the slowest digital part of each stage is busy with each step, (steps,)."""
        return {stage.name: np.max(self._parts(stage), axis=0) for stage in self.stages}

    def _parts(self, stage: Stage) -> list[NDArray[np.int64]]:
        config, tiling = self.config, self.tilings.get(stage.name)
        units = len(tiling.blocks) // tiling.row_blocks * self._copies(stage) if tiling is not None else 1
        return config.core.digital_cycles(stage, config.activation_bits, units, config.attention)

    def _copies(self, stage: Stage) -> int:
        return self.balance.copies.get(stage.name, 1)

    def pace(self, hops: Mapping[str, int]) -> Pace:
        """Return how fast the pipeline runs, in steps.

        hops : cycles from each stage to its farthest reader
        """
        return Pace(
            {stage.name: self._latency_steps(stage, hops[stage.name]) for stage in self.stages},
            {stage.name: self._windows_together(stage) for stage in self.stages},
            self._pixels_together(),
            {stage.name: self._duration(stage) for stage in self.stages if self.is_paced_by_digital(stage)},
            {name: cycles / self.step for name, cycles in self.write_cycles.items()},
        )

    def _duration(self, stage: Stage) -> NDArray[np.float64]:
        """Return the steps from each firing of a copy to its next, if digital parts set the pace."""
        steps = self._busy[stage.name] * self._copies(stage) / self.step
        return steps if stage.name not in self.tilings else np.maximum(steps, 1.0)

    def _windows_together(self, stage: Stage) -> int:
        """Return the windows that a stage takes in a step; as many as fit in, if it is a pool or a join."""
        if stage.name in self.tilings:
            return self._copies(stage)
        cycles = int(self._busy[stage.name].max())
        if self.is_paced_by_digital(stage):
            return 1
        return min(max(self.step // cycles, 1), stage.steps) if cycles else stage.steps

    def _pixels_together(self) -> int:
        """Return the input pixels that come in a step, no more than keep the slowest stage busy."""
        incoming = -(-self.pixels * self.step // self.input_cycles)
        slowest = max(self.balance.interval, -(-self.interval.layer_cycles // self.step), 1)
        return max(1, min(incoming, -(-self.pixels // slowest)))

    def _latency_steps(self, stage: Stage, hops: int) -> int:
        """Return the steps from a core's firing until its reader may see the pixel, at least.

        hops : cycles on the way
        """
        core, tiling = self.config.core, self.tilings.get(stage.name)
        if stage.attention is not None:
            cycles = sum(int(part.max()) for part in self._parts(stage))
            cycles += (tiling.row_blocks - 1) * core.partial_sum_cycles if tiling is not None else 0
        elif tiling is None:
            product = core.product_cycles(self.config.streaming)
            cycles = core.digital.pass_cycles + product + core.digital.pool_latency_cycles
        else:
            cycles = core.digital.pass_cycles + core.passage(self.config.streaming, tiling.blocks)
            cycles += (tiling.row_blocks - 1) * core.partial_sum_cycles
        return -(-(cycles + hops) // self.step)
