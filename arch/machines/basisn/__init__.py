"""BasisN: basis vectors written once, and the kernels of all layers as combinations of them.

Source: Eldebiky et al., BasisN, 2024. Nearly all of its hardware is reconstructed, not read.
"""
