"""Hypothesis inputs of the domain: random small networks with weights and images, quick to run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from workloads import (
    Activation,
    Add,
    Affine,
    AvgPool2d,
    BatchNorm,
    Clamp,
    Concat,
    Conv2d,
    GlobalAvgPool,
    Input,
    Layer,
    Linear,
    MaxPool2d,
    Mul,
    Network,
    Parameters,
    Select,
    Shape,
    Softmax,
    Window,
)
from workloads.layers import Places

#: Keeps repeated depthwise convolutions, and repeated zeros around a map, from growing without end.
MAX_CHANNELS, MAX_SIZE = 6, 7

CLIPPINGS = ("relu", "relu6")
CURVES = ("leaky-relu", "sigmoid", "tanh", "hard-swish", "gelu", "abs")
#: Those with parameters, and how many they have.
SHAPED = {"leaky-relu": 1, "elu": 1, "hard-sigmoid": 2, "selu": 2}


@dataclass(frozen=True, eq=False)
class NetworkCase:
    """A network with weights, and images (N, C, H, W) float32 for it."""

    network: Network
    images: NDArray[np.float32]


@dataclass
class Sketch:
    """A network being drawn: layers so far, the shape of each, and the layer that the next one reads.

    multiplied : whether two large tensors are multiplied; squares of squares would leave all bounds
    """

    draw: st.DrawFn
    layers: list[Layer] = field(default_factory=list)
    shapes: dict[str, Shape] = field(default_factory=dict)
    end: str = ""
    multiplied: bool = False

    @property
    def shape(self) -> Shape:
        return self.shapes[self.end]

    def name(self, kind: str) -> str:
        return f"{kind}{len(self.layers)}"

    def append(self, layer: Layer) -> str:
        """Add a layer, make it the end and return its name."""
        self.layers.append(layer)
        self.shapes[layer.name] = layer.output_shape([self.shapes[source] for source in layer.inputs])
        self.end = layer.name
        return self.end

    def window(self, *, sees_a_pixel: bool) -> Window:
        """Draw a window that fits the end's map; on request one that sees a pixel wherever it stands."""
        height, width = (self.axis(size, sees_a_pixel=sees_a_pixel) for size in self.shape[1:])
        return Window(
            kernel=(height[0], width[0]),
            stride=(self.draw(st.integers(1, 2)), self.draw(st.integers(1, 2))),
            padding=(height[2], width[2], height[3], width[3]),
            dilation=(height[1], width[1]),
        )

    def axis(self, size: int, *, sees_a_pixel: bool) -> tuple[int, int, int, int]:
        """Draw kernel, dilation and the padding on both sides of one axis."""
        kernel = self.draw(st.integers(1, min(3, size)))
        dilation = self.draw(st.integers(1, 2)) if kernel * 2 - 1 <= size else 1
        padding = 2
        if sees_a_pixel:
            padding = kernel - 1 if dilation == 1 else 0
        return kernel, dilation, self.draw(st.integers(0, padding)), self.draw(st.integers(0, padding))

    def conv(self) -> None:
        channels = self.shape[0]
        groups = self.draw(st.sampled_from([n for n in (1, 2, channels) if channels % n == 0]))
        self.append(
            Conv2d(
                name=self.name("conv"),
                inputs=(self.end,),
                out_channels=groups * self.draw(st.integers(1, max(1, MAX_CHANNELS // groups))),
                window=self.window(sees_a_pixel=False),
                groups=groups,
                bias=self.draw(st.booleans()),
            )
        )

    def same_shape_conv(self) -> None:
        """Add a convolution that keeps the shape, for the inside of a skip."""
        kernel = self.draw(st.sampled_from((1, 3)))
        window = Window.square(kernel, padding=kernel // 2)
        self.append(
            Conv2d(name=self.name("conv"), inputs=(self.end,), out_channels=self.shape[0], window=window)
        )

    def norm(self) -> None:
        kind: type[Layer] = self.draw(st.sampled_from((BatchNorm, Affine)))
        self.append(kind(name=self.name("norm"), inputs=(self.end,)))

    def activation(self) -> None:
        kinds = ("curve", "curve", "curve", "shaped", "clamp", "softmax")
        match self.draw(st.sampled_from(kinds)):
            case "curve":
                self.curve(*CLIPPINGS, *CURVES, "identity")
            case "shaped":
                function = self.draw(st.sampled_from(sorted(SHAPED)))
                numbers = [self.draw(st.sampled_from((0.25, 0.5, 1.5))) for _ in range(SHAPED[function])]
                given = dict(zip(("alpha", "beta"), numbers, strict=False))
                self.append(
                    Activation(name=self.name(function), inputs=(self.end,), function=function, **given)
                )
            case "clamp":
                low, high = sorted(self.draw(st.tuples(*[st.sampled_from((-1.0, -0.5, 0.0, 0.75, 2.0))] * 2)))
                ends = self.draw(st.sampled_from(((low, high), (low, None), (None, high), (None, None))))
                self.append(Clamp(name=self.name("clamp"), inputs=(self.end,), low=ends[0], high=ends[1]))
            case "softmax":
                self.append(Softmax(name=self.name("softmax"), inputs=(self.end,)))

    def curve(self, *functions: str) -> None:
        function = self.draw(st.sampled_from(functions))
        self.append(Activation(name=self.name(function), inputs=(self.end,), function=function))

    def select(self) -> None:
        """Add a selection along any axes: a slice, a shuffle, zeros around, repeats, or anything else."""
        channels, height, width = self.shape
        self.append(
            Select(
                name=self.name("select"),
                inputs=(self.end,),
                channels=self.places(channels, MAX_CHANNELS),
                rows=self.places(height, MAX_SIZE),
                columns=self.places(width, MAX_SIZE),
            )
        )

    def places(self, size: int, most: int) -> Places:
        """Draw places along an axis of so many, `most` of them at most."""
        every, start = tuple(range(size)), self.draw(st.integers(0, size - 1))
        zeros = (-1,) * self.draw(st.integers(0, 2))
        kinds: list[Places] = [
            None,
            None,
            every,
            every[start:],
            every[: start + 1],
            every[:: self.draw(st.integers(1, 3))],
            every[::-1],
            zeros + every + zeros,
            every + zeros,
            tuple(place // 2 for place in range(2 * size)),
        ]
        anything = st.lists(st.integers(-1, size - 1), min_size=1, max_size=most).map(tuple)
        drawn = self.draw(st.sampled_from(kinds) | st.permutations(every).map(tuple) | anything)
        return drawn if drawn is None else drawn[: max(most, size)]

    def shuffle(self) -> None:
        """Add a selection that keeps the shape, for the inside of a skip."""
        axes = {"channels": self.shape[0], "rows": self.shape[1], "columns": self.shape[2]}
        axis = self.draw(st.sampled_from(sorted(axes)))
        size = axes[axis]
        places = st.permutations(range(size)) | st.lists(
            st.integers(-1, size - 1), min_size=size, max_size=size
        )
        picked: dict[str, Any] = {axis: tuple(self.draw(places))}
        self.append(Select(name=self.name("shuffle"), inputs=(self.end,), **picked))

    def gate(self) -> None:
        """Add a squeeze-and-excitation: factors or terms for each channel, made of its mean."""
        start, (_, height, width) = self.end, self.shape
        self.append(GlobalAvgPool(name=self.name("squeeze"), inputs=(self.end,)))
        if self.draw(st.booleans()):
            self.same_shape_conv()
        self.curve("sigmoid", "hard-sigmoid", "tanh")
        self.append(
            Select(name=self.name("spread"), inputs=(self.end,), rows=(0,) * height, columns=(0,) * width)
        )
        kind: type[Layer] = self.draw(st.sampled_from((Mul, Mul, Add)))
        self.join(kind, (start, self.end))

    def split(self) -> None:
        """Add a branch on some of the channels, put it beside the others and shuffle (ShuffleNet)."""
        channels = self.shape[0]
        if channels == 1:
            return
        start, cut = self.end, self.draw(st.integers(1, channels - 1))
        kept = self.append(Select(name=self.name("kept"), inputs=(start,), channels=tuple(range(cut))))
        self.append(Select(name=self.name("half"), inputs=(start,), channels=tuple(range(cut, channels))))
        self.draw(st.sampled_from((self.same_shape_conv, self.activation, self.shuffle)))()
        self.append(Concat(name=self.name("join"), inputs=(kept, self.end)))
        if self.draw(st.booleans()):
            order = tuple(self.draw(st.permutations(range(channels))))
            self.append(Select(name=self.name("shuffle"), inputs=(self.end,), channels=order))

    def resize(self) -> None:
        """Add a branch at half the size, put it back to the full one and beside where it started (U-Net)."""
        start, (channels, height, width) = self.end, self.shape
        if 2 * channels > MAX_CHANNELS:
            return
        window = Window.square(self.draw(st.integers(1, 2)), stride=2)
        self.append(MaxPool2d(name=self.name("down"), inputs=(start,), window=window, ceil_mode=True))
        self.draw(st.sampled_from((self.same_shape_conv, self.activation)))()
        up = {
            "rows": tuple(place // 2 for place in range(height)),
            "columns": tuple(place // 2 for place in range(width)),
        }
        self.append(Select(name=self.name("up"), inputs=(self.end,), **up))
        self.join(Concat, (start, self.end))

    def pool(self) -> None:
        window = self.window(sees_a_pixel=True)
        common: dict[str, Any] = {
            "inputs": (self.end,),
            "window": window,
            "ceil_mode": self.draw(st.booleans()),
        }
        if window.dilation != (1, 1) or self.draw(st.booleans()):
            self.append(MaxPool2d(name=self.name("max"), **common))
        else:
            counted = self.draw(st.booleans())
            self.append(AvgPool2d(name=self.name("avg"), count_include_pad=counted, **common))

    def skip(self, depth: int = 0) -> None:
        """Add a branch and join it with where it started; a branch may hold another."""
        start, first = self.end, len(self.layers)
        steps = [self.same_shape_conv, self.norm, self.activation, self.shuffle]
        if depth == 0:
            steps.append(lambda: self.skip(depth=1))
        for _ in range(self.draw(st.integers(1, 3))):
            self.draw(st.sampled_from(steps))()
        joinable = [self.end, start]
        if self.shape == self.shapes[start] and self.draw(st.booleans()):
            names = [layer.name for layer in self.layers[first:-1]]
            inside = [name for name in names if self.shapes[name] == self.shape]
            joinable += self.draw(st.lists(st.sampled_from(inside), max_size=1)) if inside else []
            signs = tuple(self.draw(st.sampled_from((1, -1))) for _ in joinable)
            self.join(Add, joinable, **self.draw(st.sampled_from(({}, {"signs": signs}))))
        elif self.shape == self.shapes[start] and not self.multiplied and self.draw(st.booleans()):
            self.multiplied = True
            self.join(Mul, joinable)
        else:
            self.join(Concat, joinable)

    def join(self, kind: Callable[..., Layer], joinable: Sequence[str], **given: Any) -> None:
        """Join tensors, in any order."""
        inputs = tuple(self.draw(st.permutations(joinable)))
        self.append(kind(name=self.name("join"), inputs=inputs, **given))

    def tail(self) -> None:
        """End in a global pool, in a classifier, in both, or in whatever came last, and perhaps in shares."""
        if self.draw(st.booleans()):
            self.append(GlobalAvgPool(name=self.name("pool"), inputs=(self.end,)))
        if self.draw(st.booleans()) or len(self.layers) == 1:
            self.append(
                Linear(
                    name=self.name("fc"),
                    inputs=(self.end,),
                    out_features=self.draw(st.integers(1, 4)),
                    bias=self.draw(st.booleans()),
                )
            )
            if self.draw(st.integers(0, 3)) == 0:
                self.append(Softmax(name=self.name("softmax"), inputs=(self.end,)))


@st.composite
def networks(draw: st.DrawFn, max_steps: int = 4, max_images: int = 2) -> NetworkCase:
    """Draw a network for images of at most 3x6x6 with up to `max_steps` steps and a tail, weights and images.

    A step is a convolution (any stride, padding, dilation, groups), a pool, a norm, an activation, a skip, a
    selection, or one of the blocks that are made with selections.
    """
    sketch = Sketch(draw)
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 6)), draw(st.integers(1, 6)))
    sketch.append(Input(name="image", shape=shape))
    blocks = (sketch.gate, sketch.split, sketch.resize)
    steps: tuple[Callable[[], object], ...] = (
        *(sketch.conv, sketch.conv, sketch.pool, sketch.norm, sketch.activation),
        *(sketch.skip, sketch.skip, sketch.select),
        lambda: draw(st.sampled_from(blocks))(),
    )
    for _ in range(draw(st.integers(0, max_steps))):
        draw(st.sampled_from(steps))()
    sketch.tail()
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    parameters = random_parameters(Network("drawn", sketch.layers), rng)
    network = Network("drawn", sketch.layers, parameters=lambda: parameters)
    images = rng.normal(rng.normal(), 1.0, size=(draw(st.integers(1, max_images)), *shape))
    return NetworkCase(network, images.astype(np.float32))


def random_parameters(network: Network, rng: np.random.Generator) -> Parameters:
    """Return weights that keep signals near unit size; batch norms may have negative factors."""

    def array(name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
        if name == "running_var":
            return rng.uniform(0.25, 2.0, shape)
        return rng.normal(0.0, 1.0 / np.sqrt(np.prod(shape[1:])), shape)

    return {
        layer: {name: array(name, shape) for name, shape in shapes.items()}
        for layer, shapes in network.parameter_shapes.items()
    }
