"""Runs a workload on a machine, or several that share it, and reports what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from arch.machine import Machine, MachineRun, NetworkMap, RunOptions
from imcsim.deadlock_fix import with_fix
from imcsim.job import NO_WEIGHTS, Job
from imcsim.load_figures import load_summary, request_rows
from imcsim.metrics import (
    cache_metrics,
    decoding_metrics,
    fingerprint,
    history_digest,
    rates,
    stream_metrics,
    use_of_arrays,
)
from imcsim.resolve import Setting
from imcsim.results import Run
from imcsim.run_folder import RunFolder
from imcsim.run_material import material_of
from imcsim.run_record import programming_figures, skipping, unit_times
from imcsim.run_request import RunRequest, resolve_request
from imcsim.run_tables import channel_rows, image_rows
from imcsim.shared_request import Workload, alone, is_shared, resolve_shared
from imcsim.shared_run import SharedJob
from imcsim.trace_file import TraceFile, TraceOptions
from imcsim.training_run import TrainingMaterial, training_summary
from simcore import Deadlock, Progress
from simcore.simulation import peak_memory_mb
from workloads import Network, check_decodes, lower

#: Simulates a mapped machine: map, images, values and options.
Drive = Callable[[NetworkMap, int, Any, RunOptions], MachineRun]


class InterruptedRun(KeyboardInterrupt):
    """Ctrl-C during a run; `run` holds what is known of it, and the message says where that was saved."""

    def __init__(self, run: Run, saved: str) -> None:
        super().__init__(f"interrupted{saved}")
        self.run = run


def run(
    workload: Workload | Sequence[Workload],
    arch: str | Path | Machine | None = None,
    *,
    images: int | Sequence[int] | None = None,
    values: str | None = None,
    settings: Sequence[Setting] = (),
    seed: int | None = None,
    warmup: int | Sequence[int] | None = None,
    engine: str | None = None,
    fast_forward: bool | None = None,
    prompt: int | None = None,
    arrivals: str | Sequence[str] | None = None,
    out: str | Path | None = None,
    plugins: Sequence[str | Path] | None = None,
    data: str | Path | Sequence[str | Path] | None = None,
    record: bool = True,
    trace: str | Path | TraceOptions | None = None,
    shuffle: int | None = None,
    observe: Callable[[Progress], None] | None = None,
) -> Run:
    """Simulate a workload on a machine.

    workload : a registered name, an ONNX file, a workload trace, a SCALE-Sim topology, a composition, a
        Network, or the `config.yaml` of an earlier run, which needs no `arch`; a list of several workloads
        has them share the machine
    arch : a registered name, a YAML file, or a Machine
    images : how many, the first of the data; 1 unless a `config.yaml` or a trace says otherwise; as `warmup`,
        `arrivals` and `data`, of several workloads one value for all or a list with one for each
    values : `ideal`, the default, computes them in exact integers; `device` what arrays of real cells, wires
        and converters return; `off`, the default where weights are unknown, leaves them out
    settings : parameters of the machine, as "core.adc.bits=6" or as path and value
    seed : of all noise; it never changes weights
    warmup : first images that are kept out of latency, interval, throughput and power
    engine : `lean`, the default, or `stock` for plain SimPy
    fast_forward : skip whole periods of the run once its state repeats, which changes no result; only
        with `values` off
    prompt : tokens of each sequence that are given; the others a decoder writes itself, one by one
    arrivals : how requests arrive over time: `closed:K`, `fixed:R` or `poisson:R` with R requests a second,
        or a .csv file with a column `cycle` or `time_s`; all are there from the start if left out
    out : directory to write the results to
    plugins : Python files to import first
    data : .npz file with `inputs` and, optionally, `labels`, see `workloads.read_data`
    record : keep every interval, for `Run.activity` and pictures
    trace : file to write the intervals to while the run goes on, in place of keeping them; with
        `TraceOptions` within limits of size, time and units
    shuffle : seed of a random order of starting processes, which changes nothing
    observe : called now and then with the progress
    raises : SimError; InterruptedRun on Ctrl-C
    """
    begin = time.perf_counter()
    changes = {
        "images": images,
        "values": values,
        "seed": seed,
        "warmup": warmup,
        "engine": engine,
        "fast_forward": fast_forward,
        "prompt": prompt,
        "arrivals": arrivals,
        "data": data,
        "plugins": plugins,
    }
    options = RunOptions(record=record, shuffle=shuffle)
    job: Job
    if is_shared(workload):
        job = SharedJob(resolve_shared(workload, arch, settings, changes), options, observe, begin)
    else:
        single, own = alone(workload, changes)
        job = _Job(resolve_request(single, arch, settings, own), options, observe, begin)
    with ExitStack() as stack:
        folder = stack.enter_context(RunFolder(out)) if out is not None else None
        if trace is not None:
            job.write_to(stack.enter_context(TraceFile(trace, folder)))
        try:
            result = job.run()
        except KeyboardInterrupt:
            partial, saved = job.partial(), ""
            if folder is not None and folder.holds_complete_run:
                saved = f"; {out} keeps the complete run that it held"
            elif folder is not None:
                folder.write(partial)
                saved = f"; what is known of the run is in {out}, marked so"
            raise InterruptedRun(partial, saved) from None
        if folder is not None:
            folder.write(result)
    return result


def simulate_request(request: RunRequest, observe: Callable[[Progress], None] | None = None) -> Run:
    """Simulate what was requested, and keep no intervals.

    observe : called now and then with the progress
    """
    return _Job(request, RunOptions(), observe, time.perf_counter()).run()


def map_workload(
    workload: str | Path | Network,
    arch: str | Path | Machine | None = None,
    *,
    settings: Sequence[Setting] = (),
    plugins: Sequence[str | Path] | None = None,
) -> NetworkMap:
    """Return how a workload is placed on a machine; see `run` for the arguments."""
    request = resolve_request(workload, arch, settings, {"plugins": plugins})
    return request.machine.map(lower(request.network))


def _partial_batch(batch: int, images: int) -> Iterator[str]:
    """Yield that a batch is not full, if so."""
    if left := images % batch:
        which = "" if images < batch else "last "
        yield (
            f"the {which}batch has {left} of {batch} images, so that figures are not those of whole ones; "
            f"for these take --images {batch * max(-(-images // batch), 2)}"
        )


class _Job(Job):
    """A run of one network.

    macs : of one image, back and forth where it trains
    """

    def __init__(
        self,
        request: RunRequest,
        options: RunOptions,
        observe: Callable[[Progress], None] | None,
        begin: float,
    ) -> None:
        super().__init__(request.config, options, observe, begin)
        self.request = request
        self.lowered = lower(request.network)
        self.summary |= {
            "workload": request.name,
            "notes": [
                *request.network.notes,
                *([] if request.has_values else [NO_WEIGHTS]),
                *request.notes,
            ],
            "macs": self.lowered.macs,
        }
        self.macs = self.lowered.macs

    def simulated(self) -> Run:
        """Do all that there is to do."""
        config, machine = self.request.config, self.request.machine
        self.request.check_abilities()
        if config.prompt is not None:
            check_decodes(self.lowered, config.prompt)
        placed = machine.map(self.lowered)
        self.macs = self.summary["macs"] = placed.macs
        self.summary["notes"] += _partial_batch(placed.batch, config.images)
        material = material_of(self.request, self.lowered)
        if material is not None:
            self.summary["inputs"] = material.inputs.origin
            self.summary["notes"] += material.notes
        values = material.values if material is not None else None
        self.built()
        options = replace(
            self.watched(),
            fast_forward=config.fast_forward,
            arrivals=self.request.arrivals,
            prompt=config.prompt,
        )
        try:
            drive: Drive = machine.simulate if machine.training is None else machine.train
            machine_run = drive(placed, config.images, values, options)
        except Deadlock as deadlock:
            raise with_fix(deadlock, machine, placed, config.images) from None
        outputs = None
        if material is not None and machine_run.outputs is not None:
            outputs = material.real_outputs(machine_run.outputs)
            self.summary |= material.judgement(machine_run)
        if (arrays := machine_run.arrays) is not None:
            self.summary |= {
                "conversions": arrays.conversions,
                "clipped_conversions": arrays.clipped,
                "formulations": {
                    layer: {"method": method, "reason": reason}
                    for layer, (method, reason) in arrays.formulations.items()
                },
            }
        if machine_run.neurons is not None:
            self.summary["neuron_cycles"] = {
                layer: {"cycles": times.cycles.tolist(), "neurons": times.neurons.tolist()}
                for layer, times in machine_run.neurons.items()
            }
        if (programming := machine_run.programming) is not None:
            self.summary["programming"] = programming_figures(programming)
        self.summary["programming_j"] = machine_run.programming_j
        parameters = None
        if machine.training is not None and machine_run.training is not None:
            trained = material if isinstance(material, TrainingMaterial) else None
            self.summary["training"] = training_summary(machine_run, machine.training, trained)
            parameters = None if trained is None else trained.parameters(machine_run.training)
        self._fill(placed, machine_run, self.wall_s(machine_run.outcome))
        return Run(
            self.summary,
            config,
            unit_times(machine_run.outcome),
            machine_run.outcome.activity,
            outputs,
            machine_run.outputs,
            parameters,
            None if (decoded := machine_run.decoded) is None else decoded.ids,
            requests=request_rows(machine_run),
            parts=machine_run.outcome.parts,
            channels=channel_rows(machine_run.outcome),
            images=image_rows({self.request.name: machine_run}),
        )

    def _fill(self, placed: NetworkMap, machine_run: MachineRun, wall_s: float) -> None:
        """Complete the summary."""
        config, outcome = self.request.config, machine_run.outcome
        stream = stream_metrics(machine_run, config.warmup)
        achieved = rates(machine_run, stream, self.macs)
        self.summary |= {
            "fingerprint": fingerprint(
                self.request.machine,
                self.lowered,
                config.values,
                config.seed,
                machine_run,
                self.request.arrivals,
                config.prompt,
            ),
            "history": history_digest(outcome),
            "cycles": outcome.cycles,
            "clock_hz": outcome.reference.hz,
            "ticks_per_cycle": outcome.reference.ticks,
            "time_s": outcome.seconds,
            "initiation_interval_cycles": stream.interval,
            "latency_s": stream.latency,
            "load": load_summary(machine_run, config.arrivals or "trace", config.warmup),
            **achieved,
            "decoding": decoding_metrics(machine_run, stream, config.warmup),
            "cache": cache_metrics(machine_run),
            **use_of_arrays(placed, achieved["tops"]),
            "reached": {"cycle": outcome.cycles, "images": config.images},
            "fast_forward": (
                None if (skip := outcome.fast_forward) is None else skipping(skip, outcome.reference)
            ),
            "buffer_peaks": machine_run.peaks,
            "units": len(outcome.accounts),
            "events": outcome.events,
            "wall_s": wall_s,
            "setup_s": time.perf_counter() - self.begin - wall_s - self.clock.seconds,
            "compile_s": self.clock.seconds,
            "peak_rss_mb": peak_memory_mb(),
        }
