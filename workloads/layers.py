"""Layer kinds as a network's author writes them: shapes, operation counts and parameter shapes.

A layer knows nothing about hardware and holds no weights. A tensor's shape is (channels, height, width); a
vector of n elements is (n, 1, 1). Parameters carry PyTorch's names and layouts, so its weight files fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar

from simcore.errors import UnknownNameError, WorkloadError
from workloads.activation_functions import ActivationFunction, activations
from workloads.window import Padding, Size, Window

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
        if not window.coverage((height, width)).all():
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
