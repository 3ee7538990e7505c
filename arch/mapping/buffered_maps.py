"""Whole maps in a buffer, and the unit that makes outputs of sums: what is moved, passed over and held.

The same on all machines that keep maps in one memory. Windows of crossbars are read as their machine cuts
them, and are not counted here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from arch.digital_unit import passes_of_pixel, step_passes, unlike_pixels
from arch.mapping.sizes import bytes_of
from arch.mapping.stages import Stage, kernel_height
from workloads import LoweredNetwork


def cycles_at(amount: int, rate: int | None) -> int:
    """Return the cycles in which so much passes at a rate; none where there is no limit."""
    return 0 if rate is None else -(-amount // rate)


def passes_cycles(channels: Iterable[int], rate: int | None) -> int:
    """Return the cycles of passes over so many channels each: a pass begins when the one before is done."""
    return sum(cycles_at(each, rate) for each in channels)


def passes_of_step(stage: Stage) -> list[int]:
    """Return the channels of each pass that every step takes."""
    return [stage.head.shape[0]] * step_passes(stage)


def image_passes(stage: Stage) -> int:
    """Return the channels that a stage passes over for an image."""
    unfinished = stage.steps - stage.pixels if stage.accumulates else 0
    unlike = unlike_pixels(stage)
    finished = stage.pixels // len(unlike) * sum(sum(passes_of_pixel(stage, pixel)) for pixel in unlike)
    return unfinished * sum(passes_of_step(stage)) + finished


def moved_bytes(stage: Stage, bits: int) -> int:
    """Return the bytes of maps that a stage writes and reads for an image, but for windows of crossbars.

    Its pixels are written once; of a pool's windows only columns that are new are read, and every pixel that
    a sum adds.
    """
    moved = stage.pixels * bytes_of(stage.shape[0] * bits)
    for place, operand in enumerate(stage.operands):
        if place or stage.matrix is None:
            column = 1 if place else kernel_height(stage)
            moved += int(operand.firing.columns.sum()) * column * operand.pixel_bytes(bits)
    return moved


def input_bytes(network: LoweredNetwork, bits: int) -> int:
    """Return the bytes of an image that comes in."""
    channels, height, width = network.input_shape
    return height * width * bytes_of(channels * bits)


def most_held(
    network: LoweredNetwork,
    stages: Sequence[Stage],
    bits: int,
    beside: Callable[[Stage], int] = lambda stage: 0,
) -> tuple[int, int]:
    """Return the pixels and bytes of all maps of an image that are held at once, at most.

    A map is held from when its stage begins until the last stage that reads it is complete; the input from
    the first stage on, and the output until the end.

    beside : bytes that are held besides while a stage is computed
    """
    shapes = {network.input: network.input_shape} | {stage.name: stage.shape for stage in stages}
    made = {network.input: 0} | {stage.name: place for place, stage in enumerate(stages)}
    read = {operand.source: place for place, stage in enumerate(stages) for operand in stage.operands}
    read[stages[-1].name] = len(stages) - 1
    pixels, size = [0] * len(stages), [beside(stage) for stage in stages]
    for name, (channels, height, width) in shapes.items():
        for place in range(made[name], read.get(name, made[name]) + 1):
            pixels[place] += height * width
            size[place] += height * width * bytes_of(channels * bits)
    return max(pixels), max(size)
