"""Pools: one value for each window, or for each map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workloads.layers.layer import Layer, Shape
from workloads.window import Padding, Size, Window


@dataclass(frozen=True, kw_only=True)
class _Pool2d(Layer):
    """What both pools share; `ceil_mode` keeps a last, partial window."""

    window: Window
    ceil_mode: bool = False

    def effective_window(self, size: Size) -> Window:
        """Return the window with the padding that ceil_mode implies over a map of `size`."""
        return self.window.rounded_up(size) if self.ceil_mode else self.window

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return (channels, steps down, steps across); every window must see a pixel."""
        channels, height, width = self._only(inputs)
        window = self.effective_window((height, width))
        pooled = self._slide(window, (height, width))
        if window.misses_all((height, width)):
            raise self._error(
                f"padding {self.window.padding} leaves windows without a single pixel of the "
                f"{height}x{width} input; pad less"
            )
        return (channels, *pooled)


@dataclass(frozen=True, kw_only=True)
class MaxPool2d(_Pool2d):
    """Largest pixel of each window; padding never wins."""


@dataclass(frozen=True, kw_only=True)
class AvgPool2d(_Pool2d):
    """Mean of each window.

    count_include_pad : whether padding counts as zeros; what ceil_mode adds never does
    """

    count_include_pad: bool = False

    def counted_padding(self, size: Size) -> Padding:
        """Return the part of the effective window's padding that a mean over a map of `size` counts."""
        if not self.count_include_pad:
            return (0, 0, 0, 0)
        own, effective = self.window.padding, self.effective_window(size).padding
        return (own[0], own[1], min(own[2], effective[2]), min(own[3], effective[3]))


@dataclass(frozen=True, kw_only=True)
class GlobalAvgPool(Layer):
    """Mean of each channel's whole map."""

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return (channels, 1, 1)."""
        return (self._only(inputs)[0], 1, 1)
