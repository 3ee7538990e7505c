"""What a run's time is due to, ranked: sentences with numbers, and the parameter that would relieve it."""

from __future__ import annotations

from dataclasses import dataclass

from imcsim.run_record import RunRecord
from imcsim.stall_stacks import WORKING, ExactTimes, working
from simcore.activity import category


@dataclass(frozen=True)
class Bottleneck:
    """One thing that a run's time is due to.

    rank : 1 is what it is due to most
    where : a unit, a memory, a shared resource, or `requests` and `pipeline` for those as a whole
    what : the operation, or the kind of the limit
    share, cycles : of the makespan that it accounts for
    sentence : what is known of it, in words
    parameter : of the machine or the run that would relieve it, as `--set` takes it; None if none is known
    advice : what to do, in words
    """

    rank: int
    where: str
    what: str
    share: float
    cycles: float
    sentence: str
    parameter: str | None
    advice: str


def ranked_bottlenecks(run: RunRecord, times: ExactTimes) -> tuple[Bottleneck, ...]:
    """Return what a run's time is due to, the most important first."""
    ranked = sorted(
        ((working(spent), unit, spent) for unit, spent in zip(run.units, times.spent, strict=True)),
        key=lambda found: (-found[0], found[1].path),
    )
    found = []
    for rank, (ticks, unit, spent) in enumerate(ranked[:3], 1):
        if not ticks:
            break
        state = max((s for s in spent if category(s) in WORKING), key=lambda s: spent[s])
        share = times.share(ticks)
        what = state.partition(":")[2]
        found.append(
            Bottleneck(
                rank,
                unit.path,
                what,
                share,
                times.cycles(ticks),
                f"{unit.path} is busy {share:.0%} of the time, mostly with {what}",
                None,
                f"make {what} of {unit.path} faster, or share its work among several",
            )
        )
    return tuple(found)
