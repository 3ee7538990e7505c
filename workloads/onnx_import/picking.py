"""Operators that pick places along axes, leave some out, or take them several times."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from workloads.layers import Select
from workloads.limits import MOST_ALONG_AN_AXIS
from workloads.onnx_import.constants import Constant
from workloads.onnx_import.operators import checks_attributes, translates
from workloads.onnx_import.tokens import embedded
from workloads.onnx_import.translation import Operator, Translation, Value
from workloads.onnx_import.views import (
    AXES,
    CHANNELS,
    COLUMNS,
    REPEATS,
    ROWS,
    Atom,
    Axis,
    UnmappableError,
    View,
    covers,
    is_whole,
    kinds,
    places,
    whole,
)

Indices = NDArray[np.int64]


@translates("Slice")
def cut(t: Translation, node: Operator) -> Sequence[Value]:
    """Cut along any axes but the batch's, backwards too."""
    view = t.view(node)
    starts, ends = t.integers(node, 1, "starts"), t.integers(node, 2, "ends")
    if starts is None or ends is None:
        raise UnmappableError("it does not say from where to where", "give it starts and ends")
    axes = t.integers(node, 3, "axes") or list(range(len(starts)))
    steps = t.integers(node, 4, "steps") or [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise UnmappableError(
            f"it cuts axes {axes} from {starts} to {ends} by {steps}", "give each axis all three, steps not 0"
        )
    chosen = {}
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        place = view.place(axis)
        if place > 0 or (start, step) != (0, 1) or end < (t.graph.input.batch or MOST_ALONG_AN_AXIS):
            place = t.image_axis(view, axis)
        chosen[place] = np.arange(view.shape[place])[start:end:step]
    return [pick(t, node, view, chosen)]


@translates("Split")
def split(t: Translation, node: Operator) -> Sequence[Value]:
    """Cut into parts of given sizes, or equal ones."""
    view = t.view(node)
    place = t.image_axis(view, node.get("axis", 0))
    whole_size, parts = view.shape[place], len(node.outputs)
    sizes = t.integers(node, 1, "split")
    if sizes is None:
        each = -(-whole_size // parts)
        sizes = [min(each, whole_size - each * i) for i in range(parts)]
    if len(sizes) != parts or sum(sizes) != whole_size or min(sizes) < 0:
        raise UnmappableError(
            f"it splits {whole_size} places into {parts} parts of {sizes}", "let the parts add up"
        )
    ends = np.cumsum(sizes)
    return [
        pick(t, node, view, {place: np.arange(end - size, end)})
        for size, end in zip(sizes, ends, strict=True)
    ]


@translates("Gather")
def gather(t: Translation, node: Operator) -> Sequence[Value]:
    """Take constant places of one axis, a single one leaves the axis out; or rows of a table, by ids."""
    if isinstance(t.value(node, 0), Constant):
        return [embedded(t, node, t.parameter(node, 0))]
    view, indices = t.view(node), t.constant(node, 1)
    place = t.image_axis(view, node.get("axis", 0))
    if indices is None or len(indices.shape) > 1:
        raise UnmappableError("it gathers by a table", "gather places of one axis")
    chosen, size = np.array(indices.whole_numbers(), np.int64), view.shape[place]
    if not ((-size <= chosen) & (chosen < size)).all():
        raise UnmappableError(f"it gathers {chosen.tolist()} of {size} places", "gather places there are")
    chosen %= size
    picked = pick(t, node, view, {place: chosen})
    if indices.shape:
        return [picked]
    return [View(picked.layer, tuple(axis for i, axis in enumerate(picked.axes) if i != place))]


@checks_attributes("Pad")
def check_padding(node: Operator) -> None:
    """Pad with zeros or with what is there."""
    mode, value = node.get("mode", "constant"), node.get("value", 0.0)
    if mode not in ("constant", "reflect", "edge", "wrap"):
        raise UnmappableError(f"its mode is {mode!r}", "pad with zeros")
    if mode == "constant" and value != 0.0:
        raise UnmappableError(f"it pads with {value}", "pad with 0")


@translates("ArrayFeatureExtractor")
def features(t: Translation, node: Operator) -> Sequence[Value]:
    """Take constant places of the last axis."""
    view, indices = t.view(node), t.parameter(node, 1)
    place, chosen = len(view.axes) - 1, np.array(indices.whole_numbers(), np.int64)
    size = view.shape[place]
    if not place or not ((chosen >= 0) & (chosen < size)).all():
        raise UnmappableError(f"it takes {chosen.tolist()} of {size} places", "take places there are")
    return [pick(t, node, view, {place: chosen})]


@translates("Pad")
def pad(t: Translation, node: Operator) -> Sequence[Value]:
    """Pad with zeros, or with places of the tensor; negative padding cuts."""
    view = t.view(node)
    mode = node.get("mode", "constant")
    pads = t.integers(node, 1, "pads")
    if pads is None:
        raise UnmappableError("it does not say how much", "give it pads")
    axes = t.integers(node, 3, "axes") or list(range(len(view.axes)))
    value = t.constant(node, 2)
    if mode == "constant" and value is not None and value.scalar() != 0.0:
        raise UnmappableError(f"it pads with {value.scalar()}", "pad with 0")
    if len(pads) != 2 * len(axes):
        raise UnmappableError(f"it has {len(pads)} pads for {len(axes)} axes", "give two for each axis")
    chosen = {}
    for axis, before, behind in zip(axes, pads[: len(axes)], pads[len(axes) :], strict=True):
        place = view.place(axis)
        _check_places(view.shape[place] + max(0, before) + max(0, behind))
        chosen[place] = _padded(view.shape[place], before, behind, mode)
    return [pick(t, node, view, chosen)]


def _padded(size: int, before: int, behind: int, mode: str) -> Indices:
    """Return the places of a padded axis, -1 for zeros."""
    kept = np.arange(max(0, -before), size - max(0, -behind))
    widths = (max(0, before), max(0, behind))
    if mode == "constant":
        return np.pad(kept, widths, constant_values=-1)
    return np.pad(kept, widths, mode=mode)  # type: ignore[call-overload, no-any-return]


@checks_attributes("Resize", "Upsample")
def check_resizing(node: Operator) -> None:
    """Take the nearest place, by sizes or factors as they are given."""
    if node.get("mode", "nearest") != "nearest":
        raise UnmappableError(f"it interpolates ({node.get('mode')})", "resize to the nearest pixel")
    if node.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise UnmappableError("it keeps an aspect ratio", "give the sizes themselves")


@translates("Resize", "Upsample")
def resize(t: Translation, node: Operator) -> Sequence[Value]:
    """Take the nearest place."""
    view = t.view(node)
    axes = node.get("axes") or list(range(len(view.axes)))
    scales, sizes = _resizing(t, node)
    if len(scales or sizes) != len(axes) or not all(0 < each < np.inf for each in scales or sizes):
        raise UnmappableError(f"it resizes {len(axes)} axes by {scales or sizes}", "give each a positive one")
    chosen = {}
    for number, axis in enumerate(axes):
        place = view.place(axis)
        old = view.shape[place]
        scale = np.float32(scales[number]) if scales else np.float32(sizes[number]) / np.float32(old)
        new = sizes[number] if sizes else int(np.floor(old * scale))
        _check_places(new)
        chosen[place] = _nearest(t, node, old, new, scale)
    return [pick(t, node, view, chosen)]


def _resizing(t: Translation, node: Operator) -> tuple[list[float], list[int]]:
    """Return the scale of each axis, or its new size; the other list is empty."""
    place = 1 if node.kind == "Upsample" or t.graph.opset < 11 else 2
    given = t.constant(node, place)
    scales = [float(each) for each in node.get("scales", [])]
    if given is not None and given.size:
        scales = given.numbers().tolist()
    new = t.constant(node, 3)
    sizes = new.whole_numbers() if not scales and new is not None else []
    if not scales and not sizes:
        raise UnmappableError("it says neither scales nor sizes", "give it one of them")
    return scales, sizes


def _nearest(t: Translation, node: Operator, old: int, new: int, scale: np.float32) -> Indices:
    """Return the place of a map that each place of the resized one is nearest to.

    In single precision, as runtimes compute: between two places its roundings decide. Before version 11 there
    is nothing to choose.
    """
    mode = node.get("coordinate_transformation_mode", "half_pixel")
    rounding = node.get("nearest_mode", "round_prefer_floor")
    if t.graph.opset < 11:
        mode, rounding = "asymmetric", "floor" if scale >= 1 else "ceil"
    x, half = np.arange(new, dtype=np.float32), np.float32(0.5)
    match mode:
        case "asymmetric":
            at = x / scale
        case "half_pixel":
            at = (x + half) / scale - half
        case "pytorch_half_pixel":
            at = (x + half) / scale - half if new > 1 else np.zeros_like(x)
        case "half_pixel_symmetric":
            adjustment = np.float32(new) / (scale * np.float32(old))
            at = np.float32(old / 2) * (1 - adjustment) + (x + half) / scale - half
        case "align_corners":
            at = x * np.float32(old - 1) / np.float32(new - 1) if new > 1 else np.zeros_like(x)
        case _:
            raise UnmappableError(f"its coordinates are {mode}", "use asymmetric or half_pixel ones")
    nearest = _NEAREST.get(rounding)
    if nearest is None:
        raise UnmappableError(f"it rounds by {rounding!r}", "use floor, ceil or one of round_prefer_...")
    return np.clip(nearest(at), 0, old - 1).astype(np.int64, copy=False)


#: How the nearest place is found.
_NEAREST: dict[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = {
    "round_prefer_floor": lambda at: np.ceil(at - np.float32(0.5)),
    "round_prefer_ceil": lambda at: np.floor(at + np.float32(0.5)),
    "floor": np.floor,
    "ceil": np.ceil,
}


@translates("Expand")
def expand(t: Translation, node: Operator) -> Sequence[Value]:
    """Repeat single places; one axis more than a map has is for a Reshape to merge with what it repeats."""
    view, sizes = t.view(node), t.integers(node, 1, "shape") or []
    missing = len(sizes) - len(view.axes)
    view = View(view.layer, ((),) * max(0, missing) + view.axes)
    sizes = [1] * max(0, -missing) + sizes
    for size in sizes:
        _check_places(size)
    longer = {place: size for place, size in enumerate(sizes) if view.shape[place] == 1 and size > 1}
    if len(view.axes) > 4 and len(longer) == 1:
        ((place, size),) = longer.items()
        return [view.with_axis(place, (Atom(REPEATS, size, 0),), view.layer)]
    return [pick(t, node, view, {place: np.zeros(size, np.int64) for place, size in longer.items()})]


@translates("Tile")
def tile(t: Translation, node: Operator) -> Sequence[Value]:
    """Take all places several times over."""
    view, repeats = t.view(node), t.integers(node, 1, "repeats") or []
    if len(repeats) != len(view.axes):
        raise UnmappableError(f"it repeats {len(view.axes)} axes {repeats} times", "give a number for each")
    for size, times in zip(view.shape, repeats, strict=True):
        _check_places(size * times)
    chosen = {
        place: np.tile(np.arange(view.shape[place]), times)
        for place, times in enumerate(repeats)
        if times != 1
    }
    return [pick(t, node, view, chosen)]


def _check_places(places: int) -> None:
    """Raise UnmappableError for more places along an axis than a layer could list."""
    if places > MOST_ALONG_AN_AXIS:
        raise UnmappableError(
            f"it makes an axis of {places} places, at most {MOST_ALONG_AN_AXIS} are allowed",
            "make it smaller",
        )


def pick(t: Translation, node: Operator, view: View, chosen: Mapping[int, Indices]) -> View:
    """Return a view with the chosen places of some axes, -1 for zeros; a layer picks them."""
    chosen = {
        place: indices
        for place, indices in chosen.items()
        if not np.array_equal(indices, np.arange(view.shape[place]))
    }
    if not chosen:
        return view
    view = t.asked_for(view, 1 if len(view.axes) > 1 else 0)
    sizes = dict(zip(AXES, t.shape(view.layer), strict=True))
    picked: dict[str, tuple[int, ...]] = {}
    axes = list(view.axes)
    empty = next((place for place, indices in chosen.items() if not indices.size), None)
    if empty is not None:
        raise UnmappableError(f"nothing is left of axis {empty} of {view.shape}", "keep something of it")
    if any(_is_part_of_channels(view, place, sizes) for place in chosen):
        apart, chosen = chosen, {}
        for place, indices in apart.items():
            if kinds(view.axes[place]) != {CHANNELS}:
                chosen[place] = indices
        some = {place: indices for place, indices in apart.items() if place not in chosen}
        picked[CHANNELS], axes = _channels_apart(view, some)
    for place, indices in chosen.items():
        kind = _kind_of(view, place, sizes)
        at = places(view.axes[place])
        within = np.where(indices < 0, -1, at[np.maximum(indices, 0)])
        picked[kind] = tuple(int(index) for index in within)
        axes[place] = whole(kind, len(indices))
    layer = Select(name=t.name(node.name), inputs=(view.layer,), **picked)
    return View(t.add(layer), tuple(axes))


def _is_part_of_channels(view: View, place: int, sizes: Mapping[str, int]) -> bool:
    """Whether an axis is a part of the channels, others of which lie along other axes."""
    axis = view.axes[place]
    return kinds(axis) == {CHANNELS} and not covers(axis, CHANNELS, sizes[CHANNELS])


def _channels_apart(view: View, chosen: Mapping[int, Indices]) -> tuple[tuple[int, ...], list[Axis]]:
    """Return channels of which the chosen places of several axes consist, and all axes of a view of those.

    raises : UnmappableError for axes that also have pixels, and for zeros
    """
    along = [place for place, axis in enumerate(view.axes) if CHANNELS in kinds(axis)]
    if any(kinds(view.axes[place]) != {CHANNELS} for place in along) or any(
        (indices < 0).any() for indices in chosen.values()
    ):
        raise UnmappableError(
            f"it picks parts of channels of {view.shape} that also lie along pixels, or pads them",
            "leave the order of axes alone before it",
        )
    along.sort(key=lambda place: -view.axes[place][0].stride)
    channels, axes = np.zeros(1, np.int64), list(view.axes)
    for place in along:
        at = places(view.axes[place])
        channels = np.add.outer(channels, at[chosen[place]] if place in chosen else at).ravel()
    stride = 1
    for place in reversed(along):
        size = len(chosen[place]) if place in chosen else view.shape[place]
        axes[place] = (Atom(CHANNELS, size, stride),) if size > 1 else ()
        stride *= size
    return tuple(int(channel) for channel in channels), axes


def _kind_of(view: View, place: int, sizes: Mapping[str, int]) -> str:
    """Return which of the layer's axes an axis of a view is; one of a single place is the first that is left.

    raises : UnmappableError if it is a part of one, or of several
    """
    axis = view.axes[place]
    for kind, size in sizes.items():
        if axis and (is_whole(axis, size) or kind == CHANNELS) and covers(axis, kind, size):
            return kind
    if not axis and place:
        used = {each for other in view.axes for each in kinds(other)}
        usual = {2: (CHANNELS,), 3: (CHANNELS, COLUMNS), 4: (CHANNELS, ROWS, COLUMNS)}
        wanted = usual.get(len(view.axes), AXES)[place - 1 : place]
        for kind in (*wanted, COLUMNS, ROWS, CHANNELS):
            if sizes[kind] == 1 and kind not in used:
                return kind
    raise UnmappableError(
        f"axis {place} of its input {view.shape} is neither channels nor rows nor columns",
        "leave the order of axes alone before it",
    )
