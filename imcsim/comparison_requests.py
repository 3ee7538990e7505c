"""What is compared: workloads, machines as large as a mode has them; what is refused before the first run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain, combinations
from pathlib import Path
from typing import Any

from arch.machine import Machine
from imcsim.comparison_modes import mode_called
from imcsim.comparison_over import Over, value_text
from imcsim.machine_files import parse_setting
from imcsim.resolve import Setting, is_run_file, is_workload_file, machine_name, resolve_machine
from imcsim.run_request import RunRequest, resolve_request
from simcore import ConfigError, InvalidConfigError, MappingError, UnknownNameError, WorkloadError
from simcore.registry import near_miss
from workloads import Network, lower
from workloads.training import trained_stages


def settings_by_machine(texts: Sequence[str]) -> dict[str, list[Setting]]:
    """Return settings such as "isaac:tile.bus_bits=64" by machine; ConfigError if one is not written so."""
    settings: dict[str, list[Setting]] = {}
    for text in texts:
        machine, colon, setting = text.partition(":")
        if not colon or "=" in machine or not machine.strip():
            raise ConfigError(f"--set must be MACHINE:path=value, as in isaac:tile.bus_bits=64, got {text!r}")
        settings.setdefault(machine.strip(), []).append(setting)
    return settings


def machines_of_mode(
    arch: Sequence[str | Path | Machine], settings: Mapping[str, Sequence[Setting]], mode: str
) -> list[Machine]:
    """Return the machines with their settings applied, as large as the mode has them."""
    machines = [_machine_of_mode(each, settings.get(_name(each), ()), mode) for each in arch]
    names = [machine.name for machine in machines]
    for name in settings:
        if name not in names:
            raise UnknownNameError(f"--set {name}: is for no machine of these; {near_miss(name, names)}")
    _insist_on_one_each(names, "machine")
    return machines


def machines_over(
    arch: Sequence[str | Path | Machine], settings: Mapping[str, Sequence[Setting]], mode: str, over: Over
) -> list[list[Machine]]:
    """Return the same for each value of a parameter; machines without it are the same ones for all values."""
    usual = machines_of_mode(arch, settings, mode)
    names = [machine.name for machine in usual]
    if over.machine is not None and over.machine not in names:
        hint = near_miss(over.machine, names)
        raise UnknownNameError(f"--over {over.machine}: is for no machine of these; {hint}")
    missing = {machine.name: error for machine in usual if (error := over.missing_in(machine)) is not None}
    if len(missing) == len(usual):
        problems = (
            replace(p, path=f"{name}:{p.path}", source="--over")
            for name, error in missing.items()
            if over.machine in (None, name)
            for p in error.problems
        )
        raise InvalidConfigError(tuple(problems), over.path)
    for name, own in settings.items():
        if name not in missing and over.path in map(_path, own):
            raise ConfigError(f"--set {name}:{over.path} - is what --over sets; leave out one of the two")
    found = [
        [
            machine
            if machine.name in missing
            else _machine_of_mode(each, settings.get(machine.name, ()), mode, (over.path, value))
            for each, machine in zip(arch, usual, strict=True)
        ]
        for value in over.values
    ]
    for one, other in combinations(range(len(found)), 2):
        if all(a.config == b.config for a, b in zip(found[one], found[other], strict=True)):
            same = " and ".join(value_text(over.values[place]) for place in (one, other))
            raise ConfigError(f"--over {over} - {same} are the same value; leave one out")
    if any(len({machine.training is None for machine in column}) > 1 for column in zip(*found, strict=True)):
        raise ConfigError(
            f"--over {over} - lets machines train at some values and infer at others, and an image is "
            "other work in each; compare at values of one kind"
        )
    return found


def compared_requests(
    workloads: Sequence[str | Path | Network], machines: Sequence[Machine], changes: Mapping[str, Any]
) -> list[list[RunRequest]]:
    """Return a list for each workload, of its requests to all machines.

    changes : of every run, by the names of `RunConfig`; `images` are made whole batches
    raises : SimError for names, abilities, data and weights; not for networks that machines cannot take
    """
    _insist_on_one_mode(machines)
    for workload in workloads:
        if is_run_file(workload):
            raise ConfigError(f"{workload} is of a run; name the workload, and the machine with --arch")
    requests = [[_in_batches(workload, machine, changes) for machine in machines] for workload in workloads]
    requests = _told_apart(workloads, requests)
    for request in chain(*requests):
        request.check_abilities()
    for each in requests:
        if each[0].config.values != "off":
            _check_values(each)
    return requests


def _told_apart(
    workloads: Sequence[str | Path | Network], requests: list[list[RunRequest]]
) -> list[list[RunRequest]]:
    """Return requests of which no two workloads have one name: files are called as they are where they had.

    raises : ConfigError for a workload that is given twice, or files of one name
    """
    names = [each[0].name for each in requests]
    own = [
        Path(str(workload)).name if names.count(name) > 1 and is_workload_file(workload) else name
        for workload, name in zip(workloads, names, strict=True)
    ]
    _insist_on_one_each(own, "workload")
    return [
        [replace(request, name=name) for request in each] for name, each in zip(own, requests, strict=True)
    ]


def _in_batches(workload: str | Path | Network, machine: Machine, changes: Mapping[str, Any]) -> RunRequest:
    """Return a request for whole batches that hold the images asked for.

    There are two batches at least, for an interval; but of a single image there is none, so one will do.
    How many images are trained on is the user's choice.
    """
    request = resolve_request(workload, machine, (), changes)
    if machine.training is not None:
        return request
    try:
        batch = machine.map(lower(request.network)).batch
    except MappingError:  # which the row of this run will tell
        return request
    asked = request.config.images
    images = batch * max(-(-asked // batch), min(asked, 2))
    if images == asked:
        return request
    return resolve_request(workload, machine, (), {**changes, "images": images})


def _machine_of_mode(
    arch: str | Path | Machine, settings: Sequence[Setting], mode: str, over: tuple[str, object] | None = None
) -> Machine:
    """Return a machine with its settings, as large as the mode has it.

    over : one more, of the parameter that is compared over
    """
    name = _name(arch)
    every = [*settings, over] if over is not None else settings

    def option(path: str) -> str:
        return "--over" if over is not None and f"{path}.".startswith(f"{over[0]}.") else "--set"

    try:
        given = resolve_machine(arch, every)
    except InvalidConfigError as error:
        problems = (
            replace(p, path=f"{name}:{p.path}", source=option(p.path)) if p.source == "--set" else p
            for p in error.problems
        )
        raise InvalidConfigError(tuple(problems), error.where) from None
    given.machine.name = given.name
    machine = mode_called(mode).sized(given.machine)
    for path in map(_path, every):
        if (fixed := _at(machine, path)) != _at(given.machine, path):
            raise ConfigError(
                f"{option(path)} {name}:{path} - is {fixed} in mode {mode}; leave it out, or choose another "
                "mode"
            )
    return machine


def _name(arch: str | Path | Machine) -> str:
    return arch.name if isinstance(arch, Machine) else machine_name(arch)


def _path(setting: Setting) -> str:
    return parse_setting(setting)[0] if isinstance(setting, str) else setting[0]


def _at(machine: Machine, path: str) -> object:
    """Return a machine's parameter."""
    value: Any = machine.config.canonical()
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _insist_on_one_mode(machines: Sequence[Machine]) -> None:
    """Raise ConfigError if some machines train and some do not."""
    train, infer = (
        [machine.name for machine in machines if (machine.training is not None) == trains]
        for trains in (True, False)
    )
    if train and infer:
        one, other = ("s" if len(names) == 1 else "" for names in (train, infer))
        raise ConfigError(
            "machines must all train, or all infer, as an image is other work in each, but "
            f"{_and(train)} train{one} where {_and(infer)} infer{other}; leave out some, or set the mode of "
            f"{_and(train)}"
        )


def _and(names: Sequence[str]) -> str:
    """Return names in one phrase."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _check_values(requests: Sequence[RunRequest]) -> None:
    """Raise SimError if a workload has no data to compute values on, or a machine no weights of it."""
    first, network = requests[0], requests[0].network
    if untrainable(first) is None:
        first.inputs()
        unable = [request.config.machine_name for request in requests if not request.has_values]
        if unable and (prepared := first.trace.prepared) is not None:
            raise WorkloadError(
                f"{first.name} is {prepared.kind}, which says nothing to {_and(unable)}; compare without "
                "values, or the network that it was made from"
            )
        known = not unable
        if first.machine.training is None and (network.has_parameters or not known):
            network.load_parameters()  # which checks them, or says what to do


def untrainable(request: RunRequest) -> str | None:
    """Return why a machine that trains cannot train a network."""
    if request.machine.training is not None:
        try:
            trained_stages(lower(request.network))
        except WorkloadError as error:
            return str(error)
    return None


def _insist_on_one_each(names: Sequence[str], what: str) -> None:
    """Raise ConfigError without names, or with one that is there twice."""
    if not names:
        raise ConfigError(f"no {what} is given; name at least one")
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{what} {name!r} is given twice; leave one out, or give it another name")
