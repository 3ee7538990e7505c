"""From a network to layers with copies, levels and memories, and the beat at which all of them work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil

from arch.machine import MapRow, NetworkMap, PredictedInterval
from arch.machines.pipelayer.configuration import PipeLayerConfig
from arch.machines.pipelayer.schedule import ImageWork, LayerPlan, Stored
from arch.mapping.balance import Load, one_each, within_budget
from arch.mapping.layer_graph import homes_of_stages
from arch.mapping.map_rows import map_row
from arch.mapping.stages import Stage, stages_to_map
from arch.mapping.tiling import Tiling, tile
from simcore import MappingError
from workloads import LoweredNetwork


@dataclass(frozen=True, eq=False)
class PipeLayerMap(NetworkMap):
    """Layers, in an order in which each comes behind all it reads.

    depths : slots [pixel] of each buffer, by (stage, place): whole images, or what passes by in a layer
    beat : control cycles for which each layer works on one image: those of the slowest
    """

    stages: tuple[Stage, ...]
    depths: Mapping[tuple[str, int], int]
    layers: Mapping[str, LayerPlan]
    beat: int

    @property
    def levels(self) -> int:
        """Layers that an image passes through, on the longest way: L of the published formulas."""
        return 1 + max(layer.level for layer in self.layers.values())

    @property
    def output(self) -> LayerPlan:
        """The layer that makes the network's output."""
        return next(layer for layer in self.layers.values() if self.stages[-1] in layer.stages)


def map_network(config: PipeLayerConfig, network: LoweredNetwork) -> PipeLayerMap:
    """Give every layer its copies, its level and its memory.

    raises : MappingError for a network without layers, or one that the chips do not hold
    """
    return Planner(config, network).map()


