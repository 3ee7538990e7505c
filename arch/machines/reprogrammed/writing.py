"""Write-verify of crossbars, all of whose cells are written, whether they hold a weight or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil

from arch.cell_writing import Key, Writes, expected_pulses, expected_slowest, write_cells
from arch.machines.reprogrammed.closed_forms import write_cycles
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

        def key() -> Key:
            return derive(stream_key(self.seed, "write", layer, block.row, block.col), time)

        return write_cells(self.config.write, array.rows, array.cols, key)

    @property
    def total(self) -> Writes:
        """What was written of all layers."""
        return sum(self.by_layer.values(), Writes())


def pulse_energy(config: ReprogrammedConfig) -> dict[str, float]:
    """Return the energy of a pulse, and of reading a cell behind it [J]."""
    return {"pulse": config.write.write_pj * 1e-12, "verify": config.array.cell_energy_fj * 1e-15}


def expected_write_cycles(config: ReprogrammedConfig) -> int:
    """Return W as it is to be expected of one crossbar, rounded up; exact if all cells take the mean."""
    array, write = config.array, config.write
    if write.spread == "fixed":
        return write_cycles(config)
    pulses = {
        "cell": lambda: array.rows * array.cols * expected_pulses(write),
        "row": lambda: array.rows * expected_slowest(write, array.cols),
        "crossbar": lambda: expected_slowest(write, array.rows * array.cols),
    }[write.parallel]()
    return ceil(pulses * write.step_cycles)
