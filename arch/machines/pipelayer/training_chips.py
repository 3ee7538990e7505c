"""All chips in training: layers, their ways back, memories between them, and updates, wired as planned."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from arch.machine import TrainingValues
from arch.machines.pipelayer.configuration import PipeLayerConfig
from arch.machines.pipelayer.layer import ArrayWork, Layer
from arch.machines.pipelayer.training_parts import (
    BatchEnd,
    OutputError,
    TrainingInputs,
    WeightUpdate,
)
from arch.machines.pipelayer.training_plan import BackwardPlan, TrainingMap, buffers_of
from arch.meter import Meter, meter_of
from simcore import Component, PartConfig
from workloads.training import batches

if TYPE_CHECKING:
    from arch.machines.pipelayer.training_values import ChainValues


class TrainingChips(Component):
    """As many chips as there are, as one pipeline of layers forward and back.

    Each list has an entry for each layer, but for `errors`, of which the first layer has none.
    """

    def lay_out(self, config: PipeLayerConfig, placed: TrainingMap, images: int) -> None:
        """Build and wire all parts."""
        self.settings, self.placed, self.images = config, placed, images
        self.batches = [b.stop - b.start for b in batches(images, config.training.batch)]
        one_by_one = config.pipeline == "none"
        self.inputs = self.add(TrainingInputs, "inputs", PartConfig())
        self.layers = [self._layer(number) for number in range(placed.levels)]
        self.loss = self._loss()
        self.gradients = [self._backward(placed.gradients[stage.name]) for stage in placed.trained]
        self.errors = [self._backward(placed.errors[stage.name]) for stage in placed.trained[1:]]
        self.updates = [self._update(number) for number in range(placed.levels)]
        self.end = self.add(BatchEnd, "batch-end", PartConfig())
        self.end.images, self.end.beat = images, placed.beat
        for part in (self.inputs, self.end):
            part.batches, part.one_by_one = self.batches, one_by_one
        self._connect_forward()
        self._connect_back()
        self._connect_updates()
        meter: Meter = self.add(meter_of("chip"), "chips", PartConfig())
        meter.mm2 = config.chip_area_mm2 * placed.chips

    # -- parts -----------------------------------------------------------------------------------------------

    def _layer(self, number: int) -> Layer:
        """Build a layer; the next one reads what it gives, forward and with both products of its way back."""
        placed = self.placed
        name = placed.trained[number].name
        layer = self.add(Layer, f"layer[{name}]", PartConfig(), layer=name)
        layer.lay_out(self.settings, placed.layers[name], placed.tilings[name].blocks, placed.beat)
        readers = 1 if number == placed.levels - 1 else 3
        held = [buffers_of(number + 1, placed.levels)] * readers
        self._run(layer, held, releases=number > 0)
        return layer

    def _backward(self, plan: BackwardPlan) -> ArrayWork:
        """Build products on the way back; an error is read by both products of the layer before."""
        name, _, way = plan.name.rpartition(".")
        work = self.add(ArrayWork, f"{way}[{name}]", PartConfig(), layer=name)
        work.lay_out(self.settings, plan, plan.tiling.blocks, self.placed.beat)
        work.sequencer.release_early()
        before = [stage.name for stage in self.placed.trained].index(name) - 1
        readers = 1 if way == "gradient" or not before else 2
        self._run(work, [plan.held] * readers, releases=False)
        return work

    def _run(self, work: ArrayWork, held: list[int], *, releases: bool) -> None:
        work.memory.lay_out(held, releases=releases)
        work.sequencer.images = work.memory.images = self.images

    def _loss(self) -> OutputError:
        config, placed = self.settings, self.placed
        last = placed.trained[-1]
        loss = self.add(OutputError, "output-error", PartConfig(), layer=last.name)
        loss.images, loss.beat = self.images, placed.beat
        loss.write_ticks, loss.values = config.write_ticks, last.shape[0]
        loss.write_as(config)
        loss.lay_out(1 if placed.levels == 1 else 2)
        return loss

    def _update(self, number: int) -> WeightUpdate:
        """Build what updates a layer; a weight lies in all copies of both ways."""
        config, placed = self.settings, self.placed
        stage = placed.trained[number]
        update = self.add(WeightUpdate, f"update[{stage.name}]", PartConfig(), layer=stage.name)
        update.batches = self.batches
        update.weights = stage.weights
        update.copies = placed.layers[stage.name].copies
        if number:
            update.copies += placed.errors[stage.name].copies
        blocks = placed.tilings[stage.name].blocks
        update.weight_rows = sum(block.rows for block in blocks) * config.arrays_per_block
        update.gradient_arrays = -(-update.weights // config.values_per_row)
        update.slots = len(config.streaming.phases)
        update.read_ticks = [placed.update_read(images) for images in self.batches]
        update.write_ticks = placed.update_write
        update.write_as(config)
        update.spike_pj = config.array.spike_pj
        return update

    # -- wires -----------------------------------------------------------------------------------------------

    def _connect_forward(self) -> None:
        """Let images go forward to the comparison with their labels."""
        images = self.images
        self.connect(self.inputs.image_out, self.layers[0].sequencer.image_in[0], depth=images)
        for before, layer in zip(self.layers, self.layers[1:], strict=False):
            self._read(before, 0, layer.sequencer.image_in[0])
            self.connect(layer.memory.release_out, before.memory.released_in[0], depth=images)
        last = self.layers[-1].memory
        self.connect(last.image_out, self.loss.image_in)
        self.connect(self.loss.release_out, last.released_in[0], depth=images)

    def _connect_back(self) -> None:
        """Let errors go back; a product needs the error of the layer's sums, and what the layer has read."""
        for number in reversed(range(self.placed.levels)):
            works = [self.gradients[number], *([self.errors[number - 1]] if number else [])]
            after = self.loss if number + 1 == self.placed.levels else self.errors[number].memory
            for place, work in enumerate(works):
                error_in, read_in = work.sequencer.image_in
                self.connect(after.image_out, error_in)
                self.connect(work.sequencer.release_out, after.released_in[place], depth=self.images)
                if not number:
                    self.connect(self.inputs.image_out, read_in, depth=self.images)
                    continue
                before = self.layers[number - 1]
                self._read(before, 1 + place, read_in)
                released = before.memory.released_in[1 + place]
                self.connect(work.sequencer.release_out, released, depth=self.images)

    def _read(self, layer: Layer, place: int, port: object) -> None:
        """Let complete images of a layer be told to one of its readers."""
        self.connect(layer.memory.image_out, port, depth=layer.memory.held[place])

    def _connect_updates(self) -> None:
        """Let a batch whose gradients are there in all layers be followed by an update of all of them."""
        complete = [work.memory.image_out for work in self.gradients]
        self.gather(complete, self.end.image_in, depth=self.placed.levels)  # the first layer is so far behind
        for work, update in zip(self.gradients, self.updates, strict=True):
            self.connect(self.end.update_out, update.update_in)
            self.connect(update.release_out, work.memory.released_in[0], depth=self.images)
        self.gather([update.updated_out for update in self.updates], self.end.updated_in)
        self.connect(self.end.next_out, self.inputs.next_in)

    # -- what comes of it ------------------------------------------------------------------------------------

    def attach(self, values: TrainingValues) -> ChainValues:
        """Give every part its values, and return them."""
        from arch.machines.pipelayer.training_values import ChainValues

        found = ChainValues(values, [layer.memory.held[0] for layer in self.layers])
        for number, layer in enumerate(self.layers):
            layer.memory.compute = _at_last(layer.plan.steps, found.forward(number))
        self.loss.compute = found.compare
        for number, work in enumerate(self.gradients):
            taken = found.taken(number)
            work.sequencer.take = taken.take
            work.memory.compute = _at_last(work.plan.steps, found.gradient(number, taken))
        for number, work in enumerate(self.errors, start=1):
            taken = found.taken(number)
            work.sequencer.take = taken.take
            work.memory.compute = _at_last(work.plan.steps, found.send_back(number, taken))
        for number, update in enumerate(self.updates):
            update.compute = found.update(number)
        return found

    @property
    def works(self) -> Iterable[ArrayWork]:
        """All products, forward and back."""
        return [*self.layers, *self.errors, *self.gradients]

    def macs(self) -> int:
        """Return the multiply-accumulates that all arrays did."""
        return sum(work.macs() for work in self.works)


def _at_last(steps: int, compute: Callable[[int], None]) -> Callable[[int, int], None]:
    """Return what computes an image with its last step, as (image, step)."""

    def at(image: int, step: int) -> None:
        if step == steps - 1:
            compute(image)

    return at
