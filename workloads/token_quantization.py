"""From real numbers to the integers of nodes that only networks of tokens have."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simcore.errors import WorkloadError
from workloads.activation_functions import apply_clip
from workloads.folding import folded_embeddings, folded_layer_norm
from workloads.network import Parameters
from workloads.quantized_nodes import QuantizedNode
from workloads.quantized_tokens import (
    QuantizedAddEmbedding,
    QuantizedAttention,
    QuantizedClassToken,
    QuantizedEmbedding,
    QuantizedLayerNorm,
)
from workloads.scales import Quantization
from workloads.token_nodes import (
    AddEmbeddingNode,
    ClassTokenNode,
    EmbeddingNode,
    LayerNormNode,
    MixNode,
    ScoresNode,
    TokenNode,
)


def quantization_of_ids(entries: int) -> Quantization:
    """Return how token ids below `entries` are codes: as they are, in as many bits as they take."""
    return Quantization(1.0, 0, max(1, (entries - 1).bit_length()))


def quantize_tokens(
    node: TokenNode,
    parameters: Parameters,
    sources: Sequence[Quantization],
    target: Quantization,
    bounds: tuple[int, int],
) -> QuantizedNode:
    """Return the integers of a node.

    sources, target : of what it reads and gives
    bounds : codes of its clipping
    raises : WorkloadError for a layer norm whose sums do not fit 64 bits
    """
    source, (low, high) = sources[0], bounds
    match node:
        case ScoresNode() | MixNode():
            factor = node.factor if isinstance(node, ScoresNode) else 1.0
            return QuantizedAttention(
                low=low,
                high=high,
                multiplier=np.float32(source.scale * sources[1].scale * factor / target.scale),
                input_zeros=(source.zero, sources[1].zero),
                output_zero=target.zero,
            )
        case LayerNormNode():
            channels = node.shape[0]
            if (channels * source.max_code) ** 2 >= 2**63:
                raise WorkloadError(
                    f"{node.name}: sums over {channels} channels of {source.bits} bit do not fit 64 bits; "
                    "use fewer"
                )
            gain, offset = folded_layer_norm(node, parameters)
            return QuantizedLayerNorm(
                low=low,
                high=high,
                epsilon=np.float64(node.eps * (channels / source.scale) ** 2),
                gain=(gain / target.scale).astype(np.float32),
                offset=(offset / target.scale).astype(np.float32),
                output_zero=target.zero,
            )
        case EmbeddingNode():
            table = apply_clip(parameters[node.name]["weight"], node.clip)
            return QuantizedEmbedding(low=low, high=high, table=target.quantize(table))
        case AddEmbeddingNode():
            added = folded_embeddings(node, parameters).T.reshape(node.shape)
            return QuantizedAddEmbedding(
                low=low,
                high=high,
                multiplier=np.float32(source.scale / target.scale),
                offset=(added / target.scale).astype(np.float32),
                input_zero=source.zero,
                output_zero=target.zero,
            )
        case ClassTokenNode():
            tokens = apply_clip(parameters[node.name]["weight"], node.clip)
            return QuantizedClassToken(
                low=low,
                high=high,
                tokens=target.quantize(tokens.T),
                multiplier=np.float32(source.scale / target.scale),
                input_zero=source.zero,
                output_zero=target.zero,
            )
    raise TypeError(f"{node.name}: no quantisation for {type(node).__name__}")
