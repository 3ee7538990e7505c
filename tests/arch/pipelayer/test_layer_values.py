"""Pixels that steps finish when their values are computed are those that the schedule writes behind them."""

from collections import Counter
from functools import partial
from typing import Any

import numpy as np
from hypothesis import given, settings

from arch.arrays.array_parts import ArrayParts
from arch.machine import images_of_pixels
from arch.machines.pipelayer.layer_values import LayerValues
from tests.arch.dataflow_bench import quantized
from tests.arch.pipelayer.pipelayer_bench import bench, pipelayer_settings
from tests.strategies import NetworkCase, networks


def count(made: Counter[str], stage: str, _: int) -> None:
    made[stage] += 1


@settings(deadline=None, max_examples=60)
@given(networks(), pipelayer_settings())
def test_each_step_finishes_the_pixels_of_the_schedule(case: NetworkCase, machine: dict[str, Any]) -> None:
    integers = quantized(case, 16, 16)
    if not integers.network.lowered.nodes:
        return
    subject = bench(integers.network.lowered, machine)
    config, placed = subject.machine.config, subject.placed
    parts = ArrayParts(config.encoding, config.array, config.counter)
    computed = LayerValues(config, placed, integers.values, parts)
    made: Counter[str] = Counter()
    for stage, readers in computed.maps.readers.items():
        readers.append(partial(count, made, stage))
    layers = [(plan, computed.layer(plan)) for plan in placed.layers.values()]
    for image in range(len(case.images)):
        for plan, compute in layers:
            for step in range(plan.steps):
                made.clear()
                compute(image, step)
                finished = {name: int(pixels[step]) for name, pixels in plan.finished.items()}
                assert finished == {name: made[name] for name in finished}
    outputs = images_of_pixels(computed.maps.outputs, placed.stages[-1].shape)
    assert np.array_equal(outputs, integers.expected)
