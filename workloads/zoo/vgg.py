"""Plain chains for ImageNet: convolutions and fully connected layers, with a bias each and no batch norm."""

from __future__ import annotations

from collections.abc import Sequence

from workloads.layers import Layer, Linear, MaxPool2d
from workloads.network import Network
from workloads.window import Window
from workloads.zoo.blocks import conv_relu, image, linear_relu
from workloads.zoo.catalogue import networks
from workloads.zoo.seeded_weights import SeededNetwork

#: Channels of each convolution, group by group; a pool stands behind each group.
VGG16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


@networks.register("vgg16")
def vgg16() -> Network:
    """Return 13 convolutions and 3 fully connected layers for ImageNet (Simonyan and Zisserman, 2015)."""
    return _chain("vgg16", [*_groups(VGG16), *linear_relu("fc1", 4096), *linear_relu("fc2", 4096)])


@networks.register("alexnet")
def alexnet() -> Network:
    """Return 5 convolutions and 3 fully connected layers for ImageNet, torchvision's (Krizhevsky, 2014)."""
    return _chain(
        "alexnet",
        [
            *conv_relu("conv1", 64, Window.square(11, stride=4, padding=2)),
            MaxPool2d(name="pool1", window=Window.square(3, stride=2)),
            *conv_relu("conv2", 192, Window.square(5, padding=2)),
            MaxPool2d(name="pool2", window=Window.square(3, stride=2)),
            *conv_relu("conv3", 384, Window.square(3, padding=1)),
            *conv_relu("conv4", 256, Window.square(3, padding=1)),
            *conv_relu("conv5", 256, Window.square(3, padding=1)),
            MaxPool2d(name="pool5", window=Window.square(3, stride=2)),
            *linear_relu("fc1", 4096),
            *linear_relu("fc2", 4096),
        ],
    )


def _chain(name: str, layers: Sequence[Layer]) -> Network:
    classes = Linear(name="fc3", out_features=1000)
    return SeededNetwork(name, [image(224), *layers, classes], dataset="photo")


def _groups(groups: Sequence[Sequence[int]]) -> list[Layer]:
    layers: list[Layer] = []
    for group, widths in enumerate(groups, start=1):
        for place, channels in enumerate(widths, start=1):
            layers += conv_relu(f"conv{group}-{place}", channels, Window.square(3, padding=1))
        layers.append(MaxPool2d(name=f"pool{group}", window=Window.square(2, stride=2)))
    return layers
