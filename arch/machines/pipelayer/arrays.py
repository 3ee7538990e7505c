"""Morphable arrays that compute: one process for all copies of a layer, or one for each array."""

from __future__ import annotations

from collections.abc import Sequence

from arch.converters import ADC
from arch.crossbar import AnalogCrossbar
from arch.machines.pipelayer.configuration import CounterConfig, SpikingArrayConfig
from simcore import Counter, Process, components, process


@components.register("spiking-array")
class SpikingArrays(AnalogCrossbar):
    """Arrays in lock-step, whose rows are driven by spikes, a time slot for each bit of the inputs.

    Timing: a step takes a time slot for each bit. Bitlines integrate and fire meanwhile, and what counts
    their spikes has the sums at the end of the last slot. A copy with no window left rests in the last step
    of an image.
    Energy: of the drivers of all rows in use, in each slot.

    blocks : the weights of one copy that they hold; each block lies in `encoding.columns_per_weight` arrays
    of_block : how many of those arrays there are here, for each block
    product_ticks : control cycles of a step
    windows_of_steps : windows of an image that each step takes on them
    """

    Config = SpikingArrayConfig
    config: SpikingArrayConfig

    windows = Counter(unit="op", doc="windows that a copy took")

    of_block: int = 1
    product_ticks: int = 1
    windows_of_steps: Sequence[int] = (1,)

    @property
    def widest(self) -> int:
        """Most bitlines in use in one array."""
        return max((block.cols for block in self.blocks), default=0)

    @process
    def serve(self) -> Process:
        """Take a step's windows, drive all bits of them, hand the sums on."""
        ticks, steps, windows = self.product_ticks, len(self.windows_of_steps), self.windows_of_steps
        count = self.windows.add
        while True:
            step = yield self.window_in.get()
            if taken := windows[step % steps]:
                count(taken)
                yield self.mvm.hold(ticks)
            yield self.sums_out.put(step)

    def phase(self, items: int) -> tuple[int, ...]:
        """Return the step of the present image."""
        return (self.mvm.count - items * len(self.windows_of_steps),)

    @property
    def weight_products(self) -> int:
        """Products of an input and a weight's part in one array."""
        return self.windows.count * self.of_block * sum(block.cells for block in self.blocks)

    def macs(self) -> int:
        """Return the multiply-accumulates done, to which each array of a block makes its part."""
        return self.weight_products // self.encoding.columns_per_weight

    def actions(self) -> dict[str, int]:
        """Add time slots of rows."""
        rows = self.of_block * sum(block.rows for block in self.blocks)
        slots = len(self.streaming.phases) * self.config.turns(self.config.rows)
        return {"mvm": self.mvm.count, "row slot": self.windows.count * rows * slots}

    def action_energy(self) -> dict[str, float]:
        """Return the energy of a row's driver in a time slot [J]."""
        return {"row slot": self.config.spike_pj * 1e-12}

    def area(self) -> float:
        """Return nothing: arrays are there whether a layer lies on them or not."""
        return 0.0


@components.register("spike-counter")
class SpikeCounter(ADC):
    """What counts the spikes of a bitline: no time of its own, as it counts while the wordlines spike."""

    Config = CounterConfig
    config: CounterConfig
