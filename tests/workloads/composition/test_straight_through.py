from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.strategies import random_parameters
from workloads import (
    Activation,
    Add,
    Affine,
    AvgPool2d,
    Concat,
    Conv2d,
    GlobalAvgPool,
    Input,
    Layer,
    Linear,
    MaxPool2d,
    Network,
    Select,
    Window,
    datasets,
    lower,
)
from workloads import networks as zoo
from workloads.composition import ComposeOptions, composable, compose
from workloads.composition.folded_weights import fold_weights
from workloads.composition.straight_through import gradients
from workloads.composition.weight_codes import code_weights, snapped
from workloads.folding import FoldedWeights

IMAGE = Input(name="image", shape=(2, 7, 6))
UNEVEN = Window(kernel=(3, 2), stride=(2, 1), padding=(1, 0, 2, 1), dilation=(1, 2))
FC = Linear(name="fc", out_features=3)

NETWORKS: dict[str, list[Layer]] = {
    "conv": [Conv2d(name="conv", out_channels=4, window=UNEVEN, groups=2), FC],
    "functions": [
        Conv2d(name="conv", out_channels=3, window=Window.square(3)),
        Activation(name="tanh", function="tanh"),
        Conv2d(name="second", out_channels=3, window=Window.square(2)),
        Activation(name="relu", function="relu"),
        FC,
    ],
    "pools": [
        Conv2d(name="conv", out_channels=3, window=Window.square(3, padding=1)),
        MaxPool2d(name="max", window=Window.square(3, stride=2, padding=1)),
        AvgPool2d(name="mean", window=Window.square(2, padding=1), count_include_pad=True),
        FC,
    ],
    "skip": [
        Conv2d(name="conv", out_channels=3, window=Window.square(3, padding=1)),
        Activation(name="act", function="silu"),
        Conv2d(name="second", out_channels=3, window=Window.square(1)),
        Add(name="add", inputs=("act", "second", "act"), signs=(1, -1, 1)),
        GlobalAvgPool(name="pool"),
        FC,
    ],
    "moves": [
        Conv2d(name="conv", out_channels=3, window=Window.square(3, padding=1)),
        Select(name="pick", channels=(2, -1, 0), rows=(0, 0, 3), columns=(5, -1, 1)),
        Select(name="other", inputs=("conv",), rows=(1, 2, 3), columns=(0, 1, 2)),
        Concat(name="both", inputs=("pick", "other")),
        Affine(name="norm"),
        FC,
    ],
}


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_are_the_slopes_of_the_loss(name: str) -> None:
    """Each weight is moved a little to either side, in double precision, with nothing clustered."""
    rng = np.random.default_rng(0)
    layers = [IMAGE, *NETWORKS[name]]
    network = Network("net", layers)
    lowered = lower(network)
    form = composable(lowered)
    folded = fold_weights(lowered, form, random_parameters(network, rng))
    weights = {
        block: FoldedWeights(own.weights.astype(np.float64), own.bias.astype(np.float64))
        for block, own in folded.items()
    }
    inputs, labels = rng.normal(size=(4, *IMAGE.shape)), np.array([0, 2, 1, 2])

    def loss() -> float:
        return gradients(form, weights, None, inputs, labels).loss

    found = gradients(form, weights, None, inputs, labels).weights
    step = 1e-6
    for block, own in weights.items():
        for array, gradient in ((own.weights, found[block].weights), (own.bias, found[block].bias)):
            for place in np.ndindex(*array.shape):
                kept = array[place]
                array[place] = kept + step
                above = loss()
                array[place] = kept - step
                slope = (above - loss()) / (2 * step)
                array[place] = kept
                assert gradient[place] == pytest.approx(slope, abs=2e-6), (block, place)


def scores(name: str, clusters: int) -> tuple[float, float]:
    """Return the loss of a digits network on some images, as it is and clustered."""
    data = datasets["digits-train"]().first(100)
    assert data.labels is not None
    lowered = lower(zoo[name]())
    form = composable(lowered)
    weights = fold_weights(lowered, form, zoo[name]().load_parameters())
    composition = compose(zoo[name](), data, ComposeOptions(clusters, clusters))
    centres = {book: tree.at(clusters) for book, tree in composition.codebooks.items()}
    clustered: dict[str, FoldedWeights] = {
        block: snapped(own, code_weights(own, clusters, shared=form.blocks[block].is_fully_connected))
        for block, own in weights.items()
    }
    inputs: NDArray[np.float32] = data.inputs
    return (
        gradients(form, weights, None, inputs, data.labels).loss,
        gradients(form, clustered, centres, inputs, data.labels).loss,
    )


@pytest.mark.parametrize("name", ["digits-mlp", "digits-cnn"])
def test_the_way_forward_is_that_of_the_clustered_network(name: str) -> None:
    fine, coarse = scores(name, 256), scores(name, 4)
    assert fine[1] == pytest.approx(fine[0], rel=0.1)
    assert coarse[1] > 1.2 * coarse[0]
