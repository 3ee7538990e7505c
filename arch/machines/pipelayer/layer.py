"""A layer: all copies of its arrays, what begins its images, and the memory of its results."""

from __future__ import annotations

from arch.machines.pipelayer.arrays import SpikeCounter, SpikingArrays
from arch.machines.pipelayer.configuration import PipeLayerConfig
from arch.machines.pipelayer.parts import MemorySubarrays, Sequencer
from arch.machines.pipelayer.schedule import ImageWork, LayerPlan
from arch.mapping.tiling import Block
from arch.parts import chosen
from simcore import Component, PartConfig


class ArrayWork(Component):
    """Products of one matrix, of one image in each beat.

    An array takes a step while the results of the one before are written; what is between them, subtractor,
    look-up table and running maximum, takes no time of its own.

    arrays : of all copies; one process, or one for each array; without weights one that only counts steps
    """

    plan: ImageWork

    def lay_out(self, config: PipeLayerConfig, plan: ImageWork, blocks: tuple[Block, ...], beat: int) -> None:
        """Build and wire the parts.

        blocks : of one copy
        """
        self.settings, self.plan, self.blocks = config, plan, blocks
        self.sequencer = self.add(Sequencer, "sequencer", PartConfig())
        self.sequencer.steps, self.sequencer.beat = plan.steps, beat
        self.sequencer.lay_out(len(plan.sources))
        self.memory = self.add(MemorySubarrays, "memory", PartConfig())
        self.memory.write_ticks, self.memory.values = plan.write_ticks.tolist(), plan.values.tolist()
        self.memory.writes_per_value = config.writes_per_value
        self.memory.write_nj = config.memory.write_nj
        self.arrays = self._arrays()
        for arrays in self.arrays:
            self.connect(self.sequencer.step_out, arrays.window_in, depth=plan.steps)
        if blocks:
            counter = self.add(chosen(config.counter, SpikeCounter), "counter", config.counter)
            counter.arrays = self.arrays
        self.gather([arrays.sums_out for arrays in self.arrays], self.memory.sums_in)
        self.connect(self.memory.room_out, self.sequencer.room_in)

    def _arrays(self) -> list[SpikingArrays]:
        plan, of_block = self.plan, self.settings.arrays_per_block
        windows = plan.windows_of_steps
        if self.settings.detail == "group" or not self.blocks:
            return [
                self._add("arrays" if self.blocks else "windows", self.blocks, of_block, windows.tolist())
            ]
        return [
            self._add(f"copy[{copy}].block[{block.row},{block.col}].array[{number}]", (block,), 1, taken)
            for copy in range(plan.copies)
            for taken in [(windows > copy).astype(int).tolist()]
            for block in self.blocks
            for number in range(of_block)
        ]

    def _add(self, name: str, blocks: tuple[Block, ...], of_block: int, windows: list[int]) -> SpikingArrays:
        config = self.settings
        arrays = self.add(chosen(config.array, SpikingArrays), name, config.array)
        arrays.blocks, arrays.of_block = blocks, of_block
        arrays.encoding, arrays.streaming = config.encoding, config.streaming
        arrays.product_ticks, arrays.windows_of_steps = config.product_ticks, windows
        return arrays

    def macs(self) -> int:
        """Return the multiply-accumulates that its arrays did."""
        products = sum(arrays.weight_products for arrays in self.arrays)
        return products // self.settings.arrays_per_block


class Layer(ArrayWork):
    """One layer of the network."""

    plan: LayerPlan
