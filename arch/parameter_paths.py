"""Where the parameters lie that decide how long operations last: from their names to what `--set` takes.

An operation names parameters as its component sees them (`Operation.set_by`): those of its own configuration,
and, from the root, those of the machine that it is in. Which path leads to the former depends on where in the
machine the component's configuration lies; some machines make up the configurations of parts, and these then
lie nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from arch.machine import machines
from simcore import Component, Config, ConfigError


def parameter_path(machine_config: Config, component: Component, name: str) -> str:
    """Return the path from the machine's root, as `--set` takes it, of a parameter that an operation names.

    raises : ConfigError if neither the component's own configuration, where it lies in the machine's, nor
        the machine's has it
    """
    if _has(component.config, name):
        for path, config in _configs(machine_config, ""):
            if config is component.config:
                return path + name
    if _has(machine_config, name):
        return name
    raise ConfigError(
        f"{component.path} is set by {name!r}, which is a parameter neither of its own configuration in the "
        f"machine's, nor of {type(machine_config).__name__}; name one in Operation(set_by=...)"
    )


def path_in(machine_config: Config, part: type[Config], name: str) -> str | None:
    """Return the path of a parameter that operations of components with configurations of a class name.

    It is for those who know the class alone, as of a run that was read from files; of several such
    configurations in the machine's it is that of the first. None if neither has it.
    """
    for path, config in _configs(machine_config, ""):
        if type(config) is part and _has(config, name):
            return path + name
    return name if _has(machine_config, name) else None


def is_parameter(cls: type[Component], name: str) -> bool:
    """Return whether a class's own configuration, or that of any registered machine, has a parameter."""
    own = {row.path for row in cls.Config.parameters()}
    return name in own or any(name in _of_preset(preset) for preset in machines.names())


def _of_preset(name: str) -> set[str]:
    """Return the parameters of a registered machine, of its parts in the kinds that it has."""
    preset = machines[name]
    rows = preset.machine.Config.parameters()
    by_class = {row.path for row in rows}
    if any(row.required for row in rows):
        return by_class
    config = preset.machine.Config.parse(preset.values)
    return by_class | {
        f"{path}{own}" for path, held in _configs(config, "") for own in type(held).model_fields
    }


def _has(config: Config, name: str) -> bool:
    """Return whether a configuration has a parameter at a dotted name."""
    value: Any = config
    for key in name.split("."):
        if not isinstance(value, Config) or key not in type(value).model_fields:
            return False
        value = getattr(value, key)
    return True


def _configs(value: Any, path: str) -> Iterator[tuple[str, Config]]:
    """Yield a configuration and all in it, each with what goes before the names of its parameters."""
    if isinstance(value, Config):
        yield path, value
        inner = {name: getattr(value, name) for name in type(value).model_fields}
    elif isinstance(value, Mapping):
        inner = dict(value)
    elif isinstance(value, list | tuple):
        inner = {str(index): element for index, element in enumerate(value)}
    else:
        return
    for name, element in inner.items():
        yield from _configs(element, f"{path}{name}.")
