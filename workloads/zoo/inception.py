"""GoogLeNet (Szegedy et al., CVPR 2015), torchvision's: batch norms, and 3x3 where the paper has 5x5."""

from __future__ import annotations

from workloads.layers import Concat, Layer, MaxPool2d
from workloads.network import Network
from workloads.window import Window
from workloads.zoo.blocks import classifier, conv_norm_relu, image
from workloads.zoo.catalogue import networks
from workloads.zoo.seeded_weights import SeededNetwork

#: torchvision's epsilon in this network's batch norms.
EPS = 1e-3

#: Channels of each module: 1x1; reduced for 3x3, 3x3; reduced for second 3x3, second 3x3; behind the pool.
MODULES = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}

#: The pool behind some modules, by its kernel; all have stride 2.
POOLS = {"3b": 3, "4e": 2}


@networks.register("googlenet")
def googlenet() -> Network:
    """Return 22 layers with nine inception modules for ImageNet, without auxiliary classifiers."""
    layers: list[Layer] = [
        image(224),
        *conv_norm_relu("conv1", 64, kernel=7, stride=2, eps=EPS),
        _pool("pool1", 3),
        *conv_norm_relu("conv2", 64, kernel=1, eps=EPS),
        *conv_norm_relu("conv3", 192, eps=EPS),
        _pool("pool2", 3),
    ]
    for name, channels in MODULES.items():
        layers += _module(name, channels, layers[-1].name)
        if name in POOLS:
            layers.append(_pool(f"{name}-out-pool", POOLS[name]))
    return SeededNetwork("googlenet", [*layers, *classifier(1000)], dataset="photo")


def _module(name: str, channels: tuple[int, ...], source: str) -> list[Layer]:
    one, reduced_a, three_a, reduced_b, three_b, pooled = channels
    return [
        *conv_norm_relu(f"{name}-1x1", one, kernel=1, reads=source, eps=EPS),
        *conv_norm_relu(f"{name}-3x3a-reduce", reduced_a, kernel=1, reads=source, eps=EPS),
        *conv_norm_relu(f"{name}-3x3a", three_a, eps=EPS),
        *conv_norm_relu(f"{name}-3x3b-reduce", reduced_b, kernel=1, reads=source, eps=EPS),
        *conv_norm_relu(f"{name}-3x3b", three_b, eps=EPS),
        MaxPool2d(name=f"{name}-pool", inputs=(source,), window=Window.square(3, padding=1)),
        *conv_norm_relu(f"{name}-pool-1x1", pooled, kernel=1, eps=EPS),
        Concat(
            name=f"{name}-concat",
            inputs=tuple(f"{name}-{branch}-relu" for branch in ("1x1", "3x3a", "3x3b", "pool-1x1")),
        ),
    ]


def _pool(name: str, kernel: int) -> Layer:
    return MaxPool2d(name=name, window=Window.square(kernel, stride=2), ceil_mode=True)
