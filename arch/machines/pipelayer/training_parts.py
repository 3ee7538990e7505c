"""What training adds around the arrays: the error of outputs, updates of weights, and batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from arch.machines.pipelayer.parts import BeatComponent, CellWriter
from arch.tokens import Image, images_of
from simcore import Component, In, Operation, Out, Process, process


class OutputError(BeatComponent, CellWriter):
    """Compares outputs with labels: a subtractor, and for a softmax a table of exponentials.

    Timing: errors are written in the time of a row of memory; what is before that is not charged, assumed.

    write_ticks, values : control cycles, and errors that are written for an image
    compute : computes an image's error, None in a run without values
    """

    family = "memory"

    image_in = In(Image, doc="images whose outputs are complete in memory")
    release_out = Out(Image, doc="images whose outputs are read from now on")
    image_out = Out(Image, doc="images whose output errors are complete in memory")
    write = Operation(
        doc="writing the errors of an image", set_by=("write_ns", "memory.writes", "memory.cell_bits")
    )

    write_ticks: int = 0
    values: int = 0
    compute: Callable[[int], None] | None = None
    released_in: Sequence[Any] = ()

    def lay_out(self, readers: int) -> None:
        """Set up a port `released_in[i]` for each reader."""
        self.released_in = [
            self.port(In(Image, doc="images that a reader has read"), f"released_in[{i}]")
            for i in range(readers)
        ]

    def lasts(self) -> Mapping[str, Sequence[int]]:
        """Return the cycles of an image."""
        return {"write": (self.write_ticks,)}

    @process
    def serve(self) -> Process:
        """Wait for outputs, for the beat, and for room; write errors."""
        for image in images_of(self):
            yield self.image_in.get()
            yield self.next_beat()
            yield self.release_out.put(image)
            if image:
                for port in self.released_in:
                    yield port.get()
            if self.compute is not None:
                self.compute(image)
            yield self.write.hold(self.write_ticks)
            yield self.image_out.put(image)
        for port in self.released_in:
            yield port.get()

    @property
    def values_written(self) -> int:
        """Errors written so far."""
        return self.write.count * self.values


class WeightUpdate(CellWriter):
    """Changes a layer's weights behind each batch, in the arrays of both ways and all copies of them.

    Old weights are read row by row; gradients of the batch lie in rows of memory that are driven together, so
    that bitlines add them up; then all arrays take new weights.

    Energy: of drivers of rows that are read, and of spikes that write, as in memory.

    batches, read_ticks : images of each, and control cycles in which weights are read and changed behind it
    write_ticks : control cycles in which they are written
    weights, copies : of the layer, biases included; of each in all arrays
    weight_rows, gradient_arrays : rows of arrays that hold weights; arrays that hold gradients
    slots : in which a row is driven
    spike_pj : energy of a row's driver in a time slot
    compute : changes the weights after a batch of so many images, None in a run without values
    """

    family = "update"

    update_in = In(Image, doc="batches whose gradients are complete")
    release_out = Out(Image, doc="images whose gradients are used up")
    updated_out = Out(Image, doc="batches whose update is done")
    read = Operation(
        doc="reading weights, and adding up gradients",
        set_by=(
            "read_ns",
            "array.mvm_cycles",
            "array.active_rows",
            "array.rows",
            "array.dac_bits",
            "training.batch",
        ),
    )
    write = Operation(
        doc="writing weights",
        programming=True,
        set_by=("write_ns", "training.rows_written", "memory.writes", "memory.cell_bits", "array.rows"),
    )

    batches: Sequence[int] = ()
    read_ticks: Sequence[int] = ()
    write_ticks: int = 0
    weights: int = 0
    copies: int = 1
    weight_rows: int = 0
    gradient_arrays: int = 0
    slots: int = 1
    spike_pj: float = 0.0
    compute: Callable[[int], None] | None = None

    def lasts(self) -> Mapping[str, Sequence[int]]:
        """Return the cycles behind each batch."""
        return {"read": self.read_ticks, "write": (self.write_ticks,)}

    @process
    def serve(self) -> Process:
        """Read, change and write; give the gradients' memory back."""
        image = 0
        for batch, images in enumerate(self.batches):
            yield self.update_in.get()
            yield self.read.hold(self.read_ticks[batch])
            for each in range(image, image + images):
                yield self.release_out.put(each)
            image += images
            if self.compute is not None:
                self.compute(images)
            yield self.write.hold(self.write_ticks)
            yield self.updated_out.put(batch)

    @property
    def values_written(self) -> int:
        """Weights written so far, in all copies."""
        return self.write.count * self.weights * self.copies

    def actions(self) -> dict[str, int]:
        """Add time slots of rows that are read."""
        done = self.write.count
        gradients = sum(self.batches[:done]) * self.gradient_arrays
        return {**super().actions(), "row slot": (done * self.weight_rows + gradients) * self.slots}

    def action_energy(self) -> dict[str, float]:
        """Add the energy of a row's driver in a time slot [J]."""
        return {**super().action_energy(), "row slot": self.spike_pj * 1e-12}


class TrainingInputs(Component):
    """Images with labels in main memory; those of a batch are offered once the one before has its update.

    batches : images of each
    one_by_one : an image waits until the one before has its gradients
    """

    family = "host"

    image_out = Out(Image, doc="images, for the first layer and for its gradient")
    next_in = In(Image, doc="batches, or images, that are done with")

    batches: Sequence[int] = ()
    one_by_one: bool = False

    @process
    def serve(self) -> Process:
        """Offer image after image, and wait where it has to."""
        image = 0
        for images in self.batches:
            for place in range(images):
                if image and (self.one_by_one or not place):
                    yield self.next_in.get()
                yield self.image_out.put(image)
                image += 1


class BatchEnd(BeatComponent):
    """Counts images whose gradients are there, has weights changed behind a batch, and ends the run.

    completed : tick in which the gradients of each image were there
    updates : tick in which each update was done
    """

    family = "host"

    image_in = In(Image, doc="images whose gradients are complete, in all layers")
    update_out = Out(Image, doc="batches whose gradients are complete")
    updated_in = In(Image, doc="batches whose update is done, in all layers")
    next_out = Out(Image, doc="batches, or images, that are done with")

    batches: Sequence[int] = ()
    one_by_one: bool = False
    completed: list[int]
    updates: list[int]

    @process
    def serve(self) -> Process:
        """Wait for each image and the end of its beat, behind a batch for the update and the end of its."""
        self.completed, self.updates = [], []
        self.simulation.expect(self.images, "images", lambda: len(self.completed))
        for batch, images in enumerate(self.batches):
            for place in range(images):
                image = yield self.image_in.get()
                yield self.next_beat()
                self.completed.append(self.simulation.engine.now)
                if self.one_by_one and place + 1 < images:
                    yield self.next_out.put(image)
            yield self.update_out.put(batch)
            yield self.updated_in.get()
            yield self.next_beat()
            self.updates.append(self.simulation.engine.now)
            if batch + 1 < len(self.batches):
                yield self.next_out.put(batch)
        self.simulation.finish()
