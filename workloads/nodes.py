"""The lowered graph: what machines map and references execute.

Here a network consists of a few kinds of work only. A matrix is a convolution or a fully connected layer, the
latter being a window that covers its whole map; what a digital unit does on the way out (batch norm, clips)
is part of the node. No node holds weights, so a graph of any size costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.activation_functions import OPEN, Clip
from workloads.layers import Affine, BatchNorm, Places, Shape
from workloads.scales import GivenScales
from workloads.window import Padding, Window

#: What multiplies each channel and adds to it.
Norm = BatchNorm | Affine

#: Elements that the largest tensor of a batch may have, so that memory does not grow with the images.
ELEMENTS_AT_ONCE = 2**20


@dataclass(frozen=True, kw_only=True)
class Node:
    """One step of a lowered network.

    name : that of the first layer it stands for
    inputs : names of the nodes (or of the network's input) it reads
    in_shapes, shape : (channels, height, width) of what it reads and gives
    clip : real bounds (low, high) of the output; None is open
    """

    name: str
    inputs: tuple[str, ...]
    in_shapes: tuple[Shape, ...]
    shape: Shape
    clip: Clip = OPEN

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image."""
        return 0

    def attributes(self) -> dict[str, Any]:
        """Return what, besides shapes, decides how much work the node is, in JSON's types."""
        return {}


@dataclass(frozen=True, kw_only=True)
class MatrixNode(Node):
    """A weight matrix for each group, applied to every position of a window.

    cols : output channels over all groups
    biased : whether there are biases besides
    norms : batch norms and other factors and offsets of channels, folded into the weights, in order
    """

    window: Window
    groups: int
    cols: int
    biased: bool = False
    norms: tuple[Norm, ...] = ()

    @property
    def rows(self) -> int:
        """Inputs of one output element: one group's channels at each position of the window."""
        return self.window.positions * (self.in_shapes[0][0] // self.groups)

    @property
    def cols_per_group(self) -> int:
        """Output channels of one group."""
        return self.cols // self.groups

    @property
    def macs(self) -> int:
        """Rows times output elements."""
        return self.rows * prod(self.shape)

    def attributes(self) -> dict[str, Any]:
        """Return window, groups and columns."""
        return {"window": asdict(self.window), "groups": self.groups, "cols": self.cols}


@dataclass(frozen=True, kw_only=True)
class MaxPoolNode(Node):
    """Largest pixel of each window; padding never wins."""

    window: Window

    def attributes(self) -> dict[str, Any]:
        """Return the window."""
        return {"window": asdict(self.window)}


@dataclass(frozen=True, kw_only=True)
class AvgPoolNode(Node):
    """Mean of each window; a global pool is a window over the whole map.

    counted_padding : the part of the window's padding whose zeros a mean counts as pixels
    """

    window: Window
    counted_padding: Padding

    @property
    def counts(self) -> NDArray[np.int64]:
        """Pixels that each output pixel divides by, (height, width) int64."""
        top, left, bottom, right = self.counted_padding
        own = self.window.padding
        inner = Window(
            kernel=self.window.kernel,
            stride=self.window.stride,
            padding=(own[0] - top, own[1] - left, own[2] - bottom, own[3] - right),
            dilation=self.window.dilation,
        )
        _, height, width = self.in_shapes[0]
        return inner.coverage((height + top + bottom, width + left + right))

    def attributes(self) -> dict[str, Any]:
        """Return the window and the padding that counts."""
        return {"window": asdict(self.window), "counted_padding": self.counted_padding}


@dataclass(frozen=True, kw_only=True)
class SelectNode(Node):
    """Values picked by their places along each axis, -1 giving zeros; None takes an axis as it is.

    No arithmetic: its reader can pick the values, and leave the zeros out, where it takes its operand.
    """

    channels: Places = None
    rows: Places = None
    columns: Places = None

    @property
    def picks_pixels(self) -> bool:
        """Whether its pixels are not those of its input, one by one."""
        return self.rows is not None or self.columns is not None

    @property
    def picked_pixels(self) -> NDArray[np.int64]:
        """Pixel of the input that each pixel is made of, -1 for zeros, (height * width,)."""
        _, height, width = self.in_shapes[0]
        rows = np.arange(height) if self.rows is None else np.array(self.rows)
        columns = np.arange(width) if self.columns is None else np.array(self.columns)
        pixels = np.add.outer(rows * width, columns)
        pixels[np.logical_or.outer(rows < 0, columns < 0)] = -1
        return pixels.ravel()

    def attributes(self) -> dict[str, Any]:
        """Return the places of those axes that are not taken as they are."""
        places = {"channels": self.channels, "rows": self.rows, "columns": self.columns}
        return {axis: list(picked) for axis, picked in places.items() if picked is not None}


@dataclass(frozen=True, kw_only=True)
class AddNode(Node):
    """Elementwise sum of two tensors or more; `signs` is empty, or has 1 or -1 for each."""

    signs: tuple[int, ...] = ()

    def attributes(self) -> dict[str, Any]:
        """Return the signs, if any."""
        return {"signs": list(self.signs)} if self.signs else {}


@dataclass(frozen=True, kw_only=True)
class MulNode(Node):
    """Elementwise product of two tensors."""


@dataclass(frozen=True, kw_only=True)
class ConcatNode(Node):
    """Tensors one behind the other along their channels."""


@dataclass(frozen=True, kw_only=True)
class AffineNode(Node):
    """A factor and an offset for each channel: norms, in order, that no matrix before them absorbs."""

    norms: tuple[Norm, ...]


@dataclass(frozen=True, kw_only=True)
class TableNode(Node):
    """An elementwise function, looked up by its input's code.

    alpha, beta : as in the layer Activation
    """

    function: str
    alpha: float | None = None
    beta: float | None = None

    def attributes(self) -> dict[str, Any]:
        """Return the function and its parameters."""
        return {"function": self.function, "alpha": self.alpha} | (
            {} if self.beta is None else {"beta": self.beta}
        )


@dataclass(frozen=True, kw_only=True)
class SoftmaxNode(Node):
    """exp(x) over the sum of exp(x), among a pixel's channels of one group; see the layer Softmax."""

    groups: int = 1
    causal: int | None = None

    @property
    def is_plain(self) -> bool:
        """Whether there is one sum for all channels of a pixel."""
        return self.groups == 1 and self.causal is None

    @property
    def visible(self) -> NDArray[np.int64]:
        """How many of a group's channels each pixel sees, (pixels,)."""
        channels, height, width = self.shape
        return visible_of(height * width, channels // self.groups, self.causal)

    def attributes(self) -> dict[str, Any]:
        """Return groups and the first pixel's last channel, unless it is plain."""
        return {} if self.is_plain else {"groups": self.groups, "causal": self.causal}


def visible_of(tokens: int, keys: int, causal: int | None) -> NDArray[np.int64]:
    """Return how many of the first keys each token sees, (tokens,): s <= t + causal; all where it is None."""
    if causal is None:
        return np.full(tokens, keys)
    return np.minimum(np.arange(tokens) + causal + 1, keys)


@dataclass(frozen=True, kw_only=True)
class LocalResponseNormNode(Node):
    """Each element over its neighbours in other channels; see the layer LocalResponseNorm."""

    size: int
    alpha: float
    beta: float
    k: float

    def attributes(self) -> dict[str, Any]:
        """Return the parameters."""
        return {"size": self.size, "alpha": self.alpha, "beta": self.beta, "k": self.k}


@dataclass(frozen=True)
class LoweredNetwork:
    """Nodes in an order in which each comes after what it reads.

    input, input_shape : name and shape of one image's tensor
    output : name of the node (or input) that holds the result
    scales : those to use as they are, by node
    """

    name: str
    input: str
    input_shape: Shape
    nodes: tuple[Node, ...]
    output: str
    scales: GivenScales = field(default_factory=GivenScales)

    def __getitem__(self, name: str) -> Node:
        """Return the node called `name`."""
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> Mapping[str, Node]:
        return {node.name: node for node in self.nodes}

    @cached_property
    def shapes(self) -> Mapping[str, Shape]:
        """Shape of every tensor by name, the input's first."""
        return {self.input: self.input_shape} | {node.name: node.shape for node in self.nodes}

    @cached_property
    def consumers(self) -> Mapping[str, tuple[str, ...]]:
        """Names of the nodes that read each tensor, by its name; who reads it twice is there twice."""
        readers: dict[str, list[str]] = {name: [] for name in self.shapes}
        for node in self.nodes:
            for source in node.inputs:
                readers[source].append(node.name)
        return {name: tuple(names) for name, names in readers.items()}

    @cached_property
    def macs(self) -> int:
        """Multiply-accumulates of one image."""
        return sum(node.macs for node in self.nodes)

    def batches(self, inputs: NDArray[Any], elements: int | None = None) -> Iterator[NDArray[Any]]:
        """Yield `inputs` (N, C, H, W) in runs of images that keep every tensor within so many elements.

        elements : `ELEMENTS_AT_ONCE` unless given
        """
        limit = ELEMENTS_AT_ONCE if elements is None else elements
        images = max(1, limit // max(prod(shape) for shape in self.shapes.values()))
        for start in range(0, len(inputs), images):
            yield inputs[start : start + images]

    def canonical(self) -> dict[str, Any]:
        """Return the graph without names or weights, in JSON's types: equal for networks of the same work."""
        place = {name: i for i, name in enumerate(self.shapes)}
        return {
            "input_shape": list(self.input_shape),
            "nodes": [
                {
                    "kind": type(node).__name__.removesuffix("Node").lower(),
                    "inputs": [place[source] for source in node.inputs],
                    "shape": list(node.shape),
                    "clip": list(node.clip),
                    **node.attributes(),
                }
                for node in self.nodes
            ],
            "output": place[self.output],
        }

    def evaluate(
        self, first: NDArray[Any], compute: Callable[[Node, list[NDArray[Any]]], NDArray[Any]]
    ) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield every tensor's name and value in order, forgetting each behind its last reader.

        first : the input's value
        compute : gives a node's value from those of its inputs
        """
        tensors = {self.input: first}
        yield self.input, first
        last_reader = {source: node.name for node in self.nodes for source in node.inputs}
        for node in self.nodes:
            tensors[node.name] = compute(node, [tensors[source] for source in node.inputs])
            yield node.name, tensors[node.name]
            for source in set(node.inputs):
                if last_reader[source] == node.name:
                    del tensors[source]
