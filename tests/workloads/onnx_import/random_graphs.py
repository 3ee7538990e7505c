"""Random ONNX graphs that can be mapped: one operator after the other, on tensors whose axes are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from onnx import ModelProto, NodeProto

from tests.workloads.onnx_import.models import Array, model, node


@dataclass(frozen=True)
class Tensor:
    """A tensor of the graph being drawn.

    pixels : sizes of its axes of pixels: two, one or none
    last : whether channels are behind the pixels
    """

    name: str
    channels: int
    pixels: tuple[int, ...]
    last: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape without the batch."""
        return (*self.pixels, self.channels) if self.last else (self.channels, *self.pixels)

    @property
    def axis(self) -> int:
        """The channels' axis, the batch being 0."""
        return len(self.pixels) + 1 if self.last else 1


class GraphInDrawing:
    """Nodes and constants so far, with what draws the next ones."""

    def __init__(self, draw: Callable[[Any], Any]) -> None:
        self._draw = draw
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, Array] = {}
        self.values = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        last = self.flag()
        sizes = draw(st.permutations([2, 5, 6, 7, 8]))
        channels = draw(st.integers(1, 4))
        rank = draw(st.integers(0, 2)) if self.flag() else 2
        pixels = tuple(size for size in sizes if size != channels)[:rank]
        self.tensors = [Tensor("x", channels, pixels, last and bool(rank))]

    def number(self, low: int, high: int) -> int:
        """Draw a whole number."""
        return int(self._draw(st.integers(low, high)))

    def flag(self) -> bool:
        """Draw yes or no."""
        return bool(self._draw(st.booleans()))

    def one_of(self, choices: Any) -> Any:
        """Draw one of several."""
        return self._draw(st.sampled_from(list(choices)))

    def constant(self, array: Any) -> str:
        """Add a constant and return its name."""
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(array)
        return name

    def floats(self, *shape: int, size: float = 1.0) -> str:
        """Add a constant of drawn numbers, whose root mean square is `size`."""
        return self.constant((self.values.normal(size=shape) * size).astype(np.float32))

    def integers(self, *numbers: int) -> str:
        """Add a vector of integers."""
        return self.constant(np.array(numbers, np.int64))

    def add(self, kind: str, inputs: str, **attributes: Any) -> str:
        """Add a node of one output and return the output's name."""
        name = f"t{len(self.nodes)}"
        self.nodes.append(node(kind, inputs, name, **attributes))
        return name

    def grow(self) -> None:
        """Draw an operator for the newest tensor, or for an older one."""
        x = self.tensors[-1] if self.flag() else self.one_of(self.tensors)
        possible = _ANYWHERE + (_CHANNELS_LAST if x.last else _CHANNELS_FIRST if x.pixels else _VECTORS)
        made = self.one_of(possible)(self, x)
        if made is not None and np.prod(made.shape) <= 2**10:
            self.tensors.append(made)

    def end(self) -> str:
        """Draw how the graph ends, and return its output's name."""
        x = self.tensors[-1]
        if x.pixels and self.flag():
            name = self.add("Flatten", x.name)
            weights = self.floats(int(np.prod(x.shape)), 5, size=np.prod(x.shape) ** -0.5)
            name = self.add("Gemm", f"{name} {weights} {self.floats(5)}")
            return self.add("Softmax", name, axis=-1) if self.flag() else name
        if x.last:
            x = transposed(self, x)
        return self.add("Relu", x.name) if self.flag() else self.add("Tanh", x.name)


def function(g: GraphInDrawing, x: Tensor) -> Tensor:
    kinds = ("Relu", "LeakyRelu", "Elu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Softplus")
    return replace(x, name=g.add(g.one_of((*kinds, "Softsign", "Mish", "Abs", "Neg")), x.name))


