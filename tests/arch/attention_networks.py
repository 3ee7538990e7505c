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
) -> Network:
    """Return attention of tokens to themselves, and to so many more keys: the first token's, again and again.

    features : of a head
    """
    groups = key_heads or heads
    one = Window.square(1)
    layers: list[Layer] = [
        Input(name="tokens", shape=(3, tokens, 1)),
        Conv2d(name="queries", inputs=("tokens",), out_channels=heads * features, window=one),
    ]
    seen = "tokens"
    if more_keys:
        rows = (*(0,) * more_keys, *range(tokens))
        layers.append(Select(name="seen", inputs=("tokens",), rows=rows))
        seen = "seen"
    layers += [
        Conv2d(name="keys", inputs=(seen,), out_channels=groups * features, window=one),
        Conv2d(name="values", inputs=(seen,), out_channels=groups * features, window=one),
        AttentionScores(name="scores", inputs=("queries", "keys"), heads=heads, key_heads=groups),
        Softmax(name="shares", inputs=("scores",), groups=heads, causal=causal),
        AttentionMix(name="mix", inputs=("shares", "values"), heads=heads, key_heads=groups),
    ]
    return Network("attention", layers)
