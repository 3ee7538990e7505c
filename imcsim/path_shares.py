"""The critical path in figures: who and what is on it, how much of it each holds, and the slack of others."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PathShare:
    """How much of the critical path one unit, layer, family of units, or state of theirs holds.

    by : what `name` is: unit, layer, family or state
    """

    by: str
    name: str
    cycles: float
    share: float


@dataclass(frozen=True)
class UnitSlack:
    """By how much all that a unit did could have been later without the run ending later, at least."""

    path: str
    cycles: float


@dataclass(frozen=True)
class PathStep:
    """One stretch of the critical path: what a unit did from a cycle on.

    times : how often in a row, with steps of the same kind in between, where it repeats
    """

    unit: str
    state: str
    start: float
    cycles: float


@dataclass(frozen=True)
class CriticalPathShares:
    """The chain of activities that set the makespan.

    cycles : of all its steps, the makespan
    steps : that it has
    shares : the largest first, those of units first, then of layers, families and states
    slack : of each unit, the least first
    path : its steps in order, repetitions folded
    """

    cycles: float
    steps: int
    shares: tuple[PathShare, ...]
    slack: tuple[UnitSlack, ...]
    path: tuple[PathStep, ...]
