"""What is published of PipeLayer, beside what the machine adds up to and what runs show.

The paper does not say how many arrays a chip has. The number here is derived from the published peak for
area, so that peak shows that layers reach it, not that it is right. Speed and energy are published over a
graphics card that nobody models; what is shown beside them is over that card at its peak, which it hardly
reaches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from arch import RunOptions
from arch.machines.isaac import Budgets, IsaacConfig
from arch.machines.pipelayer import PipeLayer, PipeLayerConfig, PipeLayerMap
from imcsim.simulate import run
from imcsim.targets import Target
from imcsim.training_targets import published_training
from workloads import Conv2d, Input, Layer, Linear, Network, Window, lower, networks

_READ = "read, in notes on the paper"
_DERIVED = "derived"
_RECALLED = "recalled"

#: Of a GeForce GTX 1080 [TOPS, W]: peak in single precision, and what it may draw at most.
_CARD_TOPS, _CARD_WATTS = 8.873, 180.0


def published_pipelayer() -> Iterator[Target]:
    """Yield peaks, arrays and steps of the worked example, beats and memory, and what is only reported."""
    yield from _peaks()
    yield from _example()
    yield from _inference()
    yield from published_training()
    yield from _reported()


def _convolution(name: str, channels: int, out: int, size: tuple[int, int], kernel: int) -> Network:
    layers = [
        Input(name="image", shape=(channels, *size)),
        Conv2d(name="conv", out_channels=out, window=Window.square(kernel, padding=kernel // 2)),
    ]
    return Network(name, layers)


def _summary(network: Network | str, *settings: str, images: int = 3) -> Mapping[str, Any]:
    return run(network, "pipelayer", images=images, values="off", settings=settings, record=False).summary


def _peaks() -> Iterator[Target]:
    """Yield peaks of a chip: of one full layer, and of the example's, which writes as often as layers do."""
    full = _convolution("full arrays", 512, 128, (439, 100), 1)
    summary = _summary(full, "layers.conv.replication=439")  # 4 blocks each: all 1756
    ce = summary["tops_per_mm2"] * 1e3
    what = "peak for area of a full chip [GOPS/mm2]; blocks of a chip are derived from it"
    yield Target("P1.CE", what, 1485.0, ce, "band", _READ, 0.1)
    what = "area of the chip [mm2], as given; that of its parts is not known"
    yield Target("P1.area", what, 82.63, summary["area_mm2"]["total"], "report", _READ)
    example = _convolution("example", 128, 256, (97, 20), 3)
    summary = _summary(example, "layers.conv.replication=97")  # 18 blocks each: 1746 of 1756
    pe = summary["tops_per_w"] * 1e3
    what = "peak for power of a chip of 1152 x 256 layers [GOPS/W], results written"
    yield Target("P1.PE", what, 142.9, pe, "report", _READ)
    what = "power of that chip [W]; published: implied by both peaks"
    yield Target("P1.power", what, 859.0, summary["power_w"]["mean"], "report", _DERIVED)
    isaac = Budgets(IsaacConfig()).chip
    gops = Budgets(IsaacConfig()).gops
    what = "peak over ISAAC's, for area"
    yield Target("P8.CE", what, 1485 / 479.0, ce / (gops / isaac.mm2), "trend", _DERIVED, 0.35)
    isaac_pe = gops / isaac.mw * 1e3
    what = "peak over ISAAC's, for power: with the 627.5 of its corrected table"
    yield Target("P8.PE", what, 142.9 / 627.5, pe / isaac_pe, "trend", _DERIVED, 0.35)
    what = "the same with the 380.7 that this paper quotes for ISAAC"
    yield Target("P8.PE-quoted", what, 142.9 / 380.7, pe / 380.7, "trend", _DERIVED, 0.35)


def _placed(network: Network, **settings: Any) -> tuple[PipeLayer, PipeLayerMap]:
    machine = PipeLayer(PipeLayerConfig.parse(settings))
    return machine, machine.map(lower(network))


