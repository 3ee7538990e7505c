"""Two slow twins that share no code with what they check: layers in reals, nodes in scalar integers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads import (
    Activation,
    Add,
    AddEmbedding,
    AddNode,
    Affine,
    AttentionMix,
    AttentionScores,
    AvgPool2d,
    AvgPoolNode,
    BatchNorm,
    Clamp,
    ClassToken,
    Concat,
    Conv2d,
    Embedding,
    GlobalAvgPool,
    LayerNorm,
    Linear,
    LocalResponseNorm,
    MatrixNode,
    MaxPool2d,
    MaxPoolNode,
    Mul,
    Network,
    Parameters,
    QuantizedAddEmbedding,
    QuantizedAffine,
    QuantizedAttention,
    QuantizedAvgPool,
    QuantizedClassToken,
    QuantizedEmbedding,
    QuantizedJoin,
    QuantizedLayerNorm,
    QuantizedMatrix,
    QuantizedNetwork,
    QuantizedProduct,
    QuantizedSelect,
    QuantizedSoftmax,
    QuantizedTable,
    ScoresNode,
    Select,
    Shortcut,
    Softmax,
    Window,
)

Float = NDArray[np.float64]

#: By name; those with parameters take them as keywords, too.
SCALAR_FUNCTIONS: dict[str, Callable[..., float]] = {
    "relu": lambda x: max(x, 0.0),
    "relu6": lambda x: min(max(x, 0.0), 6.0),
    "leaky-relu": lambda x, alpha=0.01: x if x >= 0.0 else alpha * x,
    "elu": lambda x, alpha=1.0: x if x >= 0.0 else alpha * (math.exp(x) - 1.0),
    "sigmoid": lambda x: 1.0 / (1.0 + math.exp(-x)),
    "hard-sigmoid": lambda x, alpha=1.0 / 6.0, beta=0.5: min(max(alpha * x + beta, 0.0), 1.0),
    "tanh": math.tanh,
    "silu": lambda x: x / (1.0 + math.exp(-x)),
    "hard-swish": lambda x: x * min(max(x + 3.0, 0.0), 6.0) / 6.0,
    "gelu": lambda x: 0.5 * x * (1.0 + math.erf(x / math.sqrt(2.0))),
    "gelu-tanh": lambda x: 0.5 * x * (1.0 + math.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3))),
    "identity": lambda x: x,
    "selu": lambda x, alpha=1.6732632423543772, beta=1.0507009873554805: (
        beta * (x if x >= 0.0 else alpha * math.expm1(x))
    ),
    "softplus": lambda x: math.log1p(math.exp(-abs(x))) + max(x, 0.0),
    "softsign": lambda x: x / (1.0 + abs(x)),
    "mish": lambda x: x * math.tanh(math.log1p(math.exp(x))),
    "abs": abs,
    "erf": math.erf,
}


def forward_layers(network: Network, parameters: Parameters, image: NDArray[Any]) -> dict[str, Float]:
    """Return every layer's value for one image (C, H, W), layer by layer, nothing fused."""
    values: dict[str, Float] = {network.input: image.astype(np.float64)}
    for name, layer in network.layers.items():
        if name == network.input:
            continue
        operands = [values[source] for source in layer.inputs]
        x = operands[0]
        own = parameters.get(name, {})
        match layer:
            case Conv2d():
                values[name] = convolve_by_hand(x, own["weight"], layer.window, layer.groups)
                if layer.bias:
                    values[name] += own["bias"].reshape(-1, 1, 1)
            case Linear():
                bias = own["bias"] if layer.bias else 0.0
                values[name] = (own["weight"] @ x.flatten() + bias).reshape(-1, 1, 1)
            case MaxPool2d() | AvgPool2d():
                values[name] = pool_by_hand(x, layer)
            case GlobalAvgPool():
                values[name] = np.array([[[channel.sum() / channel.size]] for channel in x])
            case Shortcut():
                values[name] = np.zeros(network.shapes[name])
                for c, i, j in np.ndindex(len(x), *values[name].shape[1:]):
                    values[name][c, i, j] = x[c, i * layer.stride, j * layer.stride]
            case Select():
                values[name] = np.zeros(network.shapes[name])
                for place in np.ndindex(values[name].shape):
                    axes = zip((layer.channels, layer.rows, layer.columns), place, strict=True)
                    read = [at if places is None else places[at] for places, at in axes]
                    values[name][place] = x[tuple(read)] if min(read) >= 0 else 0.0
            case Add():
                signs = layer.signs or (1,) * len(operands)
                values[name] = np.sum([s * each for s, each in zip(signs, operands, strict=True)], axis=0)
            case Mul():
                values[name] = operands[0] * operands[1]
            case Softmax():
                values[name] = softmax_by_hand(x, layer)
            case AttentionScores() | AttentionMix():
                values[name] = np.zeros(network.shapes[name])
                for place in np.ndindex(network.shapes[name]):
                    pairs = [
                        float(operands[0][a]) * float(operands[1][b])
                        for a, b in attended(layer, network.in_shapes(name), place)
                    ]
                    factor = layer.factor if isinstance(layer, AttentionScores) else 1.0
                    values[name][place] = factor * sum(pairs)
            case LayerNorm():
                values[name] = np.zeros(x.shape)
                for i, j in np.ndindex(x.shape[1:]):
                    pixel = x[:, i, j]
                    spread = math.sqrt(sum((pixel - pixel.mean()) ** 2) / len(pixel) + layer.eps)
                    values[name][:, i, j] = (pixel - pixel.mean()) / spread * own["weight"] + own["bias"]
            case Embedding():
                values[name] = np.array([own["weight"][int(each)] for each in x.flat]).T.reshape(
                    network.shapes[name]
                )
            case AddEmbedding():
                rows = layer.places or range(x[0].size)
                added = np.array([own["weight"][row] for row in rows])
                values[name] = x + added.T.reshape(x.shape)
            case ClassToken():
                behind = [x[:, i, j] for i, j in np.ndindex(x.shape[1:])]
                values[name] = np.array([*own["weight"], *behind]).T[..., None]
            case Affine():
                values[name] = x * own["weight"].reshape(-1, 1, 1) + own["bias"].reshape(-1, 1, 1)
            case LocalResponseNorm():
                values[name] = np.zeros(x.shape)
                for c, i, j in np.ndindex(x.shape):
                    first, last = c - (layer.size - 1) // 2, c + layer.size // 2
                    squares = sum(float(x[n, i, j]) ** 2 for n in range(max(first, 0), min(last + 1, len(x))))
                    values[name][c, i, j] = (
                        x[c, i, j] / (layer.k + layer.alpha * squares / layer.size) ** layer.beta
                    )
            case Clamp():
                values[name] = np.clip(x, layer.low, layer.high)
            case Concat():
                values[name] = np.array([channel for operand in operands for channel in operand])
            case Activation():
                function = SCALAR_FUNCTIONS[layer.function]
                given = {"alpha": layer.alpha, "beta": layer.beta}
                numbers = {key: number for key, number in given.items() if number is not None}
                values[name] = np.array([function(float(each), **numbers) for each in x.flat]).reshape(
                    x.shape
                )
            case BatchNorm():
                mean, var = own["running_mean"], own["running_var"]
                normal = (x - mean.reshape(-1, 1, 1)) / np.sqrt(var.reshape(-1, 1, 1) + layer.eps)
                values[name] = normal * own["weight"].reshape(-1, 1, 1) + own["bias"].reshape(-1, 1, 1)
            case _:
                raise AssertionError(f"no twin of {layer}")
    return values


