"""Layers that make one tensor of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workloads.layers.layer import Layer, Shape


@dataclass(frozen=True, kw_only=True)
class _Elementwise(Layer):
    """What joins of tensors of one shape share."""

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return the one shape that all inputs have."""
        shapes = self._several(inputs)
        if len(set(shapes)) != 1:
            raise self._error(
                f"{type(self).__name__} takes inputs of one shape, got {', '.join(map(str, shapes))}; "
                "project the odd one with a 1x1 Conv2d, or repeat it with a Select"
            )
        return shapes[0]


@dataclass(frozen=True, kw_only=True)
class Add(_Elementwise):
    """Elementwise sum of tensors of one shape.

    signs : 1 or -1 for each input, which is added or taken off; left out, all are added
    """

    signs: tuple[int, ...] = ()

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return the one shape that all inputs have."""
        if self.signs and (len(self.signs) != len(inputs) or not set(self.signs) <= {1, -1}):
            raise self._error(
                f"Add takes a sign, 1 or -1, for each of {len(inputs)} inputs, got {self.signs}; "
                "leave them out to add all"
            )
        return super().output_shape(inputs)


@dataclass(frozen=True, kw_only=True)
class Mul(_Elementwise):
    """Elementwise product of two tensors of one shape."""

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return the one shape that both inputs have."""
        if len(inputs) != 2:
            raise self._error(f"Mul takes 2 inputs, got {len(inputs)}; multiply two at a time")
        return super().output_shape(inputs)


@dataclass(frozen=True, kw_only=True)
class Concat(Layer):
    """Inputs one behind the other along their channels."""

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return the sum of channels over the one height and width that all inputs have."""
        shapes = self._several(inputs)
        if len({shape[1:] for shape in shapes}) != 1:
            raise self._error(
                f"Concat takes maps of one height and width, got {', '.join(map(str, shapes))}; "
                "pool the larger ones"
            )
        return (sum(shape[0] for shape in shapes), *shapes[0][1:])
