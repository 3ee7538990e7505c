"""The state of an import: layers so far, and what each tensor of the file has become."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, helper

from workloads.layers import Activation, Input, Layer, Select, Shape
from workloads.limits import bounded_shape
from workloads.onnx_import.constants import Constant
from workloads.onnx_import.functions import Elementwise, Source, sources
from workloads.onnx_import.model_file import OnnxGraph
from workloads.onnx_import.views import (
    AXES,
    CHANNELS,
    COLUMNS,
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
from workloads.scales import Quantization

Array = NDArray[Any]

#: Characters that are kept of a node's name.
LONGEST_NAME = 200


@dataclass(frozen=True)
class Operator:
    """One node of the file.

    name : as messages call it
    kind : its operator
    attributes : by name, as numbers, strings, lists and tensors
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, node: NodeProto) -> Operator:
        """Return a node in Python's types."""
        attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        name = node.name or (node.output[0] if node.output else node.op_type)
        return cls(
            name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}...",
            node.op_type,
            tuple(node.input),
            tuple(node.output),
            {name: _text(value) for name, value in attributes.items()},
        )

    def get(self, name: str, default: Any = None) -> Any:
        """Return an attribute, or what it is without."""
        return self.attributes.get(name, default)

    def has_input(self, place: int) -> bool:
        """Whether an optional input is there."""
        return len(self.inputs) > place and bool(self.inputs[place])

    @property
    def label(self) -> str:
        """Name and operator, for messages."""
        return f"{self.name} ({self.kind})"


class Broken:
    """What a tensor is behind a node that could not be translated."""


Value = View | Constant | Elementwise | Broken


