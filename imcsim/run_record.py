"""What is kept of a run, in memory as in its directory: summary, accounts, activity, outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arch.machine import ProgrammingReport
from imcsim.load_figures import RequestRow
from imcsim.metrics import whole
from imcsim.run_config import RunConfig
from imcsim.run_tables import ChannelRow, ImageRow
from simcore import Activity, Clock, Outcome, SimError
from simcore.energy import PartCost
from simcore.steady import FastForward
from workloads import Parameters

SUMMARY_SCHEMA = "imcsim.summary/1"
#: Keys of a summary that a run finds out, in the order in which they are printed.
_FOUND = (
    "notes",
    "inputs",
    "fingerprint",
    "history",
    "cycles",
    "clock_hz",
    "ticks_per_cycle",
    "time_s",
    "initiation_interval_cycles",
    "latency_s",
    "load",
    "throughput_per_s",
    "macs",
    "tops",
    "tops_per_w",
    "tops_per_mm2",
    "chips",
    "peak_tops",
    "utilisation",
    "energy_j",
    "area_mm2",
    "power_w",
    "accuracy",
    "golden_accuracy",
    "float_accuracy",
    "outputs_match_golden",
    "conversions",
    "clipped_conversions",
    "formulations",
    "training",
    "decoding",
    "cache",
    "neuron_cycles",
    "programming",
    "programming_j",
    "networks",
    "units",
    "fast_forward",
    "trace",
    "reached",
    "buffer_peaks",
    "events",
    "wall_s",
    "setup_s",
    "compile_s",
    "peak_rss_mb",
)


@dataclass(frozen=True)
class UnitTimes:
    """How one unit spent its time.

    kind, family : of its component, as `analog-crossbar` and `crossbar`
    layer : the network's layer that it works for, None where it is shared
    cycles : of the reference clock, by state; they sum to the makespan
    """

    path: str
    kind: str
    family: str
    layer: str | None
    cycles: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class NetworkOutputs:
    """What one of several networks that shared a machine computed; as in `RunRecord`."""

    outputs: NDArray[np.float32]
    quantised: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class RunRecord:
    """One simulated run.

    summary : what `imcsim run --json` prints
    config : what repeats it
    units : a row a unit, sorted by path
    activity : the recorded intervals, None if nothing was recorded
    outputs : (images, channels, height, width) float32, None in a run without values
    quantised : the same as the int32 codes that the machine computed
    parameters : trained weights in real numbers, None in a run that does not train, or not with values
    tokens : (images, tokens) int32 ids, given and decoded; None in a run without prompt or values
    networks : outputs of each network, where several shared the machine in a run with values; those above
        are None then
    requests : in the order of their arrivals; none where all images are there from the start
    parts, channels, images : what each component costs, what each channel carried, and when each image was
        on the machine
    """

    summary: dict[str, Any]
    config: RunConfig
    units: tuple[UnitTimes, ...]
    activity: Activity | None = None
    outputs: NDArray[np.float32] | None = None
    quantised: NDArray[np.int32] | None = None
    parameters: Parameters | None = None
    tokens: NDArray[np.int32] | None = None
    networks: Mapping[str, NetworkOutputs] = field(default_factory=dict)
    requests: tuple[RequestRow, ...] = ()
    parts: tuple[PartCost, ...] = ()
    channels: tuple[ChannelRow, ...] = ()
    images: tuple[ImageRow, ...] = ()

    def insist_on_end(self) -> None:
        """Raise SimError for a run that was interrupted."""
        if self.summary["interrupted"]:
            what = f"{self.summary['workload']} on {self.summary['machine']}"
            raise SimError(
                f"the run of {what} was interrupted, so that its accounts are not there; run it to its end"
            )

    @property
    def way_to_record(self) -> str:
        """What to do so that a run like this one is recorded, in words that follow "run it anew"."""
        if self.summary["trace"]:
            return "without --trace (trace in Python), which keeps no intervals"
        return "with --out DIR, or record=True in Python"


def empty_summary(config: RunConfig) -> dict[str, Any]:
    """Return a summary with all its keys, of which only what was asked for is filled in."""
    return {
        "schema": SUMMARY_SCHEMA,
        "workload": config.workload,
        "machine": config.machine_name,
        "images": config.images,
        "values": config.values,
        "seed": config.seed,
        "warmup": config.warmup,
        "engine": config.engine,
        "version": version("imcsim"),
        "interrupted": False,
        **dict.fromkeys(_FOUND),
    }


def skipping(fast_forward: FastForward, reference: Clock) -> dict[str, Any]:
    """Return how many images were not simulated, in which periods, and what repeated or why none were."""
    repetition = fast_forward.repetition
    return {
        "skipped_images": fast_forward.items,
        "period_images": None if repetition is None else repetition.items,
        "period_cycles": None if repetition is None else whole(repetition.ticks / reference.ticks),
        "told": fast_forward.told,
    }


def programming_figures(programming: ProgrammingReport) -> dict[str, Any]:
    """Return what writing cells took, in JSON's types."""
    return {**asdict(programming), "pulses": whole(float(programming.pulses))}


def unit_times(outcome: Outcome) -> tuple[UnitTimes, ...]:
    """Return the accounts of a run in cycles of its reference clock."""
    ticks = outcome.reference.ticks
    return tuple(
        UnitTimes(a.path, a.kind, a.family, a.layer, {s: whole(t / ticks) for s, t in a.ticks.items()})
        for a in outcome.accounts
    )
