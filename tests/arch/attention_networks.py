"""Networks of one attention, whose products machines do on keys and values that come token by token."""

from __future__ import annotations

from workloads import (
    AttentionMix,
    AttentionScores,
    Conv2d,
    Input,
    Layer,
    Network,
    Select,
    Softmax,
    Window,
)


def attention(
    tokens: int,
    features: int = 2,
    heads: int = 2,
    key_heads: int | None = None,
    *,
    causal: int | None = None,
    more_keys: int = 0,
    more_queries: int = 0,
) -> Network:
    """Return attention of tokens to themselves; the first one may have more keys and queries, all the same.

    features : of a head
    """
    groups = key_heads or heads
    one = Window.square(1)
    layers: list[Layer] = [
        Input(name="tokens", shape=(3, tokens, 1)),
    ]
    sources = {}
    for name, more in (("asking", more_queries), ("seen", more_keys)):
        sources[name] = name if more else "tokens"
        if more:
            rows = (*(0,) * more, *range(tokens))
            layers.append(Select(name=name, inputs=("tokens",), rows=rows))
    asking, seen = sources.values()
    layers += [
        Conv2d(name="queries", inputs=(asking,), out_channels=heads * features, window=one),
        Conv2d(name="keys", inputs=(seen,), out_channels=groups * features, window=one),
        Conv2d(name="values", inputs=(seen,), out_channels=groups * features, window=one),
        AttentionScores(name="scores", inputs=("queries", "keys"), heads=heads, key_heads=groups),
        Softmax(name="shares", inputs=("scores",), groups=heads, causal=causal),
        AttentionMix(name="mix", inputs=("shares", "values"), heads=heads, key_heads=groups),
    ]
    return Network("attention", layers)
