"""Measuring two things against each other: in turn, several rounds, medians, and their ratio."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import process_time
from typing import Literal

from simcore import Registry

#: Sets up one run and returns what is to be timed.
Setup = Callable[[], Callable[[], object]]

#: Measures both sides once: ours, and what we are compared with.
Round = Callable[[], tuple[float, float]]


@dataclass(frozen=True)
class Bench:
    """A question about speed or memory: how ours compares with theirs.

    figure : `speed-up` is theirs / ours and must reach the bound, `cost` is ours / theirs and must not pass
        it
    bound : the requirement
    round : measures both sides, in `unit`
    rounds : how many count
    warm_up : whether there is one before that does not count
    """

    name: str
    what: str
    figure: Literal["speed-up", "cost"]
    bound: float
    round: Round
    rounds: int = 5
    warm_up: bool = True
    unit: Literal["s", "MiB"] = "s"


@dataclass(frozen=True)
class Comparison:
    """The answer: medians over the rounds, in the unit of the bench, and the ratio of the two."""

    bench: Bench
    ours: float
    theirs: float

    @property
    def ratio(self) -> float:
        """The figure that the bench asks for."""
        return self.theirs / self.ours if self.bench.figure == "speed-up" else self.ours / self.theirs

    @property
    def requirement(self) -> str:
        """The bound, as people write it."""
        return f"{'>=' if self.bench.figure == 'speed-up' else '<='} {self.bench.bound:g}"

    @property
    def holds(self) -> bool:
        """Whether the requirement is met."""
        met = self.ratio >= self.bench.bound
        return met if self.bench.figure == "speed-up" else self.ratio <= self.bench.bound


benches: Registry[Bench] = Registry("benchmark")


def measure(bench: Bench) -> Comparison:
    """Measure every round, and return the medians of those that count."""
    if bench.warm_up:
        bench.round()
    ours, theirs = zip(*(bench.round() for _ in range(bench.rounds)), strict=True)
    return Comparison(bench, median(ours), median(theirs))


def cpu_times(ours: Setup, theirs: Setup) -> Round:
    """Return the round that sets up and times one side, then the other [s of CPU time]."""
    return lambda: (_timed(ours), _timed(theirs))


def _timed(setup: Setup) -> float:
    run = setup()
    start = process_time()
    run()
    return process_time() - start


def machine_info() -> dict[str, str | int]:
    """Return what was measured on: processor, cores, Python and the libraries that decide speed."""
    import numpy
    import simpy

    return {
        "cpu": _cpu(),
        "cores": os.cpu_count() or 1,
        "python": platform.python_version(),
        "simpy": simpy.__version__,
        "numpy": numpy.__version__,
    }


def _cpu() -> str:
    """Return the processor's name with its model numbers, which alone tell some virtual ones apart."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return platform.processor() or platform.machine()
    fields = dict(line.split(":", 1) for line in cpuinfo.read_text().splitlines() if ":" in line)
    named = {key.strip(): value.strip() for key, value in fields.items()}
    name = named.get("model name", platform.machine())
    return f"{name} (family {named.get('cpu family', '?')}, model {named.get('model', '?')})"
