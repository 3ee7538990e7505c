"""What holds a run up right now: the unit that worked most since somebody looked last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simcore.accounting import Unit
from simcore.channel import Waits
from simcore.commands import Engine


@dataclass(frozen=True)
class LiveBottleneck:
    """The unit that worked most over the last stretch of a run.

    unit, what : its path, and the operation that it held last
    share : of the stretch in which it worked; near 1, it sets the pace
    """

    unit: str
    what: str
    share: float


class BusyWatch:
    """Tells the present bottleneck, each time for the stretch since the time before.

    It takes differences of sums that are kept anyway: a call costs a pass over the units, and a run in which
    nobody asks pays nothing.

    ends : of connections, with the `waits` of each
    events : waits for SimPy events
    """

    def __init__(
        self, engine: Engine, units: Sequence[Unit], ends: Iterable[Any], events: Mapping[Any, Waits]
    ) -> None:
        self._engine, self._ends, self._events = engine, tuple(ends), events
        self._units = [unit for unit in units if unit.operations]
        self._worked = [0] * len(self._units)
        self._began = 0

    def bottleneck(self) -> LiveBottleneck | None:
        """Return the unit that worked most since the last call, or the start; None where none did."""
        now = int(self._engine.now)
        worked = self._work(now)
        more = [after - before for after, before in zip(worked, self._worked, strict=True)]
        stretch = now - self._began
        self._worked, self._began = worked, now
        most = max(more, default=0)
        if most <= 0 or not stretch:
            return None
        unit = self._units[more.index(most)]
        operation = unit.last or unit.operations[0]
        return LiveBottleneck(unit.path, operation.name, min(most / stretch, 1.0))

    def _work(self, now: int) -> list[int]:
        """Return how long each unit has worked up to now [tick]."""
        waited: dict[int, int] = {}
        for waits in (*(end.waits for end in self._ends), *self._events.values()):
            if waits.owner is not None and waits.owner.unit is not None:
                key = id(waits.owner.unit)
                waited[key] = waited.get(key, 0) + waits.ticks
        worked = []
        for unit in self._units:
            held = sum(operation.ticks for operation in unit.operations)
            # Operations are charged when they start; what is charged beyond now is still to come.
            worked.append(held - max(held + waited.get(id(unit), 0) - now, 0))
        return worked
