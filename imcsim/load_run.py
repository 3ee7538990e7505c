"""A machine under load, from names and settings to what `imcsim load` prints and draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from arch.machine import Machine
from imcsim.load_figures import RequestRow
from imcsim.metrics import whole
from imcsim.offered_loads import read_loads, save_measured
from imcsim.resolve import Setting
from imcsim.results import Run
from imcsim.run_request import RunRequest, machines_with_queues, resolve_request
from imcsim.shared_request import is_shared
from imcsim.simulate import simulate_request
from simcore import ConfigError, Progress
from traces import REQUESTS, LoadPoint, plot_load_latency
from workloads import Network

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCHEMA = "imcsim.load/1"
Pattern = Literal["poisson", "fixed"]
_MOST = 2.0
#: Requests of the first run that measures what a machine can do.
_SATURATING = 64
#: Measured requests at a load; a rate needs two.
_FEWEST = 2


@dataclass(frozen=True, eq=False)
class MeasuredLoad:
    """A machine at one load.

    load : offered requests a second over those that the machine can do
    rate : offered requests a second
    summary : of the run
    """

    load: float
    rate: Fraction
    summary: dict[str, Any]

    @property
    def stable(self) -> bool:
        """Whether requests come no faster than the machine can do: else their latency has no end."""
        return self.load < 1 or (self.load == 1 and self.summary["load"]["arrivals"].startswith("fixed"))

    def latency(self, name: str) -> float | None:
        """Return a latency from arrival to completion [s], None where it depends on how long one looks."""
        value: float = self.summary["load"]["latency_s"][name]
        return value if self.stable else None

    @property
    def point(self) -> dict[str, Any]:
        """What is told of it, in JSON's types."""
        found, skipped = self.summary["load"], self.summary["fast_forward"]
        times = {name: found[name] if self.stable else None for name in ("latency_s", "queueing_s")}
        return {
            "load": self.load,
            "offered_per_s": float(self.rate),
            "completed_per_s": found["completed_per_s"],
            "stable": self.stable,
            **times,
            "in_system_mean": found["in_system_mean"] if self.stable else None,
            "utilisation": found["utilisation"],
            "requests": found["requests"],
            "skipped_requests": 0 if skipped is None else skipped["skipped_images"],
            "wall_s": self.summary["wall_s"],
        }


@dataclass(frozen=True, eq=False)
class LoadRun:
    """A machine under several loads.

    arrivals : `poisson` or `fixed`
    interval : cycles from request to request when there are always some
    alone : latency of a request that meets no other [s]
    points : what was measured, one for each load
    FILE : of a result, in its directory
    """

    FILE: ClassVar = "load.json"

    workload: str
    machine: str
    arrivals: Pattern
    images: int
    warmup: int
    seed: int
    hz: Fraction
    interval: Fraction
    alone: float
    points: tuple[MeasuredLoad, ...]

    @property
    def saturated(self) -> Fraction:
        """Requests a second when there are always some."""
        return self.hz / self.interval

    def reference(self, load: float) -> float:
        """Return the mean latency that theory has at a load below 1 [s].

        Requests at even distances do not wait. With Poisson arrivals it is M/D/1's: one server that works on
        each for the interval, with whatever the machine takes longer behind it.
        """
        if self.arrivals == "fixed":
            return self.alone
        return self.alone + float(self.interval / self.hz) * load / (2 * (1 - load))

    @property
    def summary(self) -> dict[str, Any]:
        """The measurement in JSON's types."""
        return {
            "schema": SCHEMA,
            "workload": self.workload,
            "machine": self.machine,
            "arrivals": self.arrivals,
            "images": self.images,
            "warmup": self.warmup,
            "seed": self.seed,
            "clock_hz": float(self.hz),
            "saturated_per_s": float(self.saturated),
            "interval_cycles": whole(float(self.interval)),
            "unloaded_latency_s": self.alone,
            "points": [
                {**point.point, "reference_mean_s": self.reference(point.load) if point.load < 1 else None}
                for point in self.points
            ],
        }

    def plot(self) -> Figure:
        """Draw latency and completed requests over load; SimError if matplotlib is missing."""
        peak = float(self.saturated)
        points = [
            LoadPoint(
                point.load,
                point.latency("mean"),
                point.latency("p99"),
                point.summary["load"]["completed_per_s"] / peak,
                point.stable,
                point.latency("p50"),
            )
            for point in self.points
        ]
        shares = [share / 100 for share in range(99)]
        curve = [(load, self.reference(load)) for load in shares]
        poisson = self.arrivals == "poisson"
        coming = "Poisson arrivals" if poisson else "arrivals at even distances"
        below = (
            f"{coming}  ·  load 1 is {peak:,.0f} requests/s, one every {float(self.interval):,.6g} cycles"
            f"  ·  {self.images:,} requests at each load, without the first {self.warmup:,}"
        )
        return plot_load_latency(
            points,
            zero_load=self.alone,
            title=f"{self.workload} on {self.machine}",
            below=below,
            words=REQUESTS,
            curve=curve,
            curve_name="M/D/1, mean" if poisson else "D/D/1",
        )

    def save(self, out: str | Path) -> list[Path]:
        """Write the picture, or picture and `load.json` into a directory; see `save_measured`."""
        return save_measured(out, self.FILE, self.summary, self.plot)


