"""Layers that move values and compute none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workloads.layers.layer import Layer, Shape
from workloads.window import Window


@dataclass(frozen=True, kw_only=True)
class Shortcut(Layer):
    """A residual's way past its branch without weights (option A of He et al., CVPR 2016).

    Every `stride`-th pixel of every `stride`-th row, with channels of zeros behind its own up to `channels`.
    """

    stride: int
    channels: int

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return (channels, rows kept, columns kept)."""
        channels, height, width = self._only(inputs)
        if self.channels < channels:
            raise self._error(
                f"a shortcut keeps its input's {channels} channels, got channels={self.channels}; "
                "project to fewer with a 1x1 Conv2d"
            )
        return (self.channels, *self._slide(Window.square(1, stride=self.stride), (height, width)))


#: Places along one axis that a `Select` reads, in order; None stands for all as they are, -1 for zeros.
Places = tuple[int, ...] | None


@dataclass(frozen=True, kw_only=True)
class Select(Layer):
    """Values picked by their places along each axis: a slice, a shuffle, zeros around, a nearest resizing.

    Element (c, i, j) is the input's (channels[c], rows[i], columns[j]), zero where any of the three is -1.
    """

    channels: Places = None
    rows: Places = None
    columns: Places = None

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return how many places each axis reads."""
        channels, height, width = self._only(inputs)
        return (
            self._picked("channels", self.channels, channels),
            self._picked("rows", self.rows, height),
            self._picked("columns", self.columns, width),
        )

    def _picked(self, axis: str, places: Places, size: int) -> int:
        if places is None:
            return size
        if not places:
            raise self._error(f"Select must pick at least one of {size} {axis}, got none; leave it out")
        outside = [place for place in places if not -1 <= place < size]
        if outside:
            raise self._error(
                f"Select picks {axis} 0 to {size - 1}, or -1 for zeros, got {outside[0]}; its input has "
                f"{size} {axis}"
            )
        return len(places)
