"""Hypothesis inputs: small networks of tokens with attention, of any heads, tokens and masks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.strategies import NetworkCase, random_parameters
from workloads import (
    Activation,
    Add,
    AddEmbedding,
    Affine,
    AttentionMix,
    AttentionScores,
    Clamp,
    ClassToken,
    Conv2d,
    Embedding,
    Input,
    Layer,
    LayerNorm,
    Linear,
    Network,
    Select,
    Shape,
    Softmax,
    Window,
)

MOST_TOKENS = 4


@dataclass
class Sequence:
    """A network of tokens being drawn: layers so far, the shape of each, and the layer at the end."""

    draw: st.DrawFn
    layers: list[Layer] = field(default_factory=list)
    shapes: dict[str, Shape] = field(default_factory=dict)
    end: str = ""

    def append(self, kind: type[Layer], *inputs: str, **given: Any) -> str:
        """Add a layer behind `inputs`, or behind the end, and make it the end."""
        read = inputs or ((self.end,) if self.end else ())
        layer = kind(name=f"{kind.__name__.lower()}{len(self.layers)}", inputs=read, **given)
        self.layers.append(layer)
        self.shapes[layer.name] = layer.output_shape([self.shapes[source] for source in read])
        self.end = layer.name
        return self.end

    def flag(self) -> bool:
        return self.draw(st.booleans())

    def token_wise(self, source: str, features: int) -> str:
        """Add a product with weights for each token of `source`."""
        return self.append(Conv2d, source, out_channels=features, window=Window.square(1), bias=self.flag())

    def clipping(self) -> None:
        """Perhaps add a clipping, which joins whatever is before it."""
        match self.draw(st.integers(0, 5)):
            case 0:
                self.append(Activation, function="relu")
            case 1:
                self.append(Clamp, low=-0.5, high=0.75)

    def start(self) -> None:
        """Begin with ids that are looked up, or with features, on a map of one column or of several."""
        size = (self.draw(st.integers(1, MOST_TOKENS)), self.draw(st.sampled_from((1, 1, 2))))
        if self.flag():
            entries = self.draw(st.integers(1, 9))
            self.append(Input, shape=(1, *size))
            if self.flag():
                self.append(Select, rows=tuple(reversed(range(size[0]))))
            self.append(Embedding, entries=entries, features=self.draw(st.integers(1, 5)))
        else:
            self.append(Input, shape=(self.draw(st.integers(1, 5)), *size))

    def constants(self) -> None:
        """Perhaps add rows of tables, and perhaps tokens in front."""
        for _ in range(self.draw(st.integers(0, 2))):
            pixels = self.shapes[self.end][1] * self.shapes[self.end][2]
            entries = pixels + self.draw(st.integers(0, 2))
            rows = st.lists(st.integers(0, entries - 1), min_size=pixels, max_size=pixels).map(tuple)
            self.append(AddEmbedding, entries=entries, places=self.draw(st.none() | rows))
        if self.flag():
            self.append(ClassToken, tokens=self.draw(st.integers(1, 2)))
            self.clipping()

    def norm(self) -> None:
        """Perhaps add a layer norm, and a factor and an offset behind it."""
        if self.flag():
            self.append(LayerNorm, eps=self.draw(st.sampled_from((1e-12, 1e-5, 0.1))))
            if self.flag():
                self.append(Affine)
            self.clipping()

    def attention(self) -> None:
        """Add attention to all tokens, or to some of them, and a residual around it."""
        past = self.end
        self.norm()
        normed = self.end
        key_heads = self.draw(st.integers(1, 2))
        heads, features = key_heads * self.draw(st.integers(1, 2)), self.draw(st.integers(1, 3))
        seen = normed
        if more := self.draw(st.sampled_from((0, 0, 1, 9))):  # as in cross-attention, or behind a cache
            seen = self.append(Select, normed, rows=(*(0,) * more, *range(self.shapes[normed][1])))
        keys = self.token_wise(seen, key_heads * features)
        values = keys if self.flag() else self.token_wise(seen, key_heads * features)
        alike = heads == key_heads and self.shapes[seen] == self.shapes[normed]
        queries = keys if alike and self.flag() else self.token_wise(normed, heads * features)
        common = {"heads": heads, "key_heads": None if key_heads == heads and self.flag() else key_heads}
        self.append(
            AttentionScores, queries, keys, **common, factor=self.draw(st.sampled_from((1.0, 0.5, -1.5)))
        )
        self.clipping()
        self.append(Softmax, groups=heads, causal=self.draw(st.none() | st.integers(0, 2)))
        self.append(AttentionMix, self.end, values, **common)
        self.clipping()
        self.token_wise(self.end, self.shapes[past][0])
        self.append(Add, self.end, past)

    def feed_forward(self) -> None:
        """Add two products for each token with a GELU between them, and a residual around them."""
        past = self.end
        self.norm()
        self.token_wise(self.end, self.draw(st.integers(1, 6)))
        self.append(Activation, function="gelu")
        self.token_wise(self.end, self.shapes[past][0])
        self.append(Add, self.end, past)

    def tail(self) -> None:
        """Perhaps end in a classifier of one token, or of all."""
        self.norm()
        if self.flag():
            self.append(Select, rows=(0,))
        if self.flag():
            self.append(Linear, out_features=self.draw(st.integers(1, 3)))


@st.composite
def token_networks(draw: st.DrawFn) -> NetworkCase:
    """Draw a network of one or two blocks, encoders or decoders, with weights and inputs."""
    sketch = Sequence(draw)
    sketch.start()
    sketch.constants()
    for _ in range(draw(st.integers(1, 2))):
        sketch.attention()
        if draw(st.booleans()):
            sketch.feed_forward()
    sketch.tail()
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    parameters = random_parameters(Network("drawn", sketch.layers), rng)
    network = Network("drawn", sketch.layers, parameters=lambda: parameters)
    return NetworkCase(network, token_inputs(network, draw(st.integers(1, 2)), rng))


def token_inputs(network: Network, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return inputs (count, C, H, W) of a network: ids if it looks them up, real numbers otherwise."""
    shape = (count, *network.input_shape)
    entries = [layer.entries for layer in network.layers.values() if isinstance(layer, Embedding)]
    drawn = rng.integers(0, entries[0], shape) if entries else rng.normal(size=shape)
    return np.asarray(drawn, np.float32)
