"""The tracks of a Perfetto trace: one of the run, below it a tree of the units' paths, and counters in it.

A part of a machine, such as a chip, a tile or a core, is a track that holds those of its parts; a unit's
slices are on a track of their own. Tracks come in the order in which `unit_groups` lists units.

Source: `track_descriptor.proto` and `counter_descriptor.proto` of Perfetto.
"""

from __future__ import annotations

import numpy as np

from simcore.activity import Activity, BufferTrace
from traces.protobuf_rows import message, text, uint
from traces.timeline import unit_groups
from traces.unit_paths import segments

#: The track of the run itself.
RUN = 1

_IN_THE_ORDER_OF_RANKS = 3  # TrackDescriptor.ChildTracksOrdering.EXPLICIT
_NEVER_MERGED = 2  # TrackDescriptor.SiblingMergeBehavior.NONE


class Tracks:
    """Tracks by number, with the descriptors that introduce them.

    of_unit : (units,) int64, the track of each unit
    """

    def __init__(self, activity: Activity, title: str) -> None:
        self._new: list[bytes] = []
        self._count = 0
        self._children: dict[int, int] = {}
        self._part: dict[tuple[str, ...], int] = {(): self._add(0, title)}
        self.of_unit = np.zeros(len(activity.units), np.int64)
        for group in unit_groups(activity):
            for unit in group.units:
                self.of_unit[unit] = self._of_part(tuple(segments(activity.units[unit])))

    def new_descriptors(self) -> list[bytes]:
        """Return the descriptors of tracks since the last call, parents before children."""
        new, self._new = self._new, []
        return new

    def of_buffer(self, buffer: BufferTrace) -> int:
        """Return a new track for what a memory holds, below its component."""
        *owner, port = segments(buffer.path)
        slots = "without bound" if buffer.slots is None else f"of {buffer.slots}"
        return self._counter(self._of_part(tuple(owner)), f"{port} held, {slots}", "tokens")

    def of_added_up(self, unit: int) -> int:
        """Return a new track for what a unit's intervals add up to, below that of the unit."""
        return self._add(int(self.of_unit[unit]), "added up")

    def of_power(self, name: str) -> int:
        """Return a new track for the power of a part of the machine; what has no units is below the run."""
        part = self._part.get(tuple(segments(name)))
        return self._counter(part or RUN, "power" if part else f"power of {name}", "W")

    def _counter(self, parent: int, name: str, unit: str) -> int:
        return self._add(parent, name, message(8, text(6, unit)))

    def _of_part(self, parts: tuple[str, ...]) -> int:
        if parts not in self._part:
            self._part[parts] = self._add(self._of_part(parts[:-1]), parts[-1])
        return self._part[parts]

    def _add(self, parent: int, name: str, *more: bytes) -> int:
        self._count += 1
        place = self._children[parent] = self._children.get(parent, 0) + 1
        self._new.append(
            message(
                60,
                uint(1, self._count),
                *((uint(5, parent),) if parent else ()),
                text(2, name),
                uint(11, _IN_THE_ORDER_OF_RANKS),
                uint(12, place),
                uint(15, _NEVER_MERGED),
                *more,
            )
        )
        return self._count
