"""What lanes have in common: who begins layers, and the unit that makes outputs of sums."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from arch.machines.basisn.lane import LayerStart, Pass
from arch.tokens import images_of
from simcore import Component, In, Operation, Out, Process, process
from simcore.commands import PARK

#: Finishes a step: image, and step of the stage.
FinishStep = Callable[[int, int], None]


class Sequencer(Component):
    """Begins stage after stage and image after image, each when the one before is complete.

    images, stages : of the run, and of the network
    begun, completed : tick in which each image was
    """

    family = "control"

    layer_out = Out(LayerStart, doc="stages, to all that take part")
    done_in = In(LayerStart, doc="stages whose outputs are complete")

    images: int = 0
    stages: int = 0
    begun: list[int]
    completed: list[int]

    @process
    def serve(self) -> Process:
        """Begin a stage, wait until it is complete."""
        self.begun, self.completed = [], []
        engine = self.simulation.engine
        self.simulation.expect(self.images, "images", lambda: len(self.completed))
        for image in images_of(self):
            self.begun.append(engine.now)
            for stage in range(self.stages):
                yield self.layer_out.put(stage)
                yield self.done_in.get()
            self.completed.append(engine.now)
            if image + 1 < self.images:
                self.simulation.arrived()
        self.simulation.finish()


@dataclass(frozen=True, eq=False)
class OutputWork:
    """What the unit does of one stage, for each image.

    steps : windows, or pixels where the stage has none
    lanes : that each pass of all windows comes from, in order; none where the stage has no weights
    step_cycles, pixel_cycles : of a step, and of what a finished pixel takes besides
    steps_per_pixel : steps behind which a pixel is finished
    """

    steps: int
    lanes: Sequence[int]
    step_cycles: int
    pixel_cycles: int
    steps_per_pixel: int

    def cycles(self, step: int) -> int:
        """Return the cycles of a step, with those of the pixel that it finishes, if it does."""
        finished = (step + 1) % self.steps_per_pixel == 0
        return self.step_cycles + (self.pixel_cycles if finished else 0)


class OutputUnit(Component):
    """Makes outputs of complete sums, in order: requantises, pools, adds, and all else without weights.

    A stage without weights begins when the one before is complete; one with weights takes each window when
    the sums of all of its slices are there, which lie in the buffer of maps until then.

    works : of all stages
    finish : computes the values of a step, for each stage; None in a run without values
    steps : finished of each stage so far
    """

    family = "digital"

    layer_in = In(LayerStart, doc="stages that may begin")
    done_out = Out(LayerStart, doc="stages whose outputs are complete")
    work = Operation("finish", doc="one step", set_by=("digital.channels_per_cycle",))

    images: int = 0
    works: Sequence[OutputWork] = ()
    finish: Sequence[FinishStep | None] = ()
    sums_in: Sequence[Any] = ()
    steps: list[int]

    def lay_out(self, works: Sequence[OutputWork], lanes: int) -> None:
        """Set up a port `sums_in[i]` for each lane."""
        self.works, self.finish, self.steps = works, [None] * len(works), [0] * len(works)
        self.sums_in = [
            self.port(In(Pass, doc="passes whose sums are there"), f"sums_in[{lane}]")
            for lane in range(lanes)
        ]

    def lasts(self) -> Mapping[str, Sequence[int]]:
        """Return the cycles of each step of an image that takes some."""
        cycles = [taken for work in self.works for step in range(work.steps) if (taken := work.cycles(step))]
        return {"work": cycles} if cycles else {}

    @process
    def serve(self) -> Process:
        """Begin a stage, take the sums of each window, finish it; tell when all is done."""
        gets = [port.connected().get for port in self.sums_in]
        for image in images_of(self):
            for work, finish in zip(self.works, self.finish, strict=True):
                stage = yield self.layer_in.get()
                slices = len(work.lanes) // work.steps
                for step in range(work.steps):
                    for lane in work.lanes[step * slices : (step + 1) * slices]:
                        wait = gets[lane]()
                        if wait is PARK:
                            yield wait
                    if finish is not None:
                        finish(image, step)
                    self.steps[stage] += 1
                    if cycles := work.cycles(step):
                        yield self.work.hold(cycles)
                yield self.done_out.put(stage)
