"""One parameter of compared machines at several values, as `--over crossbars=8,16,64` asks for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from arch.machine import Machine
from imcsim.strict_yaml import YamlError, read_yaml
from simcore import ConfigError, InvalidConfigError
from simcore.settings import assign


@dataclass(frozen=True)
class Over:
    """A parameter, and the values that it takes one after the other.

    path : as in a setting
    values : as they are written
    """

    path: str
    values: tuple[object, ...]

    def missing_in(self, machine: Machine) -> InvalidConfigError | None:
        """Return why a machine has no such parameter; None if it has."""
        try:
            assign(machine.config.canonical(), self.path, None, type(machine.config))
        except InvalidConfigError as error:
            return error
        return None


#: A parameter as users write it: text of a command line, or its path and its values.
WrittenOver = str | tuple[str, Sequence[object]]


def over_of(written: WrittenOver) -> Over:
    """Return a parameter and its values; ConfigError if they are not written so, or one is there twice."""
    path, values = _parsed(written) if isinstance(written, str) else (written[0], list(written[1]))
    if not values:
        raise ConfigError(f"--over {path} - has no value; name one or more, as in --over {path}=8,64")
    for value in values:
        if values.count(value) > 1:
            raise ConfigError(f"--over {path} - has {value_text(value)} twice; leave one out")
    return Over(path, tuple(values))


def value_text(value: object) -> str:
    """Return a value as one may write it."""
    return value if isinstance(value, str) else json.dumps(value)


def _parsed(text: str) -> tuple[str, list[object]]:
    path, equals, written = text.partition("=")
    path = path.strip()
    if not equals or not all(path.split(".")):
        raise ConfigError(f"--over must be path=value,value,..., as in crossbars=8,64, got {text[:80]!r}")
    try:
        values = read_yaml(f"[{written}]", "--over").value
    except YamlError as error:
        messages = "; ".join(problem.message for problem in error.problems)
        raise ConfigError(f"--over {path} - {messages}; write values with commas between them") from None
    if not isinstance(values, list):
        raise ConfigError(f"--over {path} - must be values with commas between them, got {written[:80]!r}")
    return path, values
