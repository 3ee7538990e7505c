"""Machine files and settings: what users write about a machine, with the place of each value for errors.

A machine file is YAML (see `strict_yaml`) that starts from a built-in machine and changes some parameters:

    extends: dataflow
    detail: group
    core:
      adc: {kind: column-adc, bits: 6}

A setting, as `--set core.adc.bits=6` gives it, changes a single one by the same rules. Which parameters a
machine has is not known here; `located` puts the places into the errors of the validation that follows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from imcsim.strict_yaml import LARGEST, YamlError, YamlProblem, read_yaml
from simcore.config import InvalidConfigError, Problem
from simcore.errors import ConfigError, FileError
from simcore.files import read_text
from simcore.registry import near_miss


@dataclass(frozen=True)
class MachineFile:
    """A machine file as it was read, before its values are validated.

    path : the file, as the user named it
    extends : name of the built-in machine that it starts from
    values : raw values of the machine's parameters, without `extends`
    lines : line and column, from 1, of each key and list element, by dotted path
    """

    path: str
    extends: str
    values: dict[str, Any]
    lines: Mapping[str, tuple[int, int]]

    def position(self, path: str) -> str:
        """Return "file:line:column" of a parameter, else of the nearest one around it, else ""."""
        while path and path not in self.lines:
            path = path.rpartition(".")[0]
        return f"{self.path}:{self.lines[path][0]}:{self.lines[path][1]}" if path else ""


def read_machine_file(path: str | Path, machines: Sequence[str]) -> MachineFile:
    """Read a machine file that extends one of the built-in `machines`.

    raises : FileError, with a line for each problem, if the file cannot be read or is not what it should be
    """
    document = read_yaml(read_text(path, LARGEST, "a machine file"), str(path))
    values = document.value
    choices = f"name the machine to start from: {', '.join(machines)}"
    if not isinstance(values, dict):
        raise FileError(f"{path} - must be a mapping with a key `extends`; {choices}")
    if "extends" not in values:
        raise FileError(f"{path} - has no key `extends`; {choices}")
    extends = values.pop("extends")
    if not isinstance(extends, str) or extends not in machines:
        message = f"no machine is called {extends!r}; {near_miss(str(extends), list(machines))}"
        raise YamlError(str(path), (YamlProblem(*document.lines["extends"], "extends", message),))
    return MachineFile(str(path), extends, values, document.lines)


def parse_setting(text: str, option: str = "--set") -> tuple[str, object]:
    """Split a setting such as "core.adc.bits=6" into its path and its value, which is YAML.

    option : what it is a value of, for errors
    raises : ConfigError if it is not written so
    """
    path, equals, written = text.partition("=")
    path = path.strip()
    if not equals or not all(path.split(".")):
        raise ConfigError(f"{option} must be path=value, as in core.adc.bits=6, got {text!r}")
    try:
        value = read_yaml(written, option).value
    except YamlError as error:
        lines = [f"{option} {'.'.join(filter(None, [path, p.path]))} - {p.message}" for p in error.problems]
        raise ConfigError("\n".join(lines)) from None
    # An empty value or a comment would read as null, which nobody means who writes nothing.
    if value is None and written.strip() not in ("null", "~"):
        raise ConfigError(f"{option} {path} - has no value; write null for none, or quotes for empty text")
    return path, value


def located(
    error: InvalidConfigError, file: MachineFile | None, settings: Collection[str] = ()
) -> InvalidConfigError:
    """Return a validation's error with the place of each problem whose value the user wrote.

    settings : paths that settings wrote, after and thus over the file
    """
    return InvalidConfigError(tuple(_located(p, file, settings) for p in error.problems), error.where)


def _located(problem: Problem, file: MachineFile | None, settings: Collection[str]) -> Problem:
    """Return one problem with its place; a setting of it or of anything around it comes before the file."""
    if any(f"{problem.path}.".startswith(f"{path}.") for path in settings):
        return replace(problem, source="--set")
    return replace(problem, source=problem.source or (file.position(problem.path) if file else ""))