class Translation:
    """Layers, parameters and scales of a network that is being read, and what is known of each tensor.

    channels : axis of the file's input that is its channels; None leaves that to the first operator that asks
    """

    def __init__(self, graph: OnnxGraph, channels: int | None = None) -> None:
        self.graph = graph
        self.layers: dict[str, Layer] = {}
        self.parameters: dict[str, dict[str, Callable[[], Array]]] = {}
        self.tensor_scales: dict[str, Quantization] = {}
        self.weight_scales: dict[str, NDArray[np.float32]] = {}
        self.notes: list[str] = []
        self.values: dict[str, Value] = dict(graph.constants)
        #: The last number behind each name that has been wanted.
        self._names: dict[str, int] = {}
        #: Name of the input's layer.
        self.input = self.name(graph.input.name)
        #: Which axis of the input's layer each axis of the file's input is; empty until somebody asks.
        self._bound: dict[int, str] = {}
        sizes = enumerate(graph.input.shape[1:], start=1)
        self.values[graph.input.name] = View(
            self.input, ((), *((Atom(axis, size),) if size > 1 else () for axis, size in sizes))
        )
        self._shapes: dict[str, Shape] = {}
        self._unsized: deque[Layer] = deque()
        if channels is not None:
            others = [axis for axis in range(1, len(graph.input.shape)) if axis != channels]
            self._bind([channels], others if len(others) <= 2 else [a for a in others if a in self.long_axes])

    # -- names and layers ------------------------------------------------------------------------------------

    def name(self, wanted: str) -> str:
        """Return a name of a layer like `wanted` that no other layer has."""
        plain = re.sub(r"[^A-Za-z0-9_/-]+", "_", wanted[:LONGEST_NAME]).strip("/_") or "layer"
        name = plain
        while name in self._names:
            self._names[plain] += 1
            name = f"{plain}-{self._names[plain]}"
        self._names[name] = 1
        return name

    def add(self, layer: Layer, **parameters: Callable[[], Array]) -> str:
        """Add a layer with what gives its parameters, and return its name."""
        self.layers[layer.name] = layer
        self._unsized.append(layer)
        if self._bound:
            self._size_layers()
        if parameters:
            self.parameters[layer.name] = parameters
        return layer.name

    def shape(self, layer: str) -> Shape:
        """Return the shape of a layer's tensor, whose input's axes are bound."""
        self._size_layers()
        return self._shapes[layer]

    def _size_layers(self) -> None:
        """Work out the shapes of all layers that have none yet; none may be out of bounds."""
        if not self._shapes:
            self._shapes[self.input] = bounded_shape(self.input_layer(), [], before=0)
        while self._unsized:
            layer = self._unsized.popleft()
            in_shapes = [self._shapes[name] for name in layer.inputs]
            self._shapes[layer.name] = bounded_shape(layer, in_shapes, before=len(self._shapes))

    def input_layer(self) -> Input:
        """Return the network's input; its axes are bound as they come if nobody has asked for them."""
        if not self._bound:
            self._bind_as_they_come()
        sizes = dict.fromkeys(AXES, 1)
        for axis, kind in self._bound.items():
            sizes[kind] = self.graph.input.shape[axis]
        return Input(name=self.input, shape=(sizes[CHANNELS], sizes[ROWS], sizes[COLUMNS]))

    # -- values ----------------------------------------------------------------------------------------------

    def value(self, node: Operator, place: int) -> Value:
        """Return what an input of a node has become; UnmappableError if it is left out."""
        if not node.has_input(place):
            raise UnmappableError(f"it has no input {place}", "give it one")
        return self.values[node.inputs[place]]

    def constant(self, node: Operator, place: int) -> Constant | None:
        """Return an input of a node that is a constant; None if it is left out.

        raises : UnmappableError for one that depends on the network's input
        """
        if not node.has_input(place):
            return None
        value = self.value(node, place)
        if not isinstance(value, Constant):
            raise UnmappableError(
                f"its input {node.inputs[place]!r} is computed while the network runs",
                "make it a constant",
            )
        return value

    def parameter(self, node: Operator, place: int, size: int | None = None) -> Constant:
        """Return an input of a node that must be a constant of finite numbers, `size` of them if given.

        raises : UnmappableError for any other
        """
        constant = self.constant(node, place)
        if constant is None:
            raise UnmappableError(f"it has no input {place}", "give it one")
        if size is not None and constant.size != size:
            raise UnmappableError(
                f"its input {node.inputs[place]!r} has shape {constant.shape}", f"give it {size} numbers"
            )
        if not constant.is_finite:
            raise UnmappableError(f"its input {node.inputs[place]!r} holds nan or infinity", "train it anew")
        return constant

    def view(self, node: Operator, place: int = 0, *, repeats: bool = False) -> View:
        """Return an input of a node as a view of a layer.

        repeats : whether it may have places more than once
        raises : UnmappableError for a constant
        """
        value = self.value(node, place)
        if isinstance(value, Constant):
            raise UnmappableError(
                f"its input {node.inputs[place]!r} is a constant", "fold it into a neighbour before exporting"
            )
        return self.made(value, repeats=repeats)

    def made(self, value: Value, *, repeats: bool = False) -> View:
        """Return a value as a view of a layer, which is made now if it has been waiting.

        repeats : whether it may have places more than once
        """
        assert isinstance(value, View | Elementwise)
        waiting = [value]
        while waiting:  # not by recursion, as chains may be long
            function = waiting[-1]
            if isinstance(function, View) or function.made is not None:
                waiting.pop()
                continue
            registered = function.registered
            read = function.operands if registered is None else (registered[1],)
            if missing := [each for each in read if isinstance(each, Elementwise) and each.made is None]:
                waiting += missing
                continue
            views = [self._view_of(each) for each in read]
            try:
                if registered is None:
                    function.made = function.layer(views)
                else:
                    function.made = self._activation(function.name, views[0], registered[0])
            except UnmappableError as error:
                error.where = error.where or function.label
                raise
        view = self._view_of(value)
        if view.repeats and not repeats:
            raise UnmappableError(
                f"its input {view.shape} repeats places along an axis beside those of the image",
                "resize with a Resize, or reshape right behind the Expand",
            )
        return view

    def _view_of(self, source: Source) -> View:
        """Return a value that is there as a view."""
        view = source.made if isinstance(source, Elementwise) else source
        assert view is not None
        return self.resolved(view)

    def function(
        self,
        node: Operator,
        operands: Sequence[Value | float],
        evaluate: Callable[..., Array],
        layer: Callable[[Sequence[View]], View],
    ) -> Elementwise:
        """Return a function of each element of operands of one shape, which waits for what is behind it.

        evaluate : from the operands' numbers to the result's
        layer : makes it of views of those operands that are no numbers, if it has to be made as it is
        raises : UnmappableError for operands that are constants
        """
        inputs: list[Source | float] = []
        for operand in operands:
            if not isinstance(operand, View | Elementwise | int | float):
                raise UnmappableError("it reads a constant", "fold it into a neighbour before exporting")
            inputs.append(self.resolved(operand) if isinstance(operand, View) else operand)
        known = sources(inputs, self.resolved)
        return Elementwise(node.name, node.label, tuple(inputs), evaluate, layer, known)

    def activation(self, node: Operator, view: View, function: str, **parameters: float) -> View:
        """Add an elementwise function and return its view."""
        return self._activation(node.name, view, function, **parameters)

    def _activation(self, name: str, view: View, function: str, **parameters: float) -> View:
        layer = Activation(name=self.name(name), inputs=(view.layer,), function=function, **parameters)
        return view.of(self.add(layer))

    def image_axis(self, view: View, axis: int) -> int:
        """Return the place of an axis along which a node reduces, picks or joins.

        raises : UnmappableError for the batch's, unless the file is for one image only
        """
        place = view.place(axis)
        if place == 0 and not view.axes[0] and self.graph.input.batch != 1:
            raise UnmappableError(
                "it works along the batch axis, but a run takes one image at a time",
                "leave the batch alone, or export it for a batch of 1",
            )
        return place

    def integers(self, node: Operator, place: int, attribute: str) -> list[int] | None:
        """Return whole numbers that newer files give as an input and older ones as an attribute."""
        if (constant := self.constant(node, place)) is not None:
            return constant.whole_numbers()
        given = node.get(attribute)
        return None if given is None else [int(each) for each in given]

    # -- where channels and pixels are -----------------------------------------------------------------------

    def resolved(self, view: View) -> View:
        """Return a view in terms of channels, rows and columns as far as they are known."""
        if not self._bound:
            return view
        return replace(
            view,
            axes=tuple(
                tuple(
                    replace(atom, axis=self._bound[atom.axis]) if isinstance(atom.axis, int) else atom
                    for atom in axis
                )
                for axis in view.axes
            ),
        )

    def with_channels(self, view: View, place: int) -> View:
        """Return a view whose axis at `place` has all channels, in any order.

        raises : UnmappableError if channels are elsewhere
        """
        view = self.asked_for(view, place)
        if not covers(view.axes[place], CHANNELS, self.shape(view.layer)[0]):
            raise UnmappableError(
                f"axis {place} of its input {view.shape} does not hold the channels",
                "leave the order of axes alone before it",
            )
        return view

    def channels_in_order(self, node: Operator, view: View, place: int) -> View:
        """Return a view whose axis at `place` is all channels one by one, which a layer picks if need be."""
        view = self.asked_for(view, place)
        channels = self.shape(view.layer)[0]
        axis = view.axes[place]
        if is_whole(axis, channels) and kinds(axis) <= {CHANNELS}:
            return view
        if not kinds(axis) <= {CHANNELS} or any(
            CHANNELS in kinds(each) for each in _others(view.axes, place)
        ):
            return self.with_channels(view, place)  # which says why not
        picked = tuple(int(channel) for channel in places(axis))
        layer = Select(name=self.name(f"{node.name}-channels"), inputs=(view.layer,), channels=picked)
        return view.with_axis(place, whole(CHANNELS, len(picked)), self.add(layer))

    def places_in_order(self, name: str, view: View) -> View:
        """Return a view behind a layer called `name` that orders the places of shuffled axes, if any are."""
        axes, picked = list(view.axes), {}
        for kind, size in zip(AXES, self.shape(view.layer), strict=True):
            for place, axis in enumerate(axes):
                if axis and covers(axis, kind, size) and not is_whole(axis, size):
                    picked[kind] = tuple(int(index) for index in places(axis))
                    axes[place] = whole(kind, size)
        if not picked:
            return view
        layer = Select(name=self.name(name), inputs=(view.layer,), **picked)
        return View(self.add(layer), tuple(axes))

    def with_pixels_only(self, view: View) -> View:
        """Return a view of the network's input, of which all axes are pixels."""
        if not self._bound and 1 <= len(self.long_axes) <= 2:
            self._bind([], self.long_axes)
        return self.resolved(view)

    def pixel_axes(self, view: View, chosen: Sequence[int]) -> list[str]:
        """Return for each of the chosen axes of a view whether it is all rows or all columns.

        An axis of one place is whichever is left.
        raises : UnmappableError if one is neither
        """
        _, height, width = self.shape(view.layer)
        sizes = {ROWS: height, COLUMNS: width}
        found: list[str | None] = []
        for place in chosen:
            axis = view.axes[place]
            kind = next((kind for kind, size in sizes.items() if axis == whole(kind, size) != ()), None)
            if axis and kind is None:
                raise UnmappableError(
                    f"axis {place} of its input {view.shape} is neither the rows nor the columns of an image",
                    "leave the order of axes alone before it",
                )
            found.append(kind)
        left = [kind for kind in (ROWS, COLUMNS) if kind not in found]
        if len(found) == 1 and left and found[0] is None:
            left = [COLUMNS]
        return [kind or left.pop(0) for kind in found]

    def asked_for(self, view: View, place: int) -> View:
        """Return a resolved view; the input's axes are bound now, `place` to channels if that can be."""
        if not -len(view.axes) <= place < len(view.axes):
            raise UnmappableError(f"its input {view.shape} has no axis {place}", "keep the batch axis")
        view = self.resolved(view)
        if self._bound or not any(isinstance(atom.axis, int) for axis in view.axes for atom in axis):
            return view
        place %= len(view.axes)
        sizes = self.graph.input.shape
        if all(len(axis) <= 1 and all(a.size == sizes[_number(a)] for a in axis) for axis in view.axes):
            channels = [_number(atom) for atom in view.axes[place]] or [
                axis for axis, size in enumerate(sizes) if axis and size == 1
            ]
            pixels = [axis for axis in range(1, len(sizes)) if axis not in channels[:1]]
            if len(pixels) <= 2:
                self._bind(channels[:1], pixels)
        if not self._bound:
            self._bind_as_they_come()
        return self.resolved(view)

    @property
    def long_axes(self) -> list[int]:
        """The axes of the file's input that have several places."""
        return [axis for axis, size in enumerate(self.graph.input.shape) if axis and size > 1]

    def _bind(self, channels: Iterable[int], pixels: Sequence[int]) -> None:
        """Settle which axes of the file's input are channels, and which are rows and columns, in order."""
        kinds_of = (COLUMNS,) if len(pixels) == 1 else (ROWS, COLUMNS)
        self._bound = dict.fromkeys(channels, CHANNELS)
        self._bound |= zip(sorted(pixels), kinds_of, strict=False)

    def _bind_as_they_come(self) -> None:
        """Take the input's axes in the order of the file; two without channels are rows and columns."""
        axes = list(range(1, len(self.graph.input.shape)))
        if len(axes) > 3:
            axes = self.long_axes or [1]
        if len(axes) > 3:
            raise UnmappableError(
                f"the network takes {len(axes)} axes beside the batch's", "use images with rows and columns"
            )
        kinds_of = {1: (CHANNELS,), 2: (ROWS, COLUMNS), 3: AXES}[len(axes)]
        self._bound = dict(zip(axes, kinds_of, strict=True))


def _number(atom: Atom) -> int:
    """Return which axis of the file's input an atom is a part of, as long as it is of no other kind."""
    assert isinstance(atom.axis, int)
    return atom.axis


def _others(axes: Sequence[Axis], place: int) -> list[Axis]:
    place %= len(axes)
    return [axis for i, axis in enumerate(axes) if i != place]


def _text(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return [_text(each) for each in value] if isinstance(value, list) else value
