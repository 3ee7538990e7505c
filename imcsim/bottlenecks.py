"""What a run's time is due to, ranked: sentences with numbers, and the parameter that would relieve it.

Each candidate has a share, by which it ranks: that of the makespan that it accounts for, discounted by what
speaks against it:

* A unit counts with its share of the critical path, or of the run if it never rests while it has work: the
  run cannot be shorter than its busy time. It is discounted by how much it rests between its first operation
  and its last one: a unit that rests does not set the pace, but is one part of what does.
* A memory counts with the time for which its writers waited for room on the critical path.
* A shared resource counts with the time for which those that wait for one another held it.
* Ways count with the time for which the critical path is something under way.
* Requests count with the time until the next one was there.
* Filling and draining the pipeline counts with what images, one behind the other, do not explain, discounted
  by the share of the largest unit on the way; where each token or image waits for the one before, that does.

Without a recording the critical path is not known; then accounts stand in for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imcsim.evidence import Evidence
from imcsim.limits import LEAST
from imcsim.neighbours import Neighbours
from imcsim.occupancy import BufferUse
from imcsim.relief import Reliefs
from imcsim.unit_limits import limits_of_units
from imcsim.waiting_limits import limits_of_memories, limits_of_resources, limits_of_ways
from imcsim.whole_limits import limits_of_filling, limits_of_requests

#: Most of what is told.
_MOST = 5


@dataclass(frozen=True)
class Bottleneck:
    """One thing that a run's time is due to.

    rank : 1 is what it is due to most
    where : a unit, a memory, a shared resource, or `requests`, `queue` and `pipeline` as a whole
    what : the operation, or the kind of the limit: `room`, `turn`, `transfer`, `arrival`, `service`,
        `fill and drain` or `dependence`
    share : what it ranks by: of the makespan that it accounts for, times how little a unit rests in between
    cycles : so much of the makespan
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


def ranked_bottlenecks(evidence: Evidence, buffers: Sequence[BufferUse]) -> tuple[Bottleneck, ...]:
    """Return what a run's time is due to, the most important first.

    buffers : what memories held
    """
    reliefs, neighbours = Reliefs(evidence.run), Neighbours(evidence.run)
    limits = [
        *limits_of_units(evidence, reliefs),
        *limits_of_memories(evidence, reliefs, neighbours, buffers),
        *limits_of_resources(evidence, reliefs),
        *limits_of_ways(evidence, reliefs),
        *limits_of_requests(evidence),
        *limits_of_filling(evidence),
    ]
    found = [limit for limit in limits if limit.weight >= LEAST]
    found.sort(key=lambda limit: (-limit.weight, -limit.ticks, limit.where))
    times = evidence.times
    return tuple(
        Bottleneck(
            rank,
            limit.where,
            limit.what,
            limit.weight,
            times.cycles(round(limit.weight * times.makespan)),
            limit.sentence,
            limit.parameter,
            limit.advice,
        )
        for rank, limit in enumerate(found[:_MOST], 1)
    )
