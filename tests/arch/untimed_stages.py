"""Stages without time: each fires whenever pixels and slots allow it, in a random order of turns."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np

from arch.mapping.stages import Stage, stages_of
from arch.mapping.tiling import tile
from arch.stored_maps import StoredMaps, StoredStage
from tests.arch.dataflow_bench import Quantized

#: Pixels that the memory of each operand has room for, by stage and place.
Depths = dict[tuple[str, int], int]


@dataclass
class Turns:
    """A stage that takes turns with others.

    taken : windows that it has read so far; as many of those as there are slots may wait to be finished
    freed : of each operand, the pixel below which none is needed any more
    """

    stored: StoredStage
    slots: int
    taken: int = 0
    freed: list[int] = field(default_factory=list)

    @property
    def stage(self) -> Stage:
        return self.stored.stage


class UntimedStages:
    """The stages of a network, with memories of given depths, or with room for everything.

    filled : the most pixels that any memory has held
    """

    def __init__(self, case: Quantized, depths: Depths | None = None, slots: int = 1) -> None:
        network = case.network.lowered
        stages = stages_of(network, of_tokens=True)
        self.images = len(case.values.codes)
        self.maps = StoredMaps(stages, network.input, case.values, None)
        self.turns: dict[str, Turns] = {}
        self.filled: Depths = {}
        everything = {
            (stage.name, place): operand.firing.pixels * self.images
            for stage in stages
            for place, operand in enumerate(stage.operands)
        }
        self._depths: Depths = {**everything, **(depths or {})}
        for stage in stages:
            blocks = tile(stage.matrix, 8, 8, 1).blocks if stage.matrix is not None else ()
            rooms = [self._depths[stage.name, place] for place in range(len(stage.operands))]
            stored = self.maps.add(stage, rooms, blocks, 0, slots)
            self.turns[stage.name] = Turns(stored, slots, freed=[0] * len(stage.operands))
        self._readers: dict[str, list[tuple[Turns, int]]] = {name: [] for name in self.turns}
        for turn in self.turns.values():
            for place, operand in enumerate(turn.stage.operands):
                if operand.source in self.turns:
                    self._readers[operand.source].append((turn, place))

    def run(self, order: Random) -> np.ndarray[Any, Any]:
        """Let all stages take turns until nothing is left to do; return outputs (images, C, H, W)."""
        turns = self.turns.values()
        while possible := [
            *((self._read, turn) for turn in turns if self._may_read(turn)),
            *((self._finish, turn) for turn in turns if self._may_finish(turn)),
        ]:
            act, turn = order.choice(possible)
            act(turn)
        last = list(self.turns.values())[-1].stage
        assert all(turn.stored.fired == turn.stage.steps * self.images for turn in self.turns.values())
        maps = self.maps.outputs.reshape(self.images, last.pixels, -1).swapaxes(1, 2)
        return maps.reshape(self.images, *last.shape)

    def _may_read(self, turn: Turns) -> bool:
        image, step = divmod(turn.taken, turn.stage.steps)
        return (
            image < self.images
            and turn.taken - turn.stored.fired < turn.slots
            and all(
                self._made(operand.source) >= image * operand.firing.pixels + operand.firing.need[step]
                for operand in turn.stage.operands
                if operand.source in self.turns
            )
        )

    def _read(self, turn: Turns) -> None:
        window, (image, step) = turn.taken, divmod(turn.taken, turn.stage.steps)
        turn.stored.work.capture(window, image, step)
        for multiply in turn.stored.multiply:
            multiply(window)
        turn.taken += 1
        firings = [operand.firing for operand in turn.stage.operands]
        turn.freed = [image * firing.pixels + int(firing.freed[step]) for firing in firings]

    def _may_finish(self, turn: Turns) -> bool:
        makes_one = (turn.stored.fired + 1) % turn.stage.steps_per_pixel == 0
        return turn.taken > turn.stored.fired and (
            not makes_one
            or all(
                turn.stored.made - reader.freed[place] < self._depths[reader.stage.name, place]
                for reader, place in self._readers[turn.stage.name]
            )
        )

    def _finish(self, turn: Turns) -> None:
        turn.stored.finish(turn.stored.fired)
        for reader, place in self._readers[turn.stage.name]:
            held = turn.stored.made - reader.freed[place]
            key = (reader.stage.name, place)
            self.filled[key] = max(held, self.filled.get(key, 1))

    def _made(self, source: str) -> int:
        return self.turns[source].stored.made
