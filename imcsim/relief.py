"""Which parameters would relieve a bottleneck: of durations, of room, of copies and of what is shared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from arch.machine import Machine, machines
from arch.parameter_paths import copies_path, parameter_at, rewriting_path, room_path, shared_paths, way_paths
from arch.relief_trials import Relief, ReliefTrials, usual_relief
from imcsim.plugins import load_plugins
from imcsim.resolve import resolve_workload
from imcsim.run_record import RunRecord
from simcore import Config, SimError
from workloads import LoweredNetwork, lower

#: A machine of more parts takes long to build, and is not with other values: then what is a time, or bits of
#: numbers, which shorten whatever they set, is all that is advised.
_MOST_PARTS = 5000

_VERBS = {"smaller": "lower", "larger": "raise", "other": "change"}

#: Units that are words, of which there may be several.
_COUNTED = ("bit", "byte", "cycle", "image", "pixel", "packet", "slot", "token")


@dataclass(frozen=True)
class Setting:
    """A parameter as it was in a run.

    path : as `--set` takes it
    value, unit : that it had; None is what the machine works out by itself
    usual : the value that the machine has by itself, None where that is not known
    relief : how another value would help; None where none does, or another parameter comes before it
    """

    path: str
    value: Any
    unit: str
    usual: Any
    relief: Relief | None = None

    @property
    def is_own(self) -> bool:
        """Whether somebody chose another value than the machine's own."""
        return bool(self.usual is not None and self.value != self.usual)

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.path} (left to the machine)"
        several = "s" * (self.unit in _COUNTED and self.value != 1)
        unit = f" {self.unit}{several}" if self.unit and self.unit != "one of" else ""
        own = f", usually {self.usual}" if self.is_own else ""
        return f"{self.path} ({self.value}{unit}{own})"


def relieving(settings: Sequence[Setting]) -> Setting | None:
    """Return the parameter of which another value helps, None if that is none of them."""
    return next((setting for setting in settings if setting.relief is not None), None)


def relief_advice(setting: Setting, what: str) -> str:
    """Return which way to change a parameter that helps, and by how much that does, where it is known.

    what : the operation that becomes shorter
    """
    relief = setting.relief
    assert relief is not None
    told = f"{_VERBS[relief.better]} {setting.path}"
    if relief.factor is None:
        return told
    return f"{told} (with {relief.tried}, {what} takes {float(relief.factor):.0%} of its time)"