def written_function(g: GraphInDrawing, x: Tensor) -> Tensor:
    if g.flag():
        return replace(x, name=g.add("Mul", f"{x.name} {g.add('Sigmoid', x.name)}"))
    root, one, half = (g.constant(np.float32(value)) for value in (2**0.5, 1.0, 0.5))
    erf = g.add("Erf", g.add("Div", f"{x.name} {root}"))
    return replace(x, name=g.add("Mul", f"{g.add('Mul', f'{x.name} {half}')} {g.add('Add', f'{erf} {one}')}"))


def clip(g: GraphInDrawing, x: Tensor) -> Tensor:
    low = g.constant(np.float32(g.number(-10, 0) / 8))
    high = g.constant(np.float32(g.number(1, 10) / 8)) if g.flag() else "-"
    return replace(x, name=g.add("Clip", f"{x.name} {low} {high}"))


def with_number(g: GraphInDrawing, x: Tensor) -> Tensor:
    number = g.constant(np.full((1,) * g.number(0, len(x.shape) + 1), g.number(1, 12) / 8, np.float32))
    kind = g.one_of(["Add", "Sub", "Mul", "Div"])
    pair = f"{number} {x.name}" if kind != "Div" and g.flag() else f"{x.name} {number}"
    return replace(x, name=g.add(kind, pair))


def with_channels(g: GraphInDrawing, x: Tensor) -> Tensor:
    shape = (x.channels,) if x.last else (x.channels, *(1 for _ in x.pixels))
    vector = g.floats(*((1,) * g.number(0, 1)), *shape)
    kind = g.one_of(["Add", "Sub", "Mul"])
    return replace(x, name=g.add(kind, f"{vector} {x.name}" if g.flag() else f"{x.name} {vector}"))


def joined(g: GraphInDrawing, x: Tensor) -> Tensor | None:
    fitting = [y for y in g.tensors if y.pixels == x.pixels and y.last == x.last]
    fitting = [y for y in fitting if y.channels in (x.channels, 1) or x.channels == 1]
    y = g.one_of(fitting)
    name = g.add(g.one_of(["Add", "Sub", "Mul"]), f"{x.name} {y.name}")
    return replace(x, name=name, channels=max(x.channels, y.channels))


def concatenated(g: GraphInDrawing, x: Tensor) -> Tensor:
    y = g.one_of([y for y in g.tensors if y.pixels == x.pixels and y.last == x.last])
    axis = x.axis - (len(x.shape) + 1) * g.number(0, 1)
    return replace(x, name=g.add("Concat", f"{x.name} {y.name}", axis=axis), channels=x.channels + y.channels)


def halved(g: GraphInDrawing, x: Tensor) -> Tensor | None:
    if x.channels < 2:
        return None
    first = g.number(1, x.channels - 1)
    sizes = g.integers(first, x.channels - first)
    parts = f"t{len(g.nodes)} u{len(g.nodes)}"
    g.nodes.append(node("Split", f"{x.name} {sizes}", parts, axis=x.axis))
    a, b = parts.split()
    g.tensors.append(replace(x, name=a, channels=first))
    return replace(x, name=b, channels=x.channels - first)


def sliced(g: GraphInDrawing, x: Tensor) -> Tensor:
    axis = g.number(1, len(x.shape))
    size = x.shape[axis - 1]
    places = range(size)[slice(g.number(0, size - 1), None, g.one_of([1, 2]))]
    if g.flag():
        places = places[::-1]
    start, step = places[0], places.step
    end = places[-1] + (1 if step > 0 else -1)
    names = [g.integers(value) for value in (start, end if end >= 0 else -99, axis, step)]
    return _resized(x, g.add("Slice", " ".join([x.name, *names])), axis, len(places))


def padded(g: GraphInDrawing, x: Tensor) -> Tensor | None:
    axis = g.number(1, len(x.shape))
    if x.shape[axis - 1] == 1:
        return None  # an axis of one place might be any
    before, behind = g.number(0, 2), g.number(0, 2)
    size = x.shape[axis - 1]
    modes = ["constant", "edge", "reflect"] if size > 2 else ["constant", "edge"]
    pads, axes = g.integers(before, behind), g.integers(axis)
    name = g.add("Pad", f"{x.name} {pads} - {axes}", mode=g.one_of(modes))
    return _resized(x, name, axis, size + before + behind)


