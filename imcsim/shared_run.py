"""Runs several networks that share a machine: together, and each with all others at rest."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from arch.machine import ImageStream, MachineRun, NetworkMap, RunOptions, SharedMap
from arch.requests import LoadReport
from imcsim.deadlock_fix import with_fix
from imcsim.job import NO_WEIGHTS, Job
from imcsim.load_figures import load_summary, request_rows
from imcsim.metrics import (
    StreamMetrics,
    array_digest,
    cache_metrics,
    content_digest,
    history_digest,
    peak_watts,
    simulated,
    stream_metrics,
    whole,
)
from imcsim.results import Run
from imcsim.run_material import InferenceMaterial, material_of
from imcsim.run_record import NetworkOutputs, programming_figures, unit_times
from imcsim.run_request import RunRequest
from imcsim.run_tables import channel_rows, image_rows
from imcsim.shared_request import JOINT, SharedRequest
from imcsim.slowdown_causes import slowdown, slowdown_json
from simcore import Deadlock, Progress
from simcore.clocks import next_edge
from simcore.simulation import peak_memory_mb
from workloads import lower


class SharedJob(Job):
    """A run of several networks."""

    def __init__(
        self,
        request: SharedRequest,
        options: RunOptions,
        observe: Callable[[Progress], None] | None,
        begin: float,
    ) -> None:
        super().__init__(request.config, options, observe, begin)
        self.request = request
        self.lowered = {name: lower(own.network) for name, own in request.requests.items()}
        self.summary["notes"] = [
            f"{name}: {note}"
            for name, own in request.requests.items()
            for note in (*own.network.notes, *([] if own.has_values else [NO_WEIGHTS]), *own.notes)
        ]

    def simulated(self) -> Run:
        """Map, calibrate, simulate all together and each alone, compare with the references, and add up."""
        machine, requests = self.request.machine, self.request.requests
        placed = machine.map_together(self.lowered)
        materials = {name: material_of(own, self.lowered[name]) for name, own in requests.items()}
        computed = {name: m for name, m in materials.items() if isinstance(m, InferenceMaterial)}
        for name, material in computed.items():
            self.summary["notes"] += [f"{name}: {note}" for note in material.notes]
        streams = {
            name: ImageStream(
                own.config.images, computed[name].values if name in computed else None, own.arrivals
            )
            for name, own in requests.items()
        }
        self.built()
        try:
            runs = machine.simulate_together(placed, streams, self.watched())
        except Deadlock as deadlock:
            raise self._with_fixes(deadlock, placed, streams) from None
        wall_s = self.wall_s(next(iter(runs.values())).outcome)
        networks = []
        for name, own in requests.items():
            alone = self._alone(placed, streams, name)
            wall_s += alone.outcome.wall_s
            figures = _figures(name, own, placed.networks[name], runs, alone)
            judged: dict[str, Any] = {}
            if name in computed:
                judged = {
                    "inputs": computed[name].inputs.origin,
                    **computed[name].judgement(runs[name]),
                }
            networks.append({**figures, **_JUDGED, **judged})
        self._fill(placed, runs, networks, wall_s)
        outputs = {
            name: NetworkOutputs(material.real_outputs(codes), codes)
            for name, material in computed.items()
            if (codes := runs[name].outputs) is not None
        }
        outcome = next(iter(runs.values())).outcome
        return Run(
            self.summary,
            self.config,
            unit_times(outcome),
            outcome.activity,
            networks=outputs,
            requests=request_rows(_all_loads(runs)),
            parts=outcome.parts,
            channels=channel_rows(outcome),
            images=image_rows(runs),
        )

    def _with_fixes(
        self, deadlock: Deadlock, placed: SharedMap, streams: Mapping[str, ImageStream]
    ) -> Deadlock:
        """Return a deadlock with what would end those of networks that stand still by themselves, too."""
        lines = [str(deadlock)]
        for name, stream in streams.items():
            try:
                self._alone(placed, streams, name)
            except Deadlock as single:
                fixed = with_fix(single, self.request.machine, placed.networks[name], stream.images)
                advice = str(fixed).removeprefix(str(single)).strip()
                lines.append(f"{name} stands still by itself, too" + (f"; {advice}" if advice else ""))
        if len(lines) == 1:
            lines.append("each network by itself comes to its end; run them one by one")
        return Deadlock("\n".join(lines), deadlock.circle)

    def _alone(self, placed: SharedMap, streams: Mapping[str, ImageStream], name: str) -> MachineRun:
        """Return what a network does in its place with all others at rest; values would change no time."""
        at_rest = {other: ImageStream(0) for other in streams}
        own = replace(streams[name], values=None)
        options = replace(
            self.options, engine=self.config.engine, seed=self.config.seed, record=False, tell=None
        )
        return self.request.machine.simulate_together(placed, {**at_rest, name: own}, options)[name]

    @property
    def _arrivals(self) -> str:
        """How requests arrive, in words."""
        texts = [own.config.arrivals or "trace" for own in self.request.requests.values()]
        return JOINT.join(dict.fromkeys(texts))

    def _fill(
        self,
        placed: SharedMap,
        runs: Mapping[str, MachineRun],
        networks: list[dict[str, Any]],
        wall_s: float,
    ) -> None:
        """Complete the summary; what makes sense for a single network only stays null."""
        outcome = next(iter(runs.values())).outcome
        operations = 2 * sum(placed.networks[name].macs * len(run.completed) for name, run in runs.items())
        energy, area, seconds = outcome.energy.total, outcome.area.total, outcome.seconds
        tops = operations / seconds / 1e12 if seconds else None
        peak = None if placed.peak_macs is None else 2 * placed.peak_macs / 1e12
        matches = [network["outputs_match_golden"] for network in networks]
        self.summary |= {
            "fingerprint": shared_fingerprint(self.request, self.lowered, runs),
            "history": history_digest(outcome),
            "cycles": outcome.cycles,
            "clock_hz": outcome.reference.hz,
            "ticks_per_cycle": outcome.reference.ticks,
            "time_s": outcome.seconds,
            "tops": tops,
            "tops_per_w": operations / energy / 1e12 if energy else None,
            "tops_per_mm2": tops / area if area and tops is not None else None,
            "energy_j": {
                "total": energy,
                "by_component": outcome.energy.by_component,
                "by_layer": outcome.energy.by_layer,
            },
            "area_mm2": {"total": area, "by_component": outcome.area.by_component},
            "power_w": {
                "mean": energy / seconds if seconds else None,
                "static": outcome.energy.static_w,
                "peak": peak_watts(outcome),
            },
            "chips": placed.chips,
            "peak_tops": peak,
            "utilisation": tops / peak if peak and tops is not None else None,
            "outputs_match_golden": None if None in matches else all(matches),
            "load": load_summary(
                _all_loads(runs),
                self._arrivals,
                *(self.request.requests[name].config.warmup for name in runs),
            ),
            "networks": networks,
            "reached": {"cycle": outcome.cycles, "images": self.config.images},
            "buffer_peaks": {path: peak for run in runs.values() for path, peak in run.peaks.items()},
            "units": len(outcome.accounts),
            "events": outcome.events,
            "wall_s": wall_s,
            "setup_s": time.perf_counter() - self.begin - wall_s - self.clock.seconds,
            "compile_s": self.clock.seconds,
            "peak_rss_mb": peak_memory_mb(),
        }


#: What is told of a network's values; null in a run without.
_JUDGED = dict.fromkeys(("inputs", "outputs_match_golden", "accuracy", "golden_accuracy", "float_accuracy"))


def _figures(
    name: str, request: RunRequest, placed: NetworkMap, runs: Mapping[str, MachineRun], alone: MachineRun
) -> dict[str, Any]:
    """Return what a summary tells of one network's times."""
    run, config = runs[name], request.config
    stream, undisturbed = _stream(run, config.warmup), _stream(alone, config.warmup)
    ticks = run.outcome.reference.ticks
    cycles = {which: whole(r.completed[-1] / ticks) for which, r in (("together", run), ("alone", alone))}
    arrays = run.arrays
    loads = {which: _load(name, request, r) for which, r in (("together", run), ("alone", alone))}
    told = slowdown_json(slowdown(name, list(runs), run, alone), run, stream, undisturbed, cycles["alone"])
    told["slowdown"]["from_arrival"] = _from_arrival(loads["together"], loads["alone"])
    return {
        "workload": name,
        "images": config.images,
        "warmup": config.warmup,
        "completed": len(run.completed),
        "cycles": cycles["together"],
        **_times(stream),
        "macs": placed.macs,
        "resources": dict(placed.resources),
        "energy_j": sum(
            joules for layer, joules in run.outcome.energy.by_layer.items() if layer.startswith(f"{name}.")
        ),
        "conversions": None if arrays is None else arrays.conversions,
        "clipped_conversions": None if arrays is None else arrays.clipped,
        "formulations": (
            None
            if arrays is None
            else {
                layer: {"method": method, "reason": reason}
                for layer, (method, reason) in arrays.formulations.items()
            }
        ),
        "cache": cache_metrics(run),
        "programming": None if run.programming is None else programming_figures(run.programming),
        "load": loads["together"],
        "alone": {
            "cycles": cycles["alone"],
            **_times(undisturbed),
            "load": loads["alone"],
        },
        **told,
    }


