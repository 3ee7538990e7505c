"""The basis in the cells of crossbars: written once, read by all layers.

Crossbars that hold all vectors are replicas, each with passes of its own; crossbars that share the vectors
out work on every pass together. Cells and converters differ by crossbar, not by layer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arch.arrays.analog_cells import Cells, program
from arch.arrays.analog_product import CELLS
from arch.arrays.array_parts import ArrayParts
from arch.arrays.encoding import Encoded
from simcore import MappingError
from simcore.noise import derive, stream_key
from workloads.basis import SharedBasis


@dataclass(frozen=True, eq=False)
class BasisArray:
    """One crossbar.

    vectors : of the basis that it holds
    encoded, cells : what was to be written, and what the cells conduct
    key : of its random numbers
    """

    vectors: slice
    encoded: Encoded
    cells: Cells
    key: np.uint64


@dataclass(frozen=True, eq=False)
class WrittenBasis:
    """All crossbars.

    lanes : crossbars that work on a pass together, which hold all vectors; every lane has as many
    """

    basis: SharedBasis
    parts: ArrayParts
    lanes: tuple[tuple[BasisArray, ...], ...]


def write_crossbars(basis: SharedBasis, parts: ArrayParts, crossbars: int, *, distinct: bool) -> WrittenBasis:
    """Return crossbars with the basis: all of it in each, or shared out if `distinct`.

    raises : MappingError for a basis that cells, wordlines or columns have no room for
    """
    crossbar, encoding = parts.crossbar, parts.encoding
    encoding.check_weights(basis.vectors, "basis")
    vectors, length = basis.vectors.shape
    if length > crossbar.rows:
        raise MappingError(
            f"basis: vectors must have at most {crossbar.rows} elements, one a wordline, got {length}; take "
            "shorter ones, or raise array.rows"
        )
    room = crossbar.cols // encoding.columns_per_weight
    most = room * crossbars if distinct else room
    if vectors > most:
        where = f"{crossbars} crossbars" if distinct else "a crossbar"
        raise MappingError(
            f"basis: there must be at most {most} vectors, which the columns of {where} hold, got {vectors}; "
            "take fewer, or raise array.cols"
        )
    if not distinct:
        every = slice(0, vectors)
        return WrittenBasis(basis, parts, tuple((_write(basis, parts, n, every),) for n in range(crossbars)))
    shares = [slice(first, min(first + room, vectors)) for first in range(0, vectors, room)]
    together = tuple(_write(basis, parts, n, share) for n, share in enumerate(shares))
    return WrittenBasis(basis, parts, (together,))


def _write(basis: SharedBasis, parts: ArrayParts, crossbar: int, vectors: slice) -> BasisArray:
    """Return a crossbar of this number with these vectors."""
    key = stream_key(parts.seed, "basis", crossbar)
    encoded = parts.encoding.encode(basis.vectors[vectors].T)
    cells = program(encoded, parts.encoding, parts.physics, np.uint64(derive(key, CELLS)))
    return BasisArray(vectors, encoded, cells, key)
