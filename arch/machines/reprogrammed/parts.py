"""What is around the crossbars: who has them written and reads windows for them, and who finishes pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, pairwise
from typing import Any

from arch.machines.reprogrammed.arrays import Round
from arch.machines.reprogrammed.schedule import Layer, Schedule, Times, Turn, Visit
from arch.mapping.buffered_maps import image_passes, moved_bytes
from arch.mapping.stages import Stage
from arch.tokens import Sums, Token, Window
from simcore import Component, In, Operation, Out, Process, process
from simcore.commands import DONE

Work = Callable[[int], None]


class Scheduled(Component):
    """A part that goes through all visits of all turns.

    schedule, images : what it follows, and images of the run
    """

    schedule: Schedule
    times: Times
    images: int = 0

    def follow(self, schedule: Schedule, images: int) -> None:
        """Take over what to go through."""
        self.schedule, self.times, self.images = schedule, Times(schedule.config), images

    @property
    def visits(self) -> Iterator[tuple[Visit, int]]:
        """Visits, and images of each: of one batch if all are alike, else of the whole run."""
        batch = self.schedule.batch
        images = self.images if self.images % batch else batch
        return (
            (visit, len(turn.images))
            for turn in self.schedule.turns(images)
            for visit in self.schedule.sets[turn.index]
        )


class Sequencer(Scheduled):
    """Has sets written, and reads windows for them from the activation buffer.

    A set is computed on once it is there and the one before is done: layer by layer, image by image of the
    batch. Without halves that take turns, the next one is written behind that, else meanwhile.

    accepted : tick in which the first set of each image's batch was begun to be written, or computed on
    input_bytes, window_bits : of images that came in, and of windows that were read
    capture : tells for a visit what copies a window (number, image, step) into its registers
    wrote : told of each turn that has been written, for values
    """

    family = "control"

    visit_out = Out(Token, doc="visits, by their turn")
    done_in = In(Token, doc="visits that are done")
    read = Operation(doc="reading a window", set_by=("buffer.port_bits", "activation_bits"))

    accepted: list[int]
    input_bytes: int = 0
    window_bits: int = 0
    image_bytes: int = 0
    capture: Callable[[Visit], Callable[[int, int, int], None]] | None = None
    wrote: Callable[[Turn], None] | None = None
    write_out: Sequence[Any] = ()
    written_in: Sequence[Any] = ()
    window_out: Sequence[Any] = ()

    def lay_out(self, units: int, image_bytes: int) -> None:
        """Set up the ports to each of the crossbars' processes.

        image_bytes : of an image that comes in
        """
        self.image_bytes = image_bytes
        numbers = range(units)
        self.write_out = [self.port(Out(Round, doc="turns to write"), f"write_out[{i}]") for i in numbers]
        self.written_in = [self.port(In(Round, doc="turns written"), f"written_in[{i}]") for i in numbers]
        self.window_out = [self.port(Out(Window, doc="windows"), f"window_out[{i}]") for i in numbers]

    def lasts(self) -> Mapping[str, Sequence[int]]:
        """Return the cycles of each window that takes some."""
        cycles: list[int] = []
        for visit, images in self.visits:
            if visit.layer is not None and (each := self.times.read_cycles(visit)):
                cycles += [each] * images * visit.windows
        return {"read": cycles} if cycles else {}

    @process
    def serve(self) -> Process:
        """Go through all turns: have each written in time, and all its visits done."""
        self.accepted = []
        overlaps = self.schedule.halves > 1
        turns = self.schedule.turns(self.images)
        for turn, upcoming in pairwise(chain((None,), turns, (None,))):
            if turn is not None:
                if turn.writes:
                    for unit in self.schedule.all_units(turn):
                        yield self.written_in[unit].get()
                    if self.wrote is not None:
                        self.wrote(turn)
                if not overlaps:
                    yield from self._compute(turn)
            if upcoming is not None:
                self._accept(upcoming)
                if upcoming.writes:
                    for unit in self.schedule.all_units(upcoming):
                        yield self.write_out[unit].put(upcoming.number)
            if turn is not None and overlaps:
                yield from self._compute(turn)

    def _accept(self, turn: Turn) -> None:
        """Note when a batch was begun."""
        if turn.index == 0:
            self.accepted += [self.simulation.engine.now] * len(turn.images)
            self.input_bytes += self.image_bytes * len(turn.images)

    def _compute(self, turn: Turn) -> Process:
        """Have all visits of a turn done."""
        for visit in self.schedule.sets[turn.index]:
            yield self.visit_out.put(turn.number)
            if visit.layer is not None:
                yield from self._read(turn, visit)
            yield self.done_in.get()

    def _read(self, turn: Turn, visit: Visit) -> Process:
        """Read all windows of a visit, each once for all its crossbars."""
        cycles = self.times.read_cycles(visit)
        capture = self.capture(visit) if self.capture is not None else None
        puts = [self.window_out[unit].connected().put for unit in self.schedule.units(turn, visit)]
        steps = visit.windows
        for image in turn.images:
            for step in range(steps):
                if cycles:
                    yield self.read.hold(cycles)
                window = image * steps + step
                if capture is not None:
                    capture(window, image, step)
                for put in puts:
                    wait = put(window)
                    if wait is not DONE:
                        yield wait
        self.window_bits += len(turn.images) * steps * self.times.window_bits(visit)


class Finisher(Scheduled):
    """The digital unit: puts sums aside that other sets add to, finishes pixels, does what has no weights.

    Timing: passes over channels, so many a cycle; none without a rate.

    completed : tick in which each image was done
    passes : channels passed over, by stage
    sum_bytes : of sums that were written or read where they wait
    map_bytes : of maps that were written, and read but for windows of crossbars
    finish : tells for a visit what becomes of a window's sums
    do_stage : does a stage without weights for an image
    """

    family = "digital"

    visit_in = In(Token, doc="visits, by their turn")
    done_out = Out(Token, doc="visits that are done")
    work = Operation(
        "finish",
        doc="passes over a window's sums, or of a stage without weights",
        set_by=("digital.channels_per_cycle",),
    )

    completed: list[int]
    passes: dict[str, int]
    sum_bytes: int = 0
    map_bytes: int = 0
    finish: Callable[[Visit], Work] | None = None
    do_stage: Callable[[str, int], None] | None = None
    last: str = ""
    sums_in: Sequence[Any] = ()

    def lay_out(self, units: int, last: str) -> None:
        """Set up the ports of each of the crossbars' processes.

        last : the stage that makes the network's output
        """
        self.sums_in = [self.port(In(Sums, doc="column sums"), f"sums_in[{i}]") for i in range(units)]
        self.last, self.completed = last, []
        self.passes = {}

    def lasts(self) -> Mapping[str, Sequence[int]]:
        """Return the cycles of each window, and of each stage without weights, that takes some."""
        cycles: list[int] = []
        for visit, images in self.visits:
            if visit.layer is not None:
                cycles += [self.times.sums_cycles(visit)] * images * visit.windows
            for stage in visit.behind:
                cycles += [self.times.stage_cycles(stage)] * images
        taken = [each for each in cycles if each]
        return {"work": taken} if taken else {}

    @process
    def serve(self) -> Process:
        """Go through all visits, window by window, and then through what is behind them."""
        self.simulation.expect(self.images, "images", lambda: len(self.completed))
        bits = self.schedule.config.activation_bits
        for turn in self.schedule.turns(self.images):
            for visit in self.schedule.sets[turn.index]:
                yield self.visit_in.get()
                if visit.layer is not None:
                    yield from self._sums(turn, visit, visit.layer)
                for stage in visit.behind:
                    cycles = self.times.stage_cycles(stage)
                    for image in turn.images:
                        if cycles:
                            yield self.work.hold(cycles)
                        if self.do_stage is not None:
                            self.do_stage(stage.name, image)
                        self._count(stage, image_passes(stage))
                        self.map_bytes += moved_bytes(stage, bits)
                        if stage.name == self.last:
                            self._complete()
                yield self.done_out.put(turn.number)

    def _sums(self, turn: Turn, visit: Visit, layer: Layer) -> Process:
        """Take the sums of all windows of a visit."""
        cycles = self.times.sums_cycles(visit)
        finish = self.finish(visit) if self.finish is not None else None
        gets = [self.sums_in[unit].connected().get for unit in self.schedule.units(turn, visit)]
        completes = visit.completes and layer.name == self.last
        for _ in turn.images:
            for _ in range(visit.windows):
                for get in gets:
                    window = yield get()
                if cycles:
                    yield self.work.hold(cycles)
                if finish is not None:
                    finish(window)
            if completes:
                self._complete()
        windows = len(turn.images) * visit.windows
        self._count(layer.stage, windows * sum(self.times.sums_passes(visit)))
        if visit.completes:
            bits = self.schedule.config.activation_bits
            self.map_bytes += len(turn.images) * moved_bytes(layer.stage, bits)
        moves = (visit.part > 0) + (not visit.completes)  # sums are read, and written
        size = layer.stage.head.shape[0] * self.schedule.config.buffer.sum_bytes
        self.sum_bytes += windows * moves * size

    def passes_of(self, stage: str) -> int:
        """Return the channels passed over for a stage so far."""
        return self.passes.get(stage, 0)

    def _count(self, stage: Stage, passes: int) -> None:
        self.passes[stage.name] = self.passes.get(stage.name, 0) + passes

    def _complete(self) -> None:
        """Note that an image is done; the run ends with the last one."""
        self.completed.append(self.simulation.engine.now)
        if len(self.completed) == self.images:
            self.simulation.finish()
        else:
            self.simulation.arrived()
