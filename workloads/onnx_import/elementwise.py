"""Functions of each element, of which some only make sense as parts of others, and shares among channels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from workloads.activation_functions import activations, apply_clip
from workloads.layers import Clamp, Mul, Softmax
from workloads.onnx_import.attention import HIDDEN, hidden, softmax_of_heads
from workloads.onnx_import.constants import Constant
from workloads.onnx_import.operators import checks_attributes, translates
from workloads.onnx_import.translation import Operator, Translation, Value
from workloads.onnx_import.views import UnmappableError, View

Float = NDArray[np.float64]

#: Registered functions by operator, with the defaults that the file's operators have.
_FUNCTIONS: dict[str, tuple[str, dict[str, float]]] = {
    "Relu": ("relu", {}),
    "LeakyRelu": ("leaky-relu", {"alpha": 0.01}),
    "Elu": ("elu", {"alpha": 1.0}),
    "Celu": ("elu", {"alpha": 1.0}),
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

#: Functions that only make sense as parts of others.
_PARTS: dict[str, Callable[..., Float]] = {
    "Sqrt": np.sqrt,
    "Exp": np.exp,
    "Log": np.log,
    "Reciprocal": lambda x: 1.0 / x,
    "Cos": np.cos,
    "Sin": np.sin,
    "Floor": np.floor,
    "Ceil": np.ceil,
    "Round": np.rint,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "Where": np.where,
}


@checks_attributes("Celu")
def check_celu(node: Operator) -> None:
    """Take the one that is an Elu."""
    if node.get("alpha", 1.0) != 1.0:
        raise UnmappableError(f"its alpha is {node.get('alpha'):g}", "use an alpha of 1, or an Elu")


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
        t.function(
            node,
            [t.value(node, 0)],
            lambda x: known.evaluate(x, alpha, beta),
            lambda views: t.activation(node, views[0], name, **given),
        )
    ]


@translates(*_PARTS)
def part(t: Translation, node: Operator) -> Sequence[Value]:
    """Take a function that only makes sense as a part of a known one."""

    def refuse(views: Sequence[View]) -> View:
        raise UnmappableError(
            f"no layer computes {node.kind} alone",
            "use one of the activation functions that `imcsim` knows, or compute it outside the network",
        )

    if node.kind == "Where" and isinstance(condition := t.value(node, 0), Constant):
        holds = condition.array() != 0
        if holds.all() or not holds.any():
            return [t.value(node, 1 if holds.all() else 2)]
        if (masked := _masked(t, node, holds)) is not None:
            return [masked]
    operands = [_number_or_value(t.value(node, place)) for place in range(len(node.inputs))]
    return [t.function(node, operands, _PARTS[node.kind], refuse)]


def _masked(t: Translation, node: Operator, holds: NDArray[np.bool_]) -> Value | None:
    """Return scores in place of some of which a constant that hides them is taken; None if it is no mask.

    holds : the condition
    """
    taken = [t.value(node, place) for place in (1, 2)]
    sees = isinstance(taken[1], Constant)  # whether scores are seen where the condition holds
    scores, mask = taken if sees else reversed(taken)
    if not isinstance(mask, Constant) or not mask.array().max() <= HIDDEN or isinstance(scores, Constant):
        return None
    return hidden(t, node, t.made(scores), holds == sees)


def _number_or_value(value: Value) -> Value | float:
    """Return a constant of one element as a number."""
    number = value.scalar() if isinstance(value, Constant) else None
    return value if number is None else number


@translates("IsNaN")
def is_nan(t: Translation, node: Operator) -> Sequence[Value]:
    """Give a constant, as no value of a network of finite weights is nan."""
    shape = t.view(node).shape
    return [Constant(shape, lambda: np.broadcast_to(np.False_, shape))]


@translates("PRelu")
def parametric_relu(t: Translation, node: Operator) -> Sequence[Value]:
    """Take one slope for all channels."""
    slope = t.parameter(node, 1).scalar()
    if slope is None:
        raise UnmappableError("it has a slope for each channel", "use one slope, or a LeakyRelu")
    return [
        t.function(
            node,
            [t.value(node, 0)],
            lambda x: np.where(x < 0.0, slope * x, x),
            lambda views: t.activation(node, views[0], "leaky-relu", alpha=slope),
        )
    ]


@translates("Clip")
def clip(t: Translation, node: Operator) -> Sequence[Value]:
    """Keep values between two constant bounds, either of which may be open."""
    return [_clamp(t, node, t.value(node, 0), _bound(t, node, 1, "min"), _bound(t, node, 2, "max"))]


@translates("Min", "Max")
def extreme(t: Translation, node: Operator) -> Sequence[Value]:
    """Take the smaller or larger of a tensor and a number."""
    values = [t.value(node, place) for place in range(len(node.inputs))]
    bounds = [value.scalar() for value in values if isinstance(value, Constant)]
    if len(values) != 2 or len(bounds) != 1 or bounds[0] is None:
        raise UnmappableError(f"it takes the {node.kind.lower()} of tensors", "compare with one number only")
    if math.isnan(bounds[0]):
        raise UnmappableError("it compares with nan", "export it anew")
    (moving,) = (value for value in values if not isinstance(value, Constant))
    return [_clamp(t, node, moving, *((None, bounds[0]) if node.kind == "Min" else (bounds[0], None)))]


@translates("Pow")
def power(t: Translation, node: Operator) -> Sequence[Value]:
    """Raise to a constant power; a square is a product."""
    exponent = t.parameter(node, 1).scalar()
    if exponent is None:
        raise UnmappableError("its exponents differ", "use one exponent")

    def square(views: Sequence[View]) -> View:
        if exponent != 2.0:
            raise UnmappableError(
                f"no layer computes a power of {exponent:g}", "compute it outside the network"
            )
        return views[0].of(t.add(Mul(name=t.name(node.name), inputs=(views[0].layer,) * 2)))

    return [t.function(node, [t.value(node, 0)], lambda x: np.power(x, exponent), square)]


@translates("Softmax")
def softmax(t: Translation, node: Operator) -> Sequence[Value]:
    """Take shares among the channels of each pixel, or among those of each head."""
    view = t.view(node)
    axis = _first_of_shares(t, node, view)
    if t.graph.opset >= 13:
        return [softmax_of_heads(t, node, view, axis)]
    shares = softmax_of_heads(t, node, view.merged_from(axis), axis)
    return [View(shares.layer, t.resolved(t.view(node)).axes)]


@translates("LogSoftmax")
def log_softmax(t: Translation, node: Operator) -> Sequence[Value]:
    """Leave it out at the end, where what it reads has the same order."""
    view = _with_all_channels_behind(t, node)
    if node.outputs[0] not in t.graph.outputs:
        raise UnmappableError("something reads its result", "end the network with it")
    t.notes.append(f"{node.label} at the end is left out: outputs are what it reads, in the same order")
    return [view]


@translates("Normalizer")
def normalizer(t: Translation, node: Operator) -> Sequence[Value]:
    """Pass on shares, whose sum is 1 already, as scikit-learn's classifiers normalise them once more."""
    view = t.view(node)
    if node.get("norm", "MAX") != "L1" or not isinstance(t.layers.get(view.layer), Softmax):
        raise UnmappableError("it divides by a norm of what it reads", "end the network before it")
    return [view]


