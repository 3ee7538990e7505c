"""Functions of each element, which files may write as several operators, looked at as a whole.

Every such value knows what it is a function of: of what it reads, of what that is a function of in turn, and
so on. Where it equals a registered function of one of these it becomes that one; otherwise a layer does what
its last operator does. They are equal if they are at numbers of all sizes, and on both sides of each place
where anything that is computed on the way reaches zero or a constant, as a bound or a threshold does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from workloads.activation_functions import activations
from workloads.onnx_import.views import View

Float = NDArray[np.float64]

#: Operators that a function may be written in; the longest known one takes nine.
MOST_OPERATORS = 16

#: Up to where no exponential in single precision overflows; beyond, infinities and what comes of them count
#: as equal.
_FINITE = 85.0

#: Numbers that functions are compared at first.
PROBES = np.unique(
    np.concatenate(
        [
            np.linspace(-9.0, 8.5, 71),
            [-_FINITE, -41.0, -21.0, -13.0, 11.0, 17.0, 27.0, _FINITE],
            *(sign * 10.0 ** np.arange(2, 39) for sign in (-1.0, 1.0)),
        ]
    )
)

#: Two of them that tell most functions apart.
_SAMPLES = np.array([-1.0, 2.0])

#: How often a gap between two numbers is halved in which something reaches zero or a constant.
_HALVINGS = 32

#: Numbers to compare at; what needs more, as it goes to and fro, counts as another function.
_MOST_NUMBERS = 2**13

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


@dataclass(eq=False)
class Elementwise:
    """A function of each element, which becomes a layer when somebody needs its values.

    name, label : of the operator that computes it, for layers and for messages
    inputs : what the operator reads, tensors of one shape and numbers
    evaluate : makes the result of numbers in the place of its inputs
    layer : makes it of views of its operands; raises UnmappableError if no layer does that
    sources : how many operators compute it, by each value that it is a function of, the earliest first
    base : a view of the same shape and order of axes
    samples : what it makes of `_SAMPLES` in the place of each source (sources, samples)
    made : the view that it has become
    """

    name: str
    label: str
    inputs: tuple[Source | float, ...]
    evaluate: Callable[..., Float]
    layer: Callable[[Sequence[View]], View]
    sources: Mapping[Source, int]
    base: View = field(init=False)
    samples: Float = field(init=False)
    made: View | None = None

    def __post_init__(self) -> None:
        first = self.operands[0]
        self.base = first.base if isinstance(first, Elementwise) else first
        with np.errstate(all="ignore"):
            made = self.evaluate(*(self._samples_of(each) for each in self.inputs))
            self.samples = np.asarray(made, np.float64)

    def _samples_of(self, operand: Source | float) -> Float | float:
        """Return what an input makes of the samples in the place of each source."""
        if isinstance(operand, int | float):
            return operand
        rows = np.tile(_SAMPLES, (len(self.sources), 1))
        if isinstance(operand, Elementwise):
            places = {source: place for place, source in enumerate(operand.sources)}
            for row, source in zip(rows, self.sources, strict=True):
                if source is not operand:  # views come first, in terms of what was known of axes
                    row[:] = operand.samples[0 if isinstance(source, View) else places[source]]
        return rows

    @property
    def operands(self) -> tuple[Source, ...]:
        """The inputs that are no numbers."""
        return tuple(each for each in self.inputs if not isinstance(each, int | float))

    @cached_property
    def registered(self) -> tuple[str, Source] | None:
        """The registered function that it equals, and of what; None if it is another one."""
        with np.errstate(all="ignore"):
            alike = _alike(_SAMPLES, self.samples[:, None], _WRITTEN_SAMPLES)
        for (source, operators), each in zip(self.sources.items(), alike, strict=True):
            likely = operators > 1 and each.all(axis=1).any()
            if likely and (name := self._registered(source)) is not None:
                return name, source
        return None

    def _registered(self, source: Source) -> str | None:
        """Return the name of the function of `source` that it is, None if it has none."""
        with np.errstate(all="ignore"):
            values = _values(self, source, PROBES)[self]
            alike = _alike(PROBES, values, _WRITTEN_VALUES).all(axis=1)
            if not alike.any():
                return None
            name = _WRITTEN_OUT[int(alike.argmax())]
            at = self._turns(source)
            if at.size > _MOST_NUMBERS:
                return None
            values = _values(self, source, at)[self]
            return name if _alike(at, values, _evaluated(name, at)).all() else None

    def _turns(self, source: Source) -> Float:
        """Return numbers close to all those at which it may take another course, from both sides."""
        at = PROBES
        for _ in range(_HALVINGS):
            signs = _signs(_values(self, source, at))
            before, behind = signs[:, :-1], signs[:, 1:]
            turns = ((before != behind) & ~np.isnan(before + behind)).any(axis=0)
            if at.size > _MOST_NUMBERS:
                break
            at = np.unique(np.concatenate([at, (at[:-1][turns] + at[1:][turns]) / 2]))
        return at


Source = View | Elementwise


def sources(inputs: Sequence[Source | float], resolved: Callable[[View], View]) -> dict[Source, int]:
    """Return how many operators make a function of its inputs, by each value that all of them come from.

    inputs : numbers are the same for every element; with infinite ones it is a function of nothing
    resolved : gives the same view in terms of what is known of axes now, by which views are told apart
    """
    every = [_of(each, resolved) for each in inputs if not isinstance(each, int | float)]
    if not all(math.isfinite(each) for each in inputs if isinstance(each, int | float)):
        return {}
    counts = {
        source: 1 + sum(each[source] for each in every)
        for source in every[0]
        if all(source in each for each in every)
    }
    return {source: count for source, count in counts.items() if count <= MOST_OPERATORS}


def _of(source: Source, resolved: Callable[[View], View]) -> dict[Source, int]:
    """Return how many operators make a value of each earlier one, and of itself."""
    every = {**source.sources} if isinstance(source, Elementwise) else {}
    every[source] = 0
    return {resolved(key) if isinstance(key, View) else key: count for key, count in every.items()}


def _values(function: Elementwise, source: Source, at: Float) -> dict[Source, Float]:
    """Return what is made of numbers in the place of `source`: the function, and all on the way to it."""
    known: dict[Source, Float] = {source: at}

    def value(each: Source | float) -> Float | float:
        if isinstance(each, int | float):
            return each
        if isinstance(each, View):  # which is the source, in terms of what was known of axes
            return at
        if each not in known:
            known[each] = each.evaluate(*(value(operand) for operand in each.inputs))
        return known[each]

    value(function)
    return known


def _signs(values: Mapping[Source, Float]) -> Float:
    """Return the signs of all values, and of their differences from the numbers that they meet."""
    levels = [*values.values()]
    for function in values:
        if isinstance(function, Elementwise):
            numbers = [each for each in function.inputs if isinstance(each, int | float)]
            met = [values[each] for each in function.operands if each in values]
            levels += [value - number for value in met for number in numbers]
            if len(met) == 2:
                levels.append(np.subtract(met[0], met[1], dtype=np.float64))
    return np.sign(np.array(levels, dtype=np.float64))


def _alike(at: Float, values: Float, expected: Float) -> NDArray[np.bool_]:
    """Return where values are those of a function."""
    close = np.abs(values - expected) <= 1e-6 + 1e-5 * np.abs(expected)
    return close | ((np.abs(at) > _FINITE) & ~np.isfinite(values))


def _evaluated(name: str, at: Float) -> Float:
    function = activations[name]
    alpha, beta = (0.0 if each is None else each for each in (function.alpha, function.beta))
    return function.evaluate(at, alpha, beta)


with np.errstate(all="ignore"):
    _WRITTEN_VALUES = np.stack([_evaluated(name, PROBES) for name in _WRITTEN_OUT])
    _WRITTEN_SAMPLES = np.stack([_evaluated(name, _SAMPLES) for name in _WRITTEN_OUT])
