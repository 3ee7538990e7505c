"""What combining basis vectors takes, in formulas: of shapes and densities alone, without any run.

Symbols, of one layer: P output pixels, S slices of R rows over all groups, F kernels of a group, B basis
vectors, of which a kernel slice combines `nnz`; n_a bits of a coefficient and n_in of an input, N crossbars
of C columns. Kernels share no column where they are `packed`, and share all of them where they are `dense`.

Source: reconstructed from what is published of BasisN (Eldebiky et al., 2024), which prints none of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod

from workloads import LoweredNetwork, MatrixNode
from workloads.basis import slices_per_group


@dataclass(frozen=True)
class LayerCounts:
    """One layer cut into slices.

    pixels : P
    groups : each of which has kernels and slices of its own
    slices : S, those of all groups
    kernels : F, those of one group
    """

    pixels: int
    groups: int
    slices: int
    kernels: int

    @property
    def passes(self) -> int:
        """Pixel-slices, each of which goes through a crossbar once: P S."""
        return self.pixels * self.slices

    @property
    def kernel_slices(self) -> int:
        """Combinations of basis vectors: S F."""
        return self.slices * self.kernels

    @property
    def products(self) -> int:
        """Results of kernel slices, which are added up to output elements: P S F."""
        return self.passes * self.kernels


def layer_counts(node: MatrixNode, length: int) -> LayerCounts:
    """Return the counts of a layer for basis vectors of a length: S = groups x ceil(rows of a kernel / R)."""
    slices = node.groups * slices_per_group(node, length)
    return LayerCounts(prod(node.shape[1:]), node.groups, slices, node.cols_per_group)


def network_counts(network: LoweredNetwork, length: int) -> dict[str, LayerCounts]:
    """Return the counts of all layers with weights, by name."""
    return {node.name: layer_counts(node, length) for node in network.nodes if isinstance(node, MatrixNode)}


def packed_slots(kernels: int, nonzeros: int, vectors: int, converters: int | None = None) -> int:
    """Return the slots of kernels that share no column wherever there is room.

    A slot holds floor(B / nnz) of them, and no more than there are converters: ceil(F / of those the fewer),
    which is ceil(F nnz / B) where nnz divides B and converters suffice.
    """
    at_once = vectors // nonzeros
    return -(-kernels // (at_once if converters is None else min(at_once, converters)))


def basisn_cycles(
    layers: Iterable[tuple[LayerCounts, int]],
    crossbars: int,
    coefficient_bits: int,
    input_bits: int,
    read_cycles: int = 1,
) -> int:
    """Return the cycles of one image: the sum over layers of ceil(P S / N) slots n_a n_in read_cycles.

    layers : with the slots of each, the same for all of its passes and bit planes
    crossbars : N replicas of the basis; 1 where N crossbars hold vectors of their own, in lock-step
    """
    slots = sum(-(-layer.passes // crossbars) * slots for layer, slots in layers)
    return slots * coefficient_bits * input_bits * read_cycles


def sparse_store_bits(kernel_slices: int, nonzeros: int, vectors: int, coefficient_bits: int) -> int:
    """Return the bits of stored coefficients, each with its column: S F nnz (n_a + ceil(log2 B))."""
    return kernel_slices * nonzeros * (coefficient_bits + address_bits(vectors))


def address_bits(vectors: int) -> int:
    """Return the bits that tell one of so many columns: ceil(log2 B)."""
    return (vectors - 1).bit_length()


def grouped_conversions(layers: Sequence[LayerCounts], coefficient_bits: int, input_bits: int) -> int:
    """Return the conversions of one image where columns join before a converter: P S F n_a n_in, summed.

    It is the sum over slots of the kernels in each, for every input bit: of kernels with ones in all planes.
    """
    return sum(layer.products for layer in layers) * coefficient_bits * input_bits


def column_conversions(layers: Sequence[LayerCounts], vectors: int, input_bits: int) -> int:
    """Return the conversions of one image where each column has its own converter: P S B n_in, summed."""
    return sum(layer.passes for layer in layers) * vectors * input_bits
