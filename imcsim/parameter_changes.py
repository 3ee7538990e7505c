"""Changes of parameters as a what-if question writes them: `core.step_cycles=0.5x`, or `detail=group`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from imcsim.machine_files import parse_setting
from simcore.config import Config, InvalidConfigError
from simcore.errors import ConfigError
from simcore.settings import value_at

_FACTOR = re.compile(r"(\d*\.?\d+|\d+/0*[1-9]\d*)x")
#: What nobody writes who does not mean a factor.
_LIKE_A_FACTOR = re.compile(r"([-+.\d].*|nan|inf)x", re.IGNORECASE)


@dataclass(frozen=True)
class ParameterChange:
    """One parameter of a machine that is to have another value.

    path : as in `--set`
    old, new : values, None where there is none
    """

    path: str
    old: Any
    new: Any

    @property
    def told(self) -> str:
        """Return it in words."""
        return f"{self.path}: {_shown(self.old)} -> {_shown(self.new)}"


def changes_asked(
    question: str, values: Mapping[str, Any], schema: type[Config]
) -> tuple[ParameterChange, ...]:
    """Return the changes that a question asks for, several with commas between them.

    values : what the machine's parameters are, all of them
    raises : ConfigError for what is not written so, for an unknown parameter, and for a multiple of what is
        no number, or that would be no whole number where it has to be one
    """
    if not isinstance(question, str):
        raise ConfigError(
            f"a what-if question must be a text such as 'source.pixel_cycles=0.5x', got {question!r}"
        )
    parts = re.split(r",(?=[^,=\[\]{}]+=)", question)  # a comma within a list belongs to its value
    return tuple(_change(part, values, schema) for part in parts)


def _change(written: str, values: Mapping[str, Any], schema: type[Config]) -> ParameterChange:
    path, equals, text = written.partition("=")
    path, text = path.strip(), text.strip()
    if not equals or not path or not text:
        raise ConfigError(
            f"--what-if must be PATH=FACTORx or PATH=VALUE, as in source.pixel_cycles=0.5x, got {written!r}"
        )
    try:
        old = value_at(values, path, schema)
    except InvalidConfigError as error:
        raise asked_by_what_if(error) from None
    if not _LIKE_A_FACTOR.fullmatch(text):
        return ParameterChange(path, old, parse_setting(f"{path}={text}", "--what-if")[1])
    factor = _FACTOR.fullmatch(text)
    if factor is None or not Fraction(factor[1]):
        raise ConfigError(
            f"--what-if {path} - a factor must be a positive number with an x behind it, as 2x, 0.5x or "
            f"1/3x, got {text!r}"
        )
    return ParameterChange(path, old, _times(path, old, Fraction(factor[1])))


def asked_by_what_if(error: InvalidConfigError) -> InvalidConfigError:
    """Return an error of a machine with changes as one of what asked for these: without, it had none."""
    problems = (replace(problem, source="--what-if") for problem in error.problems)
    return InvalidConfigError(tuple(problems), error.where)


def _times(path: str, old: Any, factor: Fraction) -> int | float:
    """Return a multiple of a number, of the same kind."""
    if isinstance(old, bool) or not isinstance(old, int | float):
        raise ConfigError(
            f"--what-if {path} - is {_shown(old)}, of which there are no multiples; write {path}=VALUE"
        )
    if isinstance(old, float):
        return float(old * factor)
    new = old * factor
    if new.denominator != 1:
        raise ConfigError(
            f"--what-if {path} - is {old}, of which {float(factor):g}x is {float(new):g}, but it must be a "
            f"whole number; write {path}={round(new)}"
        )
    return int(new)


def _shown(value: Any) -> str:
    return "null" if value is None else str(value)


def settings_of(changes: Sequence[ParameterChange]) -> list[tuple[str, object]]:
    """Return changes as settings of a machine."""
    return [(change.path, change.new) for change in changes]
