"""Reading workload traces: line by line, each checked before anything is made of it.

Whatever is wrong, or too large, is one FileError with the line; a file costs no more memory than its budget.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from simcore.errors import FileError, SimError
from simcore.files import open_regular
from simcore.registry import near_miss
from traces.tensor_file import TensorFile, check_fit
from traces.trace_records import (
    MODELS,
    OPERATIONS,
    PLAIN,
    SCHEMA,
    End,
    Header,
    OperationRecord,
    Request,
    explain,
    shown,
)
from traces.workload_trace import Bits, Trace
from workloads import GivenScales, Input, Layer, Network, Quantization, Shape
from workloads.limits import bounded_shape

LONGEST_LINE = 2**22
#: Bytes and lines of a whole trace, once expanded.
MOST_BYTES, MOST_LINES = 2**26, 2**18


def read_trace(path: str | Path) -> Trace:
    """Return the trace that a file holds; weights and images stay where they are until somebody asks.

    raises : FileError, with the line, for whatever is wrong with it
    """
    path = Path(path)
    try:
        with open_regular(path, "a workload trace") as raw:
            packed = path.suffix.lower() == ".gz"
            return parse_trace(cast(BinaryIO, gzip.open(raw)) if packed else raw, path)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FileError(f"cannot read {path}: {reason}; check it, or capture it anew") from None


def parse_trace(stream: BinaryIO, path: Path) -> Trace:
    """Return the trace in a stream of bytes, which `path` names.

    raises : FileError, with the line, for whatever is wrong with it
    """
    reading = _Reading(path)
    for number, line in _lines(stream, path):
        try:
            reading.take(_record(line))
        except SimError as error:
            raise FileError(f"{path}:{number} - {error}") from None
    try:
        return reading.trace()
    except FileError:
        raise
    except SimError as error:
        raise FileError(f"{path} - {error}") from None


@dataclass(eq=False)
class _Reading:
    """A trace being read, record by record."""

    path: Path
    header: Header | None = None
    end: End | None = None
    layers: dict[str, Layer] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)
    arrivals: list[int] = field(default_factory=list)
    bits: dict[str, Bits] = field(default_factory=dict)
    tensor_scales: dict[str, Quantization] = field(default_factory=dict)
    weight_scales: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    tensors: TensorFile | None = None

    def take(self, record: Any) -> None:
        """Take the next record."""
        if self.end is not None:
            raise FileError("nothing may come behind the end; remove this line")
        if (self.header is None) != isinstance(record, Header):
            raise FileError(
                f'the header, {{"schema": "{SCHEMA}", ...}}, must be the first line, and no other'
            )
        match record:
            case Header():
                self._take_header(record)
            case OperationRecord():
                self._take_operation(record)
            case Request():
                if self.arrivals and record.request.cycle < self.arrivals[-1]:
                    raise FileError(
                        f"requests must come in the order of their cycles, got {record.request.cycle} behind "
                        f"{self.arrivals[-1]}; sort them"
                    )
                self.arrivals.append(record.request.cycle)
            case End():
                self._take_end(record)

    def trace(self) -> Trace:
        """Return the whole."""
        if self.header is None or self.end is None:
            raise FileError(f"{self.path} is cut off: its last line must be the end with the totals")
        tensors, header = self.tensors, self.header
        network = Network(
            header.name,
            self.layers.values(),
            None if tensors is None else tensors.parameters,
            header.dataset,
            scales=GivenScales(self.tensor_scales, self.weight_scales),
            notes=header.notes,
        )
        if tensors is not None:
            check_fit(tensors, network)
        bits = Bits(header.weight_bits, header.activation_bits)
        return Trace(network, tuple(self.arrivals), bits, self.bits, tensors)

    def _take_header(self, header: Header) -> None:
        self.header = header
        image = Input(name=header.input.name, shape=header.input.shape)
        self._add(image, ())
        if header.input.output_scale is not None:
            self.tensor_scales[image.name] = header.input.output_scale.quantization()
        if header.tensors is not None:
            self.tensors = TensorFile.beside(self.path, header.tensors.file, header.tensors.sha256)

    def _take_operation(self, record: OperationRecord) -> None:
        if record.name in self.layers:
            raise FileError(f"a second operation is called {record.name!r}; give each its own name")
        inputs = record.inputs or (next(reversed(self.layers)),)
        for source in inputs:
            if source not in self.layers:
                hint = near_miss(source, list(self.layers)[-10:])
                raise FileError(f"{record.name} reads {source!r}, which is in no line before it; {hint}")
        layer = replace(record.layer(), inputs=inputs)
        in_shapes = tuple(self.shapes[source] for source in inputs)
        self._add(layer, in_shapes)
        shape, macs = self.shapes[layer.name], layer.macs(in_shapes)
        for what, written, found in (("shape", record.shape, shape), ("macs", record.macs, macs)):
            if written not in (None, found):
                raise FileError(
                    f"{layer.name}: {what} must be {found}, got {written}; correct it, or leave it out"
                )
        if (record.weight_bits, record.activation_bits) != (None, None):
            self.bits[layer.name] = Bits(record.weight_bits, record.activation_bits)
        if record.output_scale is not None:
            self.tensor_scales[layer.name] = record.output_scale.quantization()
        if record.weight_scales is not None:
            self.weight_scales[layer.name] = np.array(record.weight_scales, np.float32)

    def _add(self, layer: Layer, in_shapes: tuple[Shape, ...]) -> None:
        self.shapes[layer.name] = bounded_shape(layer, in_shapes, len(self.layers))
        self.layers[layer.name] = layer

    def _take_end(self, end: End) -> None:
        self.end = end
        for what, told, found in (
            ("operations", end.end.operations, len(self.layers) - 1),
            ("requests", end.end.requests, len(self.arrivals)),
        ):
            if told != found:
                raise FileError(f"the end tells of {told} {what}, but there are {found}; is the file whole?")


def _lines(stream: BinaryIO, path: Path) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line that is not blank; no more is read than may be."""
    total = number = 0
    while line := stream.readline(LONGEST_LINE + 1):
        number += 1
        total += len(line)
        for what, size, most in (
            ("a line may have {} bytes", len(line), LONGEST_LINE),
            ("a trace may have {} bytes", total, MOST_BYTES),
            ("a trace may have {} lines", number, MOST_LINES),
        ):
            if size > most:
                raise FileError(f"{path}:{number} - {what.format(most)} at most; is it one?")
        try:
            text = line.decode()
        except UnicodeDecodeError:
            raise FileError(f"{path}:{number} - is not UTF-8 text; write it as UTF-8") from None
        if not text.isspace():
            yield number, text


def _record(text: str) -> Any:
    """Return the record that a line holds."""
    try:
        content = json.loads(text, object_pairs_hook=_without_doubles, parse_constant=_refuse_constant)
    except RecursionError:
        raise FileError("is nested too deeply; records hold lists of numbers at most") from None
    except ValueError as error:
        raise FileError(f"is no JSON object: {error}") from None
    keys = content.keys() if isinstance(content, dict) else ()
    kind = next((key for key in PLAIN if key in keys), None)
    if kind is None and "op" not in keys:
        raise FileError("must be a JSON object with a key schema, op, request or end")
    if kind is None:
        kind = content["op"]
        if not isinstance(kind, str) or kind not in OPERATIONS:
            hint = near_miss(str(kind)[:40], list(OPERATIONS))
            raise FileError(f"no operation is called {shown(kind)}; {hint}")
    try:
        return MODELS[kind].model_validate_json(text)
    except ValidationError as error:
        raise FileError(explain(kind, error)) from None


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for key, value in pairs:
        if key in content:
            raise ValueError(f"the key {shown(key)} is there twice")
        content[key] = value
    return content


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")