def _resized(x: Tensor, name: str, axis: int, size: int) -> Tensor:
    """Return a tensor with another size along one axis."""
    shape = [size if place == axis else each for place, each in enumerate(x.shape, start=1)]
    channels = shape.pop(x.axis - 1)
    return replace(x, name=name, channels=channels, pixels=tuple(shape))


def convolution(g: GraphInDrawing, x: Tensor) -> Tensor | None:
    kernel = [g.number(1, 3) for _ in x.pixels]
    strides = [g.number(1, 2) for _ in x.pixels]
    dilations = [g.number(1, 2) for _ in x.pixels]
    pads = [g.number(0, 1) for _ in range(2 * len(x.pixels))]
    groups = g.one_of([groups for groups in range(1, x.channels + 1) if x.channels % groups == 0])
    outputs = groups * g.number(1, 2)
    sizes = _slid(x.pixels, kernel, strides, pads, dilations)
    if min(sizes) < 1:
        return None
    fan = x.channels // groups * int(np.prod(kernel))
    weights = g.floats(outputs, x.channels // groups, *kernel, size=fan**-0.5)
    bias = g.floats(outputs) if g.flag() else "-"
    name = g.add(
        "Conv", f"{x.name} {weights} {bias}", strides=strides, dilations=dilations, pads=pads, group=groups
    )
    return replace(x, name=name, channels=outputs, pixels=sizes)


def same_convolution(g: GraphInDrawing, x: Tensor) -> Tensor:
    kernel, stride = [g.number(1, 3) for _ in x.pixels], g.number(1, 2)
    weights = g.floats(3, x.channels, *kernel, size=(x.channels * np.prod(kernel)) ** -0.5)
    how = g.one_of(["SAME_UPPER", "SAME_LOWER"])
    name = g.add("Conv", f"{x.name} {weights}", strides=[stride for _ in x.pixels], auto_pad=how)
    return replace(x, name=name, channels=3, pixels=tuple(-(-size // stride) for size in x.pixels))


def pool(g: GraphInDrawing, x: Tensor) -> Tensor | None:
    kernel = [g.number(1, 3) for _ in x.pixels]
    strides = [g.number(1, 3) for _ in x.pixels]
    pads = [g.number(0, (size - 1) // 2) for size in kernel] * 2
    sizes = _slid(x.pixels, kernel, strides, pads, [1 for _ in x.pixels])
    if min(sizes) < 1:
        return None
    kind = g.one_of(["MaxPool", "AveragePool"])
    more = {"count_include_pad": g.number(0, 1)} if kind == "AveragePool" else {}
    name = g.add(kind, x.name, kernel_shape=kernel, strides=strides, pads=pads, **more)
    return replace(x, name=name, pixels=sizes)


def _slid(
    sizes: tuple[int, ...], kernel: list[int], strides: list[int], pads: list[int], dilations: list[int]
) -> tuple[int, ...]:
    """Return how many steps windows make along each axis."""
    rank = len(sizes)
    return tuple(
        (size + pads[i] + pads[rank + i] - (kernel[i] - 1) * dilations[i] - 1) // strides[i] + 1
        for i, size in enumerate(sizes)
    )


def batch_norm(g: GraphInDrawing, x: Tensor) -> Tensor:
    scale, offset, mean = (g.floats(x.channels) for _ in range(3))
    variance = g.constant((g.values.random(x.channels) + 0.2).astype(np.float32))
    return replace(x, name=g.add("BatchNormalization", f"{x.name} {scale} {offset} {mean} {variance}"))


def excited(g: GraphInDrawing, x: Tensor) -> Tensor:
    weights = g.floats(x.channels, x.channels, *(1 for _ in x.pixels))
    share = g.add("Sigmoid", g.add("Conv", f"{g.add('GlobalAveragePool', x.name)} {weights}"))
    return replace(x, name=g.add("Mul", f"{share} {x.name}" if g.flag() else f"{x.name} {share}"))


def excited_last(g: GraphInDrawing, x: Tensor) -> Tensor:
    axes = g.integers(*range(1, x.axis))
    share = g.add("ReduceMean", f"{x.name} {axes}", keepdims=1)
    share = g.add("MatMul", f"{share} {g.floats(x.channels, x.channels)}")
    return replace(x, name=g.add("Mul", f"{x.name} {g.add('HardSigmoid', share)}"))


def shuffled(g: GraphInDrawing, x: Tensor) -> Tensor | None:
    groups = g.one_of([groups for groups in range(1, x.channels + 1) if x.channels % groups == 0])
    apart = g.integers(1, groups, x.channels // groups, *x.pixels)
    order = [0, 2, 1, *range(3, 3 + len(x.pixels))]
    name = g.add("Transpose", g.add("Reshape", f"{x.name} {apart}"), perm=order)
    return replace(x, name=g.add("Reshape", f"{name} {g.integers(0, x.channels, *x.pixels)}"))


def nearest(g: GraphInDrawing, x: Tensor) -> Tensor | None:
    if x.last and 1 in x.shape:
        return None  # an axis of one place might be any
    sizes = tuple(g.number(1, 2 * size) for size in x.pixels)
    shape = (1, *sizes, x.channels) if x.last else (1, x.channels, *sizes)
    name = g.add(
        "Resize",
        f"{x.name} - - {g.integers(*shape)}",
        mode="nearest",
        coordinate_transformation_mode=g.one_of(["asymmetric", "half_pixel", "align_corners"]),
        nearest_mode=g.one_of(["floor", "ceil", "round_prefer_floor"]),
    )
    return replace(x, name=name, pixels=sizes)


def transposed(g: GraphInDrawing, x: Tensor) -> Tensor:
    pixels = range(1, len(x.shape))
    order = [0, x.axis, *pixels] if x.last else [0, *(axis + 1 for axis in pixels), 1]
    return replace(x, name=g.add("Transpose", x.name, perm=order), last=not x.last)


def product(g: GraphInDrawing, x: Tensor) -> Tensor:
    outputs = g.number(1, 5)
    weights = g.floats(x.channels, outputs, size=x.channels**-0.5)
    return replace(x, name=g.add("MatMul", f"{x.name} {weights}"), channels=outputs)


def pooled_away(g: GraphInDrawing, x: Tensor) -> Tensor:
    axes = g.integers(*(axis for axis in range(1, len(x.shape) + 1) if axis != x.axis))
    kind = g.one_of(["ReduceMean", "ReduceMax"])
    return Tensor(g.add(kind, f"{x.name} {axes}", keepdims=0), x.channels, ())


def fully_connected(g: GraphInDrawing, x: Tensor) -> Tensor:
    count, outputs = int(np.prod(x.shape)), g.number(2, 6)
    flat = g.add("Reshape", f"{x.name} {g.integers(0, -1)}")
    weights = g.floats(outputs, count, size=count**-0.5)
    return Tensor(g.add("Gemm", f"{flat} {weights} {g.floats(outputs)}", transB=1), outputs, ())


_ANYWHERE = [
    function,
    written_function,
    clip,
    with_number,
    with_channels,
    joined,
    concatenated,
    halved,
    sliced,
    padded,
]
_CHANNELS_FIRST = [
    convolution,
    same_convolution,
    pool,
    batch_norm,
    excited,
    shuffled,
    nearest,
    transposed,
    pooled_away,
    fully_connected,
]
_CHANNELS_LAST = [product, transposed, transposed, excited_last, nearest, pooled_away, fully_connected]
_VECTORS = [product, fully_connected]


@st.composite
def graphs(draw: Callable[[Any], Any], longest: int = 8) -> tuple[ModelProto, tuple[int, ...]]:
    """Draw a model and the shape of its input without the batch."""
    g = GraphInDrawing(draw)
    for _ in range(g.number(1, longest)):
        g.grow()
    output = g.end()
    shape = g.tensors[0].shape
    return model(g.nodes, ("N", *shape), g.constants, outputs=[output]), shape
