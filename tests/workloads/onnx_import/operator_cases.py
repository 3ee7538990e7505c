"""Every operator that the importer knows, alone or in the smallest pattern that needs it, by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, numpy_helper

from tests.workloads.onnx_import.models import OPSET, Array, model, node

_drawn = np.random.default_rng(1)


@dataclass(frozen=True, eq=False)
class Case:
    """A model in parts.

    shape : of the input, without its batch
    """

    nodes: Sequence[NodeProto]
    shape: tuple[int, ...]
    constants: dict[str, Array] = field(default_factory=dict)
    opset: int = OPSET

    def model(self) -> ModelProto:
        """Return the model, its batch open."""
        return model(self.nodes, ("N", *self.shape), self.constants, self.opset)


def alone(
    kind: str,
    inputs: str,
    shape: tuple[int, ...],
    constants: dict[str, Array] | None = None,
    opset: int = OPSET,
    **attributes: Any,
) -> Case:
    """Return the case of one node."""
    return Case([node(kind, inputs, **attributes)], shape, constants or {}, opset)


def floats(*shape: int) -> NDArray[np.float32]:
    """Return drawn numbers."""
    return _drawn.normal(size=shape).astype(np.float32)


def whole(*numbers: int) -> NDArray[np.int64]:
    """Return integers as a vector."""
    return np.array(numbers, np.int64)


def vector(*numbers: float) -> NDArray[np.float32]:
    """Return real numbers as a vector."""
    return np.array(numbers, np.float32)


def number(value: float) -> NDArray[np.float32]:
    """Return a real number without axes."""
    return np.array(value, np.float32)


MAP = (3, 4, 5)
LARGER = (3, 7, 6)
WINDOW: dict[str, Any] = {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 1]}
HALVING: dict[str, Any] = {"kernel_shape": [3, 3], "strides": [2, 2]}

KERNEL = {"w": floats(4, 3, 3, 3), "b": floats(4)}
PRODUCTS = {
    "conv": alone("Conv", "x w b", LARGER, KERNEL, strides=[2, 1], pads=[1, 0, 2, 1]),
    "conv-opset7": alone("Conv", "x w b", LARGER, KERNEL, 7, kernel_shape=[3, 3]),
    "conv-same-upper": alone(
        "Conv", "x w", LARGER, {"w": floats(4, 3, 2, 3)}, strides=[2, 2], auto_pad="SAME_UPPER"
    ),
    "conv-same-lower": alone(
        "Conv", "x w", LARGER, {"w": floats(4, 3, 2, 3)}, strides=[2, 2], auto_pad="SAME_LOWER"
    ),
    "conv-valid": alone("Conv", "x w b", LARGER, KERNEL, auto_pad="VALID"),
    "conv-dilated": alone("Conv", "x w b", LARGER, KERNEL, dilations=[2, 1], pads=[2, 1, 2, 1]),
    "conv-groups": alone("Conv", "x w", (4, 5, 6), {"w": floats(6, 2, 3, 2)}, group=2),
    "conv-depthwise": alone("Conv", "x w", LARGER, {"w": floats(6, 1, 3, 2)}, dilations=[2, 2], group=3),
    "conv-1d": alone(
        "Conv", "x w b", (3, 9), {"w": floats(4, 3, 3), "b": floats(4)}, strides=[2], pads=[1, 1]
    ),
    "conv-1d-dilated": alone("Conv", "x w", (4, 9), {"w": floats(4, 2, 3)}, dilations=[3], group=2),
    "conv-1d-same": alone("Conv", "x w", (3, 8), {"w": floats(2, 3, 4)}, strides=[3], auto_pad="SAME_LOWER"),
    "conv-1x1-map": alone("Conv", "x w", (3, 1, 1), {"w": floats(4, 3, 3, 3)}, pads=[1, 1, 1, 1]),
    "gemm": alone("Gemm", "x w b", (5,), {"w": floats(5, 4), "b": floats(4)}),
    "gemm-transposed": alone("Gemm", "x w b", (5,), {"w": floats(4, 5), "b": floats(4)}, transB=1),
    "gemm-factors": alone("Gemm", "x w b", (5,), {"w": floats(5, 4), "b": floats(1, 4)}, alpha=0.5, beta=2.0),
    "gemm-one-bias": alone("Gemm", "x w b", (5,), {"w": floats(5, 4), "b": number(0.3)}, opset=7),
    "gemm-no-bias": alone("Gemm", "x w", (5,), {"w": floats(5, 4)}),
    "matmul": alone("MatMul", "x w", (5,), {"w": floats(5, 4)}),
    "matmul-tokens": alone("MatMul", "x w", (6, 5), {"w": floats(5, 4)}),
    "matmul-vector": alone("MatMul", "x w", (6, 5), {"w": floats(5)}),
    "matmul-left": alone("MatMul", "w x", (6, 5), {"w": floats(4, 6)}),
    "matmul-pixels": alone("MatMul", "x w", (2, 3, 5), {"w": floats(1, 5, 4)}),
    "batch-norm": alone(
        "BatchNormalization",
        "x s b m v",
        MAP,
        {"s": floats(3), "b": floats(3), "m": floats(3), "v": floats(3) ** 2 + np.float32(0.1)},
        epsilon=1e-3,
    ),
    "batch-norm-vector": alone(
        "BatchNormalization",
        "x s b m v",
        (3,),
        {"s": floats(3), "b": floats(3), "m": floats(3), "v": floats(3) ** 2 + np.float32(0.1)},
        7,
    ),
    "conv-batch-norm-relu": Case(
        [node("Conv", "x w b", "c"), node("BatchNormalization", "c s o m v", "n"), node("Relu", "n")],
        LARGER,
        KERNEL | {"s": floats(4), "o": floats(4), "m": floats(4), "v": floats(4) ** 2 + np.float32(0.1)},
    ),
}

FUNCTIONS = {
    kind.lower(): alone(kind, "x", MAP)
    for kind in (
        *(
            "Relu",
            "LeakyRelu",
            "Elu",
            "Celu",
            "Selu",
            "Sigmoid",
            "HardSigmoid",
            "HardSwish",
            "Tanh",
            "Softplus",
        ),
        *("Softsign", "Mish", "Gelu", "Abs", "Erf", "Neg"),
    )
}
FUNCTIONS |= {
    "leakyrelu-alpha": alone("LeakyRelu", "x", MAP, alpha=0.2),
    "elu-alpha": alone("Elu", "x", MAP, alpha=0.4),
    "selu-alpha-gamma": alone("Selu", "x", MAP, alpha=1.2, gamma=0.7),
    "hardsigmoid-alpha-beta": alone("HardSigmoid", "x", MAP, alpha=0.3, beta=0.4),
    "gelu-tanh": alone("Gelu", "x", (3, 4), approximate="tanh"),
    "clip": alone("Clip", "x lo hi", MAP, {"lo": number(-0.5), "hi": number(0.7)}),
    "clip-low": alone("Clip", "x lo", MAP, {"lo": number(-0.5)}),
    "clip-high": alone("Clip", "x - hi", MAP, {"hi": number(0.7)}),
    "clip-open": Case([node("Clip", "x", "c"), node("Tanh", "c")], MAP),
    "clip-opset6-attributes": alone("Clip", "x", MAP, {}, 9, min=-0.5, max=0.5),
    "clip-opset6-low": alone("Clip", "x", MAP, {}, 7, min=-0.5),
    "min": alone("Min", "lo x", MAP, {"lo": number(0.3)}),
    "max": alone("Max", "x lo", MAP, {"lo": vector(0.3)}),
    "prelu": alone("PRelu", "x s", MAP, {"s": vector(0.3)}),
    "pow-2": alone("Pow", "x c", (3, 4), {"c": number(2.0)}),
    "silu": Case([node("Sigmoid", "x", "s"), node("Mul", "x s")], MAP),
    "gelu-of-parts": Case(
        [
            node("Div", "x q", "a"),
            node("Erf", "a", "b"),
            node("Add", "b one", "c"),
            node("Mul", "x c", "d"),
            node("Mul", "d half"),
        ],
        (3, 4),
        {"q": number(2**0.5), "one": number(1.0), "half": number(0.5)},
    ),
    "gelu-tanh-of-parts": Case(
        [
            node("Pow", "x three", "p"),
            node("Mul", "p k", "q"),
            node("Add", "x q", "r"),
            node("Mul", "r s", "u"),
            node("Tanh", "u", "v"),
            node("Add", "v one", "w"),
            node("Mul", "x half", "g"),
            node("Mul", "g w"),
        ],
        (3, 4),
        {
            "three": number(3.0),
            "k": number(0.044715),
            "s": number((2 / np.pi) ** 0.5),
            "one": number(1.0),
            "half": number(0.5),
        },
    ),
    "hardswish-of-parts": Case(
        [
            node("Add", "x three", "a"),
            node("Clip", "a lo six", "b"),
            node("Div", "b six", "c"),
            node("Mul", "x c"),
        ],
        (3, 4),
        {"three": number(3.0), "lo": number(0.0), "six": number(6.0)},
    ),
    "mish-of-parts": Case([node("Softplus", "x", "s"), node("Tanh", "s", "t"), node("Mul", "x t")], (3, 4)),
    "softplus-of-parts": Case(
        [node("Exp", "x", "e"), node("Add", "e one", "s"), node("Log", "s")], (3, 4), {"one": number(1.0)}
    ),
    "sigmoid-of-parts": Case(
        [node("Neg", "x", "m"), node("Exp", "m", "e"), node("Add", "e one", "s"), node("Reciprocal", "s")],
        (3, 4),
        {"one": number(1.0)},
    ),
    "square": alone("Mul", "x x", (3, 4)),
    "double": alone("Add", "x x", (3, 4)),
    "softmax": Case([node("Gemm", "x w", "g"), node("Softmax", "g", axis=-1)], (5,), {"w": floats(5, 7)}),
    "softmax-of-channels": alone("Softmax", "x", (5, 2, 3), axis=1),
    "softmax-opset9": alone("Softmax", "x", (5, 1, 1), opset=9),
    "softmax-opset11-vector": alone("Softmax", "x", (6,), opset=11, axis=-1),
}

POOLS = {
    "max-pool": alone("MaxPool", "x", LARGER, **WINDOW),
    "max-pool-ceil": alone("MaxPool", "x", (3, 8, 6), ceil_mode=1, **HALVING),
    "max-pool-dilated": alone("MaxPool", "x", (3, 8, 6), kernel_shape=[2, 2], dilations=[2, 3]),
    "max-pool-same": alone("MaxPool", "x", (3, 8, 6), auto_pad="SAME_UPPER", **HALVING),
    "max-pool-1d": alone("MaxPool", "x", (3, 8), kernel_shape=[3], strides=[2]),
    "max-pool-opset8": alone("MaxPool", "x", LARGER, {}, 8, **WINDOW),
    "average-pool": alone("AveragePool", "x", LARGER, **WINDOW),
    "average-pool-padding-counts": alone("AveragePool", "x", LARGER, count_include_pad=1, **WINDOW),
    "average-pool-ceil": alone("AveragePool", "x", (3, 8, 6), ceil_mode=1, **HALVING),
    "average-pool-ceil-padding-counts": alone(
        "AveragePool", "x", (3, 8, 6), ceil_mode=1, count_include_pad=1, pads=[1, 1, 1, 1], **HALVING
    ),
    "average-pool-same": alone("AveragePool", "x", (3, 8, 6), auto_pad="SAME_UPPER", **HALVING),
    "average-pool-dilated": alone("AveragePool", "x", (3, 8, 6), kernel_shape=[2, 2], dilations=[2, 3]),
    "average-pool-1d": alone("AveragePool", "x", (3, 8), kernel_shape=[3], strides=[2], pads=[1, 0]),
    "global-average-pool": alone("GlobalAveragePool", "x", MAP),
    "global-average-pool-1d": alone("GlobalAveragePool", "x", (3, 7)),
    "global-max-pool": alone("GlobalMaxPool", "x", MAP),
    "reduce-mean": alone("ReduceMean", "x a", MAP, {"a": whole(2, 3)}, keepdims=0),
    "reduce-mean-rows": alone("ReduceMean", "x a", MAP, {"a": whole(2)}),
    "reduce-mean-columns": alone("ReduceMean", "x a", MAP, {"a": whole(-1)}, keepdims=0),
    "reduce-mean-line": alone("ReduceMean", "x a", (3, 6), {"a": whole(2)}),
    "reduce-mean-nothing": Case(
        [node("ReduceMean", "x", "m", noop_with_empty_axes=1), node("Tanh", "m")], MAP
    ),
    "reduce-mean-opset13-attribute": alone("ReduceMean", "x", MAP, {}, 13, axes=[2, -1]),
    "reduce-max": alone("ReduceMax", "x a", MAP, {"a": whole(3, 2)}, keepdims=0),
    "reduce-max-opset13-attribute": alone("ReduceMax", "x", MAP, {}, 13, axes=[-1, -2]),
}

POINT = {"w": floats(3, 3, 1, 1)}
SUMS: dict[str, Case] = {}
for kind in ("Add", "Sub", "Mul", "Div"):
    name = kind.lower()
    SUMS |= {
        f"{name}-number": alone(kind, "x c", MAP, {"c": number(1.7)}),
        f"{name}-channels": alone(kind, "x c", MAP, {"c": floats(3, 1, 1)}),
        f"{name}-features": alone(kind, "x c", (5,), {"c": floats(5)}),
    }
    if kind != "Div":
        SUMS |= {
            f"{name}-constant-first": alone(kind, "c x", MAP, {"c": floats(1, 3, 1, 1)}),
            f"{name}-number-first": alone(kind, "c x", MAP, {"c": np.full((1, 1, 1, 1), -0.4, np.float32)}),
            f"{name}-branches": Case(
                [node("Relu", "x", "r"), node("Tanh", "x", "t"), node(kind, "r t")], MAP
            ),
            f"{name}-skip": Case([node("Conv", "x w", "r"), node(kind, "r x")], MAP, POINT),
            f"{name}-pixel-to-map": Case([node("GlobalAveragePool", "x", "g"), node(kind, "x g")], MAP),
            f"{name}-map-to-pixel": Case([node("GlobalAveragePool", "x", "g"), node(kind, "g x")], MAP),
            f"{name}-channel-to-all": Case(
                [node("Conv", "x w", "r"), node(kind, "r x")], MAP, {"w": floats(1, 3, 1, 1)}
            ),
            f"{name}-row-to-map": Case(
                [node("ReduceMean", "x a", "r"), node(kind, "x r")], MAP, {"a": whole(2)}
            ),
            f"{name}-column-and-row": Case(
                [node("ReduceMean", "x a", "r"), node("ReduceMean", "x b", "c"), node(kind, "r c")],
                MAP,
                {"a": whole(2), "b": whole(3)},
            ),
        }
SUMS |= {
    "sum": Case([node("Relu", "x", "r"), node("Tanh", "x", "t"), node("Sum", "r t x")], MAP),
    "sum-of-one": Case([node("Sum", "x", "s"), node("Tanh", "s")], MAP),
    "sum-of-pixels-and-maps": Case(
        [node("GlobalAveragePool", "x", "g"), node("Relu", "x", "r"), node("Sum", "g r x")], MAP
    ),
}

AXES = {
    "concat": Case([node("Relu", "x", "r"), node("Concat", "r x", axis=1)], MAP),
    "concat-from-behind": Case([node("Relu", "x", "r"), node("Concat", "r x x", axis=-3)], MAP),
    "split": Case(
        [node("Split", "x s", "a b", axis=1), node("Concat", "b a", axis=1)], (5, 4, 5), {"s": whole(2, 3)}
    ),
    "split-equal": Case(
        [node("Split", "x", "a b", axis=1, num_outputs=2), node("Concat", "b a", axis=1)], (5, 2, 2)
    ),
    "split-columns": Case([node("Split", "x", "a b", axis=-1, num_outputs=2), node("Add", "b a")], (5, 2, 4)),
    "split-opset11-attribute": Case(
        [node("Split", "x", "a b", axis=1, split=[1, 4]), node("Concat", "b a", axis=1)], (5, 2, 3), {}, 11
    ),
    "split-opset11-equal": Case([node("Split", "x", "a b", axis=2), node("Mul", "b a")], (3, 4, 2), {}, 11),
    "split-one-part-used": Case(
        [node("Split", "x s", "a b", axis=1), node("Relu", "b")], MAP, {"s": whole(1, 2)}
    ),
    "slice": alone(
        "Slice",
        "x s e a t",
        (3, 6, 7),
        {"s": whole(1, -1), "e": whole(9, -9999), "a": whole(2, 3), "t": whole(2, -2)},
    ),
    "slice-channels": alone("Slice", "x s e a", (3, 6, 7), {"s": whole(1), "e": whole(3), "a": whole(-3)}),
    "slice-all-axes": alone(
        "Slice", "x s e", (3, 6, 7), {"s": whole(0, 1, 2, 0), "e": whole(2**31, 3, 6, 5)}
    ),
    "slice-opset9-attributes": alone("Slice", "x", (3, 6, 7), {}, 9, starts=[0, 1], ends=[2, 3], axes=[1, 2]),
    "slice-far-end": alone(
        "Slice", "x s e a", (3, 6, 7), {"s": whole(-4), "e": whole(2**63 - 1), "a": whole(3)}
    ),
    "gather": alone("Gather", "x c", (4, 3, 3), {"c": whole(3, 0, -2)}, axis=1),
    "gather-one-row": Case(
        [node("Gather", "x c", axis=2), node("Relu", "y", "z")], (4, 3, 5), {"c": np.array(1)}
    ),
    "reshape": Case(
        [node("Reshape", "x s", "r"), node("Gemm", "r w")], (3, 2, 2), {"s": whole(0, -1), "w": floats(12, 5)}
    ),
    "reshape-with-batch": Case(
        [node("Reshape", "x s", "r"), node("Gemm", "r w")], (3, 2, 2), {"s": whole(1, 12), "w": floats(12, 5)}
    ),
    "reshape-by-shape": Case(
        [
            node("Shape", "x", "h"),
            node("Gather", "h zero", "n"),
            node("Unsqueeze", "n axis", "nn"),
            node("Concat", "nn rest", "s", axis=0),
            node("Reshape", "x s", "r"),
            node("Gemm", "r w"),
        ],
        (3, 2, 2),
        {"zero": np.array(0), "axis": whole(0), "rest": whole(-1), "w": floats(12, 5)},
    ),
    "reshape-by-sliced-shape": Case(
        [
            node("Shape", "x", "h", end=2),
            node("Concat", "h rest", "s", axis=0),
            node("Tanh", "x", "t"),
            node("Reshape", "t s"),
        ],
        MAP,
        {"rest": whole(-1)},
    ),
    "flatten": Case(
        [node("Flatten", "x", "r"), node("Relu", "r", "q"), node("Gemm", "q w")],
        (3, 2, 2),
        {"w": floats(12, 5)},
    ),
    "flatten-last": Case(
        [node("Conv", "x w", "c"), node("Flatten", "c")], (3, 2, 2), {"w": floats(5, 3, 1, 1)}
    ),
    "flatten-from-behind": Case(
        [node("Flatten", "x", "r", axis=-3), node("Gemm", "r w")], (3, 2, 2), {"w": floats(12, 5)}
    ),
    "transpose-to-channels-first": Case(
        [
            node("Transpose", "x", "t", perm=[0, 3, 1, 2]),
            node("Conv", "t w", "c"),
            node("Transpose", "c", "u", perm=[0, 2, 3, 1]),
            node("Relu", "u", "r"),
            node("Reshape", "r s", "f"),
            node("MatMul", "f m"),
        ],
        (4, 5, 3),
        {"w": floats(4, 3, 2, 2), "s": whole(1, -1), "m": floats(48, 6)},
    ),
    "transpose-rows-and-columns": Case(
        [node("Transpose", "x", "t", perm=[0, 1, 3, 2]), node("Conv", "t w", strides=[2, 1])],
        (3, 4, 6),
        {"w": floats(4, 3, 2, 3)},
    ),
    "transpose-tokens": Case(
        [node("Transpose", "x", "t", perm=[0, 2, 1]), node("MatMul", "t w")], (4, 6), {"w": floats(4, 5)}
    ),
    "channel-shuffle": Case(
        [
            node("Conv", "x w", "c"),
            node("Reshape", "c s", "r"),
            node("Transpose", "r", "t", perm=[0, 2, 1, 3, 4]),
            node("Reshape", "t q", "u"),
            node("Conv", "u v", group=2),
        ],
        (3, 4, 4),
        {
            "w": floats(6, 3, 1, 1),
            "s": whole(1, 2, 3, 4, 4),
            "q": whole(1, 6, 4, 4),
            "v": floats(4, 3, 1, 1),
        },
    ),
    "channel-shuffle-last": Case(
        [
            node("Reshape", "x s", "r"),
            node("Transpose", "r", "t", perm=[0, 2, 1, 3, 4]),
            node("Reshape", "t q", "u"),
            node("Tanh", "u"),
        ],
        (4, 2, 5),
        {"s": whole(1, 2, 2, 2, 5), "q": whole(1, 4, 2, 5)},
    ),
    "channel-shuffle-and-excitation": Case(
        [
            node("Reshape", "x s", "r"),
            node("Transpose", "r", "t", perm=[0, 2, 1, 3, 4]),
            node("Reshape", "t q", "u"),
            node("GlobalAveragePool", "u", "g"),
            node("Conv", "g w", "e"),
            node("Mul", "u e"),
        ],
        (4, 2, 5),
        {"s": whole(1, 2, 2, 2, 5), "q": whole(1, 4, 2, 5), "w": floats(4, 4, 1, 1)},
    ),
    "squeeze-and-excitation": Case(
        [
            node("GlobalAveragePool", "x", "g"),
            node("Squeeze", "g a", "s"),
            node("Gemm", "s w", "m"),
            node("Unsqueeze", "m a", "u"),
            node("Mul", "x u"),
        ],
        MAP,
        {"a": whole(2, 3), "w": floats(3, 3)},
    ),
    "squeeze-and-excitation-channels-last": Case(
        [
            node("Transpose", "x", "t", perm=[0, 3, 1, 2]),
            node("Conv", "t w", "c"),
            node("Transpose", "c", "u", perm=[0, 2, 3, 1]),
            node("ReduceMean", "u a", "m", keepdims=0),
            node("MatMul", "m k", "d"),
            node("Sigmoid", "d", "g"),
            node("Reshape", "g s", "r"),
            node("Mul", "u r"),
        ],
        (5, 6, 3),
        {"w": floats(7, 3, 2, 2), "a": whole(1, 2), "k": floats(7, 7), "s": whole(-1, 1, 1, 7)},
    ),
    "squeeze-opset11-attribute": Case(
        [node("GlobalAveragePool", "x", "g"), node("Squeeze", "g", "s", axes=[2, -1]), node("Gemm", "s w")],
        MAP,
        {"w": floats(3, 4)},
        11,
    ),
    "squeeze-all": Case(
        [node("Unsqueeze", "x a", "u"), node("Squeeze", "u b", "s"), node("Relu", "s")],
        (3, 4),
        {"a": whole(1, 4), "b": whole(-1, 1)},
    ),
    "unsqueeze-opset11-attribute": Case(
        [node("Unsqueeze", "x", "u", axes=[1]), node("Conv", "u w")], (9,), {"w": floats(4, 1, 3)}, 11
    ),
    "conv-over-a-vector": Case(
        [
            node("Unsqueeze", "x a", "u"),
            node("Conv", "u w", "c"),
            node("Flatten", "c", "f"),
            node("Gemm", "f m"),
        ],
        (9,),
        {"a": whole(1), "w": floats(4, 1, 3), "m": floats(28, 3)},
    ),
    "pad": Case(
        [node("Pad", "x p", "q"), node("Conv", "q w b")], MAP, {"p": whole(0, 0, 1, 2, 0, 0, 0, 1), **KERNEL}
    ),
    "pad-pool": Case(
        [node("Pad", "x p", "q"), node("MaxPool", "q", kernel_shape=[2, 2])],
        MAP,
        {"p": whole(0, 0, 1, 2, 0, 0, 0, 1)},
    ),
    "pad-channels": alone("Pad", "x p z a", MAP, {"p": whole(1, 2), "z": number(0.0), "a": whole(1)}),
    "pad-cuts": alone("Pad", "x p", MAP, {"p": whole(0, 0, -1, 1, 0, 0, 0, -2)}),
    "pad-reflect": alone("Pad", "x p", MAP, {"p": whole(0, 0, 1, 2, 0, 0, 2, 1)}, mode="reflect"),
    "pad-edge": alone("Pad", "x p", MAP, {"p": whole(0, 0, 1, 2, 0, 0, 2, 3)}, mode="edge"),
    "pad-opset9-attributes": alone("Pad", "x", MAP, {}, 9, pads=[0, 0, 1, 0, 0, 0, 0, 2], value=0.0),
    "expand": Case(
        [node("GlobalAveragePool", "x", "g"), node("Expand", "g s", "e"), node("Add", "x e")],
        (3, 2, 4),
        {"s": whole(1, 3, 2, 4)},
    ),
    "tile": alone("Tile", "x r", (3, 2, 4), {"r": whole(1, 2, 1, 3)}),
}

RESIZING: dict[str, Case] = {}
for coordinates in ("asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners"):
    for rounding in ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil"):
        RESIZING[f"resize-{coordinates}-{rounding}"] = alone(
            "Resize",
            "x - - s",
            MAP,
            {"s": whole(1, 3, 7, 3)},
            mode="nearest",
            coordinate_transformation_mode=coordinates,
            nearest_mode=rounding,
        )
RESIZING |= {
    "resize": alone("Resize", "x - s", MAP, {"s": vector(1, 1, 2, 3)}, mode="nearest"),
    "resize-down": alone("Resize", "x - s", (3, 8, 9), {"s": vector(1, 1, 0.5, 0.3)}, mode="nearest"),
    "resize-symmetric": alone(
        "Resize",
        "x - s",
        MAP,
        {"s": vector(1, 1, 1.7, 2.3)},
        mode="nearest",
        coordinate_transformation_mode="half_pixel_symmetric",
    ),
    "resize-axes": alone("Resize", "x - s", MAP, {"s": vector(2, 2)}, axes=[2, 3], mode="nearest"),
    "resize-opset10": alone("Resize", "x s", MAP, {"s": vector(1, 1, 2, 3)}, 10, mode="nearest"),
    "resize-opset10-down": alone(
        "Resize", "x s", (3, 8, 9), {"s": vector(1, 1, 0.5, 0.3)}, 10, mode="nearest"
    ),
    "resize-opset11": alone(
        "Resize",
        "x roi s",
        MAP,
        {"roi": vector(), "s": vector(1, 1, 2, 2)},
        11,
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    ),
    "upsample-opset9": alone("Upsample", "x s", MAP, {"s": vector(1, 1, 2, 3)}, 9, mode="nearest"),
    "upsample-opset7-attribute": alone(
        "Upsample", "x", MAP, {}, 7, mode="nearest", scales=[1.0, 1.0, 2.0, 2.0]
    ),
}

CONSTANTS = {
    "dropout": Case([node("Dropout", "x", "d m"), node("Relu", "d")], MAP),
    "dropout-opset7": Case([node("Dropout", "x", "d", ratio=0.3), node("Relu", "d")], MAP, {}, 7),
    "identity": Case([node("Identity", "x", "d"), node("Relu", "d")], MAP),
    "cast-to-float": Case([node("Cast", "x", "d", to=1), node("Relu", "d")], MAP),
    "constant": Case(
        [node("Constant", "", "c", value=numpy_helper.from_array(floats(3, 1, 1))), node("Add", "x c")], MAP
    ),
    "constant-number": Case([node("Constant", "", "c", value_float=2.5), node("Mul", "x c")], MAP),
    "constant-numbers": Case(
        [
            node("Constant", "", "c", value_floats=[2.5, 1.5, -1.0]),
            node("Constant", "", "s", value_ints=[3, 1, 1]),
            node("Reshape", "c s", "d"),
            node("Mul", "x d"),
        ],
        MAP,
    ),
    "constant-of-shape": Case(
        [
            node("ConstantOfShape", "s", "c", value=numpy_helper.from_array(vector(0.3))),
            node("Conv", "x c"),
        ],
        MAP,
        {"s": whole(4, 3, 1, 1)},
    ),
    "constant-folding": Case(
        [node("Mul", "b two", "c"), node("Reshape", "c s", "d"), node("Add", "x d")],
        MAP,
        {"b": floats(3), "two": number(2.0), "s": whole(3, 1, 1)},
    ),
    "constant-transposed-weights": Case(
        [node("Transpose", "w", "v", perm=[1, 0]), node("MatMul", "x v")], (5,), {"w": floats(4, 5)}
    ),
    "constant-range": Case(
        [node("Range", "from to by", "p"), node("Gather", "x p", axis=1)],
        (5, 2, 3),
        {"from": np.array(4), "to": np.array(-1), "by": np.array(-2)},
    ),
    "constant-of-shape-of-input": Case(
        [
            node("Shape", "x", "h"),
            node("Slice", "h one two", "c"),
            node("ConstantOfShape", "c", "z", value=numpy_helper.from_array(vector(0.25))),
            node("Reshape", "z s", "v"),
            node("Mul", "x v"),
        ],
        MAP,
        {"one": whole(1), "two": whole(2), "s": whole(3, 1, 1)},
    ),
}

CASES = PRODUCTS | FUNCTIONS | POOLS | SUMS | AXES | RESIZING | CONSTANTS
