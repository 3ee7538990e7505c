"""Weight encodings: signed integers as cells that hold 0 to 2**cell_bits - 1, and the digital rule back.

A weight is cut into slices of a cell's bits each, lowest first. Its sign is kept by two bitlines
(`differential`: positive and negative part), or by adding 2**(weight_bits - 1) to every weight (`offset`):
the excess is that number times the sum of all inputs, which one more bitline gives whose cells all hold 1,
the unit bitline. `flip` is `offset` whose bitlines hold the complement where cells would be more than half
full on average; the largest column sum is then half as large, which saves a converter's top bit. The unit
bitline repairs that, too. Its own sum is as large as the rows: one bit a cell still need the top bit.
What a flip saves assumes that all rows of the array are on at once.

`signed` is the ideal: a cell that holds a whole weight with its sign. It is what one column per weight stands
for; four are an 8-bit weight in cells of 2 bits as `offset` or `flip`, eight the same as `differential`. The
unit bitline is beside an array's columns, as ISAAC's 129th is beside 128.

Source: ISAAC (Shafiee et al., ISCA 2016) for slices, offset, unit column and flips; that a flipped column
holds 2**cell_bits - 1 - level is recalled, not read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from simcore import ConfigError, MappingError

Ints = NDArray[Any]
Signs = Literal["signed", "differential", "offset", "flip"]

#: What a number of bitlines a weight alone stands for: one cell, four slices, or four in differential pairs.
SHORTHANDS: dict[int, Signs] = {1: "signed", 4: "offset", 8: "differential"}

#: Column of the unit bitline, which is nobody's.
UNIT = -1


@dataclass(frozen=True, eq=False)
class Encoded:
    """Cells of an array, and what its column sums are worth.

    levels : (rows, bitlines) uint8, or int16 for `signed`; by slice, then sign, then weight column; a unit
        bitline is last
    column : (bitlines,) int64, weight column of each bitline, or UNIT
    coefficient : (bitlines,) int64, what its sum counts in that column; 0 for a unit bitline
    unit_coefficient : (weight columns,) int64, what the unit bitline's sum counts there; zeros without one
    """

    levels: Ints
    column: NDArray[np.int64]
    coefficient: NDArray[np.int64]
    unit_coefficient: NDArray[np.int64]

    @property
    def has_unit(self) -> bool:
        """Whether the last bitline is a unit bitline."""
        return int(self.column[-1]) == UNIT

    def recombine(self, sums: Ints) -> NDArray[np.int64]:
        """Return the products (..., weight columns) of all bitlines' sums (..., bitlines)."""
        weights = len(self.unit_coefficient)
        total = sums[..., -1:].astype(np.int64) * self.unit_coefficient
        for part in range(0, len(self.column) - self.has_unit, weights):
            total += sums[..., part : part + weights] * self.coefficient[part : part + weights]
        return total


