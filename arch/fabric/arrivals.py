"""What comes out of a network that is fed with packets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Arrivals(NamedTuple):
    """Packets that came out, in order: names, and cycles in which they were made and their tails arrived."""

    name: NDArray[np.int64]
    created: NDArray[np.int64]
    arrived: NDArray[np.int64]
