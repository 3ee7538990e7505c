"""A request to simulate: every name resolved, every number checked, before anything is built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arch.machine import Machine
from imcsim.plugins import load_plugins
from imcsim.resolve import (
    ResolvedMachine,
    Setting,
    is_run_file,
    machine_of_file,
    resolve_machine,
    resolve_network,
)
from imcsim.run_config import RunConfig, RunFile, checked_config, read_run_file
from simcore import ConfigError
from workloads import Network


@dataclass(frozen=True, eq=False)
class RunRequest:
    """What shall be run.

    config : all of it, in a form that a file can hold
    """

    config: RunConfig
    network: Network
    machine: Machine


def resolve_request(
    workload: str | Path | Network,
    arch: str | Path | Machine | None,
    settings: Sequence[Setting] = (),
    changes: Mapping[str, Any] | None = None,
) -> RunRequest:
    """Load plugins, then turn names and files into what they stand for.

    workload : a registered name, a Network, or a run's `config.yaml`
    arch : a registered name, a file or a Machine; None takes the machine of a `config.yaml`
    settings : of the machine, over everything else
    changes : of the run, by the names of `RunConfig`; None stands for not given
    raises : SimError
    """
    given = {name: value for name, value in (changes or {}).items() if value is not None}
    for name in ("data", "plugins"):  # a file that repeats the run may lie anywhere
        if name in given:
            given[name] = _absolute(given[name])
    if is_run_file(workload):
        file = read_run_file(str(workload), given)
        config = file.config
        load_plugins(config.plugins)
        network = resolve_network(config.workload)
        resolved = _machine_of_run(file, settings) if arch is None else resolve_machine(arch, settings)
    else:
        name = workload.name if isinstance(workload, Network) else str(workload)
        config = checked_config({"workload": name, **given})
        load_plugins(config.plugins)
        network = resolve_network(workload)
        if arch is None:
            raise ConfigError(
                "no machine is given; name one with --arch (arch= in Python), as in --arch dataflow"
            )
        resolved = resolve_machine(arch, settings)
    written = {"machine_name": resolved.name, "machine": resolved.written}
    return RunRequest(config.model_copy(update=written), network, resolved.machine)


def _machine_of_run(file: RunFile, settings: Sequence[Setting]) -> ResolvedMachine:
    name = file.config.machine_name or file.machine.extends
    return machine_of_file(file.machine, name, settings)


def _absolute(paths: Any) -> Any:
    if isinstance(paths, str | Path):
        return str(Path(paths).resolve())
    return [str(Path(path).resolve()) for path in paths]
