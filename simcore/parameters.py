"""What a parameter's declaration means: reading a written value by it, and putting it into words.

A declaration is a type annotation, as in `int` or `tuple[float, ...]`, and what stands beside it: unit and
bounds, and for a part how a kind of component chooses the configuration class. Unit and bounds of a parameter
that holds several numbers apply to each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from simcore.errors import ConfigError, UnknownNameError
from simcore.registry import near_miss
from simcore.units import parse_quantity

NO_UNIT = ("", "one of")
PROBLEM = "problem"  # pydantic's error type for a message of ours, which is in its context
_LONGEST_SHOWN = 60
_OTHER_TYPE_ERRORS = ("literal_error", "is_instance_of", "finite_number", "missing", "too_long")

KeyPath: TypeAlias = tuple[str | int, ...]
Report: TypeAlias = Callable[[KeyPath, str], None]
"""Takes a path below a parameter and the message that goes on from it, as in "must be in [1, 12], got 16"."""


@dataclass(frozen=True)
class Declared:
    """What a declaration says beside type, default and doc; pydantic keeps it as `json_schema_extra`.

    Bounds are in `unit`. `default_kind` and `lookup` are set for a part only.
    """

    unit: str
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    default_kind: str = ""
    lookup: Callable[[str], type[BaseModel]] | None = None

    def __call__(self, schema: dict[str, Any]) -> None:
        """Add unit and bounds to a JSON schema, in that language's own words."""
        words = {
            "minimum": self.ge,
            "exclusiveMinimum": self.gt,
            "maximum": self.le,
            "exclusiveMaximum": self.lt,
        }
        schema["unit"] = self.unit
        schema.update({word: bound for word, bound in words.items() if bound is not None})

    def admits(self, number: float | Fraction) -> bool:
        """Return whether `number` keeps the bounds; NaN keeps none."""
        return (
            (self.ge is None or number >= self.ge)
            and (self.gt is None or number > self.gt)
            and (self.le is None or number <= self.le)
            and (self.lt is None or number < self.lt)
        )

    @property
    def bounds(self) -> str:
        """The bounds as an interval or a comparison, "" if there are none."""
        low = self.gt if self.ge is None else self.ge
        high = self.lt if self.le is None else self.le
        if low is not None and high is not None:
            return f"{'(' if self.ge is None else '['}{low}, {high}{')' if self.le is None else ']'}"
        if low is not None:
            return f"{'>' if self.ge is None else '>='} {low}"
        return "" if high is None else f"{'<' if self.le is None else '<='} {high}"

    def within(self, what: str) -> str:
        """Return `what`, a noun or nothing, followed by bounds and unit: "a number in [0, 1] ns"."""
        unit = "" if self.unit in NO_UNIT else self.unit
        if not self.bounds:
            return f"{what} of {unit}" if unit else what
        bounds = f"in {self.bounds}" if self.bounds[0] in "[(" else self.bounds
        return " ".join(filter(None, [what, bounds, unit]))


def declared_of(model: type[BaseModel], name: str) -> Declared:
    """Return what the declaration of a configuration's field says."""
    declared = model.model_fields[name].json_schema_extra
    assert isinstance(declared, Declared)
    return declared


def members(annotation: Any) -> list[Any]:
    """Return the types that a union offers, without their annotations; any other type alone."""
    if get_origin(annotation) is Annotated:
        return members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [member for choice in get_args(annotation) for member in members(choice)]
    return [annotation]


def config_class(annotation: Any) -> type[BaseModel] | None:
    """Return the configuration class among the members of a type, None if there is none."""
    classes = (member for member in members(annotation) if isinstance(member, type))
    return next((member for member in classes if issubclass(member, BaseModel)), None)


def below(annotation: Any, key: str | int) -> Any:
    """Return the type of what a list holds at index `key` or a mapping under it, None if it is neither."""
    for member in members(annotation):
        arguments = get_args(member)
        if get_origin(member) is dict:
            return arguments[1]
        if get_origin(member) is tuple and isinstance(key, int):
            return arguments[0] if arguments[-1] is ... else arguments[key] if key < len(arguments) else None
    return None


