"""Weights as codes: one codebook for a fully connected matrix, one for each column of any other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.composition.codebooks import CodebookTree, cluster, nearest
from workloads.folding import FoldedWeights


@dataclass(frozen=True, eq=False)
class WeightCodes:
    """A matrix's weights.

    tree : levels (codebooks, clusters), one codebook or one for each column
    codes : (groups, rows, columns of one group) uint8, at the deepest level
    bias : (columns,) float32
    """

    tree: CodebookTree
    codes: NDArray[np.uint8]
    bias: NDArray[np.floating[Any]]

    @property
    def clusters(self) -> int:
        """Clusters of the deepest level."""
        return self.tree.clusters

    def at(self, clusters: int) -> NDArray[np.uint8]:
        """Return the codes at a level: what those of the deepest one begin with."""
        return self.codes >> np.uint8(self.clusters.bit_length() - clusters.bit_length())


def code_weights(own: FoldedWeights, clusters: int, *, shared: bool) -> WeightCodes:
    """Return weights clustered, all of them together if `shared`, otherwise column by column."""
    if shared:
        tree, codes = cluster(own.weights, clusters)
        return WeightCodes(CodebookTree.stacked([tree]), codes, own.bias)
    trees, codes = [], np.empty(own.weights.shape, np.uint8)
    for group, column in np.ndindex(own.weights.shape[0], own.weights.shape[2]):
        tree, codes[group, :, column] = cluster(own.weights[group, :, column], clusters)
        trees.append(tree)
    return WeightCodes(CodebookTree.stacked(trees), codes, own.bias)


def snapped(own: FoldedWeights, coded: WeightCodes) -> FoldedWeights:
    """Return each weight's nearest centre of the deepest level, and the bias as it is."""
    books = coded.tree.levels[-1]
    weights = np.empty_like(own.weights)
    if len(books) == 1:
        weights[:] = books[0][nearest(books[0], own.weights)]
        return FoldedWeights(weights, own.bias)
    places = np.ndindex(own.weights.shape[0], own.weights.shape[2])
    for (group, column), book in zip(places, books, strict=True):
        weights[group, :, column] = book[nearest(book, own.weights[group, :, column])]
    return FoldedWeights(weights, own.bias)
