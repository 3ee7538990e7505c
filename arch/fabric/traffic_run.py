"""Synthetic traffic: what nodes send, how long packets are under way, and whether the network keeps up.

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

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from arch.fabric.arrivals import Arrivals
from arch.fabric.interconnect import Interconnect
from arch.fabric.lone_fabric import LoneFabricConfig

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


class Terminals:
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


class TrafficRun:
    """What one simulation sends, what comes out of it, and what that adds up to."""

    def __init__(self, config: LoneFabricConfig, interconnect: Interconnect, load: float, seed: int) -> None:
        """Start before cycle 0.

        load : flits that each node makes a cycle
        """
        self._config, self._load = config, load
        self._terminals = Terminals(interconnect, config.cores, load / config.packet_flits, seed)
        self._start = config.warmup_cycles
        self._stop = self._start + config.sample_cycles * config.samples
        keys = list(interconnect.keys)
        self._links = np.array([interconnect.length(key) for key in keys])
        self._routers = np.array([config.routers_on(interconnect, key) for key in keys])
        self._latencies: list[Ints] = []
        self._visited = 0
        self._measured = self._missing = 0
        self._made, self._arrived = np.zeros((2, 3), np.int64)  # packets, before, in and after the samples

    @property
    def most_stretches(self) -> int:
        """Stretches of time that there may be."""
        return len(list(self._chunks()))

    def stretches(self) -> Iterator[tuple[Ints, Ints, int]]:
        """Yield ways and cycles of packets, stretch by stretch, each with the cycle behind it.

        Whoever asks for the next stretch has told by `take` what came out in the last one. They end once all
        measured packets have arrived, or after too long.
        """
        for start, stop in self._chunks():
            ways, cycles = self._terminals.packets(start, stop)
            measured = (cycles >= self._start) & (cycles < self._stop)
            self._measured += measured.sum()
            self._missing += measured.sum()
            self._visited += self._routers[ways[measured]].sum()
            self._made += self._by_phase(cycles)
            yield ways, cycles, stop
            if stop >= self._stop and not self._missing:
                return

    def take(self, arrivals: Arrivals) -> None:
        """Take note of packets that came out."""
        mine = (arrivals.created >= self._start) & (arrivals.created < self._stop)
        self._latencies.append(arrivals.arrived[mine] - arrivals.created[mine])
        self._missing -= mine.sum()
        self._arrived += self._by_phase(arrivals.arrived)

    def _chunks(self) -> Iterator[tuple[int, int]]:
        """Yield first cycles and ends of stretches of time, of which one ends with the samples."""
        for start, stop in ((0, self._stop), (self._stop, 2 * self._stop)):
            edges = [*range(start, stop, _CHUNK), stop]
            yield from pairwise(edges)

    def _by_phase(self, cycles: Ints) -> Ints:
        """Return how many of some cycles lie before, in and after the samples."""
        return np.bincount(np.searchsorted([self._start, self._stop], cycles, side="right"), minlength=3)

    def report(self, cycles: int, wall_s: float) -> TrafficReport:
        """Return what was found.

        cycles, wall_s : that were simulated, and the seconds this took
        """
        config = self._config
        latencies = np.concatenate(self._latencies)
        growth = int(self._made[1] - self._arrived[1])
        steady = growth <= max(TOLERANCE * self._made[1], config.cores)
        stable = bool(steady and not self._missing)
        known = stable and len(latencies) > 0
        flits, used = config.packet_flits, self._links > 0
        ways = zip(self._links[used].tolist(), self._routers[used].tolist(), strict=True)
        return TrafficReport(
            self._load,
            float(latencies.mean()) if known else None,
            int(np.percentile(latencies, 99, method="inverted_cdf")) if known else None,
            float(np.mean([config.zero_load_cycles(*way, flits) for way in ways])),
            float(self._arrived[1] * flits / (config.cores * (self._stop - self._start))),
            float(self._visited / self._measured) if self._measured else None,
            stable,
            int(self._measured),
            cycles,
            wall_s,
        )
