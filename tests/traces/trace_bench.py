"""Helpers for tests of workload traces: a layer of every kind, lines as people write them, layers drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
from hypothesis import strategies as st

from traces import Trace, read_trace
from traces.trace_records import OPERATIONS
from workloads import (
    Activation,
    Add,
    AddEmbedding,
    Affine,
    AttentionMix,
    AttentionScores,
    AvgPool2d,
    BatchNorm,
    Clamp,
    ClassToken,
    Concat,
    Conv2d,
    Embedding,
    GivenScales,
    GlobalAvgPool,
    Input,
    Layer,
    LayerNorm,
    Linear,
    LocalResponseNorm,
    MaxPool2d,
    Mul,
    Network,
    Quantization,
    Select,
    Shortcut,
    Softmax,
    Window,
    activations,
)
from workloads.layers import Places

HEADER = '{"schema": "imcsim.trace/1", "name": "tiny", "input": {"name": "image", "shape": [1, 8, 8]}}'
CONV = '{"op": "conv2d", "name": "conv", "out_channels": 8, "kernel": [3, 3]}'
LINEAR = '{"op": "linear", "name": "fc", "out_features": 10}'
REQUEST = '{"request": {"cycle": 0}}'
END = '{"end": {"operations": 2, "requests": 1}}'
TINY = (HEADER, CONV, LINEAR, REQUEST, END)


def of_every_kind() -> Network:
    """Return a network of each kind of layer but `Embedding`, with given scales and things to tell of it."""
    pool = Window(kernel=(3, 2), stride=(2, 2), padding=(1, 0, 0, 1))
    layers: list[Layer] = [
        Input(name="image", shape=(3, 9, 8)),
        Conv2d(name="conv", out_channels=6, window=Window(kernel=(3, 1), padding=(1, 0, 1, 0)), groups=3),
        BatchNorm(name="norm", eps=1e-3),
        Activation(name="leaky", function="leaky-relu", alpha=0.1),
        Affine(name="affine"),
        Clamp(name="clamp", low=-1.5),
        Add(name="difference", inputs=("clamp", "conv"), signs=(1, -1)),
        Mul(name="product", inputs=("difference", "leaky")),
        LocalResponseNorm(name="lrn", size=3, alpha=2e-4),
        Select(name="shuffle", channels=(5, 4, 3, 2, 1, -1)),
        Concat(name="join", inputs=("shuffle", "lrn")),
        MaxPool2d(name="max", window=pool, ceil_mode=True),
        AvgPool2d(name="mean", window=pool, count_include_pad=True),
        Shortcut(name="past", stride=2, channels=16),
        LayerNorm(name="layer-norm", eps=1e-6),
        AddEmbedding(name="kind", entries=2, places=(1,)),
        AttentionScores(name="scores", inputs=("kind", "kind"), heads=4, key_heads=4, factor=0.5),
        Softmax(name="shares", groups=4, causal=1),
        AttentionMix(name="mix", inputs=("shares", "kind"), heads=4),
        ClassToken(name="class", tokens=2),
        GlobalAvgPool(name="pool"),
        Linear(name="fc", out_features=4, bias=False),
    ]
    scales = GivenScales(
        {"image": Quantization(float(np.float32(0.1)), 128, 8), "fc": Quantization(0.5, 0, 8)},
        {"conv": np.linspace(0.01, 0.3, 6, dtype=np.float32)},
    )
    return Network("every-kind", layers, dataset="none", scales=scales, notes=["an axis was left out"])


def of_ids() -> Network:
    """Return a network of token ids."""
    return Network("ids", [Input(name="ids", shape=(1, 3, 1)), Embedding(name="e", entries=9, features=5)])


def written(folder: Path, *lines: str, name: str = "tiny.jsonl") -> Path:
    """Return a file of these lines."""
    path = folder / name
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def read(folder: Path, *lines: str) -> Trace:
    """Return the trace of these lines."""
    return read_trace(written(folder, *lines))


_WHOLE = st.integers(1, 2**20)
_BY_HINT: dict[Any, st.SearchStrategy[Any]] = {
    int: _WHOLE,
    bool: st.booleans(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    int | None: st.none() | _WHOLE,
    float | None: st.none() | st.floats(allow_nan=False, allow_infinity=False),
    str: st.sampled_from(activations.names()),
    tuple[int, ...]: st.lists(st.sampled_from((1, -1)), max_size=4).map(tuple),
    Places: st.none() | st.lists(st.integers(-1, 2**20), max_size=5).map(tuple),
    Window: st.builds(
        Window,
        kernel=st.tuples(_WHOLE, _WHOLE),
        stride=st.tuples(_WHOLE, _WHOLE),
        padding=st.tuples(*[st.integers(0, 2**20)] * 4),
        dilation=st.tuples(_WHOLE, _WHOLE),
    ),
}


@st.composite
def layers(draw: st.DrawFn) -> Layer:
    """Draw a layer of any kind with any attributes, whether or not it could be in a network."""
    kind = draw(st.sampled_from(list(OPERATIONS.values())))
    hints = {name: hint for name, hint in get_type_hints(kind).items() if name != "statistics"}
    own = {name: draw(_BY_HINT[hint]) for name, hint in hints.items() if name not in ("name", "inputs")}
    names = st.from_regex(r"\A[A-Za-z0-9_/-]{1,9}\Z")
    return kind(name=draw(names), inputs=tuple(draw(st.lists(names, max_size=3))), **own)
