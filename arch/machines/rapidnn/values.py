"""The values behind the tokens: codes in the memories of layers, and what RNAs make of a position's codes.

An RNA's work is done when it takes a position, as the time it takes follows from the codes; its own codes lie
in the layer's register until the buffer has sent them to all readers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arch.machine import NeuronTimes, Values
from arch.machines.rapidnn.layer import Layer
from arch.machines.rapidnn.neurons import Neurons
from arch.machines.rapidnn.rnas import Work
from arch.mapping.stages import Operand, Stage
from arch.pixel_memory import PixelMemory
from simcore.kernels.windows import gather_window, max_window
from workloads import AvgPoolNode, ConcatNode, MatrixNode, MaxPoolNode, SelectNode
from workloads.composition.composed_network import ABSENT, ComposedNetwork

Ints = NDArray[Any]
Take = Callable[[int, int, int], None]


class RunCodes:
    """Values of all layers, and where the outputs go.

    outputs : (images x pixels, channels) int32
    """

    def __init__(self, layers: Mapping[str, Layer], source: str, output: str, values: Values) -> None:
        """Give every memory, RNA and buffer of `layers` its values.

        source, output : names of the input, and of the layer that gives the output
        """
        network: ComposedNetwork = values.network
        images, channels = values.codes.shape[:2]
        pixels = np.ascontiguousarray(values.codes.reshape(images, channels, -1).transpose(0, 2, 1))
        registers: dict[str, Ints] = {source: pixels.reshape(-1, channels).astype(np.int16)}
        self.layers: dict[str, LayerCodes] = {}
        for name, layer in layers.items():
            codes = LayerCodes(layer, network, registers, values)
            registers[name] = codes.output
            self.layers[name] = codes
        last = layers[output].stage
        self.outputs: NDArray[np.int32] = np.zeros((images * last.pixels, last.shape[0]), np.int32)
        self._last = registers[output]

    def collect(self, pixel: int) -> None:
        """Take an output pixel over."""
        self.outputs[pixel] = self._last[pixel % len(self._last)]

    def neuron_times(self) -> dict[str, NeuronTimes]:
        """Return how long neurons took, by layer."""
        return {
            name: NeuronTimes(cycles, codes.histogram[cycles])
            for name, codes in self.layers.items()
            if len(cycles := np.flatnonzero(codes.histogram))
        }


class LayerCodes:
    """One layer.

    output : (rows, channels) codes, or numbers of the network's output; pixel k lies in row k mod rows
    histogram : neurons by the cycles they took
    """

    def __init__(
        self, layer: Layer, network: ComposedNetwork, registers: dict[str, Ints], values: Values
    ) -> None:
        self.config, self.stage, self.place = layer.settings, layer.stage, layer.place
        stage, self._slots, self._rows = layer.stage, layer.windows, layer.pixels
        self.block = network.blocks.get(stage.output)
        ends = self.block is not None and self.block.encoder is None
        self.output: Ints = np.zeros((self._rows, stage.shape[0]), np.int32 if ends else np.int16)
        self.histogram = np.zeros(64, np.int64)
        self._memories = [
            PixelMemory(registers[o.source], b.depth, o.firing.pixels, o.shape[0], _freed(p.channel))
            for o, b, p in zip(stage.operands, layer.memory.buffers, layer.memory.pixel_in, strict=True)
        ]
        for port, memory in zip(layer.memory.pixel_in, self._memories, strict=True):
            port.channel.store = memory.store
        self._takes, self._read = self._reading()
        layer.memory.capture = self._capture
        if not self.place.rnas:
            for parts in layer.parts:
                parts[0].compute = self._move
            return
        if self.block is None:  # a pool, whose time does not depend on codes
            for part in layer.rnas:
                part.compute = partial(self._pool, part.average)
            return
        self._neurons = Neurons(self.config, stage, self.block, network, values, self._read)
        for parts in layer.parts:
            for number, part in enumerate(parts):
                step = len(parts) if layer.settings.detail == "array" else 1
                part.compute = self._computing(number, step)

    # -- reading positions -----------------------------------------------------------------------------------

    def _reading(self) -> tuple[list[Take], list[Ints]]:
        """Return what takes each operand's part of a position, and the registers that it goes to."""
        head = self.stage.head
        if isinstance(head, MatrixNode | AvgPoolNode | MaxPoolNode):
            window, codes = head.window, self._memories[0].codes
            sizes = (*window.kernel, *window.dilation, *window.stride, *window.padding[:2])
            geometry = np.array([*sizes, *head.in_shapes[0][1:], head.shape[2]])
            if isinstance(head, MaxPoolNode):
                largest = np.zeros((self._slots, codes.shape[1]), np.int32)

                def reduce(slot: int, image: int, step: int) -> None:
                    max_window(codes, geometry, image, step, largest, slot)

                return [reduce], [largest]
            read = np.zeros((self._slots, window.positions * codes.shape[1]), np.int16)

            def gather(slot: int, image: int, step: int) -> None:
                # One is added to each code, so that 0 is padding.
                gather_window(codes, geometry, image, step, ABSENT, read, slot)

            return [gather], [read]
        pairs = [
            _pixel_reader(operand, memory, self.stage, self._slots)
            for operand, memory in zip(self.stage.operands, self._memories, strict=True)
        ]
        return [take for take, _ in pairs], [read for _, read in pairs]

    def _capture(self, window: int, image: int, step: int) -> None:
        """Copy what a position reads to its registers."""
        slot = window % self._slots
        for take in self._takes:
            take(slot, image, step)

    # -- what becomes of them --------------------------------------------------------------------------------

    def _move(self, window: int) -> None:
        """Pass codes on."""
        slot = window % self._slots
        row = self.output[window % self._rows]
        if isinstance(self.stage.head, ConcatNode):
            row[:] = np.concatenate([read[slot] for read in self._read])
        else:
            row[:] = self._read[0][slot]

    def _pool(self, work: Work, window: int) -> Work:
        """Pass the largest codes on."""
        self.output[window % self._rows] = self._read[0][window % self._slots]
        return work

    def _computing(self, first: int, step: int) -> Callable[[int], Work]:
        """Return the work of every `step`-th neuron from `first` on, of as many RNAs as do them."""
        place, neurons = self.place, self._neurons
        searches = place.phases.activating + place.phases.encoding
        mine = range(first, place.rnas, step)
        turns = np.array([len(range(rna, place.neurons, place.rnas)) for rna in mine])
        loading = np.array([each * place.each(each).loading for each in turns.tolist()])
        rnas, others = len(mine), turns * searches + loading

        def compute(window: int) -> Work:
            codes, count, add = neurons.compute(window % self._slots, window, first, step)
            self.output[window % self._rows, first::step] = codes
            self._note(count + add + searches)
            if rnas != len(count):  # an RNA does several, one behind the other
                count, add = _by_rna(count, rnas), _by_rna(add, rnas)
            slowest = int((count + add + others).argmax())
            return Work(
                turns=int(turns[slowest]),
                loading=int(loading[slowest]),
                counting=int(count[slowest]),
                adding=int(add[slowest]),
                counted=int(count.sum()),
                added=int(add.sum()),
            )

        return compute

    def _note(self, cycles: Ints) -> None:
        """Count neurons by their cycles."""
        found = np.bincount(cycles)
        if len(found) > len(self.histogram):
            self.histogram = np.pad(self.histogram, (0, 2 * len(found) - len(self.histogram)))
        self.histogram[: len(found)] += found


