"""Which effects of cells a comparison with another simulator switches on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Effects:
    """How strong each effect of cells is: 1 as published, 0 is off."""

    programming: float = 0.0
    drift: float = 0.0
    flicker: float = 0.0
