"""Windows of convolutions and pools, from attributes that count axes as the file does."""

from __future__ import annotations

from collections.abc import Sequence

from workloads.onnx_import.translation import Operator, Translation
from workloads.onnx_import.views import COLUMNS, ROWS, UnmappableError, View
from workloads.window import Window

#: Pixels of padding on one side.
MOST_PADDING = 2**12


def window_of(t: Translation, node: Operator, view: View, kernel: Sequence[int]) -> tuple[Window, list[str]]:
    """Return a node's window, and which of rows and columns each of its axes is.

    view : the operand, channels on axis 1, then an axis for each of `kernel`
    """
    if len(kernel) not in (1, 2) or len(view.axes) != len(kernel) + 2:
        raise UnmappableError(
            f"its window has {len(kernel)} axes over an input {view.shape}",
            "use windows along one or two axes",
        )
    kinds = t.pixel_axes(view, range(2, len(view.axes)))
    ones = [1] * len(kernel)
    strides, dilations = node.get("strides", ones), node.get("dilations", ones)
    if not len(strides) == len(dilations) == len(kernel) or min(*strides, *dilations, *kernel) < 1:
        raise UnmappableError(
            f"its window {list(kernel)} has strides {strides} and dilations {dilations}",
            "give each axis one of each, from 1 up",
        )
    before, behind = _pads(node, view.shape[2:], kernel, strides, dilations)
    if len(before) != len(kernel) or len(behind) != len(kernel) or max(*before, *behind) > MOST_PADDING:
        raise UnmappableError(
            f"its window {list(kernel)} has pads {before} and {behind}",
            f"give each axis both, at most {MOST_PADDING} pixels",
        )

    def sides(values: Sequence[int], default: int) -> tuple[int, int]:
        by_kind = dict(zip(kinds, values, strict=True))
        return by_kind.get(ROWS, default), by_kind.get(COLUMNS, default)

    window = Window(
        kernel=sides(kernel, 1),
        stride=sides(strides, 1),
        padding=(*sides(before, 0), *sides(behind, 0)),
        dilation=sides(dilations, 1),
    )
    return window, kinds


def _pads(
    node: Operator,
    sizes: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> tuple[list[int], list[int]]:
    """Return the pixels of padding before and behind each axis."""
    automatic = node.get("auto_pad", "NOTSET")
    axes = len(kernel)
    if automatic in ("NOTSET", ""):
        pads = list(node.get("pads", [0] * (2 * axes)))
        return pads[:axes], pads[axes:]
    if automatic == "VALID":
        return [0] * axes, [0] * axes
    if automatic not in ("SAME_UPPER", "SAME_LOWER"):
        raise UnmappableError(f"its auto_pad is {automatic!r}", "write out the padding as pads")
    before, behind = [], []
    for size, width, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True):
        steps = -(-size // stride)
        pad = max((steps - 1) * stride + (width - 1) * dilation + 1 - size, 0)
        less, more = pad // 2, pad - pad // 2
        before.append(less if automatic == "SAME_UPPER" else more)
        behind.append(more if automatic == "SAME_UPPER" else less)
    return before, behind
