"""Files of prepared networks: arrays of an .npz file, believed one by one, and where they may be written.

A file begins with `about`, JSON text as bytes that names its schema, and `network`, the lines of a workload
trace as bytes: structure only, no weights, no requests. What else it holds is checked against that network.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from simcore.errors import FileError
from simcore.files import check_writable
from traces.trace_reader import parse_trace
from traces.trace_writer import structure_lines
from workloads import Network
from workloads.npz import read_npz
from workloads.scales import LARGEST_SCALE

Arrays = Mapping[str, NDArray[Any]]


class StrictRecord(BaseModel):
    """What `about` holds, or a part of it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


A = TypeVar("A", bound=StrictRecord)

#: How another form names itself: by what it is.
_OTHER_FORM = re.compile(rb'"schema":\s*"imcsim\.([a-z]{1,40})/')


@dataclass(frozen=True)
class FileForm:
    """One form of such files.

    noun : what it is
    schema : with its version
    command : that writes one
    """

    noun: str
    schema: str
    command: str

    @property
    def anew(self) -> str:
        """What to do with a file that is none."""
        return f"write it anew with {self.command}"

    def claims(self, arrays: Arrays) -> bool:
        """Tell whether arrays say of themselves that they are of this form, of this or another version."""
        about = arrays.get("about")
        return about is not None and f'"{self.schema.partition("/")[0]}/'.encode() in about.tobytes()

    def check_place(self, path: str | Path) -> None:
        """Raise FileError unless a file of this form may be written there: at most over another one."""
        if Path(path).suffix.lower() != ".npz":
            raise FileError(f"a {self.noun} must be called FILE.npz, got {path}; rename it")
        if not Path(path).parent.is_dir():
            raise FileError(f"cannot write {path}: there is no folder {Path(path).parent}; create it first")
        check_writable(path)
        if Path(path).exists() and not self._is_one(path):
            raise FileError(
                f"cannot write {path}: it is there, and no {self.noun}, so it is left alone; "
                "choose another name, or remove it first"
            )

    def _is_one(self, path: str | Path) -> bool:
        try:
            return self.claims(read_npz(path))
        except FileError:
            return False


def first_arrays(about: StrictRecord, network: Network, path: str | Path) -> dict[str, NDArray[Any]]:
    """Return what every file begins with; FileError, WorkloadError for a network that a trace cannot hold."""
    return {
        "about": _bytes(about.model_dump_json(by_alias=True).encode()),
        "network": _bytes(structure_lines(network, path)),
    }


class CheckedArrays:
    """A file being checked; every array is asked for once, and none may be left."""

    def __init__(self, arrays: Arrays, path: str | Path, form: FileForm) -> None:
        """Raise FileError unless the arrays are of this form."""
        self._arrays, self._path, self._form = dict(arrays), path, form
        for name in ("about", "network"):
            if name not in arrays:
                raise FileError(
                    f"{path} is no {form.noun}: it lacks the array {name!r}; write one with {form.command}"
                )
        if not form.claims(arrays) and (other := _OTHER_FORM.search(arrays["about"].tobytes())):
            raise FileError(
                f"{path} is a {other[1].decode()} and no {form.noun}; {form.command} takes the network that "
                f"it was made from, or a {form.noun}"
            )

    def about(self, schema: type[A]) -> A:
        """Return what is no array."""
        try:
            return schema.model_validate_json(self._text("about"))
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"])) or "the text"
            raise FileError(f"{self._path}: about - {place}: {first['msg']}; {self._form.anew}") from None

    def network(self) -> Network:
        """Return the network, of which only the structure is known."""
        return parse_trace(io.BytesIO(self._text("network")), Path(self._path)).network

    def array(self, name: str, kind: type[np.generic], shape: tuple[int, ...]) -> NDArray[Any]:
        """Return an array of this type and shape, its numbers finite and within single precision."""
        array = self.take(name)
        if array.dtype != kind or array.shape != shape:
            raise self.wrong(name, f"{np.dtype(kind)} of shape {shape}", f"{array.dtype} of {array.shape}")
        if array.dtype.kind == "f" and not (np.abs(array) <= LARGEST_SCALE).all():
            raise self.wrong(name, "finite numbers of single precision's range", "others")
        return array

    def known(self) -> NDArray[np.uint64]:
        """Return the numbers that tell which images a network was made with, ascending."""
        known = self.take("known")
        if known.dtype != np.uint64 or known.ndim != 1 or (known[1:] <= known[:-1]).any():
            raise self.wrong("known", "ascending uint64, one axis", f"{known.dtype} of {known.shape}")
        return known

    def take(self, name: str) -> NDArray[Any]:
        """Return an array, which is none of those left then."""
        if name not in self._arrays:
            raise FileError(f"{self._path} lacks the array {name!r}; {self._form.anew}")
        return self._arrays.pop(name)

    def finish(self) -> None:
        """Raise FileError if an array is left."""
        if self._arrays:
            extra = next(iter(self._arrays))
            raise FileError(f"{self._path}: nothing of the network has {extra[:80]!r}; remove this array")

    def wrong(self, name: str, wanted: str, got: str) -> FileError:
        """Return the error of an array that does not hold what it must."""
        return FileError(f"{self._path}: {name} must hold {wanted}, got {got}; {self._form.anew}")

    def _text(self, name: str) -> bytes:
        array = self._arrays.pop(name)
        if array.dtype != np.uint8 or array.ndim != 1:
            raise self.wrong(name, "text as uint8, one axis", f"{array.dtype} of {array.shape}")
        return array.tobytes()


def _bytes(text: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(text, np.uint8)
