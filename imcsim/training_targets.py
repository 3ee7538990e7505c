"""What is published of training on PipeLayer, beside what runs show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from arch import RunOptions
from arch.machine import TrainingReport
from arch.machines.pipelayer import PipeLayer, PipeLayerConfig
from imcsim.targets import Target
from workloads import Input, Linear, Network, lower

_RECALLED = "recalled"

#: Layers, images and images of a batch.
_RUNS = ((1, 4, 4), (3, 640, 32), (5, 32, 8), (16, 16, 1))


def published_training() -> Iterator[Target]:
    """Yield the beats of training with and without a pipeline, and images held of each layer."""
    for levels, images, batch in _RUNS:
        where = f"N = {images} images in batches of B = {batch} through L = {levels} layers"
        for pipeline, label, formula, published in (
            ("layers", "train", "(N/B)(2L + B + 1)", images // batch * (2 * levels + batch + 1)),
            ("none", "train-alone", "(2L + 1)N + N/B", (2 * levels + 1) * images + images // batch),
        ):
            beats = _trained(levels, images, batch, pipeline=pipeline).beats
            name = f"P4.{label}.L{levels}N{images}B{batch}"
            yield Target(name, f"beats of {where}: {formula}", published, beats, "exact", _RECALLED)
    levels = 5
    held = _trained(levels, 32, 16, pipeline="layers").held
    for level, (most, _) in enumerate(held.values(), start=1):
        what = f"most images held of layer l = {level} of L = {levels} in a run: 2(L - l) + 1"
        yield Target(f"P4.held.l{level}", what, 2 * (levels - level) + 1, most, "exact", _RECALLED)


def _trained(levels: int, images: int, batch: int, **settings: Any) -> TrainingReport:
    """Return what a run without values through fully connected layers tells."""
    layers = [Linear(name=f"fc{number}", out_features=64) for number in range(levels)]
    network = Network(f"{levels} layers", [Input(name="image", shape=(64, 1, 1)), *layers])
    machine = PipeLayer(PipeLayerConfig.parse({"mode": "training", "training": {"batch": batch}, **settings}))
    report = machine.train(machine.map(lower(network)), images, None, RunOptions()).training
    assert report is not None
    return report
