"""From a network to tiles, sets of them and visits: what the machine is built by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arch.machine import MapRow, NetworkMap, PredictedInterval
from arch.machines.reprogrammed.closed_forms import turns_cycles
from arch.machines.reprogrammed.configuration import ReprogrammedConfig
from arch.machines.reprogrammed.schedule import Layer, Schedule, Times, Visit, visits_of
from arch.machines.reprogrammed.tile_order import greedy_sets, layer_sets, optimal_sets
from arch.machines.reprogrammed.writing import expected_write_cycles
from arch.mapping.buffered_maps import most_held
from arch.mapping.map_rows import map_row
from arch.mapping.stages import Stage, stages_to_map
from arch.mapping.tiling import Tiling, tile
from workloads import LoweredNetwork


@dataclass(frozen=True, eq=False)
class ReprogrammedMap(NetworkMap):
    """Stages, tiles, and the order in which they are computed.

    config : of the machine
    layers : stages with weights, in order
    buffer_bytes, buffer_pixels : most that maps of a batch and sums that wait take, and pixels among them
    """

    config: ReprogrammedConfig
    stages: tuple[Stage, ...]
    layers: tuple[Layer, ...]
    schedule: Schedule
    buffer_bytes: int
    buffer_pixels: int

    @property
    def tiles(self) -> int:
        """Tiles of all layers: T of the published formulas."""
        return sum(len(layer.blocks) for layer in self.layers)

    @property
    def layers_in_sets(self) -> list[tuple[int, int]]:
        """Windows of each layer, and the sets that its tiles lie in."""
        return [(layer.stage.steps, len(self.schedule.visit_parts(layer.name))) for layer in self.layers]

    def run_cycles(self, images: int) -> int:
        """Return the cycles of a run; those that are expected where pulses are drawn."""
        write = expected_write_cycles(self.config)
        turns = [
            (write * turn.writes, self.schedule.set_cycles(turn.index, len(turn.images)))
            for turn in self.schedule.turns(images)
        ]
        return turns_cycles(turns, overlap=self.schedule.halves > 1)

    @property
    def images_until_worn(self) -> int | None:
        """Images of whole batches until a cell was written as often as it can be; None if never in a run.

        The first crossbar of each half holds a tile of every set that comes there, and others of no more.
        """
        if self.schedule.resident:
            return None
        batches = self.schedule.halves * self.config.write.endurance_writes // len(self.schedule.sets)
        return batches * self.schedule.batch


def map_network(config: ReprogrammedConfig, network: LoweredNetwork) -> ReprogrammedMap:
    """Cut layers into tiles, and tiles into sets.

    raises : MappingError for a network without layers, or crossbars that do not hold one weight
    """
    stages = stages_to_map(network, ())
    each = config.encoding.columns_per_weight
    tilings = {
        s.name: tile(s.matrix, config.array.rows, config.array.cols, each)
        for s in stages
        if s.matrix is not None
    }
    leading, layers = _layers(stages, tilings)
    schedule = _schedule(config, layers, leading)
    depths = {
        (s.name, place): o.firing.pixels * schedule.batch
        for s in stages
        for place, o in enumerate(s.operands)
    }

    def sums_that_wait(stage: Stage) -> int:
        waits = len(schedule.visit_parts(stage.name)) > 1
        return waits * stage.steps * stage.head.shape[0] * config.buffer.sum_bytes

    pixels, size = most_held(network, stages, config.activation_bits, sums_that_wait)
    buffer_pixels, buffer_bytes = schedule.batch * pixels, schedule.batch * size
    rows = tuple(_row(config, s, tilings.get(s.name), depths, schedule) for s in stages)
    resources = {"tile": sum(row.arrays for row in rows), "set": len(schedule.sets)}
    resources |= {"crossbar": config.crossbars, "buffer byte": buffer_bytes}
    return ReprogrammedMap(
        network,
        rows,
        config,
        tuple(stages),
        layers,
        schedule,
        buffer_bytes,
        buffer_pixels,
        interval=_interval(config, schedule, layers),
        tilings=tilings,
        resources=resources,
        peak_macs=config.crossbar_macs * config.crossbars,
        batch=schedule.batch,
    )


def _layers(
    stages: Sequence[Stage], tilings: Mapping[str, Tiling]
) -> tuple[tuple[Stage, ...], tuple[Layer, ...]]:
    """Return the stages in front of all layers, and each layer with those behind it."""

    def without_weights(first: int) -> tuple[Stage, ...]:
        return tuple(takewhile(lambda stage: stage.name not in tilings, stages[first:]))

    layers = [
        Layer(stage, tilings[stage.name].blocks, without_weights(place + 1))
        for place, stage in enumerate(stages)
        if stage.name in tilings
    ]
    return without_weights(0), tuple(layers)


def _schedule(config: ReprogrammedConfig, layers: tuple[Layer, ...], leading: tuple[Stage, ...]) -> Schedule:
    """Return the sets by the order that was chosen; a single one if all tiles are there at once."""
    tiles = [len(layer.blocks) for layer in layers]
    if sum(tiles) <= config.crossbars:
        sets = [range(sum(tiles))] if tiles else []
        return Schedule(config, visits_of(layers, leading, sets), 1, True)
    halves = 2 if config.overlap else 1
    most = config.crossbars // halves
    if config.tile_order == "layer":
        sets = layer_sets(tiles, most)
    elif config.tile_order == "greedy":
        sets = greedy_sets(tiles, most)
    else:
        times = Times(config)
        before = Visit(None, behind=leading)

        def one_part_cycles(number: int, first: int, end: int) -> int:
            layer = layers[number]
            last = end == len(layer.blocks)
            behind = layer.behind if last else ()
            visit = Visit(layer, layer.blocks[first:end], part=first, completes=last, behind=behind)
            cycles = times.visit_cycles(visit, config.batch)
            return cycles + (times.visit_cycles(before, config.batch) if number == first == 0 else 0)

        def part_cycles(number: int, firsts: Sequence[int], end: int) -> NDArray[Any]:
            if config.buffer.port_bits is not None:
                return np.array([one_part_cycles(number, first, end) for first in firsts])
            # how much of a window is read takes no time, so that all parts but the first one are alike
            cycles = np.full(len(firsts), one_part_cycles(number, end - 1, end))
            if not firsts[0]:
                cycles[0] = one_part_cycles(number, 0, end)
            return cycles

        write = expected_write_cycles(config)
        sets = optimal_sets(tiles, most, write, part_cycles, overlap=config.overlap)
    return Schedule(config, visits_of(layers, leading, sets), halves, False)


def _interval(config: ReprogrammedConfig, schedule: Schedule, layers: Sequence[Layer]) -> PredictedInterval:
    """Return how far apart images are in a stream of whole batches."""
    write = 0 if schedule.resident else expected_write_cycles(config)
    computes = [schedule.set_cycles(index, schedule.batch) for index in range(len(schedule.sets))]
    each = [max(write, c) if schedule.halves > 1 else write + c for c in computes]
    steps = max((layer.stage.steps for layer in layers), default=0)
    return PredictedInterval(steps, -(-sum(each) // schedule.batch), 0)


def _row(
    config: ReprogrammedConfig,
    stage: Stage,
    tiling: Tiling | None,
    depths: Mapping[tuple[str, int], int],
    schedule: Schedule,
) -> MapRow:
    """Return a stage's row, with the sets that its tiles lie in."""
    resources = {} if tiling is None else {"set": len(schedule.visit_parts(stage.name))}
    return map_row(stage, tiling, 1, depths, config.activation_bits, resources)
