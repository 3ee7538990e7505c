"""Which networks can be composed, and the form in which they are: sums, what is done to them, and moves.

A network becomes blocks and moves. A block adds numbers up (products of a matrix, several tensors, the pixels
of a mean), may put the sum through a function, and encodes the result. Moves pass codes on as they are: max
pools, selections, concatenations. All tensors that moves connect share one codebook, so that codes keep their
meaning, and its centres ascend, so that the largest code is the largest value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from simcore.errors import WorkloadError
from workloads.activation_functions import OPEN, activations, chain_clips, holds_zero
from workloads.nodes import (
    AddNode,
    AffineNode,
    AvgPoolNode,
    ConcatNode,
    LoweredNetwork,
    MatrixNode,
    MaxPoolNode,
    Node,
    SelectNode,
    SoftmaxNode,
    TableNode,
)
from workloads.window import Window

#: What adds numbers up.
SUMS = MatrixNode | AddNode | AvgPoolNode
#: What passes codes on.
MOVES = MaxPoolNode | SelectNode | ConcatNode


def is_looked_up(function: TableNode | None) -> bool:
    """Whether a function takes a table: any but those that do no more than clip."""
    return function is not None and activations[function.function].clip is None


@dataclass(frozen=True)
class Block:
    """One sum, what is done to it, and which tensor that is.

    total : what adds up; of a function of a tensor of codes, the function's own node, a sum of one
    function : what the sum is looked up in, None if it is at most clipped
    """

    total: Node
    function: TableNode | None = None

    @property
    def name(self) -> str:
        """Name of the block, and of the tensor it gives."""
        return self.total.name if self.function is None else self.function.name

    @property
    def is_fully_connected(self) -> bool:
        """Whether it is a matrix with one output pixel, whose columns share a codebook."""
        node = self.total
        return isinstance(node, MatrixNode) and node.groups == 1 and node.shape[1:] == (1, 1)


@dataclass(frozen=True)
class Composable:
    """A network as blocks and moves.

    lowered : its graph, in which only a matrix, a sum or a mean clips, and nothing is an affine node
    """

    lowered: LoweredNetwork

    @cached_property
    def steps(self) -> tuple[Block | Node, ...]:
        """Blocks, and the nodes that move codes, in order."""
        fused = {name for node in self.lowered.nodes if (name := self._fused_function(node)) is not None}
        steps: list[Block | Node] = []
        for node in self.lowered.nodes:
            if isinstance(node, SUMS):
                name = self._fused_function(node)
                function = None if name is None else self.lowered[name]
                assert function is None or isinstance(function, TableNode)
                steps.append(Block(node, function))
            elif isinstance(node, TableNode):
                if node.name not in fused:
                    steps.append(Block(node, node))
            else:
                steps.append(node)
        return tuple(steps)

    @cached_property
    def blocks(self) -> Mapping[str, Block]:
        """Blocks by name, in order."""
        return {step.name: step for step in self.steps if isinstance(step, Block)}

    @cached_property
    def codebook_of(self) -> Mapping[str, str]:
        """Name of the codebook of every tensor of codes: that of the first tensor that has it."""
        home = {self.lowered.input: self.lowered.input}
        for step in self.steps:
            home[step.name] = step.name
        for step in self.steps:
            if isinstance(step, MOVES):
                first, *others = dict.fromkeys([*(home[source] for source in step.inputs), step.name])
                home = {tensor: first if held in others else held for tensor, held in home.items()}
        del home[self.lowered.output]
        return home

    @cached_property
    def read_by_blocks(self) -> Mapping[str, tuple[str, ...]]:
        """Tensors that blocks read, by codebook."""
        read: dict[str, dict[str, None]] = {}
        for block in self.blocks.values():
            for source in block.total.inputs:
                read.setdefault(self.codebook_of[source], {})[source] = None
        return {codebook: tuple(tensors) for codebook, tensors in read.items()}

    def opened(self) -> LoweredNetwork:
        """Return the graph in which each sum is a tensor of its own, `NAME.sum`, before its clipping."""
        nodes: list[Node] = []
        for node in self.lowered.nodes:
            if isinstance(node, SUMS):
                bare = replace(node, name=f"{node.name}.sum", clip=OPEN)
                nodes += [bare, _clipping(node, bare.name)]
            else:
                nodes.append(node)
        return replace(self.lowered, nodes=tuple(nodes))

    def _fused_function(self, node: Node) -> str | None:
        """Return the function that alone reads a sum, so that no code comes between them."""
        readers = self.lowered.consumers[node.name]
        if not isinstance(node, SUMS) or len(readers) != 1:
            return None
        return readers[0] if isinstance(self.lowered[readers[0]], TableNode) else None


def composable(lowered: LoweredNetwork) -> Composable:
    """Return a network in the form that is composed.

    A softmax at the end is left out: the class is that of the largest sum before it.

    raises : WorkloadError for what tables and searches cannot do
    """
    output, nodes = lowered.output, list(lowered.nodes)
    last = nodes[-1] if nodes else None
    if isinstance(last, SoftmaxNode) and last.is_plain and last.name == output:
        output = nodes.pop().inputs[0]
    if not nodes:
        raise WorkloadError(f"{lowered.name} has no layer that adds anything up; compose another network")
    made: dict[str, Node] = {}
    for node in nodes:
        _check(lowered.name, node)
        match node:
            case AffineNode():
                pixel = Window(kernel=(1, 1))
                channels = node.shape[0]
                made[node.name] = MatrixNode(
                    name=node.name,
                    inputs=node.inputs,
                    in_shapes=node.in_shapes,
                    shape=node.shape,
                    clip=node.clip,
                    window=pixel,
                    groups=channels,
                    cols=channels,
                )
            case MaxPoolNode() | SelectNode() | ConcatNode() if node.clip != OPEN:
                _move_clip(lowered, node, made)
            case MatrixNode():
                made[node.name] = replace(node, norms=())
            case _:
                made[node.name] = node
    graph = replace(lowered, nodes=tuple(made.values()), output=output)
    form = Composable(graph)
    if output not in form.blocks:
        raise WorkloadError(
            f"{lowered.name} ends in {output}, which adds nothing up, so no sums tell classes; "
            "end it in a matrix, a sum or a mean"
        )
    _check_zeros(form)
    return form


def _check(network: str, node: Node) -> None:
    """Refuse what cannot be composed."""
    where = f"{network}.{node.name}"
    if isinstance(node, AvgPoolNode):
        if len(set(node.counts.ravel().tolist())) > 1:
            raise WorkloadError(
                f"{where} divides by {node.counts.min()} to {node.counts.max()} pixels, but a mean has one "
                "table for all its positions; let it count its padding, or pad less"
            )
    elif not isinstance(node, SUMS | MOVES | AffineNode | TableNode):
        kind = type(node).__name__.removesuffix("Node")
        raise WorkloadError(
            f"{where} is of the kind {kind}, which tables of one code cannot compute; composed are matrices, "
            "sums, means, max pools, selections, concatenations, functions, and a softmax at the end"
        )


def _move_clip(lowered: LoweredNetwork, node: Node, made: dict[str, Node]) -> None:
    """Add a node whose clipping a sum does: the one before it if nothing else reads that, or one of its own.

    A clipping keeps the order of values, so that it may change places with a max pool or a selection.
    """
    bounds, source = node.clip, node.inputs[0]
    before = made.get(source)
    alone = len(lowered.consumers[source]) == 1 and isinstance(before, SUMS | TableNode)
    keeps_zeros = holds_zero(bounds) or not _picks_zeros(node)
    if alone and before is not None and keeps_zeros and not isinstance(node, ConcatNode):
        made[source] = replace(before, clip=chain_clips(before.clip, bounds))
        made[node.name] = replace(node, clip=OPEN)
    else:
        bare = replace(node, name=f"{node.name}.moved", clip=OPEN)
        made[bare.name] = bare
        made[node.name] = _clipping(node, bare.name)


def _clipping(node: Node, source: str) -> TableNode:
    """Return what clips `source` as `node` does, under its name."""
    return TableNode(
        name=node.name,
        inputs=(source,),
        in_shapes=(node.shape,),
        shape=node.shape,
        clip=node.clip,
        function="identity",
    )


def _picks_zeros(node: Node) -> bool:
    """Whether a selection has zeros that are no pixels of its input."""
    if not isinstance(node, SelectNode):
        return False
    return any(-1 in places for places in (node.channels, node.rows, node.columns) if places is not None)


def _check_zeros(form: Composable) -> None:
    """Refuse a max pool over zeros that no code stands for."""
    padded: dict[str, str] = {}
    for step in form.steps:
        if isinstance(step, MaxPoolNode) and step.inputs[0] in padded:
            raise WorkloadError(
                f"{form.lowered.name}.{step.name} compares with the zeros that {padded[step.inputs[0]]} puts "
                "in, but no code stands for them; let the pool pad by itself"
            )
        if isinstance(step, MOVES):
            found = [padded[source] for source in step.inputs if source in padded]
            if _picks_zeros(step):
                found.append(step.name)
            if found:
                padded[step.name] = found[0]