class Reliefs:
    """Parameters of the machine of one run; none are known where its configuration is of no known machine.

    What decides how long operations last the machine itself tells, built again when that is first asked for;
    that is left out where several networks share it, or where it or its network is not found again.
    """

    def __init__(self, run: RunRecord) -> None:
        self._run = run
        self._machine: Machine | None = None
        self._usual: Config | None = None
        try:
            self._read()
        except SimError:  # of a plugin that is gone, or a machine made in Python
            self._machine = None

    def _read(self) -> None:
        load_plugins(self._run.config.plugins)
        written = dict(self._run.config.machine)
        preset = machines[written.pop("extends")]
        schema = preset.machine.Config
        self._machine = preset.machine(schema.parse(written), self._run.config.machine_name)
        if not any(row.required for row in schema.parameters()):
            self._usual = schema.parse(preset.values)

    @property
    def _config(self) -> Config | None:
        return None if self._machine is None else self._machine.config

    @cached_property
    def _trials(self) -> ReliefTrials | None:
        """The machine, built with the run's network on it; None where that cannot be."""
        config = self._run.config
        network = None if config.networks else self._network(config.workload)
        if self._machine is None or network is None:
            return None
        try:
            return ReliefTrials(self._machine, network, config.images)
        except SimError:
            return None

    def of_operation(self, unit: str, operation: str) -> list[Setting]:
        """Return what decides how long an operation of a unit lasts; of the first that helps, how it does.

        First comes what somebody chose, then what does most.

        unit : its path
        """
        trials = self._trials
        if trials is None:
            return []
        try:
            paths = trials.paths(unit, operation)
        except SimError:  # of an operation that the machine has only in some runs
            return []
        if len(trials.parts) <= _MOST_PARTS:
            return self._settings(paths, lambda path: trials.of_parameter(unit, operation, path))
        return self._settings(paths, lambda path: _smaller(trials, path))

    def of_shared(self, resource: str) -> list[Setting]:
        """Return what says how much there is of a resource that parts share, what was chosen first."""
        config = self._config
        if config is None:
            return []
        paths = shared_paths(config, resource)
        return self._settings(paths, lambda path: usual_relief(parameter_at(config, path)))

    def of_ways(self, of_sums: bool) -> list[Setting]:
        """Return what shortens ways between parts; nothing if no single parameter does by much.

        of_sums : whether it is those of partial sums, or all others
        """
        trials = self._trials
        if trials is None:
            return []
        settings = self._settings(
            way_paths(trials.machine.config), lambda path: trials.of_ways(of_sums, path)
        )
        return [setting for setting in settings if setting.relief is not None]

    def of_rewriting(self) -> list[Setting]:
        """Return what says how many arrays there are for weights that are written in turn."""
        config = self._config
        path = None if config is None else rewriting_path(config)
        if config is None or path is None:
            return []
        return self._settings([path], lambda path: usual_relief(parameter_at(config, path)))

    def of_layer(self, layer: str | None) -> str | None:
        """Return the parameter that gives a layer more copies of its arrays, None where that is no help.

        More copies than windows, which an image has or of which one waits for another, have nothing to do.
        """
        trials = self._trials
        if trials is None or layer is None or self._run.config.prompt is not None:
            return None
        row = next((row for row in trials.placed.rows if row.stage == layer), None)
        if row is None or row.steps <= row.copies:
            return None
        return copies_path(trials.machine.config, layer)

    def of_room(self, writer: str | None, reader: str | None) -> str | None:
        """Return the parameter that decides how much room there is between layers, None where none does.

        writer, reader : None is the input
        """
        if self._config is None or reader is None:
            return None
        sender = writer or self._input_of(reader)
        return None if sender is None else room_path(self._config, sender, reader)

    def _input_of(self, reader: str) -> str | None:
        """Return the name of the input that a layer reads, None where its network is not found again."""
        config = self._run.config
        name, _, _ = reader.partition(".")
        if name in config.networks:
            network = self._network(config.networks[name].workload)
            return None if network is None else f"{name}.{network.input}"
        network = self._network(config.workload)
        return None if network is None else network.input

    def _network(self, workload: str) -> LoweredNetwork | None:
        """Return a network of the run, None where it is not found again."""
        try:
            return lower(resolve_workload(workload).network)
        except SimError:
            return None

    def _settings(self, paths: Iterable[str], relief: Callable[[str], Relief | None]) -> list[Setting]:
        """Return parameters in the order in which they are told, the first that helps with how it does."""
        settings = sorted(map(self._setting, paths), key=lambda setting: not setting.is_own)
        for number, setting in enumerate(settings):
            if (found := relief(setting.path)) is not None:
                settings[number] = replace(setting, relief=found)
                break
        return settings

    def _setting(self, path: str) -> Setting:
        assert self._config is not None
        parameter = parameter_at(self._config, path)
        usual = None
        if self._usual is not None:
            try:
                usual = parameter_at(self._usual, path).value
            except SimError:  # of a part of another kind
                usual = None
        return Setting(path, parameter.value, parameter.declared.unit, usual)


def _smaller(trials: ReliefTrials, path: str) -> Relief | None:
    """Return how a parameter helps that is to be smaller, by what it counts; None for any other."""
    found = usual_relief(parameter_at(trials.machine.config, path))
    return found if found is not None and found.better == "smaller" else None
