"""A network fitted to a shared basis: what a basis file holds, in real numbers and in integers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from workloads.basis.basis_network import BasisNetwork
from workloads.basis.shared_basis import Coefficients, SharedBasis, matrix_of
from workloads.data import image_digests
from workloads.folding import FoldedWeights, unfolded
from workloads.lowering import lower
from workloads.network import Network, Parameters
from workloads.nodes import LoweredNetwork, MatrixNode
from workloads.prepared import PreparedNetwork
from workloads.quantization import IntegerMatrix, quantize
from workloads.scales import GivenScales

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FittedLayer:
    """The kernels of one matrix: coefficients times basis vectors, each kernel times its own scale.

    scales : (kernels of all groups,), positive; they join what brings a sum to the output's steps
    bias : (kernels of all groups,) in real numbers, norms folded in
    error : root mean square of what the weights miss, in root mean squares of the weights; None where nobody
        knows what they should be
    """

    coefficients: Coefficients
    scales: Float
    bias: Float
    error: float | None = None

    def loads(self) -> NDArray[np.int64]:
        """Return how many kernels use each vector, (slices, vectors)."""
        counts: NDArray[np.int64] = np.count_nonzero(self.coefficients.values, axis=1)
        return counts


@dataclass(frozen=True, eq=False)
class BasisFit(PreparedNetwork):
    """A network all of whose kernels are combinations of one basis; its weights are what these amount to.

    layers : of each matrix node, by name
    others : parameters of all other layers, which no matrix absorbs
    origin : how it was made
    known : numbers that tell which images it was trained with, ascending; none if with none
    """

    kind: ClassVar[str] = "a basis"

    basis: SharedBasis
    layers: Mapping[str, FittedLayer]
    others: Parameters
    origin: str
    known: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))

    @classmethod
    def of(
        cls,
        structure: Network,
        basis: SharedBasis,
        layers: Mapping[str, FittedLayer],
        others: Parameters,
        origin: str,
        known: NDArray[np.uint64] | None = None,
    ) -> BasisFit:
        """Return the fit of a network of this structure.

        Scales that it brings for weights are left out, as kernels have their own.
        """

        def parameters() -> Parameters:
            found = dict(others)
            for name, layer in layers.items():
                node = matrices[name]
                real = matrix_of(basis, layer.coefficients, node) * layer.scales.reshape(node.groups, 1, -1)
                found |= unfolded(node, structure.layers[name], FoldedWeights(real, layer.bias))
            return found

        network = with_own_scales(structure, parameters)
        matrices = matrix_nodes(lower(network))
        return cls(network, basis, layers, others, origin, np.zeros(0, np.uint64) if known is None else known)

    @cached_property
    def lowered(self) -> LoweredNetwork:
        """The graph whose matrices these are."""
        return lower(self.network)

    @property
    def bits(self) -> int:
        """Bits of a coefficient."""
        return next(iter(self.layers.values())).coefficients.bits

    @property
    def nonzeros(self) -> int:
        """Most coefficients of a kernel slice that are not zero."""
        return int(self.histogram.size - 1)

    @cached_property
    def histogram(self) -> NDArray[np.int64]:
        """How many kernel slices have 0, 1, ... coefficients that are not zero."""
        counts = [
            np.bincount(np.count_nonzero(layer.coefficients.values, axis=2).ravel())
            for layer in self.layers.values()
        ]
        total = np.zeros(max(map(len, counts)), np.int64)
        for count in counts:
            total[: len(count)] += count
        return total

    @property
    def error(self) -> float | None:
        """Root mean square error of all weights, each layer's in its own root mean square."""
        errors, weights = [], []
        for name, layer in self.layers.items():
            if layer.error is None:
                return None
            node = self.node(name)
            errors.append(layer.error**2)
            weights.append(node.rows * node.cols)
        return float(np.sqrt(np.average(errors, weights=weights)))

    def node(self, name: str) -> MatrixNode:
        """Return the matrix whose kernels a layer's are."""
        node = self.lowered[name]
        assert isinstance(node, MatrixNode)
        return node

    def known_among(self, images: NDArray[Any]) -> int:
        """Return how many of some images it was trained with."""
        return int(np.isin(image_digests(images), self.known).sum())

    def quantized(self, calibration: NDArray[Any], activation_bits: int = 8) -> BasisNetwork:
        """Return the integers: coefficients times vectors as weights, ranges as the fitted network has them.

        calibration : (N, C, H, W) images whose ranges set the scales of activations
        raises : WorkloadError as `quantize` does, and for a kernel whose sums 64 bits may not hold
        """
        integers = {
            name: IntegerMatrix(
                matrix_of(self.basis, layer.coefficients, self.node(name)), layer.bias, layer.scales
            )
            for name, layer in self.layers.items()
        }
        whole = quantize(
            self.lowered,
            self.network.load_parameters(),
            calibration,
            self.bits,
            activation_bits,
            integers=integers,
        )
        return BasisNetwork(
            **vars(whole),
            basis=self.basis,
            coefficients={name: layer.coefficients for name, layer in self.layers.items()},
        )


def with_own_scales(structure: Network, parameters: Any = None) -> Network:
    """Return a network of this structure without scales for weights, whose kernels are to have their own."""
    return Network(
        structure.name,
        structure.layers.values(),
        parameters,
        structure.dataset,
        scales=GivenScales(structure.scales.tensors),
        notes=structure.notes,
    )


def matrix_nodes(lowered: LoweredNetwork) -> dict[str, MatrixNode]:
    """Return the nodes whose kernels combine a basis, by name."""
    return {node.name: node for node in lowered.nodes if isinstance(node, MatrixNode)}


def unabsorbed(lowered: LoweredNetwork, network: Network) -> list[str]:
    """Return the layers with parameters that no matrix absorbs, in order."""
    nodes = matrix_nodes(lowered)
    absorbed = {*nodes, *(norm.name for node in nodes.values() for norm in node.norms)}
    return [name for name in network.parameter_shapes if name not in absorbed]
