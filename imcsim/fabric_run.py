"""Synthetic traffic on a fabric alone, from names and settings to what `imcsim fabric` prints and draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, get_args

from arch.fabric.lone_fabric import LoneFabricConfig, Pattern
from arch.fabric.topology import fabrics
from imcsim.edge_lists import with_edge_lists
from imcsim.machine_files import located, parse_setting
from imcsim.offered_loads import read_loads, save_measured
from imcsim.resolve import Setting
from imcsim.run_config import LARGEST_SEED
from simcore import ConfigError, InvalidConfigError
from simcore.settings import assign_all
from traces import LoadPoint, plot_load_latency

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from arch.fabric.traffic_run import TrafficReport

SCHEMA = "imcsim.fabric/1"


@dataclass(frozen=True)
class FabricRun:
    """A fabric under one or more loads.

    FILE : of a result, in its directory
    reports : what was measured, one for each load
    """

    FILE: ClassVar = "fabric.json"

    config: LoneFabricConfig
    traffic: Pattern
    seed: int
    reports: tuple[TrafficReport, ...]

    @property
    def graph(self) -> str:
        """Name of the fabric."""
        return self.config.topology.kind

    @property
    def zero_load_latency(self) -> float:
        """Mean latency of packets that meet no others [cycle]."""
        return self.reports[0].zero_load_latency

    @property
    def summary(self) -> dict[str, Any]:
        """The run in JSON's types; figures of the load at the top, where there is only one."""
        points = [_point(report) for report in self.reports]
        alone = points[0] if len(points) == 1 else dict.fromkeys(points[0])
        return {
            "schema": SCHEMA,
            "graph": self.graph,
            "traffic": self.traffic,
            "seed": self.seed,
            **alone,
            "zero_load_latency_cycles": self.zero_load_latency,
            "parameters": {**self.config.canonical(), "nodes": self.config.cores},
            "points": points,
        }

    def plot(self) -> Figure:
        """Draw latency and accepted traffic over load; SimError if matplotlib is missing."""
        config = self.config
        points = [
            LoadPoint(r.load, r.mean_latency, r.p99_latency, r.accepted, r.stable) for r in self.reports
        ]
        words = [f"{config.cores} nodes", f"{self.traffic} traffic", f"packets of {config.packet_flits} flit"]
        words[-1] += "s" * (config.packet_flits > 1)
        if config.fidelity == "flit":
            words.append(f"{config.vcs} virtual channels of {config.vc_buffer_flits} flits")
        if config.fidelity == "link":
            words.append(f"queues of {config.queue_packets} packet" + "s" * (config.queue_packets > 1))
        title, below = f"{self.graph}, {config.fidelity} fidelity", "  ·  ".join(words)
        return plot_load_latency(points, zero_load=self.zero_load_latency, title=title, below=below)

    def save(self, out: str | Path) -> list[Path]:
        """Write the picture, or picture and `fabric.json` into a directory; see `save_measured`."""
        return save_measured(out, self.FILE, self.summary, self.plot)


def run_fabric(
    graph: str,
    load: float | str | Sequence[float],
    *,
    traffic: str = "uniform",
    settings: Sequence[Setting] = (),
    seed: int = 0,
) -> FabricRun:
    """Simulate a fabric alone under synthetic traffic.

    graph : registered name of a topology
    load : flits that each node makes a cycle; several, or text as `read_loads` takes it
    traffic : "uniform" or "transpose"
    settings : "vcs=2", or path and value
    raises : UnknownNameError, ConfigError, MappingError, Deadlock
    """
    config = _configured(graph, settings)
    if traffic not in get_args(Pattern):
        known = ", ".join(map(repr, get_args(Pattern)))
        raise ConfigError(f"traffic must be one of {known}, got {traffic!r}")
    if not 0 <= seed <= LARGEST_SEED:
        raise ConfigError(f"seed must be in [0, {LARGEST_SEED}], got {seed}")
    pattern: Pattern = "uniform" if traffic == "uniform" else "transpose"
    loads = read_loads(load) if isinstance(load, str) else [load] if isinstance(load, int | float) else load
    interconnect = config.interconnect(pattern)

    from arch.fabric.synthetic_traffic import check_load, measure_traffic  # loads kernels

    for each in loads:
        check_load(each)
    reports = [measure_traffic(config, pattern, each, seed=seed, interconnect=interconnect) for each in loads]
    return FabricRun(config, pattern, seed, tuple(reports))


def _configured(graph: str, settings: Sequence[Setting]) -> LoneFabricConfig:
    """Return the configuration of a graph with settings applied, or raise all that is wrong with it."""
    fabrics[graph]  # tells the nearest spelling
    pairs = [parse_setting(s) if isinstance(s, str) else s for s in settings]
    if any(path == "topology.kind" for path, _ in pairs):
        raise ConfigError(f"--set topology.kind - is {graph!r}, as the graph is named; name another instead")
    try:
        raw = assign_all({"topology": {"kind": graph}}, pairs, LoneFabricConfig, source="--set")
        raw = with_edge_lists({"fabric": raw})["fabric"]
        return LoneFabricConfig.parse(raw, where=graph)
    except InvalidConfigError as error:
        raise located(error, None, [path for path, _ in pairs]) from None


def _point(report: TrafficReport) -> dict[str, Any]:
    return {
        "load": report.load,
        "mean_latency_cycles": report.mean_latency,
        "p99_latency_cycles": report.p99_latency,
        "accepted_flits_per_node_cycle": report.accepted,
        "mean_routers_visited": report.mean_routers,
        "stable": report.stable,
        "packets": report.packets,
        "cycles": report.cycles,
        "wall_s": report.wall_s,
        "cycles_per_second": report.cycles / report.wall_s,
    }
