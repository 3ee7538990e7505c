"""Networks whose kernels are combinations of one basis: `shared_basis`, `basis_network`."""

from workloads.basis.basis_network import BasisNetwork
from workloads.basis.shared_basis import Coefficients, SharedBasis, matrix_of, slices_per_group

__all__ = ["BasisNetwork", "Coefficients", "SharedBasis", "matrix_of", "slices_per_group"]
