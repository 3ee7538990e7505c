"""The numbers of a workload trace, in a safetensors file beside it: weights, images, labels.

Weights are called `layer.parameter`; `inputs` and `labels` are as in a file for `--data`. Nothing in
it can be run, its header is checked before numbers are read, and equal arrays give equal bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simcore.errors import FileError
from simcore.files import write_atomically
from workloads import Dataset, Network, Parameters
from workloads.data import dataset_of
from workloads.npz import BUDGET_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Arrays that are no weights.
_IMAGES = {"inputs", "labels"}


@dataclass(frozen=True)
class TensorFile:
    """A file as a trace names it; numbers are read, and its digest is checked, when somebody asks for them.

    sha256 : hexadecimal, of the whole file
    """

    path: Path
    sha256: str

    @classmethod
    def beside(cls, trace: Path, name: str, sha256: str) -> TensorFile:
        """Return the file that a trace names.

        raises : FileError unless it is a file of its own in the trace's own folder, and not too large
        """
        path = trace.parent / name
        if Path(name).name != name or "\0" in name:
            raise FileError(f"the tensors file must be a plain name in the trace's folder, got {name!r}")
        if path.is_symlink() or not path.is_file():
            what = "a link" if path.is_symlink() else "missing, or no file"
            raise FileError(
                f"the tensors file {path} is {what}; put the file itself beside the trace, or take `tensors` "
                "out of the header to run without values"
            )
        if (size := path.stat().st_size) > BUDGET_BYTES:
            raise FileError(f"{path} has {size} bytes, at most {BUDGET_BYTES} are allowed")
        return cls(path, sha256)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of all arrays by name, from the file's header alone."""
        from safetensors import safe_open

        with _damage(self.path), safe_open(self.path, framework="np") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118

    def parameters(self) -> Parameters:
        """Return the weights."""
        parameters: dict[str, dict[str, NDArray[Any]]] = {}
        for name, array in self._arrays().items():
            if name not in _IMAGES:
                layer, _, parameter = name.rpartition(".")
                if array.dtype.kind != "f":
                    raise FileError(f"{self.path}: {name} must be floating point, got {array.dtype}")
                parameters.setdefault(layer, {})[parameter] = array
        return parameters

    def data(self) -> Dataset | None:
        """Return the images, None if there are none."""
        if not self.shapes().keys() & _IMAGES:
            return None
        images = {name: array for name, array in self._arrays().items() if name in _IMAGES}
        return dataset_of(images, self.path)

    def content(self) -> bytes:
        """Return the whole file; FileError unless it is the one that the trace was written with."""
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise FileError(f"cannot read {self.path}: {error.strerror}") from None
        if (digest := hashlib.sha256(content).hexdigest()) != self.sha256:
            raise FileError(
                f"{self.path} is not the file that the trace was written with: its sha256 is {digest}, "
                f"expected {self.sha256}; capture both anew"
            )
        return content

    def _arrays(self) -> dict[str, NDArray[Any]]:
        from safetensors.numpy import load

        content = self.content()
        with _damage(self.path):
            return load(content)


def write_tensors(path: Path, parameters: Parameters, data: Dataset | None) -> TensorFile:
    """Write weights and images, whole or not at all."""
    from safetensors.numpy import save

    arrays: dict[str, NDArray[Any]] = {
        f"{layer}.{name}": array for layer, named in parameters.items() for name, array in named.items()
    }
    if data is not None:
        arrays["inputs"] = data.inputs
        if data.labels is not None:
            arrays["labels"] = data.labels
    content = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    write_atomically(path, lambda stream: stream.write(content))
    return TensorFile(path, hashlib.sha256(content).hexdigest())


def check_fit(file: TensorFile, network: Network) -> None:
    """Raise FileError unless the file has just what the network takes, as far as its header tells."""
    expected: Mapping[str, tuple[int, ...]] = {
        f"{layer}.{name}": shape
        for layer, named in network.parameter_shapes.items()
        for name, shape in named.items()
    }
    weights = {name: shape for name, shape in file.shapes().items() if name not in _IMAGES}
    for name in sorted(expected.keys() | weights.keys()):
        if expected.get(name) != weights.get(name):
            raise FileError(
                f"{file.path}: {name} must be {expected.get(name, 'left out, as no operation takes it')}, "
                f"got {weights.get(name, 'none')}; capture it with its trace"
            )


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Turn what the library raises for a file that is not what it should be into a FileError."""
    from safetensors import SafetensorError

    try:
        yield
    except (SafetensorError, OSError, ValueError, KeyError, AttributeError) as error:
        raise FileError(f"{path} is no intact safetensors file: {error}; capture it anew") from None
