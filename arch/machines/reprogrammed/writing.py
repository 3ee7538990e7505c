"""Write-verify of crossbars, all of whose cells are written, whether they hold a weight or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from arch.cell_writing import Writes, expected_cycles, write_cells
from arch.machines.reprogrammed.configuration import ReprogrammedConfig
from arch.mapping.tiling import Block
from simcore.noise import derive, stream_key


@dataclass(eq=False)
class WriteLedger:
    """Writes crossbars, and keeps the books by layer.

    seed : of the pulses that single cells take
    """

    config: ReprogrammedConfig
    seed: int
    by_layer: dict[str, Writes] = field(default_factory=dict)

    def write(self, layer: str, blocks: Sequence[Block], time: int) -> int:
        """Write tiles of a layer for the n-th time, n = `time` from 0 on, all at once; return the cycles."""
        cycles = 0
        for block in blocks:
            taken, written = self._write(layer, block, time)
            cycles = max(cycles, taken)
            self.by_layer[layer] = self.by_layer.get(layer, Writes()) + written
        return cycles

    def _write(self, layer: str, block: Block, time: int) -> tuple[int, Writes]:
        """Write one crossbar; return the cycles, and what it took."""
        array = self.config.array
        key = derive(stream_key(self.seed, "write", layer, block.row, block.col), time)
        return write_cells(self.config.write, array.rows, array.cols, key)

    @property
    def total(self) -> Writes:
        """What was written of all layers."""
        return sum(self.by_layer.values(), Writes())


def expected_write_cycles(config: ReprogrammedConfig) -> int:
    """Return W as it is to be expected of one crossbar, rounded up; exact if all cells take the mean."""
    array = config.array
    return expected_cycles(config.write, array.rows, array.cols)
