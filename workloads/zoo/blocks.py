"""Runs of layers that many networks repeat."""

from __future__ import annotations

from workloads.layers import Activation, BatchNorm, Conv2d, Layer
from workloads.window import Window


def conv_norm(
    name: str, channels: int, *, kernel: int = 3, stride: int = 1, reads: str | None = None
) -> list[Layer]:
    """Return a convolution, padded so that stride 1 keeps the map's size, and its batch norm `<name>-norm`.

    reads : the layer it reads; left out, the one before it
    """
    window = Window.square(kernel, stride=stride, padding=kernel // 2)
    inputs = () if reads is None else (reads,)
    return [
        Conv2d(name=name, inputs=inputs, out_channels=channels, window=window, bias=False),
        BatchNorm(name=f"{name}-norm"),
    ]


def conv_norm_relu(name: str, channels: int, *, stride: int = 1, reads: str | None = None) -> list[Layer]:
    """Return a 3x3 convolution, its batch norm and its ReLU `<name>-relu`."""
    return [
        *conv_norm(name, channels, stride=stride, reads=reads),
        Activation(name=f"{name}-relu", function="relu"),
    ]
