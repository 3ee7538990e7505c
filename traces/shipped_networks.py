"""Prepared networks that come with the simulator, by name; none is read before somebody asks."""

from __future__ import annotations

from collections.abc import Callable

from simcore.registry import Registry
from traces.basis_file import read_basis
from workloads.data import ASSETS
from workloads.prepared import PreparedNetwork

#: Each entry reads one.
prepared_networks: Registry[Callable[[], PreparedNetwork]] = Registry("workload")


@prepared_networks.register("digits-cnn-basis")
def digits_cnn_basis() -> PreparedNetwork:
    """Return digits-cnn, trained so that all kernels combine 32 basis vectors."""
    return read_basis(ASSETS / "digits-cnn-basis.npz")


@prepared_networks.register("digits-resnet-basis")
def digits_resnet_basis() -> PreparedNetwork:
    """Return digits-resnet, trained so that all kernels combine 32 basis vectors."""
    return read_basis(ASSETS / "digits-resnet-basis.npz")
