"""Given only the directory of a run that one planted cause makes slow, an explanation names that first.

Each plant is checked to be one: without it the run is quicker by a lot.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import imcsim


@dataclass(frozen=True)
class Plant:
    """A cause that makes a run slow.

    workload, arch, images : of the run
    usual : settings of the run without the plant
    planted : those that are laid over them
    options, sound : of the run with the plant, and of that without, beside settings
    where, what : what the first bottleneck must name
    parameter : that it must name, None if there is none
    share : of the makespan, that it must account for more than; less than half where a machine works in turns
    """

    workload: str | list[str]
    arch: str
    where: str
    what: str
    parameter: str | None
    planted: tuple[str, ...] = ()
    usual: tuple[str, ...] = ()
    images: int = 4
    options: dict[str, Any] = field(default_factory=dict)
    sound: dict[str, Any] = field(default_factory=dict)
    share: float = 0.5


#: Layers of digits-resnet that keep up with a pixel every 33 cycles.
QUICK = tuple(f"layers.{layer}.replication=4" for layer in ("stem", "block1-conv1", "block1-conv2"))

PLANTS = {
    "a layer without copies": Plant(
        "digits-cnn",
        "dataflow",
        "core[conv2].crossbar[0,0]",
        "mvm",
        "core.crossbar.mvm_cycles",
        ("layers.conv2.replication=1",),
        ("source.pixel_cycles=33", "layers.conv1.replication=4", "layers.conv2.replication=4"),
    ),
    "slow arrays": Plant(
        "digits-mlp",
        "dataflow",
        "core[fc3].crossbar[0,0]",
        "mvm",
        "core.crossbar.mvm_cycles",
        ("core.crossbar.mvm_cycles=5000",),
        ("source.pixel_cycles=2",),
        8,
    ),
    "a slow source": Plant(
        "digits-cnn", "dataflow", "source", "feed", "source.pixel_cycles", ("source.pixel_cycles=600",)
    ),
    "slow digital units": Plant(
        "digits-cnn",
        "dataflow",
        "core[pool1].digital",
        "finish",
        "core.digital.pass_cycles",
        ("core.digital.pass_cycles=500",),
    ),
    "a skip without room": Plant(
        "digits-resnet",
        "dataflow",
        "core[block1-conv2].memory.pixel_in[1]",
        "room",
        "buffers.depths.stem:block1-conv2",
        ("buffers.depths.stem:block1-conv2=19", "buffers.allow_undersized=true"),
        ("source.pixel_cycles=33", *QUICK),
    ),
    "narrow links": Plant(
        "digits-resnet",
        "dataflow",
        "fabric.link[router[2],2]",
        "transfer",
        "fabric.width_bits",
        ("fabric.width_bits=1",),
        ("fabric.topology.kind=mesh", "fabric.fidelity=link", "source.pixel_cycles=33", *QUICK),
    ),
    "a host that two networks share": Plant(
        ["digits-mlp", "digits-cnn"],
        "dataflow",
        "host",
        "turn",
        "source.pixel_cycles",
        ("source.pixel_cycles=400",),
    ),
    "slow reads of ISAAC's arrays": Plant(
        "digits-cnn",
        "isaac",
        "layer[fc].copy[0].ima[60]",
        "mvm",
        "array.mvm_cycles",
        ("array.mvm_cycles=20",),
    ),
    "a slow memory in ISAAC's tiles": Plant(
        "digits-cnn", "isaac", "edram", "turn", "tile.bus_bits", ("tile.bus_bits=8",)
    ),
    "a slow mesh between ISAAC's tiles": Plant(
        "digits-cnn", "isaac", "layer[pool1].send", "transfer", "mesh.link_ghz", ("mesh.link_ghz=0.001",)
    ),
    "a slow way to ISAAC's chips": Plant(
        "digits-cnn", "isaac", "source", "feed", "hypertransport.gb_per_s", ("hypertransport.gb_per_s=0.01",)
    ),
    "too few crossbars": Plant(
        "digits-cnn", "reprogrammed", "crossbars", "write", "crossbars", ("crossbars=2",)
    ),
    "slow hops of partial sums": Plant(
        "digits-cnn",
        "dataflow",
        "core[conv2].crossbar[0,0]",
        "transfer",
        "core.partial_sum_cycles",
        ("core.partial_sum_cycles=60000",),
        ("core.crossbar.rows=64",),
        1,
    ),
    "a narrow port of BasisN's buffer": Plant(
        "digits-mlp",
        "basisn",
        "lane[0].fetch",
        "fetch",
        "buffer.port_bits",
        ("buffer.port_bits=1",),
        ("detail=slot",),
        2,
        share=0.4,
    ),
    "one set of adders for a layer": Plant(
        "digits-cnn",
        "rapidnn",
        "layer[conv1].copy[0].rnas",
        "add",
        "rna.adder_cycles",
        ("layers.conv1.replication=1",),
    ),
    "few requests": Plant(
        "digits-mlp",
        "dataflow",
        "requests",
        "arrival",
        "arrivals",
        images=12,
        options={"arrivals": "poisson:5000"},
    ),
    "one request at a time": Plant(
        "digits-mlp",
        "dataflow",
        "queue",
        "service",
        "queue.most_in_service",
        ("queue.most_in_service=1",),
        ("source.pixel_cycles=2",),
        12,
        {"arrivals": "poisson:10000000"},
        {"arrivals": "poisson:10000000"},
    ),
}


def run_of(plant: Plant, settings: dict[str, str], options: dict[str, Any]) -> imcsim.Run:
    chosen = [f"{path}={value}" for path, value in settings.items()]
    return imcsim.run(
        plant.workload, arch=plant.arch, images=plant.images, values="off", settings=chosen, **options
    )


def split(settings: tuple[str, ...]) -> dict[str, str]:
    return dict(setting.split("=", 1) for setting in settings)


@pytest.mark.parametrize("name", PLANTS)
def test_what_was_planted_is_named_first(name: str, tmp_path: Path) -> None:
    plant = PLANTS[name]
    usual = split(plant.usual)
    run = run_of(plant, usual | split(plant.planted), plant.options)
    sound = run_of(plant, usual, plant.sound)
    assert run.summary["cycles"] > 1.3 * sound.summary["cycles"]
    run.save(tmp_path / "run")
    found = imcsim.read_run(tmp_path / "run").explain()
    first = found.bottlenecks[0]
    assert (first.where, first.what, first.parameter) == (plant.where, plant.what, plant.parameter)
    assert first.share > plant.share
    assert first.rank == 1
    for changed in split(plant.planted).keys() & {first.parameter}:
        assert changed in first.sentence + first.advice


# Of what is under way accounts know nothing.
@pytest.mark.parametrize("name", [name for name, plant in PLANTS.items() if plant.what != "transfer"])
def test_without_a_recording_it_is_among_the_first(name: str) -> None:
    plant = PLANTS[name]
    run = run_of(plant, split(plant.usual) | split(plant.planted), plant.options | {"record": False})
    found = [(b.what, b.parameter) for b in run.explain().bottlenecks]
    assert (plant.what, plant.parameter) in found


@pytest.mark.parametrize("workload", ["digits-cnn", "digits-resnet"])
@pytest.mark.parametrize("record", [False, True])
def test_a_balanced_pipeline_blames_nothing_but_those_that_set_its_pace(workload: str, record: bool) -> None:
    run = imcsim.run(workload, arch="dataflow", images=12, values="off", record=record)
    arrays, source, *rest = run.explain().bottlenecks
    assert {arrays.what, source.what} == {"mvm", "feed"}
    for first, other in ((arrays, source), (source, arrays)):
        assert "sets the pace" in first.sentence
        assert f"as busy is {other.where}" in first.advice
        assert first.share > 0.9
    assert all(bottleneck.what in ("mvm", "fill and drain") for bottleneck in rest)
    assert all(bottleneck.share < 0.25 for bottleneck in rest)


def test_of_a_single_image_it_tells_that_the_pipeline_is_not_full() -> None:
    run = imcsim.run("digits-mlp", arch="dataflow", values="off", settings=["input_pixels_per_cycle=64"])
    first, second = run.explain().bottlenecks
    # Three layers, one behind the other: each works for a third of the time, and products do nearly all.
    assert (first.what, first.parameter) == ("mvm", "core.crossbar.mvm_cycles")
    assert first.share == pytest.approx(3 * 130 / run.summary["cycles"])
    assert (second.where, second.what, second.parameter) == ("pipeline", "fill and drain", "images")
    assert second.share == pytest.approx(1 - 130 / run.summary["cycles"], abs=0.01)
