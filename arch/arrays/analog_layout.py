"""Where the cells of a layer's real arrays lie in memory for the kernels that read them.

Each array is laid out in groups of rows that are on at once, each group in blocks of bitlines whose bit
planes a first-level cache keeps. A bitline is counted anew in every group: it is converted once in each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from arch.arrays.analog_cells import Cells, Physics, bit_form, recombination
from arch.arrays.bit_planes import cut, in_words, joined, whole_lines, widest_block, words_of
from arch.arrays.encoding import Encoded
from arch.arrays.readout import Readout
from simcore.kernels.analog_read import BLOCK_COLUMNS, NO_CELLS
from simcore.kernels.bit_serial import pack_levels

Ints = NDArray[Any]


class Operands(NamedTuple):
    """What `simcore.kernels.analog_read` works on; see there."""

    wordlines: NDArray[np.int32]
    planes: NDArray[np.uint64]
    squared: NDArray[np.float32]
    blocks: NDArray[np.int64]
    noise: NDArray[np.float32]
    curves: NDArray[np.float32]
    terms: NDArray[np.int64]
    weights: NDArray[np.float64]


class Layout:
    """Operands of a layer, put together array by array.

    bitlines : so far, once for each group of rows
    most_planes : bit planes of the widest conductances
    """

    def __init__(self, physics: Physics) -> None:
        self._noisy_cells = physics.device.config.read.cell > 0
        self._g_off = physics.device.g_off
        self._first_words: dict[bytes, int] = {}
        self._wordlines: list[NDArray[np.int32]] = []
        self._planes: list[tuple[int, NDArray[np.uint64]]] = []
        self._squares = [NO_CELLS]
        self._blocks: list[tuple[int, ...]] = []
        self._noise: list[NDArray[np.float32]] = []
        self._curves: list[NDArray[np.float32]] = []
        self._terms: list[NDArray[np.int64]] = []
        self._weights: list[NDArray[np.float64]] = []
        self._word = self._place = self._cell = self._arrays = 0
        self.bitlines = self.most_planes = 0

    def add_array(
        self,
        first_col: int,
        wordlines: Ints,
        encoded: Encoded,
        cells: Cells,
        lsb: int,
        turns: Sequence[tuple[slice, Readout]],
    ) -> None:
        """Lay out an array.

        first_col : the layer's column of its first weight column
        wordlines : (rows,) element of the window on each
        lsb : of its converters [level]
        turns : rows that are on in each turn, and the converters as they read them
        """
        terms, weights = recombination(encoded, self._g_off)
        terms[1] += first_col
        for turn, (group, readout) in enumerate(turns):
            self._add_group(turn, wordlines[group], cells.net[group], cells.squares[group], readout)
            self._terms.append(terms + np.array([[self.bitlines], [0]]))
            self._weights.append(weights * (lsb * cells.regained))
            self.bitlines += len(encoded.column)
        self._arrays += 1

    def _add_group(
        self,
        turn: int,
        wordlines: Ints,
        net: NDArray[np.int32],
        squares: NDArray[np.float32],
        readout: Readout,
    ) -> None:
        rows, bitlines = net.shape
        words, word = words_of(rows), self._first_word(wordlines)
        numbers, base, shift, bits = bit_form(net)
        self.most_planes = max(self.most_planes, bits)
        self._curves.append(readout.curves)
        for part in cut(bitlines, widest_block(bits, rows)):
            n = part.stop - part.start
            planes = np.empty((bits, words, n), np.uint64)
            pack_levels(np.ascontiguousarray(numbers[:, part]), 0, planes)
            self._planes.append((self._place, planes.ravel()))
            inside = (word, words, self._place, bits, shift, base, self.bitlines + part.start, n)
            self._blocks.append((*inside, self._arrays, part.start, turn, rows, self._cell))
            self._noise.append(readout.noise)
            self._place = whole_lines(self._place + planes.size)
            if self._noisy_cells:
                self._squares.append(squares[:, part].ravel())
                self._cell += rows * n

    def _first_word(self, wordlines: Ints) -> int:
        """Return the first word of inputs on these wordlines, which arrays may share."""
        name = wordlines.tobytes()
        if name not in self._first_words:
            self._first_words[name] = self._word
            self._wordlines.append(in_words(wordlines))
            self._word += words_of(len(wordlines))
        return self._first_words[name]

    def operands(self) -> Operands:
        """Return all that was laid out."""
        return Operands(
            np.concatenate(self._wordlines),
            joined(self._planes, self._place),
            np.concatenate(self._squares),
            np.array(self._blocks, np.int64).reshape(-1, BLOCK_COLUMNS),
            np.stack(self._noise),
            np.concatenate(self._curves, axis=1),
            np.concatenate(self._terms, axis=1),
            np.concatenate(self._weights),
        )
