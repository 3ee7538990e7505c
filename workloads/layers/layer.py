"""What every layer has, and where images enter.

A layer knows nothing about hardware and holds no weights. A tensor's shape is (channels, height, width); a
vector of n elements is (n, 1, 1). Parameters carry PyTorch's names and layouts, so its weight files fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from simcore.errors import WorkloadError
from workloads.window import Size, Window

Shape = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One operation on tensors.

    name : unique in its network
    inputs : names of the layers it reads; left out, the layer before it in the network's list
    """

    name: str
    inputs: tuple[str, ...] = ()

    #: Parameters that training observes instead of learning; parameter counts leave them out, as is usual.
    statistics: ClassVar[tuple[str, ...]] = ()

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return the output's shape; WorkloadError where the inputs' shapes cannot work."""
        raise NotImplementedError

    def macs(self, inputs: Sequence[Shape]) -> int:
        """Return the multiply-accumulates of one image; those on padding count, as published figures do."""
        return 0

    def parameter_shapes(self, inputs: Sequence[Shape]) -> dict[str, tuple[int, ...]]:
        """Return the shape of each parameter by name."""
        return {}

    def _only(self, inputs: Sequence[Shape]) -> Shape:
        if len(inputs) != 1:
            raise self._error(f"{type(self).__name__} takes 1 input, got {len(inputs)}; join them before it")
        return inputs[0]

    def _several(self, inputs: Sequence[Shape]) -> Sequence[Shape]:
        if len(inputs) < 2:
            raise self._error(
                f"{type(self).__name__} takes 2 inputs or more, got {len(inputs)}; leave it out"
            )
        return inputs

    def _slide(self, window: Window, size: Size) -> Size:
        try:
            return window.output_size(size)
        except WorkloadError as error:
            raise self._error(str(error)) from None

    def _error(self, message: str) -> WorkloadError:
        return WorkloadError(f"{self.name}: {message}")


@dataclass(frozen=True, kw_only=True)
class Input(Layer):
    """Where images enter the network."""

    shape: Shape

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return `shape`; nothing comes before an input."""
        if inputs:
            raise self._error(f"Input takes no inputs, got {len(inputs)}; make it the first layer")
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise self._error(
                f"the shape must be (channels, height, width), each at least 1, got {self.shape}; "
                "a vector of n elements is (n, 1, 1)"
            )
        return self.shape
