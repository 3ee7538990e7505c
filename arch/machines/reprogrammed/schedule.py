"""What is done in which order: sets of tiles, visits of layers in them, and turns of sets for each batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count, pairwise

import numpy as np

from arch.digital_unit import passes_of_pixel
from arch.machines.reprogrammed.closed_forms import pipelined_cycles
from arch.machines.reprogrammed.configuration import ReprogrammedConfig
from arch.mapping.buffered_maps import cycles_at, passes_cycles, passes_of_step
from arch.mapping.stages import Stage
from arch.mapping.tiling import Block


@dataclass(frozen=True, eq=False)
class Layer:
    """A stage with weights.

    blocks : its tiles
    behind : stages without weights that are done once it is complete
    """

    stage: Stage
    blocks: tuple[Block, ...]
    behind: tuple[Stage, ...] = ()

    @property
    def name(self) -> str:
        """Name of the stage."""
        return self.stage.name


@dataclass(frozen=True, eq=False)
class Visit:
    """What is done at once on a set: all windows of a layer on those of its tiles that are there.

    layer : None where stages without weights come first of all
    blocks : the tiles
    crossbars : that they lie on, of those of the set
    part : sets that held tiles of the layer before
    completes : whether the layer is complete behind it
    behind : stages that are done then
    """

    layer: Layer | None
    blocks: tuple[Block, ...] = ()
    crossbars: range = range(0)
    part: int = 0
    completes: bool = True
    behind: tuple[Stage, ...] = ()

    @property
    def windows(self) -> int:
        """Windows of an image."""
        return 0 if self.layer is None else self.layer.stage.steps


@dataclass(frozen=True)
class Turn:
    """One set, for one batch of images.

    number : of all turns
    index : of the set
    half : of the crossbars that it is on
    images : of the batch
    writes : whether it has to be written
    time : how often it was before
    """

    number: int
    index: int
    half: int
    images: range
    writes: bool
    time: int


@dataclass(frozen=True)
class Times:
    """How long visits take, in closed form."""

    config: ReprogrammedConfig

    @cached_property
    def product_cycles(self) -> int:
        """Cycles of one product."""
        return self.config.product_cycles

    @property
    def _rate(self) -> int | None:
        return self.config.digital.channels_per_cycle

    def visit_cycles(self, visit: Visit, images: int) -> int:
        """Return the cycles of a visit for so many images: reads, products and passes follow one another."""
        behind = images * sum(map(self.stage_cycles, visit.behind))
        if visit.layer is None:
            return behind
        each = self.read_cycles(visit), self.product_cycles, self.sums_cycles(visit)
        return pipelined_cycles(images * visit.windows, *each) + behind

    def window_bits(self, visit: Visit) -> int:
        """Return the bits that its crossbars read of each window."""
        return _elements(visit.blocks) * self.config.activation_bits

    def read_cycles(self, visit: Visit) -> int:
        """Return the cycles in which a window is read."""
        return cycles_at(self.window_bits(visit), self.config.buffer.port_bits)

    def sums_cycles(self, visit: Visit) -> int:
        """Return the cycles in which the digital unit adds up a window's sums, or finishes them."""
        return passes_cycles(self.sums_passes(visit), self._rate)

    def sums_passes(self, visit: Visit) -> list[int]:
        """Return the channels of each pass over a window's sums."""
        assert visit.layer is not None
        stage = visit.layer.stage
        adding = [stage.head.shape[0]] if visit.part or not visit.completes else []
        return [*adding, *passes_of_pixel(stage)] if visit.completes else adding

    def stage_cycles(self, stage: Stage) -> int:
        """Return the cycles of a stage without weights for an image."""
        unfinished = stage.steps - stage.pixels if stage.accumulates else 0
        taking = passes_cycles(passes_of_step(stage), self._rate)
        finishing = passes_cycles(passes_of_pixel(stage), self._rate)
        return unfinished * taking + stage.pixels * finishing


def _elements(blocks: Sequence[Block]) -> int:
    """Return how many elements of a window some tiles read."""
    if not blocks:
        return 0
    return len(np.unique(np.concatenate([block.wordlines for block in blocks])))


@dataclass(frozen=True, eq=False)
class Schedule:
    """The sets of a network, and who is where when.

    sets : visits of each, in order
    halves : parts of the crossbars that take turns; 1 without overlap
    resident : whether all tiles are there at once, so that they are written before a run, and images need not
        wait for each other
    """

    config: ReprogrammedConfig
    sets: tuple[tuple[Visit, ...], ...]
    halves: int
    resident: bool

    @property
    def batch(self) -> int:
        """Images that are computed on a set before the next one is written; 1 if none is."""
        return 1 if self.resident else self.config.batch

    def turns(self, images: int) -> Iterator[Turn]:
        """Yield the turns in which so many images are computed."""
        batch, number = self.batch, 0
        for time, first in enumerate(range(0, images, batch)):
            together = range(first, min(first + batch, images))
            for index, visits in enumerate(self.sets):
                writes = not self.resident and any(visit.blocks for visit in visits)
                yield Turn(number, index, number % self.halves, together, writes, time)
                number += 1

    @cached_property
    def processes(self) -> int:
        """Processes of crossbars: one for each of them, or for those that are written together."""
        together = max((v.crossbars.stop for visits in self.sets for v in visits), default=0)
        return self.halves * (together if self.config.detail == "array" else min(together, 1))

    def units(self, turn: Turn, visit: Visit) -> range:
        """Return those that take part in a visit."""
        if visit.layer is None:
            return range(0)
        each = self.processes // self.halves
        here = visit.crossbars if self.config.detail == "array" else range(1)
        return range(turn.half * each + here.start, turn.half * each + here.stop)

    def all_units(self, turn: Turn) -> list[int]:
        """Return those that have tiles in a turn."""
        return sorted({unit for visit in self.sets[turn.index] for unit in self.units(turn, visit)})

    def visit_parts(self, layer: str) -> list[tuple[Block, ...]]:
        """Return the tiles of a layer in each of its sets."""
        return [v.blocks for visits in self.sets for v in visits if v.layer and v.layer.name == layer]

    def set_cycles(self, index: int, images: int) -> int:
        """Return the cycles of computing so many images on a set."""
        times = Times(self.config)
        return sum(times.visit_cycles(visit, images) for visit in self.sets[index])


def visits_of(
    layers: Sequence[Layer], leading: tuple[Stage, ...], sets: Sequence[range]
) -> tuple[tuple[Visit, ...], ...]:
    """Return the visits of each set.

    leading : stages without weights in front of all layers
    sets : of tiles, all layers' numbered through; none without layers
    """
    parts = {layer.name: count() for layer in layers}
    firsts = np.cumsum([0, *(len(layer.blocks) for layer in layers)]).tolist()
    made: list[list[Visit]] = [[] for _ in sets] or [[]]
    if leading:
        made[0].append(Visit(None, behind=leading))
    for visits, held in zip(made, sets, strict=False):
        for layer, (first, end) in zip(layers, pairwise(firsts), strict=True):
            here = range(max(first, held.start), min(end, held.stop))
            if here:
                visits.append(
                    Visit(
                        layer,
                        layer.blocks[here.start - first : here.stop - first],
                        range(here.start - held.start, here.stop - held.start),
                        next(parts[layer.name]),
                        here.stop == end,
                        layer.behind if here.stop == end else (),
                    )
                )
    return tuple(map(tuple, made))
