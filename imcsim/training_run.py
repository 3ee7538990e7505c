"""A run that trains: images with labels to train on, and what came of it beside the reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arch.machine import Machine, MachineRun, TrainingReport, TrainingValues
from imcsim.inputs import RunInputs
from imcsim.run_config import RunConfig
from simcore import ConfigError
from simcore.errors import WorkloadError
from workloads import Dataset, Network, Parameters, accuracy, datasets, read_data
from workloads.training import (
    Codes,
    TrainingRule,
    batch_losses,
    batches,
    forward_outputs,
    plan_training,
    train,
)


def check_training(config: RunConfig, machine: Machine) -> None:
    """Raise ConfigError for what does not go together with training."""
    if config.values == "device":
        raise ConfigError(
            f"values must be ideal or off where {config.machine_name} trains, as its cells are exact then, "
            "got device; train with ideal values"
        )
    if config.fast_forward:
        raise ConfigError("fast_forward skips images, but training needs each; leave out --fast-forward")
    rule = machine.training
    if rule is not None and config.warmup % rule.batch:
        raise ConfigError(
            f"warmup must be of whole batches where {config.machine_name} trains, as rates are theirs, got "
            f"{config.warmup} with batches of {rule.batch}; take a multiple"
        )


def training_inputs(network: Network, images: int, data: str | Dataset | None) -> RunInputs:
    """Return the first `images` of a file or other data, else of those the network may be trained on.

    raises : FileError for a bad file, WorkloadError for images that are too few, do not fit or have no labels
    """
    name = f"{network.dataset}-train"
    if data is None and name not in datasets:
        raise WorkloadError(
            f"training needs images with labels, but {network.name} brings none; give it --data FILE.npz "
            "with inputs and labels, or train with --values off"
        )
    given = datasets[name]() if data is None else data
    dataset = given if isinstance(given, Dataset) else read_data(given)
    if dataset.labels is None:
        raise WorkloadError(
            f"training needs labels, but {dataset.name} holds none; add an array labels with the class of "
            "each image, or train with --values off"
        )
    dataset.check_fits(network.name, network.input_shape)
    if images > len(dataset):
        raise WorkloadError(
            f"{dataset.name} holds {len(dataset)} images, got --images {images}; ask for fewer"
        )
    first = dataset.first(images)
    origin = f"first {images} of {dataset.name}: {dataset.origin}"
    return RunInputs(first.inputs, first.inputs, first.labels, origin)


@dataclass(frozen=True, eq=False)
class TrainingMaterial:
    """What a run that trains computes on.

    unseen : the network's own images with labels, which it is not trained on; None where it brings none
    notes : what to bear in mind of its accuracy
    """

    values: TrainingValues
    inputs: RunInputs
    unseen: Dataset | None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, network: Network, rule: TrainingRule, inputs: RunInputs) -> TrainingMaterial:
        """Return start weights, binary points, and images as codes."""
        labels = inputs.labels
        assert labels is not None
        plan = plan_training(network, rule, inputs.inputs, labels)
        unseen = None
        if f"{network.dataset}-train" in datasets:
            unseen = datasets[str(network.dataset)]()
        return cls(TrainingValues(plan, plan.input_codes(inputs.inputs), labels), inputs, unseen)

    def real_outputs(self, outputs: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return outputs in real numbers."""
        return (outputs * 2.0 ** -self.values.plan.numbers[-1].outputs).astype(np.float32)

    def judgement(self, run: MachineRun) -> dict[str, Any]:
        """Return how outputs and weights compare with the reference, and outputs with labels."""
        values, report = self.values, run.training
        assert run.outputs is not None
        assert report is not None
        assert report.weights is not None
        expected = train(values.plan, values.codes, values.labels)
        outputs = run.outputs.reshape(expected.outputs.shape)
        same = np.array_equal(outputs, expected.outputs) and all(
            np.array_equal(*pair) for pair in zip(report.weights, expected.weights, strict=True)
        )
        return {
            "outputs_match_golden": bool(same),
            "accuracy": accuracy(outputs, values.labels),
            "golden_accuracy": accuracy(expected.outputs, values.labels),
        }

    def found(self, run: MachineRun) -> dict[str, Any]:
        """Return what a summary tells of the values of training."""
        values, report = self.values, run.training
        assert run.outputs is not None
        assert report is not None
        assert report.weights is not None
        outputs = run.outputs.reshape(len(run.outputs), -1).astype(np.int64)
        found = {
            "loss": batch_losses(values.plan, outputs, values.labels).tolist(),
            "accuracy": self._gain(report.weights, values.codes, values.labels),
            "unseen_accuracy": None,
        }
        if self.unseen is not None and self.unseen.labels is not None:
            codes = values.plan.input_codes(self.unseen.inputs)
            found["unseen_accuracy"] = self._gain(report.weights, codes, self.unseen.labels)
        return found

    def parameters(self, report: TrainingReport) -> Parameters:
        """Return the trained weights in real numbers."""
        assert report.weights is not None
        return self.values.plan.parameters(report.weights)

    def _gain(self, weights: tuple[Codes, ...], codes: Codes, labels: NDArray[np.int64]) -> dict[str, float]:
        """Return the share of images that are told right before and after."""
        plan = self.values.plan
        return {
            when: accuracy(forward_outputs(plan, by, codes), labels)
            for when, by in (("before", plan.start), ("after", weights))
        }


def training_summary(
    run: MachineRun, rule: TrainingRule, material: TrainingMaterial | None
) -> dict[str, Any]:
    """Return what a summary tells of training; what needs values is null without."""
    report = run.training
    assert report is not None
    images, reference = len(run.completed), run.outcome.reference
    return {
        "batch": rule.batch,
        "batches": sum(1 for _ in batches(images, rule.batch)),
        "beats": report.beats,
        "update_beats": report.update_beats,
        "images_per_s": images * reference.hz * reference.ticks / report.updates[-1],
        "update_cycles": [tick / reference.ticks for tick in report.updates],
        "images_held": {layer: {"most": most, "room": room} for layer, (most, room) in report.held.items()},
        **(
            dict.fromkeys(("loss", "accuracy", "unseen_accuracy"))
            if material is None
            else material.found(run)
        ),
    }
