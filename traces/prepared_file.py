"""Files of prepared networks: which form one holds, by the schema that it names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from simcore.errors import FileError
from traces.basis_file import BASIS_FILE, basis_of
from traces.checked_arrays import Arrays, FileForm
from traces.composition_file import COMPOSITION_FILE, composition_of
from workloads.npz import read_npz
from workloads.prepared import PreparedNetwork

_READERS: Mapping[FileForm, Callable[[Arrays, str | Path], PreparedNetwork]] = {
    COMPOSITION_FILE: composition_of,
    BASIS_FILE: basis_of,
}


def read_prepared(path: str | Path) -> PreparedNetwork:
    """Return the prepared network that a file holds; FileError for whatever is wrong with it."""
    arrays = read_npz(path)
    for form, read in _READERS.items():
        if form.claims(arrays):
            return read(arrays, path)
    forms = " and no ".join(form.noun for form in _READERS)
    commands = " or ".join(form.command for form in _READERS)
    what = "names another schema" if "about" in arrays else "is not there"
    raise FileError(f"{path} is no {forms}: its array 'about' {what}; write one with {commands}")