@dataclass(frozen=True)
class Encoding:
    """How signed weights lie in cells.

    weight_bits : 2 to 16, sign included
    cell_bits : 1 to 8; of no meaning for `signed`
    slices : cells that a weight, or its positive or negative part, is cut into; by itself as many as it needs
    """

    signs: Signs
    weight_bits: int
    cell_bits: int = 2
    slices: int = 0

    def __post_init__(self) -> None:
        if self.signs not in get_args(Signs):
            raise ConfigError(f"signs must be one of {', '.join(get_args(Signs))}, got {self.signs!r}")
        if not 2 <= self.weight_bits <= 16:
            raise ConfigError(f"weight_bits must be in [2, 16] bit, got {self.weight_bits}")
        if not 1 <= self.cell_bits <= 8:
            raise ConfigError(f"cell_bits must be in [1, 8] bit, got {self.cell_bits}")
        if not self.slices:
            object.__setattr__(self, "slices", self.fewest_slices)
        if self.slices < self.fewest_slices:
            raise ConfigError(
                f"slices must be {self.fewest_slices} or more: {self.weight_bits} bit {self.signs} weights "
                f"have {self.sliced_bits} bit to hold in cells of {self.cell_bits}, got {self.slices}; "
                "take more slices, higher cell_bits or lower weight_bits"
            )

    @classmethod
    def chosen(
        cls, weight_bits: int, signs: Signs | None, cell_bits: int | None, columns_per_weight: int | None
    ) -> Encoding:
        """Return the encoding that a configuration means, None being what it leaves open.

        A number of bitlines alone is a shorthand: see `SHORTHANDS`. Beside the signs it tells the slices, and
        with them the bits of a cell. If nothing is open it is checked.
        raises : ConfigError for what contradicts, with what would fit
        """
        shorthand = SHORTHANDS.get(columns_per_weight or 1)
        if signs is None and shorthand is None:
            raise ConfigError(
                f"columns_per_weight must be one of {', '.join(map(str, SHORTHANDS))} as long as encoding is "
                f"not set, got {columns_per_weight}; set encoding and cell_bits, and leave it out"
            )
        signs = signs or shorthand or "signed"
        if signs == "signed" and cell_bits is not None:
            raise ConfigError(
                f"cell_bits must not be set, for a signed cell holds a whole weight, got {cell_bits}; set "
                "encoding to differential, offset or flip, or leave cell_bits out"
            )
        parts = 2 if signs == "differential" else 1
        if columns_per_weight is None or signs == "signed":
            whole = cls(signs, weight_bits, cell_bits or 2)
        else:
            slices = max(columns_per_weight // parts, 1)
            fitting = -(-(weight_bits - (parts == 2)) // slices)
            if cell_bits is not None:
                whole = cls(signs, weight_bits, cell_bits)
            elif fitting <= 8:
                whole = cls(signs, weight_bits, fitting, slices)
            else:
                whole = cls(signs, weight_bits, 8)
        if columns_per_weight is not None:
            whole.check_columns(columns_per_weight)
        return whole

    @property
    def sliced_bits(self) -> int:
        """Bits that the slices must hold together."""
        return self.weight_bits - (self.signs == "differential")

    @property
    def fewest_slices(self) -> int:
        """Slices that a weight needs."""
        return 1 if self.signs == "signed" else -(-self.sliced_bits // self.cell_bits)

    @property
    def columns_per_weight(self) -> int:
        """Bitlines that hold a weight together, without the unit bitline that an array's weights share."""
        return self.slices * (2 if self.signs == "differential" else 1)

    @property
    def unit_bitlines(self) -> int:
        """Unit bitlines of an array, beside its columns: one if weights have an excess."""
        return int(self.signs in ("offset", "flip"))

    @property
    def low(self) -> int:
        """Smallest weight that fits."""
        if self.signs == "differential":
            return -self.high
        return int(-(2 ** (self.weight_bits - 1)))

    @property
    def high(self) -> int:
        """Largest weight that fits."""
        return int(2 ** (self.weight_bits - 1) - 1)

    def check_columns(self, columns_per_weight: int) -> None:
        """Refuse a number of bitlines a weight that another part of a configuration counts with."""
        if columns_per_weight != self.columns_per_weight:
            raise ConfigError(
                f"columns_per_weight must be {self.columns_per_weight}, which {self.slices} slice(s) of a "
                f"{self.signs} weight take, got {columns_per_weight}; change it, or encoding and cell_bits"
            )

    def check_weights(self, weights: Ints, layer: str | None = None) -> None:
        """Refuse weights of which one does not fit; `layer` is where they are."""
        low, high = int(weights.min(initial=0)), int(weights.max(initial=0))
        if low < self.low or high > self.high:
            where = "" if layer is None else f"{layer}: "
            advice = (
                ", or let encoding be offset, which holds one more" if self.signs == "differential" else ""
            )
            raise MappingError(
                f"{where}{self.signs} weights of {self.weight_bits} bit must be in [{self.low}, {self.high}],"
                f" got {low if low < self.low else high}; quantise to fewer bits or raise weight_bits{advice}"
            )

    def largest_sum(self, rows: int, largest_input: int) -> int:
        """Return the largest size of a bitline's sum, whatever the weights, over `rows` rows on at once.

        largest_input : of one phase, for each row
        """
        if self.signs == "signed":
            return rows * largest_input * -self.low
        full = int(rows * (2**self.cell_bits - 1))
        return max(full // 2, rows) * largest_input if self.signs == "flip" else full * largest_input

    def encode(self, weights: Ints) -> Encoded:
        """Return the cells of one array's weights (rows, weight columns).

        raises : MappingError if a weight does not fit
        """
        self.check_weights(weights)
        whole = weights.astype(np.int32)
        columns = np.arange(weights.shape[1])
        no_unit = np.zeros(len(columns), np.int64)
        if self.signs == "signed":
            return Encoded(whole.astype(np.int16), columns, np.ones_like(columns), no_unit)
        if self.signs == "differential":
            parts = self._sliced(np.stack([np.maximum(whole, 0), np.maximum(-whole, 0)]))
            signs = np.array([1, -1])
        else:
            parts, signs = self._sliced((whole - self.low)[None]), np.array([1])
        levels = np.ascontiguousarray(parts.transpose(2, 0, 1, 3)).reshape(len(weights), -1)
        worth = 2 ** (self.cell_bits * np.arange(self.slices))
        coefficient = np.repeat(np.outer(worth, signs), len(columns))
        column = np.tile(columns, self.columns_per_weight)
        if self.signs == "differential":
            return Encoded(levels, column, coefficient, no_unit)
        unit_coefficient = np.full(len(columns), self.low, np.int64)
        if self.signs == "flip":
            largest = 2**self.cell_bits - 1
            flipped = 2 * levels.sum(axis=0, dtype=np.int64) > len(weights) * largest
            levels[:, flipped] = largest - levels[:, flipped]
            np.add.at(unit_coefficient, column[flipped], coefficient[flipped] * largest)
            coefficient[flipped] *= -1
        return Encoded(
            np.column_stack([levels, np.ones(len(weights), np.uint8)]),
            np.append(column, UNIT),
            np.append(coefficient, 0),
            unit_coefficient,
        )

    def _sliced(self, numbers: Ints) -> NDArray[np.uint8]:
        """Cut numbers (signs, rows, columns), none negative, into (slices, signs, rows, columns)."""
        mask = 2**self.cell_bits - 1
        cuts = [(numbers >> (self.cell_bits * k)) & mask for k in range(self.slices)]
        return np.stack(cuts).astype(np.uint8)
