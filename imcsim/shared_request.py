"""Requests of several networks on one machine: each is a request of its own, all of the same machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from arch.machine import Machine, machines
from arch.requests import TimedArrivals
from imcsim.resolve import Setting, is_run_file, resolve_machine
from imcsim.run_config import NetworkConfig, RunConfig, RunFile, read_run_file
from imcsim.run_request import RunRequest, machine_of_run, resolve_request
from simcore import ConfigError, FileError
from workloads import Network

Workload = str | Path | Network

#: Settings that each network may have for itself.
OWN = ("images", "warmup", "arrivals", "data")
#: Words between networks in the name of the whole.
JOINT = "+"


@dataclass(frozen=True, eq=False)
class SharedRequest:
    """Networks that shall share a machine.

    config : of the whole
    requests : of each network, by the name that reports call it, in the order in which they were named
    """

    config: RunConfig
    machine: Machine
    requests: Mapping[str, RunRequest]


def is_shared(workload: Workload | Sequence[Workload]) -> bool:
    """Tell whether a workload stands for several: a list of them, or the `config.yaml` of such a run."""
    single = _single(workload)
    if single is None:
        return True
    return is_run_file(single) and bool(read_run_file(str(single), {}).config.networks)


def _single(workload: Workload | Sequence[Workload]) -> Workload | None:
    """Return the only workload, None if there are several, or none."""
    if isinstance(workload, str | Path | Network):
        return workload
    return workload[0] if len(workload) == 1 else None


def alone(
    workload: Workload | Sequence[Workload], changes: Mapping[str, Any]
) -> tuple[Workload, dict[str, Any]]:
    """Return the only workload, and what is chosen for it.

    raises : ConfigError for several values of a setting
    """
    single = _single(workload)
    assert single is not None
    (own,) = _for_each(changes, 1)
    return single, {**changes, **dict.fromkeys(OWN), **own}


def resolve_shared(
    workload: Workload | Sequence[Workload],
    arch: str | Path | Machine | None,
    settings: Sequence[Setting] = (),
    changes: Mapping[str, Any] | None = None,
) -> SharedRequest:
    """Turn names and files into what they stand for; see `resolve_request` for the arguments.

    changes : of `OWN` one value for all networks, or one for each in their order
    raises : SimError; ConfigError for a machine that takes one network at a time
    """
    given = {name: value for name, value in (changes or {}).items() if value is not None}
    file: RunFile | None = None
    if (single := _single(workload)) is not None:
        common = {name: value for name, value in given.items() if name not in OWN}
        file = read_run_file(str(single), common)
        named = file.config.networks
        workloads: Sequence[Workload] = [own.workload for own in named.values()]
        written = [{name: getattr(own, name) for name in OWN} for own in named.values()]
    else:
        assert not isinstance(workload, str | Path | Network)
        workloads = list(workload)
        written = [{} for _ in workloads]
    if not workloads:
        raise ConfigError("no workload is given; name at least one, as in digits-cnn")
    for source in workloads:
        if is_run_file(source):
            raise ConfigError(
                f"{source} is a run of its own and shares no machine; name the workloads that shall"
            )
    own = [{**w, **g} for w, g in zip(written, _for_each(given, len(workloads)), strict=True)]
    common = _common(file, given)
    resolved = resolve_machine(arch, settings) if arch is not None else None
    if resolved is None and file is not None:
        resolved = machine_of_run(file, settings)
    requests: dict[str, RunRequest] = {}
    for source, mine in zip(workloads, own, strict=True):
        request = resolve_request(source, resolved, (), {**common, **mine}, requests)
        requests[request.name] = request
    if file is not None:
        _check_file(file, str(single), list(requests))
    _check(list(requests.values()))
    _check_files(requests)
    if any(request.arrivals is not None for request in requests.values()):
        requests = {name: _queued(request) for name, request in requests.items()}
    return SharedRequest(_whole(requests), next(iter(requests.values())).machine, requests)


def _common(file: RunFile | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is the same for all networks."""
    names = ("values", "seed", "engine", "fast_forward", "prompt", "plugins")
    written = {} if file is None else {name: getattr(file.config, name) for name in names}
    return {**written, **{name: value for name, value in given.items() if name not in OWN}}


