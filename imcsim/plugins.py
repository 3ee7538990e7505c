"""Where registered names come from: built-in machines, installed packages, and files that users point at.

A plugin is Python that registers components, machines, workloads or exporters as the built-in ones do. An
installed package offers one as an entry point of the group `imcsim.plugins`.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterable
from hashlib import blake2b
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from simcore.errors import FileError, SimError

ENTRY_POINTS = "imcsim.plugins"
_BUILT_IN = ("arch.machines.dataflow",)


def load_plugins(files: Iterable[str | Path] = ()) -> None:
    """Register everything built in and installed, then what `files` register.

    raises : FileError for a plugin that cannot be read or fails, with file and line
    """
    for module in _BUILT_IN:
        import_module(module)
    for entry in entry_points(group=ENTRY_POINTS):
        _run_plugin(f"{entry.name} ({entry.value})", "", entry.load)
    for file in files:
        _load_file(Path(file))


def _load_file(path: Path) -> None:
    """Import one file as a module of its own; a second time registers its names anew."""
    if not path.is_file():
        problem = "is a folder" if path.is_dir() else "does not exist"
        raise FileError(f"plugin {path} {problem}; name a Python file")
    whole = path.resolve()
    name = f"imcsim_plugin_{blake2b(bytes(whole), digest_size=8).hexdigest()}"
    spec = spec_from_file_location(name, whole)
    if spec is None or spec.loader is None:
        raise FileError(f"plugin {path} is no Python file; its name must end in .py")
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pydantic look their module up
    loader = spec.loader
    try:
        _run_plugin(str(path), str(whole), lambda: loader.exec_module(module))
    except FileError:
        del sys.modules[name]
        raise


def _run_plugin(name: str, file: str, load: Callable[[], object]) -> None:
    """Run a plugin's code; whatever it raises becomes one error that names its line.

    file : the file in which to look for the line, "" for the innermost one
    """
    try:
        load()
    except (Exception, SystemExit) as error:
        kind = "" if isinstance(error, SimError) else f"{type(error).__name__}: "
        reason = " ".join(str(error).split()) or "no message"
        raise FileError(
            f"plugin {name}{_line_of(error, file)} failed: {kind}{reason}; correct it, or leave it out"
        ) from error


def _line_of(error: BaseException, file: str) -> str:
    """Return ":LINE" of the last line of `file` that was reached, or that could not be parsed."""
    if isinstance(error, SyntaxError) and (not file or error.filename == file):
        return f":{error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f":{lines[-1]}" if lines else ""
