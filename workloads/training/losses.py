"""Losses: how far outputs are from their labels, and the error that goes back from it."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from workloads.training.fixed_point import LARGEST_CODE, Codes, divided, reals_of, stored

Loss = Literal["softmax", "squared"]

#: Digits behind the point of a table's exponentials.
EXPONENT_BITS = 30


def exponentials(fraction: int) -> NDArray[np.int64]:
    """Return exp(-d / 2**fraction) in steps of 2**-30, for each difference d of two codes: a lookup table."""
    steps = np.exp(-np.arange(2 * LARGEST_CODE + 1) * 2.0**-fraction) * 2**EXPONENT_BITS
    return np.asarray(np.rint(steps), np.int64)


def output_error(
    outputs: Codes,
    labels: NDArray[np.int64],
    loss: Loss,
    table: NDArray[np.int64],
    fractions: tuple[int, int],
) -> Codes:
    """Return the error (images, classes) of the outputs, codes of 16 bit.

    outputs : (images, classes) codes
    loss : softmax: with cross entropy, the share of each class minus the label's 1; squared: output minus it
    table : `exponentials` of the outputs' fraction
    fractions : of outputs and of errors
    """
    own, target = fractions
    wanted = np.arange(outputs.shape[1]) == labels[:, None]
    if loss == "squared":
        return stored(outputs - (wanted.astype(np.int64) << own), own - target)
    parts = table[outputs.max(axis=1, keepdims=True) - outputs]
    shares = divided(parts << target, parts.sum(axis=1, keepdims=True))
    return np.asarray(shares - (wanted.astype(np.int64) << target))


def image_losses(
    outputs: Codes, labels: NDArray[np.int64], loss: Loss, table: NDArray[np.int64], fraction: int
) -> NDArray[np.float64]:
    """Return the loss of each image: half the squared distance, or the cross entropy [nat]; for reports."""
    if loss == "squared":
        return np.asarray(0.5 * (_distance(reals_of(outputs, fraction), labels) ** 2).sum(axis=1))
    largest = outputs.max(axis=1)
    behind = reals_of(largest - outputs[np.arange(len(labels)), labels], fraction)
    shares = table[largest[:, None] - outputs].sum(axis=1)
    return np.asarray(behind + np.log(shares / 2**EXPONENT_BITS))


def real_output_error(outputs: NDArray[Any], labels: NDArray[np.int64], loss: Loss) -> NDArray[np.float64]:
    """Return the error of outputs in real numbers, for calibration."""
    if loss == "squared":
        return _distance(outputs, labels)
    parts = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return _distance(parts / parts.sum(axis=1, keepdims=True), labels)


def _distance(values: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(values - (np.arange(values.shape[1]) == labels[:, None]), np.float64)
