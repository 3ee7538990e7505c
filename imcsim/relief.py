"""Which parameters would relieve a bottleneck: of how long operations last, and of memories' slots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from arch.machine import machines
from arch.parameter_paths import path_in
from imcsim.plugins import load_plugins
from imcsim.resolve import resolve_workload
from imcsim.run_record import RunRecord
from simcore import Component, Config, SimError, components
from workloads import lower


@dataclass(frozen=True)
class Setting:
    """A parameter as it was in a run.

    path : as `--set` takes it
    value, unit : that it had; None is what the machine works out by itself
    usual : the value that the machine has by itself
    """

    path: str
    value: Any
    unit: str
    usual: Any

    @property
    def is_own(self) -> bool:
        """Whether somebody chose another value than the machine's own."""
        return bool(self.value != self.usual)

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit and self.unit != "one of" else ""
        own = f", usually {self.usual}" if self.is_own and self.usual is not None else ""
        return f"{self.path} ({self.value}{unit}{own})"


class Reliefs:
    """Parameters of the machine of one run; none are known where its configuration is of no known machine."""

    def __init__(self, run: RunRecord) -> None:
        self._run = run
        self._classes: dict[str, type[Component]] = {}
        self._units: dict[str, str] = {}
        self._config: Config | None = None
        self._usual: Mapping[str, Any] = {}
        try:
            self._read()
        except SimError:  # of a plugin that is gone, or a machine made in Python
            self._config = None

    def _read(self) -> None:
        load_plugins(self._run.config.plugins)
        written = dict(self._run.config.machine)
        preset = machines[written.pop("extends")]
        schema = preset.machine.Config
        self._units = {row.path: row.unit for row in schema.parameters()}
        self._config = schema.parse(written)
        if not any(row.required for row in schema.parameters()):
            self._usual = schema.parse(preset.values).canonical()
        self._classes = {c.__name__: c for c in _subclasses(Component)}
        self._classes |= {kind: components[kind] for kind in components.names()}

    def of_operation(self, kind: str, operation: str) -> list[Setting]:
        """Return what decides how long an operation of a kind of component lasts.

        First comes what somebody chose, then what does most.
        """
        cls = self._classes.get(kind)
        if self._config is None or cls is None:
            return []
        names = next((o.set_by for n, o in cls._operations.items() if (o.name or n) == operation), ())
        paths = (path_in(self._config, cls.Config, name) for name in names)
        return sorted(map(self._setting, filter(None, paths)), key=lambda setting: not setting.is_own)

    def of_requests(self) -> Setting | None:
        """Return what limits the requests that are served at once, None on machines without a queue."""
        path = "queue.most_in_service"
        return self._setting(path) if self._config is not None and _at(self._config, path) else None

    def of_layer(self, layer: str | None) -> str | None:
        """Return what gives a layer more copies of its arrays, None where nothing does."""
        known = self._run.config.machine.get("layers")
        if layer is None or known is None or "layers.NAME.replication" not in self._units:
            return None
        return f"layers.{layer}.replication"

    def of_memory(self, writer: str | None, reader: str | None) -> Setting | None:
        """Return what decides how many slots a memory has, None where it is no choice.

        writer, reader : layers at either end; None is the input
        """
        buffers = self._run.config.machine.get("buffers")
        if not isinstance(buffers, Mapping) or "depths" not in buffers or reader is None:
            return None
        sender = writer or self._input_of(reader)
        if sender is None:
            return None
        name = f"{sender}:{reader}"
        return Setting(f"buffers.depths.{name}", buffers["depths"].get(name), "pixel", None)

    def _input_of(self, reader: str) -> str | None:
        """Return the name of the input that a layer reads, None where its network is not found again."""
        config = self._run.config
        network, _, _ = reader.rpartition(".")
        workload = config.networks[network].workload if network in config.networks else config.workload
        try:
            return lower(resolve_workload(workload).network).input
        except SimError:
            return None

    def _setting(self, path: str) -> Setting:
        value, usual = _at(self._run.config.machine, path), _at(self._usual, path)
        return Setting(path, value, self._units.get(path, ""), usual)


def _at(values: Any, path: str) -> Any:
    for key in path.split("."):
        if isinstance(values, Config):
            values = getattr(values, key, None)
        else:
            values = values.get(key) if isinstance(values, Mapping) else None
    return values


def _subclasses(cls: type[Component]) -> Iterator[type[Component]]:
    for own in cls.__subclasses__():
        yield own
        yield from _subclasses(own)
