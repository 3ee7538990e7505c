"""Synthetic traffic on a fabric alone: what it takes, and how long packets are under way.

Every node makes a packet in a cycle with the same probability, whatever it made before (Bernoulli), so that
it offers `load` flits a cycle. After a warm-up come samples; packets made in them are measured, and traffic
goes on until all of these have arrived.

A load is stable if the network keeps up with it. It does not if what it owes, flits made and not arrived,
grows over the samples by more than 2 % of the flits made in them, and by more than a packet a node, which
short runs do by chance; or if measured packets are still missing after as many cycles again. The mean latency
of a load that is not stable grows with the time that is simulated, so none is given.

Uniform: to any node with equal probability, the sender itself included where there is a way back to it.
Transpose: from row r, column c to row c, column r; where that is the node itself and there is no way, it
sends nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from arch.fabric.flit_config import FlitConfig
from arch.fabric.flit_network import FlitNetwork, IdealNetwork, PacketNetwork
from arch.fabric.interconnect import Interconnect
from arch.fabric.lone_fabric import LoneFabricConfig, Pattern
from simcore import ConfigError

#: What simulates an interconnect, by the name of its fidelity.
FIDELITIES: Mapping[str, Callable[[Interconnect, FlitConfig], PacketNetwork]] = {
    "ideal": IdealNetwork,
    "flit": FlitNetwork,
}
#: Share of the offered flits by which the debt of a stable network may grow over the samples.
TOLERANCE = 0.02
_CHUNK = 500  # cycles whose packets are made at once

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class TrafficReport:
    """What was measured at one load.

    load, accepted : flits a node and cycle, made and arrived during the samples
    mean_latency, p99_latency : cycles from a packet's creation to the arrival of its tail; None if unstable
    zero_load_latency : the mean over all pairs that talk, without contention
    mean_routers : on the ways of measured packets
    packets : measured
    cycles : simulated
    wall_s : seconds for these, without set-up
    """

    load: float
    mean_latency: float | None
    p99_latency: int | None
    zero_load_latency: float
    accepted: float
    mean_routers: float | None
    stable: bool
    packets: int
    cycles: int
    wall_s: float


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
    run = _Run(config, interconnect, FIDELITIES[config.fidelity](interconnect, config))
    run.go(_Terminals(interconnect, config.cores, load / config.packet_flits, seed))
    return run.report(load)


def check_load(load: float) -> None:
    """Raise ConfigError unless nodes could make so many flits a cycle."""
    if not 0 < load <= 1:
        raise ConfigError(
            f"load must be in (0, 1] flits a node and cycle, got {load:g}; "
            "the link of a node takes one flit a cycle"
        )


class _Terminals:
    """Nodes that make packets at random: with equal probability along any of their ways."""

    def __init__(self, interconnect: Interconnect, cores: int, probability: float, seed: int) -> None:
        senders = np.array([sender for sender, _ in interconnect.ways])
        usable = np.array([bool(way) for way in interconnect.ways.values()])
        self._ways = np.flatnonzero(usable)  # sender by sender, as pairs are
        self._choices = np.bincount(senders[usable], minlength=cores)
        self._first = np.cumsum(self._choices) - self._choices
        self._probability, self._random = probability, np.random.default_rng(seed)

    def packets(self, start: int, stop: int) -> tuple[Ints, Ints]:
        """Return ways and cycles of the packets made in some cycles, in order."""
        made = self._random.random((stop - start, len(self._choices))) < self._probability
        cycle, sender = np.nonzero(made & (self._choices > 0))
        choice = self._random.integers(0, self._choices[sender])
        return self._ways[self._first[sender] + choice], start + cycle


class _Run:
    """One simulation: traffic in, arrivals out, and what they add up to."""

    def __init__(self, config: LoneFabricConfig, interconnect: Interconnect, network: PacketNetwork) -> None:
        self._config, self._network = config, network
        self._start = config.warmup_cycles
        self._stop = self._start + config.sample_cycles * config.samples
        self._links = np.array([len(way) for way in interconnect.ways.values()])
        self._latencies: list[Ints] = []
        self._routers = 0
        self._measured = self._missing = 0
        self._made, self._arrived = np.zeros((2, 3), np.int64)  # packets, before, in and after the samples
        self._wall_s = 0.0

    def go(self, terminals: _Terminals) -> None:
        """Let traffic flow until every measured packet has arrived, or for too long."""
        self._network.advance(0)  # loads or compiles the kernel before the clock runs
        for start, stop in self._chunks():
            ways, cycles = terminals.packets(start, stop)
            measured = (cycles >= self._start) & (cycles < self._stop)
            self._measured += measured.sum()
            self._missing += measured.sum()
            self._routers += (self._links[ways[measured]] - 1).sum()
            self._made += self._by_phase(cycles)
            clock = perf_counter()
            self._network.offer(ways, self._config.packet_flits, cycles, 0)
            arrivals = self._network.advance(stop)
            self._wall_s += perf_counter() - clock
            mine = (arrivals.created >= self._start) & (arrivals.created < self._stop)
            self._latencies.append(arrivals.arrived[mine] - arrivals.created[mine])
            self._missing -= mine.sum()
            self._arrived += self._by_phase(arrivals.arrived)
            if stop >= self._stop and not self._missing:
                return

    def _chunks(self) -> Iterator[tuple[int, int]]:
        """Yield first cycles and ends of stretches of time, of which one ends with the samples."""
        for start, stop in ((0, self._stop), (self._stop, 2 * self._stop)):
            edges = [*range(start, stop, _CHUNK), stop]
            yield from pairwise(edges)

    def _by_phase(self, cycles: Ints) -> Ints:
        """Return how many of some cycles lie before, in and after the samples."""
        return np.bincount(np.searchsorted([self._start, self._stop], cycles, side="right"), minlength=3)

    def report(self, load: float) -> TrafficReport:
        """Return what was found."""
        config = self._config
        latencies = np.concatenate(self._latencies)
        growth = int(self._made[1] - self._arrived[1])
        steady = growth <= max(TOLERANCE * self._made[1], config.cores)
        stable = bool(steady and not self._missing)
        known = stable and len(latencies) > 0
        in_use = self._links[self._links > 0]
        return TrafficReport(
            load,
            float(latencies.mean()) if known else None,
            int(np.percentile(latencies, 99, method="inverted_cdf")) if known else None,
            float(np.mean([config.zero_load_cycles(int(n), config.packet_flits) for n in in_use])),
            float(self._arrived[1] * config.packet_flits / (config.cores * (self._stop - self._start))),
            float(self._routers / self._measured) if self._measured else None,
            stable,
            int(self._measured),
            self._network.now,
            self._wall_s,
        )
