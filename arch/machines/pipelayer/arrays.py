"""Morphable arrays that compute: one process for all copies of a layer, or one for each array."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from arch.converters import ADC
from arch.crossbar import PRODUCT_SET_BY, AnalogCrossbar
from arch.machines.pipelayer.configuration import CounterConfig, SpikingArrayConfig
from arch.mapping.tiling import Block
from simcore import Counter, Operation, Process, components, process


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

    mvm = Operation(doc="one step: all bits of its windows", set_by=(*PRODUCT_SET_BY, "read_ns"))
    windows = Counter(unit="op", doc="windows that a copy took")

    of_block: int = 1
    product_ticks: int = 1
    windows_of_steps: Sequence[int] = (1,)

    @property
    def widest(self) -> int:
        """Most bitlines in use in one array."""
        return max((block.cols for block in self.blocks), default=0)

    @property
    def product_cycles(self) -> int:
        """Control cycles of a step that takes a window."""
        return self.product_ticks

    @process
    def serve(self) -> Process:
        """Take a step's windows, drive all bits of them, hand the sums on."""
        ticks, steps, windows = self.product_cycles, len(self.windows_of_steps), self.windows_of_steps
        count = self.windows.add
        while True:
            step = yield self.window_in.get()
            if taken := windows[step % steps]:
                count(taken)
                yield self.mvm.hold(ticks)
            yield self.sums_out.put(step)

    def phase(self, items: int) -> tuple[int, ...]:
        """Return the windows taken of the present image."""
        return (self.windows.count - items * sum(self.windows_of_steps),)

    @property
    def weight_products(self) -> int:
        """Products of an input and a weight's part in one array."""
        return self._of_windows(lambda block: block.cells)

    def macs(self) -> int:
        """Return the multiply-accumulates done, to which each array of a block makes its part."""
        return self.weight_products // self.encoding.columns_per_weight

    @property
    def counts(self) -> int:
        """Counts of bitlines: one in each time slot."""
        turns = self.config.turns
        return self._of_windows(lambda block: block.cols * turns(block.rows)) * self._slots

    def actions(self) -> dict[str, int]:
        """Add time slots of rows, and of cells."""
        return {
            "mvm": self.mvm.count,
            "row slot": self._of_windows(lambda block: block.rows) * self._slots,
            "cell read": self._of_windows(lambda block: block.rows * block.cols) * self._slots,
        }

    def action_energy(self) -> dict[str, float]:
        """Return the energy of a row's driver, and of a cell, in a time slot [J]."""
        config = self.config
        return {"row slot": config.spike_pj * 1e-12, "cell read": config.cell_energy_fj * 1e-15}

    def area(self) -> float:
        """Return nothing: arrays are there whether a layer lies on them or not."""
        return 0.0

    @property
    def _slots(self) -> int:
        """Time slots in which a row is driven for a window."""
        return len(self.streaming.phases)

    def _of_windows(self, each: Callable[[Block], int]) -> int:
        """Return what all windows made, of which each made so much in one array of a block."""
        return self.windows.count * self.of_block * sum(map(each, self.blocks))


@components.register("spike-counter")
class SpikeCounter(ADC):
    """What counts the spikes of the bitlines of a layer's arrays, as they spike: no time of its own.

    arrays : that it counts for
    """

    Config = CounterConfig
    config: CounterConfig

    arrays: Sequence[SpikingArrays] = ()

    def actions(self) -> dict[str, int]:
        """Add conversions: counts of a bitline in a time slot."""
        return {"conversion": sum(arrays.counts for arrays in self.arrays)}

    def area(self) -> float:
        """Return nothing: counters are there as arrays are."""
        return 0.0
