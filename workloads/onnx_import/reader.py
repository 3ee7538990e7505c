"""From an ONNX file to a network: each operator becomes layers, or is reported with all that cannot."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from simcore.errors import WorkloadError
from workloads.layers import Input
from workloads.network import Network
from workloads.onnx_import import elementwise, joins, matrices, picking, pools, quantised, shapes, tokens
from workloads.onnx_import.attention import unread_masks
from workloads.onnx_import.constants import Constant, fold
from workloads.onnx_import.functions import Elementwise
from workloads.onnx_import.layer_norms import with_layer_norms
from workloads.onnx_import.model_file import OnnxGraph, read_graph
from workloads.onnx_import.operators import checks, refusals, translators
from workloads.onnx_import.translation import LONGEST_NAME, Broken, Operator, Translation, Value
from workloads.onnx_import.views import (
    UnmappableError,
    View,
    transposition,
)
from workloads.scales import GivenScales

#: The modules whose translators are registered when they are imported.
MODULES = (elementwise, joins, matrices, picking, pools, quantised, shapes, tokens)

#: Domains whose operators are known; scikit-learn's models are of the second.
_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")

#: A name that a message does not hold in full.
_LONG_WORD = rf"(\S{{{LONGEST_NAME}}})\S{{8,}}"

Parameters = Mapping[str, Mapping[str, NDArray[Any]]]


def read_onnx(path: str | Path) -> Network:
    """Return the network in an ONNX file, for one image at a time.

    raises : FileError for a file that is not intact; WorkloadError with a line for each node that cannot be
        mapped
    """
    graph = with_layer_norms(read_graph(path))
    if len(graph.outputs) != 1:
        names = ", ".join(graph.outputs) or "none"
        raise WorkloadError(f"{path} must have exactly one output of real numbers, got {names}; keep one")
    translation, problems = _translated_graph(graph)
    if problems:
        nodes = "1 node" if len(problems) == 1 else f"{len(problems)} nodes"
        raise WorkloadError("\n".join([f"{path}: {nodes} cannot be mapped:", *problems]))
    first = translation.input_layer()
    output = translation.made(translation.values[graph.outputs[0]])
    output = translation.places_in_order(f"{graph.outputs[0]}-order", output)
    for which, name, view in (
        ("input", graph.input.name, translation.made(translation.values[graph.input.name])),
        ("output", graph.outputs[0], output),
    ):
        order = transposition(view.axes)
        if order is None:
            translation.notes.append(f"the {which} {name!r} is not in the file's order, but channels first")
        elif order != tuple(range(len(order))):
            translation.notes.append(
                f"the {which} {name!r} is channels first: the file's, with its axes transposed to {order}"
            )
    for which, name, layer in (
        ("input", graph.input.name, first.name),
        ("output", graph.outputs[0], output.layer),
    ):
        if name in graph.integers:
            translation.notes.append(
                _note_on_integers(which, name, are_codes=layer in translation.tensor_scales)
            )
    return _network(translation, first, output.layer, Path(path).stem)


def _note_on_integers(which: str, name: str, *, are_codes: bool) -> str:
    """Return what a network takes or gives where the file has integers."""
    if not are_codes:
        return f"the {which} {name!r} holds integers in the file: runs have the same numbers as real ones"
    verb = "take" if which == "input" else "give"
    return (
        f"the {which} {name!r} holds codes in the file: runs {verb} the real numbers that they stand for, "
        "(code - zero point) * scale"
    )


def _translated_graph(graph: OnnxGraph) -> tuple[Translation, list[str]]:
    """Return a graph's translation, and a line for each node that cannot be mapped.

    What an axis of the input is only shows where something asks for it, and zeros around an image, for one,
    are the same for any. So if that went wrong, each axis is tried as the channels, which
    counts if all goes well then.
    """
    translation = Translation(graph)
    problems = _translate(translation)
    axes, long_axes = range(1, len(graph.input.shape)), translation.long_axes
    if problems and len(axes) > 1:
        channels = [axis for axis in axes if len({*long_axes} - {axis}) <= 2]
        for other in (Translation(graph, axis) for axis in channels):
            if not _translate(other):
                translation, problems = other, []
                break
    _note_what_is_left_out(translation, graph)
    return translation, problems


def _note_what_is_left_out(t: Translation, graph: OnnxGraph) -> None:
    if graph.dropped:
        t.notes.append(f"outputs that are no real numbers are left out: {', '.join(graph.dropped)}")
    if graph.input.batch not in (None, 1):
        t.notes.append(f"the batch of {graph.input.batch} is taken one image at a time")


def _translate(t: Translation) -> list[str]:
    """Translate every node that an output needs; return what cannot be mapped, a line each."""
    problems: list[str] = []
    needed = _needed(t.graph)
    for proto in t.graph.nodes:
        if not needed.intersection(proto.output):
            continue
        node = Operator.of(proto)
        known = [t.values[name] for name in node.inputs if name]
        outputs: list[Value] = [Broken() for _ in node.outputs]
        try:
            _check_operator(proto, node, known)
            if not any(isinstance(value, Broken) for value in known):
                outputs = list(_translated(t, proto, node, known))
                _check_shapes(t, node, outputs)
        except UnmappableError as error:
            problems.append(f"{error.where or node.label}: {error}")
        except WorkloadError as error:
            problems.append(f"{node.label}: {error}")
        t.values.update(zip(node.outputs, outputs, strict=False))
    if not problems:
        problems += _made(t, t.graph.outputs)
    shortened = [re.sub(_LONG_WORD, r"\1...", problem) for problem in problems]
    return list(dict.fromkeys(shortened))  # several nodes may find fault with one before them


def _made(t: Translation, outputs: tuple[str, ...]) -> list[str]:
    """Make layers of the outputs; return what cannot be mapped."""
    try:
        for name in outputs:
            if isinstance(t.values[name], Constant):
                raise UnmappableError("it depends on no input", "leave it out")
            t.made(t.values[name])
    except UnmappableError as error:
        return [f"{error.where or name}: {error}"]
    except WorkloadError as error:
        return [str(error)]
    return []


def _check_operator(proto: NodeProto, node: Operator, known: Sequence[Value]) -> None:
    """Raise UnmappableError for what no layer stands for whatever it reads."""
    if proto.domain not in _DOMAINS:
        quantised = ", quantised in the QDQ format" if proto.domain == "com.microsoft" else ""
        raise UnmappableError(
            f"its domain {proto.domain!r} is unknown", "export with standard operators" + quantised
        )
    if node.kind in refusals:
        raise UnmappableError(*refusals[node.kind])
    for name, value in node.attributes.items():
        numbers = [
            each for each in (value if isinstance(value, list) else [value]) if isinstance(each, float)
        ]
        if node.kind != "Clip" and not np.isfinite(numbers).all():
            raise UnmappableError(f"its attribute {name} is {value}", "export it anew")
    if all(isinstance(value, Constant) for value in known):
        return
    if node.kind not in translators:
        raise UnmappableError("no layer stands for this operator", "compute it outside the network")
    for check in checks.get(node.kind, ()):
        check(node)


def _translated(t: Translation, proto: NodeProto, node: Operator, known: Sequence[Value]) -> list[Value]:
    """Return what a node's outputs become."""
    constants = {name: t.values[name] for name in node.inputs if name}
    if all(isinstance(value, Constant) for value in known) and node.kind != "DequantizeLinear":
        return list(fold(proto, constants, t.graph.opset))  # type: ignore[arg-type]
    return list(translators[node.kind](t, node))


