"""Runs of layers that many networks repeat."""

from __future__ import annotations

from workloads.layers import Activation, BatchNorm, Conv2d, GlobalAvgPool, Input, Layer, Linear
from workloads.window import Window


def conv_norm(
    name: str,
    channels: int,
    *,
    kernel: int = 3,
    stride: int = 1,
    groups: int = 1,
    reads: str | None = None,
    eps: float = 1e-5,
) -> list[Layer]:
    """Return a convolution, padded so that stride 1 keeps the map's size, and its batch norm `<name>-norm`.

    reads : the layer it reads; left out, the one before it
    """
    window = Window.square(kernel, stride=stride, padding=kernel // 2)
    inputs = () if reads is None else (reads,)
    return [
        Conv2d(name=name, inputs=inputs, out_channels=channels, window=window, groups=groups, bias=False),
        BatchNorm(name=f"{name}-norm", eps=eps),
    ]


def conv_norm_relu(
    name: str,
    channels: int,
    *,
    kernel: int = 3,
    stride: int = 1,
    reads: str | None = None,
    eps: float = 1e-5,
) -> list[Layer]:
    """Return a convolution, its batch norm and its ReLU `<name>-relu`."""
    return [
        *conv_norm(name, channels, kernel=kernel, stride=stride, reads=reads, eps=eps),
        Activation(name=f"{name}-relu", function="relu"),
    ]


def conv_relu(name: str, channels: int, window: Window) -> list[Layer]:
    """Return a convolution with a bias and its ReLU `<name>-relu`."""
    return [
        Conv2d(name=name, out_channels=channels, window=window),
        Activation(name=f"{name}-relu", function="relu"),
    ]


def linear_relu(name: str, features: int) -> list[Layer]:
    """Return a fully connected layer and its ReLU `<name>-relu`."""
    return [Linear(name=name, out_features=features), Activation(name=f"{name}-relu", function="relu")]


def classifier(classes: int) -> list[Layer]:
    """Return the mean over the map, `pool`, and a fully connected layer, `fc`."""
    return [GlobalAvgPool(name="pool"), Linear(name="fc", out_features=classes)]


def image(size: int) -> Input:
    """Return the input of square colour pictures."""
    return Input(name="image", shape=(3, size, size))
