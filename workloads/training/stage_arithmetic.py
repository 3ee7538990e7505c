"""What a stage computes when it trains: forward, the error back, the gradient. The specification, in numpy.

The same functions serve integers and, for calibration, real numbers; only what is `stored` differs. Maps are
(images, channels, height, width); weights are (rows + 1, cols), rows by position of the window first, by
channel second, the last one for biases.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.convolution import convolve
from workloads.training.chain import TrainedStage
from workloads.window import Window

Maps = NDArray[Any]


def weighted_sums(stage: TrainedStage, x: Maps, weights: Maps, one: Any) -> Maps:
    """Return the sums of a matrix over its windows of `x`.

    one : what the wordline of the biases carries
    """
    sums = convolve(x, np.ascontiguousarray(weights[None, :-1]), stage.matrix.window)
    return np.asarray(sums + (one * weights[-1])[:, None, None])


def rectified(stage: TrainedStage, y: Maps) -> Maps:
    """Return a matrix's output behind its ReLU, if it has one."""
    return np.maximum(y, 0) if stage.rectified else y


def pooled(stage: TrainedStage, y: Maps) -> list[Maps]:
    """Return the maps before each pool, and behind the last."""
    maps = [y]
    for pool in stage.pools:
        maps.append(np.maximum.reduce(list(pool.window.taps(maps[-1], _least(y)))))
    return maps


def error_before_stage_ends(stage: TrainedStage, maps: list[Maps], error: Maps) -> Maps:
    """Return the error of a matrix's sums from that of the stage's output.

    maps : as `pooled` returned them, the first behind the ReLU
    error : of the last of them

    The error of a pool's output belongs to the first largest pixel of its window, row by row; that of a ReLU
    passes where its output is positive.
    """
    for pool, before, behind in reversed(list(zip(stage.pools, maps, maps[1:], strict=False))):
        error = _to_winners(pool.window, before, behind, error)
    return np.asarray(error * (maps[0] > 0)) if stage.rectified else error


def input_error_sums(stage: TrainedStage, error: Maps, weights: Maps) -> Maps:
    """Return the sums that make up the error of what a stage read: W^T times that of its sums, laid back."""
    channels, height, width = stage.in_shape
    window = stage.matrix.window
    by_position = weights[:-1].reshape(window.positions, channels, -1)
    total = np.zeros((len(error), channels, height, width), error.dtype)
    padded, inner = _padded(total, window, 0)
    for position, tap in zip(by_position, _tap_views(window, padded), strict=True):
        tap += np.einsum("co,nohw->nchw", position, error)
    return np.asarray(padded[inner])


def gradient_sums(stage: TrainedStage, x: Maps, error: Maps, one: Any) -> Maps:
    """Return each image's gradient of the weights, (images, rows + 1, cols): what was read times error."""
    taps = [np.einsum("nchw,nohw->nco", tap, error) for tap in stage.matrix.window.taps(x, 0)]
    biases = one * error.sum(axis=(2, 3))
    return np.concatenate([*taps, biases[:, None]], axis=1)


def _to_winners(window: Window, before: Maps, behind: Maps, error: Maps) -> Maps:
    padded, inner = _padded(before, window, _least(before))
    routed = np.zeros_like(padded, dtype=error.dtype)
    waiting = np.ones(behind.shape, bool)
    for pixels, target in zip(_tap_views(window, padded), _tap_views(window, routed), strict=True):
        won = waiting & (pixels == behind)
        target += np.where(won, error, 0)
        waiting &= ~won
    return np.asarray(routed[inner])


def _padded(maps: Maps, window: Window, fill: Any) -> tuple[Maps, tuple[Any, ...]]:
    """Return a padded copy, and where in it the maps are."""
    top, left, bottom, right = window.padding
    height, width = maps.shape[-2:]
    padded = np.pad(maps, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)
    return padded, (..., slice(top, top + height), slice(left, left + width))


def _tap_views(window: Window, padded: Maps) -> Iterator[Maps]:
    """Yield writable views of padded maps, one for each position of the kernel, row by row."""
    return replace(window, padding=(0, 0, 0, 0)).taps(padded, 0)


def _least(maps: Maps) -> Any:
    """Return what padding reads as, so that it never wins."""
    return -np.inf if maps.dtype.kind == "f" else np.iinfo(maps.dtype).min
