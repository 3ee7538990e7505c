"""Small chains that RAPIDNN is measured with: three perceptrons on vectors, two networks on CIFAR's pictures.

Widths are those of its table of applications (Imani et al., RAPIDNN, 2018), from memory. ReLUs and the zeros
around the maps of convolutions are assumed; HAR has 19 classes there, and 6 or 12 elsewhere.
"""

from __future__ import annotations

from workloads.layers import Input, Layer, Linear, MaxPool2d
from workloads.network import Network
from workloads.window import Window
from workloads.zoo.blocks import conv_relu, image, linear_relu
from workloads.zoo.catalogue import networks
from workloads.zoo.seeded_weights import SeededNetwork

HIDDEN = 512


def perceptron(name: str, features: int, classes: int) -> Network:
    """Return an input vector and three fully connected layers."""
    vector = Input(name="features", shape=(features, 1, 1))
    return SeededNetwork(name, [vector, *_head(classes, hidden=("fc1", "fc2"))])


def cifar_cnn(name: str, classes: int) -> Network:
    """Return three convolutions, a max pool behind the first, and two fully connected layers."""
    layers: list[Layer] = [
        image(32),
        *conv_relu("conv1", 32, Window.square(3, padding=1)),
        MaxPool2d(name="pool1", window=Window.square(2, stride=2)),
        *conv_relu("conv2", 64, Window.square(3, padding=1)),
        *conv_relu("conv3", 64, Window.square(3, padding=1)),
    ]
    return SeededNetwork(name, [*layers, *_head(classes, hidden=("fc1",))], dataset="photo")


def _head(classes: int, hidden: tuple[str, ...]) -> list[Layer]:
    layers = [layer for name in hidden for layer in linear_relu(name, HIDDEN)]
    return [*layers, Linear(name=f"fc{len(hidden) + 1}", out_features=classes)]


@networks.register("mnist-mlp")
def mnist_mlp() -> Network:
    """Return three fully connected layers for MNIST, 784-512-512-10 (RAPIDNN)."""
    return perceptron("mnist-mlp", 784, 10)


@networks.register("isolet-mlp")
def isolet_mlp() -> Network:
    """Return three fully connected layers for ISOLET's spoken letters, 617-512-512-26 (RAPIDNN)."""
    return perceptron("isolet-mlp", 617, 26)


@networks.register("har-mlp")
def har_mlp() -> Network:
    """Return three fully connected layers for human activity recognition, 561-512-512-19 (RAPIDNN)."""
    return perceptron("har-mlp", 561, 19)


@networks.register("cifar10-cnn")
def cifar10_cnn() -> Network:
    """Return three convolutions, a max pool and two fully connected layers for CIFAR-10 (RAPIDNN)."""
    return cifar_cnn("cifar10-cnn", 10)


@networks.register("cifar100-cnn")
def cifar100_cnn() -> Network:
    """Return the same layers for the 100 classes of CIFAR-100 (RAPIDNN)."""
    return cifar_cnn("cifar100-cnn", 100)
