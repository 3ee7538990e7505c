"""The values of a run: a layer's windows pass each of its sets, and sums wait in between."""

from __future__ import annotations

from collections.abc import Callable

from arch.arrays.array_parts import ArrayParts
from arch.machine import Values
from arch.machines.reprogrammed.plan import ReprogrammedMap
from arch.machines.reprogrammed.schedule import Turn, Visit
from arch.stored_maps import PartedStage, StoredMaps, StoredStage
from arch.values import Work

#: Windows that may be read and not finished: one each in the hands of the sequencer, the crossbars and the
#: digital unit, and on the ways between.
UNDER_WAY = 5


class RunSets:
    """Values of all stages."""

    def __init__(self, placed: ReprogrammedMap, values: Values, parts: ArrayParts) -> None:
        self.schedule = placed.schedule
        self.maps = StoredMaps(placed.stages, placed.network.input, values, parts)
        self.stages: dict[str, StoredStage] = {}
        together = min(self.schedule.batch, self.maps.images)
        for stage in placed.stages:
            depths = [operand.firing.pixels * together for operand in stage.operands]
            if stage.matrix is None:
                self.stages[stage.name] = self.maps.add(stage, depths, (), 1)
                continue
            held = placed.schedule.visit_parts(stage.name)
            self.stages[stage.name] = self.maps.add_in_parts(
                stage, depths, held, UNDER_WAY, stage.steps * together
            )
        if self.schedule.resident:
            self.write(next(self.schedule.turns(1)))

    def _of(self, visit: Visit) -> PartedStage:
        assert visit.layer is not None
        stage = self.stages[visit.layer.name]
        assert isinstance(stage, PartedStage)
        return stage

    def write(self, turn: Turn) -> None:
        """Note that the tiles of a turn are in their cells."""
        for visit in self.schedule.sets[turn.index]:
            if visit.layer is not None:
                self._of(visit).write(visit.part, turn.time)

    def capture(self, visit: Visit) -> Callable[[int, int, int], None]:
        """Return what copies a window (number, image, step) into its registers."""
        return self._of(visit).work.capture

    def multiplier(self, visit: Visit) -> Work:
        """Return what brings the products of a visit's tiles to a window's sums."""
        stage, part = self._of(visit), visit.part
        return lambda window: stage.multiply[part](window)

    def finisher(self, visit: Visit) -> Work:
        """Return what becomes of a window's sums behind a visit."""
        stage = self._of(visit)
        return stage.finish if visit.completes else stage.put_aside

    def do_stage(self, name: str, image: int) -> None:
        """Do a stage without weights for an image."""
        stage = self.stages[name]
        for _ in range(stage.stage.steps):
            stage.fire(image)
