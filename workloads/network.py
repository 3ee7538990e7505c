"""The graph of layers, checked when it is built, with its weights left where they are until somebody asks."""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.errors import WorkloadError
from simcore.registry import near_miss
from workloads.layers import Input, Layer, Shape
from workloads.scales import GivenScales

#: Arrays by layer and by parameter name, in PyTorch's layouts.
Parameters = Mapping[str, Mapping[str, NDArray[Any]]]


class Network:
    """Layers from one input to one output, in an order in which each comes after what it reads.

    >>> from workloads import Input, Linear
    >>> network = Network("tiny", [Input(name="image", shape=(1, 8, 8)), Linear(name="fc", out_features=10)])
    >>> network.shapes["fc"], network.macs
    ((10, 1, 1), 640)
    """

    def __init__(
        self,
        name: str,
        layers: Iterable[Layer],
        parameters: Callable[[], Parameters] | None = None,
        dataset: str | None = None,
        *,
        scales: GivenScales | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        """Check the graph and derive all shapes; no weight is loaded.

        layers : in any order; one that names no inputs reads the layer before it in this list
        parameters : gives the weights when called; None for a network of which only the structure is known
        dataset : registered name of the data it was made for
        scales : those to use as they are, by layer
        notes : what whoever read it from a file could not carry over, a sentence each
        raises : WorkloadError for unknown or doubled names, circles, dead layers and impossible shapes
        """
        self.name = name
        self.dataset = dataset
        self.notes = tuple(notes)
        self._parameters = parameters
        listed = _chained(list(layers))
        self._check_names(listed)
        ordered = self._sorted(listed)
        #: Layers by name, each after all that it reads.
        self.layers: Mapping[str, Layer] = {layer.name: layer for layer in ordered}
        self.input = self._input(ordered).name
        self.output = self._output(ordered)
        #: Output shape of each layer.
        self.shapes: Mapping[str, Shape] = self._shapes(ordered)
        self.scales = scales or GivenScales()
        self._check_scales()

    def __repr__(self) -> str:
        return f"Network({self.name!r}, {len(self.layers)} layers)"

    @property
    def input_shape(self) -> Shape:
        """Shape of one image."""
        return self.shapes[self.input]

    def in_shapes(self, layer: str) -> tuple[Shape, ...]:
        """Return the shapes of what `layer` reads."""
        return tuple(self.shapes[name] for name in self.layers[layer].inputs)

    @property
    def has_parameters(self) -> bool:
        """Whether weights are known, not only structure."""
        return self._parameters is not None

    @cached_property
    def macs(self) -> int:
        """Multiply-accumulates of one image."""
        return sum(layer.macs(self.in_shapes(name)) for name, layer in self.layers.items())

    @cached_property
    def parameter_shapes(self) -> Mapping[str, Mapping[str, tuple[int, ...]]]:
        """Shape of every parameter, by layer and name, of the layers that have any."""
        shapes = {name: layer.parameter_shapes(self.in_shapes(name)) for name, layer in self.layers.items()}
        return {name: parameters for name, parameters in shapes.items() if parameters}

    @cached_property
    def parameter_count(self) -> int:
        """Learned parameters, so without the statistics of batch norms."""
        return sum(
            prod(shape)
            for layer, parameters in self.parameter_shapes.items()
            for name, shape in parameters.items()
            if name not in self.layers[layer].statistics
        )

    def load_parameters(self) -> Parameters:
        """Return the weights, checked against the shapes that the layers expect; WorkloadError otherwise."""
        if self._parameters is None:
            raise WorkloadError(
                f"{self.name} is structure only; give it parameters, or run it without values"
            )
        parameters = self._parameters()
        self._same_names("parameters", set(parameters), set(self.parameter_shapes))
        for layer, shapes in self.parameter_shapes.items():
            self._same_names(f"{layer}'s parameters", set(parameters[layer]), set(shapes))
            for name, shape in shapes.items():
                array = parameters[layer][name]
                if array.shape != shape:
                    raise WorkloadError(
                        f"{self.name}.{layer}: {name} must be of shape {shape}, got {array.shape}"
                    )
                if not np.isfinite(array).all():
                    raise WorkloadError(f"{self.name}.{layer}: {name} holds values that are not finite")
        return parameters

    def _same_names(self, what: str, got: set[str], expected: set[str]) -> None:
        if missing := sorted(expected - got):
            raise WorkloadError(
                f"{self.name}: {what} lack {', '.join(missing)}; got {', '.join(sorted(got)) or 'none'}"
            )
        if extra := sorted(got - expected):
            hint = near_miss(extra[0], sorted(expected))
            raise WorkloadError(f"{self.name}: {what} hold {extra[0]!r}, which no layer takes; {hint}")

    def _check_names(self, layers: list[Layer]) -> None:
        counts = Counter(layer.name for layer in layers)
        for name, count in counts.items():
            if not re.fullmatch(r"[A-Za-z0-9_/-]+", name):
                raise WorkloadError(
                    f"{self.name}: layer names consist of letters, digits, '_', '-' and '/', "
                    f"got {name!r}; rename it"
                )
            if count > 1:
                raise WorkloadError(
                    f"{self.name}: {count} layers are called {name!r}; give each its own name"
                )
        for layer in layers:
            for source in layer.inputs:
                if source not in counts:
                    hint = near_miss(source, list(counts))
                    raise WorkloadError(
                        f"{self.name}.{layer.name} reads {source!r}, which is no layer; {hint}"
                    )

    def _check_scales(self) -> None:
        """Refuse scales of nothing, of another number of output channels, and what is no scale."""
        for name in (*self.scales.tensors, *self.scales.weights):
            if name not in self.layers:
                hint = near_miss(name, list(self.layers))
                raise WorkloadError(f"{self.name}: scales are given for {name!r}, which is no layer; {hint}")
        for name, scales in self.scales.weights.items():
            if name not in self.parameter_shapes or scales.shape != (self.shapes[name][0],):
                raise WorkloadError(
                    f"{self.name}.{name}: weights take a scale for each of {self.shapes[name][0]} output "
                    f"channels of a matrix, got {scales.shape}; give as many"
                )
        sizes = {name: np.array([given.scale]) for name, given in self.scales.tensors.items()}
        for name, scales in (*sizes.items(), *self.scales.weights.items()):
            wrong = scales[~((scales > 0) & np.isfinite(scales))]
            if wrong.size:
                raise WorkloadError(
                    f"{self.name}.{name}: scales must be positive and finite, got {wrong[0]}; give such ones"
                )

    def _sorted(self, layers: list[Layer]) -> list[Layer]:
        """Return the layers behind what they read, otherwise in the order in which they are listed."""
        place = {layer.name: i for i, layer in enumerate(layers)}
        missing = [len(set(layer.inputs)) for layer in layers]
        readers: dict[str, list[int]] = {layer.name: [] for layer in layers}
        for i, layer in enumerate(layers):
            for source in set(layer.inputs):
                readers[source].append(i)
        ready = [i for i, count in enumerate(missing) if count == 0]
        ordered = []
        while ready:
            layer = layers[heapq.heappop(ready)]
            ordered.append(layer)
            for i in readers[layer.name]:
                missing[i] -= 1
                if missing[i] == 0:
                    heapq.heappush(ready, i)
        if len(ordered) < len(layers):
            stuck = {layer.name for i, layer in enumerate(layers) if missing[i]}
            circle = _circle({name: layers[place[name]].inputs for name in stuck}, stuck)
            raise WorkloadError(
                f"{self.name}: layers read each other in a circle: {' <- '.join(circle)}; cut it"
            )
        return ordered

    def _input(self, layers: list[Layer]) -> Layer:
        inputs = [layer for layer in layers if isinstance(layer, Input)]
        if len(inputs) != 1:
            names = ", ".join(layer.name for layer in inputs) or "none"
            raise WorkloadError(f"{self.name} must have exactly one Input layer, got {names}")
        for layer in layers:
            if not layer.inputs and layer is not inputs[0]:
                raise WorkloadError(f"{self.name}.{layer.name} reads nothing; name its inputs")
        return inputs[0]

    def _output(self, layers: list[Layer]) -> str:
        read = {source for layer in layers for source in layer.inputs}
        ends = [layer.name for layer in layers if layer.name not in read]
        if len(ends) != 1:
            raise WorkloadError(
                f"{self.name} must have exactly one output, but nobody reads {', '.join(ends)}; "
                "remove the dead layers"
            )
        return ends[0]

    def _shapes(self, layers: list[Layer]) -> dict[str, Shape]:
        shapes: dict[str, Shape] = {}
        for layer in layers:
            try:
                shapes[layer.name] = layer.output_shape([shapes[source] for source in layer.inputs])
            except WorkloadError as error:
                raise WorkloadError(f"{self.name}.{error}") from None
        return shapes


def _chained(layers: list[Layer]) -> list[Layer]:
    """Let each layer that names no inputs read the one before it."""
    return [
        replace(layer, inputs=(layers[i - 1].name,))
        if i and not layer.inputs and not isinstance(layer, Input)
        else layer
        for i, layer in enumerate(layers)
    ]


def _circle(inputs: Mapping[str, tuple[str, ...]], stuck: set[str]) -> list[str]:
    """Return one circle among layers that each wait for another `stuck` one; it ends as it begins."""
    path = [min(stuck)]
    while True:
        path.append(next(source for source in inputs[path[-1]] if source in stuck))
        if path[-1] in path[:-1]:
            return path[path.index(path[-1]) :]
