"""What there is to choose about which layer lies on which core of a topology; `arch/mapping` does it."""

from __future__ import annotations

from typing import Literal

from simcore import Config, param


class PlacementConfig(Config):
    """Which layer lies on which core of a topology."""

    strategy: Literal["topological", "snake", "annealed"] = param(
        "topological",
        unit="one of",
        doc="topological: in the order whose longest edge is shortest, along the numbers of nodes; snake: in "
        "that of the pipeline; annealed: on nodes with fewest bytes a step times channels, as far as found",
    )
    moves: int = param(100_000, ge=1, le=100_000_000, unit="move", doc="that annealed tries")
    seed: int = param(0, ge=0, unit="", doc="of the moves of annealed")
