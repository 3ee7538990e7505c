"""Weights in the form in which nodes use them: batch norms folded in, rows in the order of a line buffer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.layers import Affine, Layer
from workloads.network import Parameters
from workloads.nodes import AffineNode, MatrixNode, Norm
from workloads.token_nodes import AddEmbeddingNode, LayerNormNode

Float = NDArray[np.float64]

#: Weights that are folded at once: a large layer must not be held as a whole.
WEIGHTS_AT_ONCE = 2**22


@dataclass(frozen=True, eq=False)
class FoldedPart:
    """Some columns of a matrix node, norms folded in.

    cols, out : which columns of each group, and which output channels they are
    weights : (groups, rows, cols of this part)
    bias : (groups * cols of this part,)
    """

    cols: slice
    out: slice
    weights: NDArray[np.floating[Any]]
    bias: Float


@dataclass(frozen=True, eq=False)
class FoldedWeights:
    """One matrix as a whole.

    weights : (groups, rows, columns of one group), single precision; rows by position of the window first
    bias : (columns,)
    """

    weights: NDArray[np.floating[Any]]
    bias: NDArray[np.floating[Any]]


def folded_matrix(node: MatrixNode, parameters: Parameters) -> FoldedWeights:
    """Return all of a matrix node's weights and biases in single precision."""
    parts = list(folded_parts(node, parameters, np.float32))
    weights = np.concatenate([part.weights for part in parts], axis=2)
    bias = np.concatenate([part.bias for part in parts])
    return FoldedWeights(weights.astype(np.float32, copy=False), bias.astype(np.float32))


def folded_parts(
    node: MatrixNode, parameters: Parameters, precision: type[np.floating[Any]] = np.float64
) -> Iterator[FoldedPart]:
    """Yield a matrix node's weights, a part of its columns after the other; all of them if it has groups.

    Rows go by position of the window first (top row first), by channel of the group second: the order in
    which a line buffer hands over pixels.

    precision : the number type of the weights
    """
    own = parameters[node.name]
    factor, offset = _chain(node.norms, parameters, node.cols)
    bias = offset + (factor * own["bias"] if "bias" in own else 0.0)
    channels = node.in_shapes[0][0] // node.groups
    # a linear layer's flat inputs are the channels of a window that covers the map
    kernels = own["weight"].reshape(node.cols, channels, node.window.positions)
    cols = max(1, WEIGHTS_AT_ONCE // node.rows) if node.groups == 1 else node.cols
    for start in range(0, node.cols, cols):
        out = slice(start, min(start + cols, node.cols))
        weights = kernels[out].astype(precision, copy=False) * factor[out, None, None].astype(precision)
        rows = weights.reshape(node.groups, -1, channels, node.window.positions).transpose(0, 3, 2, 1)
        of_group = out if node.groups == 1 else slice(0, node.cols_per_group)
        yield FoldedPart(of_group, out, rows.reshape(node.groups, node.rows, -1), bias[out])


def unfolded(node: MatrixNode, layer: Layer, folded: FoldedWeights) -> Parameters:
    """Return parameters that `folded_parts` makes these weights of: of a layer, and of the node's norms.

    layer : the one that the node is named after
    """
    positions, bias = node.window.positions, folded.bias.astype(np.float64)
    kernels = folded.weights.reshape(node.groups, positions, -1, node.cols_per_group).transpose(0, 3, 2, 1)
    shapes = layer.parameter_shapes(node.in_shapes)
    parameters: dict[str, dict[str, NDArray[Any]]] = {
        node.name: {"weight": kernels.reshape(shapes["weight"])}
    }
    for norm in node.norms:  # which leave values as they are, but for the last one's bias
        ones = np.ones(node.cols)
        own = {"weight": ones, "bias": np.zeros(node.cols)}
        if not isinstance(norm, Affine):
            own = {"weight": np.sqrt(ones + norm.eps), "bias": own["bias"]}
            own |= {"running_mean": np.zeros(node.cols), "running_var": ones}
        parameters[norm.name] = own
    last = parameters[node.norms[-1].name] if node.norms else parameters[node.name]
    if "bias" in shapes:
        parameters[node.name]["bias"] = np.zeros(node.cols)
    if node.norms or "bias" in shapes:
        last["bias"] = bias
    return parameters


def folded_affine(node: AffineNode, parameters: Parameters) -> tuple[Float, Float]:
    """Return the factor and the offset of each channel, both (channels,)."""
    return _chain(node.norms, parameters, node.shape[0])


def folded_layer_norm(node: LayerNormNode, parameters: Parameters) -> tuple[Float, Float]:
    """Return the gain and the offset of each channel once it is normalised, both (channels,)."""
    own = {name: np.asarray(array, dtype=np.float64) for name, array in parameters[node.name].items()}
    factor, offset = _chain(node.norms, parameters, node.shape[0])
    return own["weight"] * factor, own["bias"] * factor + offset


def folded_embeddings(node: AddEmbeddingNode, parameters: Parameters) -> Float:
    """Return what is added to each element, (pixels, channels)."""
    channels, height, width = node.shape
    total = np.zeros((height * width, channels))
    for layer in node.layers:
        table = parameters[layer.name]["weight"]
        total += table[: height * width] if layer.places is None else table[list(layer.places)]
    return total


def _chain(norms: tuple[Norm, ...], parameters: Parameters, channels: int) -> tuple[Float, Float]:
    """Return factor and offset that equal `norms` one after the other."""
    factor, offset = np.ones(channels), np.zeros(channels)
    for norm in norms:
        own = {name: np.asarray(array, dtype=np.float64) for name, array in parameters[norm.name].items()}
        if isinstance(norm, Affine):
            factor, offset = factor * own["weight"], offset * own["weight"] + own["bias"]
            continue
        scale = own["weight"] / np.sqrt(own["running_var"] + norm.eps)
        factor, offset = factor * scale, (offset - own["running_mean"]) * scale + own["bias"]
    return factor, offset
