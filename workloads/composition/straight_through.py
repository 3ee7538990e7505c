"""Gradients of a clustered network: centres on the way forward, as if nothing were clustered on the way back.

The way forward takes the nearest centre of every value that a block encodes, and weights that are centres.
Neither choice has a slope, so gradients pass both as they are (the straight-through estimator of Bengio et
al., 2013), and those of centres become those of the real weights behind them. That RAPIDNN retrains so is
assumed.

Maps are (images, channels, height, width) in single precision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.activation_functions import Clip, apply_clip
from workloads.composition.block_graph import Block, Composable
from workloads.composition.codebooks import nearest
from workloads.float_reference import apply_function
from workloads.folding import FoldedWeights
from workloads.nodes import AddNode, AvgPoolNode, MatrixNode, MaxPoolNode, Node, SelectNode, TableNode
from workloads.window import Window

Map = NDArray[np.floating[Any]]
Float = NDArray[np.float64]

#: From the gradient of a step's value to those of the tensors it reads.
Back = Callable[[Map], list[Map]]

#: Half of the distance over which a function's slope is taken.
STEP = 1e-3


@dataclass(frozen=True, eq=False)
class Gradients:
    """Mean loss of some images, and its gradients by matrix block."""

    loss: float
    weights: Mapping[str, FoldedWeights]


def gradients(
    form: Composable,
    weights: Mapping[str, FoldedWeights],
    centres: Mapping[str, Float] | None,
    inputs: Map,
    labels: NDArray[np.int64],
) -> Gradients:
    """Return the cross entropy of the output with `labels` (N,), and its gradients.

    weights : of each matrix block, already its centres where it is clustered
    centres : of each codebook by name; None encodes nothing
    """
    run = _Pass(form, weights, centres)
    output = run.forward(inputs)
    shares = output.reshape(len(inputs), -1).astype(np.float64)
    shares = np.exp(shares - shares.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    images = np.arange(len(labels))
    loss = -np.log(np.maximum(shares[images, labels], np.finfo(np.float64).tiny)).mean()
    shares[images, labels] -= 1.0
    run.backward((shares / len(labels)).astype(output.dtype).reshape(output.shape))
    return Gradients(float(loss), run.found)


class _Pass:
    """One way forward and back; `found` holds the gradients of weights afterwards."""

    def __init__(
        self, form: Composable, weights: Mapping[str, FoldedWeights], centres: Mapping[str, Float] | None
    ) -> None:
        self._form, self._weights, self._centres = form, weights, centres
        self._backs: list[tuple[str, tuple[str, ...], Back]] = []
        self.found: dict[str, FoldedWeights] = {}

    def forward(self, inputs: Map) -> Map:
        """Return the output, and remember how to go back."""
        held = {self._form.lowered.input: self._encoded(self._form.lowered.input, inputs)}
        for step in self._form.steps:
            reads = step.total.inputs if isinstance(step, Block) else step.inputs
            operands = [held[source] for source in reads]
            value, back = self._block(step, operands) if isinstance(step, Block) else _move(step, operands)
            held[step.name] = self._encoded(step.name, value) if isinstance(step, Block) else value
            self._backs.append((step.name, reads, back))
        return held[self._form.lowered.output]

    def backward(self, gradient: Map) -> None:
        """Go back from the gradient of the output."""
        gradients = {self._form.lowered.output: gradient}
        for name, reads, back in reversed(self._backs):
            for source, part in zip(reads, back(gradients.pop(name)), strict=True):
                gradients[source] = gradients[source] + part if source in gradients else part

    def _encoded(self, name: str, values: Map) -> Map:
        if self._centres is None or name not in self._form.codebook_of:
            return values
        codebook = self._centres[self._form.codebook_of[name]]
        return codebook.astype(values.dtype)[nearest(codebook, values)]

    def _block(self, block: Block, operands: list[Map]) -> tuple[Map, Back]:
        node, function = block.total, block.function
        match node:
            case MatrixNode():
                total, back = self._matrix(block.name, node, operands[0])
            case AvgPoolNode():
                total, back = _mean(node, operands[0])
            case AddNode():
                signs = node.signs or (1,) * len(operands)
                signed = [sign * operand for sign, operand in zip(signs, operands, strict=True)]
                total = np.add.reduce(signed)
                back = lambda gradient: [sign * gradient for sign in signs]  # noqa: E731
            case _:
                total, back = operands[0], lambda gradient: [gradient]
        value, slope = total, None
        if node is not function:
            value, slope = _clipped(total, node.clip)
        if function is not None:
            value, further = _looked_up(function, value)
            slope = further if slope is None else slope * further
        if slope is None:
            return value, back
        steepness = slope
        return value, lambda gradient: back(gradient * steepness)

    def _matrix(self, name: str, node: MatrixNode, x: Map) -> tuple[Map, Back]:
        """Multiply windows by weights; on the way back find the gradient of the weights, too."""
        own = self._weights[name]
        images = len(x)
        channels, height, width = node.shape
        windows = _windows(node, x)
        by_group = own.weights.transpose(0, 2, 1) @ windows
        maps = by_group.reshape(channels, images, height, width).swapaxes(0, 1)
        value = maps + own.bias[:, None, None].astype(x.dtype)

        def back(gradient: Map) -> list[Map]:
            columns = gradient.swapaxes(0, 1).reshape(node.groups, node.cols_per_group, -1)
            self.found[name] = FoldedWeights(
                windows @ columns.transpose(0, 2, 1), gradient.sum(axis=(0, 2, 3))
            )
            return [_scattered(node, own.weights @ columns, x.shape)]

        return value, back


def _windows(node: MatrixNode, x: Map) -> Map:
    """Return what each output pixel reads, (groups, rows, images * pixels)."""
    images, channels, *size = x.shape
    by_group = x.reshape(images, node.groups, channels // node.groups, *size)
    taps = np.stack(list(node.window.taps(by_group, 0.0)))
    return taps.transpose(2, 0, 3, 1, 4, 5).reshape(node.groups, node.rows, -1)


def _scattered(node: MatrixNode, windows: Map, shape: tuple[int, ...]) -> Map:
    """Return the sum of all windows (groups, rows, images * pixels) at the pixels they were read from."""
    images, channels = shape[:2]
    taps = windows.reshape(node.groups, node.window.positions, -1, images, *node.shape[1:])
    taps = taps.transpose(1, 3, 0, 2, 4, 5)
    maps, views = _pixels_under(
        node.window, (images, node.groups, channels // node.groups, *shape[2:]), windows
    )
    for view, tap in zip(views, taps, strict=True):
        view += tap
    return _unpadded(node.window, maps).reshape(shape)


def _pixels_under(window: Window, shape: tuple[int, ...], like: Map) -> tuple[Map, list[Map]]:
    """Return zeros of a padded map, and of each position of the kernel a view of the pixels it reads."""
    top, left, bottom, right = window.padding
    *outer, height, width = shape
    maps = np.zeros((*outer, height + top + bottom, width + left + right), like.dtype)
    return maps, list(replace(window, padding=(0, 0, 0, 0)).taps(maps, 0.0))


def _unpadded(window: Window, maps: Map) -> Map:
    top, left, bottom, right = window.padding
    return maps[..., top : maps.shape[-2] - bottom, left : maps.shape[-1] - right]


def _mean(node: AvgPoolNode, x: Map) -> tuple[Map, Back]:
    counts = node.counts.astype(x.dtype)

    def back(gradient: Map) -> list[Map]:
        maps, views = _pixels_under(node.window, x.shape, gradient)
        for view in views:
            view += gradient / counts
        return [_unpadded(node.window, maps)]

    return np.add.reduce(list(node.window.taps(x, 0.0))) / counts, back


def _move(node: Node, operands: list[Map]) -> tuple[Map, Back]:
    """Do what moves values, and take their gradients back to where they were."""
    x = operands[0]
    match node:
        case MaxPoolNode():
            largest = np.maximum.reduce(list(node.window.taps(x, -np.inf)))
            return largest, lambda gradient: [_to_largest(node.window, x, largest, gradient)]
        case SelectNode():
            places = (node.channels, node.rows, node.columns)
            picks = [
                np.arange(size) if picked is None else np.array(picked)
                for size, picked in zip(x.shape[1:], places, strict=True)
            ]
            index: Any = (slice(None), *np.ix_(*picks))
            channels, rows, columns = (pick >= 0 for pick in picks)
            pixels = np.multiply.outer(np.multiply.outer(channels, rows), columns)

            def back(gradient: Map) -> list[Map]:
                found = np.zeros_like(x)
                np.add.at(found, index, gradient * pixels)
                return [found]

            return x[index] * pixels, back
    ends = np.cumsum([operand.shape[1] for operand in operands])[:-1]
    return np.concatenate(operands, axis=1), lambda gradient: np.split(gradient, ends, axis=1)


def _to_largest(window: Window, x: Map, largest: Map, gradient: Map) -> Map:
    """Return the gradient at the first of the largest pixels of each window."""
    maps, views = _pixels_under(window, x.shape, gradient)
    left = gradient.copy()
    for view, tap in zip(views, window.taps(x, -np.inf), strict=True):
        hit = tap == largest
        view += np.where(hit, left, 0.0)
        left[hit] = 0.0
    return _unpadded(window, maps)


def _clipped(x: Map, clip: Clip) -> tuple[Map, Any]:
    """Return clipped values, and their slope, None where nothing clips."""
    low, high = (end if bound is None else bound for bound, end in zip(clip, (-np.inf, np.inf), strict=True))
    if (low, high) == (-np.inf, np.inf):
        return x, None
    return np.clip(x, low, high), ((x > low) & (x < high)).astype(x.dtype)


def _looked_up(node: TableNode, x: Map) -> tuple[Map, Map]:
    """Return a function's values, and its slopes."""

    def values(at: Float) -> Float:
        return apply_clip(apply_function(node, at), node.clip)

    wide = x.astype(np.float64)
    slope = (values(wide + STEP) - values(wide - STEP)) / (2 * STEP)
    return values(wide).astype(x.dtype), slope.astype(x.dtype)
