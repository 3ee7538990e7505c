"""Synthetic traffic on links and packets: in every cycle what the naive twin does with the same packets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch import fabrics
from arch.fabric.arrivals import Arrivals
from arch.fabric.interconnect import Interconnect
from arch.fabric.link_traffic import drive_links, fabric_config
from arch.fabric.lone_fabric import LoneFabricConfig
from arch.fabric.synthetic_traffic import measure_traffic
from arch.fabric.traffic_run import Ints, TrafficRun
from simcore import Deadlock
from tests.arch.fabric.naive_links import NaiveLinks
from tests.arch.fabric.traffic import Reader, Stream


class Given(TrafficRun):
    """Sends given packets, in stretches of 20 cycles, and keeps what comes out."""

    packets: list[tuple[int, int]] = []  # noqa: RUF012 - cycle and way
    last: int

    def stretches(self) -> Iterator[tuple[Ints, Ints, int]]:
        self.came: list[Arrivals] = []
        for start in range(0, self.last, 20):
            found = [packet for packet in self.packets if start <= packet[0] < start + 20]
            cycles, ways = np.array(found, np.int64).reshape(-1, 2).T
            yield ways, cycles, start + 20

    def take(self, arrivals: Arrivals) -> None:
        self.came.append(arrivals)


@settings(deadline=None, max_examples=60)
@given(st.data(), st.sampled_from(["mesh", "ring", "h-tree", "bus"]), st.integers(1, 4), st.integers(1, 3))
def test_packets_take_the_time_that_they_take_on_the_naive_twin(
    data: st.DataObject, kind: str, flits: int, queue: int
) -> None:
    """One reader a node, so that its packets are one stream of the twin."""
    cores = 4
    readers = [(node + data.draw(st.integers(1, cores - 1))) % cores for node in range(cores)]
    config = LoneFabricConfig.parse(
        {"topology": {"kind": kind}, "nodes": cores, "packet_flits": flits, "queue_packets": queue}
    )
    interconnect = Interconnect(fabrics[kind](kind=kind), cores, list(enumerate(readers)))
    cycles = [sorted(data.draw(st.lists(st.integers(0, 30), max_size=8))) for _ in range(cores)]
    run = Given(config, interconnect, 0.1, 0)
    run.packets = sorted((cycle, node) for node in range(cores) for cycle in cycles[node])
    run.last = 2000
    drive_links(config, interconnect, run)
    out = Arrivals(*map(np.concatenate, zip(*run.came, strict=True)))
    came: dict[int, list[int]] = {node: [] for node in range(cores)}
    for name, created, tick in zip(*out, strict=True):
        assert run.packets[name][0] == created
        came[run.packets[name][1]].append(int(tick))
    busy = [node for node in range(cores) if cycles[node]]
    traffic = [
        Stream(node, (Reader(readers[node], 99, 0),), tuple(np.diff([-1, *cycles[node]]).tolist()), flits)
        for node in busy
    ]
    twin = PatientSenders(fabric_config(config), traffic, interconnect)
    twin.due = [[cycle + 1 for cycle in cycles[node]] for node in busy]
    assert [times[0].landed for times in twin.run()] == [came[node] for node in busy]


class PatientSenders(NaiveLinks):
    """Senders whose packets are made in given cycles, however long those before wait."""

    due: list[list[int]]

    def send(self, number: int) -> None:
        token = self.token[number]
        if token < len(self.due[number]):
            self.put_at[number] = self.due[number][token]
        super().send(number)


def test_a_ring_without_its_escape_deadlocks_and_says_how() -> None:
    settings: dict[str, Any] = {"topology": {"kind": "ring"}, "nodes": 8, "queue_packets": 1, "escape": False}
    short = {"warmup_cycles": 200, "sample_cycles": 200}
    config = LoneFabricConfig.parse({"fidelity": "link", **settings, **short})
    with pytest.raises(Deadlock, match=r"\d+ of \d+ packets have not come out"):
        measure_traffic(config, "uniform", 0.9)
    opened = measure_traffic(config.model_copy(update={"escape": True}), "uniform", 0.9)
    assert not opened.stable


def test_a_load_below_what_the_slots_of_queues_let_through_is_stable() -> None:
    """A slot is taken for 4 + 1 + 1 + 1 cycles, so two of them let a packet through each 3.5 cycles."""
    settings: dict[str, Any] = {"topology": {"kind": "chain"}, "nodes": 2, "queue_packets": 2}
    short = {"warmup_cycles": 500, "sample_cycles": 1000}
    config = LoneFabricConfig.parse({"fidelity": "link", **settings, **short})
    found = [measure_traffic(config, "uniform", load) for load in (0.2, 0.5)]
    assert [report.stable for report in found] == [True, False]
    assert found[1].accepted == pytest.approx(2 / 7, rel=0.02)
