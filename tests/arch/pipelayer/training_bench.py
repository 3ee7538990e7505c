"""Small networks that are trained on PipeLayer: what to build, and one call that runs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from arch import MachineRun, RunOptions
from arch.machine import TrainingReport, TrainingValues
from arch.machines.pipelayer import PipeLayer, PipeLayerConfig
from arch.machines.pipelayer.training_plan import TrainingMap
from tests.workloads.training.chains import digits
from workloads import Network, lower
from workloads.training import plan_training, train


@dataclass(frozen=True, eq=False)
class TrainingBench:
    """A machine with a network placed on it for training, ready to run."""

    machine: PipeLayer
    placed: TrainingMap
    network: Network

    def run(self, images: int, values: TrainingValues | None = None, **options: Any) -> MachineRun:
        return self.machine.train(self.placed, images, values, RunOptions(**options))

    def values(self, images: int) -> TrainingValues:
        """Return the first digits, cut to what the network takes, with labels modulo its outputs."""
        inputs, labels = digits(images)
        channels, height, width = self.network.input_shape
        cut = np.repeat(inputs, channels, axis=1)[:, :, :height, :width]
        labels = labels % self.network.shapes[self.network.output][0]
        assert self.machine.training is not None
        plan = plan_training(self.network, self.machine.training, cut, labels)
        return TrainingValues(plan, plan.input_codes(cut), labels)


def training_bench(network: Network, settings: Mapping[str, Any] | None = None, **rule: Any) -> TrainingBench:
    """Place a network on a machine that trains; `rule` is what differs in `training`."""
    machine = PipeLayer(PipeLayerConfig.parse({**(settings or {}), "mode": "training", "training": rule}))
    placed = machine.map(lower(network))
    assert isinstance(placed, TrainingMap)
    return TrainingBench(machine, placed, network)


def report_of(run: MachineRun) -> TrainingReport:
    """Return what came of training."""
    assert run.training is not None
    return run.training


def equals_reference(run: MachineRun, values: TrainingValues) -> bool:
    """Tell whether outputs and weights are those of the reference, bit for bit."""
    expected = train(values.plan, values.codes, values.labels)
    weights = report_of(run).weights
    assert run.outputs is not None
    assert weights is not None
    return np.array_equal(run.outputs.reshape(expected.outputs.shape), expected.outputs) and all(
        np.array_equal(*pair) for pair in zip(weights, expected.weights, strict=True)
    )
