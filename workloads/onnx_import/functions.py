"""Functions of each element, which files may write as several operators, looked at as a whole.

Every such value knows what it makes of a few numbers: as a function of what it reads, of what that is a
function of in turn, and so on. Where this equals a registered function it becomes that one; otherwise a layer
does what its last operator does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workloads.activation_functions import ActivationFunction, activations
from workloads.onnx_import.views import View

Float = NDArray[np.float64]

#: Operators that a function may be written in; the longest known one takes nine.
MOST_OPERATORS = 16

#: Numbers that functions are compared at, to where exponentials in single precision overflow.
PROBES = np.concatenate([np.linspace(-9.0, 8.5, 71), [-85.0, -41.0, -21.0, -13.0, 11.0, 17.0, 27.0, 85.0]])

#: Registered functions that files write out.
_WRITTEN_OUT = (
    "sigmoid",
    "silu",
    "hard-swish",
    "gelu",
    "gelu-tanh",
    "mish",
    "hard-sigmoid",
    "softplus",
    "softsign",
)


@dataclass(frozen=True, eq=False)
class Reading:
    """A value as a function of an earlier one.

    values : what it makes of `PROBES`
    operators : how many compute it
    """

    values: Float
    operators: int


@dataclass(eq=False)
class Elementwise:
    """A function of each element, which becomes a layer when somebody needs its values.

    name, label : of the operator that computes it, for layers and for messages
    operands : what the operator reads, all of one shape
    layer : makes it of views of its operands; raises UnmappableError if no layer does that
    readings : by each value that it is a function of
    made : the view that it has become
    """

    name: str
    label: str
    operands: tuple[Source, ...]
    layer: Callable[[Sequence[View]], View]
    readings: Mapping[Source, Reading]
    made: View | None = None

    @property
    def base(self) -> View:
        """A view of the same shape and order of axes."""
        source: Source = self
        while isinstance(source, Elementwise):
            source = source.operands[0]
        return source

    def registered(self) -> tuple[str, Source] | None:
        """Return the registered function that it equals, and of what; None if it is another one."""
        for source, reading in self.readings.items():
            if reading.operators > 1 and (name := _registered(reading.values)) is not None:
                return name, source
        return None


Source = View | Elementwise


def readings(
    operands: Sequence[Source | float], function: Callable[..., Float], resolved: Callable[[View], View]
) -> dict[Source, Reading]:
    """Return a function of operands by each value that all of them are functions of, the earliest first.

    operands : numbers are the same for every element
    resolved : gives the same view in terms of what is known of axes now, by which views are told apart
    """
    every = [_of(operand, resolved) for operand in operands if not isinstance(operand, int | float)]
    found = {}
    with np.errstate(all="ignore"):
        for source in every[0]:
            if not all(source in each for each in every):
                continue
            operators = 1 + sum(each[source].operators for each in every)
            if operators <= MOST_OPERATORS:
                of_source = iter([each[source].values for each in every])
                values = [x if isinstance(x, int | float) else next(of_source) for x in operands]
                found[source] = Reading(function(*values), operators)
    return found


def _of(source: Source, resolved: Callable[[View], View]) -> dict[Source, Reading]:
    """Return a value as a function of each earlier one, and of itself."""
    every = {**source.readings} if isinstance(source, Elementwise) else {}
    every[source] = Reading(PROBES, 0)
    return {resolved(key) if isinstance(key, View) else key: reading for key, reading in every.items()}


def _of_probes(function: ActivationFunction) -> Float:
    alpha, beta = (0.0 if each is None else each for each in (function.alpha, function.beta))
    return function.evaluate(PROBES, alpha, beta)


_WRITTEN_VALUES = np.stack([_of_probes(activations[name]) for name in _WRITTEN_OUT])
_TOLERANCES = 1e-6 + 1e-5 * np.abs(_WRITTEN_VALUES)


def _registered(values: Float) -> str | None:
    """Return the name of the function that has these values, None if none has."""
    with np.errstate(invalid="ignore"):
        equal = (np.abs(values - _WRITTEN_VALUES) <= _TOLERANCES).all(axis=1)
    return _WRITTEN_OUT[int(equal.argmax())] if equal.any() else None
