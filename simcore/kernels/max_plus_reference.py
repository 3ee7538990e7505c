"""When things happen at the earliest if each waits for others: the specification."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

#: Time of what waits for something that never happens, or in a circle.
NEVER = 1 << 61


def longest_times_reference(
    source: Ints, target: Ints, lag: Ints, period: Ints, known: Ints, more: Ints, settle: bool
) -> Ints:
    """Return when each node happens: as soon as all edges to it allow, and `more` after that.

    source, target, lag, period : (edges,) int64; the target is not before the first multiple of `period` that
        is not before `lag` ticks behind the source
    known : (nodes,) int64 times that were seen, below 0 where none was
    more : (nodes,) int64 ticks; with `settle` it is filled in, so that known times come out
    returns : (nodes,) int64; `NEVER` for what waits in a circle, or for such
    """
    nodes = len(known)
    times = np.full(nodes, NEVER, np.int64)
    done = np.zeros(nodes, bool)
    while True:
        waiting = np.zeros(nodes, bool)
        waiting[target[~done[source]]] = True
        ready = ~done & ~waiting
        if not ready.any():
            return times
        for node in np.flatnonzero(ready):
            into = target == node
            allowed = times[source[into]] + lag[into]
            edges = np.where(times[source[into]] < NEVER, -(-allowed // period[into]) * period[into], NEVER)
            earliest = int(edges.max(initial=0))
            if settle and known[node] >= 0:
                more[node] = known[node] - earliest
            times[node] = min(earliest + more[node], NEVER)
        done |= ready
