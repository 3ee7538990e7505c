"""Which networks can be trained: chains of matrices, each with a ReLU and max pools behind it, or not."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from simcore.errors import WorkloadError
from workloads.layers import Shape
from workloads.nodes import LoweredNetwork, MatrixNode, MaxPoolNode, Node

_TAKEN = "training takes a chain of Conv2d, Linear, ReLU and MaxPool2d"


@dataclass(frozen=True)
class TrainedStage:
    """A matrix with biases, the ReLU on it, and the max pools behind.

    matrix : the node; its biases are weights of a further row, whose input is 1
    pools : none, or those between it and the next matrix
    rectified : whether a ReLU follows; before or behind a max pool is the same
    """

    matrix: MatrixNode
    pools: tuple[MaxPoolNode, ...]
    rectified: bool

    @property
    def name(self) -> str:
        """Name of the matrix."""
        return self.matrix.name

    @property
    def weights_shape(self) -> tuple[int, int]:
        """Rows, the one of the biases last, and columns."""
        return self.matrix.rows + 1, self.matrix.cols

    @property
    def in_shape(self) -> Shape:
        """Shape of what it reads."""
        return self.matrix.in_shapes[0]

    @property
    def shape(self) -> Shape:
        """Shape of what the next stage reads."""
        return (self.pools[-1] if self.pools else self.matrix).shape

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one product with an image, biases left out."""
        return self.matrix.macs


def trained_stages(network: LoweredNetwork) -> tuple[TrainedStage, ...]:
    """Return the stages of a network that can be trained.

    raises : WorkloadError that names the first layer which is in the way
    """
    stages: list[TrainedStage] = []
    source = network.input
    for node in network.nodes:
        if node.inputs != (source,):
            raise WorkloadError(
                f"{network.name}.{node.name} reads {', '.join(node.inputs)}, not the layer before it alone; "
                f"{_TAKEN}"
            )
        source = node.name
        if isinstance(node, MatrixNode):
            stages.append(_stage(network.name, node))
        elif isinstance(node, MaxPoolNode) and stages:
            last = stages[-1]
            rectified = last.rectified or _is_rectified(network.name, node)
            stages[-1] = TrainedStage(last.matrix, (*last.pools, node), rectified)
        else:
            kind = type(node).__name__.removesuffix("Node")
            where = " before any matrix" if isinstance(node, MaxPoolNode) else ""
            raise WorkloadError(
                f"{network.name}.{node.name} is of kind {kind}{where}, whose error is not propagated; "
                f"{_TAKEN}"
            )
    if not stages or stages[-1].shape[1:] != (1, 1):
        shape = stages[-1].shape if stages else network.input_shape
        raise WorkloadError(
            f"{network.name} gives {shape}, but training compares a value for each class with a label; "
            "end it with a Linear layer"
        )
    return tuple(stages)


def chain_macs(stages: tuple[TrainedStage, ...]) -> int:
    """Return the multiply-accumulates of one trained image.

    Every stage multiplies for its output and for its gradient, and all but the first for the error of what
    it reads.
    """
    return 3 * sum(stage.macs for stage in stages) - stages[0].macs


def weight_count(stages: tuple[TrainedStage, ...]) -> int:
    """Return the trained numbers, biases included."""
    return sum(prod(stage.weights_shape) for stage in stages)


def _stage(network: str, node: MatrixNode) -> TrainedStage:
    if node.norms:
        kind = type(node.norms[0]).__name__
        raise WorkloadError(
            f"{network}.{node.norms[0].name} is a {kind}, whose statistics change with every batch "
            f"and are not trained here; leave it out, as {_TAKEN}"
        )
    if node.groups > 1:
        raise WorkloadError(f"{network}.{node.name} has {node.groups} groups; {_TAKEN} of one group")
    return TrainedStage(node, (), _is_rectified(network, node))


def _is_rectified(network: str, node: Node) -> bool:
    if node.clip not in ((None, None), (0.0, None)):
        raise WorkloadError(
            f"{network}.{node.name} clips its output to {node.clip}, whose error is not propagated; {_TAKEN}"
        )
    return node.clip == (0.0, None)
