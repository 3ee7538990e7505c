"""Raw configuration values: laying one mapping over another, and setting a single value by its dotted path.

Raw values are what files and command lines write, before `Config.parse` checks them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from pydantic import BaseModel

from simcore.config import Config, InvalidConfigError, Problem
from simcore.errors import ConfigError, UnknownNameError
from simcore.parameters import Declared, KeyPath, below, config_class, declared_of, shown, type_text
from simcore.registry import near_miss


def overlay(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with `changes` laid over it, mapping by mapping; neither is touched or shared.

    Where `changes` give a part another kind than `base` writes, the part's other keys in `base` are dropped,
    as they belong to the former kind. A base that writes no kind keeps its keys.
    """
    former_kind = base.get("kind")
    keeps = former_kind is None or changes.get("kind", former_kind) == former_kind
    merged = deepcopy(dict(base)) if keeps else {}
    for key, change in changes.items():
        merged[key] = _over(merged.get(key), change)
    return merged


def assign(values: Mapping[str, Any], path: str, value: object, schema: type[Config]) -> dict[str, Any]:
    """Return raw `values` of a `schema` with one value set, laid over what it replaces if both are mappings.

    path : names with dots between them: of a parameter, of an entry of a mapping, or the index in a list.
        The name of an entry may hold dots itself, as in `layers.layer1.0.conv1.replication`: one that
        `values` hold already is taken first, then the longest that leaves a known parameter.
    raises : InvalidConfigError if there is no such parameter
    """
    try:
        keys = _keys_in_model(schema, values, tuple(path.split(".")), ())
        return dict(_set(values, keys, value))
    except ConfigError as error:
        raise InvalidConfigError((Problem(path, str(error)),), schema.__name__) from None


def value_at(values: Mapping[str, Any], path: str, schema: type[Config]) -> Any:
    """Return what raw `values` of a `schema` hold at a path; None where there is nothing, see `assign`.

    raises : InvalidConfigError if there is no such parameter
    """
    try:
        keys = _keys_in_model(schema, values, tuple(path.split(".")), ())
    except ConfigError as error:
        raise InvalidConfigError((Problem(path, str(error)),), schema.__name__) from None
    value: Any = values
    for key in keys:
        if isinstance(value, Mapping):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int):
            value = value[key]
        else:
            return None
    return value


def assign_all(
    values: Mapping[str, Any], settings: Iterable[tuple[str, object]], schema: type[Config], source: str = ""
) -> dict[str, Any]:
    """Return raw `values` with all `settings` assigned, kinds first and else in the order given.

    So a setting of a part finds that part's final kind, wherever the kind is set.

    source : where the settings come from, for errors ("--set")
    raises : InvalidConfigError with all the settings that cannot be assigned
    """
    result, problems = deepcopy(dict(values)), list[Problem]()
    for path, value in sorted(settings, key=lambda setting: not f".{setting[0]}".endswith(".kind")):
        try:
            result = assign(result, path, value, schema)
        except InvalidConfigError as error:
            problems += (Problem(problem.path, problem.message, source) for problem in error.problems)
    if problems:
        raise InvalidConfigError(tuple(problems), schema.__name__)
    return result


def _over(former: object, change: object) -> object:
    """Return a change laid over what was there before."""
    if isinstance(change, Mapping):
        return overlay(former if isinstance(former, Mapping) else {}, change)
    return deepcopy(change)


def _set(former: Any, keys: KeyPath, value: object) -> Any:
    """Return a copy of `former` in which what is below `keys` is changed to `value`."""
    if not keys:
        return _over(former, value)
    key, rest = keys[0], keys[1:]
    if isinstance(key, int):
        return [_set(element, rest, value) if i == key else element for i, element in enumerate(former)]
    former = {} if former is None else former
    return overlay(former, {key: _set(former.get(key), rest, value)})


def _keys_in_model(model: type[BaseModel], raw: Any, names: KeyPath, done: KeyPath) -> KeyPath:
    """Return the keys that lead from a configuration's raw values along `names`; `done` led to it."""
    if raw is not None and not isinstance(raw, Mapping):
        raise ConfigError(f"cannot be set, as {_dotted(done)} is {shown(raw)} and not a mapping")
    name = str(names[0])
    if name not in model.model_fields:
        known = list(model.model_fields)
        hint = near_miss(name, known)
        also = f" It has: {', '.join(known)}" if hint.endswith("?") else ""
        raise ConfigError(f"is unknown: {_dotted(done) or model.__name__} has no {name!r}; {hint}{also}")
    annotation, declared = model.model_fields[name].annotation, declared_of(model, name)
    inner = raw.get(name) if raw else None
    return (name, *_keys_below(annotation, declared, inner, names[1:], (*done, name)))


def _keys_below(
    annotation: Any, declared: Declared | None, raw: Any, names: KeyPath, done: KeyPath
) -> KeyPath:
    """Return the keys that lead from the raw value of one parameter along `names`."""
    if not names:
        return ()
    model = config_class(annotation)
    if model is not None and declared is not None and declared.lookup is not None and names != ("kind",):
        kind = raw.get("kind", declared.default_kind) if isinstance(raw, Mapping) else declared.default_kind
        try:
            model = declared.lookup(str(kind))
        except UnknownNameError as error:
            raise ConfigError(f"cannot be set, as {_dotted(done)}.kind is unknown: {error}") from None
    if model is not None:
        return _keys_in_model(model, raw, names, done)
    if below(annotation, "") is not None:
        return _keys_in_mapping(below(annotation, ""), {} if raw is None else raw, names, done)
    if below(annotation, 0) is None:
        raise ConfigError(f"is unknown: {_dotted(done)} is a single value ({type_text(annotation)})")
    written = len(raw) if isinstance(raw, list) else 0
    index = int(str(names[0])) if str(names[0]).isdecimal() and len(str(names[0])) < 10 else written
    if index >= written:
        raise ConfigError(f"is unknown: {_dotted(done)} is a list of {written} here; set it as a whole")
    return (index, *_keys_below(below(annotation, index), None, raw[index], names[1:], (*done, index)))


def _keys_in_mapping(annotation: Any, raw: Any, names: KeyPath, done: KeyPath) -> KeyPath:
    """Return the keys that lead from a raw mapping to an entry, whose name may hold dots, and on below it."""
    if not isinstance(raw, Mapping):
        raise ConfigError(f"cannot be set, as {_dotted(done)} is {shown(raw)} and not a mapping")
    model = config_class(annotation)
    failure = ConfigError()
    for length in sorted(range(len(names), 0, -1), key=lambda length: _dotted(names[:length]) not in raw):
        name, rest = _dotted(names[:length]), names[length:]
        if model is not None and not rest and len(names) > 1 and name not in raw:
            continue
        try:
            return (name, *_keys_below(annotation, None, raw.get(name), rest, (*done, name)))
        except ConfigError as error:
            if not failure.args or (model is not None and str(rest[0]) in model.model_fields):
                failure = error
    raise failure


def _dotted(keys: KeyPath) -> str:
    return ".".join(map(str, keys))
