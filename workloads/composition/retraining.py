"""Retraining between two rounds of clustering: a few epochs in which real weights move under their centres.

Every step computes with the centres nearest to the weights, and moves the weights and biases by the gradients
found there (`straight_through`), by Adam (Kingma and Ba, 2015) with a rate that falls to zero. Weights are
clustered anew before each epoch; codebooks of inputs stay for the round.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.composition.block_graph import Composable
from workloads.composition.straight_through import gradients
from workloads.composition.weight_codes import code_weights, snapped
from workloads.folding import FoldedWeights

Array = NDArray[np.floating[Any]]

#: Of a round; recalled, of medium certainty.
EPOCHS = 5
BATCH = 32
LEARNING_RATE = 1e-3

#: Adam's decay of the means of gradients and of their squares, and what keeps it from dividing by zero.
DECAYS = (0.9, 0.999)
LEAST_ROOT = 1e-8


def retrain(
    form: Composable,
    weights: Mapping[str, FoldedWeights],
    centres: Mapping[str, NDArray[np.float64]],
    inputs: NDArray[np.float32],
    labels: NDArray[np.int64],
    clusters: int,
    seed: int,
) -> dict[str, FoldedWeights]:
    """Return the real weights after a round of retraining.

    weights : of each matrix block
    centres : codebooks of inputs, by name
    inputs, labels : (N, C, H, W) and (N,)
    clusters : of a codebook of weights
    seed : of the order of images
    """
    order = np.random.default_rng(seed)
    moving = {name: FoldedWeights(own.weights.copy(), own.bias.copy()) for name, own in weights.items()}
    adam = {name: (_Adam(own.weights), _Adam(own.bias)) for name, own in moving.items()}
    steps, done = EPOCHS * -(-len(inputs) // BATCH), 0
    for _ in range(EPOCHS):
        coded = {
            name: code_weights(own, clusters, shared=form.blocks[name].is_fully_connected)
            for name, own in moving.items()
        }
        shuffled = order.permutation(len(inputs))
        for start in range(0, len(inputs), BATCH):
            batch = shuffled[start : start + BATCH]
            snapped_weights = {name: snapped(own, coded[name]) for name, own in moving.items()}
            found = gradients(form, snapped_weights, centres, inputs[batch], labels[batch])
            rate = LEARNING_RATE * (1.0 - done / steps)
            done += 1
            for name, own in moving.items():
                of_weights, of_bias = adam[name]
                of_weights.move(own.weights, found.weights[name].weights, rate)
                of_bias.move(own.bias, found.weights[name].bias, rate)
    return moving


class _Adam:
    """Means of one array's gradients and of their squares."""

    def __init__(self, array: Array) -> None:
        self._mean, self._square, self._steps = np.zeros_like(array), np.zeros_like(array), 0

    def move(self, array: Array, gradient: Array, rate: float) -> None:
        """Move an array against a gradient, in place."""
        self._steps += 1
        for mean, decay, new in (
            (self._mean, DECAYS[0], gradient),
            (self._square, DECAYS[1], gradient * gradient),
        ):
            mean += (1.0 - decay) * (new - mean)
        mean, square = (
            each / (1.0 - decay**self._steps)
            for each, decay in zip((self._mean, self._square), DECAYS, strict=True)
        )
        array -= (rate * mean / (np.sqrt(square) + LEAST_ROOT)).astype(array.dtype)