def _freed(channel: Any) -> Callable[[], int]:
    """Return what tells how many pixels of a buffer were freed."""
    return lambda: int(channel.freed)


def _by_rna(cycles: Ints, rnas: int) -> Ints:
    """Return the cycles of neurons added up for each RNA: neuron j is done by RNA j mod `rnas`."""
    turns = -(-len(cycles) // rnas)
    by_turn = np.pad(cycles, (0, turns * rnas - len(cycles))).reshape(turns, rnas)
    return np.asarray(by_turn.sum(axis=0))


def _pixel_reader(operand: Operand, memory: PixelMemory, stage: Stage, slots: int) -> tuple[Take, Ints]:
    """Return what takes one pixel of an operand, or the codes that a selection picks from it."""
    codes, pixels = memory.codes, operand.firing.pixels
    head = stage.head
    channels = stage.shape[0] if isinstance(head, SelectNode) else operand.shape[0]
    read = np.zeros((slots, channels), np.int16)
    if not isinstance(head, SelectNode):

        def take(slot: int, image: int, step: int) -> None:
            read[slot] = codes[(image * pixels + step) % len(codes)]

        return take, read
    picked = head.picked_pixels.tolist()
    places = np.arange(channels) if head.channels is None else np.array(head.channels)

    def pick(slot: int, image: int, step: int) -> None:
        if picked[step] < 0:
            read[slot] = ABSENT
            return
        pixel = codes[(image * pixels + picked[step]) % len(codes)]
        read[slot] = np.where(places < 0, ABSENT, pixel[places])

    return pick, read
