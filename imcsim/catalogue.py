"""What there is to run, to build with and to run on, by name, and what each of it is."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arch.arrays.device import devices
from arch.fabric.topology import Topology, fabrics
from arch.machine import Preset, machines
from imcsim.plugins import load_plugins
from imcsim.resolve import Setting, built_in_workloads, is_workload_file, resolve_machine, resolve_workload
from simcore import Component, Config, ConfigError, UnknownNameError, components
from simcore.registry import near_miss
from workloads import Network


@dataclass(frozen=True)
class Section:
    """One table of a description.

    rows : the cells of each row, and a text on it as a whole
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[tuple[str, ...], str], ...]


@dataclass(frozen=True)
class Description:
    """What a name stands for: `what` is "machine", "workload", "component", "fabric" or "device"."""

    what: str
    name: str
    doc: str
    sections: tuple[Section, ...]


def registered_names(
    kind: str | None = None, plugins: Sequence[str | Path] = ()
) -> dict[str, dict[str, str]]:
    """Return what each registered name stands for, in a line, by kind and name.

    kind : "machines", "workloads", "components", "fabrics" or "devices"; None takes all
    raises : UnknownNameError if there is no such kind
    """
    load_plugins(plugins)
    names = {
        "machines": {name: preset.doc for name, preset in machines.items().items()},
        "workloads": {name: _noun(_doc(build)) for name, build in built_in_workloads().items()},
        "components": {name: _first_line(_doc(cls)) for name, cls in components.items().items()},
        "fabrics": {name: _first_line(_doc(cls)) for name, cls in fabrics.items().items()},
        "devices": {name: _first_line(_doc(cls)) for name, cls in devices.items().items()},
    }
    if kind is not None and kind not in names:
        raise UnknownNameError(f"there is no list of {kind!r}; {near_miss(kind, list(names))}")
    return {each: entries for each, entries in names.items() if kind in (None, each)}


def describe(
    name: str, plugins: Sequence[str | Path] = (), settings: Sequence[Setting] = ()
) -> list[Description]:
    """Return the descriptions of all that is registered as `name`, or of the workload that a file holds.

    settings : of a machine, as for a run
    raises : UnknownNameError if nothing is; ConfigError for settings that are wrong, or of no machine
    """
    load_plugins(plugins)
    found = []
    if settings and name not in machines:
        raise ConfigError(f"--set goes with a machine, but {name!r} is none; leave it out")
    if name in machines:
        found.append(_machine(name, machines[name], settings))
    if (build := built_in_workloads().get(name)) is not None:
        found.append(_workload(name, _noun(_doc(build)), resolve_workload(name).network))
    if is_workload_file(name):
        network = resolve_workload(name).network
        found.append(_workload(network.name, "\n".join([f"Read from {name}.", *network.notes]), network))
    if name in components:
        found.append(_component(name, components[name]))
    if name in fabrics:
        found.append(_fabric(name, fabrics[name]))
    if name in devices:
        schema = _parameters(devices[name].Config, {})
        found.append(Description("device", name, _doc(devices[name]), (schema,)))
    if not found:
        known = [name for names in registered_names().values() for name in names]
        raise UnknownNameError(
            f"no machine, workload, component, fabric or device is called {name!r}; {near_miss(name, known)}"
        )
    return found


def _machine(name: str, preset: Preset, settings: Sequence[Setting]) -> Description:
    machine = resolve_machine(name, settings).machine
    values = Section(
        "Device values", ("what",), tuple(((what,), text) for what, text in machine.values_report())
    )
    parameters = _parameters(preset.machine.Config, machine.config.canonical())
    return Description("machine", name, preset.doc, tuple(s for s in (values, parameters) if s.rows))


def _workload(name: str, what: str, network: Network) -> Description:
    rows = []
    for layer_name, layer in network.layers.items():
        shape = "x".join(map(str, network.shapes[layer_name]))
        macs = f"{layer.macs(network.in_shapes(layer_name)):,}"
        rows.append(((layer_name, type(layer).__name__.lower(), shape, macs, ", ".join(layer.inputs)), ""))
    weights = (
        f"{network.parameter_count:,} weights" if network.has_parameters else "structure only, no weights"
    )
    data = f"data: {network.dataset}" if network.dataset else "no data of its own"
    doc = f"{what}\n\n{network.macs:,} MACs an image; {weights}; {data}."
    layers = Section("Layers", ("layer", "kind", "output", "MACs", "reads"), tuple(rows))
    return Description("workload", name, doc, (layers,))


def _component(name: str, cls: type[Component]) -> Description:
    ports = tuple(
        ((port_name, port.direction, port.payload.__name__), port.doc)
        for port_name, port in cls._ports.items()
    )
    operations = tuple(
        ((key, operation.unit, ", ".join(operation.set_by)), operation.doc)
        for key, operation in cls._operations.items()
    )
    sections = (
        Section("Ports", ("port", "direction", "token"), ports),
        Section("Operations", ("operation", "unit", "set by"), operations),
        _parameters(cls.Config, {}),
    )
    return Description("component", name, _doc(cls), tuple(s for s in sections if s.rows))


def _fabric(name: str, cls: type[Topology]) -> Description:
    sections = (_parameters(cls, {}),)
    return Description("fabric", name, _doc(cls), tuple(s for s in sections if s.rows))


def _parameters(schema: type[Config], settled: Mapping[str, Any]) -> Section:
    """Return a table of all parameters; `settled` are values that go before the class's defaults."""
    rows = []
    for row in schema.parameters():
        default = "required" if row.required else _shown(_at(settled, row.path, row.default))
        choices = row.type.replace("'", "").replace(" | ", ", ") if "'" in row.type else row.bounds
        unit = "" if row.unit == "one of" else row.unit
        rows.append(((row.path, default, unit, choices), row.doc))
    return Section("Parameters", ("parameter", "default", "unit", "bounds"), tuple(rows))


def _at(settled: Mapping[str, Any], path: str, default: object) -> object:
    """Return the value at a dotted path, the default where there is none."""
    value: Any = settled
    for key in path.split("."):
        if not isinstance(value, Mapping) or key not in value:
            return default
        value = value[key]
    return value


def _shown(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _doc(thing: object) -> str:
    return inspect.getdoc(thing) or ""


def _first_line(doc: str) -> str:
    return doc.partition("\n")[0]


def _noun(doc: str) -> str:
    """Return the first line of a function's docstring as a description of what it returns."""
    line = _first_line(doc).removeprefix("Return ")
    return line[:1].upper() + line[1:]
