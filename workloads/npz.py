"""Numpy archives in and out: a file is checked before it is believed, and equal arrays give equal bytes."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from simcore.errors import FileError
from simcore.files import open_regular, write_atomically

#: Bytes that an archive may expand to, unless its reader says otherwise.
BUDGET_BYTES = 2**31

_HEADER_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_npz(path: str | Path, budget: int = BUDGET_BYTES) -> dict[str, NDArray[Any]]:
    """Return the arrays of an .npz file by name; objects and pickles are refused.

    budget : bytes that all arrays together may take, checked before anything is expanded
    raises : FileError for whatever is wrong with the file
    """
    try:
        with open_regular(path, "an .npz file") as stream, zipfile.ZipFile(stream) as archive:
            total = sum(entry.file_size for entry in archive.infolist())
            if total > budget:
                raise FileError(f"{path} expands to {total} bytes, at most {budget} are allowed; split it")
            return {
                entry.filename.removesuffix(".npy"): _array(archive, entry, path)
                for entry in archive.infolist()
            }
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}; check its name and rights") from None
    except (
        zipfile.BadZipFile,
        zlib.error,
        ValueError,
        EOFError,
        RuntimeError,  # encrypted, or compressed in a way that Python does not know
        tokenize.TokenError,
    ) as error:
        raise FileError(f"{path} is no intact .npz file: {error}; write it with numpy.savez") from None


def write_npz(path: str | Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write `arrays` compressed, whole or not at all; equal arrays in equal order give equal bytes."""

    def write(stream: IO[bytes]) -> None:
        with zipfile.ZipFile(stream, "w") as archive:
            for name, array in arrays.items():
                info = zipfile.ZipInfo(
                    f"{name}.npy"
                )  # with a fixed date, where a plain name takes the clock's
                info.compress_type = zipfile.ZIP_DEFLATED
                with archive.open(info, "w") as entry:
                    np.lib.format.write_array(entry, np.ascontiguousarray(array), allow_pickle=False)

    write_atomically(path, write)


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: str | Path) -> NDArray[Any]:
    """Return one array, once its header has shown that it is no larger than its entry."""
    with archive.open(entry) as stream:
        version = np.lib.format.read_magic(stream)
        if version not in _HEADER_READERS:
            raise FileError(f"{path}: {entry.filename} has .npy version {version}; write it with numpy.savez")
        shape, _, dtype = _HEADER_READERS[version](stream)
        if dtype.hasobject:
            raise FileError(f"{path}: {entry.filename} holds Python objects, not numbers; convert it first")
        if min(shape, default=0) < 0 or prod(shape) * dtype.itemsize > entry.file_size:
            raise FileError(
                f"{path}: {entry.filename} claims shape {shape}, more than it holds; write it anew"
            )
    with archive.open(entry) as stream:
        array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
        return array
