"""What all arrays of a layer return for a window after slicing, streaming and conversion, exact and fast.

Every array converts on its own, and so does every group of rows where not all may be on at once. Three ways
to the same numbers, of which `formulation` tells the one taken and why:

- `plain product`: no conversion can clip or round, so the integer product is what the arrays return;
- `product and errors`: that, and for the bitlines that can, what their conversion changes;
- `bit planes`: all bitlines by counting ones.

Real cells are read by their `conductances`: see `arch.arrays.analog_product`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from arch.arrays.array_parts import Placement, code_range, row_groups, within_64_bits
from arch.arrays.bit_planes import cut, in_words, joined, whole_lines, widest_block, words_of
from arch.arrays.encoding import UNIT, Encoding
from arch.arrays.streaming import Streaming
from arch.arrays.transfer import Transfer, sum_range
from simcore import ConfigError, MappingError
from simcore.kernels.bit_serial import multiply_bit_planes, pack_levels
from simcore.kernels.integer_mvm import multiply_block, multiply_window

Ints = NDArray[Any]
Method = Literal["plain product", "product and errors", "bit planes", "conductances"]

#: Counting ones for more bitlines than this share takes longer than for all, without the product beside it.
MOST_ERRORS = 0.5


@dataclass(frozen=True)
class Formulation:
    """How a layer's products are computed, and why so."""

    method: Method
    reason: str


@dataclass(frozen=True, eq=False)
class _Bitlines:
    """Bitlines with rows that are on at once.

    wordlines : (rows,) element of the window on each
    levels : (rows, bitlines)
    lsb, column, coefficient, exact : (bitlines,) step of its converter, the layer's column or UNIT, what its
        sum counts there, whether no conversion can clip or round
    shares : (2, n) columns and coefficients of the unit bitline
    """

    wordlines: Ints
    levels: Ints
    lsb: NDArray[np.int64]
    column: NDArray[np.int64]
    coefficient: NDArray[np.int64]
    exact: NDArray[np.bool_]
    shares: NDArray[np.int64]

    def pick(self, which: Any, shares: NDArray[np.int64]) -> _Bitlines:
        """Return some of the bitlines."""
        each = (self.lsb[which], self.column[which], self.coefficient[which], self.exact[which])
        return _Bitlines(self.wordlines, self.levels[:, which], *each, shares)


NO_SHARES = np.zeros((2, 0), np.int64)


