"""Sums, products and quotients of tensors, repeated where one is shorter, and tensors joined along channels.

A constant that is added or multiplies makes a factor and an offset for each channel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.layers import Add, Affine, Concat, Layer, Mul, Select
from workloads.onnx_import.attention import HIDDEN, hidden, is_mask, scaled_scores
from workloads.onnx_import.constants import Constant
from workloads.onnx_import.functions import Elementwise
from workloads.onnx_import.operators import translates
from workloads.onnx_import.tokens import with_constant_of_each_token, with_tokens
from workloads.onnx_import.translation import Operator, Translation, Value
from workloads.onnx_import.views import (
    AXES,
    CHANNELS,
    Axis,
    UnmappableError,
    View,
    covers,
    places,
    whole,
)

Float = NDArray[np.float64]

_COMBINE = {"Add": np.add, "Sum": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide}


@translates("Add", "Sub", "Mul", "Div")
def arithmetic(t: Translation, node: Operator) -> Sequence[Value]:
    """Join two tensors, or a tensor and a constant: a number, or one for each channel."""
    left, right = t.value(node, 0), t.value(node, 1)
    if isinstance(left, Constant):
        return [_with_constant(t, node, right, left, first=True)]
    if isinstance(right, Constant):
        return [_with_constant(t, node, left, right, first=False)]
    return [_joined(t, node, [left, right])]


@translates("Neg")
def negative(t: Translation, node: Operator) -> Sequence[Value]:
    """Multiply by -1."""
    return [_scaled(t, node, t.value(node, 0), -1.0, 0.0)]


@translates("Sum")
def total(t: Translation, node: Operator) -> Sequence[Value]:
    """Add any number of tensors."""
    values = [t.value(node, place) for place in range(len(node.inputs))]
    if any(isinstance(value, Constant) for value in values):
        raise UnmappableError("it adds a constant", "add it with an Add of its own")
    return [values[0] if len(values) == 1 else _joined(t, node, values)]


@translates("Concat")
def concatenation(t: Translation, node: Operator) -> Sequence[Value]:
    """Join along channels, or put constant tokens in front of others."""
    values = [t.value(node, place) for place in range(len(node.inputs))]
    if isinstance(values[0], Constant):
        constants = [each for each in values[:-1] if isinstance(each, Constant)]
        view = t.view(node, len(values) - 1)
        if len(constants) < len(values) - 1:
            raise UnmappableError("it joins constants and several tensors", "join the tensors before")
        return [with_tokens(t, node, constants, view, t.image_axis(view, node.get("axis", 1)))]
    views = [t.view(node, place) for place in range(len(node.inputs))]
    axis = t.image_axis(views[0], node.get("axis", 1))
    views = [t.channels_in_order(node, view, axis) for view in views]
    first = views[0]
    for view in views[1:]:
        if view.with_axis(axis, (), first.layer) != first.with_axis(axis, (), first.layer):
            raise UnmappableError(
                f"it joins {first.shape} and {view.shape} with their axes in different orders",
                "bring them into one order",
            )
    if len(views) == 1:
        return [first]
    layer = Concat(name=t.name(node.name), inputs=tuple(view.layer for view in views))
    channels = sum(view.shape[axis] for view in views)
    return [first.with_axis(axis, whole(CHANNELS, channels), t.add(layer))]


def _with_constant(t: Translation, node: Operator, value: Value, constant: Constant, *, first: bool) -> Value:
    """Return a value with a constant added to it or multiplying it.

    first : whether the constant is the node's first operand, as in 1 - x
    """
    assert isinstance(value, View | Elementwise)
    view = value if isinstance(value, View) else value.base
    if node.kind == "Add" and is_mask(constant):
        return _with_mask(t, node, t.made(value), constant)
    missing = len(constant.shape) - len(view.axes)
    if missing > 0:  # the result has as many axes as the constant
        made = t.made(value)
        value = View(made.layer, ((),) * missing + made.axes)
    number = constant.scalar()
    if not constant.is_finite or (node.kind == "Div" and not first and not constant.array().all()):
        raise UnmappableError("its constant holds nan, infinity, or a zero to divide by", "train it anew")
    if node.kind == "Div" and first:
        if number is None:
            raise _divides()
        return t.function(node, [number, value], np.divide, _refuse_division)
    if number is None:
        return _with_vector(t, node, t.made(value), constant, first=first)
    return _scaled(t, node, value, *_factor_and_offset(node.kind, number, first=first))


def _with_mask(t: Translation, node: Operator, view: View, mask: Constant) -> View:
    """Return scores of which those are hidden to which the mask adds a number far below all others."""
    added = mask.numbers()
    if not np.isin(added[added > HIDDEN], 0.0).all():
        raise UnmappableError("its mask adds other numbers, too", "add those in an Add of their own")
    return hidden(t, node, view, added > HIDDEN)


def _scaled(t: Translation, node: Operator, value: Value, factor: float, offset: float) -> Elementwise:
    """Return a value times a number, and another one added."""

    def layer(views: Sequence[View]) -> View:
        (view,) = views
        if offset == 0.0 and (scores := scaled_scores(t, node.name, view, factor)) is not None:
            return scores
        name = t.name(node.name)
        loads = {
            key: lambda number=number: np.full(t.shape(name)[0], number)
            for key, number in (("weight", factor), ("bias", offset))
        }
        return view.of(t.add(Affine(name=name, inputs=(view.layer,)), **loads))

    return t.function(node, [value], lambda x: x * factor + offset, layer)


def _with_vector(t: Translation, node: Operator, view: View, constant: Constant, *, first: bool) -> View:
    """Return the view of a layer with a factor and an offset for each channel."""
    shape = (1,) * (len(view.axes) - len(constant.shape)) + constant.shape
    long = [axis for axis, size in enumerate(shape) if size > 1]
    axis = long[0] if len(long) == 1 else len(view.axes) - 1 if len(view.axes) == 3 else 1
    view = t.asked_for(view, axis)
    channels = t.shape(view.layer)[0]
    if len(long) != 1 or not covers(view.axes[axis], CHANNELS, channels):
        if node.kind == "Add" or (node.kind == "Sub" and not first):
            return with_constant_of_each_token(t, node, view, constant, 1.0 if node.kind == "Add" else -1.0)
        raise UnmappableError(
            f"its constant of shape {constant.shape} is not one number for each of {channels} channels",
            "use one number for each channel",
        )
    order = places(view.axes[axis])

    def vectors(which: int) -> Callable[[], Float]:
        def load() -> Float:
            values = constant.numbers().reshape(-1)
            placed = np.empty(channels)
            placed[order] = _factor_and_offset(node.kind, values, first=first)[which]
            return placed

        return load

    layer = Affine(name=t.name(node.name), inputs=(view.layer,))
    return view.of(t.add(layer, weight=vectors(0), bias=vectors(1)))


def _factor_and_offset(kind: str, value: Any, *, first: bool) -> tuple[Any, Any]:
    """Return what multiplies the tensor and what is added to it."""
    match kind:
        case "Add":
            return 1.0, value
        case "Sub":
            return (-1.0, value) if first else (1.0, -value)
        case "Mul":
            return value, 0.0
    return 1.0 / value, 0.0


def _divides() -> UnmappableError:
    return UnmappableError("it divides by what is computed while the network runs", "multiply instead")


def _refuse_division(views: Sequence[View]) -> View:
    raise _divides()


def _joined(t: Translation, node: Operator, values: Sequence[Value]) -> Value:
    """Return the sum, difference, product or quotient of tensors.

    Those that are functions of one tensor make another function of it.
    """

    def layer(views: Sequence[View]) -> View:
        if node.kind == "Div":
            raise _divides()
        return _join_views(t, node, list(views))

    if len(values) == 2:
        together = t.function(node, values, _COMBINE[node.kind], layer)
        if together.sources:
            return together
    return layer([t.made(value) for value in values])


def _join_views(t: Translation, node: Operator, views: list[View]) -> View:
    """Add or multiply views, each repeated along the axes in which it has one place and others more."""
    rank = max(len(view.axes) for view in views)
    views = [View(view.layer, ((),) * (rank - len(view.axes)) + view.axes) for view in views]
    views = [t.asked_for(view, 1 if rank > 1 else 0) for view in views]
    if any(len({view.axes[place] for view in views if view.axes[place]}) > 1 for place in range(rank)):
        views = [t.places_in_order(f"{node.name}-order", view) for view in views]
    axes = tuple(_common_axis(views, place) for place in range(rank))
    views = [_repeated(t, node, view, axes, views) for view in views]
    layers = tuple(view.layer for view in views)
    if len({t.shape(layer) for layer in layers}) > 1:
        raise UnmappableError(
            f"it joins tensors whose channels and pixels do not match: {_shapes(views)}",
            "bring them into one order",
        )
    join: Layer
    if node.kind == "Mul":
        join = Mul(name=t.name(node.name), inputs=layers)
    else:
        join = Add(name=t.name(node.name), inputs=layers, signs=(1, -1) if node.kind == "Sub" else ())
    return View(t.add(join), axes)


def _common_axis(views: Sequence[View], place: int) -> Axis:
    """Return the atoms that an axis has in all views where it is longer than 1."""
    found = {view.axes[place] for view in views if view.axes[place]}
    if len(found) > 1:
        raise UnmappableError(
            f"it joins tensors whose axes are in different orders: {_shapes(views)}",
            "bring them into one order",
        )
    return found.pop() if found else ()


def _repeated(
    t: Translation, node: Operator, view: View, axes: tuple[Axis, ...], views: Sequence[View]
) -> View:
    """Return a view with its single places repeated along the axes in which others are longer."""
    missing = {atom.axis for axis, own in zip(axes, view.axes, strict=True) if not own for atom in axis}
    if not missing:
        return view
    longest = [max(t.shape(each.layer)[i] for each in views) for i in range(3)]
    own = dict(zip(AXES, t.shape(view.layer), strict=True))
    repeats = {
        kind: (0,) * size
        for kind, size in zip(AXES, longest, strict=True)
        if kind in missing and own[kind] == 1
    }
    layer = Select(name=t.name(f"{node.name}-repeat"), inputs=(view.layer,), **repeats)
    return View(t.add(layer), axes)


def _shapes(views: Sequence[View]) -> str:
    return ", ".join(str(view.shape) for view in views)
