"""What a run computes on: images, a network in the machine's numbers, and what outputs are judged by."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arch.machine import MachineRun, Values, machines
from arch.numbers import KnownNetwork, Numbers
from imcsim.inputs import RunInputs, composing_data, run_inputs
from imcsim.run_request import RunRequest
from imcsim.training_run import TrainingMaterial
from simcore.errors import WorkloadError
from workloads import LoweredNetwork, Network, accuracy, float_outputs, follows


@dataclass(frozen=True, eq=False)
class InferenceMaterial:
    """What an inference with values computes on.

    ignored_ids : whether the user's sequences hold ids behind the prompt
    """

    network: Network
    lowered: LoweredNetwork
    numbers: Numbers
    values: Values
    inputs: RunInputs
    ignored_ids: bool

    @classmethod
    def of(cls, request: RunRequest, lowered: LoweredNetwork) -> InferenceMaterial:
        """Return the request's images and network as its machine takes them.

        raises : SimError for weights that are not known, or images that do not fit
        """
        config, network = request.config, request.network
        if not request.has_values:
            if (prepared := request.trace.prepared) is not None:
                able = [
                    name
                    for name, preset in machines.items().items()
                    if isinstance(prepared, preset.machine.reads)
                ]
                raise WorkloadError(
                    f"{request.name} is {prepared.kind}, which says nothing to {config.machine_name}; run it "
                    f"without values, on {' or '.join(able)}, or the network that it was made from"
                )
            network.load_parameters()  # which says what to do
        inputs = request.inputs()
        known = KnownNetwork(
            network,
            lowered,
            inputs.calibration,
            lambda: composing_data(network, of_run=request.data),
            request.prepared,
        )
        numbers = request.machine.numbers(known)
        values = Values(
            numbers.network,
            numbers.encode(inputs.inputs),
            device=config.values == "device",
            calibration=numbers.encode(inputs.calibration),
            seed=config.seed,
        )
        ignored = config.data is not None and config.prompt not in (None, prod(lowered.input_shape))
        return cls(network, lowered, numbers, values, inputs, ignored)

    def real_outputs(self, outputs: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return outputs in real numbers."""
        return self.numbers.decode(outputs)

    @property
    def notes(self) -> tuple[str, ...]:
        """What to bear in mind of the network's numbers and the images' accuracy."""
        images = self.inputs.inputs
        known = 0 if self.inputs.labels is None else self.numbers.known_among(images)
        notes = self.numbers.notes
        if self.ignored_ids:
            notes += ("ids of the data behind the prompt serve to set scales, and are ignored otherwise",)
        if not known:
            return notes
        return (
            *notes,
            f"the network was made with {known} of the {len(images)} images, which may flatter its "
            "accuracy; bring other images to judge it by",
        )

    def judgement(self, run: MachineRun) -> dict[str, Any]:
        """Return how the machine's outputs compare with the golden reference, and all with the labels."""
        network, inputs, outputs, decoded = self.network, self.inputs, run.outputs, run.decoded
        assert outputs is not None
        images = inputs.inputs
        if decoded is not None and decoded.ids is not None:
            images = images.copy()
            images[:, 0, decoded.prompt :, 0] = decoded.ids[:, decoded.prompt :]
        golden = self.numbers.golden(images)
        equal = np.array_equal(outputs, golden)
        if decoded is not None and decoded.ids is not None:
            equal = equal and follows(decoded.ids, golden, decoded.prompt)
        verdict: dict[str, Any] = {"outputs_match_golden": equal}
        if inputs.labels is not None:
            verdict["accuracy"] = accuracy(outputs, inputs.labels)
            verdict["golden_accuracy"] = accuracy(golden, inputs.labels)
            if network.has_parameters:  # of a composed one nothing but tables is known
                floats = float_outputs(self.lowered, network.load_parameters(), images)
                verdict["float_accuracy"] = accuracy(floats, inputs.labels)
        return verdict


def material_of(request: RunRequest, lowered: LoweredNetwork) -> InferenceMaterial | TrainingMaterial | None:
    """Return what a run computes on, None without values.

    raises : SimError for what is missing or does not fit, also where nothing is computed on it
    """
    config, network, rule = request.config, request.network, request.machine.training
    if config.values == "off":
        if config.data is not None:
            run_inputs(network, config.images, config.seed, config.data)
        return None
    if rule is not None:
        return TrainingMaterial.of(network, rule, request.inputs())
    return InferenceMaterial.of(request, lowered)
