"""What a finished run adds up to: times and rates of its images, power, and the digests of what happened."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import fmean, median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arch.machine import Machine, MachineRun, NetworkMap
from arch.requests import Arrivals
from simcore import Activity, Outcome
from traces import peak_power
from workloads import LoweredNetwork


@dataclass(frozen=True)
class StreamMetrics:
    """Times and rates of the measured images: all but the first `warmup`.

    interval : median gap between completions of measured images [cycle], None with a single one; where they
        come out in batches, from one whole batch to the next and over their images; in training, where the
        machine drains and changes weights behind each batch, the window over its images
    latency : of the measured images [s], from the first pixel accepted to the last one out
    throughput : [1/s] 1/interval; with requests that arrive over time, whose gaps no interval tells, measured
        completions from the first to the last; with a single image, or if all come at once, images over the
        window; None where nothing takes any time
    window : [s] from the completion of the last image of the warm-up, else the start, to the end; in training
        from update to update
    measured : share of the images that is measured
    """

    interval: float | None
    latency: dict[str, float]
    throughput: float | None
    window: float
    measured: float


def stream_metrics(run: MachineRun, warmup: int) -> StreamMetrics:
    """Return the times and rates of all images but the first `warmup`."""
    clock, batch = run.outcome.reference, run.batch
    tick = float(clock.period / clock.ticks)
    completed = run.completed[warmup:]
    # an image whose outputs need none of its pixels may be done before it comes
    latencies = [max(c - a, 0) * tick for a, c in zip(run.accepted[warmup:], completed, strict=True)]
    whole_batches = run.completed[warmup : len(run.completed) // batch * batch]
    gaps = [(b - a) / batch for a, b in zip(whole_batches, whole_batches[batch:], strict=False)]
    begin, end = run.completed[warmup - 1] if warmup else 0, run.outcome.makespan
    interval = median(gaps) if gaps else None
    if run.training is not None:
        updates = run.training.updates
        begin, end = next(u for u in updates if u > begin) if warmup else 0, updates[-1]
        interval = (end - begin) / len(completed)
    apart = (interval or (end - begin) / len(completed)) * tick
    rate = 1 / apart if apart else None
    if run.load is not None:
        rate = events_per_s(completed, tick) or rate
    return StreamMetrics(
        interval=None if interval is None else whole(interval / clock.ticks),
        latency={
            "first": latencies[0],
            **_spread(latencies),
        },
        throughput=rate,
        window=(end - begin) * tick,
        measured=len(completed) / len(run.completed),
    )


def cache_metrics(run: MachineRun) -> dict[str, int] | None:
    """Return what memories of keys and values saw, as a summary names it; None where there are none."""
    cache = run.cache
    if cache is None:
        return None
    return {
        "bytes_written": cache.written,
        "bytes_read": cache.read,
        "most_tokens": cache.most_tokens,
    }


def events_per_s(ticks: Sequence[int] | NDArray[np.int64], second: float) -> float | None:
    """Return events a second from the first to the last; None for one, or if all come at once.

    second : a tick in seconds
    """
    passed = int(np.max(ticks) - np.min(ticks))
    return (len(ticks) - 1) / (passed * second) if passed else None


def decoding_metrics(run: MachineRun, stream: StreamMetrics, warmup: int) -> dict[str, Any] | None:
    """Return how fast tokens of measured sequences came, as a summary names it; None where none were decoded.

    The first token of a sequence is the one that the output of its prompt chooses, the time to it is that to
    this output, and intervals are those from output to output from there on. The rate is of all tokens that
    were decoded, over the window of `stream`.
    """
    decoded = run.decoded
    if decoded is None:
        return None
    clock, prompt = run.outcome.reference, decoded.prompt
    tick = float(clock.period / clock.ticks)
    out = decoded.out[warmup:]
    since = (out - np.array(run.accepted[warmup:])[:, None]) * tick
    intervals = np.diff(out[:, prompt - 1 :]).ravel() * tick
    return {
        "prompt": prompt,
        "generated": out.shape[1] - prompt,
        "time_to_first_token_s": _spread(since[:, prompt - 1].tolist()),
        "token_interval_s": _spread(intervals.tolist()) if len(intervals) else None,
        "tokens_per_s": len(intervals) / stream.window if len(intervals) and stream.window else None,
        "out_s": since.mean(axis=0).tolist(),
    }


def _spread(times: Sequence[float]) -> dict[str, float]:
    return {
        "mean": fmean(times),
        "p50": float(np.percentile(times, 50)),
        "p99": float(np.percentile(times, 99)),
        "max": max(times),
    }


def rates(run: MachineRun, stream: StreamMetrics, macs: int) -> dict[str, Any]:
    """Return what a second, a joule and a square millimetre buy, as a summary names it.

    macs : of one image

    TOPS/W are operations per joule, so filling and draining the pipeline does not colour them. Mean power is
    energy over time, over the whole run without a warm-up. With one, each image counts for the
    same energy, and those measured spend theirs in the window behind the warm-up.
    """
    outcome = run.outcome
    tops = None if stream.throughput is None else 2 * macs * stream.throughput / 1e12
    energy = outcome.energy.total
    power = energy * stream.measured / stream.window if stream.window else None
    area = outcome.area.total
    return {
        "throughput_per_s": stream.throughput,
        "macs": macs,
        "tops": tops,
        "tops_per_w": 2 * macs * len(run.completed) / energy / 1e12 if energy else None,
        "tops_per_mm2": tops / area if area and tops is not None else None,
        "energy_j": {
            "total": energy,
            "by_component": outcome.energy.by_component,
            "by_layer": outcome.energy.by_layer,
        },
        "area_mm2": {"total": area, "by_component": outcome.area.by_component},
        "power_w": {"mean": power, "static": outcome.energy.static_w, "peak": peak_watts(outcome)},
    }


def peak_watts(outcome: Outcome) -> float | None:
    """Return the largest power at any moment of a run [W], see `traces.power`; None without a recording."""
    return None if outcome.activity is None else peak_power(outcome.activity, outcome.parts)


def energy_of_stream(summary: Mapping[str, Any]) -> float:
    """Return the energy of one image in a steady stream [J].

    What images cost by themselves is the run's energy without what is drawn all the time, over its images; of
    the latter each one bears what is drawn in an interval. Filling and draining the pipeline, which a run of
    few images mostly does, does not count. The images of a batch share what is written for it: those of a
    whole one, or all of the run where an interval of whole batches is not known.
    """
    static, images, written = summary["power_w"]["static"], summary["images"], summary["programming"]
    dynamic = summary["energy_j"]["total"] - static * summary["time_s"]
    energy: float = dynamic / images + static / summary["throughput_per_s"]
    if written is not None and summary["initiation_interval_cycles"] is not None:
        of_whole = ceil(images / written["batch"]) * written["batch"]
        energy += written["energy_j"] * (1 / of_whole - 1 / images)
    return energy


def cycles_of_image(summary: Mapping[str, Any]) -> float:
    """Return the cycles from one image to the next; where no interval is known, measured time over images."""
    interval: float | None = summary["initiation_interval_cycles"]
    if interval is not None:
        return interval
    return whole(round(summary["clock_hz"] / summary["throughput_per_s"], 3))


def use_of_arrays(placed: NetworkMap, tops: float | None) -> dict[str, Any]:
    """Return what the machine's arrays could do and how much of it they do, as a summary names it."""
    peak = None if placed.peak_macs is None else 2 * placed.peak_macs / 1e12
    return {
        "chips": placed.chips,
        "peak_tops": peak,
        "utilisation": tops / peak if peak and tops is not None else None,
    }


