"""Layer norms, embeddings, class tokens and constants of each token."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from workloads.layers import AddEmbedding, ClassToken, Embedding, LayerNorm
from workloads.onnx_import.constants import Constant
from workloads.onnx_import.matrices import placed
from workloads.onnx_import.operators import translates
from workloads.onnx_import.translation import Array, Operator, Translation, Value
from workloads.onnx_import.views import (
    CHANNELS,
    COLUMNS,
    ROWS,
    UnmappableError,
    View,
    flat_places,
    places,
    whole,
)


@translates("LayerNormalization")
def layer_norm(t: Translation, node: Operator) -> Sequence[Value]:
    """Normalise each token over its channels."""
    if len(node.outputs) > 1 and any(node.outputs[1:]):
        raise UnmappableError("it tells its statistics", "use its result only")
    view = t.view(node)
    axis = view.place(node.get("axis", -1))
    if any(view.axes[axis + 1 :]):
        raise UnmappableError(
            f"it normalises over {len(view.axes) - axis} axes of {view.shape}", "normalise over channels"
        )
    view = t.with_channels(view, axis)
    order = places(view.axes[axis])
    gain = t.parameter(node, 1, len(order))
    offset = t.parameter(node, 2, len(order)) if node.has_input(2) else None
    layer = LayerNorm(name=t.name(node.name), inputs=(view.layer,), eps=node.get("epsilon", 1e-5))
    name = t.add(
        layer,
        weight=lambda: placed(gain.array().reshape(-1), order),
        bias=lambda: np.zeros(len(order)) if offset is None else placed(offset.array().reshape(-1), order),
    )
    return [view.of(name)]


def embedded(t: Translation, node: Operator, table: Constant) -> View:
    """Return the rows of a constant table that the network's ids name."""
    ids = t.with_pixels_only(t.view(node, 1))
    if len(table.shape) != 2 or node.get("axis", 0) % len(table.shape):
        raise UnmappableError(f"it takes places of a table of shape {table.shape}", "take rows of a matrix")
    entries, features = table.shape
    layer = Embedding(name=t.name(node.name), inputs=(ids.layer,), entries=entries, features=features)
    name = t.add(layer, weight=table.array)
    return View(name, (*ids.axes, whole(CHANNELS, features)))


def with_tokens(t: Translation, node: Operator, constants: Sequence[Constant], view: View, axis: int) -> View:
    """Return a view with constant tokens in front of its own along an axis.

    raises : UnmappableError unless that axis is all of an image's pixels, row by row
    """
    long = [at for at, atoms in enumerate(view.axes) if atoms and at != axis]
    channels_at = long[-1] if long else axis - 1
    view = t.channels_in_order(node, view, channels_at)
    channels, height, width = t.shape(view.layer)
    if view.axes[axis] != whole(ROWS, height) + whole(COLUMNS, width):
        raise UnmappableError(
            f"it puts constants along axis {axis} of {view.shape}, which is not all tokens of an image",
            "put them in front of tokens",
        )
    if any(prod(each.shape) != each.shape[axis] * channels for each in constants):
        raise UnmappableError("its constants are not one row a token", "give each as many channels")

    def rows() -> Array:
        moved = [np.moveaxis(each.array(), (axis, channels_at), (0, 1)) for each in constants]
        return np.concatenate([each.reshape(-1, channels) for each in moved])

    tokens = sum(each.shape[axis] for each in constants)
    layer = ClassToken(name=t.name(node.name), inputs=(view.layer,), tokens=tokens)
    name = t.add(layer, weight=rows)
    return view.with_axis(axis, whole(ROWS, tokens + height * width), name)


def with_constant_of_each_token(
    t: Translation, node: Operator, view: View, constant: Constant, sign: float
) -> View:
    """Return a view with a constant added that differs from token to token.

    raises : UnmappableError if an element of the layer is not exactly one of the view
    """
    if constant.in_memory and not constant.array().any():
        return view  # as of a mask that hides nothing
    shape = t.shape(view.layer)
    flat = np.zeros(1, np.int64)
    for axis in view.axes:
        flat = np.add.outer(flat, flat_places(axis, shape)).ravel()
    if len(flat) != prod(shape):
        raise UnmappableError(f"it adds a constant to a part of {view.shape}", "add it to all of it")

    def rows() -> Array:
        values = np.empty(prod(shape))
        values[flat] = sign * np.broadcast_to(constant.numbers(), view.shape).ravel()
        return values.reshape(shape[0], -1).T

    layer = AddEmbedding(name=t.name(node.name), inputs=(view.layer,), entries=shape[1] * shape[2])
    return view.of(t.add(layer, weight=rows))
