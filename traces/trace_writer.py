"""Writing workload traces: equal ones to equal bytes, whole or not at all, none that cannot be read."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from simcore.errors import FileError, WorkloadError
from simcore.files import write_atomically
from traces.tensor_file import write_tensors
from traces.trace_reader import parse_trace
from traces.trace_records import (
    SCHEMA,
    Arrival,
    End,
    Header,
    OperationRecord,
    Record,
    Request,
    Tensors,
    Totals,
    explain,
    operation_record,
)
from traces.workload_trace import TRACE_SUFFIXES, Bits, Trace
from workloads import Dataset, Network


def write_trace(
    path: str | Path, trace: Trace, *, tensors: bool = False, data: Dataset | None = None
) -> None:
    """Write a trace, and the file with its tensors where there shall be one; equal traces give equal bytes.

    tensors : whether weights go with it, and with them the trace's own images
    data : images in place of the trace's own
    raises : FileError if the disk refuses, for a name that is no trace's, or for more than a trace may hold;
        WorkloadError for what it cannot hold
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
    content = _content([header, *operations, *requests, end], path)
    if path.suffix.lower() == ".gz":
        content = _compressed(content)
    write_atomically(path, lambda stream: stream.write(content))


def structure_lines(network: Network, path: str | Path) -> bytes:
    """Return a network's structure as the lines of a trace of no requests, for `parse_trace`.

    path : the file that they go into, for errors
    raises : FileError for more than a trace may hold, WorkloadError for what it cannot hold
    """
    trace = Trace(network)
    operations = list(_operations(trace))
    end = End(end=Totals(operations=len(operations), requests=0))
    return _content([_header(trace), *operations, end], Path(path))


def _content(records: Sequence[Record], path: Path) -> bytes:
    content = "".join(f"{record.line()}\n" for record in records).encode()
    parse_trace(io.BytesIO(content), path)  # which refuses what is larger than a trace may be
    return content


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
