"""Weights in the form in which nodes use them: batch norms folded in, rows in the order of a line buffer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workloads.layers import BatchNorm
from workloads.network import Parameters
from workloads.nodes import AffineNode, MatrixNode

Float = NDArray[np.float64]


def folded_matrix(node: MatrixNode, parameters: Parameters) -> tuple[Float, Float]:
    """Return a matrix node's weights (groups, rows, cols of one group) and bias (cols,), norms folded in.

    Rows go by position of the window first (top row first), by channel of the group second: the order in
    which a line buffer hands over pixels.
    """
    own = parameters[node.name]
    factor, offset = _chain(node.norms, parameters, node.cols)
    channels = node.in_shapes[0][0] // node.groups
    # a linear layer's flat inputs are the channels of a window that covers the map
    weights = np.asarray(own["weight"], dtype=np.float64).reshape(node.cols, channels, *node.window.kernel)
    weights = weights * factor[:, None, None, None]
    rows = weights.reshape(node.groups, node.cols_per_group, channels, -1).transpose(0, 3, 2, 1)
    bias = offset + (factor * own["bias"] if "bias" in own else 0.0)
    return rows.reshape(node.groups, node.rows, node.cols_per_group), bias


def folded_affine(node: AffineNode, parameters: Parameters) -> tuple[Float, Float]:
    """Return the factor and the offset of each channel, both (channels,)."""
    return _chain(node.norms, parameters, node.shape[0])


def _chain(norms: tuple[BatchNorm, ...], parameters: Parameters, channels: int) -> tuple[Float, Float]:
    """Return factor and offset that equal `norms` one after the other."""
    factor, offset = np.ones(channels), np.zeros(channels)
    for norm in norms:
        own = {name: np.asarray(array, dtype=np.float64) for name, array in parameters[norm.name].items()}
        scale = own["weight"] / np.sqrt(own["running_var"] + norm.eps)
        factor, offset = factor * scale, (offset - own["running_mean"]) * scale + own["bias"]
    return factor, offset
