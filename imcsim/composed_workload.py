"""Composing a workload: its network as tables of lookups, how well they do, and the file that holds them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from imcsim.inputs import composing_data, own_data
from imcsim.plugins import load_plugins
from imcsim.resolve import resolve_workload
from simcore.errors import ConfigError
from traces import COMPOSITION_FILE, read_composition, write_composition
from workloads import Dataset, Network, accuracy, float_outputs, lower, read_data
from workloads.composition import ComposedNetwork, ComposedReference, ComposeOptions, Composition, compose

#: How names of compositions end.
SUFFIX = ".npz"


@dataclass(frozen=True)
class Evaluation:
    """How a composed network does on labelled images: its own test images, or those of `--data` for a file.

    data : where the images come from
    known : images among them that it was composed with, which may flatter it
    accuracy : share of images with the right class
    baseline_accuracy : that of the network before, None where its weights are not known
    overflows : sums that did not fit and wrapped
    """

    data: str
    images: int
    known: int
    accuracy: float
    baseline_accuracy: float | None
    overflows: int


@dataclass(frozen=True)
class BlockReport:
    """One block's tables.

    kind : of what adds up
    rows, columns : of a matrix's weights, 0 for other sums
    codebooks : of weights
    weight_error, input_error : root mean square distance from centres, in standard deviations
    table_bytes : of one neuron
    """

    name: str
    kind: str
    rows: int
    columns: int
    codebooks: int
    weight_error: float | None
    input_error: float
    table_bytes: int


@dataclass(frozen=True, eq=False)
class ComposeReport:
    """A composition at one of its levels.

    evaluation : None where there are no labelled images besides
    """

    composition: Composition
    composed: ComposedNetwork
    evaluation: Evaluation | None

    @property
    def blocks(self) -> tuple[BlockReport, ...]:
        """All blocks, in order."""
        return tuple(self._block(name) for name in self.composed.blocks)

    @property
    def summary(self) -> dict[str, Any]:
        """All of it in JSON's types."""
        composition, composed = self.composition, self.composed
        best = composition.best
        return {
            "schema": "imcsim.compose/1",
            "workload": composition.network.name,
            "weights": composed.weights,
            "inputs": composed.inputs,
            "bits": composed.bits,
            "composed_for": {
                "weights": composition.clusters[0],
                "inputs": composition.clusters[1],
                "bits": composition.bits,
                "held_out": {"accuracy": 1 - best.error, "baseline_accuracy": 1 - best.baseline_error},
            },
            "data": composition.data,
            "labelled": composition.labelled,
            "rounds": [asdict(each) for each in composition.rounds],
            "evaluation": None if self.evaluation is None else asdict(self.evaluation),
            "most_table_bytes": max(composed.table_bytes.values()),
            "blocks": [asdict(block) for block in self.blocks],
        }

    def _block(self, name: str) -> BlockReport:
        composition, composed = self.composition, self.composed
        block, weights = composed.blocks[name].block, composition.weights.get(name)
        sources = [composition.codebooks[composed.form.codebook_of[source]] for source in block.total.inputs]
        shape = (0, 0) if weights is None else (weights.codes.shape[1], len(weights.bias))
        return BlockReport(
            name=name,
            kind=type(block.total).__name__.removesuffix("Node").lower(),
            rows=shape[0],
            columns=shape[1],
            codebooks=0 if weights is None else len(weights.tree.errors),
            weight_error=None if weights is None else _rms(weights.tree.error_at(composed.weights)),
            input_error=max(_rms(tree.error_at(composed.inputs)) for tree in sources),
            table_bytes=composed.table_bytes[name],
        )


def compose_workload(
    workload: str | Path | Network,
    out: str | Path | None = None,
    *,
    weights: int | None = None,
    inputs: int | None = None,
    bits: int | None = None,
    data: str | Path | Dataset | None = None,
    retrain: int = 0,
    plugins: Sequence[str | Path] = (),
    observe: Callable[[str], None] = lambda what: None,
) -> ComposeReport:
    """Compose a network and write it to `out`, or show one that is composed already.

    workload : as for `imcsim.run`, or a file that this wrote, which is shown at one of its levels
    weights, inputs : clusters, 4 to 256; of a network 64 unless given, of a file what it was composed for
    bits : width of products, sums and keys; 16, or what the file was composed for, unless given
    data : an .npz file with `inputs` and, optionally, `labels`; a network's own training images unless given
    retrain : most rounds of retraining; needs labels
    raises : SimError
    """
    load_plugins(plugins)
    if str(workload).lower().endswith(SUFFIX):
        if out is not None or retrain:
            raise ConfigError(
                f"{workload} is composed already: it can be shown, but not be written or retrained; "
                "compose its network anew"
            )
        composition = read_composition(str(workload))
        try:
            composed = composition.at(weights, inputs, bits)
        except ConfigError as error:
            raise ConfigError(f"{workload}: {error}; see --weights, --inputs and --bits") from None
        return _shown(composition, composed, data)
    if out is not None:
        COMPOSITION_FILE.check_place(out)
    network = resolve_workload(workload).network
    chosen = ComposeOptions()
    given = {"weights": weights, "inputs": inputs, "bits": bits, "rounds": retrain}
    chosen = replace(chosen, **{name: value for name, value in given.items() if value is not None})
    composition = compose(network, composing_data(network, data), chosen, observe)
    composed = composition.at()
    own = own_data(network) if data is None else None
    evaluation = None if own is None else _evaluated(composition, composed, own, network)
    report = ComposeReport(composition, composed, evaluation)
    if out is not None:
        write_composition(out, composition)
    return report


def _shown(
    composition: Composition, composed: ComposedNetwork, data: str | Path | Dataset | None
) -> ComposeReport:
    """Return what a file holds, at one level, and how it does on labelled images."""
    network = composition.network
    images = own_data(network)
    if data is not None:
        images = data if isinstance(data, Dataset) else read_data(data)
        images.check_fits(network.name, network.input_shape)
    evaluation = None if images is None else _evaluated(composition, composed, images, None)
    return ComposeReport(composition, composed, evaluation)


def _evaluated(
    composition: Composition, composed: ComposedNetwork, data: Dataset, network: Network | None
) -> Evaluation | None:
    """Return how a composed network does on all images of `data`, None if they have no labels.

    network : the one before, if its weights are known
    """
    if data.labels is None:
        return None
    reference = ComposedReference(composed)
    found = accuracy(reference.outputs(data.inputs), data.labels)
    before = None
    if network is not None:
        real = float_outputs(lower(network), network.load_parameters(), data.inputs)
        before = accuracy(real, data.labels)
    return Evaluation(
        data=f"{data.name}: {data.origin}",
        images=len(data),
        known=composition.known_among(data.inputs),
        accuracy=found,
        baseline_accuracy=before,
        overflows=reference.overflows,
    )


def _rms(errors: Any) -> float:
    return float(np.sqrt(np.mean(np.square(errors))))
