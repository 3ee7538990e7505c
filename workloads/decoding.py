"""Decoding: a network that scores the successor of each token writes the rest of a sequence itself.

Of T tokens the first P, the prompt, are given. Token n >= P is the one that the output of token n - 1 scores
highest, the lowest id of several; so it is not known before that output is. What a network gives for a token
must not depend on later ones, which `check_decodes` makes sure of, node by node.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.errors import WorkloadError
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
from workloads.token_nodes import (
    AddEmbeddingNode,
    ClassTokenNode,
    EmbeddingNode,
    LayerNormNode,
    MixNode,
    ScoresNode,
    vocabulary,
)

#: Gives outputs (N, entries, T, 1), codes or real numbers, of ids (N, 1, T, 1).
Outputs = Callable[[NDArray[Any]], NDArray[Any]]

#: What works on each pixel by itself.
_TOKEN_WISE = (
    AddNode,
    MulNode,
    ConcatNode,
    AffineNode,
    TableNode,
    SoftmaxNode,
    LocalResponseNormNode,
    LayerNormNode,
    EmbeddingNode,
    AddEmbeddingNode,
)


def check_decodes(network: LoweredNetwork, prompt: int) -> None:
    """Refuse a network that cannot go on from a prompt, or a prompt that it has no place for.

    raises : WorkloadError naming the first node for which a token could depend on a later one
    """
    name, shape, entries = network.name, network.input_shape, vocabulary(network)
    if entries is None:
        raise WorkloadError(
            f"{name} reads no token ids, so it has no successors to choose, got prompt {prompt}; leave the "
            "prompt out"
        )
    tokens = prod(shape[1:])
    if shape != (1, tokens, 1):
        raise WorkloadError(
            f"{name} must read ids of shape (1, tokens, 1) to decode them, got {shape}; leave the prompt out"
        )
    for node in network.nodes:
        if reason := _looks_ahead(node, tokens):
            raise WorkloadError(
                f"{name}.{node.name}: {reason}, so tokens cannot be decoded one by one; leave the prompt out"
            )
    scores = network.shapes[network.output][0]
    if scores > entries:
        raise WorkloadError(
            f"{name}.{network.output} scores {scores} successors, but only ids below {entries} can be read "
            "again; leave the prompt out"
        )
    if not 1 <= prompt <= tokens:
        raise WorkloadError(
            f"prompt must be from 1 to {tokens}, the tokens of {name}, got {prompt}; choose one of these"
        )


def _looks_ahead(node: Node, tokens: int) -> str:
    """Return how a token of `node` could depend on a later one of what it reads, in words; "" if none can."""
    size = node.shape[1:]
    if isinstance(node, ClassTokenNode):
        return f"it puts {node.tokens} tokens in front of the {tokens}, which moves these"
    if isinstance(node, (ScoresNode, MixNode)):
        place = int(np.argmax(node.visible > np.arange(node.tokens) + 1))
        seen = int(node.visible[place])
        return f"token {place} sees {seen} tokens" if seen > place + 1 else ""
    if isinstance(node, (MatrixNode, MaxPoolNode, AvgPoolNode)):
        window = node.window
        ahead = window.span[0] - 1 - window.padding[0]
        if size != (tokens, 1) or window.stride[0] > 1 or ahead > 0:
            return f"its window of {window.kernel[0]} x {window.kernel[1]} pixels reads tokens behind its own"
        return ""
    if isinstance(node, SelectNode):
        if size != (tokens, 1):
            return f"it picks {prod(size)} of {prod(node.in_shapes[0][1:])} tokens"
        place = int(np.argmax(node.picked_pixels > np.arange(tokens)))
        picked = int(node.picked_pixels[place])
        return f"it puts token {picked} in the place of token {place}" if picked > place else ""
    if isinstance(node, _TOKEN_WISE):
        return ""
    return f"a {type(node).__name__} is not known to work token by token"


def chosen_ids(outputs: NDArray[Any]) -> NDArray[np.int32]:
    """Return the ids (N, T) that score highest in outputs (N, entries, T, 1), the lowest of equals."""
    return np.asarray(outputs[..., 0].argmax(axis=1), np.int32)


def follows(ids: NDArray[Any], outputs: NDArray[Any], prompt: int) -> bool:
    """Tell whether all ids behind a prompt are those that a decoder chooses.

    One pass over all tokens proves what decoding took one pass for each to find. Outputs of a token depend on
    no later ones, so those of the first P tokens are what they are for the prompt alone; if they choose id P,
    then those of the first P + 1 tokens are what a decoder sees next, and so on to the end.

    ids : (N, T)
    outputs : (N, entries, T, 1), codes or real numbers, that the network gives for these ids
    """
    return np.array_equal(ids[:, prompt:], chosen_ids(outputs)[:, prompt - 1 : -1])


def decoded(outputs_of: Outputs, ids: NDArray[Any], prompt: int) -> NDArray[np.int32]:
    """Return sequences (N, T) of which the first `prompt` ids are given, by a pass for each of the others.

    outputs_of : gives outputs (N, entries, T, 1), codes or real numbers, of ids (N, 1, T, 1)
    ids : (N, T); those behind the prompt are not looked at
    """
    sequences = ids.astype(np.int32)
    sequences[:, prompt:] = 0
    for place in range(prompt, sequences.shape[1]):
        outputs = outputs_of(sequences[:, None, :, None].astype(np.float32))
        sequences[:, place] = chosen_ids(outputs)[:, place - 1]
    return sequences
