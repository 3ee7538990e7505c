"""Who is at the other side of a port, as the tables of a run tell it."""

from __future__ import annotations

from collections.abc import Sequence

from imcsim.run_record import RunRecord
from imcsim.run_tables import ChannelRow
from traces.unit_paths import segments


class Neighbours:
    """The channels of a run, by the units that read and write them."""

    def __init__(self, run: RunRecord) -> None:
        self._units: dict[str, list[str]] = {}
        for unit in run.units:
            for part in (unit.path, _parent(unit.path)):  # a unit has its component's name, or one below
                self._units.setdefault(part, []).append(unit.path)
        self._read: dict[str, list[ChannelRow]] = {}
        self._written: dict[str, list[ChannelRow]] = {}
        for channel in run.channels:
            self._read.setdefault(channel.target, []).append(channel)
            for source in channel.sources.split(" + "):
                self._written.setdefault(source, []).append(channel)

    def channels(self, unit: str, state: str) -> Sequence[ChannelRow]:
        """Return the channels at the port that a unit waits at, by the name of its state."""
        kind, _, port = state.partition(":")
        known = {"wait-input": self._read, "blocked-output": self._written}.get(kind, {})
        return next(
            (known[f"{part}.{port}"] for part in (unit, _parent(unit)) if f"{part}.{port}" in known), ()
        )

    def writers(self, channel: ChannelRow) -> list[str]:
        """Return the units that may write to a channel."""
        return [unit for source in channel.sources.split(" + ") for unit in self._of(source)]

    def readers(self, channel: ChannelRow) -> list[str]:
        """Return the units that may read a channel."""
        return self.readers_of(channel.target)

    def readers_of(self, port: str) -> list[str]:
        """Return the units that may read the channel of a port."""
        return self._of(port)

    def others(self, unit: str, state: str) -> list[str]:
        """Return the units whose move may end a wait at a port; none for waits at anything else."""
        side = self.writers if state.startswith("wait-input") else self.readers
        return [other for channel in self.channels(unit, state) for other in side(channel)]

    def _of(self, port: str) -> list[str]:
        return self._units.get(_parent(port), [])


def _parent(path: str) -> str:
    return ".".join(segments(path)[:-1])
