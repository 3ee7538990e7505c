"""How full memories were, and how busy links."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imcsim.run_record import RunRecord
from simcore.activity import Activity, BufferTrace, category


@dataclass(frozen=True)
class BufferUse:
    """What one memory held.

    slots : it has; None is unbounded
    peak : most tokens at the end of any tick
    mean : tokens on average over the makespan; None if nothing was recorded
    full_share : of the makespan in which no slot was free; None if that is not known, 0 without bound
    """

    path: str
    slots: int | None
    peak: int
    mean: float | None
    full_share: float | None


@dataclass(frozen=True)
class LinkUse:
    """How one link of a fabric spent the run.

    busy_share, blocked_share : of the makespan, moving something, and waiting for room at the next one
    tokens : that it moved; None if nothing was recorded
    """

    path: str
    busy_share: float
    blocked_share: float
    tokens: int | None


def buffer_uses(run: RunRecord) -> tuple[BufferUse, ...]:
    """Return what each memory held, in the order in which they were connected."""
    if run.activity is not None and run.activity.buffers:
        makespan = run.activity.makespan
        return tuple(_use(buffer, makespan) for buffer in run.activity.buffers)
    return tuple(
        BufferUse(channel.target, channel.slots, channel.peak, None, None)
        for channel in run.channels
        if channel.peak is not None
    )


def _use(buffer: BufferTrace, makespan: int) -> BufferUse:
    held = buffer.held.astype(np.int64)
    lasted = np.diff(buffer.tick, append=makespan)
    full = 0 if buffer.slots is None else int(lasted[held >= buffer.slots].sum())
    return BufferUse(
        buffer.path,
        buffer.slots,
        int(held.max(initial=0)),
        int((held * lasted).sum()) / makespan if makespan else 0.0,
        full / makespan if makespan else 0.0,
    )


def link_uses(run: RunRecord) -> tuple[LinkUse, ...]:
    """Return how busy each link of a fabric was, the one first that is least often free."""
    moved = {} if run.activity is None else _operations(run.activity)
    uses = []
    for unit in run.units:
        if unit.family == "link":
            busy, blocked = (
                sum(cycles for state, cycles in unit.cycles.items() if category(state) == kind)
                for kind in ("busy", "blocked-output")
            )
            makespan = run.summary["cycles"] or 1
            uses.append(LinkUse(unit.path, busy / makespan, blocked / makespan, moved.get(unit.path)))
    return tuple(sorted(uses, key=lambda use: (-use.busy_share - use.blocked_share, use.path)))


def _operations(activity: Activity) -> dict[str, int]:
    """Return how many operations each unit did, by its path."""
    busy = np.array([category(state) == "busy" for state in activity.states], bool)
    counts = np.bincount(activity.unit[busy[activity.state]], minlength=len(activity.units))
    return dict(zip(activity.units, counts.tolist(), strict=True))
