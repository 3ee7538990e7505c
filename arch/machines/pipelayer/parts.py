"""What is around the arrays: who begins an image when, memory subarrays, and the outside world.

All work on an image begins where a beat does. A layer begins one when what it reads is complete, when it is
done with the image before, and when its memory has room for the results; should any of these be late, it
begins a whole number of beats later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from arch.machines.pipelayer.configuration import PipeLayerConfig
from arch.tokens import Image, Sums, Window, images_of
from simcore import Component, In, Operation, Out, Process, process
from simcore.commands import DONE


class BeatComponent(Component):
    """A part that waits for beats.

    beat : control cycles of one
    images : of the run
    """

    beat: int = 1
    images: int = 0

    def next_beat(self) -> Any:
        """Return the command that waits until a beat begins."""
        return self.until_edge(self.beat, "beat")

    def edges(self) -> Mapping[str, int]:
        """Return the control cycles of a beat."""
        return {"beat": self.beat}


class Sequencer(BeatComponent):
    """Begins a layer's images: its arrays then take all steps of one, as soon as they can.

    steps : of an image
    begun : tick in which each image was begun
    release_out : images that are read from when they are begun, for the last time; None where memory tells
    take : takes over the values that are read then, None without
    """

    family = "control"

    room_in = In(Image, doc="images for whose results there is room, as the one before is done")
    step_out = Out(Window, doc="steps, each a window for each copy")

    steps: int = 1
    begun: list[int]
    image_in: Sequence[Any] = ()
    release_out: Any = None
    take: Callable[[int], None] | None = None

    def lay_out(self, sources: int) -> None:
        """Set up a port `image_in[i]` for each layer that is read."""
        self.image_in = [
            self.port(In(Image, doc="images that are complete in memory"), f"image_in[{i}]")
            for i in range(sources)
        ]

    def release_early(self) -> None:
        """Set up `release_out`: rows that are read here are read ahead of those that take their place."""
        self.release_out = self.port(Out(Image, doc="images that are read from now on"), "release_out")

    @process
    def serve(self) -> Process:
        """Wait until all is there, then for the beat; then ask for all steps."""
        self.begun, put = [], self.step_out.put
        for image in images_of(self):
            yield self.room_in.get()
            for port in self.image_in:
                yield port.get()
            yield self.next_beat()
            self.begun.append(self.simulation.engine.now)
            if self.take is not None:
                self.take(image)
            if self.release_out is not None:
                yield self.release_out.put(image)
            for step in range(image * self.steps, (image + 1) * self.steps):
                wait = put(step)
                if wait is not DONE:  # which it is: there is room for all steps of an image
                    yield wait


class CellWriter(Component):
    """A part that writes values into cells.

    Energy: of the spikes that write a value.

    writes_per_value, write_nj : spikes for a value, and energy of one
    """

    writes_per_value: int = 1
    write_nj: float = 0.0

    @property
    def values_written(self) -> int:
        """Values written so far."""
        raise NotImplementedError

    def write_as(self, config: PipeLayerConfig) -> None:
        """Take over what it takes to write a value."""
        self.writes_per_value, self.write_nj = config.writes_per_value, config.memory.write_nj

    def actions(self) -> dict[str, int]:
        """Add spikes that write."""
        return {**super().actions(), "cell write": self.values_written * self.writes_per_value}

    def action_energy(self) -> dict[str, float]:
        """Return the energy of a spike that writes [J]."""
        return {"cell write": self.write_nj * 1e-9}


class MemorySubarrays(CellWriter):
    """Memory subarrays of one layer's results, of as many images as its readers need.

    Timing: a row of each subarray is written at a time; the results of a step take as many of these as there
    are rows for each subarray of an image. An image is complete with its last row.

    write_ticks, values : of each step of an image: control cycles, and values written
    held : images held for each reader
    compute : computes the values of a step, None in a run without values
    peak : most images held
    """

    family = "memory"

    sums_in = In(Sums, doc="counted spikes of all arrays, for one step")
    room_out = Out(Image, doc="images for whose results there is room, as the one before is done")
    image_out = Out(Image, doc="images that are complete")
    write = Operation(
        doc="writing the results of one step",
        set_by=(
            "write_ns",
            "memory.writes",
            "memory.cell_bits",
            "memory.cols",
            "memory.rows",
            "memory.subarrays",
            "activation_bits",
        ),
    )

    images: int = 0
    write_ticks: Sequence[int] = (0,)
    values: Sequence[int] = (0,)
    held: Sequence[int] = ()
    released_in: Sequence[Any] = ()
    release_out: Any = None
    compute: Callable[[int, int], None] | None = None
    written: int = 0
    peak: int = 0

    def lay_out(self, held: Sequence[int], releases: bool) -> None:
        """Set up a port `released_in[i]` for each reader, and `release_out` if it reads other layers."""
        self.held = held
        self.released_in = [
            self.port(In(Image, doc="images that a reader has read"), f"released_in[{i}]")
            for i in range(len(held))
        ]
        if releases:
            self.release_out = self.port(Out(Image, doc="images that its layer has read"), "release_out")

    def lasts(self) -> Mapping[str, Sequence[int]]:
        """Return the cycles of each step of an image behind which something is written."""
        ticks = [ticks for ticks in self.write_ticks if ticks]
        return {"write": ticks} if ticks else {}

    @process
    def serve(self) -> Process:
        """Make room for an image, write its results step by step, tell its readers; then wait for these."""
        steps = list(zip(self.write_ticks, self.values, strict=True))
        last = len(steps) - 1
        for image in images_of(self):
            for port, held in zip(self.released_in, self.held, strict=True):
                if image >= held:
                    yield port.get()
            yield self.room_out.put(image)
            for step, (ticks, values) in enumerate(steps):
                yield self.sums_in.get()
                if not step:
                    self.peak = max(self.peak, image + 1 - self._released)
                if self.compute is not None:
                    self.compute(image, step)
                if step == last and self.release_out is not None:
                    yield self.release_out.put(image)
                if ticks:
                    yield self.write.hold(ticks)
                    self.written += values
            yield self.image_out.put(image)
        for port, held in zip(self.released_in, self.held, strict=True):
            for _ in range(min(held, self.images)):  # that nothing takes the place of
                yield port.get()

    @property
    def _released(self) -> int:
        """Images that all readers have read."""
        return min(int(port.connected().sent) for port in self.released_in)

    @property
    def values_written(self) -> int:
        """Values written so far."""
        return self.written


class Inputs(Component):
    """The network's inputs: they lie in main memory, of which these chips are a part, from the start.

    one_by_one : an image waits until the one before is done
    """

    family = "host"

    image_out = Out(Image, doc="images, for each layer that reads the input")

    images: int = 0
    done_in: Any = None

    def lay_out(self, *, one_by_one: bool) -> None:
        """Set up the port `done_in` if images wait for each other."""
        if one_by_one:
            self.done_in = self.port(In(Image, doc="images whose outputs are there"), "done_in")

    @process
    def serve(self) -> Process:
        """Offer image after image."""
        for image in images_of(self):
            if image and self.done_in is not None:
                yield self.done_in.get()
            wait = self.image_out.put(image)
            if wait is not DONE:  # which it is: nobody has to make room for an input
                yield wait


class Outputs(BeatComponent):
    """Takes the outputs of an image at the end of the last layer's beat; ends the run with the last one.

    completed : tick in which each image was there
    """

    family = "host"

    image_in = In(Image, doc="images whose outputs are complete in memory")
    release_out = Out(Image, doc="images that were taken")

    completed: list[int]
    done_out: Any = None

    def lay_out(self, *, one_by_one: bool) -> None:
        """Set up the port `done_out` if images wait for each other."""
        if one_by_one:
            self.done_out = self.port(Out(Image, doc="images whose outputs are there"), "done_out")

    @process
    def serve(self) -> Process:
        """Wait for each image, and for the end of its beat."""
        self.completed = []
        self.simulation.expect(self.images, "images", lambda: len(self.completed))
        for image in images_of(self):
            yield self.image_in.get()
            yield self.next_beat()
            yield self.release_out.put(image)
            self.completed.append(self.simulation.engine.now)
            if image + 1 < self.images:
                self.simulation.arrived()
                if self.done_out is not None:
                    yield self.done_out.put(image)
        self.simulation.finish()
