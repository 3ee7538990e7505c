"""Networks fitted to a shared basis in .npz files, `imcsim.basis/1`.

    about      schema, bits of a vector's element and of a coefficient, origin, error of each layer
    network    the structure
    known      numbers that tell which images the network was trained with
    basis      (vectors, length) int16
    NAME.coefficients, NAME.scales, NAME.bias      of every matrix
    NAME.PARAMETER                                 of every layer that no matrix absorbs

A file is checked against its own network before anything is made of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from simcore.errors import FileError, SimError
from traces.checked_arrays import Arrays, CheckedArrays, FileForm, StrictRecord, first_arrays
from workloads import lower
from workloads.basis import BasisFit, Coefficients, FittedLayer, SharedBasis
from workloads.basis.basis_fit import matrix_nodes, unabsorbed
from workloads.basis.shared_basis import MOST_LENGTH, MOST_VECTORS, slices_per_group
from workloads.nodes import MatrixNode
from workloads.npz import read_npz, write_npz
from workloads.scales import SMALLEST_SCALE

BASIS_FILE = FileForm("basis", "imcsim.basis/1", "imcsim fit-basis")

Width = Annotated[int, Field(ge=2, le=8)]


class _About(StrictRecord):
    """What is no array."""

    schema_: Literal["imcsim.basis/1"] = Field(alias="schema")
    vector_bits: Width
    bits: Width
    origin: str = Field(min_length=1, max_length=2**16)
    errors: dict[str, Annotated[float, Field(ge=0)] | None] = Field(min_length=1, max_length=2**14)


def write_basis(path: str | Path, fit: BasisFit) -> None:
    """Write a fit, whole or not at all; equal ones give equal bytes.

    raises : FileError if the disk refuses, the name does not end in .npz or is another file's, WorkloadError
        for a network that a trace cannot hold
    """
    BASIS_FILE.check_place(path)
    about = _About.model_validate(
        {
            "schema": BASIS_FILE.schema,
            "vector_bits": fit.basis.bits,
            "bits": fit.bits,
            "origin": fit.origin,
            "errors": {name: layer.error for name, layer in fit.layers.items()},
        }
    )
    arrays = first_arrays(about, fit.network, path) | {"known": fit.known, "basis": fit.basis.vectors}
    for name, layer in fit.layers.items():
        arrays |= {
            f"{name}.coefficients": layer.coefficients.values,
            f"{name}.scales": layer.scales,
            f"{name}.bias": layer.bias,
        }
    for name in unabsorbed(fit.lowered, fit.network):
        for parameter, numbers in sorted(fit.others[name].items()):
            arrays[f"{name}.{parameter}"] = np.asarray(numbers, np.float64)
    write_npz(path, arrays)


def read_basis(path: str | Path) -> BasisFit:
    """Return the fit that a file holds; FileError for whatever is wrong with it."""
    return basis_of(read_npz(path), path)


def basis_of(arrays: Arrays, path: str | Path) -> BasisFit:
    """Return the fit that the arrays of a file at `path` are; FileError for what is wrong."""
    try:
        return _Reading(CheckedArrays(arrays, path, BASIS_FILE)).fit()
    except FileError:
        raise
    except SimError as error:
        raise FileError(f"{path}: {error}") from None


class _Reading:
    """A file being read."""

    def __init__(self, file: CheckedArrays) -> None:
        self._file, self._about = file, file.about(_About)

    def fit(self) -> BasisFit:
        """Return the whole."""
        network = self._file.network()
        lowered = lower(network)
        nodes = matrix_nodes(lowered)
        if list(self._about.errors) != list(nodes):
            raise self._file.wrong("about", f"errors of the {len(nodes)} matrices by name", "others")
        basis = self._basis()
        layers = {name: self._layer(node, basis) for name, node in nodes.items()}
        others = {
            name: {
                parameter: self._file.array(f"{name}.{parameter}", np.float64, shape)
                for parameter, shape in sorted(network.parameter_shapes[name].items())
            }
            for name in unabsorbed(lowered, network)
        }
        known = self._file.known()
        self._file.finish()
        return BasisFit.of(network, basis, layers, others, self._about.origin, known)

    def _basis(self) -> SharedBasis:
        bits, vectors = self._about.vector_bits, self._file.take("basis")
        if vectors.dtype != np.int16 or vectors.ndim != 2:
            raise self._file.wrong("basis", "int16, two axes", f"{vectors.dtype} of {vectors.shape}")
        if not (1 <= vectors.shape[0] <= MOST_VECTORS and 1 <= vectors.shape[1] <= MOST_LENGTH):
            wanted = f"1 to {MOST_VECTORS} vectors of 1 to {MOST_LENGTH} elements"
            raise self._file.wrong("basis", wanted, f"{vectors.shape}")
        most = 2 ** (bits - 1) - 1
        self._check_range("basis", vectors, bits, -most, most)  # elements are symmetric
        return SharedBasis(vectors, bits)

    def _layer(self, node: MatrixNode, basis: SharedBasis) -> FittedLayer:
        name, bits = node.name, self._about.bits
        slices = node.groups * slices_per_group(node, basis.length)
        shape = (slices, node.cols_per_group, len(basis.vectors))
        values = self._file.array(f"{name}.coefficients", np.int8, shape)
        self._check_range(f"{name}.coefficients", values, bits, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        scales = self._file.array(f"{name}.scales", np.float64, (node.cols,))
        if not (scales >= SMALLEST_SCALE).all():
            raise self._file.wrong(f"{name}.scales", "positive scales of single precision", f"{scales.min()}")
        bias = self._file.array(f"{name}.bias", np.float64, (node.cols,))
        return FittedLayer(Coefficients(values, bits), scales, bias, self._about.errors[name])

    def _check_range(self, name: str, integers: NDArray[Any], bits: int, low: int, high: int) -> None:
        for end in (int(integers.min()), int(integers.max())):
            if not low <= end <= high:
                raise self._file.wrong(name, f"integers of {bits} bit, {low} to {high}", f"{end}")
