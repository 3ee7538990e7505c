"""A composition: a network's weights as codes and codebooks, in real numbers and at every level of its trees.

`Composition.at` makes the integers of one level and width of it, which is what a machine is loaded with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from simcore.errors import ConfigError, WorkloadError
from workloads.activation_functions import Clip, activations, chain_clips
from workloads.composition.activation_tables import activation_rows
from workloads.composition.block_graph import Block, Composable, is_looked_up
from workloads.composition.codebooks import CodebookTree, check_clusters
from workloads.composition.composed_network import (
    WIDTHS,
    ActivationTable,
    ComposedBlock,
    ComposedNetwork,
    Ints,
    Products,
)
from workloads.composition.weight_codes import WeightCodes
from workloads.data import image_digests
from workloads.nodes import AddNode, AvgPoolNode, TableNode
from workloads.prepared import PreparedNetwork
from workloads.scales import LARGEST_SCALE

Float = NDArray[np.float64]

#: Largest sum that fits, in largest sums seen when the network was composed: one bit to spare.
SPARE = 2.0

#: Products that the tables of one matrix may hold.
MOST_PRODUCTS = 2**26

#: Range of an activation table, in the range of sums seen; what lies beyond reads its last row.
TABLE_RANGE = 1.25


@dataclass(frozen=True)
class Round:
    """Errors once a network was clustered: shares of held-out images, by label or by the network's own class.

    retrained : rounds of retraining before
    """

    retrained: int
    error: float
    baseline_error: float

    @property
    def loss(self) -> float:
        """What composing costs."""
        return self.error - self.baseline_error


@dataclass(frozen=True, eq=False)
class Composition(PreparedNetwork):
    """All that composing finds out about a network, of which only the structure is used.

    form : the network as blocks and moves
    weights : of each matrix block
    codebooks : by their names in `form.codebook_of`
    ranges : least and largest sum of each block on the sample
    clusters : of weights and of inputs, that rounds were estimated at; the deepest level of every tree
    bits : width of products, sums and keys that rounds were estimated at
    rounds : the errors, round by round
    labelled : whether errors are of labels, or of the classes that the network itself finds
    data : where the images come from that it was composed with
    known : numbers that tell which these were, ascending
    """

    kind: ClassVar[str] = "a composition"

    form: Composable
    weights: Mapping[str, WeightCodes]
    codebooks: Mapping[str, CodebookTree]
    ranges: Mapping[str, tuple[float, float]]
    clusters: tuple[int, int]
    bits: int
    rounds: tuple[Round, ...] = field(default=())
    labelled: bool = True
    data: str = ""
    known: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))

    def known_among(self, images: NDArray[Any]) -> int:
        """Return how many of some images it was composed with, held out or not."""
        return int(np.isin(image_digests(images), self.known).sum())

    @property
    def best(self) -> Round:
        """The round whose weights these are: the first of those with the least error."""
        return min(self.rounds, key=lambda each: each.error)

    def at(
        self, weights: int | None = None, inputs: int | None = None, bits: int | None = None
    ) -> ComposedNetwork:
        """Return the integers with so many clusters and bits; those it was composed for unless given.

        raises : ConfigError for a level that the trees do not have, or a width other than 8, 16, 32;
            WorkloadError for numbers beyond single precision
        """
        deepest = self.clusters
        weights = deepest[0] if weights is None else weights
        inputs = deepest[1] if inputs is None else inputs
        width = self.bits if bits is None else bits
        check_clusters("weights", weights, deepest[0])
        check_clusters("inputs", inputs, deepest[1])
        if width not in WIDTHS:
            raise ConfigError(f"bits must be one of {', '.join(map(str, WIDTHS))} bit, got {width}")
        return _Integers(self, weights, inputs, width).network()


class _Integers:
    """Makes the integers of one level."""

    def __init__(self, composition: Composition, weights: int, inputs: int, bits: int) -> None:
        self._composition = composition
        self._weights, self._inputs, self._bits = weights, inputs, bits
        self._largest = (1 << (bits - 1)) - 1
        self._centres = {name: tree.at(inputs) for name, tree in composition.codebooks.items()}

    def network(self) -> ComposedNetwork:
        """Return all blocks."""
        composition = self._composition
        form = composition.form
        first = self._centres[form.codebook_of[form.lowered.input]]
        input_scale = self._scale(float(np.abs(first).max()), form.lowered.input)
        return ComposedNetwork(
            form=form,
            weights=self._weights,
            inputs=self._inputs,
            bits=self._bits,
            input_scale=input_scale,
            input_encoder=self._steps(first, input_scale),
            blocks={name: self._block(block) for name, block in form.blocks.items()},
            centres=self._centres,
        )

    def _block(self, block: Block) -> ComposedBlock:
        composition = self._composition
        node, weights = block.total, composition.weights.get(block.name)
        low, high = composition.ranges[block.name]
        reads = [self._centres[composition.form.codebook_of[source]] for source in node.inputs]
        table = terms = None
        if weights is not None:
            books = weights.tree.at(self._weights)
            if books.size * self._inputs > MOST_PRODUCTS:
                raise ConfigError(
                    f"{block.name} has {books.size * self._inputs} products with {self._weights} clusters of "
                    f"weights and {self._inputs} of inputs, at most {MOST_PRODUCTS} are made; take fewer"
                )
            table = books[:, :, None] * reads[0]
            addends = np.concatenate([table.ravel(), weights.bias])
        else:
            terms = np.array(
                [factor * centres for factor, centres in zip(_factors(block), reads, strict=True)]
            )
            addends = terms
        scale = self._scale(max(SPARE * max(-low, high), float(np.abs(addends).max())), block.name)
        products = None
        if weights is not None:
            products = Products(
                table=self._steps(table, scale).astype(np.int32),
                codes=weights.at(self._weights),
                bias=self._steps(weights.bias, scale),
            )
        activation, value_scale = self._activation(block, scale)
        bounds = _clip(block)
        codebook = composition.form.codebook_of.get(block.name)
        return ComposedBlock(
            block=block,
            products=products,
            terms=None if terms is None else self._steps(terms, scale).astype(np.int32),
            low=self._bound(bounds[0], scale, -self._largest - 1),
            high=self._bound(bounds[1], scale, self._largest),
            activation=activation,
            sum_scale=scale,
            scale=value_scale,
            encoder=None if codebook is None else self._steps(self._centres[codebook], value_scale),
        )

    def _activation(self, block: Block, scale: float) -> tuple[ActivationTable | None, float]:
        """Return a block's activation table, and the scale of what leaves it."""
        function = block.function
        if function is None or not is_looked_up(function):
            return None, scale
        low, high = (TABLE_RANGE * bound for bound in self._composition.ranges[block.name])
        sums, values = activation_rows(function, low, high)
        value_scale = self._scale(float(np.abs(values).max()), block.name)
        return ActivationTable(self._steps(sums, scale), self._steps(values, value_scale)), value_scale

    def _scale(self, largest: float, where: str) -> float:
        """Return the step in which numbers up to `largest` fit; 1 for zeros."""
        if not largest <= LARGEST_SCALE:
            raise WorkloadError(
                f"{self._composition.network.name}: numbers of {where} reach {largest:.3g}, beyond single "
                "precision; scale weights or images down"
            )
        return float(largest) / self._largest or 1.0

    def _steps(self, numbers: NDArray[Any] | None, scale: float) -> Ints:
        """Return numbers in steps, the end ones for those that do not fit."""
        assert numbers is not None
        return np.clip(np.rint(numbers / scale), -self._largest - 1, self._largest).astype(np.int64)

    def _bound(self, bound: float | None, scale: float, end: int) -> int:
        return end if bound is None else int(self._steps(np.array(bound), scale))


def _clip(block: Block) -> Clip:
    """Return all that clips a block's sum: its own bounds, and a function that does nothing else."""
    function = block.function
    own = block.total.clip if block.total is not function else (None, None)
    if function is None or (bounds := activations[function.function].clip) is None:
        return own
    return chain_clips(chain_clips(own, bounds), function.clip)


def _factors(block: Block) -> list[float]:
    """Return what each tensor is multiplied by in a sum of tensors, a mean, or a sum of one."""
    match block.total:
        case AddNode(signs=signs, inputs=inputs):
            return [float(sign) for sign in signs or (1,) * len(inputs)]
        case AvgPoolNode() as node:
            return [1.0 / float(node.counts.ravel()[0])]
        case TableNode():
            return [1.0]
    raise TypeError(f"{block.name}: no terms for {type(block.total).__name__}")
