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
