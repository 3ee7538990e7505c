"""Networks whose kernels are combinations of one basis.

Read in this order: `shared_basis`, `basis_network` (what a machine is loaded with), `basis_fit` (what a file
holds), `basis_options`, `kernel_slices`, `fitting` (how a network becomes one),
`basis_training` (how it gets its accuracy back, with PyTorch).
"""

from workloads.basis.basis_fit import BasisFit, FittedLayer
from workloads.basis.basis_network import BasisNetwork
from workloads.basis.basis_options import BasisOptions
from workloads.basis.shared_basis import Coefficients, SharedBasis, matrix_of, slices_per_group

__all__ = [
    "BasisFit",
    "BasisNetwork",
    "BasisOptions",
    "Coefficients",
    "FittedLayer",
    "SharedBasis",
    "matrix_of",
    "slices_per_group",
]
