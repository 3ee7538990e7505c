"""Analog arrays: weights stay in the cells, a window on the wordlines gives all column sums at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from arch.cost import ARRAY_AREA, CELL_READ
from arch.mapping.tiling import Block
from arch.tokens import Sums, Window
from simcore import (
    MOST_CYCLES,
    Component,
    In,
    Operation,
    Out,
    PartConfig,
    Process,
    components,
    param,
    process,
)


class AnalogCrossbarConfig(PartConfig):
    """Size and cost of one array."""

    rows: int = param(256, ge=1, unit="wordline", doc="elements of an input vector")
    cols: int = param(256, ge=1, unit="bitline", doc="elements of an output vector")
    mvm_cycles: int = param(
        130,
        ge=1,
        le=MOST_CYCLES,
        unit="cycle",
        doc="one product, its pulse-width inputs included; 130 ns, HERMES and its simulator",
    )
    cell_energy_fj: float = param(
        CELL_READ.value, ge=0, unit="fJ", doc=f"energy of one cell in one product; {CELL_READ.source}"
    )
    area_mm2: float = param(ARRAY_AREA.value, ge=0, unit="mm2", doc=f"area of one array; {ARRAY_AREA.source}")


@components.register("analog-crossbar")
class AnalogCrossbar(Component):
    """An array, or all arrays of a layer that fire in lock-step, multiplying one window at a time.

    Timing: a product occupies the array for `config.mvm_cycles`; nothing overlaps inside it.
    Values: exact integer products; slices, streaming and device effects are left out.

    blocks : the weights that its arrays hold
    multiply : computes the values of one window's products, on the first array of a replica for all of them;
        None on the others, and in a run without values
    """

    Config = AnalogCrossbarConfig
    family = "crossbar"
    config: AnalogCrossbarConfig

    window_in = In(Window, doc="one window, as a vector for the wordlines")
    sums_out = Out(Sums, doc="the column sums of that window")
    mvm = Operation(doc="one matrix-vector product")

    blocks: Sequence[Block] = ()
    multiply: Callable[[int], None] | None = None

    @property
    def arrays(self) -> int:
        """Physical arrays that this process drives."""
        return len(self.blocks)

    @property
    def bitlines(self) -> int:
        """Bitlines in use over all arrays."""
        return sum(block.bitlines for block in self.blocks)

    @property
    def widest(self) -> int:
        """Most bitlines in use in one array."""
        return max((block.bitlines for block in self.blocks), default=0)

    @process
    def serve(self) -> Process:
        """Take a window, hold the array for one product, hand the sums on."""
        cycles, multiply = self.config.mvm_cycles, self.multiply
        relay = self.relay(self.mvm, self.window_in, self.sums_out)
        window = yield relay.get()
        while True:
            if multiply is not None:
                multiply(window)
            window = yield relay.next(cycles, window)

    def macs(self) -> int:
        """Return the multiply-accumulates done: every cell that holds a weight, each product."""
        return self.mvm.count * sum(block.cells for block in self.blocks)

    def actions(self) -> dict[str, int]:
        """Add cell reads: all wordlines drive all bitlines in use, each product."""
        cells = sum(block.rows * block.bitlines for block in self.blocks)
        return {**super().actions(), "cell read": self.mvm.count * cells}

    def action_energy(self) -> dict[str, float]:
        """Return the energy of a cell read [J]."""
        return {"cell read": self.config.cell_energy_fj * 1e-15}

    def area(self) -> float:
        """Return the area of its arrays [mm2]."""
        return self.arrays * self.config.area_mm2
