"""Configurations: frozen, bounded, documented where they are declared, and checked before cycle 0.

A configuration is a subclass of `Config` whose fields are declared by `param()`, or by `part()` where the
kind of component, and with it the set of parameters, is itself a choice. Configurations nest; errors,
settings and tables name a nested parameter by its dotted path, as in `core.adc.bits`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from simcore.errors import ConfigError
from simcore.parameters import (
    NO_UNIT,
    PROBLEM,
    Declared,
    KeyPath,
    below,
    config_class,
    declared_of,
    explain,
    members,
    over_default,
    read_value,
    type_text,
)
from simcore.units import check_unit


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a configuration.

    path : dotted path of the parameter, "" for the configuration as a whole
    message : goes on from the path, as in "must be in [1, 12] bit, got 16"
    source : where the user wrote the value ("my.yaml:4:9", "--set"), "" if unknown
    """

    path: str
    message: str
    source: str = ""

    def line(self, where: str) -> str:
        """Return the problem in one line; `where` names the configuration as a whole."""
        # A name may hold anything, a line break too.
        path = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in self.path)
        if self.source:
            return f"{self.source} {path or where} - {self.message}"
        return f"{'.'.join(filter(None, [where, path])) or 'configuration'} {self.message}"


class InvalidConfigError(ConfigError):
    """Everything that is wrong with one configuration, a line each."""

    def __init__(self, problems: tuple[Problem, ...], where: str) -> None:
        super().__init__(problems, where)
        self.problems = problems
        self.where = where

    def __str__(self) -> str:
        return "\n".join(problem.line(self.where) for problem in self.problems)


@dataclass(frozen=True)
class ParameterInfo:
    """One row of a table of parameters.

    `default` is plain data, None for a `required` parameter. In paths NAME and N stand for a key of a mapping
    and an index of a list.
    """

    path: str
    type: str
    default: object
    unit: str
    bounds: str
    doc: str
    required: bool = False


def param(
    default: Any = ...,
    *,
    unit: str,
    doc: str,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
) -> Any:
    """Declare a parameter of a Config.

    default : a value as users write it; without one the parameter is required
    unit : of the number or of each number; "" for ratios and text, "one of" for choices
    doc : what it means, in a few words
    ge, gt, le, lt : bounds, in `unit`
    """
    if unit not in NO_UNIT:
        check_unit(unit)
    return Field(default, description=doc, json_schema_extra=Declared(unit, ge, gt, le, lt))


def part(default_kind: str, *, lookup: Callable[[str], type[PartConfig]], doc: str) -> Any:
    """Declare a part whose kind of component is a choice: a field annotated with a PartConfig class.

    default_kind : what the part is unless a user writes `kind`
    lookup : returns the configuration class of a kind, or raises UnknownNameError; not called before a
        configuration is made or described, so kinds may be registered later than this declaration

    Users write a mapping of `kind`, which may be left out, and of that kind's own parameters. The class found
    must be the annotated one or a subclass, so the annotation narrows what may take this place.
    """
    declared = Declared("one of", default_kind=default_kind, lookup=lookup)
    return Field(
        default_factory=lambda: {"kind": default_kind},
        validate_default=True,
        description=doc,
        json_schema_extra=declared,
    )


