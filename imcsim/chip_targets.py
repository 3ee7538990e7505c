"""What is published of chips: peaks of a core and of the 64-core chip, and losses of the 512-cluster system.

Peaks are those of full arrays that are never idle: a chain of layers of 256 channels, one a core. Losses are
factors between 512 full arrays and what ResNet-18 gets out of them on images of 256 x 256: cores without
work, cells without weights, cores that wait for the slowest layer, and what comes on top in the run.
"""

from __future__ import annotations

from collections.abc import Iterator

from arch import DataflowConfig
from arch.machine import machines
from imcsim.simulate import map_workload, run
from imcsim.targets import Target
from workloads import Conv2d, Input, Network, Window
from workloads.zoo.resnet import imagenet_resnet

_CHANNELS = 256
_PUBLISHED = "published"
_READ_OFF = "read off a chart, to 10 %"

#: How the 64-core chip reads, its TOPS and its TOPS/W, by preset.
_CHIPS = {
    "dataflow-64core": ("read in one phase", 63.1, 9.76),
    "dataflow-64core-4phase": ("read in four phases", 16.1, 2.48),
}

_IMAGE, _CLUSTERS, _CORE_NS = 256, 512, 130.0


def published_chips() -> Iterator[Target]:
    """Yield peaks of full arrays, and the losses of a system that has too many."""
    core = run(full_arrays(1), "dataflow", images=3, values="off", record=False).summary
    yield Target(
        "A1.core.tops", "peak of a core [TOPS]", 1.008, core["tops"], "band", _PUBLISHED, tolerance=1e-3
    )
    for preset, (phases, tops, per_watt) in _CHIPS.items():
        name = preset.removeprefix("dataflow-")
        chip = run(full_arrays(64), preset, images=3, values="off", record=False).summary
        for figure, unit, published in (("tops", "TOPS", tops), ("tops_per_w", "TOPS/W", per_watt)):
            yield Target(
                f"A1.{name}.{figure}",
                f"peak of the chip, {phases} [{unit}]",
                published,
                chip[figure],
                "band",
                _PUBLISHED,
                tolerance=0.02,
            )
    yield from _losses()


def full_arrays(cores: int) -> Network:
    """Return a chain of layers of which each fills one array."""
    shape = (_CHANNELS, 4, 4)
    convolutions = [
        Conv2d(name=f"conv{i}", out_channels=_CHANNELS, window=Window.square(1)) for i in range(cores)
    ]
    return Network(f"chain of {cores} full arrays", [Input(name="image", shape=shape), *convolutions])


def _losses() -> Iterator[Target]:
    """Yield what each kind of loss divides the peak of 512 clusters by."""
    network = imagenet_resnet("resnet18-256", (2, 2, 2, 2), size=_IMAGE)
    preset = machines["dataflow-512"]
    config = DataflowConfig.parse(preset.values)
    placed = map_workload(network, "dataflow-512")
    assert placed.interval is not None
    cells = config.core.crossbar.rows * config.core.crossbar.cols
    used = sum(row.arrays for row in placed.rows)
    full = sum(row.arrays * row.utilisation for row in placed.rows if row.utilisation is not None)
    macs = placed.network.macs
    summary = run(
        network, "dataflow-512", images=3, values="off", settings=["detail=group"], record=False
    ).summary
    factors = {
        "global": ("clusters that no layer is on", 1.6, _CLUSTERS / used),
        "local": ("cells that hold no weight", 3.0, used / full),
        "imbalance": ("clusters that wait for the slowest", 5.0, full * cells * placed.interval.steps / macs),
        "communication": (
            "what comes on top in the run",
            1.2,
            summary["initiation_interval_cycles"] / placed.interval.cycles,
        ),
    }
    for name, (what, published, simulated) in factors.items():
        yield Target(f"A10.{name}.loss", f"loss by {what}", published, simulated, "report", _READ_OFF)
    yield Target("A10.resnet18.tops", "ResNet-18 [TOPS]", 20.2, summary["tops"], "report", _PUBLISHED)
    peak = 2 * cells * _CLUSTERS / _CORE_NS / 1e3
    yield Target("A10.peak.tops", "512 full arrays [TOPS]", 516, peak, "report", "derived")
