"""The values of training: what each product, comparison and update makes of what lies in memory by then.

Memory has a place for each image that it holds and no more, so what is written too early, read too late or
forgotten shows in the weights. All is done in double precision, which is exact here: 16 bit numbers would
need 2**23 of them in a sum to leave its 53 bits, and a quotient of integers is not rounded onto a half if it
is none, as long as the numerator has 52 bits at most. Of the reference there is nothing but start weights,
binary points, and what is in the table of exponentials.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arch.machine import TrainingValues
from workloads import Window
from workloads.training import LARGEST_CODE, Codes, TrainedStage, exponentials

Real = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Result:
    """What a layer leaves in memory for an image.

    values : (channels x height x width,) what the next one reads
    sources : element of the layer's sums that each of them is, behind pools
    passes : which of them are positive, or of a layer without ReLU
    """

    values: Codes
    sources: NDArray[np.int64]
    passes: NDArray[np.bool_]


class ChainValues:
    """Values of all layers; a layer is known by its number, and each of its parts computes by one function.

    weights : of each layer as its arrays hold them, (rows + 1, cols)
    outputs : (images, classes, 1, 1) int32, by the weights that were there
    """

    def __init__(self, values: TrainingValues, held: Sequence[int]) -> None:
        """Begin with start weights.

        held : images of each layer's results that there is memory for
        """
        self.plan, self.labels = values.plan, values.labels
        self.inputs = values.codes.reshape(len(values.codes), -1)
        self.weights = [start.copy() for start in self.plan.start]
        self.outputs = np.zeros((len(self.inputs), self.plan.stages[-1].shape[0], 1, 1), np.int32)
        self._products = [_Products(stage) for stage in self.plan.stages]
        self._table = exponentials(self.plan.numbers[-1].outputs)
        self._results: list[list[Result | None]] = [[None] * images for images in held]
        self._errors: list[Codes | None] = [None] * len(self.weights)
        self._gradients: list[list[Codes]] = [[] for _ in self.weights]

    def final_weights(self) -> tuple[Codes, ...]:
        """Return the weights of all layers."""
        return tuple(self.weights)

    def result(self, number: int, image: int) -> Result:
        """Return what lies where an image's result of a layer should."""
        slots = self._results[number]
        found = slots[image % len(slots)]
        assert found is not None
        return found

    def read_by(self, number: int, image: int) -> Codes:
        """Return what a layer reads of an image."""
        return self.result(number - 1, image).values if number else self.inputs[image]

    def error(self, number: int) -> Codes:
        """Return the error of a layer's sums that lies in memory."""
        found = self._errors[number]
        assert found is not None
        return found

    def taken(self, number: int) -> Taken:
        """Return where a product of the way back keeps what it has read."""
        return Taken(self, number)

    def forward(self, number: int) -> Callable[[int], None]:
        """Return what computes a layer's result for an image."""
        products, own, slots = self._products[number], self.plan.numbers[number], self._results[number]

        def compute(image: int) -> None:
            sums = products.forward(self.read_by(number, image), self.weights[number], own.one)
            slots[image % len(slots)] = products.finish(_stored(sums, own.output_shift))

        return compute

    def compare(self, image: int) -> None:
        """Compare an image's outputs with its label."""
        last = len(self.weights) - 1
        result = self.result(last, image)
        self.outputs[image, :, 0, 0] = result.values
        error = self._output_error(result.values, int(self.labels[image]))
        self._errors[last] = self._products[last].before_finish(error, result)

    def _output_error(self, values: Codes, label: int) -> Codes:
        """Return the error of an image's outputs."""
        own = self.plan.numbers[-1]
        if self.plan.rule.loss == "squared":
            away = values.copy()
            away[label] -= 2**own.outputs
            return _stored(away, own.outputs - own.errors)
        parts = self._table[values.max() - values]
        error = _rounded(parts * 2.0**own.errors / parts.sum())
        error[label] -= 2**own.errors
        return error

    def send_back(self, number: int, taken: Taken) -> Callable[[int], None]:
        """Return what computes the error of the layer in front, for an image."""
        products, own = self._products[number], self.plan.numbers[number]

        def compute(_: int) -> None:
            sums = products.error(taken.error, self.weights[number])
            assert taken.result is not None
            error = _stored(sums, own.error_shift)
            self._errors[number - 1] = self._products[number - 1].before_finish(error, taken.result)

        return compute

    def gradient(self, number: int, taken: Taken) -> Callable[[int], None]:
        """Return what computes a layer's gradient, for an image."""
        products, own, gradients = self._products[number], self.plan.numbers[number], self._gradients[number]

        def compute(_: int) -> None:
            gradients.append(_stored(products.gradient(taken.read, taken.error, own.one), own.gradient_shift))

        return compute

    def update(self, number: int) -> Callable[[int], None]:
        """Return what changes a layer's weights, behind a batch of so many images."""
        gradients = self._gradients[number]
        shift = self.plan.numbers[number].update_shift(self.plan.rule.learning_rate_shift)
        rows = self.plan.stages[number].trained_rows

        def compute(images: int) -> None:
            assert len(gradients) == images, "gradients of the batch, no more and no fewer"
            total = np.sum(gradients, axis=0)[:rows]
            weights = self.weights[number].copy()
            weights[:rows] = _kept(weights[:rows] - _rounded(total * 2.0**-shift / images))
            self.weights[number] = weights
            gradients.clear()

        return compute


