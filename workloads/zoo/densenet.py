"""Densely connected networks (Huang et al., CVPR 2017): every unit adds its channels to all before it.

A unit reads one tensor, the concatenation so far, and the next concatenation is that tensor and the unit's
result: what each of many wires would carry goes along one chain.
"""

from __future__ import annotations

from collections.abc import Sequence

from workloads.layers import Activation, AvgPool2d, BatchNorm, Concat, Conv2d, Layer, MaxPool2d
from workloads.network import Network
from workloads.window import Window
from workloads.zoo.blocks import classifier, conv_norm_relu, image
from workloads.zoo.catalogue import networks
from workloads.zoo.seeded_weights import SeededNetwork

UNITS = (6, 12, 24, 16)
STEM = 64
#: Channels that a unit adds, and those of its 1x1 convolution.
GROWTH, BOTTLENECK = 32, 128


@networks.register("densenet121")
def densenet121() -> Network:
    """Return 121 layers in four dense blocks for ImageNet."""
    stem = [
        image(224),
        *conv_norm_relu("stem", STEM, kernel=7, stride=2),
        MaxPool2d(name="stem-pool", window=Window.square(3, stride=2, padding=1)),
    ]
    return SeededNetwork("densenet121", [*_dense(stem, UNITS), *classifier(1000)], dataset="photo")


@networks.register("densenet121-cifar100")
def densenet121_cifar100() -> Network:
    """Return DenseNet-121 for CIFAR-100: a 3x3 stem without batch norm and without pool."""
    stem = [image(32), _conv("stem", STEM, 3)]
    return SeededNetwork("densenet121-cifar100", [*_dense(stem, UNITS), *classifier(100)], dataset="photo")


def _dense(stem: Sequence[Layer], units: Sequence[int]) -> list[Layer]:
    """Return the stem, all blocks with the transitions between them, and the last norm."""
    layers, channels = list(stem), STEM
    for block, count in enumerate(units, start=1):
        for unit in range(1, count + 1):
            name, source = f"block{block}-unit{unit}", layers[-1].name
            layers += [
                *_norm_relu(f"{name}-norm1"),
                _conv(f"{name}-conv1", BOTTLENECK, 1),
                *_norm_relu(f"{name}-norm2"),
                _conv(f"{name}-conv2", GROWTH, 3),
                Concat(name=f"{name}-concat", inputs=(source, f"{name}-conv2")),
            ]
            channels += GROWTH
        if block < len(units):
            channels //= 2
            layers += [
                *_norm_relu(f"transition{block}-norm"),
                _conv(f"transition{block}", channels, 1),
                AvgPool2d(name=f"transition{block}-pool", window=Window.square(2, stride=2)),
            ]
    return [*layers, *_norm_relu("norm")]


def _conv(name: str, channels: int, kernel: int) -> Layer:
    window = Window.square(kernel, padding=kernel // 2)
    return Conv2d(name=name, out_channels=channels, window=window, bias=False)


def _norm_relu(name: str) -> list[Layer]:
    return [BatchNorm(name=name), Activation(name=f"{name}-relu", function="relu")]