class ArrayProduct:
    """The products of one layer, or one copy of it.

    placements : its arrays
    columns : output columns of the layer
    transfer : of all converters, or one for each array; with a LSB for each bitline they match its bitlines
    zero : of unsigned codes; windows hold code - zero however inputs are streamed
    active_rows : rows that may be on at once; all by itself
    method : way to compute it, instead of the fastest exact one

    formulation : the way taken
    conversions : of one window
    start : (columns,) int64, what the digital side starts from: the zero point's share of all products
    largest : bound on the size of every sum, to choose integers for them
    """

    def __init__(
        self,
        placements: Sequence[Placement],
        columns: int,
        encoding: Encoding,
        streaming: Streaming,
        transfer: Transfer | Sequence[Transfer],
        *,
        zero: int = 0,
        active_rows: int | None = None,
        method: Method | None = None,
    ) -> None:
        if active_rows is not None and active_rows < 1:
            raise ConfigError(f"active_rows must be at least 1 wordline, got {active_rows}")
        transfers = [transfer] * len(placements) if isinstance(transfer, Transfer) else list(transfer)
        self._ends = code_range(transfers, encoding)
        self._placements = placements
        self._streaming = streaming
        self._cell_bits = encoding.weight_bits if encoding.signs == "signed" else encoding.cell_bits
        self._base = -encoding.low if encoding.signs == "signed" else 0
        self._zero = zero if streaming.sign == "unsigned" else 0
        self.start = np.zeros(columns, np.int64)
        for weights, _, first_col in placements:
            taken_off = self._zero * weights.sum(axis=0, dtype=np.int64)
            self.start[first_col : first_col + weights.shape[1]] -= taken_off
        groups = [
            group
            for placement, each in zip(placements, transfers, strict=True)
            for group in _row_groups(placement, encoding, each, streaming.largest, active_rows)
        ]
        self.conversions = sum(len(group.exact) for group in groups) * len(streaming.phases)
        self.largest = self._bound(groups)
        self.formulation = self._choose(groups, method)
        by_ones = self.formulation.method == "bit planes"
        self._plain = None if by_ones else self._exact_product(columns)
        counted = [part for group in groups for part in _parts(group, by_ones | ~group.exact)]
        self._tables = self._lay_out(counted) if counted else None

    def multiply(self, windows: Ints, sums: Ints, first: int, count: int = 1) -> int:
        """Compute the products of `count` windows from slot `first` on; return how many conversions clipped.

        windows : (slots, elements) int16 or int32, code - zero
        sums : (slots, columns) int64, or int32 if `largest` fits, overwritten; the zero point is taken off
        """
        if self._plain is not None:
            for slot in range(first, first + count):
                self._plain(windows, sums, slot)
        if self._tables is None:
            return 0
        return int(multiply_bit_planes(windows, first, count, sums, *self._tables))

    def _choose(self, groups: list[_Bitlines], method: Method | None) -> Formulation:
        """Return the fastest exact way, or that one."""
        bitlines = sum(len(group.exact) for group in groups)
        erring = sum(np.count_nonzero(~group.exact) for group in groups)
        if not erring:
            reason = f"none of {bitlines} bitlines can clip or round"
            return Formulation(method or "plain product", reason)
        if method == "plain product":
            raise ConfigError(f"method must not be 'plain product': {erring} bitlines can clip or round")
        few = erring <= MOST_ERRORS * bitlines
        worst = next(group for group in groups if not group.exact.all())
        below, above = (ends[~worst.exact][0] for ends in sum_range(worst.levels, self._streaming.largest))
        lsb = worst.lsb[~worst.exact][0]
        low, high = self._ends
        reason = (
            f"{erring} of {bitlines} bitlines can clip or round; the first has sums of {below} to {above}, "
            f"its converter steps of {lsb} from {low * lsb} to {high * lsb}"
        )
        return Formulation(method or ("product and errors" if few else "bit planes"), reason)

    def _bound(self, groups: list[_Bitlines]) -> int:
        """Return what no sum is larger than: all bitlines at their largest, rounded up."""
        bound = np.abs(self.start).astype(np.float64)
        factors = float(sum(abs(phase.factor) for phase in self._streaming.phases))
        for group in groups:
            below, above = sum_range(group.levels, self._streaming.largest)
            most = (np.maximum(above, -below) + group.lsb) * factors
            own = group.column != UNIT
            np.add.at(bound, group.column[own], (most * np.abs(group.coefficient))[own])
            np.add.at(bound, group.shares[0], most[-1] * np.abs(group.shares[1]))
        return within_64_bits(float(bound.max(initial=0)))

    def _exact_product(self, columns: int) -> Callable[[Ints, Ints, int], None]:
        """Return what multiplies a slot's window: one matrix, or array by array if that were mostly empty."""
        placements = self._placements
        narrow = all(np.abs(placement.weights).max(initial=0) <= 127 for placement in placements)
        number = np.int8 if narrow else np.int16
        elements = 1 + max(int(placement.wordlines.max()) for placement in placements)
        if 2 * sum(placement.weights.size for placement in placements) >= columns * elements:
            whole = np.zeros((columns, elements), number)
            for weights, wordlines, first_col in placements:
                whole[first_col : first_col + weights.shape[1], wordlines] = weights.T
            return lambda windows, sums, slot: multiply_window(windows, whole, sums, slot)
        parts = [
            (np.ascontiguousarray(p.weights, number), p.wordlines.astype(np.int32), p.first_col)
            for p in placements
        ]

        def multiply_blocks(windows: Ints, sums: Ints, slot: int) -> None:
            sums[slot] = 0
            for weights, wordlines, first_col in parts:
                multiply_block(windows, weights, wordlines, first_col, sums, slot)

        return multiply_blocks

    def _lay_out(self, groups: list[_Bitlines]) -> tuple[Any, ...]:
        """Return the operands of the kernel behind the sums; bitlines with the same inputs lie together."""
        streaming = self._streaming
        together: dict[bytes, list[_Bitlines]] = {}
        for group in groups:
            together.setdefault(group.wordlines.tobytes(), []).append(group)
        wordlines, blocks, planes, laid, shares = [], [], [], [], []
        word = place = bitline = share = 0
        for row_group in together.values():
            rows = row_group[0].wordlines
            words = words_of(len(rows))
            wordlines.append(in_words(rows))
            for block in _blocks(row_group, widest_block(self._cell_bits, len(rows))):
                n, some = len(block.lsb), block.shares.shape[1]
                cells = np.empty((self._cell_bits, words, n), np.uint64)
                pack_levels(np.ascontiguousarray(block.levels), self._base, cells)
                whole = int((block.lsb == 1).all())
                blocks.append((word, words, place, bitline, n, share, some, whole))
                planes.append((place, cells.ravel()))
                laid.append(np.stack([block.lsb, np.maximum(block.column, 0), block.coefficient]))
                shares.append(block.shares)
                place = whole_lines(place + cells.size)
                bitline, share = bitline + n, share + some
            word += words
        lsb, *bitlines = np.concatenate(laid, axis=1)
        return (
            np.concatenate(wordlines),
            self._zero,
            streaming.sign == "split",
            np.array([(phase.first, phase.bits, phase.factor) for phase in streaming.phases]),
            joined(planes, place),
            self._cell_bits,
            self._base,
            np.array(blocks),
            np.array(bitlines),
            np.concatenate(shares, axis=1),
            np.array([lsb, 1.0 / lsb, lsb // 2 - self._ends[0] * lsb + 0.5]),
            *self._ends,
            self.start if self.formulation.method == "bit planes" else np.zeros(0, np.int64),
        )


def _row_groups(
    placement: Placement, encoding: Encoding, transfer: Transfer, largest_input: int, active_rows: int | None
) -> Iterator[_Bitlines]:
    """Yield an array's bitlines with each group of rows that are on at once."""
    encoded = encoding.encode(placement.weights)
    bitlines, rows = len(encoded.column), len(placement.weights)
    if np.ndim(transfer.lsb) and np.shape(transfer.lsb) != (bitlines,):
        raise MappingError(
            f"an array of {bitlines} bitlines has {np.size(transfer.lsb)} LSBs of converters; give one each, "
            "or one for all"
        )
    lsb = np.broadcast_to(np.asarray(transfer.lsb, np.int64), bitlines)
    column = np.where(encoded.column == UNIT, UNIT, encoded.column + placement.first_col)
    used = np.flatnonzero(encoded.unit_coefficient)
    shares = np.stack([used + placement.first_col, encoded.unit_coefficient[used]])
    for on in row_groups(rows, active_rows):
        levels, wordlines = encoded.levels[on], placement.wordlines[on]
        exact = transfer.is_exact(levels, largest_input)
        yield _Bitlines(wordlines, levels, lsb, column, encoded.coefficient, exact, shares)


def _parts(group: _Bitlines, wanted: NDArray[np.bool_]) -> Iterator[_Bitlines]:
    """Yield the wanted bitlines of a group, a unit bitline apart, which alone has shares."""
    unit = group.column == UNIT
    for which, shares in ((wanted & ~unit, NO_SHARES), (wanted & unit, group.shares)):
        if which.any():
            yield group.pick(which, shares)


def _blocks(groups: list[_Bitlines], widest: int) -> Iterator[_Bitlines]:
    """Yield groups of bitlines with the same inputs in blocks of the same width, unit bitlines alone."""
    yield from (group for group in groups if group.shares.size)
    others = [group for group in groups if not group.shares.size]
    if others:
        names = ("lsb", "column", "coefficient", "exact")
        each = {name: np.concatenate([getattr(group, name) for group in others]) for name in names}
        levels = np.concatenate([group.levels for group in others], axis=1)
        merged = _Bitlines(others[0].wordlines, levels, shares=NO_SHARES, **each)
        for part in cut(levels.shape[1], widest):
            yield merged.pick(part, NO_SHARES)
