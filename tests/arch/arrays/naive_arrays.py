"""What arrays return, the slow obvious way: cell by cell in Python's integers, apart from `arch`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Converter:
    """An ADC by its definition; counts what it clips."""

    bits: int
    signed: bool
    clipped: list[int]

    def convert(self, analog: int, lsb: int, *, again: bool = False) -> int:
        """Return the number of a column sum, in levels; of one that was converted before if `again`."""
        lowest = -(2 ** (self.bits - 1)) if self.signed else 0
        highest = 2 ** (self.bits - 1) - 1 if self.signed else 2**self.bits - 1
        code = analog // lsb
        if 2 * (analog % lsb) >= lsb:
            code += 1
        if (code < lowest or code > highest) and not again:
            self.clipped.append(analog)
        return int(max(lowest, min(code, highest)) * lsb)


def cells_of(weight: int, signs: str, weight_bits: int, cell_bits: int, slices: int) -> list[int]:
    """Return the levels of one weight, lowest slice first, its positive part before its negative."""
    if signs == "signed":
        return [weight]
    base = 2**cell_bits
    if signs == "differential":
        positive, negative = (weight, 0) if weight > 0 else (0, -weight)
        return [part // base**k % base for k in range(slices) for part in (positive, negative)]
    raised = weight + 2 ** (weight_bits - 1)
    return [raised // base**k % base for k in range(slices)]


def waves(value: int, bits: int, dac_bits: int, form: str, sign: str) -> list[tuple[int, int]]:
    """Return what one wordline carries in each phase, and the factor of that phase."""
    if sign == "split":
        halves = [
            (waves(max(part, 0), bits, dac_bits, form, "unsigned"), s)
            for part, s in ((value, 1), (-value, -1))
        ]
        return [(x, s * factor) for half, s in halves for x, factor in half]
    whole = bits - 1 if sign == "twos-complement" else bits
    together = whole if form == "pulse-width" else dac_bits
    phases = []
    for first in range(0, whole, together):
        digits = [value // 2**b % 2 for b in range(first, min(first + together, whole))]
        phases.append((sum(digit * 2**i for i, digit in enumerate(digits)), 2**first))
    if sign == "twos-complement":
        phases.append((1 if value < 0 else 0, -(2**whole)))
    return phases


def array_returns(
    weights: Array,
    inputs: Array,
    encoding: tuple[str, int, int, int],
    streaming: tuple[int, int, str, str],
    converter: Converter,
    lsb: Sequence[int],
    active_rows: int,
) -> list[int]:
    """Return the products of one array, whatever its converters made of them.

    encoding : signs, weight bits, cell bits, slices
    streaming : bits, DAC bits, form, sign
    lsb : step of the converter of each bitline, by slice, then sign, then weight; a unit bitline is last
    """
    signs, weight_bits, cell_bits, slices = encoding
    rows, columns = weights.shape
    cells = [[cells_of(int(w), signs, weight_bits, cell_bits, slices) for w in row] for row in weights]
    parts = len(cells[0][0])
    carried = [waves(int(x), *streaming) for x in inputs]
    largest = 2**cell_bits - 1
    results = []
    for column in range(columns):
        result = 0
        for part in range(parts):
            stored = [cells[row][column][part] for row in range(rows)]
            flipped = signs == "flip" and 2 * sum(stored) > rows * largest
            if flipped:
                stored = [largest - level for level in stored]
            worth = (
                (-1) ** part * 2 ** (cell_bits * (part // 2))
                if signs == "differential"
                else 2 ** (cell_bits * part)
            )
            for first in range(0, rows, active_rows):
                group = range(first, min(first + active_rows, rows))
                for phase in range(len(carried[0])):
                    factor = carried[0][phase][1]
                    analog = sum(carried[row][phase][0] * stored[row] for row in group)
                    digital = converter.convert(analog, lsb[part * columns + column])
                    if flipped:
                        ones = sum(carried[row][phase][0] for row in group)
                        unit = converter.convert(ones, lsb[parts * columns], again=True)
                        digital = largest * unit - digital
                    result += factor * worth * digital
        results.append(result)
    if signs in ("offset", "flip"):
        for first in range(0, rows, active_rows):
            for phase in range(len(carried[0])):
                group = range(first, min(first + active_rows, rows))
                ones = sum(carried[row][phase][0] for row in group)
                unit = converter.convert(ones, lsb[parts * columns]) * 2 ** (weight_bits - 1)
                results = [result - unit * carried[0][phase][1] for result in results]
    return results


def exact_products(
    placements: Sequence[tuple[Array, Array, int]], windows: Array, columns: int
) -> NDArray[np.int64]:
    """Return the integer products of all windows (windows, columns)."""
    sums = np.zeros((len(windows), columns), np.int64)
    for weights, wordlines, first_col in placements:
        product = windows[:, wordlines].astype(np.int64) @ weights.astype(np.int64)
        sums[:, first_col : first_col + weights.shape[1]] += product
    return sums
