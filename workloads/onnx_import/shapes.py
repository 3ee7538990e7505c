"""Operators that move axes about, which costs nothing, and those that pass on what they read."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from workloads.layers import Select
from workloads.onnx_import.constants import Constant
from workloads.onnx_import.operators import translates
from workloads.onnx_import.translation import Operator, Translation, Value
from workloads.onnx_import.views import (
    AXES,
    REPEATS,
    UnmappableError,
    View,
    is_whole,
    merged,
    place_of,
    places,
    whole,
)

_REAL_TYPES = (1, 10, 11, 16)  # float, float16, double, bfloat16


@translates("Identity", "ZipMap")
def identity(t: Translation, node: Operator) -> Sequence[Value]:
    """Pass on."""
    return [t.value(node, 0)]


@translates("Dropout")
def dropout(t: Translation, node: Operator) -> Sequence[Value]:
    """Pass on, as nothing is dropped once trained; the mask is nobody's."""
    return [t.value(node, 0)]


@translates("Cast")
def cast(t: Translation, node: Operator) -> Sequence[Value]:
    """Pass on real numbers as real numbers, and token ids as integers."""
    value = t.value(node, 0)
    if isinstance(value, View) and value.layer == t.input and t.graph.input.name in t.graph.integers:
        return [value]
    if node.get("to") not in _REAL_TYPES:
        raise UnmappableError("it turns real numbers into integers", "end the network before it")
    return [t.value(node, 0)]


@translates("Shape")
def shape(t: Translation, node: Operator) -> Sequence[Value]:
    """Give a constant, as all shapes are fixed."""
    sizes = t.view(node).shape
    start, end = node.get("start", 0), node.get("end", len(sizes))
    return [Constant.of(np.array(sizes[start:end], np.int64))]


@translates("Size")
def size(t: Translation, node: Operator) -> Sequence[Value]:
    """Give a constant, as all shapes are fixed."""
    return [Constant.of(np.array(prod(t.view(node).shape), np.int64))]


@translates("Reshape")
def reshape(t: Translation, node: Operator) -> Sequence[Value]:
    """Take a shape in which 0 keeps an axis and -1 takes what is left."""
    view = t.view(node, repeats=True)
    sizes = t.integers(node, 1, "shape")
    if sizes is None:
        raise UnmappableError("it has no shape", "give it one")
    if not node.get("allowzero", 0):
        sizes = [view.shape[i] if size == 0 and i < len(view.shape) else size for i, size in enumerate(sizes)]
    if sizes.count(-1) == 1:
        known = prod(size for size in sizes if size != -1)
        sizes[sizes.index(-1)] = prod(view.shape) // known if known else 0
    if min(sizes, default=1) < 1 or prod(sizes) != prod(view.shape):
        raise UnmappableError(
            f"it reshapes {view.shape} to {tuple(sizes)}, which has another number of elements",
            "export it with an open batch axis",
        )
    return [_without_repeats(t, node, view.reshaped(sizes))]


def _without_repeats(t: Translation, node: Operator, view: View) -> View:
    """Return a view whose layer repeats what the view repeats along the rest of the same axis."""
    if not view.repeats:
        return view
    view = t.asked_for(view, 1 if len(view.axes) > 1 else 0)
    sizes = dict(zip(AXES, t.shape(view.layer), strict=True))
    axes, picked = list(view.axes), {}
    for place, axis in enumerate(view.axes):
        repeated = merged(atom for atom in axis if atom.axis != REPEATS)
        kind = str(repeated[0].axis) if repeated else REPEATS
        if repeated != axis and is_whole(repeated, sizes.get(kind, 0)):
            picked[kind] = tuple(int(index) for index in places(axis))
            axes[place] = whole(kind, len(picked[kind]))
    if not picked:
        return view
    return View(t.add(Select(name=t.name(node.name), inputs=(view.layer,), **picked)), tuple(axes))


@translates("Flatten")
def flatten(t: Translation, node: Operator) -> Sequence[Value]:
    """Merge all axes before one, and all from it on."""
    view = t.view(node)
    axis = node.get("axis", 1)
    axis += len(view.axes) if axis < 0 else 0
    if axis == 0:
        t.image_axis(view, 0)
    return [view.reshaped((prod(view.shape[:axis]), prod(view.shape[axis:])))]


@translates("Transpose")
def transpose(t: Translation, node: Operator) -> Sequence[Value]:
    """Take axes in any order."""
    view = t.view(node, repeats=True)
    order = node.get("perm", list(reversed(range(len(view.axes)))))
    if sorted(order) != list(range(len(view.axes))):
        raise UnmappableError(f"it takes axes {order} of {len(view.axes)}", "name each of them once")
    return [view.transposed(order)]


@translates("Squeeze")
def squeeze(t: Translation, node: Operator) -> Sequence[Value]:
    """Drop axes of one place."""
    view = t.view(node)
    axes = t.integers(node, 1, "axes")
    if axes is None:
        axes = [place for place, size in enumerate(view.shape) if size == 1]
    gone = {view.place(axis) for axis in axes}
    return [View(view.layer, tuple(axis for place, axis in enumerate(view.axes) if place not in gone))]


@translates("Unsqueeze")
def unsqueeze(t: Translation, node: Operator) -> Sequence[Value]:
    """Insert axes of one place."""
    view = t.view(node)
    new = t.integers(node, 1, "axes") or []
    rank = len(view.axes) + len(new)
    at, left = {place_of(axis, rank) for axis in new}, list(view.axes)
    if len(at) < len(new):
        raise UnmappableError(f"it names an axis twice in {new}", "name each once")
    return [View(view.layer, tuple(() if place in at else left.pop(0) for place in range(rank)))]
