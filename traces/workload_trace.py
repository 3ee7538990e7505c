"""Workload traces: a network and the requests to run it, in a text file that any tool can write.

A line is a JSON object; `trace_records` says which. An operation comes behind those it reads, so a reader
needs no more than the line it is at, and the last line tells how many there were, so half a file is no trace.
Names end in `.jsonl`, or in `.jsonl.gz` if compressed. `trace_reader` and `trace_writer` do the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from simcore.errors import WorkloadError
from traces.tensor_file import TensorFile
from workloads import Dataset, Network
from workloads.prepared import PreparedNetwork

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
    prepared : what the file holds, where its network was prepared for some machines
    """

    network: Network
    arrivals: tuple[int, ...] = ()
    bits: Bits = Bits()
    operation_bits: Mapping[str, Bits] = field(default_factory=dict)
    tensors: TensorFile | None = None
    prepared: PreparedNetwork | None = None

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
