"""One parameter of compared machines at several values, as `--over crossbars=8,16,64` asks for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from arch.machine import Machine
from imcsim.strict_yaml import YamlError, read_yaml
from simcore import ConfigError, InvalidConfigError, Problem
from simcore.settings import assign


@dataclass(frozen=True)
class Over:
    """A parameter, and the values that it takes one after the other.

    path : as in a setting
    values : as they are written
    machine : that it is set on, by the name that reports call it; None for all that have it
    """

    path: str
    values: tuple[object, ...]
    machine: str | None = None

    def __str__(self) -> str:
        return self.path if self.machine is None else f"{self.machine}:{self.path}"

    def missing_in(self, machine: Machine) -> InvalidConfigError | None:
        """Return why a machine does not take part, as it has no such parameter; None if it does."""
        if self.machine not in (None, machine.name):
            problem = Problem(self.path, f"is set on {self.machine} alone")
            return InvalidConfigError((problem,), machine.name)
        try:
            assign(machine.config.canonical(), self.path, None, type(machine.config))
        except InvalidConfigError as error:
            return error
        return None


#: A parameter as users write it: text of a command line, or its path and its values.
WrittenOver = str | tuple[str, Sequence[object]]


def over_of(written: WrittenOver) -> Over:
    """Return a parameter and its values; ConfigError if they are not written so, or one is there twice."""
    where, values = _parsed(written) if isinstance(written, str) else (written[0], list(written[1]))
    if not values:
        raise ConfigError(f"--over {where} - has no value; name one or more, as in --over {where}=8,64")
    for value in values:
        if values.count(value) > 1:
            raise ConfigError(f"--over {where} - has {value_text(value)} twice; leave one out")
    machine, colon, path = where.rpartition(":")
    return Over(path.strip(), tuple(values), machine.strip() if colon else None)


def value_text(value: object) -> str:
    """Return a value as one may write it."""
    return value if isinstance(value, str) else json.dumps(value)


def _parsed(text: str) -> tuple[str, list[object]]:
    path, equals, written = text.partition("=")
    path = path.strip()
    machine, colon, name = path.rpartition(":")
    if not equals or not all(name.strip().split(".")) or (colon and not machine.strip()):
        raise ConfigError(
            f"--over must be path=value,value,..., as in tiles=8,64 or isaac:tiles=8,64, got {text[:80]!r}"
        )
    try:
        values = read_yaml(f"[{written}]", "--over").value
    except YamlError as error:
        messages = "; ".join(problem.message for problem in error.problems)
        raise ConfigError(f"--over {path} - {messages}; write values with commas between them") from None
    if not isinstance(values, list):
        raise ConfigError(f"--over {path} - must be values with commas between them, got {written[:80]!r}")
    return path, values