class Taken:
    """What a product on the way back has read, as rows are read ahead of those that are written over them."""

    read: Codes
    error: Codes
    result: Result | None = None

    def __init__(self, values: ChainValues, number: int) -> None:
        self._values, self._number = values, number

    def take(self, image: int) -> None:
        """Read what a layer has read of an image, and the error of its sums."""
        values, number = self._values, self._number
        self.read, self.error = values.read_by(number, image), values.error(number)
        if number:
            self.result = values.result(number - 1, image)


class _Products:
    """The products of one layer with one image, all maps flat: (channels x height x width,)."""

    def __init__(self, stage: TrainedStage) -> None:
        self.rectified = stage.rectified
        self.cols = stage.matrix.cols
        self.size = prod(stage.in_shape)
        self.windows = _windows(stage.matrix.window, stage.in_shape).reshape(-1, stage.matrix.rows)
        self.pools = [
            _windows(pool.window, pool.in_shapes[0]).transpose(2, 0, 1).reshape(prod(pool.shape), -1)
            for pool in stage.pools
        ]

    def forward(self, read: Codes, weights: Codes, one: int) -> Codes:
        """Return the sums (cols x pixels,)."""
        sums = _exact(self._laid_out(read) @ weights[:-1].astype(np.float64)) + one * weights[-1]
        return np.ravel(sums.T)

    def finish(self, values: Codes) -> Result:
        """Return what ReLU and pools make of outputs, and where it comes from."""
        sources = np.arange(len(values))
        for pool in self.pools:
            seen = np.append(values.astype(np.float64), -np.inf)[pool]
            won = pool[np.arange(len(pool)), seen.argmax(axis=1)]
            values, sources = values[won], sources[won]
        if not self.rectified:
            return Result(values, sources, np.ones(len(values), bool))
        return Result(np.maximum(values, 0), sources, values > 0)

    def before_finish(self, error: Codes, result: Result) -> Codes:
        """Return the error of the layer's sums (cols x pixels,) from that of its result."""
        size = self.cols * len(self.windows)
        routed = np.bincount(
            result.sources, weights=(error * result.passes).astype(np.float64), minlength=size
        )
        return _kept(_exact(routed))

    def error(self, error: Codes, weights: Codes) -> Codes:
        """Return the sums of the error of what was read."""
        parts = self._by_pixel(error) @ weights[:-1].T.astype(np.float64)
        sums = np.bincount(self.windows.ravel(), weights=parts.ravel(), minlength=self.size + 1)
        return _exact(sums[: self.size])

    def gradient(self, read: Codes, error: Codes, one: int) -> Codes:
        """Return the sums of the weights' gradient, (rows + 1, cols)."""
        by_pixel = self._by_pixel(error)
        weights = _exact(self._laid_out(read).T @ by_pixel)
        return np.concatenate([weights, one * _exact(by_pixel.sum(axis=0))[None]])

    def _laid_out(self, read: Codes) -> Real:
        return np.append(read, 0).astype(np.float64)[self.windows]

    def _by_pixel(self, error: Codes) -> Real:
        return error.astype(np.float64).reshape(self.cols, -1).T


def _windows(window: Window, shape: tuple[int, int, int]) -> NDArray[np.int64]:
    """Return the element that each window reads, (pixels, positions, channels); padding is one behind all."""
    maps = np.arange(prod(shape)).reshape(shape)
    taps = np.stack([tap.reshape(shape[0], -1) for tap in window.taps(maps, maps.size)])
    return np.asarray(taps.transpose(2, 0, 1))


def _stored(sums: Codes, shift: int) -> Codes:
    """Return sums without their last bits, as 16 bits hold them."""
    return _kept(_rounded(sums * 2.0**-shift))


def _rounded(values: Any) -> Codes:
    """Return the nearest integers, the even ones of halves."""
    return _exact(np.rint(values))


def _kept(codes: Codes) -> Codes:
    return np.asarray(np.maximum(np.minimum(codes, LARGEST_CODE), -LARGEST_CODE))


def _exact(sums: Any) -> Codes:
    return np.asarray(sums, np.int64)
