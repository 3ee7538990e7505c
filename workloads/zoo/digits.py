"""Three small networks trained on real handwritten digits, by `train_digits` beside this file."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from workloads.data import ASSETS
from workloads.layers import Activation, Add, GlobalAvgPool, Input, Layer, Linear, MaxPool2d
from workloads.network import Network
from workloads.window import Window
from workloads.zoo.blocks import conv_norm, conv_norm_relu
from workloads.zoo.catalogue import networks, read_parameters

CLASSES = 10
IMAGE = Input(name="image", shape=(1, 8, 8))


@networks.register("digits-mlp")
def digits_mlp() -> Network:
    """Return three fully connected layers, 64-64-32-10."""
    return _trained(
        "digits-mlp",
        [
            IMAGE,
            Linear(name="fc1", out_features=64),
            Activation(name="relu1", function="relu"),
            Linear(name="fc2", out_features=32),
            Activation(name="relu2", function="relu"),
            Linear(name="fc3", out_features=CLASSES),
        ],
    )


@networks.register("digits-cnn")
def digits_cnn() -> Network:
    """Return three convolutions with batch norm, two max pools and a classifier."""
    return _trained(
        "digits-cnn",
        [
            IMAGE,
            *conv_norm_relu("conv1", 16),
            *conv_norm_relu("conv2", 32),
            MaxPool2d(name="pool1", window=Window.square(2, stride=2)),
            *conv_norm_relu("conv3", 32),
            MaxPool2d(name="pool2", window=Window.square(2, stride=2)),
            Linear(name="fc", out_features=CLASSES),
        ],
    )


@networks.register("digits-resnet")
def digits_resnet() -> Network:
    """Return two residual blocks, one around an identity skip and one, strided, around a 1x1 projection."""
    return _trained(
        "digits-resnet",
        [
            IMAGE,
            *conv_norm_relu("stem", 16),
            *conv_norm_relu("block1-conv1", 16),
            *conv_norm("block1-conv2", 16),
            Add(name="block1-add", inputs=("block1-conv2-norm", "stem-relu")),
            Activation(name="block1-relu", function="relu"),
            *conv_norm_relu("block2-conv1", 32, stride=2),
            *conv_norm("block2-conv2", 32),
            *conv_norm("block2-project", 32, kernel=1, stride=2, reads="block1-relu"),
            Add(name="block2-add", inputs=("block2-conv2-norm", "block2-project-norm")),
            Activation(name="block2-relu", function="relu"),
            GlobalAvgPool(name="pool"),
            Linear(name="fc", out_features=CLASSES),
        ],
    )


def _trained(name: str, layers: Sequence[Layer]) -> Network:
    return Network(
        name, layers, parameters=partial(read_parameters, ASSETS / f"{name}.npz"), dataset="digits"
    )
