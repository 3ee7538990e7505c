"""Given only the directory of a run that one planted cause makes slow, an explanation names that first.

Each plant is checked to be one: without it the run is quicker by a lot.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

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
        "core[fc1].crossbar[0,0]",
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
        "core[conv1].digital",
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
        "fabric.link[router[1],router[2]]",
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
        "layer[conv1].copy[0].ima[0]",
        "mvm",
        "array.mvm_cycles",
        ("array.mvm_cycles=20",),
    ),
    "a slow memory in ISAAC's tiles": Plant(
        "digits-cnn", "isaac", "edram", "turn", "tile.bus_bits", ("tile.bus_bits=8",)
    ),
    "a slow way to ISAAC's chips": Plant(
        "digits-cnn", "isaac", "source", "feed", "hypertransport.gb_per_s", ("hypertransport.gb_per_s=0.01",)
    ),
    "too few crossbars": Plant(
        "digits-cnn", "reprogrammed", "crossbars", "write", "write.pulse_cycles", ("crossbars=2",)
    ),
    "slow adders": Plant(
        "digits-cnn",
        "rapidnn",
        "layer[conv2].copy[0].rnas",
        "add",
        "rna.adder_cycles",
        ("rna.adder_cycles=60",),
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
    "a single image": Plant(
        "digits-mlp",
        "dataflow",
        "pipeline",
        "fill and drain",
        "images",
        usual=("input_pixels_per_cycle=64",),
        images=1,
    ),
}


def slow_run(plant: Plant) -> imcsim.Run:
    settings = _over(plant.usual, plant.planted)
    return imcsim.run(
        plant.workload,
        arch=plant.arch,
        images=plant.images,
        values="off",
        settings=settings,
        **plant.options,
    )


def _over(usual: tuple[str, ...], planted: tuple[str, ...]) -> list[str]:
    chosen = dict(setting.split("=") for setting in (*usual, *planted))
    return [f"{path}={value}" for path, value in chosen.items()]
