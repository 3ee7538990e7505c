"""Accounts: every unit's time, partitioned into named states that sum to the makespan exactly.

Holding an operation charges it when it starts; channels charge a wait when it ends. So what a unit was
charged always equals the tick at which it went to wait last, or at which its present operation ends, and any
time that a process spends otherwise (a bare timeout, a hold that was called but not yielded) shows as a
difference: such a run is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from simcore.activity import NOBODY
from simcore.channel import Waits
from simcore.clocks import Clock
from simcore.commands import Wake
from simcore.errors import BrokenLawError
from simcore.operation import Operation

FINISHED = "finished"


class Part(Protocol):
    """What accounts and wires know of a component; see `simcore.component.Component`."""

    kind: ClassVar[str]
    family: ClassVar[str]
    recorded: ClassVar[bool]
    path: str
    layer: str | None
    clock: Clock
    units: list[Unit]


@dataclass(eq=False)
class Unit:
    """One process's timeline.

    path : name in reports
    process : name of the process method
    number : among the units that are recorded, in the order of their paths; NOBODY for others
    wake, generator : the running process, once started
    ended : tick in which the process returned; None while it lives
    last : the operation it held last, kept only where it may hold several
    waits : where it may wait: the state that is charged, and how long it waited there
    """

    path: str
    component: Part
    process: str
    operations: list[Operation] = field(default_factory=list)
    number: int = NOBODY
    wake: Wake | None = None
    generator: Any = None
    ended: int | None = None
    last: Operation | None = None
    waits: list[tuple[str, Waits]] = field(default_factory=list)

    def states(self, makespan: int, waiting: str | None) -> dict[str, int]:
        """Return ticks by state up to `makespan`, their sum; states of no ticks are left out.

        waiting : the state in which it waits at the makespan, None if it holds an operation or has ended
        raises : BrokenLawError if what it was charged is not the time that passed
        """
        ticks = {o.state: 0 for o in self.operations}
        for operation in self.operations:
            ticks[operation.state] += operation.ticks
        for state, waits in self.waits:
            ticks[state] = ticks.get(state, 0) + waits.ticks
        charged = sum(ticks.values())
        held = self.last or (self.operations[0] if self.operations else None)
        for state, waits in self.waits:
            if waits.until > makespan and self.wake is not None:  # charged ahead, as what comes behind it
                waiting = state
                ticks[state] -= waits.until - self.wake.since
                if held is not None:
                    ticks[held.state] -= charged - waits.until
                charged = self.wake.since
                if charged > makespan:  # it will wait only once its operation has ended
                    waiting = None
        if waiting is not None or self.ended is not None:
            assert self.wake is not None
            passed = self.wake.since if self.ended is None else self.ended
            if charged != passed:
                raise self._miscounted(charged, passed)
            # Nothing more comes: a unit that waits for input at the end has finished its work.
            rest = FINISHED if waiting is None or waiting.startswith("wait-input") else waiting
            ticks[rest] = ticks.get(rest, 0) + makespan - passed
        else:
            excess = charged - makespan
            if excess < 0 or held is None or excess > held.ticks:
                raise self._miscounted(charged, makespan)
            ticks[held.state] -= excess
        return {state: count for state, count in ticks.items() if count}

    def _miscounted(self, charged: int, passed: int) -> BrokenLawError:
        kind = (
            "an uncharged wait (a bare timeout or event)"
            if charged < passed
            else "a hold that lies (not yielded)"
        )
        return BrokenLawError(
            f"accounting: {self.path} was charged {charged} ticks while {passed} passed: {kind} in "
            f"{type(self.component).__name__}.{self.process}; yield every hold as it is returned, and "
            "wait for SimPy events by waits_for"
        )


@dataclass(frozen=True)
class Account:
    """What one unit did with its time, in ticks by state, and where it belongs."""

    path: str
    kind: str
    family: str
    layer: str | None
    ticks: dict[str, int]

    def share(self, category: str, makespan: int) -> float:
        """Return the share of the makespan spent in one category of states."""
        spent = sum(t for state, t in self.ticks.items() if state.partition(":")[0] == category)
        return spent / makespan if makespan else 0.0
