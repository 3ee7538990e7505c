"""Workload traces: written from any workload, and what is in one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from imcsim.inputs import CALIBRATION_IMAGES
from imcsim.plugins import load_plugins
from imcsim.resolve import resolve_workload
from simcore.errors import ConfigError
from traces import Trace, read_trace, write_trace
from traces.trace_records import op_of
from workloads import Dataset, Network, read_data


def capture_trace(
    workload: str | Path | Network,
    out: str | Path,
    *,
    tensors: bool = False,
    images: int | None = None,
    data: str | Path | None = None,
    plugins: Sequence[str | Path] = (),
) -> tuple[str, ...]:
    """Write a workload as a trace, whose runs are those of the workload, and return what it does not hold.

    workload : as for `imcsim.run`
    out : FILE.jsonl, or FILE.jsonl.gz to compress it
    tensors : write weights, too, to a file beside it; without them runs compute no values
    images : requests, all at cycle 0; those of a workload that is a trace stay as they are, of others 1
    data : .npz file whose first images, and those that scales are calibrated on, go with the weights
    raises : SimError
    """
    load_plugins(plugins)
    trace = resolve_workload(workload)
    if images is not None and images < 1:
        raise ConfigError(f"images must be >= 1 image, got {images}")
    trace = replace(trace, arrivals=trace.arrivals_of(images or len(trace.arrivals) or 1))
    if data is not None and not tensors:
        raise ConfigError("images are written beside weights only; add --tensors, or leave out --data")
    chosen = None if data is None else _first(read_data(data), trace)
    left_out: tuple[str, ...] = ()
    if (prepared := trace.prepared) is not None:
        left_out = (
            f"{workload} is {prepared.kind}, which a trace does not hold: this one is of its network alone",
        )
        trace = replace(trace, network=_noted(trace.network, left_out))
    write_trace(out, trace, tensors=tensors, data=chosen)
    return left_out


def trace_info(path: str | Path) -> dict[str, Any]:
    """Return what is in a trace, in JSON's types; its tensors are checked, too.

    raises : FileError for whatever is wrong with it
    """
    trace = read_trace(path)
    network, file, data = trace.network, trace.tensors, trace.data
    size = None if file is None else len(file.content())  # which checks its digest
    operations = [layer for name, layer in network.layers.items() if name != network.input]
    return {
        "schema": "imcsim.trace-info/1",
        "name": network.name,
        "input": {"name": network.input, "shape": list(network.input_shape)},
        "dataset": network.dataset,
        "operations": len(operations),
        "operations_by_kind": dict(sorted(Counter(map(op_of, operations)).items())),
        "macs": network.macs,
        "weights": network.parameter_count,
        "requests": len(trace.arrivals),
        "last_arrival_cycle": trace.arrivals[-1] if trace.arrivals else None,
        "tensors": None
        if file is None
        else {
            "file": file.path.name,
            "sha256": file.sha256,
            "bytes": size,
            "weights": network.has_parameters,
            "images": 0 if data is None else len(data),
            "labels": data is not None and data.labels is not None,
        },
        "precisions": {
            **vars(trace.bits),
            "operations_with_bits": len(trace.operation_bits),
            "tensors_with_scales": len(network.scales.tensors),
            "weights_with_scales": len(network.scales.weights),
        },
        "notes": list(network.notes),
    }


def _noted(network: Network, notes: tuple[str, ...]) -> Network:
    """Return a network with more notes."""
    parameters = network.load_parameters if network.has_parameters else None
    return Network(
        network.name,
        network.layers.values(),
        parameters,
        network.dataset,
        scales=network.scales,
        notes=(*network.notes, *notes),
    )


def _first(data: Dataset, trace: Trace) -> Dataset:
    """Return the images that runs of the trace read: their own, and those that calibrate scales."""
    data.check_fits(trace.network.name, trace.network.input_shape)
    images = len(data.first(len(trace.arrivals)))
    return data.first(min(len(data), max(images, CALIBRATION_IMAGES)))
