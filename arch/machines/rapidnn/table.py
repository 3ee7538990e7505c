"""RAPIDNN's table of components: area and power of what one RNA and one tile are made of.

Source: Imani et al., 2018 (arXiv 1806.05794v4), recalled and not read. All its sums agree with each other to
every printed digit, for 1000 RNAs in a tile; the tile's buffer is left out of the printed power of a chip.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum


@dataclass(frozen=True)
class Budget:
    """Power when all of it is busy [mW], and area [um2]."""

    mw: float
    um2: float

    def __mul__(self, count: float) -> Budget:
        """Return the budget of so many."""
        return Budget(self.mw * count, self.um2 * count)


def total(budgets: list[Budget]) -> Budget:
    """Return what all take together."""
    return Budget(fsum(b.mw for b in budgets), fsum(b.um2 for b in budgets))


#: Of one RNA: an array of 1K x 1K cells, 1K counters of 12 bits, two associative memories of 64 rows.
RNA: dict[str, Budget] = {
    "crossbar": Budget(3.7, 3136.0),
    "counter": Budget(0.7, 538.6),
    "activation": Budget(0.2, 83.2),
    "encoding": Budget(0.2, 83.2),
}

#: Cells of an RNA's array, of a bit each.
CELLS = 1024 * 1024

#: Of one tile besides its RNAs: a buffer of 1K registers.
BUFFER = Budget(2.8, 37_600.0)

RNAS, TILES = 1000, 32
