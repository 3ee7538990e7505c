"""Builds an environment of another Python version, with which a test repeats runs; `make pythons` calls it.

Takes the newest supported version besides this one that is installed: as `python3.X` on the path, or kept by
pyenv. Where there is none, or its packages cannot be installed, it says so and builds nothing.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree, which

ROOT = Path(__file__).parents[1]
VERSIONS = ("3.13", "3.12", "3.11")  # that setup.cfg names, the newest first


def environment(version: str) -> Path:
    """Return where the environment of a Python version lies."""
    return ROOT / f".venv-{version}"


def other_versions() -> list[str]:
    """Return the supported versions that this Python is not."""
    return [version for version in VERSIONS if version != "{}.{}".format(*sys.version_info)]


def built() -> Path | None:
    """Return the interpreter of an environment that is up to date, None if there is none."""
    asked = max((ROOT / name).stat().st_mtime for name in ("setup.cfg", "constraints.txt"))
    for version in other_versions():
        stamp = environment(version) / ".installed"
        if stamp.exists() and stamp.stat().st_mtime >= asked:
            return environment(version) / "bin" / "python"
    return None


def _candidates(version: str) -> Iterator[str]:
    if found := which(f"python{version}"):
        yield found
    for home in sorted(Path.home().glob(f".pyenv/versions/{version}.*"), reverse=True):
        yield str(home / "bin" / "python")


def _runs(python: str, version: str) -> bool:
    """Tell whether an interpreter runs and is of that version; pyenv puts names on the path that do not."""
    code = "import ensurepip, sys, venv; print('{}.{}'.format(*sys.version_info))"
    try:
        told = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        return False
    return told.returncode == 0 and told.stdout.strip() == version


def build() -> str:
    """Build an environment, unless one is there; return what came of it, in words."""
    if (python := built()) is not None:
        return f"{python.parents[1].name} is there"
    for version in other_versions():
        for python_of in _candidates(version):
            if not _runs(python_of, version):
                continue
            folder = environment(version)
            rmtree(folder, ignore_errors=True)
            pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "-c", "constraints.txt"]
            try:
                subprocess.run([python_of, "-m", "venv", str(folder)], cwd=ROOT, check=True)
                subprocess.run([*pip, "-e", "."], cwd=ROOT, check=True)
            except subprocess.CalledProcessError as error:
                rmtree(folder, ignore_errors=True)
                return f"Python {version} is there, but its environment cannot be built: {error}"
            (folder / ".installed").touch()
            return f"{folder.name} is built"
    return f"no Python of {', '.join(other_versions())} is there: runs are not repeated with another version"


if __name__ == "__main__":
    print(build())
