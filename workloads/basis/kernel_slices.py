"""The kernels of a layer, cut into slices as long as basis vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.basis.basis_fit import Float, matrix_nodes
from workloads.basis.shared_basis import slices_per_group
from workloads.folding import folded_matrix
from workloads.network import Parameters
from workloads.nodes import LoweredNetwork, MatrixNode
from workloads.scales import SMALLEST_SCALE

#: A kernel whose weights are below this part of the layer's is as good as none.
DEAD = 2.0**-20

#: So is a layer of lesser root mean square: scales of its kernels might be beyond single precision.
LEAST_UNIT = SMALLEST_SCALE * 2.0**40


@dataclass(frozen=True, eq=False)
class LayerSlices:
    """One layer.

    slices : (groups, slices of a group, kernels of a group, length) float32 in units of `unit`, the last
        slice padded with zeros
    seen : elements of the last slice
    unit : root mean square of the weights
    bias : (kernels,) in real numbers
    """

    slices: NDArray[np.float32]
    seen: int
    unit: float
    bias: Float

    @property
    def count(self) -> int:
        """Kernel slices."""
        return int(np.prod(self.slices.shape[:3]))

    def every(self, step: int) -> NDArray[np.float32]:
        """Return the slices of every n-th kernel: of a group, or of groups of one kernel."""
        groups, _, kernels, _ = self.slices.shape
        if kernels == 1 and groups > 1:
            return self.slices[::step]
        return np.ascontiguousarray(self.slices[:, :, ::step])


def layer_slices(lowered: LoweredNetwork, parameters: Parameters, length: int) -> Mapping[str, LayerSlices]:
    """Return the kernels of all matrices, norms folded in, cut into slices of a length."""
    return {name: _cut(node, parameters, length) for name, node in matrix_nodes(lowered).items()}


def _cut(node: MatrixNode, parameters: Parameters, length: int) -> LayerSlices:
    folded = folded_matrix(node, parameters)
    count, kernels = slices_per_group(node, length), node.cols_per_group
    # sums of squares in an order that does not depend on how a library adds numbers up
    squares = np.square(folded.weights, dtype=np.float64).sum(axis=1)
    unit = float(np.sqrt(squares.mean() / node.rows))
    unit = unit if unit > LEAST_UNIT else 1.0
    weights: NDArray[Any] = folded.weights / np.float32(unit)
    weights = weights * (squares > node.rows * (DEAD * unit) ** 2)[:, None]
    padded = np.zeros((node.groups, count * length, kernels), np.float32)
    padded[:, : node.rows] = weights
    slices = padded.reshape(node.groups, count, length, kernels).transpose(0, 1, 3, 2)
    return LayerSlices(
        np.ascontiguousarray(slices), node.rows - (count - 1) * length, unit, folded.bias.astype(np.float64)
    )
