"""Functions of each element, or of each pixel's channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simcore.errors import UnknownNameError
from workloads.activation_functions import ActivationFunction, activations
from workloads.layers.layer import Layer, Shape


@dataclass(frozen=True, kw_only=True)
class Activation(Layer):
    """Elementwise function by its registered name; `alpha` and `beta` replace its default parameters."""

    function: str
    alpha: float | None = None
    beta: float | None = None

    @property
    def definition(self) -> ActivationFunction:
        """The registered function; WorkloadError tells the nearest spelling."""
        try:
            return activations[self.function]
        except UnknownNameError as error:
            raise self._error(str(error)) from None

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return the input's shape."""
        for name, default in (("alpha", self.definition.alpha), ("beta", self.definition.beta)):
            given = getattr(self, name)
            if default is None and given is not None:
                raise self._error(f"{self.function} takes no {name}, got {given}; leave it out")
        return self._only(inputs)


@dataclass(frozen=True, kw_only=True)
class Clamp(Layer):
    """Values kept within bounds; None leaves a side open."""

    low: float | None = None
    high: float | None = None

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return the input's shape."""
        if self.low is not None and self.high is not None and self.low > self.high:
            raise self._error(f"Clamp's low must not be above its high, got {self.low} and {self.high}")
        return self._only(inputs)


@dataclass(frozen=True, kw_only=True)
class Softmax(Layer):
    """exp(x) over the sum of exp(x), among the channels of each pixel.

    groups : runs of channels, each of which has a sum of its own, as heads of attention have
    causal : pixel t, row by row, only sees the first t + causal + 1 channels of a group, the others are 0;
        None shows it all of them
    """

    groups: int = 1
    causal: int | None = None

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return the input's shape."""
        shape = self._only(inputs)
        if self.groups < 1 or shape[0] % self.groups:
            raise self._error(f"groups must divide {shape[0]} channels, got {self.groups}")
        if self.causal is not None and self.causal < 0:
            raise self._error(
                f"causal must be at least 0, got {self.causal}; the first token would see nothing"
            )
        return shape


@dataclass(frozen=True, kw_only=True)
class LocalResponseNorm(Layer):
    """Each element over its neighbours in other channels (Krizhevsky et al., NIPS 2012).

    x / (k + alpha / size * sum of squares of `size` channels around its own) ** beta; of an even number one
    more lies behind, as in ONNX.
    """

    size: int
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 1.0

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return the input's shape."""
        if self.size < 1:
            raise self._error(f"size must be at least 1 channel, got {self.size}")
        return self._only(inputs)
