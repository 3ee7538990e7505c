"""What nodes of networks of tokens give in exact integers; maps are (images, channels, height, width)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.nodes import SoftmaxNode
from workloads.quantized_nodes import QuantizedNode, QuantizedSoftmax
from workloads.quantized_tokens import (
    QuantizedAddEmbedding,
    QuantizedAttention,
    QuantizedClassToken,
    QuantizedEmbedding,
    QuantizedLayerNorm,
)
from workloads.requantization import exact_type, requantize
from workloads.token_nodes import MixNode, ScoresNode, TokenNode

Codes = NDArray[np.int32]
Integers = NDArray[np.int64]


def token_codes(node: TokenNode, quantized: QuantizedNode, operands: list[Codes]) -> Codes:
    """Return the codes (N, C, H, W) of a node from those of its inputs."""
    x = operands[0].astype(np.int64)
    match quantized:
        case QuantizedAttention() as q:
            assert isinstance(node, ScoresNode | MixNode)
            sums = attention_sums(node, x - q.input_zeros[0], operands[1] - np.int64(q.input_zeros[1]))
            return requantize(sums.astype(np.float32) * q.multiplier, q.output_zero, q.low, q.high)
        case QuantizedLayerNorm() as q:
            total = x.sum(axis=1, keepdims=True)
            spread = x.shape[1] * (x * x).sum(axis=1, keepdims=True) - total * total
            normal = (x.shape[1] * x - total) / np.sqrt(spread + q.epsilon)
            scaled = normal.astype(np.float32) * q.gain[:, None, None] + q.offset[:, None, None]
            return requantize(scaled, q.output_zero, q.low, q.high)
        case QuantizedEmbedding() as q:
            return np.ascontiguousarray(np.moveaxis(q.table[x[:, 0]], -1, 1))
        case QuantizedAddEmbedding() as q:
            scaled = (x - q.input_zero).astype(np.float32) * q.multiplier + q.offset
            return requantize(scaled, q.output_zero, q.low, q.high)
        case QuantizedClassToken() as q:
            scaled = (x - q.input_zero).astype(np.float32) * q.multiplier
            behind = requantize(scaled, q.output_zero, q.low, q.high).reshape(*x.shape[:2], -1)
            front = np.broadcast_to(q.tokens, (len(x), *q.tokens.shape))
            return np.concatenate([front, behind], axis=2)[..., None]
    raise TypeError(f"{node.name}: {type(quantized).__name__} does not fit {type(node).__name__}")


def attention_sums(node: ScoresNode | MixNode, a: Integers, b: Integers) -> Integers:
    """Return the int64 sums (N, C, H, W) of products of two tensors whose zero points are taken off."""
    per_group = node.heads // node.key_heads
    of_a = a.reshape(len(a), node.key_heads, per_group, -1, node.tokens)
    of_b = b.reshape(len(b), node.key_heads, 1, -1, node.keys)
    if isinstance(node, ScoresNode):
        of_b = of_b.swapaxes(-1, -2)
    number = exact_type(int(np.abs(a).max()) * int(np.abs(b).max()) * of_b.shape[-1])
    sums: NDArray[Any] = of_b.astype(number) @ of_a.astype(number)
    return sums.astype(np.int64).reshape(len(a), *node.shape)


def softmax_codes(node: SoftmaxNode, q: QuantizedSoftmax, codes: Codes) -> Codes:
    """Return the codes (N, C, H, W) of a softmax; what a pixel does not see is a share of 0."""
    images, _, height, width = codes.shape
    x = codes.reshape(images, node.groups, -1, height, width).astype(np.int64)
    sees = np.arange(x.shape[2])[:, None, None] < node.visible.reshape(height, width)
    largest = np.where(sees, x, 0).max(axis=2, keepdims=True)
    shares = np.where(sees, q.table[np.maximum(largest - x, 0)], 0)
    steps = np.rint(shares * q.steps / shares.sum(axis=2, keepdims=True))
    return np.asarray(np.clip(steps + q.output_zero, q.low, q.high), np.int32).reshape(codes.shape)
