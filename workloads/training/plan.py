"""What is settled before training begins: start weights, and where the binary point of each tensor lies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.errors import WorkloadError
from workloads.layers import Conv2d, Linear
from workloads.lowering import lower
from workloads.network import Network
from workloads.training.chain import TrainedStage, trained_stages
from workloads.training.fixed_point import Codes, codes_of, fraction_for
from workloads.training.losses import Loss, real_output_error
from workloads.training.stage_arithmetic import (
    error_before_stage_ends,
    gradient_sums,
    input_error_sums,
    pooled,
    rectified,
    weighted_sums,
)
from workloads.zoo.seeded_weights import WeightStream


@dataclass(frozen=True)
class TrainingRule:
    """How weights are changed.

    batch : images whose mean gradient makes one update; the last batch may have fewer
    learning_rate_shift : weights change by 2**-shift times the mean gradient
    headroom_bits : bits left free above the largest magnitude that calibration sees
    seed : of the start weights
    """

    batch: int
    learning_rate_shift: int
    loss: Loss
    headroom_bits: int
    seed: int


@dataclass(frozen=True)
class StageNumbers:
    """Fraction bits of a stage's tensors.

    inputs : of what it reads
    outputs : of what it gives, on which the next one's inputs are
    errors : of the error of its sums
    input_errors : of that which it sends back, None for the first stage, which sends none
    """

    inputs: int
    weights: int
    outputs: int
    errors: int
    gradients: int
    input_errors: int | None

    @property
    def one(self) -> int:
        """Code of 1 among its inputs, on the wordline of biases."""
        return 1 << self.inputs

    @property
    def output_shift(self) -> int:
        """Bits that a sum has below those of an output."""
        return self.inputs + self.weights - self.outputs

    @property
    def gradient_shift(self) -> int:
        """Bits that a sum has below those of a gradient."""
        return self.inputs + self.errors - self.gradients

    @property
    def error_shift(self) -> int:
        """Bits that a sum has below those of an error that is sent back."""
        assert self.input_errors is not None
        return self.errors + self.weights - self.input_errors

    def update_shift(self, learning_rate_shift: int) -> int:
        """Bits that a gradient times the learning rate has below those of a weight."""
        return self.gradients + learning_rate_shift - self.weights


@dataclass(frozen=True, eq=False)
class TrainingPlan:
    """A network ready to be trained.

    start : weights of each stage, (rows + 1, cols) int64 codes
    biased : whether each stage has biases; without, the row of biases stays zero
    """

    network: Network
    stages: tuple[TrainedStage, ...]
    rule: TrainingRule
    numbers: tuple[StageNumbers, ...]
    start: tuple[Codes, ...]
    biased: tuple[bool, ...]

    def input_codes(self, inputs: NDArray[Any]) -> Codes:
        """Return images as codes."""
        return codes_of(inputs, self.numbers[0].inputs)

    def parameters(self, weights: tuple[Codes, ...]) -> dict[str, dict[str, NDArray[np.float32]]]:
        """Return weights in real numbers, as `Network` takes them."""
        found = {}
        for stage, own, codes in zip(self.stages, self.numbers, weights, strict=True):
            real = (codes * 2.0**-own.weights).astype(np.float32)
            kernels = real[:-1].reshape(stage.matrix.window.positions, stage.in_shape[0], -1)
            shapes = self.network.parameter_shapes[stage.name]
            found[stage.name] = {"weight": kernels.transpose(2, 1, 0).reshape(shapes["weight"])}
            if "bias" in shapes:
                found[stage.name]["bias"] = real[-1]
        return found


def plan_training(
    network: Network, rule: TrainingRule, inputs: NDArray[Any], labels: NDArray[np.int64]
) -> TrainingPlan:
    """Return start weights and binary points.

    inputs : (images, C, H, W) real numbers to train on
    raises : WorkloadError for a network that cannot be trained, or labels that it has no output for

    The start weights are drawn about zero with variance 2 / rows (He et al., ICCV 2015), biases are zero.
    They train the first batch once in real numbers. The binary point of a tensor then leaves `headroom_bits`
    above its largest magnitude; the images', which training does not change, leaves none.
    """
    stages = trained_stages(lower(network))
    classes = stages[-1].shape[0]
    if (most := int(labels.max())) >= classes:
        raise WorkloadError(
            f"{network.name} has {classes} outputs, but a label is {most}; train on images of those classes"
        )
    weights = [_start_weights(network.name, stage, rule.seed) for stage in stages]
    first = slice(0, rule.batch)
    seen = _magnitudes(stages, weights, rule, inputs[first].astype(np.float64), labels[first])

    def fraction(what: str, stage: int) -> int:
        return fraction_for(seen[what][stage], rule.headroom_bits)

    points = [fraction_for(float(np.abs(inputs).max()), 0)]
    points += [fraction("outputs", stage) for stage in range(len(stages))]
    errors = [fraction("errors", stage) for stage in range(len(stages))]
    numbers = tuple(
        StageNumbers(
            inputs=points[i],
            weights=fraction_for(float(np.abs(weights[i]).max()), rule.headroom_bits),
            outputs=points[i + 1],
            errors=errors[i],
            gradients=fraction("gradients", i),
            input_errors=errors[i - 1] if i else None,
        )
        for i in range(len(stages))
    )
    start = tuple(codes_of(w, own.weights) for w, own in zip(weights, numbers, strict=True))
    biased = tuple(_has_bias(network, stage) for stage in stages)
    return TrainingPlan(network, stages, rule, numbers, start, biased)


def _has_bias(network: Network, stage: TrainedStage) -> bool:
    layer = network.layers[stage.name]
    return isinstance(layer, Conv2d | Linear) and layer.bias


def _start_weights(network: str, stage: TrainedStage, seed: int) -> NDArray[np.float64]:
    rows, cols = stage.weights_shape
    stream = WeightStream(f"training/{seed}/{network}/{stage.name}")
    drawn = stream.normal((rows - 1, cols), 0.0, math.sqrt(2.0 / (rows - 1)))
    return np.concatenate([drawn.astype(np.float64), np.zeros((1, cols))])


def _magnitudes(
    stages: tuple[TrainedStage, ...],
    weights: list[NDArray[np.float64]],
    rule: TrainingRule,
    inputs: NDArray[np.float64],
    labels: NDArray[np.int64],
) -> dict[str, list[float]]:
    """Return the largest magnitude of each stage's tensors when a batch is trained in real numbers."""
    seen: dict[str, list[float]] = {what: [0.0] * len(stages) for what in ("outputs", "errors", "gradients")}
    read, maps = [inputs], []
    for stage, w in zip(stages, weights, strict=True):
        maps.append(pooled(stage, rectified(stage, weighted_sums(stage, read[-1], w, 1.0))))
        read.append(maps[-1][-1])
    outputs = read.pop().reshape(len(inputs), -1)
    error = real_output_error(outputs, labels, rule.loss).reshape(maps[-1][-1].shape)
    for i in reversed(range(len(stages))):
        error = error_before_stage_ends(stages[i], maps[i], error)
        for what, values in (
            ("outputs", maps[i][0]),
            ("errors", error),
            ("gradients", gradient_sums(stages[i], read[i], error, 1.0)),
        ):
            seen[what][i] = float(np.abs(values).max())
        if i:
            error = input_error_sums(stages[i], error, weights[i])
    return seen
