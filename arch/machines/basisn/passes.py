"""What the passes of a layer take: slots of each slice, and from them reads, cycles, conversions and bits.

Variant `analog`: each bit plane of the coefficients has slots of its own, in each of which the columns of
a kernel join before a converter, while all bits of the inputs are read one by one. Variant `digital`: all
columns are read and converted once for each bit of the inputs; a slot adds up those of its kernels, bit by
bit of the coefficients. A slice of which no kernel has a coefficient is passed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from arch.machines.basisn.closed_forms import address_bits
from arch.machines.basisn.configuration import BasisNConfig
from arch.machines.basisn.plan import BasisNMap, LoadedBasis, SlicedLayer, loaded_supports
from arch.mapping.slots import (
    drawn_supports,
    packed_supports,
    share_slots,
    support_columns,
)

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LayerPasses:
    """Of one layer, figures of one pass of each slice.

    slot_of : (sets, slices, kernels) int32, -1 for a kernel that takes none; sets of slots follow each other
    used, arrays : (sets, slices, kernels), vectors that each kernel takes there, and crossbars they lie in
    nonzeros : (slices, kernels), of all bit planes together
    repeats : how often the sets are gone through, for as many bit planes with the same supports
    """

    config: BasisNConfig
    layer: SlicedLayer
    vectors: int
    slot_of: NDArray[np.int32]
    used: Ints
    arrays: Ints
    nonzeros: Ints
    repeats: int

    @property
    def digital(self) -> bool:
        """Whether columns are converted one by one."""
        return self.config.variant == "digital"

    @cached_property
    def rows(self) -> Ints:
        """Wordlines that are driven."""
        return np.array(self.layer.rows)

    @cached_property
    def slots(self) -> Ints:
        """Slots of all sets and repeats."""
        return self._over_sets(self.slot_of.max(axis=2, initial=-1) + 1)

    @cached_property
    def active(self) -> Ints:
        """Slices that have slots: (n,)."""
        return np.flatnonzero(self.slots)

    @property
    def passes(self) -> int:
        """Passes of an image."""
        return self.layer.counts.pixels * len(self.active)

    @property
    def slot_cycles(self) -> int:
        """Cycles of a slot: a product of the array; if digital, for every bit of the coefficients."""
        planes = self.config.coefficient_bits if self.digital else 1
        return planes * self.config.array.product_cycles(self.config.streaming)

    @property
    def cycles(self) -> Ints:
        """Cycles of a pass."""
        return self.slots * self.slot_cycles

    # -- actions ---------------------------------------------------------------------------------------------

    @property
    def crossbars(self) -> int:
        """Crossbars that a pass takes: as many as the vectors lie in."""
        return -(-self.vectors // self.config.vectors_per_array)

    @property
    def read_slots(self) -> Ints:
        """Slots in which the inputs are read: all, or one if digital; none where there is no slot."""
        return np.minimum(self.slots, 1) if self.digital else self.slots

    @cached_property
    def slot_reads(self) -> Ints:
        """Reads of a slot that are converted: each phase of the inputs, for each group of rows in use."""
        config = self.config
        turns = [config.array.turns(rows) for rows in self.layer.rows]
        return len(config.streaming.phases) * np.array(turns)

    @property
    def row_drives(self) -> Ints:
        """Rows that are driven, once in each phase of the inputs, in each crossbar that takes part."""
        return self.read_slots * len(self.config.streaming.phases) * self.rows * self.crossbars

    @property
    def cell_reads(self) -> Ints:
        """Cells that are read: those of all vectors, on the rows that are driven, and of unit bitlines."""
        encoding = self.config.encoding
        bitlines = self.vectors * encoding.columns_per_weight + self.crossbars * encoding.unit_bitlines
        return self.read_slots * len(self.config.streaming.phases) * self.rows * bitlines

    @property
    def conversions(self) -> Ints:
        """Conversions: of each kernel in each of its slots and crossbars, or of each column if digital.

        A bitline of cells that are all one, if there is any, is converted once.
        """
        encoding = self.config.encoding
        converted = self._over_sets(self.arrays.sum(axis=2))
        if self.digital:
            converted = self.read_slots * self.vectors
        units = np.minimum(self.slots, 1) * encoding.unit_bitlines * self.crossbars
        conversions: Ints = (converted * encoding.columns_per_weight + units) * self.slot_reads
        return conversions

    @property
    def shift_adds(self) -> Ints:
        """Numbers added to a sum: conversions; or if digital each column that a kernel takes, bit by bit."""
        planes = self.config.coefficient_bits * self.slot_reads
        return self._used * planes if self.digital else self.conversions

    @property
    def switched(self) -> Ints:
        """Columns that are joined to a converter; none if digital."""
        return self._used * self.config.encoding.columns_per_weight * (not self.digital)

    @property
    def coefficient_bits(self) -> Ints:
        """Bits read from the memory of coefficients."""
        taking = (self.slot_of >= 0) * self.nonzeros
        return self._over_sets(taking.sum(axis=2)) * self.bits_per_nonzero

    @property
    def bits_per_nonzero(self) -> int:
        """Bits that a slot reads of each non-zero coefficient: its column, and its bit, or all if digital."""
        return address_bits(self.vectors) + (self.config.coefficient_bits if self.digital else 1)

    @property
    def input_bits(self) -> Ints:
        """Bits of inputs that are fetched."""
        return self.rows * self.config.activation_bits

    def bits_of_slots(self, number: int) -> list[int]:
        """Return the bits that each slot of a slice reads, in their order."""
        bits: list[int] = []
        for slot_of in self.slot_of[:, number]:
            taking = slot_of >= 0
            bits += np.bincount(slot_of[taking], self.nonzeros[number, taking]).astype(int).tolist()
        return [each * self.bits_per_nonzero for each in bits] * self.repeats

    @property
    def _used(self) -> Ints:
        """Columns that kernels take in all slots."""
        return self._over_sets(self.used.sum(axis=2))

    def _over_sets(self, of_sets: NDArray[np.integer]) -> Ints:
        total: Ints = of_sets.sum(axis=0, dtype=np.int64) * self.repeats
        return total


def layer_passes(
    config: BasisNConfig, placed: BasisNMap, name: str, seed: int, loaded: LoadedBasis | None
) -> LayerPasses:
    """Return what the passes of a layer take.

    seed : of supports that are drawn
    loaded : coefficients that are computed with, or of a file; None where supports are drawn
    """
    layer, digital = placed.layers[name], config.variant == "digital"
    slices, kernels = layer.counts.slices, layer.counts.kernels
    if loaded is not None:
        coefficients = loaded.coefficients[name]
        nonzeros = np.count_nonzero(coefficients.values, axis=2).astype(np.int64)
        supports = loaded_supports(config, coefficients)
    else:
        nonzeros = np.full((slices, kernels), config.nonzeros, np.int64)
        figures = slices, kernels, placed.vectors, config.nonzeros
        if config.coefficients.drawn == "packed":
            supports = packed_supports(*figures, config.capacity)[None]
        else:
            supports = drawn_supports(seed, name, *figures)[None]
    used = np.bitwise_count(supports).sum(axis=3, dtype=np.int64)
    return LayerPasses(
        config,
        layer,
        placed.vectors,
        share_slots(supports, config.capacity),
        used,
        _arrays_of(supports, placed.vectors, config.vectors_per_array),
        nonzeros,
        config.coefficient_bits if loaded is None and not digital else 1,
    )


def _arrays_of(supports: NDArray[np.uint64], vectors: int, per_array: int) -> Ints:
    """Return the crossbars in which each kernel takes some vector: (sets, slices, kernels)."""
    if vectors <= per_array:
        found = supports.any(axis=-1)
    else:
        firsts = np.arange(0, vectors, per_array)
        found = np.logical_or.reduceat(support_columns(supports, vectors), firsts, axis=-1).sum(axis=-1)
    return np.asarray(found, np.int64)
