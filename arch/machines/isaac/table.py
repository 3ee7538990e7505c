"""What ISAAC's parts cost: its published table of group totals, and what follows from it.

Power and area of a row are those of all instances of a group together: the reading under which every subtotal
agrees. An instance's are the row's over its count, so other sizes than the published ones scale. Energy of an
action is the row's power over what the group does in a cycle of 100 ns in which it never rests.

Source: Shafiee et al., ISCA 2016, table of ISAAC-CE as transcribed from the corrected text.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum

CYCLE_NS = 100.0
DIGITAL_GHZ = 1.2

#: Digital cycles in a cycle of 100 ns: what a unit that takes a value a cycle does in it.
_DIGITAL = round(CYCLE_NS * DIGITAL_GHZ)


@dataclass(frozen=True)
class Budget:
    """Power when all of it is busy [mW], and area [mm2]."""

    mw: float
    mm2: float

    def __mul__(self, count: float) -> Budget:
        """Return the budget of so many."""
        return Budget(self.mw * count, self.mm2 * count)


def total(budgets: list[Budget]) -> Budget:
    """Return what all take together."""
    return Budget(fsum(b.mw for b in budgets), fsum(b.mm2 for b in budgets))


@dataclass(frozen=True)
class Row:
    """One row of the table.

    count : instances in the group, in units that `Budgets.counts` has, too
    mw, mm2 : of the group
    action : what energy is charged for
    per_cycle : actions of the group in a busy cycle
    """

    count: int
    mw: float
    mm2: float
    action: str
    per_cycle: int

    @property
    def pj(self) -> float:
        """Energy of one action [pJ]."""
        return self.mw * CYCLE_NS / self.per_cycle

    @property
    def instance(self) -> Budget:
        """Power and area of one instance."""
        return Budget(self.mw / self.count, self.mm2 / self.count)


#: Of one IMA: converters, DACs, sample-and-holds, arrays, shift-and-adds, and bytes of its registers.
IMA: dict[str, Row] = {
    "adc": Row(8, 16.0, 0.0096, "conversion", 8 * 128),
    "dac": Row(1024, 4.0, 0.00017, "row drive", 1024),
    "sample-hold": Row(1024, 0.01, 0.00004, "sample", 1024),
    "crossbar": Row(8, 2.4, 0.0002, "array cycle", 8),
    "shift-add": Row(4, 0.2, 0.00024, "shift-add", 8 * 128),
    "input-register": Row(2048, 1.24, 0.0021, "array cycle", 8),
    "output-register": Row(256, 0.23, 0.00077, "array cycle", 8),
}

#: Of one tile without its IMAs: KiB, data wires, routers, units, and bytes of its output register. Of the 384
#: wires of the bus 256 are taken to carry data, as wide as the eDRAM. A router with 8 ports serves 4 tiles.
TILE: dict[str, Row] = {
    "edram": Row(64, 20.7, 0.083, "byte", 1024),
    "bus": Row(256, 7.0, 0.090, "byte", 1024),
    "router": Row(1, 42.0, 0.151, "flit", 8 * _DIGITAL),
    "sigmoid": Row(2, 0.52, 0.0006, "value", 2 * _DIGITAL),
    "tile-adder": Row(1, 0.05, 0.00006, "value", _DIGITAL),
    "max-pool": Row(1, 0.4, 0.00024, "value", _DIGITAL),
    "tile-register": Row(3072, 1.68, 0.0032, "byte", 12 * 8 * 2),
}

#: Four links of 6.4 GB/s, which draw their power all the time.
HYPERTRANSPORT = Row(4, 10_400.0, 22.88, "byte", round(4 * 6.4 * CYCLE_NS))
