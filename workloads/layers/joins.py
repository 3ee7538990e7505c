"""Layers that make one tensor of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workloads.layers.layer import Layer, Shape


@dataclass(frozen=True, kw_only=True)
class Add(Layer):
    """Elementwise sum of tensors of one shape."""

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return the one shape that all inputs have."""
        shapes = self._several(inputs)
        if len(set(shapes)) != 1:
            raise self._error(
                f"Add takes inputs of one shape, got {', '.join(map(str, shapes))}; "
                "project the odd one with a 1x1 Conv2d"
            )
        return shapes[0]


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