def over_default(default: object, written: object) -> object:
    """Return what a nested mapping writes, and what it leaves out as its default has it.

    A part of another kind has nothing of the default: its parameters are others.
    """
    if not isinstance(default, BaseModel) or not isinstance(written, Mapping):
        return written
    kind = getattr(default, "kind", None)
    if written.get("kind", kind) != kind:
        return written
    held = {name: getattr(default, name) for name in default.model_fields_set}
    return held | {name: over_default(held.get(name), value) for name, value in written.items()}


def read_value(
    annotation: Any, value: object, declared: Declared, report: Report, path: KeyPath = ()
) -> object:
    """Turn a value as users write it into one of the annotated type.

    Quantities become numbers of the declared unit, lists tuples, mappings configurations, and the value of an
    enum its member. What is out of bounds or of a wrong unit is reported; what does not fit at all is left as
    it is for the type check.
    """
    origins = {get_origin(member) for member in members(annotation)}
    if tuple in origins and isinstance(value, list | tuple):
        return tuple(
            read_value(below(annotation, i), element, declared, report, (*path, i))
            for i, element in enumerate(value)
        )
    if dict in origins and isinstance(value, Mapping):
        return {
            key: read_value(below(annotation, key), element, declared, report, (*path, key))
            for key, element in value.items()
        }
    model = config_class(annotation)
    if model is not None and declared.lookup is not None and isinstance(value, (Mapping, model)):
        return _read_part(model, declared.lookup, value, declared.default_kind, report, path)
    if model is not None and isinstance(value, Mapping):
        return _read_config(model, value, report, path)
    for choice in _choices(annotation):
        if isinstance(choice, Enum) and choice.value == value:
            return choice
    numeric = {int, float} & set(members(annotation))
    if numeric and isinstance(value, int | float | str) and not isinstance(value, bool):
        return _read_number(annotation, value, declared, report, path)
    return value


def _read_number(
    annotation: Any, value: float | str, declared: Declared, report: Report, path: KeyPath
) -> float | str:
    """Return a number or a quantity in the declared unit, as an int where the type has room for one."""
    number: float | Fraction
    whole = int in members(annotation)
    if isinstance(value, str):
        if str in members(annotation) or value in _choices(annotation):
            return value
        try:
            number = parse_quantity(value, "" if declared.unit in NO_UNIT else declared.unit)
        except ConfigError as error:
            # Where words are allowed too, the type check names them.
            if not _choices(annotation):
                report(path, str(error))
            return value
        if number.denominator != 1 and float not in members(annotation):
            report(path, f"must be {declared.within('a whole number')}, got {shown(value)}")
            return value
    else:
        number = value
    if not declared.admits(number):
        report(path, f"must be {declared.within('')}, got {shown(value)}")
        return value
    if whole and isinstance(number, Fraction) and number.denominator == 1:
        return int(number)
    if whole and not isinstance(number, Fraction):
        return number
    try:
        return float(number)
    except OverflowError:
        report(path, f"must be {declared.within('a finite number')}, got {shown(value)}")
        return value


def _read_config(
    model: type[BaseModel], value: Mapping[Any, object], report: Report, path: KeyPath
) -> object:
    """Return the configuration that a mapping writes, or the mapping once its problems are reported."""
    try:
        return model.model_validate(dict(value))
    except ValidationError as error:
        for inner, message in explain(model, error):
            report((*path, *inner), message)
        return value


def _read_part(
    model: type[BaseModel],
    lookup: Callable[[str], type[BaseModel]],
    value: Mapping[Any, object] | BaseModel,
    default_kind: str,
    report: Report,
    path: KeyPath,
) -> object:
    """Return the part's configuration as an instance of the class that its kind chooses."""
    # A configuration made without its kind is of the default one.
    given = getattr(value, "kind", "")
    kind = value.get("kind", default_kind) if isinstance(value, Mapping) else given or default_kind
    if not isinstance(kind, str):
        report((*path, "kind"), f"must be a name, got {shown(kind)}")
        return value
    try:
        chosen = lookup(kind)
    except UnknownNameError as error:
        report((*path, "kind"), f"is unknown: {error}")
        return value
    if not issubclass(chosen, model):
        report((*path, "kind"), f"must name a kind of {model.__name__}, got {kind!r}, a {chosen.__name__}")
        return value
    if isinstance(value, Mapping):
        return _read_config(chosen, {**value, "kind": kind}, report, path)
    if type(value) is not chosen:
        report(
            path, f"is a {type(value).__name__}, but kind {kind!r} takes a {chosen.__name__}; set its kind"
        )
        return value
    return value if given else value.model_copy(update={"kind": kind})


