"""When things happen at the earliest if each waits for others: longest times through a graph, compiled."""

from __future__ import annotations

import numpy as np

from simcore.kernels.compiling import compiled
from simcore.kernels.max_plus_reference import NEVER, Ints


@compiled
def longest_times(
    first: Ints, target: Ints, lag: Ints, period: Ints, known: Ints, more: Ints, settle: bool
) -> Ints:
    """Compiled twin of `longest_times_reference`, edges sorted by their source; node by node, each once.

    first : (nodes + 1,) int64, where the edges of each node begin
    """
    nodes = len(known)
    waits_for = np.zeros(nodes, np.int64)
    for edge in range(len(target)):
        waits_for[target[edge]] += 1
    times = np.zeros(nodes, np.int64)
    ready = np.empty(nodes, np.int64)
    count = 0
    for node in range(nodes):
        if waits_for[node] == 0:
            ready[count] = node
            count += 1
        else:
            waits_for[node] = -waits_for[node]  # below 0 as long as some are missing
    while count:
        count -= 1
        node = ready[count]
        if settle and known[node] >= 0:
            more[node] = known[node] - times[node]
        times[node] = min(times[node] + more[node], NEVER)
        now = times[node]
        for edge in range(first[node], first[node + 1]):
            then: int = NEVER
            if now < NEVER:
                then = now + lag[edge]
                if period[edge] > 1:
                    then = -(-then // period[edge]) * period[edge]
            other = target[edge]
            times[other] = max(times[other], then)
            waits_for[other] += 1
            if waits_for[other] == 0:
                ready[count] = other
                count += 1
    for node in range(nodes):
        if waits_for[node] < 0:
            times[node] = NEVER
    return times
