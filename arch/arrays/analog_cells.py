"""Real arrays: what their cells conduct, and what the digital side makes of the codes of their bitlines.

The digital side knows what was designed, not what was drawn. The off state of cells that have one cancels
between the bitlines of a pair; `offset` and `flip` take it off with their unit bitline. With drift
compensation it also scales each array's sums by what the array has lost since it was programmed (global drift
compensation; Joshi et al., Nature Communications 11:2473, 2020).

A `signed` cell is a pair of devices, one for either sign, whose currents are subtracted before conversion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arch.arrays.device import DeviceModel
from arch.arrays.encoding import UNIT, Encoded, Encoding
from arch.arrays.ir_drop import IRDropConfig, attenuate
from arch.arrays.readout import ReadoutConfig

Ints = NDArray[Any]
Sense = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Physics:
    """What is real about a layer's arrays.

    device, wires, readout : their cells, wires and converters
    sense : what a user's converter takes sums (phases, bitlines) float32 [LSB] for, before they are rounded
    sharing : neighbouring bitlines that take turns on one converter
    compensated : whether the digital side makes up for drift
    """

    device: DeviceModel
    wires: IRDropConfig
    readout: ReadoutConfig
    sense: Sense | None = None
    sharing: int = 1
    compensated: bool = False

    @property
    def effects(self) -> tuple[str, ...]:
        """What is not ideal, in words; nothing where arrays return what `ArrayProduct` says."""
        own = ("a converter's own transfer curve",) if self.sense is not None else ()
        return (*self.device.effects, *self.wires.effects, *self.readout.effects, *own)


@dataclass(frozen=True, eq=False)
class Cells:
    """What one array's cells conduct, in fixed point.

    net : (rows, bitlines) int32 [2^-8 level], what bitlines add up
    squares : (rows, bitlines) float32 [2^-16 level^2], of all devices of a cell
    driven : (rows,) int64 [2^-8 level], all that a wordline drives
    regained : factor that makes up for drift; 1 without compensation
    """

    net: NDArray[np.int32]
    squares: NDArray[np.float32]
    driven: NDArray[np.int64]
    regained: float


def program(encoded: Encoded, encoding: Encoding, physics: Physics, key: np.uint64) -> Cells:
    """Return what becomes of one array's levels.

    key : of its random numbers
    raises : ModelError for a level that does not fit a cell, or a conductance that is no number
    """
    device, pairs = physics.device, encoding.signs == "signed"
    levels = encoded.levels
    if pairs:  # side by side
        both = np.stack([np.maximum(levels, 0), np.maximum(-levels, 0)], axis=2)
        levels = both.reshape(len(levels), -1).astype(np.uint16)
    now = device.program(levels, key)
    regained = 1.0
    if physics.compensated:
        fresh = device.fresh.program(levels, key)
        regained = int(fresh.sum(dtype=np.int64)) / max(int(now.sum(dtype=np.int64)), 1)
    cells = attenuate(now, physics.wires, device.full).astype(np.int32)
    squares = cells.astype(np.float32) ** 2
    driven = cells.sum(axis=1, dtype=np.int64)
    if pairs:
        cells, squares = cells[:, ::2] - cells[:, 1::2], squares[:, ::2] + squares[:, 1::2]
    return Cells(cells, squares, driven, regained)


def bit_form(net: NDArray[np.int32]) -> tuple[NDArray[np.int32], int, int, int]:
    """Return conductances as numbers of few bits: net = (numbers << shift) + base.

    returns : numbers, none negative; base, shift, and the bits that the largest takes; whole levels leave no
        bit below the level
    """
    base = int(net.min())
    above = net.astype(np.int64) - base
    used = int(np.bitwise_or.reduce(above, axis=None))
    shift = (used & -used).bit_length() - 1 if used else 0
    return (above >> shift).astype(np.int32), base, shift, used.bit_length() - shift


def recombination(encoded: Encoded, g_off: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return how products are made of the sums of one array's bitlines.

    g_off : conductance of level 0 [level]: the unit bitline's sum of inputs is 1 + g_off times as large, and
        every other bitline has g_off times that sum too many
    returns : (2, terms) bitlines and columns, and (terms,) what the bitline's sum counts in the column
    """
    own = np.flatnonzero(encoded.column != UNIT)
    terms, weights = np.stack([own, encoded.column[own]]), encoded.coefficient[own].astype(np.float64)
    if not encoded.has_unit:
        return terms, weights
    columns = np.arange(len(encoded.unit_coefficient))
    excess = g_off * np.bincount(encoded.column[own], weights, len(columns))
    shares = np.stack([np.full_like(columns, len(encoded.column) - 1), columns])
    return (
        np.concatenate([terms, shares], axis=1),
        np.concatenate([weights, (encoded.unit_coefficient - excess) / (1.0 + g_off)]),
    )
