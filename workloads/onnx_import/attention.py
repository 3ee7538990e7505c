"""Attention as files write it: products of two computed tensors, masks, and softmaxes of heads.

Which of both products a `MatMul` is shows in what it adds up: features of queries and of keys, which are
channels of both, or tokens, which are channels of shares and pixels of values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.layers import AttentionMix, AttentionScores, Layer, Select, Shape, Softmax
from workloads.onnx_import.constants import Constant
from workloads.onnx_import.translation import Operator, Translation
from workloads.onnx_import.views import (
    CHANNELS,
    COLUMNS,
    REPEATS,
    ROWS,
    Atom,
    Axis,
    UnmappableError,
    View,
    kinds,
    places,
    whole,
)

#: What is added to scores that nobody shall see is this or less.
HIDDEN = -1e4


@dataclass(frozen=True, kw_only=True)
class MaskedScores(Layer):
    """Scores of which the softmax behind them only sees some, as `causal` of a Softmax says.

    Nothing else may read them.
    """

    causal: int

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return the input's shape."""
        return self._only(inputs)


@dataclass(frozen=True)
class _Operand:
    """One side of a product.

    sizes : of all axes before the last two, along which heads lie
    kept, added : its axis in the result, and the one that is added up
    """

    view: View
    sizes: tuple[int, ...]
    kept: Axis
    added: Axis
    shape: Shape

    @classmethod
    def of(cls, t: Translation, view: View, kept: int) -> _Operand:
        """Return a view as an operand whose axis at -2 or -1 is kept."""
        axes = view.axes
        sizes = view.shape[:-2]
        return cls(view, sizes, axes[kept], axes[-3 - kept], t.shape(view.layer))

    @property
    def heads(self) -> Axis:
        """The atoms of all axes along which heads lie; repeated heads are there once."""
        return tuple(atom for axis in self.view.axes[:-2] for atom in axis if atom.axis != REPEATS)

    def in_heads(self, t: Translation, name: str, features: Axis) -> str:
        """Return a layer with this operand's channels head by head, `features` within each.

        raises : UnmappableError if those are not all channels
        """
        axis = self.heads + features
        order = places(axis) if kinds(axis) <= {CHANNELS} else np.zeros(0, np.int64)
        if sorted(order) != list(range(self.shape[0])):
            raise UnmappableError(
                f"heads and features of its input {self.view.shape} are not the channels of each token",
                "split channels into heads, and leave tokens alone",
            )
        if (order == np.arange(len(order))).all():
            return self.view.layer
        picked = tuple(int(channel) for channel in order)
        return t.add(Select(name=t.name(f"{name}-heads"), inputs=(self.view.layer,), channels=picked))


def computed_product(t: Translation, node: Operator) -> View:
    """Return the product of two computed tensors, which must be one of attention's.

    raises : UnmappableError for any other
    """
    left, right = (t.asked_for(t.view(node, place, repeats=True), -1) for place in (0, 1))
    rank = max(len(left.axes), len(right.axes))
    if min(len(left.axes), len(right.axes)) < 2:
        raise UnmappableError(f"it multiplies {left.shape} by {right.shape}", "keep tokens and features")
    left, right = (View(view.layer, ((),) * (rank - len(view.axes)) + view.axes) for view in (left, right))
    a, b = _Operand.of(t, left, -2), _Operand.of(t, right, -1)
    if _is_tokens(a.kept, a.shape) and _is_tokens(b.kept, b.shape):
        if kinds(a.added) | kinds(b.added) <= {CHANNELS}:
            return _scores(t, node, a, b)
    elif _is_tokens(a.kept, a.shape) and _is_tokens(b.added, b.shape):
        return _mix(t, node, a, b)
    elif _is_tokens(b.kept, b.shape) and _is_tokens(a.added, a.shape):
        return _mix(t, node, b, a, values_first=True)
    raise UnmappableError(
        f"it multiplies two computed tensors, {left.shape} by {right.shape}, but neither as queries and keys "
        "nor as shares and values",
        "keep features in the channels of tokens, or replace one side by a constant",
    )


def _scores(t: Translation, node: Operator, queries: _Operand, keys: _Operand) -> View:
    heads, key_heads = _heads_of(queries, keys)
    layer = AttentionScores(
        name=t.name(node.name),
        inputs=(
            queries.in_heads(t, node.name, queries.added),
            keys.in_heads(t, node.name, keys.added),
        ),
        heads=heads,
        key_heads=None if key_heads == heads else key_heads,
    )
    size = prod(keys.shape[1:])
    return View(t.add(layer), (*_batch(queries, size), queries.kept, whole(CHANNELS, size)))


