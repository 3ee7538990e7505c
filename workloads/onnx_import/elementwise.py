"""Functions of each element, alone or of two tensors, and constants that are added or multiply."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.activation_functions import activations
from workloads.layers import Add, Affine, Clamp, Concat, Layer, Mul, Select, Softmax
from workloads.onnx_import.constants import Constant
from workloads.onnx_import.operators import translates
from workloads.onnx_import.translation import Elementwise, Function, Operator, Translation, Value
from workloads.onnx_import.views import (
    AXES,
    CHANNELS,
    Axis,
    UnmappableError,
    View,
    covers,
    merged,
    places,
    whole,
)

Float = NDArray[np.float64]

#: Registered functions by operator, with the defaults that the file's operators have.
_FUNCTIONS: dict[str, tuple[str, dict[str, float]]] = {
    "Relu": ("relu", {}),
    "LeakyRelu": ("leaky-relu", {"alpha": 0.01}),
    "Elu": ("elu", {"alpha": 1.0}),
    "Selu": ("selu", {"alpha": 1.67326319217681884765625, "beta": 1.05070102214813232421875}),
    "Sigmoid": ("sigmoid", {}),
    "HardSigmoid": ("hard-sigmoid", {"alpha": 0.2, "beta": 0.5}),
    "HardSwish": ("hard-swish", {}),
    "Tanh": ("tanh", {}),
    "Softplus": ("softplus", {}),
    "Softsign": ("softsign", {}),
    "Mish": ("mish", {}),
    "Gelu": ("gelu", {}),
    "Abs": ("abs", {}),
    "Erf": ("erf", {}),
}

#: Functions that only make sense as a part of another one.
_PARTS: dict[str, Function] = {
    "Sqrt": np.sqrt,
    "Exp": np.exp,
    "Log": np.log,
    "Reciprocal": lambda x: 1.0 / x,
    "Cos": np.cos,
    "Sin": np.sin,
    "Floor": np.floor,
    "Ceil": np.ceil,
    "Round": np.rint,
}


@translates(*_FUNCTIONS)
def function(t: Translation, node: Operator) -> Sequence[Value]:
    """Take a registered function of each element."""
    name, defaults = _FUNCTIONS[node.kind]
    if node.kind == "Gelu" and node.get("approximate", "none") == "tanh":
        name = "gelu-tanh"
    attributes = {"alpha": "alpha", "beta": "gamma" if node.kind == "Selu" else "beta"}
    given = {key: float(node.get(attributes[key], default)) for key, default in defaults.items()}
    known = activations[name]
    alpha, beta = given.get("alpha", 0.0), given.get("beta", 0.0)
    return [
        _elementwise(
            t,
            node,
            lambda x: known.evaluate(x, alpha, beta),
            lambda view: t.activation(node, view, name, **given),
        )
    ]


@translates(*_PARTS)
def part(t: Translation, node: Operator) -> Sequence[Value]:
    """Take a function that only makes sense as a part of a known one."""

    def refuse(view: View) -> View:
        raise UnmappableError(
            f"no layer computes {node.kind} alone",
            "use one of the activation functions that `imcsim` knows, or compute it outside the network",
        )

    return [_elementwise(t, node, _PARTS[node.kind], refuse)]


@translates("Neg")
def negative(t: Translation, node: Operator) -> Sequence[Value]:
    """Multiply by -1."""
    return [_elementwise(t, node, lambda x: -x, lambda view: _scalar_affine(t, node, view, -1.0, 0.0))]


@translates("PRelu")
def parametric_relu(t: Translation, node: Operator) -> Sequence[Value]:
    """Take one slope for all channels."""
    slope = _known(t, node, 1).scalar()
    if slope is None:
        raise UnmappableError("it has a slope for each channel", "use one slope, or a LeakyRelu")
    return [
        _elementwise(
            t,
            node,
            lambda x: np.where(x < 0.0, slope * x, x),
            lambda view: t.activation(node, view, "leaky-relu", alpha=slope),
        )
    ]


@translates("Clip")
def clip(t: Translation, node: Operator) -> Sequence[Value]:
    """Keep values between two constant bounds, either of which may be open."""
    return [_clamp(t, node, _bound(t, node, 1, "min"), _bound(t, node, 2, "max"))]


@translates("Min", "Max")
def extreme(t: Translation, node: Operator) -> Sequence[Value]:
    """Take the smaller or larger of a tensor and a number."""
    values = [t.value(node, place) for place in range(len(node.inputs))]
    bounds = [value.scalar() for value in values if isinstance(value, Constant)]
    if len(values) != 2 or len(bounds) != 1 or bounds[0] is None:
        raise UnmappableError(f"it takes the {node.kind.lower()} of tensors", "compare with one number only")
    moving = node if not isinstance(values[0], Constant) else _swapped(node)
    return [_clamp(t, moving, *((None, bounds[0]) if node.kind == "Min" else (bounds[0], None)))]


@translates("Pow")
def power(t: Translation, node: Operator) -> Sequence[Value]:
    """Raise to a constant power; a square is a product."""
    exponent = _known(t, node, 1).scalar()
    if exponent is None:
        raise UnmappableError("its exponents differ", "use one exponent")

    def square(view: View) -> View:
        if exponent != 2.0:
            raise UnmappableError(
                f"no layer computes a power of {exponent:g}", "compute it outside the network"
            )
        return view.of(t.add(Mul(name=t.name(node.name), inputs=(view.layer, view.layer))))

    return [_elementwise(t, node, lambda x: np.power(x, exponent), square)]


@translates("Add", "Sub", "Mul", "Div")
def arithmetic(t: Translation, node: Operator) -> Sequence[Value]:
    """Join two tensors, or a tensor and a constant: a number, or one for each channel."""
    left, right = t.value(node, 0), t.value(node, 1)
    if isinstance(left, Constant):
        return [_with_constant(t, _swapped(node), left, first=True)]
    if isinstance(right, Constant):
        return [_with_constant(t, node, right, first=False)]
    if node.kind == "Div":
        raise UnmappableError("it divides by what is computed while the network runs", "multiply instead")
    return [_joined(t, node, [left, right])]


@translates("Sum")
def total(t: Translation, node: Operator) -> Sequence[Value]:
    """Add any number of tensors."""
    values = [t.value(node, place) for place in range(len(node.inputs))]
    if any(isinstance(value, Constant) for value in values):
        raise UnmappableError("it adds a constant", "add it with an Add of its own")
    return [values[0] if len(values) == 1 else _joined(t, node, values)]


@translates("Concat")
def concatenation(t: Translation, node: Operator) -> Sequence[Value]:
    """Join along channels."""
    views = [t.view(node, place) for place in range(len(node.inputs))]
    axis = node.get("axis", 1) % len(views[0].axes)
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


@translates("Softmax")
def softmax(t: Translation, node: Operator) -> Sequence[Value]:
    """Take shares among the channels of each pixel."""
    view = _with_all_channels_behind(t, node)
    return [view.of(t.add(Softmax(name=t.name(node.name), inputs=(view.layer,))))]


@translates("LogSoftmax")
def log_softmax(t: Translation, node: Operator) -> Sequence[Value]:
    """Leave it out at the end, where what it reads has the same order."""
    view = _with_all_channels_behind(t, node)
    if node.outputs[0] not in t.graph.outputs:
        raise UnmappableError("something reads its result", "end the network with it")
    t.notes.append(f"{node.label} at the end is left out: outputs are what it reads, in the same order")
    return [view]


def _with_all_channels_behind(t: Translation, node: Operator) -> View:
    """Return what a softmax reads; before version 13 it goes over its axis and all behind it."""
    view = t.view(node)
    axis = node.get("axis", -1 if t.graph.opset >= 13 else 1) % len(view.axes)
    if t.graph.opset < 13:
        together = merged(atom for each in view.axes[axis:] for atom in each)
        view = View(view.layer, (*view.axes[:axis], together))
        found = t.with_channels(view, axis)
        return View(found.layer, t.resolved(t.view(node)).axes)
    return t.with_channels(view, axis)


def _elementwise(t: Translation, node: Operator, own: Function, layer: Callable[[View], View]) -> Elementwise:
    """Return a function of what a node reads, behind what that is a function of already."""
    before = t.value(node, 0)
    if isinstance(before, Elementwise):
        first = before.function
        return Elementwise(
            node, before.base, lambda x: own(first(x)), lambda: layer(t.made(before)), before.operators + 1
        )
    view = t.view(node)
    return Elementwise(node, view, own, lambda: layer(t.resolved(view)))


def _clamp(t: Translation, node: Operator, low: float | None, high: float | None) -> Elementwise:
    bounds = (-math.inf if low is None else low, math.inf if high is None else high)

    def layer(view: View) -> View:
        return view.of(t.add(Clamp(name=t.name(node.name), inputs=(view.layer,), low=low, high=high)))

    return _elementwise(t, node, lambda x: np.clip(x, *bounds), layer)


def _bound(t: Translation, node: Operator, place: int, attribute: str) -> float | None:
    """Return a bound that is an input or, in older files, an attribute; None if it is open."""
    constant = t.constant(node, place)
    value = node.get(attribute) if constant is None else constant.scalar()
    if value is None or abs(value) >= np.finfo(np.float32).max:
        return None
    return float(value)


def _known(t: Translation, node: Operator, place: int) -> Constant:
    constant = t.constant(node, place)
    if constant is None:
        raise UnmappableError(f"it has no input {place}", "give it one")
    return constant


def _swapped(node: Operator) -> Operator:
    """Return a node of two inputs with the second one first."""
    return Operator(node.name, node.kind, (node.inputs[1], node.inputs[0]), node.outputs, node.attributes)


def _with_constant(t: Translation, node: Operator, constant: Constant, *, first: bool) -> Value:
    """Return input 0 of a node with a constant added to it or multiplying it.

    first : whether the constant is the node's first operand, as in 1 - x
    """
    operand = t.value(node, 0)
    before = operand.base if isinstance(operand, Elementwise) else operand
    assert isinstance(before, View)
    if len(constant.shape) > len(before.axes):  # as many axes as the constant has
        if isinstance(operand, Elementwise):
            operand = t.made(operand)
        assert isinstance(operand, View)
        missing = len(constant.shape) - len(operand.axes)
        t.values[node.inputs[0]] = operand = View(operand.layer, ((),) * missing + operand.axes)
    value = constant.scalar()
    if value is not None:
        return _with_number(t, node, value, first=first)
    if node.kind == "Div" and first:
        raise UnmappableError("it divides by what is computed while the network runs", "multiply instead")
    return _with_vector(t, node, constant, first=first)


def _with_number(t: Translation, node: Operator, value: float, *, first: bool) -> Value:
    if node.kind == "Div" and first:

        def refuse(view: View) -> View:
            raise UnmappableError("it divides by what is computed while the network runs", "multiply instead")

        return _elementwise(t, node, lambda x: value / x, refuse)
    factor, offset = _factor_and_offset(node.kind, value, first=first)
    return _elementwise(
        t, node, lambda x: x * factor + offset, lambda view: _scalar_affine(t, node, view, factor, offset)
    )


def _with_vector(t: Translation, node: Operator, constant: Constant, *, first: bool) -> View:
    """Return the view of a layer with a factor and an offset for each channel."""
    view = t.view(node)
    shape = (1,) * (len(view.axes) - len(constant.shape)) + constant.shape
    long = [axis for axis, size in enumerate(shape) if size > 1]
    if len(long) != 1:
        raise UnmappableError(
            f"its constant of shape {constant.shape} differs from pixel to pixel",
            "use one number for each channel",
        )
    (axis,) = long
    view = t.asked_for(view, axis)
    channels = t.shape(view.layer)[0]
    if not covers(view.axes[axis], CHANNELS, channels):
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


def _scalar_affine(t: Translation, node: Operator, view: View, factor: float, offset: float) -> View:
    name = t.name(node.name)

    def vector(value: float) -> Callable[[], Float]:
        return lambda: np.full(t.shape(name)[0], value)

    layer = Affine(name=name, inputs=(view.layer,))
    return view.of(t.add(layer, weight=vector(factor), bias=vector(offset)))


def _joined(t: Translation, node: Operator, values: Sequence[Value]) -> Value:
    """Return the sum, difference or product of tensors, repeated where one of them is shorter.

    Two functions of the same tensor are one function of it.
    """
    if len(values) == 2 and any(isinstance(value, Elementwise) for value in values):
        (base, one), (other_base, other) = (_as_function(t, value) for value in values)
        if base == other_base:
            combine = {"Add": np.add, "Sum": np.add, "Sub": np.subtract, "Mul": np.multiply}[node.kind]
            operators = sum(value.operators for value in values if isinstance(value, Elementwise))
            return Elementwise(
                node,
                base,
                lambda x: combine(one(x), other(x)),
                lambda: _join_views(t, node, [t.made(value) for value in values]),
                operators + 1,
            )
    return _join_views(t, node, [t.made(value) for value in values])


def _as_function(t: Translation, value: Value) -> tuple[View, Function]:
    if isinstance(value, Elementwise):
        return t.resolved(value.base), value.function
    assert isinstance(value, View)
    return t.resolved(value), lambda x: x


def _join_views(t: Translation, node: Operator, views: list[View]) -> View:
    rank = max(len(view.axes) for view in views)
    views = [View(view.layer, ((),) * (rank - len(view.axes)) + view.axes) for view in views]
    views = [t.asked_for(view, 1 if rank > 1 else 0) for view in views]
    axes = tuple(_common_axis(t, node, views, place) for place in range(rank))
    if node.kind in ("Add", "Sum", "Sub", "Mul") and any(view.axes != axes for view in views):
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


def _common_axis(t: Translation, node: Operator, views: Sequence[View], place: int) -> Axis:
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
