"""Functions of each element, or of each pixel's channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simcore.errors import UnknownNameError
from workloads.activation_functions import ActivationFunction, activations
from workloads.layers.layer import Layer, Shape


@dataclass(frozen=True, kw_only=True)
class Activation(Layer):
    """Elementwise function by its registered name; `alpha` replaces the function's default slope or scale."""

    function: str
    alpha: float | None = None

    @property
    def definition(self) -> ActivationFunction:
        """The registered function; WorkloadError tells the nearest spelling."""
        try:
            return activations[self.function]
        except UnknownNameError as error:
            raise self._error(str(error)) from None

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return the input's shape."""
        if self.definition.alpha is None and self.alpha is not None:
            raise self._error(f"{self.function} takes no alpha, got {self.alpha}; leave it out")
        return self._only(inputs)
