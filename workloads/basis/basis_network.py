"""A quantised network whose weights are combinations of one basis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from workloads.basis.shared_basis import Coefficients, SharedBasis
from workloads.quantized_nodes import QuantizedNetwork


@dataclass(frozen=True, eq=False)
class BasisNetwork(QuantizedNetwork):
    """What a machine that combines basis vectors is loaded with.

    The weights of its matrices are coefficients times basis vectors, so that the integer reference of any
    quantised network is its reference, too; `weight_bits` are those of a coefficient.

    basis : of all layers
    coefficients : of each layer with weights, by name
    """

    basis: SharedBasis
    coefficients: Mapping[str, Coefficients]
