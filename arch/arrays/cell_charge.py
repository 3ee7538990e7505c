"""What cells draw: one of conductance G at a voltage V takes the energy V^2 G t in a time t.

The number that a wordline carries in a phase is its time under pulse widths and its voltage under bit-serial
DACs, so an input's *drive*, over all phases of a product, adds those numbers up, or their squares. Drive x
conductance is the *charge* that a ledger counts: whole numbers of drive x 2^-8 level, summed over cells.

What a unit of charge costs follows from the energy of one cell in one read at average activity: of inputs
that are anything wordlines can carry, all equally likely, and likewise weights. Flips are not averaged: by
their choice cells hold less.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arch.arrays.device import FRACTION_BITS
from arch.arrays.encoding import Encoding
from arch.arrays.streaming import Streaming

Ints = NDArray[Any]

#: Conductance of a cell of the unit bitline [2^-8 level].
UNIT_CONDUCTANCE = 1 << FRACTION_BITS


def drives(streaming: Streaming, inputs: Ints) -> NDArray[np.int64]:
    """Return what each input (...) drives its wordline with over all phases of a product."""
    carried = streaming.stream(inputs)
    powers = carried if streaming.form == "pulse-width" else carried**2
    return np.asarray(powers.sum(axis=0))


@cache
def mean_drive(streaming: Streaming) -> Fraction:
    """Return the drive of an input over all phases, on average over all that wordlines can carry."""
    every = drives(streaming, np.arange(streaming.low, streaming.high + 1))
    return Fraction(int(every.sum()), len(every))


@cache
def weight_conductances(encoding: Encoding) -> NDArray[np.int64]:
    """Return the conductance of all cells of a weight, none flipped, for every weight [2^-8 level].

    returns : (weights,) by weight; the negative ones count from the end, as indices do
    """
    unflipped = replace(encoding, signs="offset") if encoding.signs == "flip" else encoding
    every = np.r_[0 : encoding.high + 1, encoding.low : 0]
    cells = row_levels(unflipped, every[:, None]) - encoding.unit_bitlines
    cells.flags.writeable = False
    return cells << FRACTION_BITS


def row_levels(encoding: Encoding, weights: Ints) -> NDArray[np.int64]:
    """Return the levels on each wordline, (rows,), all bitlines of weights (rows, columns) together."""
    return np.asarray(np.abs(encoding.encode(weights).levels).sum(axis=1, dtype=np.int64))


def row_conductances(encoding: Encoding, weights: Ints) -> NDArray[np.int64]:
    """Return the conductance on each wordline of perfect cells, unit bitline included, by `row_levels`.

    weights : (rows, columns)
    returns : (rows,) [2^-8 level]
    """
    if encoding.signs == "flip":  # cells depend on all others of their column
        return row_levels(encoding, weights) << FRACTION_BITS
    cells = weight_conductances(encoding)[weights].sum(axis=1)
    return np.asarray(cells + encoding.unit_bitlines * UNIT_CONDUCTANCE)


@cache
def _mean_weight(encoding: Encoding) -> Fraction:
    """Return the average conductance of all cells of a weight [2^-8 level]."""
    every = weight_conductances(encoding)
    return Fraction(int(every.sum()), len(every))


def mean_charge(encoding: Encoding, streaming: Streaming, rows: int, columns: int) -> int:
    """Return the charge of one product at average activity, to the nearest whole number.

    columns : of weights
    """
    row = columns * _mean_weight(encoding) + encoding.unit_bitlines * UNIT_CONDUCTANCE
    return round(mean_drive(streaming) * rows * row)


@cache
def mean_read_charge(encoding: Encoding, streaming: Streaming) -> float:
    """Return the charge of one cell in one read at average activity; those of unit bitlines do not count."""
    reads = len(streaming.phases) * encoding.columns_per_weight
    return float(mean_drive(streaming) * _mean_weight(encoding) / reads)
