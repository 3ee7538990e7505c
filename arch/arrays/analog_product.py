"""What all arrays of a layer return for a window when cells, wires and converters are real.

Cells have the conductances that their device model programs, less what the wires take; every read of a
bitline has noise of its own and goes through a converter of its own. This is `arch.arrays.array_product` with
all that it leaves out; where nothing is real, both return the same, as long as sums stay below 2^24 levels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arch.arrays.analog_cells import Physics, Sense, program
from arch.arrays.analog_layout import Layout
from arch.arrays.array_parts import Placement, code_range, row_groups, within_64_bits
from arch.arrays.array_product import Formulation
from arch.arrays.device import UNIT as LEVEL_UNIT
from arch.arrays.encoding import Encoding
from arch.arrays.readout import Readout
from arch.arrays.streaming import Streaming
from arch.arrays.transfer import Transfer
from simcore.kernels.analog_read import read_blocks, recombine_codes
from simcore.kernels.device_noise import add_nonlinearity
from simcore.noise import derive

Ints = NDArray[Any]

#: Purposes of random numbers below an array's key.
CELLS, CONVERTERS, READS = range(3)


class AnalogProduct:
    """The products of one layer, or one copy of it.

    placements : its arrays
    columns : output columns of the layer
    transfers : the converters of each array, of one LSB an array
    keys : of each array's random numbers
    zero, active_rows : as `ArrayProduct` has them

    formulation, conversions, start, largest : as `ArrayProduct` has them
    driven : of each array, (rows,) int64 [2^-8 level], what its wordlines drive
    """

    def __init__(
        self,
        placements: Sequence[Placement],
        columns: int,
        encoding: Encoding,
        streaming: Streaming,
        transfers: Sequence[Transfer],
        physics: Physics,
        keys: Sequence[np.uint64],
        *,
        zero: int = 0,
        active_rows: int | None = None,
    ) -> None:
        self._physics = physics
        self._split = streaming.sign == "split"
        self._zero = zero if streaming.sign == "unsigned" else 0
        self._ends = code_range(transfers, encoding)
        self.start = np.zeros(columns, np.int64)
        self.driven: list[NDArray[np.int64]] = []
        layout = Layout(physics)
        for placement, transfer, key in zip(placements, transfers, keys, strict=True):
            weights, wordlines, first_col = placement
            taken_off = self._zero * weights.sum(axis=0, dtype=np.int64)
            self.start[first_col : first_col + weights.shape[1]] -= taken_off
            encoded = encoding.encode(weights)
            cells = program(encoded, encoding, physics, np.uint64(derive(key, CELLS)))
            lsb = int(np.max(transfer.lsb))
            bitlines = {"bitlines": len(encoded.column), "has_unit": encoded.has_unit}
            bitlines |= {"pairs": encoding.signs == "signed", "largest_input": streaming.largest}
            turns = [
                (rows, self._readout(lsb, rows, len(weights), key, bitlines))
                for rows in row_groups(len(weights), active_rows)
            ]
            inl = turns[0][1].inl
            self.driven.append(cells.driven)
            layout.add_array(first_col, wordlines, encoded, cells, lsb, turns)
        self._sense = sensing(physics, inl, self._ends[0])
        self._operands = layout.operands()
        self._keys = np.array([derive(key, READS) for key in keys], np.uint64)
        self._phases = np.array([(p.first, p.bits, p.factor) for p in streaming.phases], np.int64)
        self._factors = self._phases[:, 2].copy()
        self._reads = len(self._phases), layout.bitlines
        self.conversions = self._reads[0] * self._reads[1]
        # so that a converter that fails does so before cycle 0
        self._sense(np.zeros(self._reads, np.float32))
        self.largest = self._bound(columns)
        self.formulation = Formulation(
            "conductances", f"{', '.join(physics.effects)}; {layout.most_planes} bit planes of conductance"
        )

    def multiply(self, windows: Ints, sums: Ints, slot: int, image: int, pixel: int) -> int:
        """Compute the products of a window; return how many conversions were out of range.

        windows : (slots, elements) int16 or int32, code - zero
        sums : (slots, columns) int64, or int32 if `largest` fits; row `slot` is overwritten
        image, pixel : that the window belongs to; its noise depends on them
        raises : ModelError if a user's converter does not return a finite number for every sum
        """
        wordlines, planes, squared, blocks, noise, curves, terms, weights = self._operands
        inputs = (windows, slot, wordlines, self._zero, self._split, self._phases)
        cells = (planes, squared, blocks, noise, curves)
        sensed = np.empty(self._reads, np.float32)
        read_blocks(*inputs, *cells, self._keys, image, pixel, sensed)
        digital = (*self._ends, self._factors, terms, weights, self.start)
        return int(recombine_codes(self._sense(sensed), *digital, sums, slot))

    def _readout(
        self, lsb: int, on: slice, rows: int, key: np.uint64, bitlines: Mapping[str, Any]
    ) -> Readout:
        """Return an array's converters as they read the rows that are on."""
        physics = self._physics
        return Readout(
            physics.readout,
            physics.device,
            physics.wires,
            rows=on.stop - on.start,
            lsb=lsb / LEVEL_UNIT,
            low=self._ends[0],
            high=self._ends[1],
            key=np.uint64(derive(key, CONVERTERS)),
            below=rows - on.stop,
            sharing=physics.sharing,
            **bitlines,
        )

    def _bound(self, columns: int) -> int:
        """Return what no sum is larger than: all codes at an end of the range."""
        most = float(np.abs(self._factors).sum()) * max(abs(end) for end in self._ends)
        sums = np.abs(self.start).astype(np.float64)
        np.add.at(sums, self._operands.terms[1], most * np.abs(self._operands.weights))
        return within_64_bits(float(sums.max(initial=0)) + 1)


def sensing(physics: Physics, inl: NDArray[np.float32] | None, low: int) -> Sense:
    """Return what tells what converters take sums (phases, bitlines) for, which it may change.

    inl, low : their nonlinearity by code, and the smallest code; their own curve comes behind it
    """

    def sense(sums: NDArray[np.float32]) -> NDArray[np.float32]:
        if inl is not None:
            add_nonlinearity(sums, inl, low)
        return sums if physics.sense is None else physics.sense(sums)

    return sense
