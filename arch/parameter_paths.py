"""Where the parameters lie that decide how long operations last: from their names to what `--set` takes.

An operation names parameters as its component sees them (`Operation.set_by`): those of its own configuration,
and, from the root, those of the machine that it is in. Which path leads to the former depends on where in the
machine the component's configuration lies; some machines make up the configurations of parts, and these then
lie nowhere. What parts wait for has parameters, too: how much there is of what they share, and how much room.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from arch.machine import machines
from simcore import Component, Config, ConfigError
from simcore.parameters import Declared, below, config_class, declared_of

#: What says how much there is of a resource that parts share, by the name in `wait-resource:NAME`, without
#: the number of one of several. Of what is not here there is no more or less: beats follow from the slowest
#: layer, requests come when they come.
_SHARED: Mapping[str, tuple[str, ...]] = {
    "bank": ("attention.writing.banks",),
    "bus": ("broadcast.codes_per_cycle",),
    "coefficients": ("coefficients.port_bits", "coefficients.port"),
    "edram": ("tile.bus_bits", "tile.edram_banks", "tile.edram_cycles"),
    "host": ("source.pixel_cycles", "hypertransport.gb_per_s", "hypertransport.links"),
    "inputs": ("buffer.port_bits",),
    "mesh": ("mesh.link_bits", "mesh.link_ghz", "mesh.ways"),
    "ports": ("core.streamer.ports", "core.streamer.port_bytes"),
    "service": ("queue.most_in_service",),
    "sums": ("digital.port_sums",),
}

#: What ways between parts may take their time from.
_WAYS = (
    "core.partial_sum_cycles",
    "mesh.link_ghz",
    "mesh.link_bits",
    "mesh.router_cycles",
    "mesh.link_cycles",
    "fabric.latency_cycles",
    "fabric.router_cycles",
    "fabric.width_bits",
)


@dataclass(frozen=True)
class Parameter:
    """One parameter of a machine.

    path : from its root, as `--set` takes it
    annotation, declared : type, and unit and bounds
    value : that it has
    """

    path: str
    annotation: Any
    declared: Declared
    value: Any


def parameter_path(machine_config: Config, component: Component, name: str) -> str:
    """Return the path from the machine's root, as `--set` takes it, of a parameter that an operation names.

    raises : ConfigError if neither the component's own configuration, where it lies in the machine's, nor
        the machine's has it
    """
    if _find(component.config, name) is not None:
        for path, config in _configs(machine_config, ""):
            if config is component.config:
                return path + name
    if _find(machine_config, name) is not None:
        return name
    raise ConfigError(
        f"{component.path} is set by {name!r}, which is a parameter neither of its own configuration in the "
        f"machine's, nor of {type(machine_config).__name__}; name one in Operation(set_by=...)"
    )


def parameter_at(machine_config: Config, path: str) -> Parameter:
    """Return the parameter at a path that `parameter_path` gave.

    raises : ConfigError if there is none
    """
    found = _find(machine_config, path)
    if found is None:
        raise ConfigError(f"{type(machine_config).__name__} has no parameter {path!r}")
    config, name = found
    annotation = type(config).model_fields[name].annotation
    return Parameter(path, annotation, declared_of(type(config), name), getattr(config, name))


def is_parameter(cls: type[Component], name: str) -> bool:
    """Return whether a class's own configuration, or that of any registered machine, has a parameter."""
    own = {row.path for row in cls.Config.parameters()}
    return name in own or any(name in _of_preset(preset) for preset in machines.names())


def shared_paths(machine_config: Config, resource: str) -> list[str]:
    """Return the paths of what says how much there is of a resource that parts of a machine share.

    resource : as in the state `wait-resource:NAME`
    """
    # One of several has its number behind its name; a copy's has that of the copy in front of it.
    name = resource.rpartition(".")[2].partition("[")[0]
    return [path for path in _SHARED.get(name, ()) if _find(machine_config, path) is not None]


def way_paths(machine_config: Config) -> list[str]:
    """Return the paths of what may decide how long ways between parts of a machine take."""
    return [path for path in _WAYS if _find(machine_config, path) is not None]


def rewriting_path(machine_config: Config) -> str | None:
    """Return the path of what says how many arrays there are for weights that are written in turn.

    None where cells are written for another reason, or not at all.
    """
    rewrites = _find(machine_config, "crossbars") and _find(machine_config, "write.pulse_cycles")
    return "crossbars" if rewrites is not None else None


def room_path(machine_config: Config, sender: str, reader: str) -> str | None:
    """Return the path of what says how much room there is between two stages; None where nothing does.

    sender, reader : names in their network, of the stage, or the input, that sends, and of the one that reads
    """
    if _find(machine_config, "buffers.depths") is not None:
        return f"buffers.depths.{sender}:{reader}"
    return "broadcast.depth" if _find(machine_config, "broadcast.depth") is not None else None


def copies_path(machine_config: Config, layer: str) -> str | None:
    """Return the path of what says how many copies a layer's arrays have; None where a machine makes none.

    layer : name in its network, of one with weights
    """
    field = type(machine_config).model_fields.get("layers")
    own = config_class(below(field.annotation, "")) if field is not None else None
    return f"layers.{layer}.replication" if own is not None and "replication" in own.model_fields else None


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


def _find(config: Config, path: str) -> tuple[Config, str] | None:
    """Return the configuration in another that has the parameter at a dotted path, and its name there."""
    *parts, name = path.split(".")
    for part in parts:
        inner = getattr(config, part, None) if part in type(config).model_fields else None
        if not isinstance(inner, Config):
            return None
        config = inner
    return (config, name) if name in type(config).model_fields else None


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