class Planner:
    """The parallelism granularity of all layers, and what follows from it."""

    def __init__(self, config: PipeLayerConfig, network: LoweredNetwork) -> None:
        self.config, self.network = config, network
        self.stages = stages_to_map(network, config.layers)
        matrices = {s.name: s.matrix for s in self.stages if s.matrix is not None}
        array, slices = config.array, config.arrays_per_block
        self.tilings: dict[str, Tiling] = {
            name: tile(matrix, array.rows, array.cols * slices, slices) for name, matrix in matrices.items()
        }
        self.homes = homes_of_stages(self.stages)
        self.loads = {
            s.name: Load(s.steps, len(self.tilings[s.name].blocks))
            for s in self.stages
            if s.name in self.tilings
        }
        self.given = {name: layer.replication for name, layer in config.layers.items() if layer.replication}

    def map(self) -> PipeLayerMap:
        """Return the mapping with the copies of the rule."""
        chips, copies = self._copies()
        layers = self._layers(copies)
        beat = max(layer.ticks for layer in layers.values())
        levels = 1 + max(layer.level for layer in layers.values())
        depths = self._depths(layers)
        rows = tuple(self._row(s, copies.get(s.name, 1), depths) for s in self.stages)
        blocks = sum(load.cores * copies[name] for name, load in self.loads.items())
        return PipeLayerMap(
            self.network,
            rows,
            tuple(self.stages),
            depths,
            layers,
            beat,
            interval=self._interval(layers.values(), beat, levels if self.config.pipeline == "none" else 1),
            tilings=self.tilings,
            chips=chips,
            resources={
                "chip": chips,
                "block": blocks,
                "array": sum(row.arrays for row in rows),
                "memory subarray": sum(layer.memory_subarrays for layer in layers.values()),
            },
            peak_macs=self.config.block_macs * self.config.blocks * chips,
        )

    def _interval(
        self, work: Iterable[ImageWork], beat: int, beats: int, images: int = 1
    ) -> PredictedInterval:
        """Return how far apart images are that follow in so many beats, `images` of them."""
        slot = int(self.config.slot / self.config.tick)
        cycles = -(-beats * beat // (images * slot))
        return PredictedInterval(max(each.steps for each in work), cycles, 0, beats, images)

    def _row(self, stage: Stage, copies: int, depths: Mapping[tuple[str, int], int]) -> MapRow:
        in_memory = {
            (stage.name, place): 0 if self._within(stage, o.source) else depths[stage.name, place]
            for place, o in enumerate(stage.operands)
        }
        row = map_row(stage, self.tilings.get(stage.name), copies, in_memory, self.config.activation_bits)
        return replace(row, arrays=row.arrays * self.config.arrays_per_block)

    # -- copies ----------------------------------------------------------------------------------------------

    def _copies(self) -> tuple[int, Mapping[str, int]]:
        """Return the chips, and the copies of each layer with weights.

        By the rule all layers take the same number of steps, the fewest for which the chips hold the copies.
        """
        config = self.config
        least = one_each(self.loads, self.given).cores
        needed = max(1, ceil(least / config.blocks))
        chips = needed if config.chips == "auto" else config.chips
        self._insist(chips, least, "one copy of each layer")
        by_rule = within_budget(self.loads, chips * config.blocks, self.given)
        scale = Fraction(str(config.parallelism))
        copies = {
            name: self.given.get(name) or min(max(ceil(scale * by_rule.copies[name]), 1), load.steps)
            for name, load in self.loads.items()
        }
        blocks = sum(load.cores * copies[name] for name, load in self.loads.items())
        if config.chips == "auto":
            return max(chips, ceil(blocks / config.blocks)), copies
        self._insist(chips, blocks, f"parallelism={config.parallelism:g}")
        return chips, copies

    def _insist(self, chips: int, blocks: int, what: str) -> None:
        """Refuse chips that do not hold so many blocks."""
        config = self.config
        if blocks > chips * config.blocks:
            raise MappingError(
                f"chips={chips} has {chips * config.blocks} blocks of {config.arrays_per_block} arrays, but "
                f"{what}{' and those that layers gives' if self.given else ''} of {self.network.name} takes "
                f"{blocks}; set chips to {ceil(blocks / config.blocks)} or auto, or take more blocks a chip"
            )

    # -- layers ----------------------------------------------------------------------------------------------

    def _layers(self, copies: Mapping[str, int]) -> dict[str, LayerPlan]:
        """Return all layers, those without weights as fast as the others."""
        steps = max((load.steps_on(copies[name]) for name, load in self.loads.items()), default=1)
        levels = self._levels()
        held = self._images(levels)
        members: dict[str, list[Stage]] = {}
        for stage in self.stages:
            members.setdefault(self.homes[stage.name], []).append(stage)
        return {
            home: LayerPlan(
                self.config,
                tuple(stages),
                self._sources(home, stages, held),
                levels[home],
                copies[home] if home in copies else Load(stages[0].steps, 0).copies_for(steps),
                tuple(Stored(s.name, s.shape, held[s.name]) for s in stages if s.name in held),
            )
            for home, stages in members.items()
        }

    def _reads(self) -> list[tuple[str, str]]:
        """Return (tensor, reading layer) of all that goes from layer to layer, what comes in included."""
        reads = []
        for stage in self.stages:
            home = self.homes[stage.name]
            reads += [(o.source, home) for o in stage.operands if self.homes.get(o.source) != home]
        return reads

    def _levels(self) -> dict[str, int]:
        """Return the layers in front of each one, on the longest way."""
        levels = dict.fromkeys(self.homes.values(), 0)
        reads = self._reads()
        for home in levels:  # each comes behind all it reads
            before = [
                levels[self.homes[tensor]]
                for tensor, reader in reads
                if reader == home
                if tensor in self.homes
            ]
            levels[home] = 1 + max(before, default=-1)
        return levels

    def _images(self, levels: Mapping[str, int]) -> dict[str, int]:
        """Return how many images are held of each tensor that goes from layer to layer.

        One is written while those before it wait, as many as there are levels to its last reader. Images of
        the input are all there from the start.
        """
        held = {self.stages[-1].name: 2}
        for tensor, reader in self._reads():
            sender = levels[self.homes[tensor]] if tensor in self.homes else -1
            held[tensor] = max(held.get(tensor, 2), levels[reader] - sender + 1)
        return held

    def _sources(self, home: str, stages: list[Stage], held: Mapping[str, int]) -> dict[str, int]:
        """Return the fewest images held of what a layer reads of each other one."""
        sources: dict[str, int] = {}
        for operand in (o for stage in stages for o in stage.operands):
            source = self.homes.get(operand.source, operand.source)
            if source != home:
                images = held[operand.source]
                sources[source] = min(sources.get(source, images), images)
        return sources

    def _depths(self, layers: Mapping[str, LayerPlan]) -> dict[tuple[str, int], int]:
        """Return the slots [pixel] of what each stage reads: whole images, or what passes by in a layer."""
        held = {tensor.stage: tensor.images for layer in layers.values() for tensor in layer.stored}
        depths: dict[tuple[str, int], int] = {}
        for stage in self.stages:
            for place, o in enumerate(stage.operands):
                images = 1 if self._within(stage, o.source) else held.get(o.source, 1)
                depths[stage.name, place] = o.firing.pixels * images
        return depths

    def _within(self, stage: Stage, source: str) -> bool:
        """Whether what a stage reads is made in its own layer, so that it passes by and is in no memory."""
        return self.homes.get(source) == self.homes[stage.name]