def whole(number: float) -> float:
    """Return a number as an int where it is one, so that files show cycles without a point."""
    return int(number) if number == int(number) else number


def fingerprint(
    machine: Machine,
    network: LoweredNetwork,
    values: str,
    seed: int,
    run: MachineRun,
    arrivals: Arrivals | None = None,
    prompt: int | None = None,
) -> str:
    """Return the digest of what was simulated and of what came out, without any names.

    It is equal across engines, orders of starting processes, and with or without a recording.
    """
    content = {
        **simulated(machine, values, seed, run.outcome, arrivals is not None),
        "graph": network.canonical(),
        "images": len(run.completed),
        "completed": run.completed,
        "outputs": None if run.outputs is None else array_digest(run.outputs),
    }
    if run.training is not None and run.training.weights is not None:
        content["weights"] = [array_digest(weights) for weights in run.training.weights]
    if arrivals is not None:
        content["arrivals"] = arrivals.canonical
    if prompt is not None:
        content["prompt"] = prompt
    return content_digest(content)


def simulated(machine: Machine, values: str, seed: int, outcome: Outcome, queued: bool) -> dict[str, Any]:
    """Return what the fingerprint of any run holds, of one network or of several: machine, options, history.

    queued : whether requests arrive over time; else the machine's queue is not there
    """
    configuration = machine.config.canonical()
    if not queued:
        configuration.pop("queue", None)
    return {
        "machine": configuration,
        "values": values,
        "seed": seed,
        "units": [account.ticks for account in outcome.accounts],  # sorted by path, as are the actions
        "actions": [counts for _, counts in sorted(outcome.energy.actions.items())],
    }


def content_digest(content: Mapping[str, Any]) -> str:
    """Return the digest of what JSON can hold."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def history_digest(outcome: Outcome) -> str | None:
    """Return the digest of the sorted intervals, None if nothing was recorded."""
    activity = outcome.activity
    return None if activity is None else _activity_digest(activity)


def _activity_digest(activity: Activity) -> str:
    """Return a digest that does not depend on the order in which states were met."""
    names = sorted(activity.states)
    place = np.array([names.index(state) for state in activity.states], np.int16)
    digest = hashlib.sha256(json.dumps([activity.units, names, activity.makespan]).encode())
    for column in (activity.unit, place[activity.state], activity.start, activity.duration):
        digest.update(array_digest(column).encode())
    return digest.hexdigest()


def array_digest(array: NDArray[Any]) -> str:
    """Return the digest of an array's shape and integers, the same on every platform."""
    digest = hashlib.sha256(json.dumps(array.shape).encode())
    digest.update(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()
