"""The composer: cluster weights and inputs, estimate the error, retrain, and again.

    for each round: cluster weights, cluster sampled inputs, see the ranges of sums
        stop if the error on held-out images is at most `tolerance` above the network's own
        otherwise retrain the clustered network for some epochs

Source: the loop is RAPIDNN's (Imani et al., 2018), recalled; how weights move in it is assumed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.errors import ConfigError, WorkloadError
from workloads.composition.block_graph import Block, Composable, composable
from workloads.composition.codebooks import check_clusters, cluster
from workloads.composition.composed_network import WIDTHS
from workloads.composition.composed_reference import ComposedReference
from workloads.composition.composition import Composition, Round
from workloads.composition.folded_weights import fold_weights, tensors_before_clipping
from workloads.composition.retraining import retrain
from workloads.composition.weight_codes import code_weights, snapped
from workloads.data import Dataset
from workloads.folding import FoldedWeights
from workloads.lowering import lower
from workloads.network import Network

#: Of as many images one is held out, for the estimate of errors.
HOLD_OUT = 5

#: Share of the other images whose activations are sampled (recalled, of little certainty), and least number.
SAMPLE_SHARE, LEAST_SAMPLE = 0.02, 128

#: Values of a codebook that are clustered, spread evenly over those sampled.
MOST_SAMPLED = 2**20

#: Called with what is being done.
Observer = Callable[[str], None]


@dataclass(frozen=True)
class ComposeOptions:
    """How to compose.

    weights, inputs : clusters of a codebook of weights, and of one of inputs
    bits : width of products, sums and keys
    rounds : most rounds of retraining
    tolerance : loss that ends the rounds, as a share of images; the published quality loss unless given
    """

    weights: int = 64
    inputs: int = 64
    bits: int = 16
    rounds: int = 0
    tolerance: float = 0.003


def compose(
    network: Network,
    data: Dataset,
    options: ComposeOptions = ComposeOptions(),
    observe: Observer = lambda what: None,
) -> Composition:
    """Return a network as tables, made with some images.

    data : every fifth image is held out for the estimate; with labels errors are theirs, without them they
        are classes that differ from the network's own
    raises : ConfigError for sizes that cannot be, WorkloadError for a network that cannot be composed, for
        images that are too few or do not fit, and for retraining without labels
    """
    check_clusters("weights", options.weights)
    check_clusters("inputs", options.inputs)
    if options.bits not in WIDTHS:
        raise ConfigError(f"bits must be one of {', '.join(map(str, WIDTHS))} bit, got {options.bits}")
    if options.rounds < 0:
        raise ConfigError(f"rounds of retraining must be at least 0, got {options.rounds}")
    data.check_fits(network.name, network.input_shape)
    if len(data) < HOLD_OUT:
        raise WorkloadError(
            f"{data.name} holds {len(data)} images, but one in {HOLD_OUT} is held out to estimate errors; "
            f"bring {HOLD_OUT} or more"
        )
    if options.rounds and data.labels is None:
        raise WorkloadError(
            f"{data.name} has no labels to retrain {network.name} by; add an array 'labels', or leave "
            "retraining out"
        )
    lowered = lower(network)
    form = composable(lowered)
    classes = prod(form.lowered[form.lowered.output].shape)
    if data.labels is not None and data.labels.max() >= classes:
        raise WorkloadError(
            f"{data.name} has labels up to {data.labels.max()}, but {network.name} tells {classes} classes; "
            f"give labels below {classes}"
        )
    return _Composer(network, form, data, options, observe).run(
        fold_weights(lowered, form, network.load_parameters())
    )


class _Composer:
    """The loop."""

    def __init__(
        self, network: Network, form: Composable, data: Dataset, options: ComposeOptions, observe: Observer
    ) -> None:
        self._network, self._form, self._options, self._observe = network, form, options, observe
        self._data = data
        held_out = np.arange(len(data)) % HOLD_OUT == HOLD_OUT - 1
        self._test_inputs, self._inputs = data.inputs[held_out], data.inputs[~held_out]
        self._test_labels = self._labels = data.labels
        if data.labels is not None:
            self._test_labels, self._labels = data.labels[held_out], data.labels[~held_out]
        count = max(LEAST_SAMPLE, round(SAMPLE_SHARE * len(self._inputs)))
        self._sample = self._inputs[:: max(1, len(self._inputs) // count)][:count]

    def run(self, weights: dict[str, FoldedWeights]) -> Composition:
        """Return the composition of the best round."""
        options = self._options
        own = self._classes(weights)
        truth = own if self._test_labels is None else self._test_labels
        baseline = _error(own, truth)
        latest = best = self._clustered(weights)
        rounds = [Round(0, self._error(latest, truth), baseline)]
        while len(rounds) <= options.rounds and rounds[-1].loss > options.tolerance:
            self._observe(f"retraining, round {len(rounds)} of {options.rounds}")
            weights = self._retrained(weights, latest, seed=len(rounds))
            latest = self._clustered(weights)
            rounds.append(Round(len(rounds), self._error(latest, truth), baseline))
            if rounds[-1].error < min(each.error for each in rounds[:-1]):
                best = latest
        return replace(best, rounds=tuple(rounds))

    def _retrained(
        self, weights: Mapping[str, FoldedWeights], clustered: Composition, seed: int
    ) -> dict[str, FoldedWeights]:
        """Return weights after a round, in which the codebooks of inputs stay."""
        assert self._labels is not None
        centres = {name: tree.at(self._options.inputs) for name, tree in clustered.codebooks.items()}
        return retrain(self._form, weights, centres, self._inputs, self._labels, self._options.weights, seed)

    def _error(self, composition: Composition, truth: NDArray[Any]) -> float:
        """Return the share of the held-out images that a composition gets wrong."""
        return _error(_classes(ComposedReference(composition.at()).outputs(self._test_inputs)), truth)

    @np.errstate(over="ignore", invalid="ignore")  # which is told as an error
    def _classes(self, weights: Mapping[str, FoldedWeights]) -> NDArray[np.intp]:
        """Return the classes of the held-out images in real numbers."""
        return np.concatenate(
            [
                _classes(dict(self._tensors(weights, part))[self._form.lowered.output])
                for part in self._form.lowered.batches(self._test_inputs)
            ]
        )

    def _tensors(
        self, weights: Mapping[str, FoldedWeights], images: NDArray[Any]
    ) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield tensors as `tensors_before_clipping`; WorkloadError for a sum that is not finite."""
        sums = {_sum_of(block): name for name, block in self._form.blocks.items()}
        for name, tensor in tensors_before_clipping(self._form, weights, images):
            if name in sums and not np.isfinite(tensor).all():
                raise WorkloadError(
                    f"{self._network.name}: sums of {sums[name]} are beyond single precision; "
                    "scale weights or images down"
                )
            yield name, tensor

    def _clustered(self, weights: Mapping[str, FoldedWeights]) -> Composition:
        """Return weights and sampled inputs as codebooks."""
        options, form = self._options, self._form
        coded = {
            name: code_weights(own, options.weights, shared=form.blocks[name].is_fully_connected)
            for name, own in weights.items()
        }
        values, ranges = self._sampled({n: snapped(own, coded[n]) for n, own in weights.items()})
        trees = {name: cluster(some, options.inputs)[0] for name, some in values.items()}
        return Composition(
            network=self._network,
            form=form,
            weights=coded,
            codebooks=trees,
            ranges=ranges,
            clusters=(options.weights, options.inputs),
            bits=options.bits,
            labelled=self._labels is not None,
            data=f"{self._data.name}: {self._data.origin}",
            known=np.unique(self._data.digests),
        )

    @np.errstate(over="ignore", invalid="ignore")
    def _sampled(
        self, weights: Mapping[str, FoldedWeights]
    ) -> tuple[dict[str, NDArray[np.float64]], dict[str, tuple[float, float]]]:
        """Return what blocks read, by codebook, and the range of every block's sums, over the sample."""
        form = self._form
        read = {tensor: book for book, tensors in form.read_by_blocks.items() for tensor in tensors}
        sums = {name: _sum_of(block) for name, block in form.blocks.items()}
        values: dict[str, list[NDArray[Any]]] = {book: [] for book in form.read_by_blocks}
        ranges = dict.fromkeys(form.blocks, (0.0, 0.0))
        for part in form.lowered.batches(self._sample):
            for name, tensor in self._tensors(weights, part):
                if name in read:
                    tensors = len(form.read_by_blocks[read[name]])
                    most = max(1, MOST_SAMPLED * len(part) // len(self._sample) // tensors)
                    values[read[name]].append(tensor.ravel()[:: -(-tensor.size // most)])
                for block in (block for block, tensor_name in sums.items() if tensor_name == name):
                    low, high = ranges[block]
                    ranges[block] = (min(low, float(tensor.min())), max(high, float(tensor.max())))
        return {book: np.concatenate(some).astype(np.float64) for book, some in values.items()}, ranges


def _sum_of(block: Block) -> str:
    """Return the tensor that holds a block's sums in the graph without clippings."""
    return block.total.inputs[0] if block.total is block.function else f"{block.total.name}.sum"


def _classes(outputs: NDArray[Any]) -> NDArray[np.intp]:
    classes: NDArray[np.intp] = outputs.reshape(len(outputs), -1).argmax(axis=1)
    return classes


def _error(classes: NDArray[np.intp], truth: NDArray[Any]) -> float:
    return float(np.mean(classes != truth))
