"""What converters read of a crossbar in one pass, and what the digital side makes of the codes.

Columns are joined: in each bit plane of the coefficients those on which a kernel has a one go to one
converter together, and the code counts what the plane does. Or each column is converted by itself, and the
code is multiplied by the coefficients of all kernels. Where several bitlines hold a vector, as slices of its
elements and their signs, each kind of them is joined apart; a unit bitline is converted by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arch.arrays.analog_cells import recombination
from arch.arrays.encoding import Encoded
from workloads.basis import Coefficients

Ints = NDArray[Any]

#: The converter of a unit bitline, behind those of all columns.
UNIT_CONVERTER = -1


@dataclass(frozen=True, eq=False)
class ColumnGroups:
    """Bitlines of one crossbar that are converted together, for one slice of a layer.

    begins : (groups + 1,) int32, where the members of each begin; none is empty
    members : (n,) int32, bitlines
    converters : (groups,) int32, column of the crossbar whose converter reads each, or UNIT_CONVERTER
    terms : (2, terms) int64, groups and kernels
    weights : (terms,) float64, what the sum of the group counts in the kernel
    """

    begins: NDArray[np.int32]
    members: NDArray[np.int32]
    converters: NDArray[np.int32]
    terms: NDArray[np.int64]
    weights: NDArray[np.float64]

    @property
    def sizes(self) -> Ints:
        """Bitlines of each group."""
        return np.diff(self.begins)

    def joined(self, bitlines: NDArray[Any]) -> NDArray[np.float64]:
        """Return the sums (..., groups) of what bitlines (..., bitlines) have."""
        belongs = np.zeros((bitlines.shape[-1], len(self.converters)))
        belongs[self.members, np.repeat(np.arange(len(self.converters)), self.sizes)] = 1
        return bitlines.astype(np.float64) @ belongs


def single_columns(encoded: Encoded, g_off: float, values: Ints) -> ColumnGroups:
    """Return each bitline by itself.

    encoded : vectors of the crossbar
    g_off : conductance of level 0 [level]
    values : (kernels, vectors) coefficients
    """
    worth, share = _worth(encoded, g_off)
    kinds, vectors = worth.shape
    kernel, vector = np.nonzero(values)
    bitlines = np.arange(kinds)[:, None] * vectors + vector
    terms = np.stack([bitlines.ravel(), np.tile(kernel, kinds)])
    weights = (worth[:, vector] * values[kernel, vector]).ravel()
    every = np.arange(kinds * vectors)
    return _groups(encoded, (np.ones_like(every), every, every, terms, weights), values @ share)


def joined_columns(
    encoded: Encoded, g_off: float, coefficients: Coefficients, slots: Ints, sharing: int
) -> ColumnGroups:
    """Return the columns of each kernel's ones in each bit plane together.

    encoded, g_off : as `single_columns` takes them, all bitlines of a kind of one worth
    coefficients : of one slice, for the vectors of the crossbar
    slots : (planes, kernels) in which columns are read; a kernel's place there is that of its converters, one
        for each kind
    sharing : columns for each of which there is a converter
    """
    worth, share = _worth(encoded, g_off)
    kinds, vectors = worth.shape
    planes = coefficients.planes[:, 0]
    plane, kernel = np.nonzero(planes.any(axis=2))
    places = np.stack([places_in_slots(of_plane) for of_plane in slots])
    members = np.arange(kinds)[:, None] * vectors + np.nonzero(planes)[2]
    groups = (
        np.tile(planes.sum(axis=2)[plane, kernel], kinds),
        members.ravel(),
        ((places[plane, kernel] * kinds + np.arange(kinds)[:, None]) * sharing).ravel(),
        np.stack([np.arange(kinds * len(plane)), np.tile(kernel, kinds)]),
        np.outer(worth[:, 0], coefficients.plane_weights[plane]).ravel(),
    )
    return _groups(encoded, groups, coefficients.values[0] @ share)


def places_in_slots(slots: Ints) -> Ints:
    """Return the place of each kernel among those of its slot, (kernels,), for slots (kernels,).

    >>> places_in_slots(np.array([0, 1, 0, 0, 1])).tolist()
    [0, 0, 1, 2, 1]
    """
    order = np.argsort(slots, kind="stable")
    ordered = slots[order]
    places = np.empty(len(slots), np.int64)
    places[order] = np.arange(len(slots)) - np.searchsorted(ordered, ordered)
    return places


def _worth(encoded: Encoded, g_off: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what sums count in the product of each vector.

    returns : (kinds, vectors) of the bitlines that hold it; (vectors, 1) of a unit bitline, or (vectors, 0)
    """
    vectors = len(encoded.unit_coefficient)
    _, weights = recombination(encoded, g_off)
    own = len(encoded.column) - encoded.has_unit
    return weights[:own].reshape(-1, vectors), weights[own:].reshape(vectors, -1)


def _groups(encoded: Encoded, groups: tuple[Ints, ...], shares: NDArray[np.float64]) -> ColumnGroups:
    """Return groups, and behind them a unit bitline if there is one.

    groups : sizes, members, converters, terms and weights
    shares : (kernels, 1) of the unit bitline's sum; (kernels, 0) without one
    """
    sizes, members, converters, terms, weights = groups
    if encoded.has_unit:
        kernels = np.arange(len(shares))
        terms = np.concatenate([terms, [np.full_like(kernels, len(sizes)), kernels]], axis=1)
        weights = np.append(weights, shares)
        sizes, members = np.append(sizes, 1), np.append(members, len(encoded.column) - 1)
        converters = np.append(converters, UNIT_CONVERTER)
    begins = np.concatenate([[0], np.cumsum(sizes)])
    begins, members, converters = (each.astype(np.int32) for each in (begins, members, converters))
    return ColumnGroups(begins, members, converters, terms, weights)
