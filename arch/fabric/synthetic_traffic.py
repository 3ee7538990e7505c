"""Synthetic traffic on a fabric alone, at any fidelity; see `traffic_run` for what is measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter

from arch.fabric.flit_config import FlitConfig
from arch.fabric.flit_network import FlitNetwork, IdealNetwork, PacketNetwork
from arch.fabric.interconnect import Interconnect
from arch.fabric.link_traffic import drive_links
from arch.fabric.lone_fabric import LoneFabricConfig, Pattern
from arch.fabric.traffic_run import TrafficReport, TrafficRun
from simcore import ConfigError

#: Lets traffic pass over an interconnect; returns the cycles that it took, and seconds.
Drive = Callable[[LoneFabricConfig, Interconnect, TrafficRun], tuple[int, float]]


def drive(kind: Callable[[Interconnect, FlitConfig], PacketNetwork]) -> Drive:
    """Return what lets traffic pass over a network of some kind."""

    def drive_network(
        config: LoneFabricConfig, interconnect: Interconnect, run: TrafficRun
    ) -> tuple[int, float]:
        network, wall_s = kind(interconnect, config), 0.0
        network.advance(0)  # loads or compiles the kernel before the clock runs
        for ways, cycles, stop in run.stretches():
            clock = perf_counter()
            network.offer(ways, config.packet_flits, cycles, 0)
            arrivals = network.advance(stop)
            wall_s += perf_counter() - clock
            run.take(arrivals)
        return network.now, wall_s

    return drive_network


#: What simulates an interconnect, by the name of its fidelity.
FIDELITIES: Mapping[str, Drive] = {
    "ideal": drive(IdealNetwork),
    "link": drive_links,
    "flit": drive(FlitNetwork),
}


def measure_traffic(
    config: LoneFabricConfig,
    pattern: Pattern,
    load: float,
    *,
    seed: int = 0,
    interconnect: Interconnect | None = None,
) -> TrafficReport:
    """Simulate a fabric under one load.

    load : flits that each node makes a cycle, in (0, 1]
    interconnect : `config.interconnect(pattern)`, if it is there already
    raises : ConfigError, MappingError for what cannot be simulated, Deadlock
    """
    check_load(load)
    interconnect = interconnect or config.interconnect(pattern)
    run = TrafficRun(config, interconnect, load, seed)
    return run.report(*FIDELITIES[config.fidelity](config, interconnect, run))


def check_load(load: float) -> None:
    """Raise ConfigError unless nodes could make so many flits a cycle."""
    if not 0 < load <= 1:
        raise ConfigError(
            f"load must be in (0, 1] flits a node and cycle, got {load:g}; "
            "the link of a node takes one flit a cycle"
        )
