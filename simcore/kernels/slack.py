"""How much longer each interval of a run could be, compiled: the twin of `slack_reference.py`."""

from __future__ import annotations

import numpy as np

from simcore.kernels.compiling import compiled
from simcore.kernels.slack_reference import Ints


@compiled
def spread_slack(slack: Ints, following: Ints, spare: Ints, enabler: Ints) -> int:
    """Compiled twin of `spread_slack_reference`."""
    intervals = len(slack)
    pending = np.zeros(intervals, np.int32)
    for row in range(intervals):
        if following[row] >= 0:
            pending[following[row]] += 1
        if enabler[row] >= 0:
            pending[enabler[row]] += 1
    ready = np.empty(intervals, np.int64)
    held = settled = 0
    for last in range(intervals - 1, -1, -1):
        if pending[last] == 0:
            ready[held] = last
            held += 1
        while held:
            held -= 1
            row = ready[held]
            settled += 1
            pending[row] = -1  # so that it is not met again
            before = following[row]
            if before >= 0:
                slack[before] = min(slack[before], slack[row] + spare[row])
                pending[before] -= 1
                if pending[before] == 0 and before > last:
                    ready[held] = before
                    held += 1
            before = enabler[row]
            if before >= 0:
                slack[before] = min(slack[before], slack[row])
                pending[before] -= 1
                if pending[before] == 0 and before > last:
                    ready[held] = before
                    held += 1
    return settled
