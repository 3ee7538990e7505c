"""Elementwise functions between layers, by name.

A function that only clips (ReLU, ReLU6) says so: hardware then clips in the requantisation it does anyway.
Any other becomes a table over the codes of its input. Registering a function makes it usable as
`Activation(function=...)`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simcore.registry import Registry

Float = NDArray[np.float64]

#: Bounds of a clipping, in real numbers; None is open.
Clip = tuple[float | None, float | None]

#: The clipping that changes nothing.
OPEN: Clip = (None, None)


@dataclass(frozen=True)
class ActivationFunction:
    """One elementwise function of a tensor.

    evaluate : from (x, alpha, beta) to a new array of x's shape; a function without parameters ignores them
    alpha, beta : defaults of its parameters, None for one that it has not
    clip : bounds, for a function that does nothing but clip
    """

    evaluate: Callable[[Float, float, float], Float]
    alpha: float | None = None
    beta: float | None = None
    clip: Clip | None = None


def apply_clip(x: Float, clip: Clip) -> Float:
    """Return `x` kept within the bounds of `clip`."""
    low, high = clip
    return x if low is None and high is None else np.clip(x, low, high)


def holds_zero(clip: Clip) -> bool:
    """Return whether zero stays as it is, so that no value leaves the range between it and zero."""
    low, high = clip
    return (low is None or low <= 0.0) and (high is None or high >= 0.0)


def chain_clips(first: Clip, second: Clip) -> Clip:
    """Return the one clipping that equals `first` and then `second`."""
    if second == OPEN:
        return first
    low, high = (
        -math.inf if first[0] is None else first[0],
        math.inf if first[1] is None else first[1],
    )
    bounds = np.clip([low, high], second[0], second[1])
    return (
        None if bounds[0] == -math.inf else float(bounds[0]),
        None if bounds[1] == math.inf else float(bounds[1]),
    )


def _sigmoid(x: Float) -> Float:
    return np.exp(-np.logaddexp(0.0, -x))


def _hard_sigmoid(x: Float, alpha: float, beta: float) -> Float:
    return np.clip(alpha * x + beta, 0.0, 1.0)


def _elu(x: Float, alpha: float) -> Float:
    return np.where(x < 0.0, alpha * np.expm1(np.minimum(x, 0.0)), x)


def _erf(x: Float) -> Float:
    return np.asarray(np.vectorize(math.erf, otypes=[np.float64])(x))


def _tanh_gelu(x: Float) -> Float:
    return 0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


#: Functions that `Activation` may name.
activations: Registry[ActivationFunction] = Registry("activation function")

for _name, _function in {
    "identity": ActivationFunction(lambda x, *_: x.copy(), clip=OPEN),
    "relu": ActivationFunction(lambda x, *_: np.maximum(x, 0.0), clip=(0.0, None)),
    "relu6": ActivationFunction(lambda x, *_: np.clip(x, 0.0, 6.0), clip=(0.0, 6.0)),
    "leaky-relu": ActivationFunction(lambda x, alpha, _: np.where(x < 0.0, alpha * x, x), alpha=0.01),
    "elu": ActivationFunction(lambda x, alpha, _: _elu(x, alpha), alpha=1.0),
    # the constants of Klambauer et al. (NIPS 2017)
    "selu": ActivationFunction(
        lambda x, alpha, beta: beta * _elu(x, alpha), alpha=1.6732632423543772, beta=1.0507009873554805
    ),
    "sigmoid": ActivationFunction(lambda x, *_: _sigmoid(x)),
    "hard-sigmoid": ActivationFunction(_hard_sigmoid, alpha=1.0 / 6.0, beta=0.5),
    "tanh": ActivationFunction(lambda x, *_: np.tanh(x)),
    "softplus": ActivationFunction(lambda x, *_: np.logaddexp(0.0, x)),
    "softsign": ActivationFunction(lambda x, *_: x / (1.0 + np.abs(x))),
    "silu": ActivationFunction(lambda x, *_: x * _sigmoid(x)),
    "mish": ActivationFunction(lambda x, *_: x * np.tanh(np.logaddexp(0.0, x))),
    "hard-swish": ActivationFunction(lambda x, *_: x * _hard_sigmoid(x, 1.0 / 6.0, 0.5)),
    "gelu": ActivationFunction(lambda x, *_: 0.5 * x * (1.0 + _erf(x / math.sqrt(2.0)))),
    "gelu-tanh": ActivationFunction(lambda x, *_: _tanh_gelu(x)),
    "abs": ActivationFunction(lambda x, *_: np.abs(x)),
    "erf": ActivationFunction(lambda x, *_: _erf(x)),
}.items():
    activations.register(_name)(_function)
