"""Nodes that only networks of tokens have: products of two computed tensors, norms of pixels, embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.errors import WorkloadError
from workloads.activation_functions import OPEN
from workloads.layers import (
    AddEmbedding,
    AttentionMix,
    AttentionScores,
    ClassToken,
    Embedding,
    Layer,
    LayerNorm,
)
from workloads.nodes import LoweredNetwork, Node, Norm, SelectNode, visible_of


@dataclass(frozen=True, kw_only=True)
class TokenNode(Node):
    """What all of them are."""


@dataclass(frozen=True, kw_only=True)
class _AttentionNode(TokenNode):
    """A product of two computed tensors for each head.

    heads, key_heads : of queries, and of keys and values
    causal : token t sees keys s <= t + causal, as the softmax between both products has it; None sees all
    """

    heads: int
    key_heads: int
    causal: int | None = None

    @property
    def keys(self) -> int:
        """Tokens of keys and values."""
        return prod(self.in_shapes[1][1:])

    @property
    def tokens(self) -> int:
        """Tokens of queries and shares."""
        return prod(self.shape[1:])

    @property
    def features(self) -> int:
        """Channels of one head of keys or values."""
        return self.in_shapes[1][0] // self.key_heads

    @property
    def visible(self) -> NDArray[np.int64]:
        """Keys that each token sees, (tokens,): the first ones."""
        return visible_of(self.tokens, self.keys, self.causal)

    @property
    def macs(self) -> int:
        """One for each feature of each key that a token sees, in each head."""
        return self.heads * self.features * int(self.visible.sum())

    def attributes(self) -> dict[str, Any]:
        """Return the heads, and what hides keys, if anything."""
        heads = {"heads": self.heads, "key_heads": self.key_heads}
        return heads if self.causal is None else {**heads, "causal": self.causal}


@dataclass(frozen=True, kw_only=True)
class ScoresNode(_AttentionNode):
    """Queries times keys; see the layer AttentionScores. `factor` becomes part of a scale."""

    factor: float


@dataclass(frozen=True, kw_only=True)
class MixNode(_AttentionNode):
    """Values weighted by shares; see the layer AttentionMix."""


@dataclass(frozen=True, kw_only=True)
class LayerNormNode(TokenNode):
    """Normalisation over the channels of each pixel; `norms` come behind its own gain and offset."""

    eps: float
    norms: tuple[Norm, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EmbeddingNode(TokenNode):
    """Rows of a table, by the codes that it reads."""

    entries: int

    def attributes(self) -> dict[str, Any]:
        """Return the entries."""
        return {"entries": self.entries}


@dataclass(frozen=True, kw_only=True)
class AddEmbeddingNode(TokenNode):
    """A constant added to each element; `layers` give each pixel a row of their tables."""

    layers: tuple[AddEmbedding, ...]


@dataclass(frozen=True, kw_only=True)
class ClassTokenNode(TokenNode):
    """Constant tokens in front of what it reads."""

    tokens: int


def token_node(layer: Layer, common: dict[str, Any]) -> TokenNode | None:
    """Return the node that does `layer` alone, None if it is of another kind.

    common : what all nodes have
    """
    match layer:
        case AttentionScores():
            return ScoresNode(**common, heads=layer.heads, key_heads=layer.groups, factor=layer.factor)
        case AttentionMix():
            return MixNode(**common, heads=layer.heads, key_heads=layer.groups)
        case LayerNorm():
            return LayerNormNode(**common, eps=layer.eps)
        case Embedding():
            return EmbeddingNode(**common, entries=layer.entries)
        case AddEmbedding():
            return AddEmbeddingNode(**common, layers=(layer,))
        case ClassToken():
            return ClassTokenNode(**common, tokens=layer.tokens)
    return None


def vocabulary(network: LoweredNetwork) -> int | None:
    """Return how many token ids a network's input knows, None if it takes no ids.

    raises : WorkloadError if ids are computed, or something else reads them
    """
    embeddings = [node for node in network.nodes if isinstance(node, EmbeddingNode)]
    if not embeddings:
        return None
    ids = [network.input]
    for node in network.nodes:
        if isinstance(node, SelectNode) and node.inputs[0] in ids and node.clip == OPEN:
            ids.append(node.name)
    computed = [node.name for node in embeddings if node.inputs[0] not in ids]
    if computed:
        raise WorkloadError(
            f"{network.name}.{computed[0]}: an embedding reads the network's input, got ids that are computed"
        )
    others = [
        reader
        for name in ids
        for reader in network.consumers[name]
        if reader not in ids and not isinstance(network[reader], EmbeddingNode)
    ]
    if others or network.output in ids:
        raise WorkloadError(
            f"{network.name}: {others[0] if others else 'the output'} reads token ids, which only embeddings "
            "may read; leave it out"
        )
    return min(node.entries for node in embeddings)
