"""What nodes of networks of tokens give in floating point; maps are (images, height, width, channels)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.errors import WorkloadError
from workloads.folding import folded_embeddings, folded_layer_norm
from workloads.network import Parameters
from workloads.token_nodes import (
    AddEmbeddingNode,
    ClassTokenNode,
    EmbeddingNode,
    LayerNormNode,
    MixNode,
    ScoresNode,
    TokenNode,
)

Float = NDArray[np.floating[Any]]

#: Fills its second argument with what a node gives of its operands, before its clipping.
Fill = Callable[[list[Float], Float], None]


def token_function(node: TokenNode, parameters: Parameters) -> Fill:
    """Return what fills a map with a node's output; its parameters are read once."""
    match node:
        case ScoresNode():
            return lambda operands, out: _score(node, operands[0], operands[1], out)
        case MixNode():
            return lambda operands, out: _mix(node, operands[0], operands[1], out)
        case LayerNormNode():
            gain, offset = folded_layer_norm(node, parameters)
            return lambda operands, out: _normalise(operands[0], node.eps, gain, offset, out)
        case EmbeddingNode():
            table = parameters[node.name]["weight"]
            return lambda operands, out: _look_up(operands[0], table, out)
        case AddEmbeddingNode():
            added = folded_embeddings(node, parameters).reshape(*node.shape[1:], -1)
            return lambda operands, out: np.copyto(out, operands[0] + added.astype(out.dtype))
        case ClassTokenNode():
            tokens = parameters[node.name]["weight"]
            return lambda operands, out: _prepend(tokens, operands[0], out)
    raise TypeError(f"{node.name}: no float reference for {type(node).__name__}")


def check_ids(name: str, ids: NDArray[Any], entries: int) -> None:
    """Raise WorkloadError unless all `ids` are whole numbers from 0 to `entries` - 1.

    name : whose ids they are
    """
    wrong = ids[(ids < 0) | (ids >= entries) | (ids != np.rint(ids))]
    if wrong.size:
        raise WorkloadError(
            f"{name} takes token ids, whole numbers from 0 to {entries - 1}, got {wrong.flat[0]:g}; give "
            "data that is made with its vocabulary"
        )


def _heads(maps: Float, heads: int, groups: int) -> Float:
    """Return a view (images, groups, heads of a group, pixels, channels of a head) of maps."""
    images, height, width, _ = maps.shape
    return maps.reshape(images, height * width, groups, heads // groups, -1, copy=False).transpose(
        0, 2, 3, 1, 4
    )


def _score(node: ScoresNode, queries: Float, keys: Float, out: Float) -> None:
    of_queries = _heads(queries, node.heads, node.key_heads)
    of_keys = _heads(keys, node.key_heads, node.key_heads)
    np.matmul(of_queries, of_keys.swapaxes(-1, -2), out=_heads(out, node.heads, node.key_heads))
    out *= node.factor


def _mix(node: MixNode, shares: Float, values: Float, out: Float) -> None:
    of_shares = _heads(shares, node.heads, node.key_heads)
    of_values = _heads(values, node.key_heads, node.key_heads)
    np.matmul(of_shares, of_values, out=_heads(out, node.heads, node.key_heads))


def _normalise(x: Float, eps: float, gain: Float, offset: Float, out: Float) -> None:
    np.subtract(x, x.mean(axis=-1, keepdims=True), out=out)
    out /= np.sqrt(np.mean(out * out, axis=-1, keepdims=True) + x.dtype.type(eps))
    out *= gain.astype(x.dtype)
    out += offset.astype(x.dtype)


def _look_up(ids: Float, table: NDArray[Any], out: Float) -> None:
    check_ids("an embedding", ids, len(table))
    out[:] = table[ids[..., 0].astype(np.int64)]


def _prepend(tokens: NDArray[Any], x: Float, out: Float) -> None:
    out[:, : len(tokens), 0] = tokens
    out[:, len(tokens) :, 0] = x.reshape(len(x), -1, x.shape[-1])
