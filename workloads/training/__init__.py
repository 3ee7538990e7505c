"""Training in 16 bit fixed point: what can be trained, where binary points lie, and what must come out."""

from workloads.training.chain import TrainedStage, chain_macs, trained_stages
from workloads.training.fixed_point import LARGEST_CODE, Codes
from workloads.training.fixed_training import (
    Trained,
    batch_losses,
    batches,
    forward_outputs,
    train,
)
from workloads.training.losses import Loss, exponentials
from workloads.training.plan import StageNumbers, TrainingPlan, TrainingRule, plan_training

__all__ = [
    "LARGEST_CODE",
    "Codes",
    "Loss",
    "StageNumbers",
    "Trained",
    "TrainedStage",
    "TrainingPlan",
    "TrainingRule",
    "batch_losses",
    "batches",
    "chain_macs",
    "exponentials",
    "forward_outputs",
    "plan_training",
    "train",
    "trained_stages",
]
