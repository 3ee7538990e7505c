"""Transformers: encoders of pictures (Dosovitskiy et al., ICLR 2021) and text (Devlin et al., NAACL 2019).

A block is attention and two products for each token, each within a residual. Layer norms come before both in
ViT and in decoders, which are those of GPT-2 (Radford et al., 2019), and behind the sums in BERT.
"""

from __future__ import annotations

import math

from workloads.layers import (
    Activation,
    Add,
    AddEmbedding,
    AttentionMix,
    AttentionScores,
    ClassToken,
    Conv2d,
    Embedding,
    Input,
    Layer,
    LayerNorm,
    Linear,
    Select,
    Softmax,
)
from workloads.network import Network
from workloads.window import Window
from workloads.zoo.blocks import image
from workloads.zoo.catalogue import networks
from workloads.zoo.seeded_weights import SeededNetwork

#: Of the networks' authors.
VIT_EPS, BERT_EPS, GPT_EPS = 1e-6, 1e-12, 1e-5


@networks.register("vit-tiny")
def vit_tiny() -> Network:
    """Return ViT-Ti/16 of ImageNet (Touvron et al., ICML 2021): 12 blocks on 196 patches and one token."""
    features, patch, size = 192, 16, 224
    tokens = 1 + (size // patch) ** 2
    layers: list[Layer] = [
        image(size),
        Conv2d(name="patches", out_channels=features, window=Window.square(patch, stride=patch)),
        ClassToken(name="class-token"),
        AddEmbedding(name="positions", entries=tokens),
    ]
    for block in range(1, 13):
        layers += _block_behind_norms(f"block{block}", layers[-1].name, features, heads=3, eps=VIT_EPS)
    layers += [
        LayerNorm(name="norm", eps=VIT_EPS),
        Select(name="first-token", rows=(0,)),
        Linear(name="head", out_features=1000),
    ]
    return SeededNetwork("vit-tiny", layers, dataset="photo")


@networks.register("bert-tiny")
def bert_tiny() -> Network:
    """Return BERT's smallest size (Turc et al., 2019): 2 blocks over 128 tokens, the first one pooled."""
    features, tokens = 128, 128
    layers: list[Layer] = [
        Input(name="ids", shape=(1, tokens, 1)),
        Embedding(name="words", entries=30522, features=features),
        AddEmbedding(name="positions", entries=512),
        AddEmbedding(name="kinds", entries=2, places=(0,) * tokens),
        LayerNorm(name="norm", eps=BERT_EPS),
    ]
    for block in range(1, 3):
        layers += _block_before_norms(f"block{block}", layers[-1].name, features, heads=2, eps=BERT_EPS)
    layers += [
        Select(name="first-token", rows=(0,)),
        Linear(name="pooler", out_features=features),
        Activation(name="pooler-tanh", function="tanh"),
    ]
    return SeededNetwork("bert-tiny", layers)


@networks.register("gpt-tiny")
def gpt_tiny() -> Network:
    """Return a small decoder, GPT-2 in every respect but size: 2 blocks over 64 tokens of 2 048 ids."""
    return decoder("gpt-tiny", tokens=64, blocks=2, features=128, heads=2, vocabulary=2048)


def decoder(name: str, *, tokens: int, blocks: int, features: int, heads: int, vocabulary: int) -> Network:
    """Return a decoder as GPT-2 is built: causal blocks, and the scores of each token's successor."""
    layers: list[Layer] = [
        Input(name="ids", shape=(1, tokens, 1)),
        Embedding(name="words", entries=vocabulary, features=features),
        AddEmbedding(name="positions", entries=tokens),
    ]
    for block in range(1, blocks + 1):
        source = layers[-1].name
        layers += _block_behind_norms(f"block{block}", source, features, heads=heads, eps=GPT_EPS, causal=0)
    layers += [LayerNorm(name="norm", eps=GPT_EPS), _token_wise("head", vocabulary, bias=False)]
    return SeededNetwork(name, layers)


def _block_behind_norms(
    name: str, source: str, features: int, *, heads: int, eps: float, causal: int | None = None
) -> list[Layer]:
    """Return a block that normalises what attention and products read, and adds to what it read itself."""
    return [
        LayerNorm(name=f"{name}-norm1", inputs=(source,), eps=eps),
        *_attention(name, f"{name}-norm1", features, heads, causal),
        Add(name=f"{name}-add1", inputs=(f"{name}-out", source)),
        LayerNorm(name=f"{name}-norm2", eps=eps),
        *_feed_forward(name, features),
        Add(name=f"{name}-add2", inputs=(f"{name}-fc2", f"{name}-add1")),
    ]


def _block_before_norms(name: str, source: str, features: int, *, heads: int, eps: float) -> list[Layer]:
    """Return a block that normalises both sums."""
    return [
        *_attention(name, source, features, heads, None),
        Add(name=f"{name}-add1", inputs=(f"{name}-out", source)),
        LayerNorm(name=f"{name}-norm1", eps=eps),
        *_feed_forward(name, features),
        Add(name=f"{name}-add2", inputs=(f"{name}-fc2", f"{name}-norm1")),
        LayerNorm(name=f"{name}-norm2", eps=eps),
    ]


def _attention(name: str, source: str, features: int, heads: int, causal: int | None) -> list[Layer]:
    """Return self-attention over `source`, from queries to the product `<name>-out` behind all heads."""
    query, key, value = f"{name}-query", f"{name}-key", f"{name}-value"
    return [
        *(_token_wise(each, features, reads=source) for each in (query, key, value)),
        AttentionScores(
            name=f"{name}-scores", inputs=(query, key), heads=heads, factor=1 / math.sqrt(features // heads)
        ),
        Softmax(name=f"{name}-shares", groups=heads, causal=causal),
        AttentionMix(name=f"{name}-mix", inputs=(f"{name}-shares", value), heads=heads),
        _token_wise(f"{name}-out", features),
    ]


def _feed_forward(name: str, features: int) -> list[Layer]:
    """Return two products for each token, the first to four times the features, and a GELU between them."""
    return [
        _token_wise(f"{name}-fc1", 4 * features),
        Activation(name=f"{name}-gelu", function="gelu"),
        _token_wise(f"{name}-fc2", features),
    ]


def _token_wise(name: str, features: int, *, reads: str | None = None, bias: bool = True) -> Conv2d:
    """Return a fully connected layer of each token."""
    inputs = () if reads is None else (reads,)
    return Conv2d(name=name, inputs=inputs, out_channels=features, window=Window.square(1), bias=bias)
