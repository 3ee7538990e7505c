"""The weights of all matrices as nodes use them: what composing clusters and retraining moves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.composition.block_graph import Composable
from workloads.float_reference import Folding, float_tensors
from workloads.folding import FoldedPart, FoldedWeights, folded_affine, folded_matrix
from workloads.network import Parameters
from workloads.nodes import AffineNode, LoweredNetwork, MatrixNode


def fold_weights(
    lowered: LoweredNetwork, form: Composable, parameters: Parameters
) -> dict[str, FoldedWeights]:
    """Return the weights of every matrix block, by its name; norms are folded in.

    lowered : the network that `form` was made of, which knows norms
    """
    folded = {}
    for name, block in form.blocks.items():
        node = lowered[block.total.name]
        if isinstance(node, MatrixNode):
            folded[name] = folded_matrix(node, parameters)
        elif isinstance(node, AffineNode):
            factor, bias = folded_affine(node, parameters)
            folded[name] = FoldedWeights(factor[:, None, None].astype(np.float32), bias.astype(np.float32))
    return folded


def tensors_before_clipping(
    form: Composable, weights: Mapping[str, FoldedWeights], inputs: NDArray[Any]
) -> Iterator[tuple[str, NDArray[np.floating[Any]]]]:
    """Yield every tensor (N, C, H, W) in real numbers, and each block's sum as `NAME.sum` of its node."""
    by_node = {block.total.name: weights[name] for name, block in form.blocks.items() if name in weights}
    return float_tensors(form.opened(), {}, inputs, np.float32, _folding(by_node))


def _folding(by_node: Mapping[str, FoldedWeights]) -> Folding:
    def parts(node: MatrixNode) -> Iterator[FoldedPart]:
        own = by_node[node.name.removesuffix(".sum")]
        yield FoldedPart(
            slice(0, node.cols_per_group), slice(0, node.cols), own.weights, own.bias.astype(np.float64)
        )

    return parts
