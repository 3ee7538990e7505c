"""Layers with learned weights: convolutions, fully connected layers, and factors for each channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar

from workloads.layers.layer import Layer, Shape
from workloads.window import Window


@dataclass(frozen=True, kw_only=True)
class Conv2d(Layer):
    """Convolution; depthwise with as many groups as channels.

    Parameters: weight (out_channels, channels / groups, kernel height, kernel width), bias (out_channels,).
    """

    out_channels: int
    window: Window
    groups: int = 1
    bias: bool = True

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return (out_channels, steps down, steps across)."""
        channels, height, width = self._only(inputs)
        if (
            min(self.groups, self.out_channels) < 1
            or channels % self.groups
            or self.out_channels % self.groups
        ):
            raise self._error(
                f"groups must divide {channels} input channels and {self.out_channels} output channels, "
                f"got {self.groups}; a depthwise convolution has as many groups as input channels"
            )
        return (self.out_channels, *self._slide(self.window, (height, width)))

    def macs(self, inputs: Sequence[Shape]) -> int:
        """Return kernel pixels * channels per group * output elements."""
        rows = self.window.positions * inputs[0][0] // self.groups
        return rows * prod(self.output_shape(inputs))

    def parameter_shapes(self, inputs: Sequence[Shape]) -> dict[str, tuple[int, ...]]:
        """Return PyTorch's: output channels first, then one group's input channels."""
        weight = (self.out_channels, inputs[0][0] // self.groups, *self.window.kernel)
        return {"weight": weight} | ({"bias": (self.out_channels,)} if self.bias else {})


@dataclass(frozen=True, kw_only=True)
class Linear(Layer):
    """Fully connected layer over its input flattened channel by channel, row by row (PyTorch's order).

    Parameters: weight (out_features, channels * height * width), bias (out_features,).
    """

    out_features: int
    bias: bool = True

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return (out_features, 1, 1), whatever the input's shape."""
        self._only(inputs)
        if self.out_features < 1:
            raise self._error(f"out_features must be at least 1, got {self.out_features}")
        return (self.out_features, 1, 1)

    def macs(self, inputs: Sequence[Shape]) -> int:
        """Return input elements * out_features."""
        return prod(inputs[0]) * self.out_features

    def parameter_shapes(self, inputs: Sequence[Shape]) -> dict[str, tuple[int, ...]]:
        """Return PyTorch's: outputs first."""
        weight = (self.out_features, prod(inputs[0]))
        return {"weight": weight} | ({"bias": (self.out_features,)} if self.bias else {})


@dataclass(frozen=True, kw_only=True)
class BatchNorm(Layer):
    """Normalisation of each channel by fixed statistics.

    (x - running_mean) / sqrt(running_var + eps) * weight + bias; these four parameters are (channels,).
    """

    eps: float = 1e-5

    statistics: ClassVar[tuple[str, ...]] = ("running_mean", "running_var")

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return the input's shape."""
        return self._only(inputs)

    def parameter_shapes(self, inputs: Sequence[Shape]) -> dict[str, tuple[int, ...]]:
        """Return four vectors of one element a channel."""
        return dict.fromkeys(("weight", "bias", *self.statistics), (inputs[0][0],))


@dataclass(frozen=True, kw_only=True)
class Affine(Layer):
    """A factor and an offset for each channel, both learned or given: weight and bias (channels,)."""

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return the input's shape."""
        return self._only(inputs)

    def parameter_shapes(self, inputs: Sequence[Shape]) -> dict[str, tuple[int, ...]]:
        """Return two vectors of one element a channel."""
        return dict.fromkeys(("weight", "bias"), (inputs[0][0],))
