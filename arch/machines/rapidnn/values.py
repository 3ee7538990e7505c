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

from arch.cam import CAMConfig
from arch.cam_values import CAMValues
from arch.machine import NeuronTimes, Values
from arch.machines.rapidnn.configuration import RapidnnConfig
from arch.machines.rapidnn.layer import Layer
from arch.machines.rapidnn.rnas import Work
from arch.mapping.stages import Operand, Stage
from arch.pixel_memory import PixelMemory
from simcore.kernels.lookup_neuron import addend_steps, count_neurons
from simcore.kernels.windows import gather_window, max_window
from workloads import AvgPoolNode, ConcatNode, MatrixNode, MaxPoolNode, SelectNode
from workloads.composition.composed_network import (
    ABSENT,
    ComposedBlock,
    ComposedNetwork,
    nearest_rows,
    wrapped,
)

Ints = NDArray[Any]
Take = Callable[[int, int, int], None]
#: Sums (columns,), and of each the shifted products and the inputs in the fullest lane.
Sums = tuple[Ints, Ints, Ints]


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
        self._neurons = _Neurons(self.config, stage, self.block, network, values, self._read)
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
                return [lambda slot, image, step: max_window(codes, geometry, image, step, largest, slot)], [
                    largest
                ]
            read = np.zeros((self._slots, window.positions * codes.shape[1]), np.int16)
            # One is added to each code, and padding is none.
            return [
                lambda slot, image, step: gather_window(codes, geometry, image, step, ABSENT, read, slot)
            ], [read]
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
        phases, neurons = self.place.phases, self._neurons
        searches = phases.activating + phases.encoding
        others = searches + phases.loading + self.place.reload
        rnas = len(range(first, self.place.rnas, step))
        turns = np.array(
            [
                len(range(rna, self.place.neurons, self.place.rnas))
                for rna in range(first, self.place.rnas, step)
            ]
        )

        def compute(window: int) -> Work:
            codes, count, add = neurons.compute(window % self._slots, window, first, step)
            self.output[window % self._rows, first::step] = codes
            self._note(count + add + searches)
            if rnas != len(count):  # an RNA does several, one behind the other
                count, add = _by_rna(count, rnas), _by_rna(add, rnas)
            slowest = int((count + add + turns * others).argmax())
            return Work(
                int(turns[slowest]), int(count[slowest]), int(add[slowest]), int(count.sum()), int(add.sum())
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


class _Neurons:
    """All neurons of a block: sums of their tables' entries, and what becomes of them."""

    def __init__(
        self,
        config: RapidnnConfig,
        stage: Stage,
        block: ComposedBlock,
        network: ComposedNetwork,
        values: Values,
        read: list[Ints],
    ) -> None:
        self.block, self.read, self.bits = block, read, network.bits
        self._offset = network.offset
        columns = stage.shape[0]
        self._sums = tuple(np.zeros(columns, np.int64) for _ in range(3))
        self._columns, self._pixels = columns, stage.steps
        most = self._prepare(config, stage)
        self._add_cycles = np.array([config.addition_cycles(n) for n in range(most + 1)])
        self._memories: dict[str, _Search] = {}
        if values.device:
            tables = {
                "activation": (config.activation, None if block.activation is None else block.activation.keys)
            }
            tables["encoding"] = (config.encoding, block.encoder)
            self._memories = {
                name: _Search(memory, keys + self._offset, columns, values.seed, f"{stage.name}.{name}")
                for name, (memory, keys) in tables.items()
                if keys is not None
            }

    def _prepare(self, config: RapidnnConfig, stage: Stage) -> int:
        """Lay the tables out; return the most operands of an addition."""
        head, products = stage.head, self.block.products
        if products is None:
            assert self.block.terms is not None
            # Row 0 is what absent codes add.
            self._terms = np.pad(self.block.terms, ((0, 0), (1, 0))).astype(np.int64)
            self._positions = head.window.positions if isinstance(head, AvgPoolNode) else 0
            return max(self._positions, len(self._terms))
        assert isinstance(head, MatrixNode)
        self._weights = np.ascontiguousarray(products.codes.transpose(0, 2, 1).reshape(head.cols, head.rows))
        lanes = config.lanes
        fullest = [np.bincount(own % lanes, minlength=1).max() for own in self._weights]
        counts = np.zeros(self.block_codes(products.table), np.uint16 if head.rows < 1 << 16 else np.uint32)
        self._matrix = (
            head.window.positions,
            self._weights,
            head.groups,
            np.ascontiguousarray(products.table),
            addend_steps(head.rows, config.signed),
            np.array(fullest, np.int64),
            lanes,
        )
        self._counts, self._bias = counts, products.bias
        return head.rows + 1

    @staticmethod
    def block_codes(table: Ints) -> int:
        """Return the pairs of codes of one codebook."""
        return int(table.shape[1] * table.shape[2])

    def compute(self, slot: int, window: int, first: int, step: int) -> tuple[Ints, Ints, Ints]:
        """Return codes of every `step`-th neuron from `first` on, and cycles of counting and of adding."""
        sums, addends, buckets = self._sums
        chosen = slice(first, None, step)
        if self.block.products is not None:
            count_neurons(
                self.read[0][slot], *self._matrix, first, step, self._counts, sums, addends, buckets
            )
            total, operands = sums[chosen] + self._bias[chosen], addends[chosen] + 1
            count = buckets[chosen].copy()
        else:
            total, operands = self._summed(slot, chosen)
            count = np.zeros_like(operands)
        return self._finished(total, window, chosen), count, self._add_cycles[operands]

    def _summed(self, slot: int, chosen: slice) -> tuple[Ints, Ints]:
        """Return the sums of terms, and how many there are in each."""
        if self._positions:
            codes = self.read[0][slot].reshape(self._positions, -1)[:, chosen]
            return self._terms[0][codes].sum(axis=0), (codes > 0).sum(axis=0)
        operands = [read[slot, chosen] + 1 for read in self.read]
        total = sum(table[codes] for table, codes in zip(self._terms, operands, strict=True))
        return np.asarray(total), np.sum([codes > 0 for codes in operands], axis=0)

    def _finished(self, sums: Ints, window: int, chosen: slice) -> Ints:
        """Return what becomes of sums: clipped, looked up, encoded."""
        block = self.block
        numbers = np.clip(wrapped(sums, self.bits), block.low, block.high)
        if block.activation is not None:
            numbers = block.activation.values[
                self._rows("activation", block.activation.keys, numbers, window, chosen)
            ]
        if block.encoder is not None:
            numbers = self._rows("encoding", block.encoder, numbers, window, chosen)
        return numbers

    def _rows(self, memory: str, keys: Ints, numbers: Ints, window: int, chosen: slice) -> Ints:
        """Return the row that answers each number: the nearest, or what the real memory finds."""
        if memory not in self._memories:
            return nearest_rows(keys, numbers)
        return self._memories[memory].rows(numbers + self._offset, window, chosen)


class _Search:
    """The memories of all neurons of a block, each with its own stuck cells and noise."""

    def __init__(self, config: CAMConfig, keys: Ints, columns: int, seed: int, name: str) -> None:
        self._columns = columns
        stuck = config.stuck_at_0 + config.stuck_at_1 > 0
        wide = config.model_copy(update={"rows": max(config.rows, len(keys))})
        self._own = (
            [
                CAMValues(wide, keys, 1, seed=seed, name=f"{name}[{column}]", path="scan")
                for column in range(columns)
            ]
            if stuck
            else []
        )
        self._common = None if stuck else CAMValues(wide, keys, columns, seed=seed, name=name)

    def rows(self, keys: Ints, window: int, chosen: slice) -> Ints:
        """Return the answers of the chosen neurons' memories."""
        columns = range(*chosen.indices(self._columns))
        search = window * self._columns
        if self._common is not None:
            self._common.keys[chosen] = keys
            for column in columns if len(columns) < self._columns else ():
                self._common.search_slots(search + column, column, column + 1)
            if len(columns) == self._columns:
                self._common.search_slots(search, 0, self._columns)
            return self._common.found[chosen].astype(np.int64)
        found = []
        for key, column in zip(keys, columns, strict=True):
            memory = self._own[column]
            memory.keys[0] = key
            memory.search_slots(search + column, 0, 1)
            found.append(int(memory.found[0]))
        return np.array(found)