class Config(BaseModel):
    """Base of all configurations: immutable, without unknown keys, every value of its declared type.

    Numbers may be written as quantities ("130 ns"), tuples as lists, nested configurations as mappings: what
    such a mapping leaves out stays as the default of its place has it. An int takes no float and no bool, a
    float takes an int, and neither takes NaN or infinity.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        validate_default=True,
        protected_namespaces=(),
    )

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise _invalid(type(self), error, type(self).__name__) from None

    # Tells pydantic that nested configurations need not pass through this __init__, which would end the
    # validation of the outer one at its first problem.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    _may_have_kind: ClassVar[bool] = False

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        if "kind" in cls.model_fields and not cls._may_have_kind:
            raise TypeError(f"{cls.__name__}.kind needs another name; only a PartConfig has a kind")
        for name, field in cls.model_fields.items():
            if not isinstance(field.json_schema_extra, Declared):
                raise TypeError(f"declare {cls.__name__}.{name} by param() or part(), with its unit and doc")
            choices = [member for member in members(field.annotation) if member is not type(None)]
            if len(choices) > 1 and config_class(field.annotation):
                raise TypeError(f"{cls.__name__}.{name} cannot be a union of configurations; use part()")

    @field_validator("*", mode="before")
    @classmethod
    def _read_as_declared(cls, value: object, info: ValidationInfo) -> object:
        """Turn what a user wrote into the declared type, or raise all that is wrong with it."""
        problems: list[InitErrorDetails] = []

        def report(path: KeyPath, message: str) -> None:
            kind = PydanticCustomError(PROBLEM, "{message}", {"message": message})
            problems.append(InitErrorDetails(type=kind, loc=path, input=value))

        field = cls.model_fields[str(info.field_name)]
        value = over_default(field.default, value)
        read = read_value(field.annotation, value, declared_of(cls, str(info.field_name)), report)
        if problems:
            raise ValidationError.from_exception_data(cls.__name__, problems)
        return read

    @classmethod
    def parse(cls, values: Mapping[str, object], where: str | None = None) -> Self:
        """Return the configuration that raw `values` write.

        where : names the configuration in errors; its class's name if left out
        raises : InvalidConfigError, a ConfigError, with a line for each of the problems
        """
        try:
            return cls.model_validate(dict(values) if isinstance(values, Mapping) else values)
        except ValidationError as error:
            raise _invalid(cls, error, cls.__name__ if where is None else where) from None

    @classmethod
    def parameters(cls) -> list[ParameterInfo]:
        """Return a row for every parameter, nested ones too; parts are described by their default kind."""
        return _rows(cls, "", {})

    def canonical(self) -> dict[str, Any]:
        """Return plain data with all defaults filled in, which parses back to an equal configuration."""
        return {name: _plain(getattr(self, name)) for name in type(self).model_fields}


class PartConfig(Config):
    """Base of configurations that may take the place of a part; `kind` is reserved for them."""

    _may_have_kind: ClassVar[bool] = True

    kind: str = param("", unit="one of", doc="which kind of component this part is")


def _invalid(model: type[BaseModel], error: ValidationError, where: str) -> InvalidConfigError:
    """Return pydantic's error in this project's words."""
    lines = explain(model, error)
    return InvalidConfigError(tuple(Problem(".".join(map(str, path)), text) for path, text in lines), where)


def _rows(model: type[BaseModel], prefix: str, given: Mapping[str, object]) -> list[ParameterInfo]:
    """Return the rows of one configuration class; `given` are the values that its parent sets as defaults."""
    rows = []
    for name, field in model.model_fields.items():
        if name == "kind" and issubclass(model, PartConfig):
            continue  # shown where the part is declared, with the default that it has there
        declared, path, doc = declared_of(model, name), prefix + name, field.description or ""
        required = field.is_required() and name not in given
        default = None if required else given.get(name, field.get_default(call_default_factory=True))
        inner = config_class(field.annotation)
        if default is not None:  # may still be as a user writes it; a part's is a mapping
            default = read_value(field.annotation, default, declared, lambda *problem: None)
        if declared.lookup is not None:
            kind = getattr(default, "kind", declared.default_kind)
            rows.append(ParameterInfo(f"{path}.kind", "kind", kind, declared.unit, "", doc))
        elif inner is None or (default is None and not required):
            type_name = type_text(field.annotation)
            rows.append(
                ParameterInfo(path, type_name, _plain(default), declared.unit, declared.bounds, doc, required)
            )
        if isinstance(default, Config):
            rows += _rows(type(default), f"{path}.", dict(default))
        elif inner is not None:
            rows += _rows(inner, f"{path}.", {})
        for key, placeholder in (("", "NAME"), (0, "N")):
            element = config_class(below(field.annotation, key))
            if element is not None:
                rows += _rows(element, f"{path}.{placeholder}.", {})
                break
    return rows


def _plain(value: object) -> Any:
    """Return a value as JSON would have it."""
    if isinstance(value, Config):
        return value.canonical()
    if isinstance(value, Mapping):
        return {key: _plain(element) for key, element in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(element) for element in value]
    return value.value if isinstance(value, Enum) else value