def explain(model: type[BaseModel], error: ValidationError) -> Iterator[tuple[KeyPath, str]]:
    """Yield path and message of each problem that validating a `model` found, one a path."""
    seen = set[KeyPath]()
    for line in error.errors(include_url=False):
        path, message = _explain_line(model, line["type"], line["loc"], line)
        if path not in seen:
            seen.add(path)
            yield path, message


def _explain_line(model: type[BaseModel], kind: str, location: KeyPath, line: Any) -> tuple[KeyPath, str]:
    """Return path and message of one of pydantic's errors; the tags of union members leave the path."""
    context, value = line.get("ctx", {}), line["input"]
    if kind == PROBLEM:
        return location, context["message"]
    if kind in ("extra_forbidden", "invalid_key"):
        return location, f"is unknown; {near_miss(str(location[0]), list(model.model_fields))}"
    if kind in ("value_error", "assertion_error"):
        return location, f"{context['error']}" if location else f"is inconsistent: {context['error']}"
    if not location:
        is_mapping = isinstance(value, Mapping)
        return (
            location,
            f"is refused: {line['msg']}" if is_mapping else f"must be a mapping, got {shown(value)}",
        )
    annotation = model.model_fields[str(location[0])].annotation
    declared = declared_of(model, str(location[0]))
    if kind == "missing" and len(location) == 1:
        return location, f"is missing; it must be {expected(annotation, declared)}"
    if location[-1] == "[key]":
        return location[:-2], f"must have text as names, got {shown(value)}"
    path = location[:1]
    for key in location[1:] if kind != "missing" else location[1:-1]:
        inner = below(annotation, key)
        if inner is None:
            break
        path, annotation = (*path, key), inner
    if kind.endswith("_type") or kind in _OTHER_TYPE_ERRORS:
        return path, f"must be {expected(annotation, declared)}, got {shown(value)}"
    return path, f"is refused, got {shown(value)}: {line['msg']}"


def expected(annotation: Any, declared: Declared) -> str:
    """Return what goes on from "must be": the type in words, with bounds and unit."""
    return " or ".join(_word(member, declared) for member in members(annotation))


def _word(member: Any, declared: Declared) -> str:
    """Return one type in words."""
    if get_origin(member) is Literal or (isinstance(member, type) and issubclass(member, Enum)):
        choices = type_text(member).split(" | ")
        return f"one of {', '.join(choices)}" if len(choices) > 1 else choices[0]
    if get_origin(member) is tuple:
        arguments = get_args(member)
        return "a list" if arguments[-1] is ... else f"a list of {len(arguments)}"
    if get_origin(member) is dict or config_class(member):
        return "a mapping"
    if member in (int, float):
        return declared.within("a whole number" if member is int else "a number")
    return {bool: "true or false", str: "text", NoneType: "null"}.get(member, type_text(member))


def type_text(annotation: Any) -> str:
    """Return a type as a table of parameters shows it: "int", "'a' | 'b'", "list of float"."""
    if len(members(annotation)) > 1:
        return " | ".join(map(type_text, members(annotation)))
    (member,) = members(annotation)
    if _choices(member):
        return " | ".join(repr(c.value if isinstance(c, Enum) else c) for c in _choices(member))
    if get_origin(member) is tuple:
        arguments = [argument for argument in get_args(member) if argument is not ...]
        return "list of " + ", ".join(map(type_text, arguments))
    if get_origin(member) is dict:
        return f"mapping of {type_text(below(member, ''))}"
    return "null" if member is NoneType else getattr(member, "__name__", str(member))


def _choices(annotation: Any) -> list[object]:
    """Return the values that literals and enums among the members allow."""
    choices: list[object] = []
    for member in members(annotation):
        if get_origin(member) is Literal:
            choices += get_args(member)
        elif isinstance(member, type) and issubclass(member, Enum):
            choices += member
    return choices


def shown(value: object) -> str:
    """Return a value as an error shows it, cut short if long."""
    try:
        text = repr(value)
    except ValueError:  # an int beyond Python's limit of digits
        text = "a number of thousands of digits"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."