def _for_each(given: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    """Return what each network has for itself: one value for all, or one each.

    raises : ConfigError for any other number of values
    """
    each: list[dict[str, Any]] = [{} for _ in range(count)]
    for name in OWN:
        value = given.get(name)
        values = list(value) if isinstance(value, list | tuple) else [value]
        if len(values) not in (1, count):
            most = f"once for all workloads or once for each of {count}" if count > 1 else "once"
            raise ConfigError(f"{name} must be given {most}, got {len(values)} values")
        for own, mine in zip(each, values * count if len(values) == 1 else values, strict=False):
            if mine is not None:
                own[name] = mine
    return each


def _check_file(file: RunFile, path: str, names: Sequence[str]) -> None:
    """Raise ConfigError for a `config.yaml` whose other keys do not say what its `networks` do."""
    config = file.config
    if list(config.networks) != list(names):
        raise ConfigError(
            f"{path}: networks are called {', '.join(names)}, in this order, as their workloads are, got "
            f"{', '.join(config.networks)}; change the keys, or the workloads"
        )
    follows = {
        "workload": JOINT.join(names),
        "images": sum(own.images for own in config.networks.values()),
        "warmup": 0,
        "arrivals": None,
        "data": None,
    }
    for key, value in follows.items():
        if (written := getattr(config, key)) != value:
            must = "null" if value is None else value
            raise ConfigError(
                f"{path}: {key} of several networks must be {must}, as each has its own in networks, got "
                f"{written}; change those"
            )


def _check(requests: Sequence[RunRequest]) -> None:
    """Raise ConfigError for what networks cannot do together."""
    config, machine = requests[0].config, requests[0].machine
    if not machine.shares:
        able = [name for name, preset in machines.items().items() if preset.machine.shares]
        raise ConfigError(
            f"{config.machine_name} takes one network at a time, got {len(requests)} workloads; machines "
            f"that several can share are {', '.join(able)}"
        )
    if config.fast_forward:
        raise ConfigError(
            "fast_forward needs a single network, as several repeat each at a pace of its own, got "
            f"{len(requests)} workloads; leave out --fast-forward"
        )
    if config.prompt is not None:
        raise ConfigError(
            f"prompt needs a single network, as it is of the sequences of one, got prompt {config.prompt} "
            f"for {len(requests)} workloads; leave out --prompt"
        )
    values = {request.name: request.config.values for request in requests}
    if len(set(values.values())) > 1:
        without = next(name for name, mode in values.items() if mode == "off")
        raise ConfigError(
            f"values are off or computed for all networks alike, but {without} brings no weights; add "
            "--values off"
        )
    for request in requests:
        request.check_abilities()


def _check_files(requests: Mapping[str, RunRequest]) -> None:
    """Raise FileError for a file of arrivals that asks for a network that is not there."""
    asked = (request.asked for request in requests.values())
    files = {spec.text: spec.file for spec in asked if spec is not None and spec.file is not None}
    for text, file in sorted(files.items()):
        for line in file.requests:
            if line.workload is not None and line.workload not in requests:
                raise FileError(
                    f"{text}:{line.line} - asks for {line.workload!r}, but the machine is shared by "
                    f"{', '.join(requests)}; name one of these"
                )


def _queued(request: RunRequest) -> RunRequest:
    """Return a request whose images wait in the queue with those of others, where all are there at once."""
    if request.arrivals is not None:
        return request
    return replace(request, arrivals=TimedArrivals((0,) * request.config.images))


def _whole(requests: Mapping[str, RunRequest]) -> RunConfig:
    """Return the configuration of the whole."""
    networks = {
        name: NetworkConfig(workload=r.config.workload, **{own: getattr(r.config, own) for own in OWN})
        for name, r in requests.items()
    }
    first = next(iter(requests.values())).config
    return first.model_copy(
        update={
            "workload": JOINT.join(requests),
            "images": sum(r.config.images for r in requests.values()),
            "warmup": 0,
            "arrivals": None,
            "data": None,
            "networks": networks,
        }
    )
