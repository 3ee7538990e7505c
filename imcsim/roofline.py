"""Roofline: what a run computed beside what its arrays and its input would allow."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

from imcsim.run_networks import networks_of
from imcsim.run_record import RunRecord
from imcsim.stall_stacks import ExactTimes, working
from workloads import LoweredNetwork


@dataclass(frozen=True)
class Roofline:
    """Where a run lies under its roofs; None is what is not known of it.

    Bytes are those of activations at the machine's width: what the host sends for an image, and what layers
    hand on, each tensor once for each of its readers.

    operations_per_byte : 2 x multiply-accumulates of an image over the bytes that the host sends for it
    operations_per_byte_moved : the same over all bytes that layers read, the host's among them
    tops, peak_tops : attained [TOPS], and of all arrays if they were full and never at rest
    bandwidth : bytes that the host sent over the makespan [byte/s]
    peak_bandwidth : the same over the time in which it was sending
    input_roof_tops : what the host's pace allows: operations per byte x its peak bandwidth
    bound : the lower roof, `arrays` or `input`
    roof_share : attained over that roof
    """

    operations_per_byte: float | None = None
    operations_per_byte_moved: float | None = None
    tops: float | None = None
    peak_tops: float | None = None
    bandwidth: float | None = None
    peak_bandwidth: float | None = None
    input_roof_tops: float | None = None
    bound: Literal["arrays", "input"] | None = None
    roof_share: float | None = None


def roofline_of(run: RunRecord, times: ExactTimes) -> Roofline:
    """Return where a run lies; of several networks that shared a machine, of all together."""
    summary = run.summary
    tops, peak = summary["tops"], summary["peak_tops"]
    config = run.config
    networks = [
        (network, config.networks[name].images if name else config.images)
        for name, network in networks_of(run).items()
    ]
    operations = 2.0 * sum(images * network.macs for network, images in networks)
    width = run.config.machine.get("activation_bits")
    per_byte = moved = bandwidth = fastest = roof = None
    if networks and width and summary["time_s"]:
        sent = sum(images * prod(network.input_shape) for network, images in networks) * width / 8
        read = sum(images * _elements_read(network) for network, images in networks) * width / 8
        per_byte, moved = operations / sent, operations / read
        bandwidth = sent / summary["time_s"]
        if feeding := _feeding(run, times):
            fastest = bandwidth / feeding
            roof = per_byte * fastest / 1e12
    roofs = {"arrays": peak, "input": roof}
    known = {name: height for name, height in roofs.items() if height}
    bound = min(known, key=lambda name: known[name]) if len(known) == len(roofs) else None
    return Roofline(
        per_byte,
        moved,
        tops,
        peak,
        bandwidth,
        fastest,
        roof,
        bound,  # type: ignore[arg-type]
        tops / known[bound] if bound is not None and tops is not None else None,
    )


def _elements_read(network: LoweredNetwork) -> int:
    """Return the elements that all layers read of one another and of the input for an image."""
    return sum(prod(network.shapes[name]) * len(readers) for name, readers in network.consumers.items())


def _feeding(run: RunRecord, times: ExactTimes) -> float | None:
    """Return the share of the makespan in which the host sent, the most of its sources; None without any."""
    sending = [
        times.share(working(spent))
        for unit, spent in zip(run.units, times.spent, strict=True)
        if unit.kind == "source"
    ]
    return max(sending, default=None)