def _example() -> Iterator[Target]:
    """Yield arrays and steps of the paper's layer of 112 x 112 windows."""
    example = _convolution("example", 128, 256, (112, 112), 3)
    machine, placed = _placed(example, parallelism=0)
    blocks, (row,) = len(placed.tilings["conv"].blocks), placed.rows
    yield Target("P2.blocks", "blocks of a 1152 x 256 layer", 18, blocks, "exact", _READ)
    what = "its arrays, of 4 slices and 2 signs"
    yield Target("P2.arrays", what, 144, row.arrays, "exact", _DERIVED)
    for copies, steps, provenance in ((1, 12_544, _READ), (256, 49, _RECALLED)):
        machine, placed = _placed(example, layers={"conv": {"replication": copies}})
        outcome = machine.simulate(placed, 1, None, RunOptions()).outcome
        done = outcome.energy.actions["layer[conv].arrays"]["mvm"]
        what = f"steps of its 12 544 windows, {copies} at a time"
        yield Target(f"P3.G{copies}", what, steps, done, "exact", provenance)


def _layers(count: int) -> Network:
    """Return so many fully connected layers."""
    layers: list[Layer] = [Input(name="image", shape=(64, 1, 1))]
    layers += [Linear(name=f"fc{number}", out_features=64) for number in range(count)]
    return Network(f"{count} layers", layers)


def _beats(network: Network, images: int, pipeline: str) -> tuple[int, float]:
    """Return the layers on the longest way, and the beats of a run."""
    machine, placed = _placed(network, pipeline=pipeline)
    return placed.levels, machine.simulate(placed, images, None, RunOptions()).completed[-1] / placed.beat


def _inference() -> Iterator[Target]:
    """Yield the beats of N images through L layers; networks that branch have those of their longest way."""
    subjects = {f"{count} layers": _layers(count) for count in (1, 5, 16)}
    subjects |= {name: networks[name]() for name in ("resnet18", "googlenet")}
    for pipeline, label, formula in (("layers", "test", "N + L - 1"), ("none", "test-alone", "N L")):
        for name, network in subjects.items():
            for images in (1, 2, 13):
                levels, beats = _beats(network, images, pipeline)
                published = images + levels - 1 if pipeline == "layers" else images * levels
                what = f"beats of N = {images} images through {name}, L = {levels}: {formula}"
                yield Target(f"P4.{label}.L{levels}N{images}", what, published, beats, "exact", _DERIVED)


def _saving(summary: Mapping[str, Any]) -> float:
    """Return the energy of the card at its peak over that of a run, of an image."""
    card = 2 * summary["macs"] / (_CARD_TOPS * 1e12) * _CARD_WATTS
    return float(card / (summary["energy_j"]["total"] / summary["images"]))


def _reported() -> Iterator[Target]:
    """Yield what is published over a graphics card, and the gain of the pipeline."""
    summaries = {name: _summary(name) for name in ("alexnet", "vgg16")}
    for name, summary in summaries.items():
        chips = round(summary["area_mm2"]["total"] / 82.63)
        what = "speed over a GTX 1080, mean of 10 networks; simulated: "
        what += f"{name} on {chips} chips, over the card at its peak"
        yield Target(f"P5.{name}", what, 42.45, summary["tops"] / _CARD_TOPS, "report", _READ)
    for name, summary in summaries.items():
        what = f"energy saved over it, mean of testing; simulated: {name}, over the card at its peak"
        yield Target(f"P6.{name}", what, 7.88, _saving(summary), "report", _READ)
    summary = _summary("alexnet", "mode=training", "training.batch=16", images=16)
    what = "energy saved over it, mean of training; simulated: alexnet, gradients of each image stored"
    yield Target("P6.train-alexnet", what, 6.52, _saving(summary), "report", _READ)
    _, together = _beats(networks["alexnet"](), 64, "layers")
    _, alone = _beats(networks["alexnet"](), 64, "none")
    what = "gain of the pipeline, if both published figures are of one network; simulated: AlexNet, 64 images"
    yield Target("P7", what, 146.58 / 20.81, alone / together, "trend", _DERIVED, 0.35)
