"""What a machine does with a workload, in the figures that are compared; docs/comparison.md defines each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from imcsim.metrics import cycles_of_image, energy_of_stream
from simcore import ConfigError


@dataclass(frozen=True)
class Figures:
    """What one machine does with one workload, all of its copies together.

    chips : of all copies
    copies : of what the network takes, that take images in turn
    cycles : of the reference clock, of a run of all images on one copy
    interval_cycles : from image to image, on one copy
    time_s : from image to image
    latency_s : of the first image
    energy_j : of an image in a steady stream
    edp_js : energy-delay product [J s]: energy_j x time_s
    power_w : of that stream
    peak_tops : of all arrays, if they were full and never at rest
    utilisation : tops over peak_tops
    """

    chips: int
    copies: int
    clock_hz: float
    cycles: float
    interval_cycles: float
    time_s: float
    latency_s: float
    throughput_per_s: float
    energy_j: float
    edp_js: float
    power_w: float
    area_mm2: float
    tops: float
    tops_per_w: float | None
    tops_per_mm2: float | None
    peak_tops: float | None
    utilisation: float | None

    def times(self, copies: int) -> Figures:
        """Return the figures of so many copies."""
        return replace(
            self,
            chips=self.chips * copies,
            copies=self.copies * copies,
            time_s=self.time_s / copies,
            edp_js=self.edp_js / copies,
            throughput_per_s=self.throughput_per_s * copies,
            power_w=self.power_w * copies,
            area_mm2=self.area_mm2 * copies,
            tops=self.tops * copies,
            peak_tops=None if self.peak_tops is None else self.peak_tops * copies,
        )


#: Those whose quotients say something; a cycle is another one on each machine.
COMPARED = (
    "time_s",
    "latency_s",
    "throughput_per_s",
    "energy_j",
    "edp_js",
    "power_w",
    "area_mm2",
    "tops",
    "tops_per_w",
    "tops_per_mm2",
    "utilisation",
)


def figures_of(summary: Mapping[str, Any]) -> Figures:
    """Return the figures of one copy from the summary of its run."""
    throughput = summary["throughput_per_s"]
    if throughput is None:
        raise ConfigError(
            f"{summary['workload']} takes no time at all on {summary['machine']}, so there is nothing to "
            "compare; give its parts cycles"
        )
    energy = energy_of_stream(summary)
    return Figures(
        chips=summary["chips"],
        copies=1,
        clock_hz=summary["clock_hz"],
        cycles=summary["cycles"],
        interval_cycles=cycles_of_image(summary),
        time_s=1 / throughput,
        latency_s=summary["latency_s"]["first"],
        throughput_per_s=throughput,
        energy_j=energy,
        edp_js=energy / throughput,
        power_w=energy * throughput,
        area_mm2=summary["area_mm2"]["total"],
        tops=summary["tops"],
        tops_per_w=2 * summary["macs"] / energy / 1e12 if energy else None,
        tops_per_mm2=summary["tops_per_mm2"],
        peak_tops=summary["peak_tops"],
        utilisation=summary["utilisation"],
    )