def _mix(
    t: Translation, node: Operator, shares: _Operand, values: _Operand, *, values_first: bool = False
) -> View:
    heads, key_heads = _heads_of(shares, values)
    layer = AttentionMix(
        name=t.name(node.name),
        inputs=(
            shares.in_heads(t, node.name, shares.added),
            values.in_heads(t, node.name, values.kept),
        ),
        heads=heads,
        key_heads=None if key_heads == heads else key_heads,
    )
    features = prod(atom.size for atom in values.kept)
    axes = (shares.kept, whole(CHANNELS, features))
    return View(t.add(layer), (*_batch(shares, features), *(reversed(axes) if values_first else axes)))


def _is_tokens(axis: Axis, shape: Shape) -> bool:
    """Whether an axis is all pixels of a map of `shape`, row by row."""
    return axis == whole(ROWS, shape[1]) + whole(COLUMNS, shape[2])


def _heads_of(queries: _Operand, keys: _Operand) -> tuple[int, int]:
    """Return the heads of both; fewer of keys are repeated one by one.

    raises : UnmappableError for heads that are repeated otherwise
    """
    heads, key_heads = prod(queries.sizes), prod(atom.size for atom in keys.heads)
    by_key = tuple(atom for axis in keys.view.axes[:-2] for atom in axis)
    repeated = [atom.axis == REPEATS for atom in by_key]
    shorter = [size == 1 < other for size, other in zip(keys.sizes, queries.sizes, strict=True)]
    behind = [one for one, other in zip(shorter, queries.sizes, strict=True) if other > 1]
    whole_heads = REPEATS not in kinds(queries.heads) and prod(atom.size for atom in queries.heads) == heads
    if not whole_heads or repeated != sorted(repeated) or behind != sorted(behind):
        raise UnmappableError(
            f"it repeats heads of {queries.view.shape} or {keys.view.shape} in another order than one by one",
            "repeat each head of keys and values for those of queries that follow each other",
        )
    return heads, key_heads


def _batch(operand: _Operand, size: int) -> tuple[Axis, ...]:
    """Return the axes of heads of a result with `size` channels in each."""
    axes: list[Axis] = []
    for heads in reversed(operand.sizes):
        axes.insert(0, (Atom(CHANNELS, heads, size),) if heads > 1 else ())
        size *= heads
    return tuple(axes)


def softmax_of_heads(t: Translation, node: Operator, view: View, axis: int) -> View:
    """Return the shares along one axis of `view`, which is all channels or those of each head.

    raises : UnmappableError for any other axis, and for channels of a head that do not follow each other
    """
    view = t.asked_for(view, axis)
    channels, along = t.shape(view.layer)[0], view.axes[axis]
    size = prod(atom.size for atom in along)
    if along != whole(CHANNELS, size):
        view = t.with_channels(view, axis)  # in any order, as their sum has none
    masked = t.layers.get(view.layer)
    causal = masked.causal if isinstance(masked, MaskedScores) else None
    source = masked.inputs[0] if isinstance(masked, MaskedScores) else view.layer
    return view.of(
        t.add(Softmax(name=t.name(node.name), inputs=(source,), groups=channels // size, causal=causal))
    )


def is_mask(constant: Constant) -> bool:
    """Whether what is added hides some of what it is added to; data beside the file never does."""
    return constant.in_memory and constant.size > 1 and bool((constant.array() <= HIDDEN).any())


def hidden(t: Translation, node: Operator, view: View, sees: NDArray[np.bool_]) -> View:
    """Return scores of which the softmax behind them only sees some.

    sees : broadcasts to the shape of `view`
    raises : UnmappableError unless each token sees one more than the one before it
    """
    if len(view.axes) < 2 or sees.ndim > len(view.axes):
        raise UnmappableError(f"it hides elements of {view.shape}", "hide scores of attention")
    tokens, keys = view.shape[-2:]
    every = np.broadcast_to(sees, view.shape).reshape(-1, tokens, keys)
    first = int(every[0, 0].sum())
    expected = np.arange(keys) < np.arange(first, first + tokens)[:, None]
    if not first or not (every == expected).all():
        raise UnmappableError(
            "its mask is not causal, which lets each token see one more than the one before",
            "leave the mask out, and give no padding",
        )
    if every.all():
        return view
    return view.of(t.add(MaskedScores(name=t.name(node.name), inputs=(view.layer,), causal=first - 1)))


def scaled_scores(t: Translation, name: str, view: View, factor: float) -> View | None:
    """Return scores times a number, which becomes part of their scale; None if `view` is of anything else."""
    scores = t.layers.get(view.layer)
    if not isinstance(scores, AttentionScores) or view.layer in t.tensor_scales:
        return None
    return view.of(t.add(replace(scores, name=t.name(name), factor=scores.factor * factor)))


def unread_masks(layers: Sequence[Any]) -> list[str]:
    """Return a line for each mask that something else than a softmax reads."""
    return [
        f"{layer.name}: it hides scores, but no softmax reads them; take their softmax right behind it"
        for layer in layers
        if isinstance(layer, MaskedScores)
    ]
