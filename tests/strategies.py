"""Hypothesis inputs of the domain: random small networks with weights and images, quick to run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from workloads import (
    Activation,
    Add,
    AvgPool2d,
    BatchNorm,
    Concat,
    Conv2d,
    GlobalAvgPool,
    Input,
    Layer,
    Linear,
    MaxPool2d,
    Network,
    Parameters,
    Shape,
    Window,
)

#: Keeps repeated depthwise convolutions from growing without end.
MAX_CHANNELS = 6

CLIPPINGS = ("relu", "relu6")
CURVES = ("leaky-relu", "sigmoid", "tanh", "hard-swish", "gelu")


@dataclass(frozen=True, eq=False)
class NetworkCase:
    """A network with weights, and images (N, C, H, W) float32 for it."""

    network: Network
    images: NDArray[np.float32]


@dataclass
class Sketch:
    """A network being drawn: layers so far, the shape of each, and the layer that the next one reads."""

    draw: st.DrawFn
    layers: list[Layer] = field(default_factory=list)
    shapes: dict[str, Shape] = field(default_factory=dict)
    end: str = ""

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
        self.append(BatchNorm(name=self.name("norm"), inputs=(self.end,)))

    def activation(self) -> None:
        function = self.draw(st.sampled_from(CLIPPINGS + CURVES))
        self.append(Activation(name=self.name(function), inputs=(self.end,), function=function))

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
        steps = [self.same_shape_conv, self.norm, self.activation]
        if depth == 0:
            steps.append(lambda: self.skip(depth=1))
        for _ in range(self.draw(st.integers(1, 3))):
            self.draw(st.sampled_from(steps))()
        joinable = [self.end, start]
        if self.shape == self.shapes[start] and self.draw(st.booleans()):
            names = [layer.name for layer in self.layers[first:-1]]
            inside = [name for name in names if self.shapes[name] == self.shape]
            joinable += self.draw(st.lists(st.sampled_from(inside), max_size=1)) if inside else []
            kind: type[Layer] = Add
        else:
            kind = Concat
        self.append(kind(name=self.name("join"), inputs=tuple(self.draw(st.permutations(joinable)))))

    def tail(self) -> None:
        """End in a global pool, in a classifier, in both, or in whatever came last."""
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


@st.composite
def networks(draw: st.DrawFn, max_steps: int = 4, max_images: int = 2) -> NetworkCase:
    """Draw a network for images of at most 3x6x6 with up to `max_steps` steps and a tail, weights and images.

    A step is a convolution (any stride, padding, dilation, groups), a pool, a batch norm, an activation or a
    skip.
    """
    sketch = Sketch(draw)
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 6)), draw(st.integers(1, 6)))
    sketch.append(Input(name="image", shape=shape))
    for _ in range(draw(st.integers(0, max_steps))):
        draw(st.sampled_from((sketch.conv, sketch.pool, sketch.norm, sketch.activation, sketch.skip)))()
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
