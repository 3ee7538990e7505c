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
from arch.machines.basisn.plan import BasisNMap, LoadedBasis, SlicedLayer
from arch.mapping.slots import drawn_supports, packed_supports, share_slots, support_words

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LayerPasses:
    """Of one layer, figures of one pass of each slice.

    slot_of : (sets, slices, kernels) int32, -1 for a kernel that takes none; sets of slots follow each other
    used : (sets, slices, kernels), columns that each kernel takes there
    nonzeros : (slices, kernels), of all bit planes together
    repeats : how often the sets are gone through, for as many bit planes with the same supports
    """

    config: BasisNConfig
    layer: SlicedLayer
    vectors: int
    slot_of: NDArray[np.int32]
    used: Ints
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
        """Cycles of a slot: every bit of the inputs; in digital with every bit of the coefficients."""
        planes = self.config.coefficients.bits if self.digital else 1
        return planes * self.config.activation_bits * self.config.array.mvm_cycles

    @property
    def cycles(self) -> Ints:
        """Cycles of a pass."""
        return self.slots * self.slot_cycles

    # -- actions ---------------------------------------------------------------------------------------------

    @property
    def reads(self) -> Ints:
        """Reads of a crossbar: for each slot, or once for all if digital; none without slots."""
        slots = np.minimum(self.slots, 1) if self.digital else self.slots
        return slots * self.config.activation_bits

    @property
    def cell_reads(self) -> Ints:
        """Cells that are read: those of all vectors, on the rows in use."""
        return self.reads * self.rows * self.vectors

    @property
    def row_drives(self) -> Ints:
        """Rows that are driven, in each crossbar that takes part."""
        return self.reads * self.rows * self.config.lockstep

    @property
    def conversions(self) -> Ints:
        """Conversions: of each kernel in each of its slots, or of each column if digital."""
        if self.digital:
            return self.reads * self.vectors
        return self._kernels * self.config.activation_bits

    @property
    def shift_adds(self) -> Ints:
        """Numbers added to a sum: conversions; or if digital each column that a kernel takes, bit by bit."""
        planes = self.config.coefficients.bits * self.config.activation_bits
        return self._used * planes if self.digital else self.conversions

    @property
    def switched(self) -> Ints:
        """Columns that are joined to a converter; none if digital."""
        return self._used * (not self.digital)

    @property
    def coefficient_bits(self) -> Ints:
        """Bits read from the memory of coefficients."""
        taking = (self.slot_of >= 0) * self.nonzeros
        return self._over_sets(taking.sum(axis=2)) * self.bits_per_nonzero

    @property
    def bits_per_nonzero(self) -> int:
        """Bits that a slot reads of each non-zero coefficient: its column, and its bit, or all if digital."""
        return address_bits(self.vectors) + (self.config.coefficients.bits if self.digital else 1)

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
    def _kernels(self) -> Ints:
        """Kernels in all slots."""
        return self._over_sets((self.slot_of >= 0).sum(axis=2))

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
    capacity = config.columns if digital else config.converters
    slices, kernels = layer.counts.slices, layer.counts.kernels
    if loaded is not None:
        coefficients = loaded.coefficients[name]
        places = (coefficients.values != 0)[None]
        nonzeros = np.count_nonzero(coefficients.values, axis=2).astype(np.int64)
        sets = places if digital else coefficients.planes
        slot_of = share_slots(support_words(sets), capacity)
        used = sets.sum(axis=3, dtype=np.int64)
        return LayerPasses(config, layer, placed.vectors, slot_of, used, nonzeros, repeats=1)
    drawn = config.coefficients
    if drawn.drawn == "packed":
        supports = packed_supports(slices, kernels, placed.vectors, drawn.nonzeros, capacity)
    else:
        supports = drawn_supports(seed, name, slices, kernels, placed.vectors, drawn.nonzeros)
    slot_of = share_slots(supports[None], capacity)
    nonzeros = np.full((slices, kernels), drawn.nonzeros, np.int64)
    repeats = 1 if digital else drawn.bits
    return LayerPasses(config, layer, placed.vectors, slot_of, nonzeros[None], nonzeros, repeats)
