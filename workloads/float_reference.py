"""The lowered network in floating point: what calibration observes and quantisation is compared with.

Within, maps are (images, height, width, channels): products then write them as the next ones read them, and
most windows need no laying out. Work is done in blocks that stay in the processor's caches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any
from weakref import ref

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from workloads.activation_functions import Clip, activations
from workloads.folding import FoldedPart, folded_affine, folded_parts
from workloads.network import Parameters
from workloads.nodes import (
    AddNode,
    AffineNode,
    AvgPoolNode,
    ConcatNode,
    LocalResponseNormNode,
    LoweredNetwork,
    MatrixNode,
    MaxPoolNode,
    MulNode,
    Node,
    SelectNode,
    SoftmaxNode,
    TableNode,
)
from workloads.token_nodes import TokenNode
from workloads.token_values import token_function
from workloads.window import Window

Float = NDArray[np.floating[Any]]

#: Gives the weights of a matrix node, some columns after the other.
Folding = Callable[[MatrixNode], Iterator[FoldedPart]]

#: Elements of a block, and pixels that it has at least: a product of fewer hardly pays for its weights.
BLOCK_ELEMENTS, BLOCK_PIXELS = 2**19, 512


def float_tensors(
    lowered: LoweredNetwork,
    parameters: Parameters,
    inputs: NDArray[Any],
    precision: type[np.floating[Any]] = np.float64,
    folded: Folding | None = None,
) -> Iterator[tuple[str, Float]]:
    """Yield the name and the values (N, C, H, W) of the input and of every node, in order.

    precision : the number type of all values; double makes them the same on every machine, but for roundings
        far below those of a scale
    folded : what gives a matrix node's weights; `folded_parts` unless given
    """
    parts_of = folded or (lambda node: folded_parts(node, parameters, precision))

    rooms = _Rooms()

    def compute(node: Node, operands: list[Float]) -> Float:
        channels, height, width = node.shape
        out = rooms.empty((len(operands[0]), height, width, channels), precision)
        match node:
            case MatrixNode():
                _multiply(node, operands[0], parts_of(node), out)
            case AffineNode():
                _scale(node, operands[0], folded_affine(node, parameters), out)
            case _:
                fill = (
                    token_function(node, parameters) if isinstance(node, TokenNode) else partial(_fill, node)
                )
                for some in _images(out):
                    fill([operand[some] for operand in operands], out[some])
                    _clip(out[some], node.clip)
        return out

    first = np.ascontiguousarray(inputs.transpose(0, 2, 3, 1), dtype=precision)
    for name, maps in lowered.evaluate(first, compute):
        yield name, maps.transpose(0, 3, 1, 2)


def float_outputs(lowered: LoweredNetwork, parameters: Parameters, inputs: NDArray[Any]) -> Float:
    """Return the network's output (N, C, H, W) for `inputs`; working memory does not grow with the batch."""
    return np.concatenate(
        [
            next(value for name, value in float_tensors(lowered, parameters, part) if name == lowered.output)
            for part in lowered.batches(inputs)
        ]
    )


