"""Transformers as ONNX files write them, in the forms that exporters choose among."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto

from tests.workloads.onnx_import.models import Array, model, node


@dataclass(frozen=True, kw_only=True)
class Form:
    """How one block is written.

    tokens, heads, key_heads, features : of each head
    packed : one matrix for queries, keys and values, cut behind it
    scaled : what carries the factor 1 / sqrt(features): "scores", "queries" or "both" sides
    causal : None for no mask, else how it is written: "add" or "where", "where-hidden"
    written_out : whether layer norms are in single operators
    gelu : "op", "erf" or "tanh"
    flat : whether products for each token take a matrix of tokens, as Gemm does
    """

    tokens: int
    heads: int
    key_heads: int
    features: int
    packed: bool = False
    scaled: str = "scores"
    causal: str | None = None
    written_out: bool = False
    gelu: str = "op"
    flat: bool = False
    opset: int = 21


@dataclass
class TokenGraph:
    """A graph being written: nodes and constants so far."""

    form: Form
    seed: int
    nodes: list[NodeProto] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.drawn = np.random.default_rng(self.seed)

    def add(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        """Add a node and return its output, or all of them with spaces between."""
        names = " ".join(f"t{len(self.nodes)}" + (f"_{i}" if i else "") for i in range(outputs))
        self.nodes.append(node(kind, " ".join(inputs), names, **attributes))
        return names

    def constant(self, array: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(array)
        return name

    def number(self, value: float) -> str:
        return self.constant(np.array(value, np.float32))

    def whole(self, *numbers: int) -> str:
        return self.constant(np.array(numbers, np.int64))

    def floats(self, *shape: int) -> str:
        scale = 1 / math.sqrt(shape[0])
        return self.constant((self.drawn.normal(size=shape) * scale).astype(np.float32))

    def token_wise(self, x: str, inputs: int, outputs: int) -> str:
        """Add a product for each token, and a bias."""
        weights, bias = self.floats(inputs, outputs), self.floats(outputs)
        if self.form.flat:
            flat = self.add("Reshape", x, self.whole(-1, inputs))
            made = self.add("Gemm", flat, weights, bias)
            return self.add("Reshape", made, self.whole(1, -1, outputs))
        return self.add("Add", self.add("MatMul", x, weights), bias)

    def norm(self, x: str, channels: int) -> str:
        gain, offset = self.floats(channels), self.floats(channels)
        if not self.form.written_out:
            return self.add("LayerNormalization", x, gain, offset, axis=-1, epsilon=1e-6)
        mean = self.mean(x)
        centred = self.add("Sub", x, mean)
        squares = self.add("Pow", centred, self.number(2.0))
        variance = self.add("Add", self.mean(squares), self.number(1e-6))
        normal = self.add("Div", centred, self.add("Sqrt", variance))
        return self.add("Add", self.add("Mul", normal, gain), offset)

    def mean(self, x: str) -> str:
        """Add a mean over the last axis, which is an input in newer files, an attribute in older ones."""
        if self.form.opset >= 18:
            return self.add("ReduceMean", x, self.whole(-1))
        return self.add("ReduceMean", x, axes=[-1])

    def in_heads(self, x: str, heads: int, *, keys: bool = False) -> str:
        """Split channels into heads: (1, heads, tokens, features), or with the last two swapped for keys."""
        apart = self.add("Reshape", x, self.whole(1, -1, heads, self.form.features))
        return self.add("Transpose", apart, perm=[0, 2, 3, 1] if keys else [0, 2, 1, 3])

    def queries_keys_values(self, x: str, channels: int, tokens: int) -> tuple[str, str, str]:
        form = self.form
        if form.packed and form.heads == form.key_heads:
            size = form.heads * form.features
            together = self.token_wise(x, channels, 3 * size)
            apart = self.add("Reshape", together, self.whole(1, -1, 3, form.heads, form.features))
            first = self.add("Transpose", apart, perm=[2, 0, 3, 1, 4])
            q, k, v = (
                self.add("Gather", first, self.constant(np.array(i, np.int64)), axis=0) for i in range(3)
            )
            return q, self.add("Transpose", k, perm=[0, 1, 3, 2]), v
        q = self.in_heads(self.token_wise(x, channels, form.heads * form.features), form.heads)
        k, v = (self.token_wise(x, channels, form.key_heads * form.features) for _ in range(2))
        k, v = self.in_heads(k, form.key_heads), self.in_heads(v, form.key_heads)
        if form.key_heads < form.heads:
            k, v = self.repeated(k, tokens), self.repeated(v, tokens)
        return q, self.add("Transpose", k, perm=[0, 1, 3, 2]), v

    def repeated(self, x: str, tokens: int) -> str:
        """Repeat heads of keys one by one, as grouped-query attention is written."""
        form = self.form
        times = form.heads // form.key_heads
        apart = self.add("Unsqueeze", x, self.whole(2))
        shape = self.whole(1, form.key_heads, times, tokens, form.features)
        wide = self.add("Expand", apart, shape)
        return self.add("Reshape", wide, self.whole(1, form.heads, tokens, form.features))

    def masked(self, scores: str, tokens: int) -> str:
        below = np.tril(np.ones((1, 1, tokens, tokens), bool))
        far = np.float32(np.finfo(np.float32).min)
        match self.form.causal:
            case "add":
                return self.add("Add", scores, self.constant(np.where(below, np.float32(0), far)))
            case "where":
                return self.add("Where", self.constant(below), scores, self.constant(far))
            case "where-hidden":
                return self.add("Where", self.constant(~below), self.constant(far), scores)
        return scores

    def attention(self, x: str, channels: int, tokens: int) -> str:
        form, factor = self.form, 1 / math.sqrt(self.form.features)
        q, k, v = self.queries_keys_values(x, channels, tokens)
        match form.scaled:
            case "scores":
                scores = self.add("MatMul", q, k)
                scores = self.add("Div", scores, self.number(math.sqrt(form.features)))
            case "queries":
                scores = self.add("MatMul", self.add("Mul", q, self.number(factor)), k)
            case _:
                sides = [self.add("Mul", side, self.number(math.sqrt(factor))) for side in (q, k)]
                scores = self.add("MatMul", *sides)
        shares = self.add("Softmax", self.masked(scores, tokens), axis=-1)
        mixed = self.add("Transpose", self.add("MatMul", shares, v), perm=[0, 2, 1, 3])
        together = self.add("Reshape", mixed, self.whole(1, -1, form.heads * form.features))
        return self.token_wise(together, form.heads * form.features, channels)

    def gelu(self, x: str) -> str:
        if self.form.gelu == "op" and self.form.opset >= 20:
            return self.add("Gelu", x)
        if self.form.gelu == "tanh":
            cube = self.add("Mul", self.add("Pow", x, self.number(3.0)), self.number(0.044715))
            inner = self.add("Mul", self.add("Add", x, cube), self.number(math.sqrt(2 / math.pi)))
            inner = self.add("Add", self.add("Tanh", inner), self.number(1.0))
            return self.add("Mul", self.add("Mul", x, self.number(0.5)), inner)
        inner = self.add("Erf", self.add("Div", x, self.number(math.sqrt(2))))
        inner = self.add("Mul", x, self.add("Add", inner, self.number(1.0)))
        return self.add("Mul", inner, self.number(0.5))

    def block(self, x: str, channels: int, tokens: int) -> str:
        """Add a block that normalises what it reads."""
        x = self.add("Add", x, self.attention(self.norm(x, channels), channels, tokens))
        wide = self.gelu(self.token_wise(self.norm(x, channels), channels, 2 * channels))
        return self.add("Add", x, self.token_wise(wide, 2 * channels, channels))

    def model(self, shape: tuple[int, ...], kind: int = TensorProto.FLOAT) -> ModelProto:
        return model(self.nodes, (1, *shape), self.constants, self.form.opset, kind=kind)


def features_model(form: Form, seed: int, channels: int = 6) -> ModelProto:
    """Return a block over real features (tokens, channels)."""
    graph = TokenGraph(form, seed)
    graph.block("x", channels, form.tokens)
    return graph.model((form.tokens, channels))


def text_model(form: Form, seed: int, vocabulary: int = 11, channels: int = 6) -> ModelProto:
    """Return embeddings of ids, with positions, a block, and scores of each token's successor."""
    graph = TokenGraph(form, seed)
    words = graph.add("Gather", graph.floats(vocabulary, channels), "x", axis=0)
    positions = graph.constant(graph.drawn.normal(size=(1, form.tokens, channels)).astype(np.float32))
    x = graph.add("Add", words, positions)
    x = graph.norm(graph.block(x, channels, form.tokens), channels)
    graph.add("MatMul", x, graph.floats(channels, vocabulary))
    return graph.model((form.tokens,), TensorProto.INT64)


def picture_model(form: Form, seed: int, channels: int = 6) -> ModelProto:
    """Return a vision transformer: patches, a class token, positions, a block, and classes of that token."""
    graph = TokenGraph(form, seed)
    weights = graph.constant(graph.drawn.normal(size=(channels, 3, 2, 2)).astype(np.float32))
    patches = graph.add("Conv", "x", weights, strides=[2, 2])
    flat = graph.add("Reshape", patches, graph.whole(1, channels, -1))
    x = graph.add("Transpose", flat, perm=[0, 2, 1])
    front = graph.constant(graph.drawn.normal(size=(1, 1, channels)).astype(np.float32))
    x = graph.add("Concat", front, x, axis=1)
    tokens = 1 + 2 * form.tokens
    positions = graph.constant(graph.drawn.normal(size=(1, tokens, channels)).astype(np.float32))
    x = graph.block(graph.add("Add", x, positions), channels, tokens)
    first = graph.add("Gather", graph.norm(x, channels), graph.constant(np.array(0, np.int64)), axis=1)
    graph.add("Gemm", first, graph.floats(channels, 4), graph.floats(4))
    return graph.model((3, 4, 2 * form.tokens))
