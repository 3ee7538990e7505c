"""Training in 16 bit fixed point, batch by batch: the reference that a machine's values must equal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workloads.training.fixed_point import Codes, divided, kept, stored
from workloads.training.losses import exponentials, image_losses, output_error
from workloads.training.plan import TrainingPlan
from workloads.training.stage_arithmetic import (
    Maps,
    error_before_stage_ends,
    gradient_sums,
    input_error_sums,
    pooled,
    rectified,
    weighted_sums,
)


@dataclass(frozen=True, eq=False)
class Trained:
    """What came of training.

    outputs : (images, classes) codes of each image, by the weights of its batch
    losses : mean loss of each batch, before its update
    weights : of each stage behind the last update, (rows + 1, cols) codes
    """

    outputs: Codes
    losses: NDArray[np.float64]
    weights: tuple[Codes, ...]


def train(plan: TrainingPlan, inputs: Codes, labels: NDArray[np.int64]) -> Trained:
    """Train on images (N, C, H, W), codes, in their order; every batch changes the weights once."""
    weights = list(plan.start)
    outputs = []
    for batch in batches(len(inputs), plan.rule.batch):
        read, maps = _forward(plan, weights, inputs[batch])
        outputs.append(maps[-1][-1].reshape(len(read[0]), -1))
        error = loss_error(plan, outputs[-1], labels[batch]).reshape(maps[-1][-1].shape)
        for i in reversed(range(len(plan.stages))):
            stage, own = plan.stages[i], plan.numbers[i]
            error = kept(error_before_stage_ends(stage, maps[i], error))  # pools may add several up
            gradient = stored(gradient_sums(stage, read[i], error, own.one), own.gradient_shift)
            if i:
                error = stored(input_error_sums(stage, error, weights[i]), own.error_shift)
            weights[i] = updated(plan, i, weights[i], gradient.sum(axis=0), len(gradient))
    found = np.concatenate(outputs)
    return Trained(found, batch_losses(plan, found, labels), tuple(weights))


def forward_outputs(plan: TrainingPlan, weights: tuple[Codes, ...], inputs: Codes) -> Codes:
    """Return the outputs (images, classes) of images by given weights."""
    _, maps = _forward(plan, list(weights), inputs)
    return np.asarray(maps[-1][-1].reshape(len(inputs), -1))


def batches(images: int, batch: int) -> Iterator[slice]:
    """Yield the images of each batch; the last may have fewer."""
    for start in range(0, images, batch):
        yield slice(start, min(start + batch, images))


def loss_error(plan: TrainingPlan, outputs: Codes, labels: NDArray[np.int64]) -> Codes:
    """Return the error of outputs (images, classes)."""
    last = plan.numbers[-1]
    table = exponentials(last.outputs)
    return output_error(outputs, labels, plan.rule.loss, table, (last.outputs, last.errors))


def batch_losses(plan: TrainingPlan, outputs: Codes, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean loss of each batch from the outputs of all images."""
    fraction = plan.numbers[-1].outputs
    each = image_losses(outputs, labels, plan.rule.loss, exponentials(fraction), fraction)
    return np.array([each[batch].mean() for batch in batches(len(each), plan.rule.batch)])


def updated(plan: TrainingPlan, stage: int, weights: Codes, gradients: Codes, images: int) -> Codes:
    """Return weights minus the learning rate times the mean of gradients, whose sum over images is given."""
    shift = plan.numbers[stage].update_shift(plan.rule.learning_rate_shift)
    change = divided(gradients << max(-shift, 0), images << max(shift, 0))
    if not plan.biased[stage]:
        change[-1] = 0
    return kept(weights - change)


def _forward(plan: TrainingPlan, weights: list[Codes], inputs: Codes) -> tuple[list[Maps], list[list[Maps]]]:
    """Return what each stage reads, and its maps from behind the ReLU to behind the last pool."""
    read: list[Maps] = [inputs]
    maps = []
    for stage, own, codes in zip(plan.stages, plan.numbers, weights, strict=True):
        sums = stored(weighted_sums(stage, read[-1], codes, own.one), own.output_shift)
        maps.append(pooled(stage, rectified(stage, sums)))
        read.append(maps[-1][-1])
    return read[:-1], maps