def _stream(run: MachineRun, warmup: int) -> StreamMetrics:
    """Return times and rates of a network, whose run is over with its own last output."""
    return stream_metrics(_until_own_end(run), warmup)


def _until_own_end(run: MachineRun) -> MachineRun:
    end = next_edge(run.completed[-1], run.outcome.reference.ticks)
    return replace(run, outcome=replace(run.outcome, makespan=end))


def _load(name: str, request: RunRequest, run: MachineRun) -> dict[str, Any] | None:
    """Return what a network's requests add up to, with the unit of its own that is busy most."""
    own = _until_own_end(run)
    accounts = tuple(a for a in run.outcome.accounts if a.path.startswith(f"{name}."))
    own = replace(own, outcome=replace(own.outcome, accounts=accounts))
    return load_summary(own, request.config.arrivals or "trace", request.config.warmup)


def _from_arrival(load: dict[str, Any] | None, alone: dict[str, Any] | None) -> float | None:
    """Return how many times as long requests take from their arrival; None where all were there at once."""
    if load is None or alone is None or not alone["latency_s"]["mean"]:
        return None
    return float(load["latency_s"]["mean"] / alone["latency_s"]["mean"])


def _all_loads(runs: Mapping[str, MachineRun]) -> MachineRun:
    """Return the run with the requests of all networks."""
    loads = [run.load for run in runs.values() if run.load is not None]
    first = next(iter(runs.values()))
    if not loads:
        return first
    lines = tuple(line for load in loads for line in load.lines)
    return replace(first, load=LoadReport(lines, sum(load.in_system for load in loads)))


def _times(stream: StreamMetrics) -> dict[str, Any]:
    return {
        "initiation_interval_cycles": stream.interval,
        "latency_s": stream.latency,
        "throughput_per_s": stream.throughput,
    }


def shared_fingerprint(
    request: SharedRequest, lowered: Mapping[str, Any], runs: Mapping[str, MachineRun]
) -> str:
    """Return the digest of what was simulated and of what came out; names and their order are not in it."""
    config = request.config
    outcome = next(iter(runs.values())).outcome
    networks = [
        {
            "graph": lowered[name].canonical(),
            "completed": run.completed,
            "arrivals": None if (own := request.requests[name].arrivals) is None else own.canonical,
            "outputs": None if run.outputs is None else array_digest(run.outputs),
        }
        for name, run in sorted(runs.items())
    ]
    queued = any(own.arrivals is not None for own in request.requests.values())
    common = simulated(request.machine, config.values, config.seed, outcome, queued)
    return content_digest({**common, "networks": networks})
