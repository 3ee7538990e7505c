"""Which parameters would relieve a bottleneck: of durations, of room, of copies and of what is shared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from arch.machine import machines
from arch.parameter_paths import copies_path, parameter_at, path_in, room_path, shared_paths
from imcsim.plugins import load_plugins
from imcsim.resolve import resolve_workload
from imcsim.run_record import RunRecord, UnitTimes
from simcore import Component, Config, SimError, components
from workloads import lower

#: Units that are words, of which there may be several.
_COUNTED = ("bit", "byte", "cycle", "image", "pixel", "packet", "slot", "token")


@dataclass(frozen=True)
class Setting:
    """A parameter as it was in a run.

    path : as `--set` takes it
    value, unit : that it had; None is what the machine works out by itself
    usual : the value that the machine has by itself, None where that is not known
    """

    path: str
    value: Any
    unit: str
    usual: Any

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


class Reliefs:
    """Parameters of the machine of one run; none are known where its configuration is of no known machine."""

    def __init__(self, run: RunRecord) -> None:
        self._run = run
        self._classes: dict[str, type[Component]] = {}
        self._config: Config | None = None
        self._usual: Config | None = None
        try:
            self._read()
        except SimError:  # of a plugin that is gone, or a machine made in Python
            self._config = None

    def _read(self) -> None:
        load_plugins(self._run.config.plugins)
        written = dict(self._run.config.machine)
        preset = machines[written.pop("extends")]
        schema = preset.machine.Config
        self._config = schema.parse(written)
        if not any(row.required for row in schema.parameters()):
            self._usual = schema.parse(preset.values)
        self._classes = {cls.__name__: cls for cls in _subclasses(Component)}
        self._classes |= {kind: components[kind] for kind in components.names()}

    def of_operation(self, unit: UnitTimes, operation: str) -> list[Setting]:
        """Return what decides how long an operation of a unit lasts.

        First comes what somebody chose, then what does most.
        """
        cls = self._classes.get(unit.kind)
        if self._config is None or cls is None:
            return []
        names = next((o.set_by for name, o in cls._operations.items() if operation in (o.name, name)), ())
        paths = [path for name in names if (path := path_in(self._config, cls.Config, name)) is not None]
        if not paths and unit.family == "host":  # whose speed some machines make up from their link
            return self.of_shared("host")
        return self._settings(paths)

    def of_shared(self, resource: str) -> list[Setting]:
        """Return what says how much there is of a resource that parts share, what was chosen first."""
        return [] if self._config is None else self._settings(shared_paths(self._config, resource))

    def of_layer(self, layer: str | None) -> str | None:
        """Return the parameter that gives a layer more copies of its arrays, None where none does."""
        return None if self._config is None or layer is None else copies_path(self._config, layer)

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
        network, _, _ = reader.partition(".")
        workload = config.networks[network].workload if network in config.networks else config.workload
        try:
            name = lower(resolve_workload(workload).network).input
        except SimError:
            return None
        return f"{network}.{name}" if network in config.networks else name

    def _settings(self, paths: Iterable[str]) -> list[Setting]:
        return sorted(map(self._setting, paths), key=lambda setting: not setting.is_own)

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


def _subclasses(cls: type[Component]) -> Iterator[type[Component]]:
    for own in cls.__subclasses__():
        yield own
        yield from _subclasses(own)
