"""Training in 16 bit fixed point: what can be trained, where binary points lie, and what must come out."""

from workloads.training.chain import TrainedStage, chain_macs, trained_stages
from workloads.training.fixed_point import LARGEST_CODE, Codes, kept, stored
from workloads.training.fixed_training import (
    Trained,
    batch_losses,
    batches,
    forward_outputs,
    loss_error,
    train,
    updated,
)
from workloads.training.losses import Loss
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
    "forward_outputs",
    "kept",
    "loss_error",
    "plan_training",
    "stored",
    "train",
    "trained_stages",
    "updated",
]
