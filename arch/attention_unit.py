"""The unit that multiplies computed tensors: a token with keys, or shares with values, that it sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from arch.attention_config import AttentionUnitConfig, macs_of_tokens
from arch.mapping.stages import Stage
from arch.tokens import Sums, Window
from simcore import Component, In, Operation, Out, Process, components, process


@components.register("attention-unit")
class AttentionUnit(Component):
    """Multipliers beside the memory of a product of attention, one token a step.

    Timing: ceil(products of the step / `macs`) x `pass_cycles`, of what the token sees, in all heads. The
    memory reads them for it, a step ahead.

    stage, bits : what it works for, and bits of each factor
    """

    Config = AttentionUnitConfig
    family = "digital"
    config: AttentionUnitConfig

    window_in = In(Window, doc="a token, with what it sees of the memory")
    sums_out = Out(Sums, doc="its sums in all heads")
    product = Operation(doc="the products of one token", set_by=("pass_cycles", "macs"))

    stage: Stage
    bits: int = 8

    def lay_out(self, stage: Stage, bits: int) -> None:
        """Set up the unit of a stage."""
        self.stage, self.bits = stage, bits

    @property
    def step_macs(self) -> list[int]:
        """Products of each step of an image."""
        assert self.stage.attention is not None
        return macs_of_tokens(self.stage.attention)

    def lasts(self) -> Mapping[str, Sequence[int]]:
        """Return the cycles of each token's products."""
        assert self.stage.attention is not None
        return {"product": self.config.cycles(self.stage.attention)}

    @process
    def serve(self) -> Process:
        """Take a token, multiply, hand the sums on."""
        cycles = self.lasts()["product"]
        relay = self.relay(self.product, self.window_in, self.sums_out)
        step = yield relay.get()
        while True:
            step = yield relay.next(cycles[step % len(cycles)], step)

    def phase(self, items: int) -> tuple[int, ...]:
        """Return the step of the present image."""
        return (self.product.count - items * self.stage.steps,)

    def macs(self) -> int:
        """Return the multiply-accumulates done."""
        images, steps = divmod(self.product.count, self.stage.steps)
        each = self.step_macs
        return int(images * np.sum(each, dtype=np.int64)) + sum(each[:steps])

    def actions(self) -> dict[str, int]:
        """Add multiply-accumulates."""
        return {**super().actions(), "multiply-accumulate": self.macs()}

    def action_energy(self) -> dict[str, float]:
        """Return the energy of one [J]."""
        return {"multiply-accumulate": self.config.energy_pj(self.bits) * 1e-12}

    def area(self) -> float:
        """Return the area of its multipliers [mm2]."""
        return self.config.area_mm2(self.bits)
