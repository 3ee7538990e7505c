"""The networks a user may name, and the weights that are stored beside them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.errors import FileError
from simcore.registry import Registry
from workloads.network import Network, Parameters
from workloads.npz import read_npz, write_npz

#: Networks by name; each entry builds one.
networks: Registry[Callable[[], Network]] = Registry("workload")


def read_parameters(path: str | Path) -> Parameters:
    """Return the weights in an .npz file whose arrays are called `layer.parameter`; FileError otherwise."""
    parameters: dict[str, dict[str, NDArray[Any]]] = {}
    for name, array in read_npz(path).items():
        layer, dot, parameter = name.rpartition(".")
        if not dot or array.dtype.kind != "f":
            raise FileError(
                f"{path}: arrays must be called layer.parameter and hold floating-point numbers, "
                f"got {name!r} of {array.dtype}; write them so"
            )
        parameters.setdefault(layer, {})[parameter] = array
    return parameters


def write_parameters(path: str | Path, parameters: Parameters) -> None:
    """Write weights in single precision, for `read_parameters`."""
    write_npz(
        path,
        {
            f"{layer}.{name}": array.astype(np.float32)
            for layer, arrays in parameters.items()
            for name, array in arrays.items()
        },
    )
