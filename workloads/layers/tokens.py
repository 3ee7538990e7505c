"""Layers of transformers.

A sequence is a map whose pixels, row by row, are its tokens and whose channels are their features: usually
(features, tokens, 1). So what is done to each token is a 1x1 `Conv2d`, and residuals are an `Add`. Heads lie
one behind the other in the channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from workloads.layers.layer import Layer, Shape
from workloads.layers.picking import Places

#: Codes of token ids have 16 bit at most.
MOST_ENTRIES = 2**16


@dataclass(frozen=True, kw_only=True)
class _Attention(Layer):
    """What both products of attention share.

    key_heads : heads of keys and values, each of which serves as many heads of queries (grouped-query
        attention, Ainslie et al., EMNLP 2023); None is one for each
    """

    heads: int
    key_heads: int | None = None

    @property
    def groups(self) -> int:
        """Heads of keys and values."""
        return self.heads if self.key_heads is None else self.key_heads

    def _operands(self, inputs: Sequence[Shape], names: str) -> tuple[Shape, Shape]:
        if len(inputs) != 2:
            raise self._error(f"{type(self).__name__} takes 2 inputs, {names}, got {len(inputs)}")
        if min(self.heads, self.groups) < 1 or self.heads % self.groups:
            raise self._error(
                f"heads must be a multiple of key_heads, both at least 1, got {self.heads} and {self.groups}"
            )
        if inputs[1][0] % self.groups:
            raise self._error(
                f"{self.groups} heads must divide the {inputs[1][0]} channels of its second input; "
                "choose others"
            )
        return inputs[0], inputs[1]


@dataclass(frozen=True, kw_only=True)
class AttentionScores(_Attention):
    """Products of each query with each key of its head, times a constant (Vaswani et al., NIPS 2017).

    Reads queries (heads * features, T tokens) and keys (key_heads * features, S tokens), both computed:

        out[h * S + s, t] = factor * sum over c of queries[h * features + c, t] * keys[g * features + c, s]

    with g = h // (heads / key_heads).

    factor : usually 1 / sqrt(features)
    """

    factor: float = 1.0

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return (heads * tokens of the keys, height and width of the queries)."""
        queries, keys = self._operands(inputs, "queries and keys")
        if queries[0] * self.groups != keys[0] * self.heads:
            raise self._error(
                f"{queries[0]} channels of queries in {self.heads} heads do not fit {keys[0]} of keys in "
                f"{self.groups}; each head needs as many features"
            )
        return (self.heads * prod(keys[1:]), *queries[1:])

    def macs(self, inputs: Sequence[Shape]) -> int:
        """Return heads * S * T * features; those that a causal softmax does not show count."""
        return prod(self.output_shape(inputs)) * (inputs[0][0] // self.heads)


@dataclass(frozen=True, kw_only=True)
class AttentionMix(_Attention):
    """Sum of each head's values, weighted by shares; both are computed.

    Reads shares (heads * S, T tokens) and values (key_heads * features, S tokens):

        out[h * features + c, t] = sum over s of shares[h * S + s, t] * values[g * features + c, s]

    with g = h // (heads / key_heads).
    """

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return (heads * features, height and width of the shares)."""
        shares, values = self._operands(inputs, "shares and values")
        tokens = prod(values[1:])
        if shares[0] != self.heads * tokens:
            raise self._error(
                f"{self.heads} heads over {tokens} values take {self.heads * tokens} channels of shares, "
                f"got {shares[0]}"
            )
        return (self.heads * (values[0] // self.groups), *shares[1:])

    def macs(self, inputs: Sequence[Shape]) -> int:
        """Return heads * S * T * features; those with shares of 0 count."""
        return prod(self.output_shape(inputs)) * prod(inputs[1][1:])


@dataclass(frozen=True, kw_only=True)
class LayerNorm(Layer):
    """Normalisation of each pixel over its channels (Ba et al., 2016).

    (x - mean) / sqrt(variance + eps) * weight + bias, mean and variance of the pixel's own channels; weight
    and bias are (channels,).
    """

    eps: float = 1e-5

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return the input's shape."""
        if not self.eps > 0.0:
            raise self._error(f"eps must be above 0, got {self.eps}; equal channels would divide 0 by 0")
        return self._only(inputs)

    def parameter_shapes(self, inputs: Sequence[Shape]) -> dict[str, tuple[int, ...]]:
        """Return two vectors of one element a channel."""
        return dict.fromkeys(("weight", "bias"), (inputs[0][0],))


@dataclass(frozen=True, kw_only=True)
class Embedding(Layer):
    """Each token id replaced by its row of a table, weight (entries, features).

    Ids are the network's input, one channel of whole numbers from 0 up.
    """

    entries: int
    features: int

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return (features, height, width)."""
        channels, height, width = self._only(inputs)
        if channels != 1:
            raise self._error(f"Embedding takes one id a pixel, got {channels} channels; give (1, tokens, 1)")
        if not 1 <= self.entries <= MOST_ENTRIES or self.features < 1:
            raise self._error(
                f"entries must be in [1, {MOST_ENTRIES}] and features at least 1, got {self.entries} and "
                f"{self.features}"
            )
        return (self.features, height, width)

    def parameter_shapes(self, inputs: Sequence[Shape]) -> dict[str, tuple[int, ...]]:
        """Return PyTorch's: a row an entry."""
        return {"weight": (self.entries, self.features)}


@dataclass(frozen=True, kw_only=True)
class AddEmbedding(Layer):
    """Sum of each pixel and a row of a table, weight (entries, channels): positions, or kinds of tokens.

    places : row of each pixel; None gives them the first rows in order
    """

    entries: int
    places: Places = None

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return the input's shape."""
        shape = self._only(inputs)
        pixels = prod(shape[1:])
        rows = range(pixels) if self.places is None else self.places
        if len(rows) != pixels:
            raise self._error(f"places must name a row for each of {pixels} tokens, got {len(rows)}")
        if not 0 <= min(rows) <= max(rows) < self.entries:
            raise self._error(
                f"its table has {self.entries} entries, but {pixels} tokens take rows {min(rows)} to "
                f"{max(rows)}; shorten the sequence"
            )
        return shape

    def parameter_shapes(self, inputs: Sequence[Shape]) -> dict[str, tuple[int, ...]]:
        """Return PyTorch's: a row an entry."""
        return {"weight": (self.entries, inputs[0][0])}


@dataclass(frozen=True, kw_only=True)
class ClassToken(Layer):
    """Learned tokens in front of a sequence, weight (tokens, channels) (Dosovitskiy et al., ICLR 2021)."""

    tokens: int = 1

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return (channels, tokens + pixels of the input, 1)."""
        channels, height, width = self._only(inputs)
        if self.tokens < 1:
            raise self._error(f"tokens must be at least 1, got {self.tokens}; leave it out")
        return (channels, self.tokens + height * width, 1)

    def parameter_shapes(self, inputs: Sequence[Shape]) -> dict[str, tuple[int, ...]]:
        """Return a row a token."""
        return {"weight": (self.tokens, inputs[0][0])}
