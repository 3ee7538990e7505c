"""Pools, and means and maxima of whole maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workloads.layers import AvgPool2d, GlobalAvgPool, Layer, MaxPool2d
from workloads.onnx_import.operators import translates
from workloads.onnx_import.translation import Operator, Translation, Value
from workloads.onnx_import.views import (
    CHANNELS,
    COLUMNS,
    ROWS,
    UnmappableError,
    View,
    kinds,
    whole,
)
from workloads.onnx_import.windows import window_of
from workloads.window import Window


@translates("MaxPool", "AveragePool")
def pool(t: Translation, node: Operator) -> Sequence[Value]:
    """Pool along one or two axes, with any stride, padding and dilation."""
    if len(node.outputs) > 1 and node.outputs[1]:
        raise UnmappableError("it tells the places of its maxima", "use its values only")
    view = t.with_channels(t.view(node), 1)
    window, axes = window_of(t, node, view, node.get("kernel_shape", []))
    common: dict[str, Any] = {
        "name": t.name(node.name),
        "inputs": (view.layer,),
        "window": window,
        "ceil_mode": bool(node.get("ceil_mode", 0)),
    }
    layer: Layer
    if node.kind == "MaxPool":
        layer = MaxPool2d(**common)
    else:
        layer = AvgPool2d(**common, count_include_pad=bool(node.get("count_include_pad", 0)))
    name = t.add(layer)
    _, height, width = t.shape(name)
    sizes = {ROWS: height, COLUMNS: width}
    return [View(name, (*view.axes[:2], *(whole(axis, sizes[axis]) for axis in axes)))]


@translates("GlobalAveragePool", "GlobalMaxPool")
def global_pool(t: Translation, node: Operator) -> Sequence[Value]:
    """Pool over all pixels."""
    view = t.with_channels(t.view(node), 1)
    return [_over_pixels(t, node, view, list(range(2, len(view.axes))), keep=True)]


@translates("ReduceMean", "ReduceMax")
def reduction(t: Translation, node: Operator) -> Sequence[Value]:
    """Reduce rows, columns or both."""
    view = t.view(node)
    axes = t.integers(node, 1, "axes")
    if axes is None and node.get("noop_with_empty_axes", 0):
        return [view]
    reduced = sorted(t.image_axis(view, axis) for axis in (range(len(view.axes)) if axes is None else axes))
    left = [place for place in range(1, len(view.axes)) if place not in reduced]
    view = t.asked_for(view, max(left, key=lambda place: len(view.axes[place]), default=1))
    return [_over_pixels(t, node, view, reduced, keep=bool(node.get("keepdims", 1)))]


def _over_pixels(t: Translation, node: Operator, view: View, reduced: list[int], *, keep: bool) -> View:
    """Return the mean or the maximum over some axes of pixels."""
    gone = {kind for place in reduced for kind in kinds(view.axes[place])}
    kept = {kind for place, axis in enumerate(view.axes) if place not in reduced for kind in kinds(axis)}
    if CHANNELS in gone or gone & kept:
        raise UnmappableError(
            f"it reduces axes {reduced} of {view.shape}, which are not all pixels of a channel",
            "reduce rows, columns or both",
        )
    _, height, width = t.shape(view.layer)
    window = Window(kernel=(height if ROWS in gone else 1, width if COLUMNS in gone else 1))
    common: dict[str, Any] = {"name": t.name(node.name), "inputs": (view.layer,)}
    layer: Layer
    if node.kind in ("GlobalMaxPool", "ReduceMax"):
        layer = MaxPool2d(**common, window=window)
    elif window.kernel == (height, width):
        layer = GlobalAvgPool(**common)
    else:
        layer = AvgPool2d(**common, window=window)
    axes = [() if place in reduced else axis for place, axis in enumerate(view.axes)]
    if not keep:
        axes = [axis for place, axis in enumerate(axes) if place not in reduced]
    return View(t.add(layer), tuple(axes))