def _needed(graph: OnnxGraph) -> set[str]:
    """Return the tensors that the outputs are made of."""
    needed = set(graph.outputs)
    for node in reversed(graph.nodes):
        if needed.intersection(node.output):
            needed.update(node.input)
    return needed


def _check_shapes(t: Translation, node: Operator, outputs: list[Value]) -> None:
    """Hold each result to the shape that inference found for it."""
    for name, value in zip(node.outputs, outputs, strict=False):
        view = value.base if isinstance(value, Elementwise) else value
        expected = t.graph.shapes.get(name)
        if isinstance(view, View | Constant) and expected is not None and view.shape != expected:
            raise WorkloadError(f"its result is of shape {view.shape}, but the graph says {expected}")


def _network(t: Translation, first: Input, output: str, name: str) -> Network:
    """Return the network of all layers that its output needs."""
    needed, waiting = {first.name}, [output]
    while waiting:
        layer = waiting.pop()
        if layer not in needed:
            needed.add(layer)
            waiting += t.layers[layer].inputs
    layers = [first, *(layer for name, layer in t.layers.items() if name in needed)]
    if problems := unread_masks(layers):
        raise WorkloadError("\n".join([f"{name}: a mask cannot be mapped:", *problems]))
    scales = GivenScales(
        {layer: scale for layer, scale in t.tensor_scales.items() if layer in needed},
        {layer: scale for layer, scale in t.weight_scales.items() if layer in needed},
    )
    loads = {layer: own for layer, own in t.parameters.items() if layer in needed}
    return Network(name, layers, lambda: _FileParameters(loads), scales=scales, notes=t.notes)


class _FileParameters(Mapping[str, Mapping[str, NDArray[Any]]]):
    """Parameters of every layer by name, read from the file's tensors at each access."""

    def __init__(self, loads: Mapping[str, Mapping[str, Callable[[], NDArray[Any]]]]) -> None:
        self._loads = loads

    def __getitem__(self, layer: str) -> Mapping[str, NDArray[Any]]:
        """Return the parameters of `layer`."""
        return {name: np.asarray(load()) for name, load in self._loads[layer].items()}

    def __iter__(self) -> Iterator[str]:
        return iter(self._loads)

    def __len__(self) -> int:
        return len(self._loads)
