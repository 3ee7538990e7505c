"""What a pass adds to the sums of a pixel: a slice of its window times all kernels of a group.

Slices are numbered group by group. Here products are exact; `arch.machines.basisn.analog_slices` has those of
real crossbars.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from arch.mapping.tiling import wordlines_of
from simcore import MappingError
from simcore.kernels.basis_pass import multiply_basis
from simcore.kernels.integer_mvm import multiply_block
from workloads import MatrixNode
from workloads.basis import Coefficients, SharedBasis, matrix_of, slices_per_group

Ints = NDArray[Any]


class LayerSlice(NamedTuple):
    """What a pass meets.

    wordlines : (rows,) int32, element of the window on each wordline
    first_col : output column of the first kernel
    weights : (rows, kernels) int32 that coefficients and vectors make
    """

    wordlines: NDArray[np.int32]
    first_col: int
    weights: NDArray[np.int32]


def cut_layer(node: MatrixNode, basis: SharedBasis, coefficients: Coefficients) -> list[LayerSlice]:
    """Return all slices of a layer.

    raises : MappingError for coefficients that are not the layer's
    """
    vectors, length = basis.vectors.shape
    expected = (node.groups * slices_per_group(node, length), node.cols_per_group, vectors)
    if coefficients.values.shape != expected:
        raise MappingError(
            f"{node.name}: coefficients must be (slices, kernels, vectors) = {expected}, got "
            f"{coefficients.values.shape}; fit the basis to this network"
        )
    each = node.cols_per_group
    return [
        LayerSlice(elements[first : first + length], group * each, weights[first : first + length])
        for group, weights in enumerate(matrix_of(basis, coefficients, node))
        for elements in [wordlines_of(node, group)]
        for first in range(0, node.rows, length)
    ]


class ExactSlices:
    """The passes of one layer in exact integers.

    Through the basis as crossbars do it, or by kernels that are combined beforehand where that is fewer
    products: layers of few kernels, and bases of very many vectors.
    """

    def __init__(self, node: MatrixNode, basis: SharedBasis, coefficients: Coefficients) -> None:
        slices = cut_layer(node, basis, coefficients)
        projections = len(slices) * basis.vectors.size
        combined = sum(part.weights.size for part in slices)
        fits = all(np.abs(part.weights).max(initial=0) < 2**15 for part in slices)
        self._passes = (
            _combined(slices)
            if fits and combined < projections + coefficients.nonzeros
            else _through_basis(slices, basis, coefficients)
        )

    def multiply(
        self, windows: Ints, sums: Ints, slot: int, part: int, image: int, pixel: int, lane: int = 0
    ) -> int:
        """Add the products of slice `part` of a window to its sums; return 0: no conversion can clip.

        windows : (slots, elements) int16 or int32, code - zero
        sums : (slots, columns) int64, or int32 where no sum of a layer can overflow it
        image, pixel, lane : of no meaning here; see `AnalogSlices`
        """
        self._passes[part](windows, sums, slot)
        return 0


Pass = Callable[[Ints, Ints, int], None]


def _combined(slices: list[LayerSlice]) -> list[Pass]:
    """Return passes that multiply by each kernel."""

    def multiplying(part: LayerSlice) -> Pass:
        weights = np.ascontiguousarray(part.weights, np.int16)
        return lambda windows, sums, slot: multiply_block(
            windows, weights, part.wordlines, part.first_col, sums, slot
        )

    return [multiplying(part) for part in slices]


def _through_basis(slices: list[LayerSlice], basis: SharedBasis, coefficients: Coefficients) -> list[Pass]:
    """Return passes that multiply by each vector, and add up what each kernel takes of that."""
    fits = np.abs(basis.vectors).max(initial=0) < 2**7
    vectors = np.ascontiguousarray(basis.vectors, np.int8 if fits else np.int16)

    def multiplying(part: LayerSlice, values: NDArray[np.int8]) -> Pass:
        kernel, vector = np.nonzero(values)
        begins = np.searchsorted(kernel, np.arange(len(values) + 1)).astype(np.int32)
        taken, shares = vector.astype(np.int32), values[kernel, vector]

        def multiply(windows: Ints, sums: Ints, slot: int) -> None:
            projections = np.empty(len(vectors), sums.dtype)
            kernels = (begins, taken, shares, part.first_col)
            multiply_basis(windows, slot, part.wordlines, vectors, *kernels, projections, sums)

        return multiply

    return [multiplying(part, values) for part, values in zip(slices, coefficients.values, strict=True)]
