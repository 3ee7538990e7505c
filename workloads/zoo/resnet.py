"""Residual networks (He et al., CVPR 2016), for CIFAR and for ImageNet.

Those for ImageNet are torchvision's: a bottleneck strides in its 3x3 convolution ("v1.5"). CIFAR-100 takes
ImageNet's stages behind a 3x3 stem without a pool.
"""

from __future__ import annotations

from collections.abc import Sequence

from workloads.layers import Activation, Add, Layer, MaxPool2d, Shortcut
from workloads.network import Network
from workloads.window import Window
from workloads.zoo.blocks import classifier, conv_norm, conv_norm_relu, image
from workloads.zoo.catalogue import networks
from workloads.zoo.seeded_weights import SeededNetwork

WIDTHS = (64, 128, 256, 512)
#: Output channels of a bottleneck for each of its width.
EXPANSION = 4


@networks.register("resnet20")
def resnet20() -> Network:
    """Return 20 layers of 16, 32 and 64 channels for CIFAR-10, with identity shortcuts."""
    return _cifar10("resnet20", 3, (16, 32, 64), project=False)


@networks.register("resnet32")
def resnet32() -> Network:
    """Return 32 layers of 16, 32 and 64 channels for CIFAR-10, with identity shortcuts."""
    return _cifar10("resnet32", 5, (16, 32, 64), project=False)


@networks.register("resnet32-ibm")
def resnet32_ibm() -> Network:
    """Return 32 layers of 16, 28 and 56 channels for CIFAR-10, with two projections (Joshi et al., 2020)."""
    return _cifar10("resnet32-ibm", 5, (16, 28, 56), project=True)


@networks.register("resnet18")
def resnet18() -> Network:
    """Return 18 layers in basic blocks for ImageNet."""
    return imagenet_resnet("resnet18", (2, 2, 2, 2))


@networks.register("resnet34")
def resnet34() -> Network:
    """Return 34 layers in basic blocks for ImageNet."""
    return imagenet_resnet("resnet34", (3, 4, 6, 3))


@networks.register("resnet50")
def resnet50() -> Network:
    """Return 50 layers in bottlenecks for ImageNet."""
    return imagenet_resnet("resnet50", (3, 4, 6, 3), bottleneck=True)


@networks.register("resnet18-cifar100")
def resnet18_cifar100() -> Network:
    """Return ResNet-18 for CIFAR-100."""
    return _cifar100("resnet18-cifar100", (2, 2, 2, 2))


@networks.register("resnet34-cifar100")
def resnet34_cifar100() -> Network:
    """Return ResNet-34 for CIFAR-100."""
    return _cifar100("resnet34-cifar100", (3, 4, 6, 3))


def _cifar10(name: str, blocks: int, widths: Sequence[int], *, project: bool) -> Network:
    stem = [image(32), *conv_norm_relu("stem", widths[0])]
    body = _residual(stem, [blocks] * len(widths), widths, project=project)
    return SeededNetwork(name, [*body, *classifier(10)], dataset="photo")


def _cifar100(name: str, blocks: Sequence[int]) -> Network:
    stem = [image(32), *conv_norm_relu("stem", WIDTHS[0])]
    return SeededNetwork(name, [*_residual(stem, blocks, WIDTHS), *classifier(100)], dataset="photo")


def imagenet_resnet(
    name: str, blocks: Sequence[int], *, bottleneck: bool = False, size: int = 224
) -> Network:
    """Return a network of 1000 classes with so many blocks in its four stages, for images of size x size."""
    stem = [
        image(size),
        *conv_norm_relu("stem", WIDTHS[0], kernel=7, stride=2),
        MaxPool2d(name="stem-pool", window=Window.square(3, stride=2, padding=1)),
    ]
    body = _residual(stem, blocks, WIDTHS, bottleneck=bottleneck)
    return SeededNetwork(name, [*body, *classifier(1000)], dataset="photo")


def _residual(
    stem: list[Layer],
    blocks: Sequence[int],
    widths: Sequence[int],
    *,
    bottleneck: bool = False,
    project: bool = True,
) -> list[Layer]:
    """Return the stem and all blocks; the first block of every stage but the first halves the map.

    project : a skip that changes its shape is a 1x1 convolution; otherwise it picks pixels
    """
    layers = list(stem)
    channels = widths[0]  # the stem's
    for stage, (count, width) in enumerate(zip(blocks, widths, strict=True), start=1):
        out = width * EXPANSION if bottleneck else width
        for block in range(1, count + 1):
            name, source = f"stage{stage}-block{block}", layers[-1].name
            stride = 2 if stage > 1 and block == 1 else 1
            layers += _bottleneck(name, width, stride) if bottleneck else _basic(name, width, stride)
            end, skip = layers[-1].name, source
            if (stride, channels) != (1, out):
                layers += _changed_skip(name, out, stride, source, project=project)
                skip = layers[-1].name
            layers += [
                Add(name=f"{name}-add", inputs=(end, skip)),
                Activation(name=f"{name}-relu", function="relu"),
            ]
            channels = out
    return layers


def _basic(name: str, width: int, stride: int) -> list[Layer]:
    return [
        *conv_norm_relu(f"{name}-conv1", width, stride=stride),
        *conv_norm(f"{name}-conv2", width),
    ]


def _bottleneck(name: str, width: int, stride: int) -> list[Layer]:
    return [
        *conv_norm_relu(f"{name}-conv1", width, kernel=1),
        *conv_norm_relu(f"{name}-conv2", width, stride=stride),
        *conv_norm(f"{name}-conv3", width * EXPANSION, kernel=1),
    ]


def _changed_skip(name: str, channels: int, stride: int, source: str, *, project: bool) -> list[Layer]:
    if project:
        return conv_norm(f"{name}-project", channels, kernel=1, stride=stride, reads=source)
    return [Shortcut(name=f"{name}-shortcut", inputs=(source,), stride=stride, channels=channels)]
