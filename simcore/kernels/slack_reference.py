"""How much longer each interval of a run could be: the specification that `slack.py` equals.

An interval has no more slack than any that hung on it: the next one of its unit, which a wait in between
makes up for, and waits that its end ended.

slack : (n,) int64 [tick], what is known of each interval alone; lowered in place
following : (n,) int64, the interval in front of each in its unit, -1 if none
spare : (n,) int64 [tick], by how much that one may end later before this one does
enabler : (n,) int64, the interval whose end ended each, for waits of which it is known; -1 for others
returns : how many intervals were settled; fewer than all if some hang on one another in a circle
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def spread_slack_reference(slack: Ints, following: Ints, spare: Ints, enabler: Ints) -> int:
    """Lower the slack of each interval to that of all that hung on it, the last ones first."""
    pending = np.zeros(len(slack), np.int64)
    for before in (following, enabler):
        np.add.at(pending, before[before >= 0], 1)
    settled = np.flatnonzero(pending == 0).tolist()
    for row in settled:  # which grows on the way
        for before, room in ((following[row], spare[row]), (enabler[row], 0)):
            if before >= 0:
                slack[before] = min(slack[before], slack[row] + room)
                pending[before] -= 1
                if not pending[before]:
                    settled.append(before)
    return len(settled)
