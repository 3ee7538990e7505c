"""The flit-level mesh follows the load-latency points of another simulator; the file says which and how."""

from __future__ import annotations

import csv
from functools import cache
from itertools import groupby
from pathlib import Path

import pytest

from arch.fabric.interconnect import Interconnect
from arch.fabric.lone_fabric import LoneFabricConfig
from arch.fabric.synthetic_traffic import measure_traffic
from arch.fabric.traffic_run import TrafficReport

Point = dict[str, str]


def points() -> list[Point]:
    lines = (Path(__file__).parent / "flit_mesh_latency.csv").read_text().splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def setup(point: Point) -> str:
    return f"{point['vcs']} channels, {point['packet_flits']} flits"


CURVES = {name: list(curve) for name, curve in groupby(points(), setup)}


def load_of(point: Point) -> float:
    return float(point["offered_flits_per_node_cycle"])


@cache
def mesh() -> Interconnect:
    return LoneFabricConfig(k=8).interconnect("uniform")


def measured(point: Point) -> TrafficReport:
    sizes = {name: int(point[name]) for name in ("k", "vcs", "vc_buffer_flits", "packet_flits")}
    # Few packets tell little at low load, where cycles are cheap.
    cycles = 6000 if load_of(point) < 0.1 else 3000
    config = LoneFabricConfig.parse({**sizes, "sample_cycles": cycles})
    return measure_traffic(config, "uniform", load_of(point), interconnect=mesh())


@pytest.mark.slow
@pytest.mark.parametrize("curve", CURVES)
def test_the_mesh_follows_the_reference(curve: str) -> None:
    *most, last = [point for point in CURVES[curve] if point["stable"] == "1"]
    for point in most:
        report = measured(point)
        assert report.stable, load_of(point)
        assert report.accepted == pytest.approx(load_of(point), rel=0.02)
        assert report.mean_latency is not None
        if load_of(point) < 0.8 * load_of(last):
            reference = float(point["mean_packet_latency_cycles"])
            assert report.mean_latency == pytest.approx(reference, rel=0.03), load_of(point)


@pytest.mark.slow
@pytest.mark.parametrize("curve", CURVES)
def test_the_mesh_diverges_where_the_reference_does(curve: str) -> None:
    for point in CURVES[curve]:
        if point["stable"] == "0":
            report = measured(point)
            assert not report.stable
            assert report.mean_latency is report.p99_latency is None
            assert report.accepted < load_of(point)