def _with_all_channels_behind(t: Translation, node: Operator) -> View:
    """Return what a log softmax reads; before version 13 it goes over its axis and all behind it."""
    view = t.view(node)
    axis = _first_of_shares(t, node, view)
    if t.graph.opset < 13:
        found = t.with_channels(view.merged_from(axis), axis)
        return View(found.layer, t.resolved(t.view(node)).axes)
    return t.with_channels(view, axis)


def _first_of_shares(t: Translation, node: Operator, view: View) -> int:
    """Return the axis along which shares are taken."""
    return t.image_axis(view, node.get("axis", -1 if t.graph.opset >= 13 else 1))


def _clamp(t: Translation, node: Operator, value: Value, low: float | None, high: float | None) -> Value:
    bounds = [bound for bound in (low, high) if bound is not None]

    def layer(views: Sequence[View]) -> View:
        return views[0].of(t.add(Clamp(name=t.name(node.name), inputs=(views[0].layer,), low=low, high=high)))

    return t.function(node, [value, *bounds], lambda x, *_: apply_clip(x, (low, high)), layer)


def _bound(t: Translation, node: Operator, place: int, attribute: str) -> float | None:
    """Return a bound that is an input or, in older files, an attribute; None if it is open."""
    constant = t.constant(node, place)
    value = node.get(attribute) if constant is None else constant.scalar()
    if value is not None and math.isnan(value):
        raise UnmappableError(f"its bound {attribute} is nan", "export it anew")
    if value is None or abs(value) >= np.finfo(np.float32).max:
        return None
    return float(value)
