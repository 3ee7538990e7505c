"""A composed network in integers: the tables that a machine holds, and nothing else.

Everything a block adds up is a table's entry: a fixed-point number of `bits` in two's complement, of one
scale for all of a block, so that sums are exact in any order. The scale follows the largest sum that was
seen, with a bit to spare; sums wrap at `bits`, as they do in an adder of that width. Keys that searches
compare are such numbers, too; a memory without a sign holds them with 2**(bits - 1) added, which keeps order
and distances.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from workloads.composition.block_graph import Block, Composable

Ints = NDArray[np.int64]

#: Widths of products, sums and keys [bit]; RAPIDNN's is unknown, 16 assumed.
WIDTHS = (8, 16, 32)

#: The code of what is no number at all: padding, which nothing counts.
ABSENT = -1


@dataclass(frozen=True, eq=False)
class Products:
    """Tables of a matrix.

    table : (codebooks, weight codes, input codes) int32, one codebook for all columns or for each
    codes : (groups, rows, columns of one group) uint8, weight codes; rows by position of the window first
    bias : (columns,) int64, one more number to add
    """

    table: NDArray[np.int32]
    codes: NDArray[np.uint8]
    bias: Ints

    def column(self, column: int) -> NDArray[np.int32]:
        """Return the products of a column, (rows, input codes), by row and code of the input."""
        group, place = divmod(column, self.codes.shape[2])
        book = self.table[column if len(self.table) > 1 else 0]
        products: NDArray[np.int32] = book[self.codes[group, :, place]]
        return products


@dataclass(frozen=True, eq=False)
class ActivationTable:
    """Sums (rows,) that ascend, as keys, and what the function gives there (rows,)."""

    keys: Ints
    values: Ints


@dataclass(frozen=True, eq=False)
class ComposedBlock:
    """Integers of one block.

    products : of a matrix
    terms : (tensors, input codes) int32, of any other sum: what a code of each tensor adds
    low, high : where the sum is clipped
    activation : looked up by the clipped sum; None where that is the value
    sum_scale, scale : what a step of the sum, and of the value, is in real numbers
    encoder : (input codes,) ascending keys, of which the nearest to the value is its code; None at the end
    """

    block: Block
    products: Products | None
    terms: NDArray[np.int32] | None
    low: int
    high: int
    activation: ActivationTable | None
    sum_scale: float
    scale: float
    encoder: Ints | None


@dataclass(frozen=True, eq=False)
class ComposedNetwork:
    """Blocks by name, each with its integers, and how images become codes.

    weights, inputs : clusters of a codebook of weights, and of one of inputs
    input_scale, input_encoder : step of an image's fixed-point pixels, and the keys of the first codebook
    centres : real numbers that the codes of each codebook stand for
    """

    form: Composable
    weights: int
    inputs: int
    bits: int
    input_scale: float
    input_encoder: Ints
    blocks: Mapping[str, ComposedBlock]
    centres: Mapping[str, NDArray[np.float64]]

    @property
    def output_scale(self) -> float:
        """What a step of the output is in real numbers."""
        return self.blocks[self.form.lowered.output].scale

    @cached_property
    def offset(self) -> int:
        """What is added to a number so that an unsigned key of `bits` holds it."""
        return 1 << (self.bits - 1)

    @cached_property
    def table_bytes(self) -> Mapping[str, int]:
        """Bytes of tables that one neuron of each block holds: products or terms, activation, encoder."""
        return {name: self._entries(block) * self.bits // 8 for name, block in self.blocks.items()}

    def _entries(self, block: ComposedBlock) -> int:
        entries = self.weights * self.inputs if block.products is not None else 0
        entries += 0 if block.terms is None else block.terms.size
        entries += 0 if block.activation is None else 2 * len(block.activation.keys)
        return entries + (0 if block.encoder is None else len(block.encoder))


def wrapped(sums: Ints, bits: int) -> Ints:
    """Return `sums` as an adder of so many bits has them, in two's complement.

    >>> wrapped(np.array([127, 128, -129]), 8).tolist()
    [127, -128, 127]
    """
    half = 1 << (bits - 1)
    return ((sums + half) & ((1 << bits) - 1)) - half


def nearest_rows(keys: Ints, numbers: Ints) -> NDArray[np.intp]:
    """Return the row of the nearest of ascending keys for each number; the first one if several are.

    >>> nearest_rows(np.array([0, 4, 4, 9]), np.array([-5, 2, 3, 4, 7])).tolist()
    [0, 0, 1, 1, 3]
    """
    rows = np.searchsorted(keys[1:] + keys[:-1], 2 * numbers, side="left")
    return np.searchsorted(keys, keys, side="left")[rows]
