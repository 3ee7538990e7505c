"""Small chains to train in tests."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from workloads import Activation, Conv2d, Input, Layer, Linear, MaxPool2d, Network, Window, datasets
from workloads.training import TrainingRule

RULE = TrainingRule(batch=32, learning_rate_shift=2, loss="softmax", headroom_bits=3, seed=0)


def chain(*layers: Layer, shape: tuple[int, int, int] = (1, 8, 8)) -> Network:
    """Return a network of layers without weights, one behind the other."""
    return Network("chain", [Input(name="image", shape=shape), *layers])


def mlp(widths: Sequence[int], shape: tuple[int, int, int] = (1, 8, 8)) -> Network:
    """Return fully connected layers with ReLUs between."""
    layers: list[Layer] = []
    for number, width in enumerate(widths):
        if number:
            layers.append(Activation(name=f"relu{number}", function="relu"))
        layers.append(Linear(name=f"fc{number + 1}", out_features=width))
    return chain(*layers, shape=shape)


def digits_conv() -> Network:
    """Return two convolutions with max pools and a classifier, without any norm."""
    return chain(
        Conv2d(name="conv1", out_channels=8, window=Window.square(3, padding=1)),
        Activation(name="relu1", function="relu"),
        MaxPool2d(name="pool1", window=Window.square(2, stride=2)),
        Conv2d(name="conv2", out_channels=16, window=Window.square(3, padding=1, stride=2)),
        MaxPool2d(name="pool2", window=Window.square(2)),
        Activation(name="relu2", function="relu"),
        Linear(name="fc", out_features=10, bias=False),
    )


def digits(images: int, split: str = "digits-train") -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the first images of a split, and their labels."""
    first = datasets[split]().first(images)
    assert first.labels is not None
    return first.inputs, first.labels


def trained_by(rule: TrainingRule = RULE, **changes: object) -> TrainingRule:
    """Return a rule with some of it changed."""
    return replace(rule, **changes)  # type: ignore[arg-type]
