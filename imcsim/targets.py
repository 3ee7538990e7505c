"""Published figures beside simulated ones: what each is, how it is known, and whether it holds.

A target gates if it is `exact` (a formula or table that the model implements) or a `band` (a published figure
with a stated tolerance); `trend` and `report` are shown with their error and gate nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["exact", "band", "trend", "report"]


@dataclass(frozen=True)
class Target:
    """One figure.

    id : section or row of the source, with a suffix, as `A9.first-fire.c0`
    tolerance : largest relative error that holds; 0 where the figure is exact
    provenance : how the published figure is known
    """

    id: str
    what: str
    published: float
    simulated: float
    kind: Kind
    provenance: str
    tolerance: float = 0.0

    @property
    def error(self) -> float:
        """Relative error; the simulated figure itself where the published one is 0."""
        return (self.simulated - self.published) / self.published if self.published else float(self.simulated)

    @property
    def holds(self) -> bool:
        """Whether the error is within the tolerance."""
        return abs(self.error) <= self.tolerance

    @property
    def gates(self) -> bool:
        """Whether a validation fails if it does not hold."""
        return self.kind in ("exact", "band")


class UpperBound(Target):
    """A figure that is published as "below": only what is above it is an error."""

    @property
    def error(self) -> float:
        """Relative error of what is above, else 0."""
        return max(0.0, super().error)


def printed(id: str, what: str, figure: str, simulated: float, provenance: str) -> Target:
    """Return a figure that must agree to its last printed digit."""
    half = 0.5 * 10.0 ** -len(figure.partition(".")[2])
    published = float(figure)
    return Target(id, what, published, simulated, "exact", provenance, tolerance=half / published)
