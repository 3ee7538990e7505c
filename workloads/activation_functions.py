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

    evaluate : from (x, alpha) to a new array of x's shape; a function without alpha ignores it
    alpha : default of the function's one parameter, None if it has none
    clip : bounds, for a function that does nothing but clip
    """

    evaluate: Callable[[Float, float], Float]
    alpha: float | None = None
    clip: Clip | None = None


def apply_clip(x: Float, clip: Clip) -> Float:
    """Return `x` kept within the bounds of `clip`."""
    low, high = clip
    return x if low is None and high is None else np.clip(x, low, high)


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


def _sigmoid(x: Float, alpha: float) -> Float:
    return np.exp(-np.logaddexp(0.0, -x))


def _hard_sigmoid(x: Float, alpha: float) -> Float:
    return np.clip(x / 6.0 + 0.5, 0.0, 1.0)


def _gelu(x: Float, alpha: float) -> Float:
    erf = np.vectorize(math.erf, otypes=[np.float64])
    return np.asarray(0.5 * x * (1.0 + erf(x / math.sqrt(2.0))))


#: Functions that `Activation` may name.
activations: Registry[ActivationFunction] = Registry("activation function")

for _name, _function in {
    "relu": ActivationFunction(lambda x, _: np.maximum(x, 0.0), clip=(0.0, None)),
    "relu6": ActivationFunction(lambda x, _: np.clip(x, 0.0, 6.0), clip=(0.0, 6.0)),
    "leaky-relu": ActivationFunction(lambda x, alpha: np.where(x < 0.0, alpha * x, x), alpha=0.01),
    "elu": ActivationFunction(lambda x, alpha: np.where(x < 0.0, alpha * np.expm1(x), x), alpha=1.0),
    "sigmoid": ActivationFunction(_sigmoid),
    "hard-sigmoid": ActivationFunction(_hard_sigmoid),
    "tanh": ActivationFunction(lambda x, _: np.tanh(x)),
    "silu": ActivationFunction(lambda x, alpha: x * _sigmoid(x, alpha)),
    "hard-swish": ActivationFunction(lambda x, alpha: x * _hard_sigmoid(x, alpha)),
    "gelu": ActivationFunction(_gelu),
}.items():
    activations.register(_name)(_function)