def apply_function(node: TableNode, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the node's function of `x`, before its clipping."""
    function = activations[node.function]
    alpha = function.alpha if node.alpha is None else node.alpha
    beta = function.beta if node.beta is None else node.beta
    return function.evaluate(x, 0.0 if alpha is None else alpha, 0.0 if beta is None else beta)


@dataclass(eq=False)
class _Room:
    """Memory, and a weak reference to the array in it, which lives as long as any view of it."""

    memory: memoryview
    tenant: Callable[[], Float | None] = lambda: None


class _Rooms:
    """Memory of tensors that nobody holds any longer, for the next ones: to touch new memory takes long."""

    def __init__(self) -> None:
        self._rooms: list[_Room] = []

    def empty(self, shape: tuple[int, ...], precision: type[np.floating[Any]]) -> Float:
        """Return an array of unknown values, in the smallest room that fits."""
        count = prod(shape)
        needed = count * np.dtype(precision).itemsize
        free = [room for room in self._rooms if room.tenant() is None]
        fitting = [room for room in free if room.memory.nbytes >= needed]
        if not fitting:  # what is too small is not kept
            fitting = [_Room(np.empty(needed, dtype=np.uint8).data)]
            self._rooms = [room for room in self._rooms if room not in free] + fitting
        room = min(fitting, key=lambda room: room.memory.nbytes)
        tenant: Float = np.frombuffer(room.memory, dtype=precision, count=count)
        room.tenant = ref(tenant)
        return tenant.reshape(shape)


def _multiply(node: MatrixNode, x: Float, parts: Iterator[FoldedPart], out: Float) -> None:
    """Fill `out` with a matrix node's products, some pixels of some columns at a time."""
    _, height, width = node.shape
    pixels = max(BLOCK_PIXELS, BLOCK_ELEMENTS // max(node.groups * node.rows, node.cols))
    lines, images = min(height, max(1, pixels // width)), max(1, pixels // (height * width))
    product = _depthwise if node.rows == node.window.positions and node.cols == node.groups > 1 else _matmul
    for part in parts:
        bias = part.bias.astype(x.dtype)
        for image in range(0, len(x), images):
            windows = _windows(node.window, x[image : image + images])
            for line in range(0, height, lines):
                some = windows[:, line : line + lines]
                block = out[image : image + images, line : line + lines, :, part.out]
                product(some, part.weights, block)
                block += bias
                _clip(block, node.clip)


def _matmul(windows: Float, weights: Float, out: Float) -> None:
    """Fill `out` with windows times their groups' matrices; windows are laid out unless they lie so."""
    groups, rows, cols = weights.shape
    images, height, width, _, *kernel = windows.shape
    by_group = windows.reshape(images, height, width, groups, -1, *kernel).transpose(3, 0, 1, 2, 5, 6, 4)
    pixels = out.reshape(-1, groups, cols, copy=False)
    np.matmul(by_group.reshape(groups, -1, rows), weights, out=pixels.transpose(1, 0, 2))


def _depthwise(windows: Float, weights: Float, out: Float) -> None:
    """Fill `out` with the windows of each channel times its own weights."""
    out[:] = 0.0
    for tap, factor in zip(_taps(windows), weights[..., 0].T, strict=True):
        out += tap * factor


def _scale(node: AffineNode, x: Float, affine: tuple[Float, Float], out: Float) -> None:
    """Fill `out` with an affine node's output."""
    factor, offset = (each.astype(x.dtype) for each in affine)
    for some in _images(out):
        np.multiply(x[some], factor, out=out[some])
        out[some] += offset
        _clip(out[some], node.clip)


def _fill(node: Node, operands: list[Float], out: Float) -> None:
    """Fill `out` with the output of any other node before its clipping."""
    x = operands[0]
    match node:
        case MaxPoolNode():
            out[:] = -np.inf
            for tap in _taps(_windows(node.window, x, -np.inf)):
                np.maximum(out, tap, out=out)
        case SelectNode():
            picked = x
            for axis, places in enumerate((node.rows, node.columns, node.channels), start=1):
                if places is not None:
                    picked = picked.take(places, axis)
                    zeros = np.array(places) < 0
                    picked[(slice(None),) * axis + (zeros,)] = 0.0
            out[:] = picked
        case AvgPoolNode():
            out[:] = 0.0
            for tap in _taps(_windows(node.window, x)):
                out += tap
            out /= node.counts[..., None]
        case AddNode():
            signs = node.signs or (1,) * len(operands)
            np.multiply(operands[0], signs[0], out=out)
            for sign, operand in zip(signs[1:], operands[1:], strict=True):
                (np.add if sign > 0 else np.subtract)(out, operand, out=out)
        case MulNode():
            np.multiply(operands[0], operands[1], out=out)
        case ConcatNode():
            np.concatenate(operands, axis=-1, out=out)
        case TableNode():
            out[:] = apply_function(node, x.astype(np.float64))
        case SoftmaxNode():
            groups = x.reshape(*x.shape[:-1], node.groups, -1)
            hidden = np.arange(groups.shape[-1]) >= node.visible.reshape(*x.shape[1:3], 1, 1)
            groups = np.where(hidden, -np.inf, groups)
            shares = np.exp(groups - groups.max(axis=-1, keepdims=True))
            out[:] = (shares / shares.sum(axis=-1, keepdims=True)).reshape(x.shape)
        case LocalResponseNormNode():
            before, behind = (node.size - 1) // 2, node.size // 2
            squares = np.pad(x * x, ((0, 0),) * 3 + ((before, behind),))
            sums = sliding_window_view(squares, node.size, axis=-1).sum(axis=-1)
            out[:] = x / (node.k + node.alpha / node.size * sums) ** node.beta
        case _:
            raise TypeError(f"{node.name}: no float reference for {type(node).__name__}")


def _images(maps: Float) -> Iterator[slice]:
    """Yield which images of `maps` make up a block."""
    images = max(1, BLOCK_ELEMENTS // max(1, maps[0].size))
    for start in range(0, len(maps), images):
        yield slice(start, start + images)


def _windows(window: Window, maps: Float, fill: float = 0.0) -> Float:
    """Return what each output pixel reads, (images, output height, output width, channels, *kernel).

    fill : what padding reads as
    """
    top, left, bottom, right = window.padding
    if any(window.padding):
        maps = np.pad(maps, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
    (down, across), (below, beside) = window.stride, window.dilation
    return sliding_window_view(maps, window.span, axis=(1, 2))[:, ::down, ::across, :, ::below, ::beside]


def _taps(windows: Float) -> Iterator[Float]:
    """Yield the pixels (images, height, width, channels) at each position of the kernel, row by row."""
    for position in np.ndindex(windows.shape[-2:]):
        yield windows[(..., *position)]


def _clip(values: Float, clip: Clip) -> None:
    """Keep `values` within the bounds of `clip`."""
    low, high = clip
    if low is not None or high is not None:
        np.clip(values, low, high, out=values)
