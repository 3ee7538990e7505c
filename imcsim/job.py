"""One run under way: its summary fills up as it goes, so that an interrupted one can tell what is known."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from arch.machine import RunOptions
from imcsim.compile_clock import CompileClock
from imcsim.results import Run
from imcsim.run_config import RunConfig
from imcsim.run_record import empty_summary
from imcsim.trace_file import TraceFile
from simcore import ConfigError, Outcome, Progress
from simcore.simulation import peak_memory_mb

#: Told of networks of which only the structure is known.
NO_WEIGHTS = "the workload brings no weights, so no values can be computed"


class Job(ABC):
    """A run, of one network or of several.

    compiled : seconds of compiling before the events
    """

    def __init__(
        self,
        config: RunConfig,
        options: RunOptions,
        observe: Callable[[Progress], None] | None,
        begin: float,
    ) -> None:
        """Get ready.

        observe : called now and then with the progress
        begin : when it began, by `time.perf_counter`
        """
        self.config, self.options, self.observe, self.begin = config, options, observe, begin
        self.clock = CompileClock()
        self.compiled = 0.0
        self.trace: TraceFile | None = None
        self.summary: dict[str, Any] = empty_summary(config)

    def write_to(self, trace: TraceFile) -> None:
        """Write the intervals to a file while the run goes on, in place of keeping them.

        raises : ConfigError if the run leaves out what repeats, of which there are no intervals until its end
        """
        if self.config.fast_forward:
            raise ConfigError(
                "a trace is written while the run goes on, but fast_forward finds intervals that it leaves "
                "out at the end; leave out --fast-forward, or write with --out and imcsim export"
            )
        self.trace = trace
        self.options = replace(self.options, record=False, tell=trace.add)

    def run(self) -> Run:
        """Map, calibrate, simulate, compare with the references, and add up."""
        if self.config.values == "off":  # needs no kernels
            result = self.simulated()
        else:
            with self.clock:
                result = self.simulated()
        if self.trace is not None:
            self.summary["trace"] = self.trace.close()
        return result

    def partial(self) -> Run:
        """Return what is known of a run that was interrupted."""
        self.summary |= {"interrupted": True, "peak_rss_mb": peak_memory_mb()}
        if self.trace is not None:
            self.summary["trace"] = self.trace.close(interrupted=True)
        return Run(self.summary, self.config, ())

    @abstractmethod
    def simulated(self) -> Run:
        """Do all that there is to do."""

    def watched(self) -> RunOptions:
        """Return the options of a run that is watched."""
        return replace(
            self.options,
            engine=self.config.engine,
            observe=self._look,
            built=self.built,
            seed=self.config.seed,
        )

    def _look(self, progress: Progress) -> None:
        """Take note of the progress, and pass it on."""
        reached = {"cycle": progress.cycle, progress.what: progress.done}
        self.summary |= {"reached": reached, "events": progress.events, "wall_s": progress.wall_s}
        if self.observe is not None:
            self.observe(progress)

    def built(self) -> None:
        """Note that all is built."""
        self.compiled = self.clock.seconds

    def wall_s(self, outcome: Outcome) -> float:
        """Return the seconds of events; most kernels compile when they are first called, which is then."""
        return max(0.0, outcome.wall_s - (self.clock.seconds - self.compiled))
