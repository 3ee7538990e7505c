"""The digital unit of a core: scale, activate, pool and add, a vector of channels at a time."""

from __future__ import annotations

from collections.abc import Callable

from arch.cost import COLUMN_FINISH, DIGITAL_AREA
from arch.mapping.stages import Stage
from arch.tokens import Pixel, Token
from simcore import Component, In, Operation, Out, PartConfig, Process, components, param, process
from workloads import AvgPoolNode, MaxPoolNode


class DigitalUnitConfig(PartConfig):
    """Width, speed and cost of one core's unit."""

    lanes: int = param(
        64, ge=1, unit="channel", doc="channels in one pass; 64 units of four columns each (NMPU, 2024)"
    )
    pass_cycles: int = param(
        1, ge=0, unit="cycle", doc="time of one pass over the lanes, assumed; 0 hides it in the product"
    )
    channel_energy_pj: float = param(
        COLUMN_FINISH.value, ge=0, unit="pJ", doc=f"energy of one pass of one channel; {COLUMN_FINISH.source}"
    )
    area_mm2: float = param(
        DIGITAL_AREA.value, ge=0, unit="mm2", doc=f"area of a core's unit; {DIGITAL_AREA.source}"
    )


@components.register("digital-unit")
class DigitalUnit(Component):
    """Finishes output pixels: bias, scale and clip; sums of residuals; pools; lookups. One kind of work, one pass.

    Timing: each pass takes ceil(channels / lanes) x `pass_cycles`; a stage on several column blocks has as many units,
    which share its channels. A pool passes once for each pixel of its window, a sum once for each further operand.

    stage, cores, column_blocks : what it works for; cores of the stage (0 without arrays), units that share its channels
    finish : computes the values of one step, None in a run without values
    """

    Config = DigitalUnitConfig
    family = "digital"
    config: DigitalUnitConfig

    sums_in = In(Token, doc="column sums of an array, or a window where the stage has none")
    pixel_out = Out(Pixel, doc="finished pixels, in order")
    work = Operation("finish", doc="all passes of one step")

    stage: Stage
    cores: int = 0
    column_blocks: int = 1
    finish: Callable[[int], None] | None = None

    @property
    def passes(self) -> int:
        """Passes over a pixel's channels in one step."""
        stage = self.stage
        head = stage.head
        reads = 1
        if isinstance(head, (MaxPoolNode, AvgPoolNode)) and not stage.accumulates:
            reads = head.window.positions
        return reads + len(stage.operands) - 1 + sum(len(node.inputs) == 1 for node in stage.after)

    @property
    def finish_cycles(self) -> int:
        """Cycles of one step."""
        channels = -(-self.stage.shape[0] // self.column_blocks)
        return self.passes * -(-channels // self.config.lanes) * self.config.pass_cycles

    @process
    def serve(self) -> Process:
        """Take sums, pass over their channels, hand the pixel on; a global pool hands on one an image."""
        cycles, finish = self.finish_cycles, self.finish
        steps_per_pixel = self.stage.steps // self.stage.pixels if self.stage.accumulates else 1
        while True:
            step = yield self.sums_in.get()
            yield self.work.hold(cycles)
            if finish is not None:
                finish(step)
            if (step + 1) % steps_per_pixel == 0:
                yield self.pixel_out.put(step // steps_per_pixel)

    def actions(self) -> dict[str, int]:
        """Add channel passes."""
        return {**super().actions(), "channel pass": self.work.count * self.passes * self.stage.shape[0]}

    def action_energy(self) -> dict[str, float]:
        """Return the energy of a channel pass [J]."""
        return {"channel pass": self.config.channel_energy_pj * 1e-12}

    def area(self) -> float:
        """Return the area of the units in the stage's cores [mm2]; a stage without arrays uses its producer's."""
        return self.cores * self.config.area_mm2
