"""Machines that are pipelines: for each network a source, stages that pixels stream through, and a sink."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from arch.activation_memory import ActivationMemory
from arch.attention_cache import cache_traffic
from arch.host import Sink, Source
from arch.machine import (
    BuiltMachine,
    CacheTraffic,
    ImageStream,
    Machine,
    MachineRun,
    NetworkMap,
    RunOptions,
    SharedMap,
    Values,
    images_of_pixels,
)
from arch.mapping.stages import Stage
from arch.request_line import Line
from arch.request_queue import QueueConfig, RequestQueue, queue_on
from arch.requests import Arrivals
from arch.written_arrays import Writing
from simcore import Clock, Component, Outcome, Simulation

if TYPE_CHECKING:  # its kernels load when values are computed
    from arch.run_values import RunValues


class Pipeline(Component):
    """One network's pipeline, which is all of a machine that no other network shares.

    placed, stages : the network on it
    writing : what is written token by token
    queue : of requests, where they arrive over time
    """

    placed: NetworkMap
    stages: Sequence[Stage]
    source: Source
    sink: Sink
    writing: Writing
    queue: RequestQueue | None = None

    @property
    @abstractmethod
    def memories(self) -> Iterable[ActivationMemory]:
        """The memories of its stages."""

    @property
    @abstractmethod
    def caches(self) -> Iterable[tuple[ActivationMemory, int]]:
        """The memories of keys or values, each with the bytes that were read of it so far."""

    @property
    def cache(self) -> CacheTraffic | None:
        """What was seen of keys and values so far; None without attention."""
        return self.writing.traffic or cache_traffic(self.caches)

    @abstractmethod
    def macs(self) -> int:
        """Return the multiply-accumulates that were done so far."""

    @abstractmethod
    def attach(self, values: Values) -> RunValues:
        """Give every part its values, and return them.

        raises : MappingError for weights that the cells cannot hold, and for device values of what is written
        """

    def queue_up(self, queue: RequestQueue, arrivals: Arrivals, images: int) -> Line:
        """Let images wait for their turn in a queue's new line, as requests that arrive over time."""
        self.queue, placed = queue, self.placed
        return queue.admit(placed.called, placed.work, arrivals, images, self.source, self.sink)


P = TypeVar("P", bound=Pipeline)


class PipelinedMachine(Machine, Generic[P]):
    """Base of machines that build a pipeline for each network, one or several."""

    awaits_arrivals = True
    decodes = True
    shares = True

    @abstractmethod
    def _clocks(self) -> Sequence[Clock]:
        """Return the machine's clocks, the reference first."""

    @abstractmethod
    def _built(
        self, simulation: Simulation, maps: Mapping[str, Any], images: Mapping[str, int]
    ) -> tuple[Component, Mapping[str, P]]:
        """Build the pipelines and return them behind the whole; that of a single network is the whole."""

    @abstractmethod
    def _prepare(self, simulation: Simulation, pipelines: Sequence[P], options: RunOptions) -> None:
        """Do what else is to be done before cycle 0."""

    def build(
        self, placed: NetworkMap, images: int, values: Values | None, options: RunOptions
    ) -> BuiltMachine:
        """Build the pipeline, for `images` that are streamed through it."""
        stream = ImageStream(images, values, options.arrivals, options.prompt)
        simulation, fed = self._fed({placed.name: placed}, {placed.name: stream}, options)
        return BuiltMachine(simulation, fed[placed.name].run)

    def simulate_together(
        self, placed: SharedMap, streams: Mapping[str, ImageStream], options: RunOptions
    ) -> dict[str, MachineRun]:
        """Build the pipelines of all networks, stream the images of each and collect what comes out."""
        simulation, fed = self._fed(placed.networks, streams, options)
        if options.built is not None:
            options.built()
        outcome = simulation.run()
        return {name: own.run(outcome) for name, own in fed.items()}

    def _fed(
        self, maps: Mapping[str, NetworkMap], streams: Mapping[str, ImageStream], options: RunOptions
    ) -> tuple[Simulation, dict[str, _Fed]]:
        """Build the pipelines, with what each is fed."""
        simulation = options.simulation(self._clocks())
        whole, pipelines = self._built(simulation, maps, {name: streams[name].images for name in maps})
        queue = None
        if any(stream.arrivals is not None for stream in streams.values()):
            config: QueueConfig = self.config.queue
            queue = queue_on(whole, config, [placed.called for placed in maps.values()])
        fed = {name: _Fed(own, streams[name], queue, simulation) for name, own in pipelines.items()}
        for own in pipelines.values():
            own.writing.draw_by(options.seed)
        self._prepare(simulation, list(pipelines.values()), options)
        return simulation, fed


class _Fed:
    """A pipeline in a run: what it is fed, and what comes of it."""

    def __init__(
        self, pipeline: Pipeline, stream: ImageStream, queue: RequestQueue | None, simulation: Simulation
    ) -> None:
        self.pipeline, self.last = pipeline, pipeline.stages[-1]
        self.line: Line | None = None
        if queue is not None and stream.arrivals is not None:
            self.line = pipeline.queue_up(queue, stream.arrivals, stream.images)
        if stream.prompt is not None:
            pipeline.source.decode(pipeline.sink, stream.prompt)
        self.computed = pipeline.attach(stream.values) if stream.values is not None else None
        self.outputs = self.computed.collect(pipeline.sink, self.last) if self.computed is not None else None
        done, whose = pipeline.placed.network.macs * stream.images, pipeline.path or "the network"
        simulation.laws.append(lambda: (f"MACs done = MACs of {whose} x images", done, pipeline.macs()))
        if pipeline.writing.pairs:
            simulation.laws.append(lambda: pipeline.writing.law(stream.images))

    def run(self, outcome: Outcome) -> MachineRun:
        """Return what came of a run that is over."""
        pipeline, computed, outputs = self.pipeline, self.computed, self.outputs
        return MachineRun(
            outcome=outcome,
            accepted=pipeline.source.accepted,
            completed=pipeline.sink.completed,
            outputs=None if outputs is None else images_of_pixels(outputs, self.last.shape),
            macs=pipeline.macs(),
            peaks={
                port.path: peak
                for memory in pipeline.memories
                for port, peak in zip(memory.pixel_in, memory.peaks, strict=True)
            },
            programming=pipeline.writing.report(outcome),
            cache=pipeline.cache,
            arrays=computed.array_report() if computed is not None and computed.values.device else None,
            decoded=pipeline.sink.decoded(None if computed is None else computed.inputs),
            load=None if self.line is None else self.line.report(),
        )
