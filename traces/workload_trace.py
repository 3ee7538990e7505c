"""Workload traces: a network and the requests to run it, in a text file that any tool can write.

A line is a JSON object; `trace_records` says which. An operation comes behind those it reads, so a reader
needs no more than the line it is at, and the last line tells how many there were, so half a file is no trace.
Names end in `.jsonl`, or in `.jsonl.gz` if compressed.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from simcore.errors import FileError, WorkloadError
from simcore.files import write_atomically
from traces.tensor_file import TensorFile, write_tensors
from traces.trace_records import (
    SCHEMA,
    Arrival,
    End,
    Header,
    OperationRecord,
    Request,
    Tensors,
    Totals,
    explain,
    operation_record,
)
from workloads import Dataset, Network

#: How names of traces end.
TRACE_SUFFIXES = (".jsonl", ".jsonl.gz")


@dataclass(frozen=True)
class Bits:
    """Widths that a machine must compute with; None leaves one to the machine."""

    weight_bits: int | None = None
    activation_bits: int | None = None


@dataclass(frozen=True, eq=False)
class Trace:
    """A network, and what is asked of it.

    arrivals : cycle in which each image is there; without any, all are from the start
    bits : widths that all operations ask for
    operation_bits : those of single operations, by name
    tensors : the file with its weights and images
    """

    network: Network
    arrivals: tuple[int, ...] = ()
    bits: Bits = Bits()
    operation_bits: Mapping[str, Bits] = field(default_factory=dict)
    tensors: TensorFile | None = None

    def arrivals_of(self, images: int) -> tuple[int, ...]:
        """Return when the first `images` are there; WorkloadError for more than a trace that tells has."""
        if any(self.arrivals) and images > len(self.arrivals):
            raise WorkloadError(
                f"{self.network.name} tells when {len(self.arrivals)} images arrive, got --images {images}; "
                "ask for fewer"
            )
        return self.arrivals[:images] + (0,) * (images - len(self.arrivals))

    @cached_property
    def data(self) -> Dataset | None:
        """The images that it brings, None if they come from elsewhere."""
        return None if self.tensors is None else self.tensors.data()


def write_trace(
    path: str | Path, trace: Trace, *, tensors: bool = False, data: Dataset | None = None
) -> None:
    """Write a trace, and the file with its tensors where there shall be one; equal traces give equal bytes.

    tensors : whether weights go with it, and with them the trace's own images
    data : images in place of the trace's own
    raises : FileError if the disk refuses, or for a name that is no trace's; WorkloadError for what a trace
        cannot hold
    """
    path = Path(path)
    if not path.name.lower().endswith(TRACE_SUFFIXES):
        raise FileError(f"a workload trace must be called FILE.jsonl or FILE.jsonl.gz, got {path}; rename it")
    header, operations = _header(trace), list(_operations(trace))
    if tensors:
        parameters = trace.network.load_parameters()
        name = path.name[: path.name.lower().rindex(".jsonl")] + ".safetensors"
        beside = write_tensors(path.with_name(name), parameters, data or trace.data)
        written = Tensors(file=beside.path.name, sha256=beside.sha256)
        header = header.model_copy(update={"tensors": written})
    requests = [Request(request=Arrival(cycle=cycle)) for cycle in trace.arrivals]
    end = End(end=Totals(operations=len(operations), requests=len(requests)))
    records = [header, *operations, *requests, end]
    content = "".join(f"{record.line()}\n" for record in records).encode()
    if path.suffix.lower() == ".gz":
        content = _compressed(content)
    write_atomically(path, lambda stream: stream.write(content))


def _header(trace: Trace) -> Header:
    """Return the header of a trace without tensors."""
    network = trace.network
    values = {
        "schema": SCHEMA,
        "name": network.name,
        "input": {
            "name": network.input,
            "shape": network.input_shape,
            "output_scale": _scale(network, network.input),
        },
        "dataset": network.dataset,
        **vars(trace.bits),
        "notes": network.notes,
    }
    try:
        return Header.model_validate(values, strict=False)
    except ValidationError as error:
        raise _unwritable(network, "the header", error) from None


def _operations(trace: Trace) -> Iterator[OperationRecord]:
    """Yield the network's layers behind its input as operations, in order."""
    network = trace.network
    for name, layer in network.layers.items():
        if name == network.input:
            continue
        weight_scales = network.scales.weights.get(name)
        try:
            yield operation_record(
                layer,
                shape=network.shapes[name],
                macs=layer.macs(network.in_shapes(name)),
                **vars(trace.operation_bits.get(name, Bits())),
                output_scale=_scale(network, name),
                weight_scales=None if weight_scales is None else weight_scales.tolist(),
            )
        except ValidationError as error:
            raise _unwritable(network, name, error) from None


def _unwritable(network: Network, where: str, error: ValidationError) -> WorkloadError:
    return WorkloadError(f"{network.name}: a trace cannot hold {where}: {explain(where, error)}")


def _scale(network: Network, name: str) -> dict[str, Any] | None:
    """Return the scale that is given for a tensor."""
    given = network.scales.tensors.get(name)
    return None if given is None else vars(given)


def _compressed(content: bytes) -> bytes:
    """Return bytes that are the same whenever, and under whatever name, they are made."""
    packed = io.BytesIO()
    with gzip.GzipFile("", "wb", fileobj=packed, mtime=0) as stream:
        stream.write(content)
    return packed.getvalue()
