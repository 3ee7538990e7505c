"""What there is to choose about training."""

from __future__ import annotations

from simcore import Config, param
from workloads.training import Loss, TrainingRule


class TrainingConfig(Config):
    """How weights are changed, and how arrays take the new ones."""

    batch: int = param(32, ge=1, unit="image", doc="whose mean gradient changes the weights once")
    learning_rate_shift: int = param(
        2, ge=0, le=14, unit="bit", doc="weights change by 2**-shift times the mean gradient"
    )
    loss: Loss = param(
        "softmax",
        unit="one of",
        doc="softmax: with cross entropy, by a table of exponentials; squared: half the squared distance",
    )
    headroom_bits: int = param(
        3,
        ge=0,
        le=8,
        unit="bit",
        doc="left free above the largest magnitude of each tensor that the first batch shows in real numbers",
    )
    seed: int = param(0, ge=0, le=2**63 - 1, unit="", doc="of the start weights")
    rows_written: int = param(
        128,
        ge=1,
        unit="wordline",
        doc="of each array that take new weights at once; with all of them an update takes one beat, as the "
        "published count of beats has it, assumed",
    )

    @property
    def rule(self) -> TrainingRule:
        """The rule without hardware."""
        return TrainingRule(
            batch=self.batch,
            learning_rate_shift=self.learning_rate_shift,
            loss=self.loss,
            headroom_bits=self.headroom_bits,
            seed=self.seed,
        )