def measure_load(
    workload: str | Path | Network,
    arch: str | Path | Machine,
    load: float | str | Sequence[float] = "0.1:0.9:0.1",
    *,
    arrivals: str = "poisson",
    images: int = 1000,
    warmup: int | None = None,
    settings: Sequence[Setting] = (),
    seed: int = 0,
    plugins: Sequence[str | Path] | None = None,
    observe: Callable[[Progress], None] | None = None,
) -> LoadRun:
    """Measure a machine's latency and throughput over the load that it is offered; no values are computed.

    workload, arch, settings, plugins : as for `imcsim.run`
    load : offered requests a second over those that the machine can do, which is measured first; several, or
        text as `read_loads` takes it
    arrivals : `poisson` or `fixed`
    images : requests at each load
    warmup : of them, the first that are left out; a tenth if left out
    seed : of the gaps between requests
    raises : SimError
    """
    if arrivals not in get_args(Pattern):
        known = " or ".join(get_args(Pattern))
        raise ConfigError(
            f"--arrivals must be {known}, got {arrivals!r}; for others take `imcsim run --arrivals`"
        )
    pattern: Pattern = "fixed" if arrivals == "fixed" else "poisson"
    loads = read_loads(load) if isinstance(load, str) else [load] if isinstance(load, int | float) else load
    for each in loads:
        if not 0 < each <= _MOST:
            raise ConfigError(
                f"--load must be in (0, {_MOST:g}], of what the machine can do, got {each:g}; as in "
                "0.1:0.9:0.1"
            )
    warmup = images // 10 if warmup is None else warmup

    fixed = {"values": "off", "seed": seed, "plugins": plugins}
    if is_shared(workload):
        raise ConfigError(
            f"{workload} is a run of several networks, whose loads are not one number; take "
            "`imcsim run --arrivals`"
        )
    first = resolve_request(workload, arch, settings, {**fixed, "images": images, "warmup": warmup})
    _check(first)
    skips = first.machine.skips_periods

    def simulate(text: str, images: int, warmup: int) -> Run:
        changes = {**fixed, "images": images, "warmup": warmup, "arrivals": text}
        repeats = skips and not text.startswith("poisson")
        request = resolve_request(workload, arch, settings, {**changes, "fast_forward": repeats})
        return simulate_request(request, observe)

    alone = simulate("closed:1", 1, 0)
    hz = first.machine.reference_hz
    interval = saturated_interval(lambda many: simulate(f"closed:{many}", many, 0).requests)
    points = []
    for each in loads:
        rate = Fraction(str(each)) * hz / interval
        result = simulate(f"{pattern}:{rate}", images, warmup)
        points.append(MeasuredLoad(each, rate, result.summary))
    return LoadRun(
        first.name,
        first.config.machine_name,
        pattern,
        images,
        warmup,
        seed,
        hz,
        interval,
        alone.summary["load"]["latency_s"]["mean"],
        tuple(points),
    )


def _check(request: RunRequest) -> None:
    """Raise ConfigError for a workload or machine whose requests cannot arrive at a rate, or are too few."""
    config = request.config
    if any(request.trace.arrivals):
        raise ConfigError(
            f"{request.name} tells when its images arrive, but their rate is what is varied here; let all "
            "requests have cycle 0, or take `imcsim run`"
        )
    if not request.machine.awaits_arrivals:
        raise ConfigError(
            f"{config.machine_name} has all images from the start; machines that let requests wait are "
            f"{' and '.join(machines_with_queues())}"
        )
    if config.images - config.warmup < _FEWEST:
        raise ConfigError(
            f"--images must leave at least {_FEWEST} requests behind a warmup of {config.warmup}, as a rate "
            f"needs, got {config.images}; run more images"
        )


def saturated_interval(requests: Callable[[int], Sequence[RequestRow]]) -> Fraction:
    """Return the cycles from request to request of a machine that always has one to take.

    requests : runs so many, which are all there from the start

    Neither the first half counts, which fills the machine, nor what is done once the last request is let in,
    when nothing comes behind it any more. Where too little is left in between, the machine holds many at
    once, and more are run.
    """
    many = _SATURATING
    while True:
        rows = requests(many)
        done = [Fraction(row.completion) for row in rows[many // 2 :] if row.completion <= rows[-1].start]
        if len(done) > many // 8:
            return (done[-1] - done[0]) / (len(done) - 1)
        many *= 2