def softmax_by_hand(x: Float, layer: Softmax) -> Float:
    out = np.zeros(x.shape)
    size = len(x) // layer.groups
    for group, (pixel, (i, j)) in product(range(layer.groups), enumerate(np.ndindex(x.shape[1:]))):
        seen = size if layer.causal is None else min(size, pixel + layer.causal + 1)
        scores = x[group * size : group * size + seen, i, j]
        shares = np.exp(scores - scores.max())
        out[group * size : group * size + seen, i, j] = shares / shares.sum()
    return out


def attended(
    layer: Any, in_shapes: Any, place: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Yield the places of both operands whose products make up the place of an attention's output.

    layer : a layer or a node, with heads and key_heads
    """
    key_heads = layer.key_heads or layer.heads
    shape = in_shapes[1]
    features, keys = shape[0] // key_heads, list(np.ndindex(shape[1:]))
    if isinstance(layer, AttentionScores | ScoresNode):
        head, key = divmod(place[0], len(keys))
        for c in range(features):
            group = head // (layer.heads // key_heads)
            yield (head * features + c, *place[1:]), (group * features + c, *keys[key])
    else:
        head, c = divmod(place[0], features)
        for s, key_place in enumerate(keys):
            group = head // (layer.heads // key_heads)
            yield (head * len(keys) + s, *place[1:]), (group * features + c, *key_place)


def starts(
    size: int, kernel: int, stride: int, dilation: int, before: int, after: int, ceil: bool
) -> list[int]:
    """Return where windows start along one axis, found by stepping, not by a formula."""
    span = (kernel - 1) * dilation + 1
    found: list[int] = []
    start = -before
    while start < size if ceil else start + span <= size + after:
        found.append(start)
        if ceil and start + span >= size + after:
            break
        start += stride
    return found


def window_starts(window: Window, shape: tuple[int, ...], ceil: bool = False) -> tuple[list[int], list[int]]:
    """Return the rows and the columns at which windows start over a map of shape (..., height, width)."""
    rows, cols = (
        starts(
            shape[axis - 2],
            window.kernel[axis],
            window.stride[axis],
            window.dilation[axis],
            window.padding[axis],
            window.padding[axis + 2],
            ceil,
        )
        for axis in (0, 1)
    )
    return rows, cols


def pixels(window: Window, top: int, left: int) -> Iterator[tuple[int, int]]:
    """Yield the coordinates that a window at (top, left) reads, row by row, padding included."""
    for ky, kx in product(range(window.kernel[0]), range(window.kernel[1])):
        yield top + ky * window.dilation[0], left + kx * window.dilation[1]


def convolve_by_hand(x: Float, weight: Float, window: Window, groups: int) -> Float:
    rows, cols = window_starts(window, x.shape)
    out = np.zeros((len(weight), len(rows), len(cols)))
    in_group, out_group = len(x) // groups, len(weight) // groups
    for o, (i, top), (j, left) in product(range(len(weight)), enumerate(rows), enumerate(cols)):
        for position, (y, x_) in enumerate(pixels(window, top, left)):
            if 0 <= y < x.shape[1] and 0 <= x_ < x.shape[2]:
                kernel = divmod(position, window.kernel[1])
                for c in range(in_group):
                    out[o, i, j] += weight[o, c, *kernel] * x[o // out_group * in_group + c, y, x_]
    return out


def pool_by_hand(x: Float, layer: MaxPool2d | AvgPool2d) -> Float:
    _, height, width = x.shape
    top, left, bottom, right = layer.window.padding
    rows, cols = window_starts(layer.window, x.shape, layer.ceil_mode)
    out = np.zeros((len(x), len(rows), len(cols)))
    for c, (i, row), (j, col) in product(range(len(x)), enumerate(rows), enumerate(cols)):
        read = list(pixels(layer.window, row, col))
        seen = [x[c, y, x_] for y, x_ in read if 0 <= y < height and 0 <= x_ < width]
        if isinstance(layer, MaxPool2d):
            out[c, i, j] = max(seen)
        elif layer.count_include_pad:
            out[c, i, j] = sum(seen) / sum(
                -top <= y < height + bottom and -left <= x_ < width + right for y, x_ in read
            )
        else:
            out[c, i, j] = sum(seen) / len(seen)
    return out


def golden_by_hand(network: QuantizedNetwork, image: NDArray[np.float32]) -> dict[str, NDArray[np.int64]]:
    """Return every node's codes for one image (C, H, W), in Python integers and float32 scalars."""
    values: dict[str, NDArray[np.int64]] = {}
    quantization = network.input_quantization
    codes = [
        min(max(round(float(each) / quantization.scale) + quantization.zero, 0), 2**quantization.bits - 1)
        for each in image.flat
    ]
    values[network.lowered.input] = np.array(codes).reshape(image.shape)
    for node in network.lowered.nodes:
        operands = [values[source] for source in node.inputs]
        out = np.zeros(node.shape, dtype=np.int64)
        for place in np.ndindex(node.shape):
            out[place] = _element(node, network.nodes[node.name], operands, place)
        values[node.name] = out
    return values


def _element(node: Any, q: Any, operands: list[NDArray[np.int64]], place: tuple[int, ...]) -> int:
    """Return one output code at (channel, row, column)."""
    x = operands[0]
    channel, row, col = place
    if isinstance(node, MatrixNode | MaxPoolNode | AvgPoolNode):
        window = node.window
        top, left = row * window.stride[0] - window.padding[0], col * window.stride[1] - window.padding[1]
        inside = [
            (position, y, x_)
            for position, (y, x_) in enumerate(pixels(window, top, left))
            if 0 <= y < x.shape[1] and 0 <= x_ < x.shape[2]
        ]
    match q:
        case QuantizedMatrix():
            group, place_in_group = divmod(channel, node.cols_per_group)
            channels = len(x) // node.groups
            acc = int(q.bias[channel])
            for position, y, x_ in inside:
                for c in range(channels):
                    weight = int(q.weights[group, position * channels + c, place_in_group])
                    acc += (int(x[group * channels + c, y, x_]) - q.input_zero) * weight
            return rounded(np.float32(acc) * q.multiplier[channel], q)
        case QuantizedSelect():
            axes = zip((node.channels, node.rows, node.columns), place, strict=True)
            read = [at if places is None else places[at] for places, at in axes]
            return clipped(int(x[tuple(read)]) if min(read) >= 0 else q.zero, q)
        case QuantizedProduct():
            a, b = (int(each[place]) - zero for each, zero in zip(operands, q.input_zeros, strict=True))
            return rounded(np.float32(a * b) * q.multiplier, q)
        case QuantizedSoftmax():
            size = len(x) // node.groups
            group, at = divmod(channel, size)
            pixel = row * x.shape[2] + col
            seen = size if node.causal is None else min(size, pixel + node.causal + 1)
            scores = [int(each) for each in x[group * size : group * size + seen, row, col]]
            shares = [int(q.table[max(scores) - each]) for each in scores]
            share = shares[at] if at < seen else 0
            return clipped(round(share * q.steps / sum(shares)) + q.output_zero, q)
        case QuantizedAttention():
            acc = sum(
                (int(x[a]) - q.input_zeros[0]) * (int(operands[1][b]) - q.input_zeros[1])
                for a, b in attended(node, node.in_shapes, place)
            )
            return rounded(np.float32(acc) * q.multiplier, q)
        case QuantizedLayerNorm():
            codes = [int(each) for each in x[:, row, col]]
            spread = len(codes) * sum(each * each for each in codes) - sum(codes) ** 2
            normal = (len(codes) * codes[channel] - sum(codes)) / math.sqrt(spread + float(q.epsilon))
            return rounded(np.float32(normal) * q.gain[channel] + q.offset[channel], q)
        case QuantizedEmbedding():
            return int(q.table[int(x[0, row, col]), channel])
        case QuantizedAddEmbedding():
            return rounded(np.float32(int(x[place]) - q.input_zero) * q.multiplier + q.offset[place], q)
        case QuantizedClassToken():
            if row < node.tokens:
                return int(q.tokens[channel, row])
            behind = int(x[channel].flat[row - node.tokens])
            return rounded(np.float32(behind - q.input_zero) * q.multiplier, q)
        case QuantizedAvgPool():
            acc = sum(int(x[channel, y, x_]) - q.input_zero for _, y, x_ in inside)
            return rounded(np.float32(acc) * q.multiplier[row, col], q)
        case QuantizedJoin():
            zeros = [int(zero) for zero in q.input_zeros]
            if isinstance(node, AddNode):
                total = np.float32(0)
                for operand, zero, multiplier in zip(operands, zeros, q.multipliers, strict=True):
                    total += np.float32(int(operand[place]) - zero) * multiplier
                return rounded(total, q)
            which = 0
            while channel >= len(operands[which]):
                channel -= len(operands[which])
                which += 1
            return rounded(
                np.float32(int(operands[which][channel, row, col]) - zeros[which]) * q.multipliers[which], q
            )
        case QuantizedAffine():
            return rounded(
                np.float32(int(x[place]) - q.input_zero) * q.multiplier[channel] + q.offset[channel], q
            )
        case QuantizedTable():
            return int(q.table[x[place]])
    largest = max(int(x[channel, y, x_]) for _, y, x_ in inside)
    return clipped(largest, q)


def rounded(scaled: np.float32, q: Any) -> int:
    """Round half to even, which is Python's own rule, then shift and clip."""
    return clipped(round(float(scaled)) + int(q.output_zero), q)


def clipped(code: int, q: Any) -> int:
    return min(max(code, int(q.low)), int(q.high))
