"""From a lowered network to the stages of a pipeline: what one core computes, and what it reads.

A stage is a matrix, a pool or a join, with all pointwise work behind it that its digital unit does on the way
out. A join (sum, product, concatenation) belongs to the last convolution of its longest branch (the
residual's main path, the end of a dense unit), whose core then waits for its window and for the other
operands' pixels. Batch norms and tables in front of a single reader are done where that reader stores its
pixels, and a selection of channels where any reader does. The join behind a selection of pixels picks them by
itself; elsewhere the selection is a stage of its own.

Each product of attention is a stage, too: keys or values stay in its memory while the tokens of an image
pass, queries or shares, each of which reads those that it sees. A softmax is done on the first one's way out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from arch.mapping.adjacent_pixels import AdjacentPixels, widened
from arch.mapping.firing import Firing, attending, elementwise, led_by, picking, sliding
from arch.mapping.sizes import bytes_of
from simcore import MappingError
from simcore.registry import near_miss
from workloads import (
    AddEmbeddingNode,
    AddNode,
    AffineNode,
    AvgPoolNode,
    ClassTokenNode,
    ConcatNode,
    LayerNormNode,
    LocalResponseNormNode,
    LoweredNetwork,
    MatrixNode,
    MaxPoolNode,
    MixNode,
    MulNode,
    Node,
    ScoresNode,
    SelectNode,
    Shape,
    SoftmaxNode,
    TableNode,
    TokenNode,
    Window,
    vocabulary,
)

#: What one pixel of each operand makes one of.
Join = AddNode | MulNode | ConcatNode

#: What one pixel makes one of, in place.
Pointwise = AffineNode | TableNode | SoftmaxNode | LayerNormNode | AddEmbeddingNode

#: Products of two computed tensors.
Attention = ScoresNode | MixNode


@dataclass(frozen=True, eq=False)
class Operand:
    """A tensor that a stage reads.

    source : name of the stage (or of the network's input) that sends it
    firing : which of its pixels each step needs
    shape : of the tensor as it is stored
    before : nodes done on each pixel as it is stored: a selection of its channels, then pointwise ones
    picked : the selection that says which of its pixels each step picks, None where it reads them by the head
    id_bits : of a token id, if these are ids; None for activations
    in_cells : whether its pixels lie in arrays, and take no memory
    """

    source: str
    firing: Firing
    shape: Shape
    before: tuple[Node, ...] = ()
    picked: SelectNode | None = None
    id_bits: int | None = None
    in_cells: bool = False

    def pixel_bytes(self, bits: int) -> int:
        """Return the bytes of memory that a stored pixel takes, of activations of so many bits, or of ids."""
        return 0 if self.in_cells else bytes_of(self.shape[0] * (self.id_bits or bits))

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Nodes that are done on the way in."""
        return self.before if self.picked is None else (*self.before, self.picked)


@dataclass(eq=False)
class Stage:
    """One vertex of the pipeline.

    head : the node it is named after
    operands : what it reads; the window's operand first, and keys or values before what reads them
    after : nodes done on each pixel on the way out, in order: pointwise ones and joins with other operands
    accumulates : a global pool, whose steps are input pixels
    adjacent : what its arrays hold if a step gives several pixels, None if one
    written : what its arrays hold of keys or values, written token by token; None if they hold none
    """

    head: Node
    operands: list[Operand]
    after: list[Node] = field(default_factory=list)
    accumulates: bool = False
    adjacent: AdjacentPixels | None = None
    written: MatrixNode | None = None

    @property
    def name(self) -> str:
        """Name of the stage and of its core."""
        return self.head.name

    @property
    def output(self) -> str:
        """Name of the tensor that it sends."""
        return (self.after[-1] if self.after else self.head).name

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes it does, in order, those on stored pixels first."""
        on_the_way_in = (node for operand in self.operands for node in operand.nodes if node is not self.head)
        return (*on_the_way_in, self.head, *self.after)

    @property
    def shape(self) -> Shape:
        """Shape of what it sends."""
        return (self.after[-1] if self.after else self.head).shape

    @property
    def pixels(self) -> int:
        """Output pixels of one image."""
        return self.shape[1] * self.shape[2]

    @property
    def steps(self) -> int:
        """Firings for one image."""
        return self.operands[0].firing.steps

    def pixel_bits(self, bits: int) -> int:
        """Return the bits of a pixel that it sends, of activations of so many bits, or of ids."""
        ids = self.operands[0].id_bits if isinstance(self.head, SelectNode) else None
        return self.shape[0] * (ids or bits)

    @property
    def matrix(self) -> MatrixNode | None:
        """The weights that its arrays hold; None if they hold none."""
        return self.adjacent or (self.head if isinstance(self.head, MatrixNode) else None)

    @property
    def attention(self) -> Attention | None:
        """The product of two computed tensors that it is, None if it is none."""
        return self.head if isinstance(self.head, Attention) else None

    @property
    def pixels_per_step(self) -> int:
        """Output pixels of a firing, but for the last of a row."""
        return self.adjacent.pixels if self.adjacent is not None else 1

    @property
    def finishing_steps(self) -> NDArray[np.int64]:
        """The firing that finishes each output pixel of an image, (pixels,)."""
        if self.accumulates:
            return np.arange(self.steps)[-self.pixels :]
        _, rows, across = self.shape
        per_row = self.steps // rows
        return np.add.outer(np.arange(rows) * per_row, np.arange(across) // self.pixels_per_step).ravel()

    @property
    def steps_per_pixel(self) -> int:
        """Firings for one output pixel: one, or as many as a global pool's input has pixels."""
        return self.steps if self.accumulates else 1


def window_of(stage: Stage) -> Window | None:
    """Return what slides over a stage's first operand, None if it has no window."""
    head = stage.head
    if isinstance(head, (MatrixNode, MaxPoolNode, AvgPoolNode)) and not stage.accumulates:
        return head.window
    return None


def kernel_height(stage: Stage) -> int:
    """Return the pixels in one column of a stage's window, gaps left out; 1 if it has no window."""
    window = window_of(stage)
    return 1 if window is None else window.kernel[0]


def with_pixels_per_step(stage: Stage, pixels: int) -> Stage:
    """Return a stage with weights that gives so many adjacent pixels a step, or a row if it has no more.

    raises : MappingError for a window that cannot
    """
    head = stage.head
    assert isinstance(head, MatrixNode)
    across = head.shape[2]
    pixels = min(pixels, across)
    if pixels == 1:
        return stage
    adjacent = widened(head, pixels)
    first, *others = stage.operands
    operands = [replace(first, firing=sliding(adjacent.window, first.shape[1:]))]
    operands += [replace(operand, firing=operand.firing.grouped(across, pixels)) for operand in others]
    return replace(stage, operands=operands, adjacent=adjacent)


def stages_to_map(network: LoweredNetwork, chosen: Iterable[str], *, of_tokens: bool = False) -> list[Stage]:
    """Return the stages of a network, and make sure that it has those that a configuration names.

    chosen : layers with weights for which something is set
    of_tokens : see `stages_of`
    raises : MappingError for a network without layers, or without one of those
    """
    (stages,) = stages_of_each([network], chosen, of_tokens=of_tokens)
    return stages


def stages_of_each(
    networks: Sequence[LoweredNetwork], chosen: Iterable[str], *, of_tokens: bool = False
) -> list[list[Stage]]:
    """Return the stages of networks on one machine; a layer that a configuration names may be of any of them.

    chosen, of_tokens, raises : as with `stages_to_map`
    """
    pipelines = [stages_of(network, of_tokens=of_tokens) for network in networks]
    for network, stages in zip(networks, pipelines, strict=True):
        if not stages:
            raise MappingError(
                f"{network.name} has no layers, so there is nothing to map; give it at least one"
            )
    weighted = [stage.name for stages in pipelines for stage in stages if stage.matrix is not None]
    for name in chosen:
        if name not in weighted:
            who = " nor ".join(network.name for network in networks)
            has = f"{who} has no" if len(networks) == 1 else f"neither {who} has a"
            raise MappingError(
                f"layers.{name}: {has} layer with weights of that name; {near_miss(name, weighted)}"
            )
    return pipelines


def stages_of(network: LoweredNetwork, *, of_tokens: bool = False) -> list[Stage]:
    """Return the pipeline's stages in an order in which each comes after those it reads.

    of_tokens : whether the machine has parts for what only transformers have
    raises : MappingError for what no digital unit does
    """
    foreign = [node.name for node in network.nodes if isinstance(node, LocalResponseNormNode)]
    if foreign:
        raise MappingError(
            f"{network.name} has local response norms ({', '.join(foreign)}), which no part of this machine "
            "computes; remove them, or train the network with batch norms in their place"
        )
    tokens = [node.name for node in network.nodes if not of_tokens and _is_of_tokens(node)]
    if tokens:
        shown = ", ".join(tokens[:3]) + (f" and {len(tokens) - 3} more" if len(tokens) > 3 else "")
        raise MappingError(
            f"{network.name} has layers of transformers ({shown}), but no part of this machine computes "
            "products of two tensors, layer norms, embeddings or softmaxes of heads; choose another network"
        )
    return _Staging(network).run()


def _is_of_tokens(node: Node) -> bool:
    """Whether a node is one that only transformers have."""
    return isinstance(node, TokenNode) or (isinstance(node, SoftmaxNode) and not node.is_plain)


class _Staging:
    """One pass over the nodes; `sender` knows who sends each tensor (None: the network's input)."""

    def __init__(self, network: LoweredNetwork) -> None:
        self.network = network
        self.stages: list[Stage] = []
        self.sender: dict[str, Stage | None] = {network.input: None}
        # tensor -> what its reader reads in its place, and does on the way in
        self.waiting: dict[str, tuple[str, tuple[Node, ...], SelectNode | None]] = {}
        self.longest = self._longest_operands()
        entries = vocabulary(network)
        # tensors of token ids, and their bits
        self.ids = {} if entries is None else {network.input: max(1, (entries - 1).bit_length())}

    def run(self) -> list[Stage]:
        """Place every node and return the stages."""
        for node in self.network.nodes:
            self._place(node)
        return self.stages

    def _place(self, node: Node) -> None:
        before = self.sender.get(node.inputs[0])
        if isinstance(node, Join) and (host := self._host(node)) is not None:
            host.operands += [self._operand(name) for name in node.inputs if name != host.output]
            self._append(host, node)
        elif isinstance(node, Pointwise) and before is not None and self._only(node, before):
            self._append(before, node)
        elif isinstance(node, AffineNode | TableNode) and self._single_reader(node):
            source, done, _ = self._in_place_of(node.inputs[0])
            self.waiting[node.name] = (source, (*done, node), None)
        elif isinstance(node, SelectNode) and self._chooses_channels(node):
            self.waiting[node.name] = (node.inputs[0], (node,), None)
        elif isinstance(node, SelectNode) and self._joins(node):
            source, done, _ = self._in_place_of(node.inputs[0])
            self.waiting[node.name] = (source, done, node)
        else:
            self._add_stage(node)

    def _add_stage(self, node: Node) -> None:
        operands = [self._operand(name, node) for name in node.inputs]
        if isinstance(node, Attention):
            moving, stored = operands
            operands = [replace(stored, firing=attending(node.visible, node.keys)), moving]
        stage = Stage(node, operands, accumulates=_is_global(node))
        self.stages.append(stage)
        self.sender[node.name] = stage
        if isinstance(node, SelectNode) and (bits := operands[0].id_bits):
            self.ids[node.name] = bits

    def _append(self, stage: Stage, node: Node) -> None:
        stage.after.append(node)
        self.sender[node.name] = stage
        # A stage that took in a join must stand behind all it reads.
        self.stages.remove(stage)
        self.stages.append(stage)

    def _only(self, node: Node, sender: Stage) -> bool:
        """Whether nobody but `node` reads what `sender` sends."""
        return sender.output == node.inputs[0] and self._readers(node.inputs[0]) == (node.name,)

    def _readers(self, tensor: str) -> tuple[str, ...]:
        readers = self.network.consumers[tensor]
        return (*readers, "the user") if tensor == self.network.output else readers

    def _single_reader(self, node: Node) -> bool:
        return len(self.network.consumers[node.name]) == 1 and node.name != self.network.output

    def _in_place_of(self, tensor: str) -> tuple[str, tuple[Node, ...], SelectNode | None]:
        return self.waiting.get(tensor, (tensor, (), None))

    def _chooses_channels(self, node: SelectNode) -> bool:
        """Whether all that `node` does is to choose channels of a tensor as it is sent: readers do that."""
        sent = node.inputs[0] not in self.waiting
        return sent and not node.picks_pixels and node.name != self.network.output

    def _joins(self, node: Node) -> bool:
        """Whether the only reader of `node` reads pixel by pixel, so that it can pick them itself."""
        if not self._single_reader(node):
            return False
        (reader,) = self.network.consumers[node.name]
        return isinstance(self.network[reader], Join)

    def _longest_operands(self) -> dict[str, str]:
        """Return for each join the operand at the end of its longest branch; picking values is no length."""
        depth = {self.network.input: 0}
        longest = {}
        for node in self.network.nodes:
            computes = not isinstance(node, SelectNode)
            depth[node.name] = computes + max(depth[source] for source in node.inputs)
            if isinstance(node, Join):
                longest[node.name] = max(node.inputs, key=lambda name: depth[name])
        return longest

    def _host(self, node: Join) -> Stage | None:
        """Return the stage that takes in a join: its longest branch's, if a matrix nobody else reads."""
        name = self.longest[node.name]
        stage = self.sender.get(name)
        if stage is None or stage.output != name or not isinstance(stage.head, MatrixNode):
            return None
        return stage if self._readers(name) == (node.name,) else None

    def _operand(self, tensor: str, reader: Node | None = None) -> Operand:
        source, before, picked = self._in_place_of(tensor)
        stage = self.sender[source]
        name = stage.name if stage is not None else self.network.input
        shape = before[0].shape if before else self.network.shapes[source]
        if isinstance(reader, SelectNode):
            picked = reader
        firing = _firing(reader, shape) if picked is None else picking(picked)
        return Operand(name, firing, shape, before, picked, self.ids.get(source))


def _is_global(node: Node) -> bool:
    """Whether a pool's one window is its whole map, so that it needs no buffer but an accumulator."""
    if not isinstance(node, (MaxPoolNode, AvgPoolNode)):
        return False
    return (
        prod(node.shape[1:]) == 1
        and node.window.kernel == node.in_shapes[0][1:]
        and not any(node.window.padding)
    )


def _firing(node: Node | None, shape: Shape) -> Firing:
    """Return how a stage headed by `node` reads a tensor; None reads pixel by pixel."""
    if isinstance(node, ClassTokenNode):
        return led_by(node.tokens, shape[1] * shape[2])
    takes_each = node is None or _is_global(node)  # a global pool takes each pixel as it comes
    if not takes_each and isinstance(node, (MatrixNode, MaxPoolNode, AvgPoolNode)):
        return sliding(node.window, shape[1:])
    return elementwise(shape[1] * shape[2])
