"""From what users write to what is simulated: names and files to networks and machines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arch.machine import Machine, machines
from imcsim.edge_lists import with_edge_lists
from imcsim.machine_files import MachineFile, located, parse_setting, read_machine_file
from simcore.config import InvalidConfigError
from simcore.errors import ConfigError, FileError, UnknownNameError
from simcore.registry import near_miss
from simcore.settings import assign_all, overlay
from traces import TRACE_SUFFIXES, Trace, prepared_networks, read_prepared, read_trace
from workloads import Network, networks, read_scale_sim
from workloads.prepared import PreparedNetwork

Setting = str | tuple[str, object]

_YAML = (".yaml", ".yml")


@dataclass(frozen=True, eq=False)
class ResolvedMachine:
    """A machine, and what to write into a file so that it is this one again.

    name : what reports call it
    written : `extends` and all its parameters
    """

    machine: Machine
    name: str
    written: dict[str, Any]

    def loaded(self, prepared: PreparedNetwork) -> ResolvedMachine:
        """Return the machine with what a prepared network decides for it, if it reads such."""
        if not isinstance(prepared, self.machine.reads):
            return self
        machine = self.machine.loaded(prepared)
        written = {"extends": self.written["extends"], **machine.config.canonical()}
        return ResolvedMachine(machine, self.name, written)


def is_run_file(workload: str | Path | Network) -> bool:
    """Tell whether a workload is a run's `config.yaml`, by its name."""
    return not isinstance(workload, Network) and Path(workload).suffix.lower() in _YAML


def is_workload_file(workload: str | Path | Network) -> bool:
    """Tell whether a workload is a file that holds one, by its name."""
    return (
        not isinstance(workload, Network)
        and str(workload) not in built_in_workloads()
        and _reader(workload) is not None
    )


def built_in_workloads() -> Mapping[str, Callable[[], Network | PreparedNetwork]]:
    """Return what builds or reads each workload that has a name, sorted."""
    return dict(sorted([*networks.items().items(), *prepared_networks.items().items()]))


def resolve_workload(workload: str | Path | Network) -> Trace:
    """Return the network of a registered name or a file, and the requests to run it where a file has some.

    raises : UnknownNameError, or FileError for a file that is no workload
    """
    if isinstance(workload, Network):
        return Trace(workload)
    name, built_in = str(workload), built_in_workloads()
    if not name.strip():
        raise UnknownNameError(f"a workload must have a name, got {name!r}; see imcsim list workloads")
    if name in built_in:
        return _trace_of(built_in[name]())
    if (read := _reader(name)) is not None:
        return read(name)
    choices = f"choose a file that ends in {', '.join(_READERS)}, or a built-in one: {', '.join(built_in)}"
    if "/" in name or Path(name).exists():
        raise FileError(f"cannot run {name}: it is no kind of workload that is known; {choices}")
    raise UnknownNameError(f"no workload is called {name!r}; {near_miss(name, list(built_in))}")


def _trace_of(workload: Network | PreparedNetwork) -> Trace:
    return Trace(workload) if isinstance(workload, Network) else Trace(workload.network, prepared=workload)


def _reader(workload: str | Path) -> Callable[[str], Trace] | None:
    return next((read for end, read in _READERS.items() if str(workload).lower().endswith(end)), None)


def _read_onnx(path: str) -> Trace:
    try:
        from workloads.onnx_import import read_onnx  # an extra
    except ImportError as error:
        raise ConfigError(
            f"reading {path} needs the onnx package ({error}); install it with pip install 'imcsim[onnx]'"
        ) from None
    return Trace(read_onnx(path))


#: What reads files that are workloads, by how their names end.
_READERS: Mapping[str, Callable[[str], Trace]] = {
    **dict.fromkeys(TRACE_SUFFIXES, read_trace),
    ".csv": lambda path: Trace(read_scale_sim(path)),
    ".npz": lambda path: _trace_of(read_prepared(path)),
    ".onnx": _read_onnx,
}


def resolve_machine(arch: str | Path | Machine, settings: Sequence[Setting] = ()) -> ResolvedMachine:
    """Return the machine of a registered name or a YAML file, with `settings` applied.

    settings : "core.adc.bits=6", or path and value
    raises : UnknownNameError, FileError, ConfigError
    """
    if isinstance(arch, Machine):
        return _from_machine(arch, settings)
    name = str(arch)
    if name not in machines and (Path(name).suffix.lower() in _YAML or "/" in name):
        file = read_machine_file(name, machines.names())
        return machine_of_file(file, machine_name(name), settings)
    if name not in machines:
        hint = near_miss(name, machines.names())
        raise UnknownNameError(f"no machine is called {name!r}; {hint}; a machine file ends in .yaml")
    return _configured(name, name, {}, None, settings)


def machine_name(arch: str | Path) -> str:
    """Return what reports call a machine: its registered name, or its file's without ending."""
    return str(arch) if str(arch) in machines else Path(arch).stem


def machine_of_file(file: MachineFile, name: str, settings: Sequence[Setting] = ()) -> ResolvedMachine:
    """Return the machine that a file describes; errors tell its places."""
    return _configured(file.extends, name, file.values, file, settings)


def _configured(
    preset_name: str, name: str, values: dict[str, Any], file: MachineFile | None, settings: Sequence[Setting]
) -> ResolvedMachine:
    """Lay a file's values over a preset's, apply the settings, and check the whole."""
    preset = machines[preset_name]
    schema = preset.machine.Config
    pairs = [parse_setting(s) if isinstance(s, str) else s for s in settings]
    required = any(parameter.required for parameter in schema.parameters())
    defaults = {} if required else schema().canonical()
    if file is not None:
        values = with_edge_lists(values, Path(file.path).parent)
    try:
        raw = assign_all(overlay(overlay(defaults, preset.values), values), pairs, schema, source="--set")
        raw = with_edge_lists(raw)
        config = schema.parse(raw, where=preset_name)
    except InvalidConfigError as error:
        raise located(error, file, [path for path, _ in pairs]) from None
    return ResolvedMachine(preset.machine(config, name), name, {"extends": preset_name, **config.canonical()})


def _from_machine(machine: Machine, settings: Sequence[Setting]) -> ResolvedMachine:
    """Return a machine made in Python, under the registered name of its class if it has one."""
    if settings:
        raise ConfigError("settings go with a machine's name or file; change the Machine's own configuration")
    known = [name for name, preset in machines.items().items() if preset.machine is type(machine)]
    extends = machine.name if machine.name in known else next(iter(known), type(machine).__name__)
    name = machine.name or extends
    return ResolvedMachine(machine, name, {"extends": extends, **machine.config.canonical()})
