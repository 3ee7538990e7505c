"""A basis shared by all layers, and the quantised coefficients that make kernels of it.

A kernel is cut into slices as long as a basis vector, the last one padded with zeros; each slice is a sum of
basis vectors times integers (Eldebiky et al., BasisN, 2024; cut and pad assumed). Kernels of a group see only
the inputs of their group, so each group has slices of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workloads.nodes import MatrixNode

#: Vectors of a basis, and elements of a vector: far more than crossbars have columns and rows.
MOST_VECTORS, MOST_LENGTH = 2**13, 2**12


@dataclass(frozen=True, eq=False)
class SharedBasis:
    """Vectors of integers, as cells hold them.

    vectors : (vectors, length) int16
    bits : of an element, sign included
    """

    vectors: NDArray[np.int16]
    bits: int

    @property
    def length(self) -> int:
        """Elements of a vector."""
        return int(self.vectors.shape[1])


@dataclass(frozen=True, eq=False)
class Coefficients:
    """Of all kernel slices of one layer.

    values : (slices, kernels, vectors) int8: slices of the first group first, kernels those of one group
    bits : of a coefficient, in two's complement
    """

    values: NDArray[np.int8]
    bits: int

    @property
    def nonzeros(self) -> int:
        """Coefficients that are not zero."""
        return int(np.count_nonzero(self.values))

    @property
    def plane_weights(self) -> NDArray[np.int64]:
        """What a one is worth in each bit plane, the least significant first: (bits,)."""
        weights = 2 ** np.arange(self.bits, dtype=np.int64)
        weights[-1] *= -1
        return weights

    @property
    def planes(self) -> NDArray[np.bool_]:
        """Where each bit plane has ones: (bits, slices, kernels, vectors)."""
        places = np.arange(self.bits, dtype=np.int8)[:, None, None, None]
        return (self.values >> places & 1).astype(np.bool_)


def slices_per_group(node: MatrixNode, length: int) -> int:
    """Return the slices that each kernel of a layer is cut into, for vectors of a length."""
    return -(-node.rows // length)


def matrix_of(basis: SharedBasis, coefficients: Coefficients, node: MatrixNode) -> NDArray[np.int32]:
    """Return the weights (groups, rows, kernels of a group) int32 that a basis and coefficients make."""
    slices = np.einsum(
        "skv,vl->skl", coefficients.values.astype(np.float64), basis.vectors.astype(np.float64), optimize=True
    )
    kernels = slices.shape[1]
    whole = slices.reshape(node.groups, -1, kernels, basis.length).transpose(0, 1, 3, 2)
    matrix: NDArray[np.int32] = whole.reshape(node.groups, -1, kernels)[:, : node.rows].astype(np.int32)
    return matrix
