"""Why a run took as long as it did, from a run in memory or in its directory.

What is known without a recording comes from the accounts; where memories were full, which links moved how
much and what was on the critical path is known of recorded runs only, and None otherwise.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from imcsim.bottlenecks import Bottleneck, ranked_bottlenecks
from imcsim.evidence import evidence_of
from imcsim.occupancy import BufferUse, LinkUse, buffer_uses, link_uses
from imcsim.path_shares import CriticalPathShares, path_evidence, shares_of_path
from imcsim.roofline import Roofline, roofline_of
from imcsim.run_record import RunRecord
from imcsim.stall_stacks import (
    Cause,
    ExactTimes,
    GroupStack,
    LayerStack,
    UnitStack,
    causes,
    exact_times,
    group_stacks,
    joules_by,
    layer_stacks,
    unit_stacks,
)
from imcsim.waits import Wait, waits_of
from simcore.activity import NOBODY
from simcore.energy import SHARED
from traces.critical_path import critical_path_of

EXPLANATION_SCHEMA = "imcsim.explanation/1"


@dataclass(frozen=True)
class LayerEnergy:
    """What the components of one family spent for one layer [J]; `shared` is whatever serves several."""

    layer: str
    component: str
    energy_j: float


@dataclass(frozen=True)
class Energy:
    """Where the energy went; the parts sum to the total [J]."""

    by_layer_and_component: tuple[LayerEnergy, ...]
    total: float


@dataclass(frozen=True)
class Explanation:
    """Why a run took as long as it did.

    cycles : makespan, of the reference clock
    finisher : the unit whose act ended the run; None where that is not known
    notes : what is not known of this run, and how to find out
    units, layers, groups : stall stacks; groups are cores, tiles or lanes
    causes : the time of all units but those of a fabric, by category and core
    waits : who waited for whom
    energy : None where the run does not tell what its parts cost
    critical_path : None where it is not known
    """

    workload: str
    machine: str
    cycles: int
    clock_hz: float
    finisher: str | None
    notes: tuple[str, ...]
    units: tuple[UnitStack, ...]
    layers: tuple[LayerStack, ...]
    groups: tuple[GroupStack, ...]
    causes: tuple[Cause, ...]
    waits: tuple[Wait, ...]
    bottlenecks: tuple[Bottleneck, ...]
    buffers: tuple[BufferUse, ...]
    links: tuple[LinkUse, ...]
    energy: Energy | None
    roofline: Roofline
    critical_path: CriticalPathShares | None

    @property
    def summary(self) -> dict[str, Any]:
        """What `imcsim explain --json` prints."""
        return {"schema": EXPLANATION_SCHEMA, **asdict(self)}


def explain(run: RunRecord) -> Explanation:
    """Return why a run took as long as it did.

    raises : SimError for a run that was interrupted, FileError for accounts that do not add up
    """
    summary = run.summary
    run.insist_on_end()
    times = exact_times(run)
    buffers = buffer_uses(run)
    activity, path, held = run.activity, None, None
    if activity is not None and activity.finisher != NOBODY:
        chain = critical_path_of(activity)
        path, held = shares_of_path(run, times, activity, chain), path_evidence(activity, chain)
    return Explanation(
        workload=summary["workload"],
        machine=summary["machine"],
        cycles=summary["cycles"],
        clock_hz=summary["clock_hz"],
        finisher=_finisher(run),
        notes=tuple(_notes(run)),
        units=unit_stacks(run, times),
        layers=layer_stacks(run, times),
        groups=group_stacks(run, times),
        causes=_causes(run, times),
        waits=waits_of(run, times),
        bottlenecks=ranked_bottlenecks(evidence_of(run, times, held), buffers),
        buffers=buffers,
        links=link_uses(run),
        energy=_energy(run),
        roofline=roofline_of(run, times),
        critical_path=path,
    )


def _finisher(run: RunRecord) -> str | None:
    activity = run.activity
    return None if activity is None or activity.finisher < 0 else activity.units[activity.finisher]


def _causes(run: RunRecord, times: ExactTimes) -> tuple[Cause, ...]:
    """Return the causes with exact cycles."""
    exact = [replace(unit, cycles=spent) for unit, spent in zip(run.units, times.spent, strict=True)]
    return tuple(replace(cause, cycles=times.cycles(cause.cycles)) for cause in causes(exact))


def _notes(run: RunRecord) -> list[str]:
    if run.activity is not None:
        return []
    return [
        "nothing was recorded, so that how full memories were and what was on the critical path is not "
        f"known; run it anew {run.way_to_record}"
    ]


def _energy(run: RunRecord) -> Energy | None:
    if not run.parts:
        return None
    spent = joules_by(run, lambda part: (part.layer or SHARED, part.family))
    largest = sorted(spent.items(), key=lambda item: (-item[1], item[0]))
    split = tuple(LayerEnergy(layer, component, joules) for (layer, component), joules in largest)
    return Energy(split, run.summary["energy_j"]["total"])
