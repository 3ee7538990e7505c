"""How the axes of a file's tensor lie on a layer's channels, rows and columns.

Files reshape, transpose and flatten at will; hardware only streams pixels of channels. So a tensor is kept as
a view of the layer that made it: each of its axes is a product of atoms, which are strided parts of one of
the layer's three axes. Moving axes about moves atoms and costs nothing; a layer that computes asks where the
channels went, and takes what it can use.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod

import numpy as np
from numpy.typing import NDArray

#: The axes of a layer's tensor, in order.
CHANNELS, ROWS, COLUMNS = "channels", "rows", "columns"
AXES = (CHANNELS, ROWS, COLUMNS)

#: What an atom is that repeats all the others, whose stride is 0.
REPEATS = "repeats"


class UnmappableError(Exception):
    """A node that no layer can stand for; says why, and the smallest edit that would make it fit.

    where : node and operator, if it is not the one that is being translated
    """

    def __init__(self, reason: str, edit: str) -> None:
        super().__init__(f"{reason}; {edit}")
        self.where: str | None = None


@dataclass(frozen=True)
class Atom:
    """A strided part of one axis of a layer's tensor: `size` places, `stride` apart.

    axis : one of `AXES`, or `REPEATS`, or a number for an axis of the network's input as long as nothing has
        asked for it
    """

    axis: str | int
    size: int
    stride: int = 1


Axis = tuple[Atom, ...]


@dataclass(frozen=True)
class View:
    """A tensor of the file: which layer made it, and what its axes are made of, the batch's of nothing.

    layer : name of the layer
    axes : atoms of each axis, the slowest first
    """

    layer: str
    axes: tuple[Axis, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape as the file has it."""
        return tuple(prod(atom.size for atom in axis) for axis in self.axes)

    @property
    def repeats(self) -> bool:
        """Whether it has places more than once."""
        return any(atom.axis == REPEATS for axis in self.axes for atom in axis)

    def of(self, layer: str) -> View:
        """Return the same view of another layer, whose tensor has the same shape."""
        return replace(self, layer=layer)

    def with_axis(self, place: int, axis: Axis, layer: str) -> View:
        """Return the view of another layer with another axis at `place`."""
        return View(layer, (*self.axes[:place], axis, *self.axes[place + 1 :]))

    def merged_from(self, place: int) -> View:
        """Return the view with all axes from `place` on as one."""
        together = merged(atom for axis in self.axes[place:] for atom in axis)
        return replace(self, axes=(*self.axes[:place], together))

    def place(self, axis: int) -> int:
        """Return the place of an axis that may count from the end; UnmappableError if it is not there."""
        return place_of(axis, len(self.axes))

    def transposed(self, order: Sequence[int]) -> View:
        """Return the view with its axes in another order."""
        return replace(self, axes=tuple(self.axes[place] for place in order))

    def reshaped(self, shape: Sequence[int]) -> View:
        """Return the view with its elements, in order, in another shape.

        raises : UnmappableError for a shape that tears an axis where no part of it ends
        """
        left = [atom for axis in self.axes for atom in axis]
        axes: list[Axis] = []
        for size in shape:
            axis: list[Atom] = []
            while size > 1:
                if not left:
                    raise UnmappableError(
                        f"it reshapes {self.shape} to {tuple(shape)}", "use a shape that fits"
                    )
                atom = left.pop(0)
                taken = int(np.gcd(size, atom.size))
                if taken < min(size, atom.size) or taken == 1:
                    raise UnmappableError(
                        f"it reshapes {self.shape} to {tuple(shape)} across channels and pixels",
                        "reshape only within one of them",
                    )
                if taken < atom.size:
                    rest = atom.size // taken
                    left.insert(0, replace(atom, size=rest))
                    atom = replace(atom, size=taken, stride=atom.stride * rest)
                axis.append(atom)
                size //= taken
            axes.append(merged(axis))
        return replace(self, axes=tuple(axes))


def place_of(axis: int, rank: int) -> int:
    """Return the place of one of `rank` axes that may count from the end.

    raises : UnmappableError if there is no such axis
    """
    if not -rank <= axis < rank:
        raise UnmappableError(f"it names axis {axis} of {rank}", "use axes from 0 up")
    return axis % rank


def whole(axis: str | int, size: int) -> Axis:
    """Return the atoms of a whole axis; none if it has one place."""
    return (Atom(axis, size),) if size > 1 else ()


def merged(axis: Iterable[Atom]) -> Axis:
    """Return the same places with as few atoms as it takes."""
    atoms: list[Atom] = []
    for atom in axis:
        if atoms and atoms[-1].axis == atom.axis and atoms[-1].stride == atom.size * atom.stride:
            atoms[-1] = Atom(atom.axis, atoms[-1].size * atom.size, atom.stride)
        else:
            atoms.append(atom)
    return tuple(atoms)


def places(axis: Axis) -> NDArray[np.int64]:
    """Return the place in the layer's axis of each place of an axis that has one kind of atoms only."""
    found = np.zeros(1, dtype=np.int64)
    for atom in axis:
        found = np.add.outer(found, np.arange(atom.size) * atom.stride).ravel()
    return found


def kinds(axis: Axis) -> set[str | int]:
    """Return which of the layer's axes an axis is made of."""
    return {atom.axis for atom in axis}


def is_whole(axis: Axis, size: int) -> bool:
    """Whether an axis is all places of one of the layer's axes of `size`, in order."""
    return axis == () if size == 1 else len(axis) == 1 and axis[0].size == size and axis[0].stride == 1


def covers(axis: Axis, kind: str, size: int) -> bool:
    """Whether an axis has each place of one of the layer's axes of `size` exactly once, in any order."""
    return kinds(axis) <= {kind} and sorted(places(axis)) == list(range(size))


def flat_places(axis: Axis, shape: tuple[int, int, int]) -> NDArray[np.int64]:
    """Return where each place of an axis of any atoms lies in a layer's tensor of `shape`, laid out flat."""
    strides = dict(zip(AXES, (shape[1] * shape[2], shape[2], 1), strict=True))
    found = np.zeros(1, dtype=np.int64)
    for atom in axis:
        step = atom.stride * strides[str(atom.axis)]
        found = np.add.outer(found, np.arange(atom.size) * step).ravel()
    return found


def transposition(axes: Sequence[Axis]) -> tuple[int, ...] | None:
    """Return an order of axes in which elements come channels first, then rows, then columns, each in order.

    That of the file where it is one; None if there is no such order.
    """
    as_they_are = range(len(axes))
    by_kind = sorted(
        as_they_are, key=lambda place: [(AXES.index(str(a.axis)), -a.stride) for a in axes[place]]
    )
    for order in (as_they_are, by_kind):
        atoms = merged(atom for place in order for atom in axes[place])
        found = [AXES.index(str(atom.axis)) for atom in atoms]
        if all(a < b for a, b in pairwise(found)) and all(atom.stride == 1 for atom in atoms):
            return tuple(order)
    return None
